# ruff: noqa: N802 - shape suffixes, by the legend below
"""What a recurrent network has to beat: simple predictors on the same folds, people and frames.

Each sees the training people of a fold only and leaves what a trial leaves of the held-out ones: traces, and the
moments of frames and of window means by person. None is of the paper. Shapes: T frames of a recording, F features, N
rows of training, M made features, 2 = valence and arousal.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from models.ccc import Moments, frame_moments, window_moments
from orchestrator.evaluation.windowed import beside_person, of_person, of_windows
from orchestrator.protocols import DIMENSIONS

Array = NDArray[np.float64]
ALPHAS = tuple(10.0**power for power in range(-2, 7))  # ours; chosen by cross-validation among the training rows
# Ours: bounds the time of what makes many columns. Neighbouring frames say nearly the same: evenly taken ones lose
# little.
MAX_ROWS = 4_000
KEPT_VALUES = 50_000_000  # ours: 400 MB, of the training rows that are held at a time
LEAST_FREEDOM = 1e-12  # of a row that decides its own prediction: rounding must not make it 0
# Ours: small trees on 63 bins take a tenth of the time of the library's own choices.
BOOSTING = {
    "max_iter": 60,
    "learning_rate": 0.15,
    "max_leaf_nodes": 8,
    "max_bins": 63,
    "early_stopping": False,
    "random_state": 0,
}
COLUMNS_PER_FEATURE = {"none": 0, "frames": 1, "windows": 9, "person": 4}


class Scorable(Protocol):
    """A recording's labels, and which frames count: `gold_T2` NaN without a label, `mask_T2` true if it is scored."""

    @property
    def participant(self) -> str:
        """Whose recording."""

    @property
    def gold_T2(self) -> NDArray[np.float32]:
        """Gold standard."""

    @property
    def mask_T2(self) -> NDArray[np.bool_]:
        """Frames that are scored."""


class Labelled(Scorable, Protocol):
    """The features beside: `models.windows.Series` without torch; `features_TF` 0 where a frame is invalid."""

    @property
    def features_TF(self) -> NDArray[np.float32]:
        """Features."""

    @property
    def valid_T(self) -> NDArray[np.bool_]:
        """Frames with features."""


class Split(Protocol):
    """Which series a fold trains on and holds out, by index: `models.splits.FoldSplit` without torch."""

    @property
    def train(self) -> tuple[int, ...]:
        """Training series."""

    @property
    def held_out(self) -> tuple[int, ...]:
        """Reported series."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HeldOut:
    """One fold: traces (T, 2) by index of the series, and moments by person and dimension."""

    traces: Mapping[int, NDArray[np.float32]]
    frames: Mapping[str, Mapping[str, Moments]]
    windows: Mapping[str, Mapping[str, Moments]]


Fit = Callable[[Array, Array], Callable[[Array], Array]]  # rows (N, M), gold (N,) -> a predictor of (T, M)


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """A named predictor: what it makes of a recording's features, and how it is fitted on them.

    `own_scale`: it sees features as they were measured, since scaling by participant would take away what it looks at.
    """

    name: str
    title: str
    features: str  # none | frames | windows | person
    fit: Fit
    own_scale: bool = False


def fit_mean(rows: Array, gold: Array) -> Callable[[Array], Array]:
    """Predict the training frames' mean label everywhere; 0 without one."""
    del rows
    value = float(gold.mean()) if len(gold) else 0.0
    return lambda features: np.full(len(features), value)


def fit_plain_ridge(rows: Array, gold: Array) -> Callable[[Array], Array]:
    """Fit ridge regression on columns as the search scales them; the penalty as `ridge_weights` chooses it."""
    if len(rows) < 2:
        return fit_mean(rows, gold)
    coefficients, bias = ridge_weights(rows, gold)
    return lambda features: np.asarray(features @ coefficients + bias)


def fit_ridge(rows: Array, gold: Array) -> Callable[[Array], Array]:
    """Fit ridge regression on columns that are standardised among the rows; the penalty as `ridge_weights` chooses."""
    if len(rows) < 2:
        return fit_mean(rows, gold)
    mean, sd = rows.mean(axis=0), rows.std(axis=0)
    sd = np.where(sd > 1e-7 * np.abs(mean), sd, 1.0)
    coefficients, bias = ridge_weights((rows - mean) / sd, gold)
    return lambda features: np.asarray((features - mean) / sd @ coefficients + bias)


