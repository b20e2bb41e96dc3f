# ruff: noqa: N803, N806, N815 - shape suffixes, by the legend below
"""How far raters agree, and what their disagreement leaves for a prediction to reach (docs/statistics.md).

One dimension at a time. Everything is made from sums by person, so that a person can be left out. Shapes: T frames of a
recording, R raters of the corpus, P people, K folds, Q pairs of raters; further axes in front are simulated corpora.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from orchestrator.estimators.intervals import Interval, jackknife, make_interval
from orchestrator.estimators.sums import Array, by_fold


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rated:
    """One recording's labels in one dimension (T, R of this recording), NaN without one; `scored_T`: what counts."""

    participant: str
    raters: tuple[str, ...]
    ratings_TR: NDArray[np.floating]
    scored_T: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RatingSums:
    """Sums of the labels by person.

    `gold` (P, 4): frames, sum and squares of the raters' mean, and the sum of 1 / (raters of the frame). `pairs` (P, Q,
    3): frames, sum and squares of the difference of two raters. `complete` (P, R + 3): of the frames that all R raters
    labelled their number, each rater's sum, the squares of the frames' totals, and all squares. `values` (P, 4):
    number, sum and squares of all labels at frames with m >= 2 of them, and the sum of m / (m - 1) x squares about the
    mean.
    """

    names: tuple[str, ...]
    raters: tuple[str, ...]
    gold: Array
    pairs: Array
    complete: Array
    values: Array

    @property
    def parts(self) -> tuple[Array, Array, Array, Array]:
        """The four arrays, in the order of their declaration."""
        return self.gold, self.pairs, self.complete, self.values

    def pooled(self) -> "RatingSums":
        """Add all people up, keeping the axis P."""
        return self._with([part.sum(axis=0, keepdims=True) for part in self.parts], ("all",))

    def without_each(self) -> "RatingSums":
        """Leave each person out of the whole in turn."""
        return self._with([part.sum(axis=0, keepdims=True) - part for part in self.parts], self.names)

    def _with(self, parts: Sequence[Array], names: tuple[str, ...]) -> "RatingSums":
        gold, pairs, complete, values = parts
        return RatingSums(names=names, raters=self.raters, gold=gold, pairs=pairs, complete=complete, values=values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """One dimension's agreement over the whole corpus, with 95 % intervals over people; None if it has no meaning.

    `icc_single` and `icc_mean` are ICC(2,1) and ICC(2,k) of Shrout and Fleiss over the frames that all raters labelled;
    `alpha` is Krippendorff's, interval metric, over all frames with two labels or more. `ceiling` is what a
    prediction's CCC (and correlation) with the mean of the raters can reach, mean over the folds.
    """

    num_raters: int
    num_people: int
    num_complete_frames: int
    ceiling: Interval | None
    icc_single: Interval | None
    icc_mean: Interval | None
    alpha: Interval | None


def agreement(recordings: Sequence[Rated], folds: Sequence[Sequence[str]]) -> Agreement | None:
    """Describe the raters; `folds` holds the people whom each fold reports. None with one rater or no shared frame."""
    sums = rating_sums(recordings)
    if len(sums.raters) < 2 or not sums.pairs[..., 0].any():
        return None
    pooled = sums.pooled()
    return Agreement(
        num_raters=len(sums.raters),
        num_people=len(sums.names),
        num_complete_frames=int(pooled.complete[0, 0]),
        ceiling=ceiling(sums, folds),
        icc_single=_over_people(sums, 0),
        icc_mean=_over_people(sums, 1),
        alpha=_over_people(sums, 2),
    )


def rating_sums(recordings: Sequence[Rated]) -> RatingSums:
    """Sum the labels of each person over all recordings; people without a scored label are left out."""
    raters = tuple(dict.fromkeys(name for one in recordings for name in one.raters))
    people: dict[str, list[Array]] = {}
    for one in recordings:
        aligned = np.full((len(one.ratings_TR), len(raters)), np.nan)
        aligned[:, [raters.index(name) for name in one.raters]] = one.ratings_TR
        made = _of_frames(aligned[one.scored_T])
        known = people.get(one.participant)
        people[one.participant] = made if known is None else [a + b for a, b in zip(known, made, strict=True)]
    kept = {name: parts for name, parts in people.items() if parts[0][0] > 0}
    empty = _of_frames(np.zeros((0, len(raters))))
    gold, pairs, complete, values = (
        np.array([parts[i] for parts in kept.values()]).reshape(len(kept), *one.shape) for i, one in enumerate(empty)
    )
    return RatingSums(names=tuple(kept), raters=raters, gold=gold, pairs=pairs, complete=complete, values=values)


def _of_frames(ratings_TR: Array) -> list[Array]:
    there = np.isfinite(ratings_TR)
    known, count = np.where(there, ratings_TR, 0.0), there.sum(axis=1)
    mean = known.sum(axis=1) / np.maximum(count, 1)
    some, two, whole = count > 0, count > 1, count == ratings_TR.shape[1]
    gold = np.array([some.sum(), mean[some].sum(), (mean[some] ** 2).sum(), (1.0 / count[some]).sum()])
    num_raters = ratings_TR.shape[1]
    pairs = np.zeros((num_raters * (num_raters - 1) // 2, 3))
    for row, (one, other) in enumerate(combinations(range(num_raters), 2)):
        both = there[:, one] & there[:, other]
        difference = ratings_TR[both, one] - ratings_TR[both, other]
        pairs[row] = both.sum(), difference.sum(), (difference**2).sum()
    rows = known[whole]
    complete = np.array([whole.sum(), *rows.sum(axis=0), (rows.sum(axis=1) ** 2).sum(), (rows**2).sum()])
    about = (np.where(there, ratings_TR - mean[:, None], 0.0) ** 2).sum(axis=1)
    inner = (count[two] / (count[two] - 1) * about[two]).sum()
    values = np.array([count[two].sum(), known[two].sum(), (known[two] ** 2).sum(), inner])
    return [gold, pairs, complete, values]


def noise_variance(pairs: Array) -> Array:
    """Return the variance of one rater's error from the differences of all pairs (..., Q, 3); NaN without a pair.

    Half the variance of the difference of two raters, pooled over the pairs: a constant difference of level is no
    error. With the same raters at every frame it is the residual mean square of the two-way analysis of variance.
    """
    n, total, squares = pairs[..., 0], pairs[..., 1], pairs[..., 2]
    about = squares - total**2 / np.maximum(n, 1.0)
    degrees = np.maximum(n - 1.0, 0.0).sum(axis=-1)
    return np.asarray(np.where(degrees > 0, 0.5 * about.sum(axis=-1) / np.maximum(degrees, 1.0), np.nan))


def noise_inside(pairs: Array) -> Array:
    """Return the part of `noise_variance` that varies inside people (...), of the sums by person (..., P, Q, 3).

    The rest is one level of each rater for each person: a person's gold standard is off by it as a whole.
    """
    n, total, squares = pairs[..., 0], pairs[..., 1], pairs[..., 2]
    about = (squares - total**2 / np.maximum(n, 1.0)).sum(axis=(-1, -2))
    degrees = np.maximum(n - 1.0, 0.0).sum(axis=(-1, -2))
    return np.asarray(0.5 * about / np.maximum(degrees, 1.0))


def reliability(gold: Array, noise: Array) -> Array:
    """Return the reliability of the raters' mean (...): 1 - noise x mean(1 / raters) / variance of the mean, 0 to 1.

    Spearman-Brown's of the mean of k raters where every frame has k; ICC(3,k) then.
    """
    return reachable(gold, noise, np.zeros_like(noise), np.ones_like(noise))


def reachable(gold: Array, inside: Array, levels: Array, people: Array) -> Array:
    """Return the square of the CCC with the raters' mean that the truth can reach over a pool of people, 0 to 1.

    `inside` and `levels` are the variances of a rater's error inside people and of its level by person. Of the levels a
    pool's variance holds 1 - 1 / people, and the square of its mean 1 / people; with many people: the reliability.
    """
    n = np.maximum(gold[..., 0], 1.0)
    mean, mean_square, of_mean = gold[..., 1] / n, gold[..., 2] / n, gold[..., 3] / n
    variance = mean_square - mean**2
    varies = variance > 1e-12 * mean_square
    share = 1.0 / np.maximum(people, 1.0)
    truth = variance - of_mean * (inside + levels * (1.0 - share))
    below = variance + of_mean * levels * share
    return np.asarray(np.where(varies, np.clip(truth / np.where(varies, below, 1.0), 0.0, 1.0), 0.0))


def ceiling(sums: RatingSums, folds: Sequence[Sequence[str]]) -> Interval | None:
    """Return the root of the reliability of the mean, by fold like a prediction's CCC, mean over the folds.

    The largest CCC with the raters' mean of anything that does not know their errors: of b x truth the CCC is largest
    at b = sd(mean) / sd(truth), where it is the correlation, sd(truth) / sd(mean). None with fewer than two people or
    folds.
    """
    number = {person: k for k, people in enumerate(folds) for person in people}
    kept = [index for index, name in enumerate(sums.names) if name in number]
    if len(kept) < 2:
        return None
    fold_P = np.unique([number[sums.names[index]] for index in kept], return_inverse=True)[1]
    estimate = _mean_ceiling(sums.gold[kept], sums.pairs, fold_P)
    # A person's labels also tell how far raters err, for every fold: left out of both at once.
    left_out = [
        _mean_ceiling(
            np.delete(sums.gold[kept], at, axis=0), np.delete(sums.pairs, index, axis=0), np.delete(fold_P, at)
        )
        for at, index in enumerate(kept)
    ]
    if int(fold_P.max()) == 0 or not np.isfinite([estimate, *left_out]).all():
        return None
    spread = jackknife(estimate, np.array(left_out))
    found = make_interval(
        spread, num_people=len(kept), num_folds=int(fold_P.max()) + 1, limited=True, conservative=True
    )
    return replace(found, low=max(found.low, 0.0), high=max(found.high, 0.0))  # a root of what lies between 0 and 1


def _mean_ceiling(gold: Array, pairs: Array, fold_P: NDArray[np.int64]) -> float:
    """Return the mean over the folds with somebody in them of what the truth can reach; NaN without a pair."""
    noise = noise_variance(pairs.sum(axis=-3))
    inside = np.minimum(noise, noise_inside(pairs))
    fold_P = np.unique(fold_P, return_inverse=True)[1]
    squares = reachable(by_fold(gold, fold_P), inside, noise - inside, np.bincount(fold_P).astype(np.float64))
    return float(np.sqrt(squares).mean())


def icc(complete: Array) -> tuple[Array, Array]:
    """Return ICC(2,1) and ICC(2,k) (Shrout and Fleiss 1979) from sums over complete frames (..., R + 3).

    Two-way random effects, absolute agreement; frames are the targets. NaN without frames, and if the formula
    divides by 0.
    """
    k = complete.shape[-1] - 3
    n, totals, rows, squares = complete[..., 0], complete[..., 1:-2], complete[..., -2], complete[..., -1]
    safe = np.maximum(n, 2.0)
    grand = totals.sum(axis=-1) ** 2 / (safe * k)
    between, raters = rows / k - grand, (totals**2).sum(axis=-1) / safe - grand
    error = np.maximum(squares - grand - between - raters, 0.0) / ((safe - 1) * (k - 1))
    target, level = between / (safe - 1), raters / (k - 1)
    known = (n > 1) & (squares - grand > 1e-12 * squares)
    single_below = target + (k - 1) * error + k * (level - error) / safe
    mean_below = target + (level - error) / safe
    single, of_mean = (
        np.asarray(np.where(known & (below != 0), (target - error) / np.where(below != 0, below, 1.0), np.nan))
        for below in (single_below, mean_below)
    )
    return single, of_mean


def krippendorff_alpha(values: Array) -> Array:
    """Return Krippendorff's alpha (...), interval metric, from sums over frames with two labels or more; NaN without.

    1 - observed / expected disagreement: with m labels at a frame, sum of m / (m - 1) x squares about its mean, over n,
    against the squares about the mean of all n labels, over n - 1.
    """
    n = np.maximum(values[..., 0], 2.0)
    squares = values[..., 2] - values[..., 1] ** 2 / n
    known = (values[..., 0] > 1) & (squares > 1e-12 * values[..., 2])
    return np.asarray(np.where(known, 1.0 - values[..., 3] / n * (n - 1) / np.where(known, squares, 1.0), np.nan))


def _coefficients(sums: RatingSums) -> tuple[Array, Array, Array]:
    return (*icc(sums.complete), krippendorff_alpha(sums.values))


def _over_people(sums: RatingSums, which: int) -> Interval | None:
    """Return one of the three coefficients with the person jackknife's interval."""
    estimate = _coefficients(sums.pooled())[which][0]
    left_out = _coefficients(sums.without_each())[which]
    if len(left_out) < 2 or not np.isfinite(estimate) or not np.isfinite(left_out).all():
        return None
    return make_interval(jackknife(float(estimate), left_out), num_people=len(left_out), num_folds=1, limited=True)
