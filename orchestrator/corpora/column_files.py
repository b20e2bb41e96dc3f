"""Any file of columns, read by its suffix: delimited text, ARFF or Parquet."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from orchestrator.corpora.arff import read_arff
from orchestrator.corpora.columns import Columns
from orchestrator.corpora.delimited import MISSING, looks_like_number, read_delimited, report, text_fault
from orchestrator.corpora.findings import Findings
from orchestrator.errors import Problem

_NUMBERS = (pa.types.is_floating, pa.types.is_integer, pa.types.is_boolean, pa.types.is_decimal)


def read_parquet(path: Path, findings: Findings, *, text: frozenset[str] = frozenset()) -> Columns | None:
    """Read a Parquet file: numbers and truth values become numbers, anything else text.

    `text` names (in lower case) the columns that hold text even where they are numbers: 7 and 7.0 become "7".
    """
    try:
        table = parquet.read_table(path)
    except (OSError, pa.ArrowException) as error:
        found = "an empty file" if path.is_file() and not path.stat().st_size else str(error).splitlines()[0]
        findings.problem(path, found=found, expected="a Parquet file")
        return None
    if not table.num_rows:
        findings.problem(path, found="no row", expected="at least one row")
        return None
    bare = [name.strip() for name in table.column_names]
    twice = sorted({name for name in bare if bare.count(name) > 1})
    if twice:
        findings.problem(path, found=f"column {', '.join(twice)} twice", expected="each column once")
        return None
    texts: dict[str, tuple[str, ...]] = {}
    numbers: dict[str, np.ndarray[tuple[int], np.dtype[np.float64]]] = {}
    faults: list[Problem] = []
    for name, column in zip(bare, table.columns, strict=True):
        kind = column.type
        is_number = any(check(kind) for check in _NUMBERS)
        if name.lower() not in text and (is_number or pa.types.is_null(kind)):
            numbers[name] = np.asarray(column.cast(pa.float64()).to_numpy(), dtype=np.float64)
            faults += _infinite(path, name, numbers[name])
            continue
        texts[name] = _as_texts(column)
        if name.lower() not in text:
            faults += _text_faults(path, name, texts[name])
    report(faults, findings)
    if faults:
        return None
    values = np.column_stack(list(numbers.values())) if numbers else np.empty((table.num_rows, 0))
    metadata = {key.decode(): value.decode(errors="replace") for key, value in (table.schema.metadata or {}).items()}
    return Columns(path=path, names=tuple(numbers), numbers=values, text=texts, lines_before=None, metadata=metadata)


Read = Callable[..., Columns | None]
READ_BY_SUFFIX: dict[str, Read] = {
    ".csv": read_delimited,
    ".tsv": read_delimited,
    ".arff": read_arff,
    ".parquet": read_parquet,
}


def read_columns(path: Path, findings: Findings, *, text: frozenset[str] = frozenset()) -> Columns | None:
    """Read a file of columns; None where it cannot be read, with the problems in `findings`.

    `text` names (in lower case) the columns that hold text even where they look like numbers.
    """
    read = READ_BY_SUFFIX.get(path.suffix.lower())
    if read is None:
        findings.problem(path, found=f"suffix {path.suffix!r}", expected=f"one of {', '.join(READ_BY_SUFFIX)}")
        return None
    return read(path, findings, text=text)


def _as_texts(column: pa.ChunkedArray) -> tuple[str, ...]:
    """Entries as text; each different one is made once, as ids repeat in every row."""
    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    texts: list[str] = []
    for chunk in encoded.chunks:
        known = [*map(_as_text, chunk.dictionary.to_pylist()), ""]
        texts += [known[index] for index in chunk.indices.fill_null(len(known) - 1).to_numpy()]
    return tuple(texts)


def _as_text(entry: object) -> str:
    if entry is None:
        return ""
    if isinstance(entry, float):
        return "" if np.isnan(entry) else f"{entry:.0f}" if entry.is_integer() else str(entry)
    return str(entry).strip()


def _infinite(path: Path, name: str, values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> list[Problem]:
    rows = np.flatnonzero(np.isinf(values))
    return [text_fault(f"{path}: row {row + 1}", name, str(values[row])) for row in rows]


def _text_faults(path: Path, name: str, entries: tuple[str, ...]) -> list[Problem]:
    if not any(looks_like_number(entry) for entry in entries):
        return []
    return [
        text_fault(f"{path}: row {row + 1}", name, entry) for row, entry in enumerate(entries) if entry not in MISSING
    ]
