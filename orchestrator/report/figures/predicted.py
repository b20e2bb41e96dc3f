"""The held-out predictions as arrays, person by person."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet

from models.ccc import Moments, ccc
from orchestrator.corpora.recording import DIMENSIONS

GOLD, PREDICTION = "gold", "pred"
RATERS_LOW, RATERS_HIGH = "raters_low", "raters_high"
KINDS = (GOLD, PREDICTION, RATERS_LOW, RATERS_HIGH)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """One recording of T frames: times in seconds (T), and by (dimension, kind) values (T), NaN where there is none."""

    participant: str
    session: str
    times: np.ndarray
    values: Mapping[tuple[str, str], np.ndarray]


def read(path: Path) -> list[Trace]:
    """Read `predictions.parquet`; columns of raters are NaN where an older file lacks them."""
    table = pyarrow.parquet.read_table(path)
    participants, sessions = (
        np.array([str(one) for one in table.column(name).to_pylist()], dtype=object)
        for name in ("participant", "session")
    )
    length = len(participants)
    columns = {(dimension, kind): _numbers(table, f"{dimension}_{kind}") for dimension in DIMENSIONS for kind in KINDS}
    times = _numbers(table, "time")
    changes = (participants[1:] != participants[:-1]) | (sessions[1:] != sessions[:-1])
    starts = [0, *(np.flatnonzero(changes) + 1), length] if length else [0]
    return [
        Trace(
            participant=participants[start],
            session=sessions[start],
            times=times[start:end],
            values={key: column[start:end] for key, column in columns.items()},
        )
        for start, end in itertools.pairwise(starts)
    ]


def _numbers(table: pyarrow.Table, name: str) -> np.ndarray:
    if name not in table.column_names:
        return np.full(table.num_rows, np.nan)
    column = table.column(name).cast("float64")
    numbers: np.ndarray = column.to_numpy(zero_copy_only=False)
    return np.where(np.isfinite(numbers), numbers, np.nan)


def own_ccc(traces: Sequence[Trace]) -> dict[str, float]:
    """Return each participant's CCC over their own frames, the mean of valence and arousal; only who has labels."""
    moments: dict[tuple[str, str], Moments] = {}
    for trace in traces:
        for dimension in DIMENSIONS:
            gold, prediction = trace.values[dimension, GOLD], trace.values[dimension, PREDICTION]
            both = np.isfinite(gold) & np.isfinite(prediction)
            key = (trace.participant, dimension)
            moments[key] = moments.get(key, Moments.zero()) + Moments.of(prediction[both], gold[both])
    people = dict.fromkeys(trace.participant for trace in traces)
    return {
        person: float(np.mean([ccc(moments[person, dimension]) for dimension in DIMENSIONS]))
        for person in people
        if all(moments[person, dimension].n for dimension in DIMENSIONS)
    }
