"""The table `predictions.parquet`: one row per frame of a held-out recording; a search and a fusion write it alike.

Shapes: T frames of a recording, 2 = valence and arousal.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from numpy.typing import NDArray

from orchestrator.files import atomic
from orchestrator.protocols import DIMENSIONS


def block(
    participant: str,
    session: str,
    time: NDArray[np.float64],
    fold: int,
    values: Mapping[str, NDArray[np.floating]],
) -> pa.Table:
    """Return one recording's rows; `values` (T, 2) by kind (gold, pred, ...), null where NaN."""
    columns = {
        "participant": pa.array([participant] * len(time), pa.string()),
        "session": pa.array([session] * len(time), pa.string()),
        "time": pa.array(time, pa.float64()),
        "fold": pa.array(np.full(len(time), fold), pa.int32()),
    }
    for kind, of_kind in values.items():
        for d, dimension in enumerate(DIMENSIONS):
            column = np.ascontiguousarray(of_kind[:, d])
            columns[f"{dimension}_{kind}"] = pa.array(column, pa.float32(), mask=np.isnan(column))
    return pa.table(columns)


def write(path: Path, blocks: Sequence[pa.Table], *, synthetic: bool) -> None:
    """Write the recordings one after the other, atomically; the schema says whether they are synthetic."""
    table = pa.concat_tables(blocks).replace_schema_metadata({"synthetic": "true" if synthetic else "false"})
    with atomic(path) as partial, partial.open("wb") as file:
        pyarrow.parquet.write_table(table, file)
