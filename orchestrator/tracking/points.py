"""Metrics of a run as points in time: of folds, epochs and rounds of a federation."""

from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import NamedTuple

from orchestrator import measures
from orchestrator.json_records import number
from orchestrator.run_records import (
    CURVES,
    METRIC,
    Curve,
    FederationRecord,
    FoldScore,
    RoundRecord,
    Summary,
    TrialResult,
)

# The curve has keys of its own: under a shared key MLflow would show the last epoch's value as the result.
CURVE_PREFIX = "epoch_"
FOLD_PREFIX = "fold_"
ROUND_PREFIX = "round_"  # what a federation took in each round; apart for the same reason
VALIDATION_LOSS = "validation_loss"  # the metric of a selection loss
TRAINING_MINUTES = "training_minutes"  # beside the seconds: what people compare


Numbers = dict[str, float | int | bool | None]  # by metric; None and what is no finite number are left out


class Point(NamedTuple):
    """One metric value; the time in milliseconds since 1970."""

    key: str
    value: float
    timestamp_ms: int
    step: int


def trial_points(trial: TrialResult, start_ms: int, end_ms: int) -> tuple[Point, ...]:
    """Return every metric of a configuration: results at its end, epochs and rounds in between."""
    values: Numbers = {key: trial.scores.get(key) for key in measures.score_keys()}
    values |= costs(trial) | {VALIDATION_LOSS: trial.selection_loss}
    values |= tracked(trial.federation) | fold_values(trial.folds)
    rounds = (trial.federation.by_round if trial.federation else None) or ()
    return (
        *points(values, end_ms),
        *_curve(trial.curve, start_ms, end_ms),
        *_rounds(rounds, start_ms, end_ms),
    )


def costs(record: Summary | TrialResult) -> Numbers:
    """Return what a search or a configuration took, by metric."""
    values = {cost.key: getattr(record, cost.key, None) for cost in measures.COSTS}
    seconds = record.training_seconds
    return values | ({} if seconds is None else {TRAINING_MINUTES: seconds / 60})


def tracked(record: FederationRecord | RoundRecord | None) -> Numbers:
    """Return the numbers of a record that have a metric, by its key; of a list of clients how many they are."""
    if record is None:
        return {}
    values = {one.metadata[METRIC]: getattr(record, one.name) for one in fields(record) if METRIC in one.metadata}
    return {key: len(value) if isinstance(value, tuple) else value for key, value in values.items()}


def fold_names(fold: int) -> dict[str, str]:
    """Return the metrics of a fold: of a measure by its key, of the epoch and the loss by the field of FoldScore."""
    names = {key: key for key in measures.headline_keys()}
    names |= {"chosen_epoch": "chosen_epoch", "selection_loss": VALIDATION_LOSS}
    return {key: f"{FOLD_PREFIX}{name}_{fold}" for key, name in names.items()}


def fold_values(folds: Sequence[FoldScore]) -> Numbers:
    """Return the folds' scores, by metric."""
    values: Numbers = {}
    for fold in folds:
        own = {**fold.scores, "chosen_epoch": fold.chosen_epoch, "selection_loss": fold.selection_loss}
        values |= {name: own.get(key) for key, name in fold_names(fold.fold).items()}
    return values


def points(values: Numbers, timestamp_ms: int) -> tuple[Point, ...]:
    """Return the finite values as points at one time."""
    found = ((key, number(value)) for key, value in values.items())
    return tuple(Point(key, float(value), timestamp_ms, 0) for key, value in found if value is not None)


def _curve(curve: Curve, start_ms: int, end_ms: int) -> Iterator[Point]:
    """Yield the fold means of each epoch, counted from 1, at the time it ended if all took equally long."""
    for name in CURVES:
        values = curve.get(name) or ()
        for epoch, value in enumerate(values, start=1):
            if (found := number(value)) is not None:
                when = start_ms + (end_ms - start_ms) * epoch // len(values)
                yield Point(CURVE_PREFIX + name, float(found), when, epoch)


def _rounds(rounds: Sequence[RoundRecord], start_ms: int, end_ms: int) -> Iterator[Point]:
    """Yield what each round took, folds together; clients are counted where the record names them."""
    for place, one in enumerate(rounds, start=1):
        when = start_ms + (end_ms - start_ms) * place // len(rounds)
        for name, value in tracked(one).items():
            yield Point(ROUND_PREFIX + name, float(value or 0.0), when, one.round)
