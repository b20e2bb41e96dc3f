"""Columns from Parquet: what its metadata announces is judged before anything is unpacked.

Numbers and truth values become numbers, times seconds, anything else text; what has many values a row is refused.
"""

from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute, parquet

from orchestrator.corpora.findings import Findings
from orchestrator.corpora.reading import Limits
from orchestrator.corpora.tables.columns import Columns
from orchestrator.corpora.tables.delimited import BYTES_PER_NUMBER, check_names
from orchestrator.corpora.tables.delimited_rows import MISSING, Faults, looks_like_number, text_fault
from orchestrator.corpora.tables.text_bytes import BYTES_PER_MIB, refuse_size
from orchestrator.errors import cut

A_PARQUET_FILE = "a Parquet file"
_TYPES = pa.types
_NUMBERS = (_TYPES.is_floating, _TYPES.is_integer, _TYPES.is_boolean, _TYPES.is_decimal, _TYPES.is_null)
_TEXTS = (
    *(_TYPES.is_string, _TYPES.is_large_string, _TYPES.is_binary, _TYPES.is_large_binary),
    *(_TYPES.is_fixed_size_binary, _TYPES.is_date, _TYPES.is_string_view, _TYPES.is_binary_view),
)
_TIMES = (_TYPES.is_timestamp, _TYPES.is_time, _TYPES.is_duration)
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
# What pyarrow raises besides its own: of names or pages that are no UTF-8, of types it has no kernel for, of sizes.
_LIBRARY = (
    *(pa.ArrowException, OSError, ValueError, TypeError, KeyError, IndexError, OverflowError),
    *(NotImplementedError, MemoryError, AttributeError),
)

Numbers = NDArray[np.float64]


def read_parquet(
    path: Path, findings: Findings, *, text: frozenset[str] = frozenset(), limits: Limits | None = None
) -> Columns | None:
    """Read a Parquet file; None with problems in `findings` where it is broken, too large or of other types.

    `text` names (in lower case) the columns that hold text even where they are numbers: 7 and 7.0 become "7".
    """
    try:
        return _read(path, text, findings, limits or Limits())
    except _LIBRARY as error:
        lines = str(error).splitlines() or [type(error).__name__]
        found = "more than fits into memory" if isinstance(error, MemoryError) else cut(lines[0], 200)
        findings.problem(path, found=found, expected=A_PARQUET_FILE)
        return None


def _read(path: Path, text: frozenset[str], findings: Findings, limits: Limits) -> Columns | None:
    if not path.stat().st_size:
        findings.problem(path, found="an empty file", expected=A_PARQUET_FILE)
        return None
    with parquet.ParquetFile(path) as file:
        names = _names(path, file, findings, limits)
        if names is None:
            return None
        table = file.read()
    return _columns(path, names, table, text, findings)


def _names(path: Path, file: parquet.ParquetFile, findings: Findings, limits: Limits) -> list[str] | None:
    """Return the columns' names, if all that the file announces is in bounds; else None with a problem."""
    schema, metadata = file.schema_arrow, file.metadata
    names = [name.strip() for name in schema.names]
    if not check_names(str(path), names, findings, limits):
        return None
    faults = [
        f"column {cut(name)} of type {cut(str(kind))}"
        for name, kind in zip(names, schema.types, strict=True)
        if not _is_known(kind)
    ]
    for found in faults[:1]:
        more = f" (and {len(faults) - 1} more such columns)" if len(faults) > 1 else ""
        findings.problem(path, found=f"{found}{more}", expected="one number or one text a row in every column")
        return None
    if not metadata.num_rows:
        findings.problem(path, found="no row", expected="at least one row")
        return None
    if metadata.num_rows > limits.rows:
        expected = f"at most {limits.rows:,} (--max-rows)"
        findings.problem(path, found=f"{metadata.num_rows:,} rows", expected=expected)
        return None
    groups = (metadata.row_group(index) for index in range(metadata.num_row_groups))
    packed = sum(group.total_byte_size for group in groups)
    needed = max(packed, metadata.num_rows * len(names) * BYTES_PER_NUMBER) / BYTES_PER_MIB
    if needed > limits.mib:
        found = f"{metadata.num_rows:,} rows of {len(names):,} columns, {needed:,.0f} MiB unpacked"
        refuse_size(path, found, findings, limits)
        return None
    return names


def _is_known(kind: pa.DataType) -> bool:
    plain = _plain(kind)
    return any(check(plain) for check in (*_NUMBERS, *_TEXTS, *_TIMES))


