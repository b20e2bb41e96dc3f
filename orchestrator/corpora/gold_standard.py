"""One trace a dimension from several raters' labels, and the raters' agreement (the paper's: the mean).

Shapes: T frames of a recording, R raters, 2 = valence and arousal. NaN: no label. Where any rater has
a label the gold standard has one too.
"""

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from models.ccc import Moments, ccc
from models.references import resolve
from orchestrator.corpora.catalogue import GOLD_STANDARDS
from orchestrator.corpora.tables.time_units import is_regular, typical_step
from orchestrator.errors import InputError
from orchestrator.protocols import LABEL_SHIFTS

Floats = NDArray[np.float32]
Array = NDArray[np.float64]
SAME_TIME_SECONDS = 1e-6  # times are rounded in files
SAME_FRAMES = 0.01  # ours: so much more than half a frame is still half a frame; rounded times give steps to 1e-3
WHOLE_FRAMES = LABEL_SHIFTS[1]
FLOAT32_DECIMALS = 6  # that float32 keeps of labels within [-1, 1]: it is 6e-8 off at most


def gold_standard(ratings: Floats, kind: str, *, decimals: int | None = None, rounding: str = "float32") -> Floats:
    """Make the gold standard (T, 2) of one recording's ratings (T, R, 2).

    `kind` is a key of `catalogue.GOLD_STANDARDS`, else InputError; `decimals` rounds it, as the authors' code does.
    With `rounding` "float64" that is of the decimals in the files, up to six, so that exact halves fall as they do in
    the authors' code; with "float32" of what float32 holds of them, which lies a little above or below.
    """
    if kind not in GOLD_STANDARDS:
        raise InputError.of("--gold", found=kind, expected=f"one of {', '.join(GOLD_STANDARDS)}")
    exact = ratings.astype(np.float64)
    if decimals is not None and rounding == "float64":
        exact = np.round(exact, FLOAT32_DECIMALS)
    gold: Array = resolve(GOLD_STANDARDS[kind].function)(exact)
    return (gold if decimals is None else np.round(gold, decimals)).astype(np.float32)


def mean(ratings: Array) -> Array:
    """Average the raters (T, R, 2) who have a label at a frame: (T, 2). The paper's gold standard."""
    return _weighted_mean(ratings, np.ones(ratings.shape[1:]))


def median(ratings: Array) -> Array:
    """Compute the median of the raters (T, R, 2) who have a label at a frame: (T, 2)."""
    gold = np.full((ratings.shape[0], ratings.shape[2]), np.nan)
    labelled = np.asarray(np.isfinite(ratings).any(axis=1))
    for dimension in range(ratings.shape[2]):
        rows = labelled[:, dimension]
        if rows.any():
            gold[rows, dimension] = np.nanmedian(ratings[rows, :, dimension], axis=1)
    return gold


def evaluator_weighted(ratings: Array) -> Array:
    """Average the raters (T, R, 2) by their agreement with the others, negative ones as 0: (T, 2).

    Evaluator-weighted estimator (Grimm and Kroschel, 2005), with the CCC as agreement. Where only raters
    without weight have a label their plain mean stands in.
    """
    weighted = _weighted_mean(ratings, np.maximum(rater_agreement(ratings), 0.0))
    return np.where(np.isnan(weighted), mean(ratings), weighted)


def ccc_centred(ratings: Array) -> Array:
    """Move every rater (T, R, 2) to the mean level of the raters, weighted by agreement, and average: (T, 2).

    As the gold standard of AVEC 2016 and 2018, but that a negative agreement counts 0: mean of the ratings - overall
    mean + sum(a_r m_r) / sum(a_r), with the agreement a_r of rater r and the mean m_r. Each rater is centred alone, so
    that a missing label makes no jump. Without any agreement the level is the plain mean of the m_r.
    """
    return _centred(ratings, np.maximum(rater_agreement(ratings), 0.0))


def ccc_centred_avec(ratings: Array) -> Array:
    """Do as `ccc_centred` does, with negative agreements as they are: (T, 2). What AVEC 2018's script computes.

    A contrary rater's level is then subtracted, and where the agreements add up to nearly 0 the level may lie outside
    [-1, 1].
    """
    return _centred(ratings, rater_agreement(ratings))