def ridge_weights(rows: Array, gold: Array) -> tuple[Array, float]:
    """Fit gold (N,) on rows (N, M) as they are: coefficients (M,) and the intercept, which is not penalised.

    Of the penalties the one of the least mean squared error of each row left out, which needs no further fit: the
    residual over 1 - h, h the row's leverage (Golub, Heath and Wahba 1979, doi 10.1080/00401706.1979.10489751). Equal
    to scikit-learn's RidgeCV, in a quarter of its time where there are many columns.
    """
    wide, penalties = rows.astype(np.float64), np.array(ALPHAS)
    mean, level = wide.mean(axis=0), float(gold.mean(dtype=np.float64))
    centred, residual = wide - mean, gold.astype(np.float64) - level
    if len(wide) < wide.shape[1]:
        return _wide_ridge_weights(centred, residual, mean, level)
    squared, axes = np.linalg.eigh(centred.T @ centred)
    turned = centred @ axes
    shrunk = 1.0 / (np.maximum(squared, 0.0)[:, None] + penalties)
    weights = (turned.T @ residual)[:, None] * shrunk
    kept = np.maximum(1.0 - 1.0 / len(wide) - turned**2 @ shrunk, LEAST_FREEDOM)
    errors = (((residual[:, None] - turned @ weights) / kept) ** 2).mean(axis=0)
    coefficients = axes @ weights[:, int(np.argmin(errors))]
    return coefficients, float(level - mean @ coefficients)


def _wide_ridge_weights(centred: Array, residual: Array, mean: Array, level: float) -> tuple[Array, float]:
    """Return the same of fewer rows than columns, by the products of rows: N x N numbers instead of M x M."""
    squared, left = np.linalg.eigh(centred @ centred.T)
    shrunk = 1.0 / (np.maximum(squared, 0.0)[:, None] + np.array(ALPHAS))
    # Of every axis of the rows its part of the prediction: what is shrunk, by its size.
    share = np.maximum(squared, 0.0)[:, None] * shrunk
    along = left.T @ residual
    kept = np.maximum(1.0 - 1.0 / len(centred) - left**2 @ share, LEAST_FREEDOM)
    errors = (((residual[:, None] - left @ (along[:, None] * share)) / kept) ** 2).mean(axis=0)
    coefficients = centred.T @ (left @ (along * shrunk[:, int(np.argmin(errors))]))
    return coefficients, float(level - mean @ coefficients)


def fit_boosting(rows: Array, gold: Array) -> Callable[[Array], Array]:
    """Fit gradient-boosted trees on binned columns; by one thread, so that equal rows give equal bits everywhere."""
    if len(rows) < 2:
        return fit_mean(rows, gold)
    from sklearn.ensemble import HistGradientBoostingRegressor
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        model: Any = HistGradientBoostingRegressor(**BOOSTING).fit(rows, gold)
    return lambda features: np.asarray(model.predict(features))


BASELINES: Mapping[str, Baseline] = {
    one.name: one
    for one in (
        Baseline(name="mean", title="mean of the training people", features="none", fit=fit_mean),
        Baseline(name="ridge", title="ridge on frames", features="frames", fit=fit_plain_ridge),
        Baseline(name="ridge-windows", title="ridge on windows of 1, 4, 10 s", features="windows", fit=fit_ridge),
        Baseline(
            name="ridge-person",
            title="ridge with a person's mean, minimum, maximum",
            features="person",
            fit=fit_ridge,
            own_scale=True,
        ),
        Baseline(
            name="boosting-person",
            title="boosting with a person's mean, minimum, maximum",
            features="person",
            fit=fit_boosting,
            own_scale=True,
        ),
    )
}


def run_baseline(
    baseline: Baseline,
    series: Sequence[Labelled],
    times: Sequence[NDArray[np.float64]],
    splits: Sequence[Split],
    *,
    window_length: int,
) -> list[HeldOut]:
    """Fit and predict fold by fold; `times` (T,) of every series are in seconds, `window_length` in frames.

    Of images give the series of a frozen backbone's features (`orchestrator.data.backbone_features`). A fold without a
    labelled training frame of a dimension predicts 0 there.
    """
    made = features_of(baseline.features, series, times)
    most = None if baseline.features in ("none", "frames") else MAX_ROWS
    wanted = [[_labelled(series, split.train, d, most) for d in range(len(DIMENSIONS))] for split in splits]
    predictors: list[Sequence[Callable[[Array], Array]]] = []
    for group in _together(wanted, num_columns(baseline.features, series[0].features_TF.shape[1])):
        rows = _rows_of(made, [positions for k in group for positions in wanted[k]])
        for k in group:
            fitted = []
            for d, positions in enumerate(wanted[k]):
                gold = [series[index].gold_T2[rows_T, d].astype(np.float64) for index, rows_T in positions.items()]
                fitted.append(baseline.fit(rows[_key(positions)], np.concatenate(gold)))
            predictors.append(fitted)
        del rows
    traces: list[dict[int, NDArray[np.float32]]] = [{} for _ in splits]
    for index in dict.fromkeys(index for split in splits for index in split.held_out):
        own = made(index)
        for k, split in enumerate(splits):
            if index in split.held_out:
                found = [predict(own) for predict in predictors[k]]
                traces[k][index] = np.stack(found, axis=1).astype(np.float32)
    return [
        held_out(series, {index: traces[k][index] for index in split.held_out}, window_length)
        for k, split in enumerate(splits)
    ]