def _plain(kind: pa.DataType) -> pa.DataType:
    """Return the type of the values themselves, behind dictionaries and extensions."""
    if _TYPES.is_dictionary(kind):
        return _plain(kind.value_type)
    return _plain(kind.storage_type) if isinstance(kind, pa.BaseExtensionType) else kind


def _columns(path: Path, names: list[str], table: pa.Table, text: frozenset[str], findings: Findings) -> Columns | None:
    texts: dict[str, tuple[str, ...]] = {}
    numbers: dict[str, Numbers] = {}
    exact: set[str] = set()
    faults = Faults()
    for name, column in zip(names, table.columns, strict=True):
        if not name:
            continue  # as in delimited text
        kind = _plain(column.type)
        if name.lower() not in text and any(check(kind) for check in (*_NUMBERS, *_TIMES)):
            numbers[name] = _seconds(column, kind) if any(check(kind) for check in _TIMES) else _numbers(column, kind)
            exact |= {name} if any(check(kind) for check in _TIMES) else set()
            for place in np.flatnonzero(np.isinf(numbers[name])):
                faults.add(text_fault(f"{path}: row {place + 1}", name, str(numbers[name][place])))
            continue
        texts[name] = _as_texts(column, kind)
        if name.lower() not in text and any(looks_like_number(entry) for entry in texts[name]):
            for row, entry in enumerate(texts[name]):
                if entry not in MISSING:
                    faults.add(text_fault(f"{path}: row {row + 1}", name, entry))
    if faults:
        faults.report(findings)
        return None
    values = np.column_stack(list(numbers.values())) if numbers else np.empty((table.num_rows, 0))
    metadata = {
        key.decode(errors="replace"): value.decode(errors="replace")
        for key, value in (table.schema.metadata or {}).items()
    }
    return Columns(
        path=path,
        names=tuple(numbers),
        numbers=values,
        text=texts,
        lines_before=None,
        metadata=metadata,
        exact_times=frozenset(exact),
    )


def _decoded(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    if isinstance(column.type, pa.BaseExtensionType):
        column = pa.chunked_array([chunk.storage for chunk in column.chunks], type=column.type.storage_type)
    return column.cast(kind) if _TYPES.is_dictionary(column.type) else column


def _numbers(column: pa.ChunkedArray, kind: pa.DataType) -> Numbers:
    """Convert a column (N,); integers of more than 53 bits are rounded, as every float is."""
    column = _decoded(column, kind)
    return np.asarray(column.cast(pa.float64(), safe=False).to_numpy(), dtype=np.float64)


def _seconds(column: pa.ChunkedArray, kind: pa.DataType) -> Numbers:
    """Convert times to seconds (N,): of dates since 1970, of times of day since midnight."""
    column = _decoded(column, kind)
    whole = column.cast(pa.int32()) if _TYPES.is_time32(kind) else column
    counts = whole.cast(pa.int64())
    seconds = np.asarray(counts.cast(pa.float64(), safe=False).to_numpy(), dtype=np.float64)
    return seconds / _PER_SECOND[kind.unit]


def _as_texts(column: pa.ChunkedArray, kind: pa.DataType) -> tuple[str, ...]:
    """Entries as text; each different one is made once, as ids repeat in every row."""
    if any(check(kind) for check in (_TYPES.is_date, *_TIMES)):
        column = compute.cast(_decoded(column, kind), pa.string())
    if _TYPES.is_string_view(kind) or _TYPES.is_binary_view(kind):
        column = _decoded(column, kind).cast(pa.string() if _TYPES.is_string_view(kind) else pa.binary())
    encoded = column if _TYPES.is_dictionary(column.type) else column.dictionary_encode()
    texts: list[str] = []
    for chunk in encoded.chunks:
        known = [*map(_as_text, chunk.dictionary.to_pylist()), ""]
        texts += [known[index] for index in chunk.indices.fill_null(len(known) - 1).to_numpy()]
    return tuple(texts)


def _as_text(entry: object) -> str:
    if entry is None:
        return ""
    if isinstance(entry, bytes):
        return entry.decode(errors="replace").strip()
    if isinstance(entry, float):
        return "" if np.isnan(entry) else f"{entry:.0f}" if entry.is_integer() else str(entry)
    if isinstance(entry, Decimal) and entry.is_finite() and entry == entry.to_integral_value():
        return str(int(entry))
    return str(entry).strip()
