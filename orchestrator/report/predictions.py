"""The held-out predictions as arrays, and each person's own CCC: recorded, or computed from them."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet

from models.ccc import Moments, ccc
from orchestrator.json_records import number
from orchestrator.protocols import DIMENSIONS
from orchestrator.report.search_record import Search
from orchestrator.run_records import PersonScore

GOLD, PREDICTION = "gold", "pred"
RATERS_LOW, RATERS_HIGH = "raters_low", "raters_high"
KINDS = (GOLD, PREDICTION, RATERS_LOW, RATERS_HIGH)

Scores = Mapping[str, Mapping[str, float]]  # dimension -> participant -> CCC


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """One recording of T frames: times in seconds (T), and by (dimension, kind) values (T), NaN where there is none."""

    participant: str
    session: str
    times: np.ndarray
    values: Mapping[tuple[str, str], np.ndarray]
    fold: int | None = None  # that held the person out; None: not in the file


def read(path: Path) -> list[Trace]:
    """Read `predictions.parquet`; columns of raters are NaN where an older file lacks them."""
    table = pyarrow.parquet.read_table(path)
    participants, sessions = (
        np.array([str(one) for one in table.column(name).to_pylist()], dtype=object)
        for name in ("participant", "session")
    )
    length = len(participants)
    columns = {(dimension, kind): _numbers(table, f"{dimension}_{kind}") for dimension in DIMENSIONS for kind in KINDS}
    times, folds = _numbers(table, "time"), _numbers(table, "fold")
    changes = (participants[1:] != participants[:-1]) | (sessions[1:] != sessions[:-1])
    starts = [0, *(np.flatnonzero(changes) + 1), length] if length else [0]
    return [
        Trace(
            participant=participants[start],
            session=sessions[start],
            times=times[start:end],
            values={key: column[start:end] for key, column in columns.items()},
            fold=int(folds[start]) if np.isfinite(folds[start]) else None,
        )
        for start, end in itertools.pairwise(starts)
    ]


def _numbers(table: pyarrow.Table, name: str) -> np.ndarray:
    if name not in table.column_names:
        return np.full(table.num_rows, np.nan)
    column = table.column(name).cast("float64")
    numbers: np.ndarray = column.to_numpy(zero_copy_only=False)
    return np.where(np.isfinite(numbers), numbers, np.nan)


def recorded_ccc(search: Search) -> Scores | None:
    """Return each participant's CCC from the summary; None if it has none (searches before it was recorded).

    People without a scored frame have none; a constant trace has a CCC of 0.
    """
    people = None if search.summary is None else search.summary.participants
    if people is None:
        return None
    scores = {dimension: dict(_scored(people, dimension)) for dimension in DIMENSIONS}
    return scores if any(scores.values()) else None


def _scored(people: Sequence[PersonScore], dimension: str) -> Iterator[tuple[str, float]]:
    for one in people:
        value = number(one.scores.get(f"ccc_{dimension}"))
        if value is not None and one.scores.get(f"num_frames_{dimension}") != 0:
            yield one.participant, value


def own_ccc(traces: Sequence[Trace]) -> Scores:
    """Return each participant's CCC over their own frames of all sessions; only who has labels and predictions."""
    scores: dict[str, dict[str, float]] = {}
    for dimension in DIMENSIONS:
        moments: dict[str, Moments] = {}
        for trace in traces:
            gold, prediction = trace.values[dimension, GOLD], trace.values[dimension, PREDICTION]
            both = np.isfinite(gold) & np.isfinite(prediction)
            known = moments.get(trace.participant, Moments.zero())
            moments[trace.participant] = known + Moments.of(prediction[both], gold[both])
        scores[dimension] = {person: ccc(one) for person, one in moments.items() if one.n}
    return scores


def mean_of_dimensions(scores: Scores) -> dict[str, float]:
    """Return the mean of valence and arousal, of who has both."""
    first, *others = (scores[dimension] for dimension in DIMENSIONS)
    return {
        person: float(np.mean([first[person], *(other[person] for other in others)]))
        for person in first
        if all(person in other for other in others)
    }