def num_columns(kind: str, num_features: int) -> int:
    """Count the columns that `features_of` makes of so many features."""
    return COLUMNS_PER_FEATURE[kind] * num_features


def features_of(kind: str, series: Sequence[Labelled], times: Sequence[NDArray[np.float64]]) -> Callable[[int], Array]:
    """Return a function that makes what a baseline looks at (T, M) of a series, by its index, each time anew.

    Together they are far larger than the recordings: 62 million numbers for RECOLA's 23 people and `windows`.
    """

    def plain(index: int) -> Array:
        return series[index].features_TF.astype(np.float64)

    if kind == "none":
        return lambda index: np.zeros((len(series[index].valid_T), 0))
    if kind == "frames":
        return plain
    if kind == "windows":
        return lambda index: of_windows(plain(index), series[index].valid_T, times[index])
    assert kind == "person", kind
    whose = [one.participant for one in series]
    people = {
        person: of_person([plain(i)[series[i].valid_T] for i, name in enumerate(whose) if name == person])
        for person in dict.fromkeys(whose)
    }
    return lambda index: beside_person(plain(index), people[whose[index]])


def held_out(series: Sequence[Scorable], traces: Mapping[int, NDArray[np.float32]], window_length: int) -> HeldOut:
    """Compare traces with the gold standard: moments by person over all of a person's series."""
    frames: dict[str, dict[str, Moments]] = {}
    windows: dict[str, dict[str, Moments]] = {}
    for index, trace in traces.items():
        one = series[index]
        of_frames = frame_moments(trace, one.gold_T2, one.mask_T2)
        of_means = window_moments(trace, one.gold_T2, one.mask_T2, window_length)
        for people, moments in ((frames, of_frames), (windows, of_means)):
            person = people.setdefault(one.participant, dict.fromkeys(DIMENSIONS, Moments.zero()))
            for dimension, part in zip(DIMENSIONS, moments, strict=True):
                person[dimension] = person[dimension] + part
    return HeldOut(traces=dict(traces), frames=frames, windows=windows)


Positions = Mapping[int, NDArray[np.intp]]  # by index of the series the frames that are trained on


def _labelled(series: Sequence[Labelled], train: Sequence[int], dimension: int, most: int | None) -> Positions:
    """Return the labelled training frames of a dimension, at most so many of them, evenly from all."""
    counts = [int(series[index].mask_T2[:, dimension].sum()) for index in train]
    step = 1 if most is None else max(1, -(-sum(counts) // most))
    found, seen = {}, 0
    for index, count in zip(train, counts, strict=True):
        found[index] = np.flatnonzero(series[index].mask_T2[:, dimension])[-seen % step :: step]
        seen += count
    return found


def _together(wanted: Sequence[Sequence[Positions]], columns: int) -> list[list[int]]:
    """Divide the folds so that the rows of those that are fitted together are at most KEPT_VALUES numbers."""
    groups: list[list[int]] = []
    held = 0
    for k, positions in enumerate(wanted):
        own = {_key(one): sum(map(len, one.values())) * columns for one in positions}
        size = sum(own.values())
        if not groups or held + size > KEPT_VALUES:
            groups.append([])
            held = 0
        groups[-1].append(k)
        held += size
    return groups


def _key(positions: Positions) -> bytes:
    """Return what tells rows from others: most often both dimensions have labels on the same frames."""
    return b"".join(index.to_bytes(8, "little") + rows.tobytes() for index, rows in positions.items())


def _rows_of(made: Callable[[int], Array], wanted: Sequence[Positions]) -> dict[bytes, Array]:
    """Make every series once and return the rows that are wanted of it, by `_key`."""
    by_key = {_key(positions): positions for positions in wanted}
    parts: dict[bytes, dict[int, Array]] = {key: {} for key in by_key}
    for index in dict.fromkeys(index for positions in by_key.values() for index in positions):
        own = made(index)
        for key, positions in by_key.items():
            if index in positions:
                parts[key][index] = own[positions[index]]
    return {key: np.concatenate([parts[key][index] for index in by_key[key]]) for key in by_key}