def _centred(ratings: Array, agreement: Array) -> Array:
    """Centre (T, R, 2) with weights (R, 2)."""
    means = _means_of_raters(ratings)  # (R, 2), NaN for a rater without labels
    there = np.isfinite(means)
    weights = np.where(there, agreement, 0.0)
    weights = np.where(weights.sum(axis=0) != 0, weights, there.astype(np.float64))
    total = weights.sum(axis=0)
    level = (weights * np.nan_to_num(means)).sum(axis=0) / np.where(total != 0, total, 1.0)
    return np.asarray(mean(ratings - means[None]) + level)


def pairwise_agreement(ratings: NDArray[np.floating]) -> Array:
    """CCC of each two raters of (T, R, 2) over the frames that both labelled: (R, R, 2).

    NaN on the diagonal and where two raters share no frame; 0 where one of them is constant.
    """
    num_raters, num_dimensions = ratings.shape[1:]
    agreement = np.full((num_raters, num_raters, num_dimensions), np.nan)
    there = np.isfinite(ratings)
    for dimension in range(num_dimensions):
        for one, other in combinations(range(num_raters), 2):
            both = there[:, one, dimension] & there[:, other, dimension]
            if both.any():
                value = ccc(Moments.of(ratings[both, one, dimension], ratings[both, other, dimension]))
                agreement[one, other, dimension] = agreement[other, one, dimension] = value
    return agreement


def rater_agreement(ratings: NDArray[np.floating]) -> Array:
    """Mean CCC of each rater of (T, R, 2) with the others: (R, 2); 0 without any other to compare."""
    return nan_mean(pairwise_agreement(ratings), axis=1)


def nan_mean(values: Array, *, axis: int) -> Array:
    """Average what is not NaN along an axis; 0 where nothing is left."""
    there = np.isfinite(values)
    count = there.sum(axis=axis)
    return np.asarray(np.where(there, values, 0.0).sum(axis=axis) / np.maximum(count, 1), dtype=np.float64)


def delayed(labels: Floats, time: NDArray[np.floating], seconds: float, *, shift: str = "nearest") -> Floats:
    """Move labels (T, ...) earlier by `seconds`, as raters react late: frame t gets the label of t + seconds.

    `time` (T,) is in seconds. The label is the nearest within half a (median) frame; frames without one become NaN,
    among them the last `seconds`. By the `shift` "whole-frames" the delay is first what `in_whole_frames` makes of it,
    and of two labels as near the earlier one counts; by "nearest" that is as the times' last digits fall.
    InputError for a negative or infinite delay.
    """
    if not 0.0 <= seconds < np.inf:
        raise InputError.of("--label-delay", found=seconds, expected="seconds, 0 or more")
    if seconds == 0.0:
        return labels.copy()
    moved = np.full_like(labels, np.nan)
    if len(time) < 2:
        return moved
    whole = shift == WHOLE_FRAMES
    wanted = time + (in_whole_frames(time, seconds) if whole else seconds)
    after = np.clip(np.searchsorted(time, wanted), 1, len(time) - 1)
    slack = SAME_TIME_SECONDS if whole else 0.0
    nearest = np.where(wanted - time[after - 1] <= time[after] - wanted + slack, after - 1, after)
    half_frame = float(np.median(np.diff(time))) / 2
    found = np.abs(time[nearest] - wanted) <= half_frame + SAME_TIME_SECONDS
    moved[found] = labels[nearest[found]]
    return moved


def in_whole_frames(time: NDArray[np.floating], seconds: float) -> float:
    """Round a delay to whole frames of a regular clock (T,), half a frame to fewer; of an irregular one it stays."""
    steps = np.diff(time.astype(np.float64))
    if not len(steps) or not is_regular(steps):
        return seconds
    step = typical_step(steps)
    return max(0.0, float(np.ceil(seconds / step - 0.5 - SAME_FRAMES))) * step


def _weighted_mean(ratings: Array, weights: Array) -> Array:
    """Average (T, R, 2) with weights (R, 2) over the raters with a label: (T, 2); NaN without any weight."""
    there = np.isfinite(ratings)
    weight = (there * weights).sum(axis=1)
    total = (np.where(there, ratings, 0.0) * weights).sum(axis=1)
    return np.where(weight > 0, total / np.where(weight > 0, weight, 1.0), np.nan)


def _means_of_raters(ratings: Array) -> Array:
    there = np.isfinite(ratings).any(axis=0)
    return np.where(there, nan_mean(ratings, axis=0), np.nan)
