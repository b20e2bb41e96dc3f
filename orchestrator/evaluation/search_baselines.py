"""The baselines of a search: which of them a corpus allows, and what each scores on the search's own folds.

Nothing here is of the paper; without it nobody sees whether the sequence and the depth bought anything.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from models.splits import FoldSplit
from models.windows import Series
from orchestrator import measures
from orchestrator.data.dataset import Dataset, Outline
from orchestrator.data.series import Scales
from orchestrator.evaluation import baselines, fold_scores
from orchestrator.evaluation.baselines import BASELINES, Baseline
from orchestrator.measures import FoldMoments
from orchestrator.protocols import DIMENSIONS
from orchestrator.run_records import FoldScore

# Ours, for one core of 2020: what is left out would take longer than this, or hold more numbers than that.
MOST_SECONDS = 60.0
MOST_VALUES = 50_000_000  # 400 MB
RIDGE_PER_SECOND = 5.0e9  # rows x columns^2, measured
TREES_PER_SECOND = 3.0e6  # rows x columns, measured


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """By baseline `ccc_valence` and `ccc_arousal`, empty if it was left out, and why those were."""

    scores: Mapping[str, Mapping[str, float]]
    left_out: Mapping[str, str]


def measure(dataset: Dataset) -> Measured:
    """Score every baseline on the folds of a search: the mean over the folds of the CCC of all scored frames.

    Left out, all of them, where images are learned from (pixels are no columns) and for federations, whose frames never
    meet; and what would take too long or too much memory. That is decided by size alone, so that a plan has the same
    baselines on every machine. The ridge on single frames is made at any size.
    """
    series = [one for one in dataset.series if isinstance(one, Series)]
    if len(series) < len(dataset.series):
        federated = any(isinstance(one, Outline) for one in dataset.series)
        reason = "no two people's frames meet" if federated else "images are learned from, not columns"
        return Measured(scores={name: {} for name in BASELINES}, left_out=dict.fromkeys(BASELINES, reason))
    measured = as_measured(series, dataset.own_scales)
    scores: dict[str, Mapping[str, float]] = {}
    left_out = {}
    # Equal bits on every number of cores; and the fits are so small that threads cost more than they save.
    with threadpool_limits(limits=1):
        for name, one in BASELINES.items():
            shown = measured if one.own_scale else series
            why = _too_large(one, shown, folds=len(dataset.splits))
            scores[name] = {} if why else _scores(one, shown, dataset)
            if why:
                left_out[name] = why
    return Measured(scores=scores, left_out=left_out)


def as_measured(series: Sequence[Series], own_scales: Scales) -> list[Series]:
    """Undo the scaling by a person's own mean and deviation, and leave out what goes in beside the z-scores."""
    made = []
    for one in series:
        if one.participant in own_scales:
            mean, sd = own_scales[one.participant]
            features = np.where(one.valid_T[:, None], one.features_TF[:, : len(mean)] * sd + mean, 0.0)
            one = dataclasses.replace(one, features_TF=features.astype(np.float32))  # noqa: PLW2901
        made.append(one)
    return made


def _scores(baseline: Baseline, series: Sequence[Series], dataset: Dataset) -> dict[str, float]:
    if baseline.features == "frames":  # which see what the network sees, scaled fold by fold
        parts = [(_of_fold(series, split), [split]) for split in dataset.splits]
    else:
        parts = [(list(series), list(dataset.splits))]
    folds = [
        fold
        for shown, splits in parts
        for fold in baselines.run_baseline(baseline, shown, dataset.times, splits, window_length=1)
    ]
    scored = [
        FoldScore(fold=k, scores=measures.of_fold(FoldMoments(frames=fold.frames, windows=fold.windows)))
        for k, fold in enumerate(folds)
    ]
    means = fold_scores.over_folds(scored)
    return {key: float(means[key] or 0.0) for key in measures.headline_keys()}


def _of_fold(series: Sequence[Series], split: FoldSplit) -> list[Series]:
    if split.mean_F is None or split.sd_F is None:
        return list(series)
    mean, sd = np.asarray(split.mean_F), np.asarray(split.sd_F)
    return [
        dataclasses.replace(one, features_TF=np.where(one.valid_T[:, None], (one.features_TF - mean) / sd, 0.0))
        for one in series
    ]


def _too_large(baseline: Baseline, series: Sequence[Series], *, folds: int) -> str | None:
    """Return why a baseline is left out, by the size of what it looks at alone; None: it is not."""
    if baseline.features in ("none", "frames"):
        return None
    frames = sum(len(one.valid_T) for one in series)
    columns = baselines.num_columns(baseline.features, series[0].features_TF.shape[1])
    size = f"{frames:,} frames of {columns:,} columns, {folds} folds"
    if frames * columns > MOST_VALUES:
        return f"{size}: more than {MOST_VALUES:,} numbers"
    rows = min(frames, baselines.MAX_ROWS)
    trees = baseline.fit is baselines.fit_boosting
    once = rows * columns / TREES_PER_SECOND if trees else rows * columns**2 / RIDGE_PER_SECOND
    seconds = once * len(DIMENSIONS) * folds
    return f"{size}: about {seconds:.0f} s, more than {MOST_SECONDS:.0f} s" if seconds > MOST_SECONDS else None
