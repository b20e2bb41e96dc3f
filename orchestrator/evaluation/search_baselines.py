"""The baselines of a search: which of them a corpus allows, and what each scores on the search's own folds.

Nothing here is of the paper; without it nobody sees whether the sequence and the depth bought anything.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from models.sizes import BACKBONE_FEATURES
from models.splits import FoldSplit
from models.windows import Series
from orchestrator import measures
from orchestrator.data.backbone_features import Show
from orchestrator.data.dataset import Dataset, Outline
from orchestrator.data.series import Scales
from orchestrator.evaluation import baselines, fold_scores
from orchestrator.evaluation.baselines import BASELINES, Baseline
from orchestrator.measures import FoldMoments
from orchestrator.protocols import DIMENSIONS
from orchestrator.run_records import FoldScore

# Ours, for one core of 2020: what is left out would take longer than this, or hold more numbers than that.
MOST_SECONDS = 60.0
MOST_VALUES = 50_000_000  # of one recording: 400 MB
RIDGE_PER_SECOND = 5.0e9  # (rows x columns + n^2) n, n the smaller of both, measured
TREES_PER_SECOND = 3.0e6  # rows x columns, measured


Traces = Mapping[int, NDArray[np.float32]]  # by index of the series predictions (T, 2)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measured:
    """By baseline the predictions of each fold's held-out people, none if it was left out, and why those were."""

    traces: Mapping[str, Sequence[Traces]]
    left_out: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BaselineScore:
    """What a baseline scores, by the keys of every measure over the folds, and each fold's moments by person."""

    scores: Mapping[str, float]
    folds: Sequence[FoldMoments]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scored:
    """The baselines of a search by name, None for those left out, and why they were."""

    scores: Mapping[str, BaselineScore | None]
    left_out: Mapping[str, str]

    def shown(self) -> dict[str, Mapping[str, float]]:
        """Return the scores by name, none of what was left out."""
        return {name: {} if one is None else one.scores for name, one in self.scores.items()}


def measure(dataset: Dataset, show: Show | None = None) -> Measured:
    """Predict the held-out people of a search's folds with every baseline; `show` takes a line before each.

    Of images give their features (`orchestrator.data.dataset.as_columns`). Left out, all of them, for federations,
    whose frames never meet; and what would take too long or too much memory. That is decided by size alone, so that a
    plan has the same baselines on every machine. The ridge on single frames is made at any size.
    """
    if any(isinstance(one, Outline) for one in dataset.series):
        reason = "no two people's frames meet"
        return Measured(traces=dict.fromkeys(BASELINES, ()), left_out=dict.fromkeys(BASELINES, reason))
    series = [one for one in dataset.series if isinstance(one, Series)]
    assert len(series) == len(dataset.series), "baselines see columns, found images"
    measured = as_measured(series, dataset.own_scales)
    traces: dict[str, Sequence[Traces]] = {}
    left_out = {}
    # Equal bits on every number of cores; and the fits are so small that threads cost more than they save.
    with threadpool_limits(limits=1):
        for name, one in BASELINES.items():
            shown = measured if one.own_scale else series
            why = _too_large(one, shown, folds=len(dataset.splits))
            if show is not None and not why:
                show(f"baseline {len(traces) + 1} of {len(BASELINES)}: {one.title}")
            traces[name] = () if why else _traces(one, shown, dataset)
            if why:
                left_out[name] = why
    return Measured(traces=traces, left_out=left_out)


def scored(measured: Measured, dataset: Dataset, *, window_length: int, partial_window: str) -> Scored:
    """Score baselines as a configuration with windows of so many frames is scored; None for one that was left out.

    Where the protocol drops the last partial window, the frames in it are scored for nobody.
    """
    series = [one for one in dataset.series if not isinstance(one, Outline)]  # of images: labels and masks alone
    found: dict[str, BaselineScore | None] = {}
    for name, folds in measured.traces.items():
        moments = []
        for traces in folds:
            shown = {
                i: _whole(trace, window_length) if partial_window == "drop" else trace for i, trace in traces.items()
            }
            fold = baselines.held_out(series, shown, window_length)
            moments.append(FoldMoments(frames=fold.frames, windows=fold.windows))
        found[name] = BaselineScore(scores=_scores(moments), folds=moments) if moments else None
    return Scored(scores=found, left_out=measured.left_out)


def columns_in_words(dataset: Dataset) -> str | None:
    """Return what the baselines see of images; None where features go in as they are."""
    if dataset.backbone is None:
        return None
    return f"{BACKBONE_FEATURES} features per frame of a frozen ResNet18 (weights: {dataset.backbone.label})"


def _whole(trace: NDArray[np.float32], window_length: int) -> NDArray[np.float32]:
    """Return the trace without predictions after the last whole window."""
    kept = trace.copy()
    kept[len(trace) // window_length * window_length :] = np.nan
    return kept


def as_measured(series: Sequence[Series], own_scales: Scales) -> list[Series]:
    """Undo the scaling by a person's own mean and deviation, and leave out the columns added to the z-scores."""
    made = []
    for one in series:
        if one.participant in own_scales:
            mean, sd = own_scales[one.participant]
            features = np.where(one.valid_T[:, None], one.features_TF[:, : len(mean)] * sd + mean, 0.0)
            one = dataclasses.replace(one, features_TF=features.astype(np.float32))  # noqa: PLW2901
        made.append(one)
    return made


def _traces(baseline: Baseline, series: Sequence[Series], dataset: Dataset) -> list[Traces]:
    if baseline.features == "frames":  # which see what the network sees, scaled fold by fold
        parts = [(_of_fold(series, split), [split]) for split in dataset.splits]
    else:
        parts = [(list(series), list(dataset.splits))]
    return [
        fold.traces
        for shown, splits in parts
        for fold in baselines.run_baseline(baseline, shown, dataset.times, splits, window_length=1)
    ]


def _scores(folds: Sequence[FoldMoments]) -> dict[str, float]:
    by_fold = [FoldScore(fold=k, scores=measures.of_fold(fold)) for k, fold in enumerate(folds)]
    values = {**fold_scores.over_folds(by_fold), **measures.ends(measures.intervals(folds))}
    return {key: float(value) for key in measures.score_keys() if (value := values.get(key)) is not None}


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
    longest = max(len(one.valid_T) for one in series)
    if longest * columns > MOST_VALUES:
        return f"a recording of {longest:,} frames, {columns:,} columns: more than {MOST_VALUES:,} numbers"
    size = f"{frames:,} frames of {columns:,} columns, {folds} folds"
    rows = min(frames, baselines.MAX_ROWS)
    trees = baseline.fit is baselines.fit_boosting
    fewer = min(rows, columns)
    once = rows * columns / TREES_PER_SECOND if trees else (rows * columns + fewer**2) * fewer / RIDGE_PER_SECOND
    seconds = once * len(DIMENSIONS) * folds
    return f"{size}: about {seconds:.0f} s, more than {MOST_SECONDS:.0f} s" if seconds > MOST_SECONDS else None
