"""Columns from delimited text: a fast look by Arrow, and a slow one that knows the line of every fault.

The separator (`;` `,` or tab) is found in the header; names lose the blanks around them.
"""

import codecs
import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv

from orchestrator.corpora.columns import Columns
from orchestrator.corpora.findings import Findings
from orchestrator.csv_text import unprotected_column
from orchestrator.errors import Problem

SEPARATORS = (";", "\t", ",")
MISSING = frozenset(
    "|?|NaN|nan|NAN|-nan|-NaN|nan(ind)|-nan(ind)|NA|N/A|n/a|#N/A|<NA>|null|NULL|None".split("|")  # noqa: SIM905
)
FAULTS_SHOWN = 5  # of one file; the others are counted
_NUMBER = re.compile(r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|inf(?:inity)?)", re.IGNORECASE)
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """The rows of a text file: everything below its header."""

    path: Path
    rows: bytes
    lines_before: int
    names: tuple[str, ...]
    separator: str
    quote: str
    text: frozenset[str]  # columns known to hold text


def read_text_bytes(path: Path, findings: Findings) -> bytes | None:
    """Read a UTF-8 file without its byte order mark, or None and a problem."""
    try:
        data = path.read_bytes()
    except OSError as error:
        findings.problem(path, found=error.strerror or error, expected="a readable file")
        return None
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        findings.problem(f"{path}:1", found="UTF-16 text", expected="UTF-8 text")
        return None
    data = data.removeprefix(codecs.BOM_UTF8)
    if not data.strip():
        findings.problem(f"{path}:1", found="an empty file", expected="a header and at least one row")
        return None
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        findings.problem(f"{path}:{line}", found=f"byte 0x{data[error.start]:02x}", expected="UTF-8 text")
        return None
    return data


def read_delimited(path: Path, findings: Findings, *, text: frozenset[str] = frozenset()) -> Columns | None:
    """Read a delimited file with one header line; None with problems in `findings` where it is broken.

    `text` names (in lower case) the columns that hold text even where they look like numbers.
    """
    data = read_text_bytes(path, findings)
    if data is None:
        return None
    lines_before, start = _after_header(data)
    header = header_of(path, data[:start], lines_before, findings)
    if header is None:
        return None
    known = frozenset(name for name in header.names if name.lower() in text)
    columns = read_body(replace(header, rows=data[start:], text=known), findings)
    return None if columns is None else _with_names_as_they_were(columns, known)


def _with_names_as_they_were(columns: Columns, known: frozenset[str]) -> Columns:
    """Undo what our own files do to names that a spreadsheet would take for formulas."""
    undone = {name: unprotected_column(entries) for name, entries in columns.text.items() if name in known}
    return replace(columns, text={**columns.text, **undone})


def header_of(path: Path, line: bytes, number: int, findings: Findings) -> Body | None:
    """Read the line of names, the file's line `number`, as a body without rows; None and a problem for numbers."""
    header = line.decode(errors="replace").strip()
    separator = max(SEPARATORS, key=header.count)
    names = tuple(name.strip() for name in next(csv.reader([header], delimiter=separator)))
    if all(_NUMBER.fullmatch(name) for name in names):
        findings.problem(f"{path}:{number}", found="numbers", expected="a header with the columns' names")
        return None
    return Body(path=path, rows=b"", lines_before=number, names=names, separator=separator, quote='"', text=frozenset())


def read_body(body: Body, findings: Findings) -> Columns | None:
    """Read the rows below a header. A column without any number is a column of text."""
    where = f"{body.path}:{body.lines_before}"
    twice = sorted({name for name in body.names if name and body.names.count(name) > 1})
    if twice:
        findings.problem(where, found=f"column {', '.join(twice)} twice", expected="each column once")
        return None
    if not body.rows.strip():
        findings.problem(where, found="no row below the header", expected="at least one row")
        return None
    columns = _fast_look(body)
    return columns if columns is not None else _slow_look(body, findings)


def looks_like_number(field: str) -> bool:
    """Whether a field is a number, or would be one but for a decimal comma."""
    return bool(_NUMBER.fullmatch(field) or _DECIMAL_COMMA.fullmatch(field))


def text_fault(where: str, name: str, field: str) -> Problem:
    """Make the problem of text in a column of numbers."""
    hint = " with a decimal point (this looks like a decimal comma)" if _DECIMAL_COMMA.fullmatch(field) else ""
    return Problem(where=where, found=f"{field!r} in column {name}", expected=f"a finite number{hint}")


def report(faults: Sequence[Problem], findings: Findings) -> None:
    """Add the first faults of one file, and say how many more there are."""
    findings.problems.extend(faults[:FAULTS_SHOWN])
    if len(faults) > FAULTS_SHOWN:
        last = findings.problems.pop()
        more = f"{last.found} (and {len(faults) - FAULTS_SHOWN} more such faults in this file)"
        findings.problem(last.where, found=more, expected=last.expected)


def _after_header(data: bytes) -> tuple[int, int]:
    """Lines up to and with the header (the first line that is not blank), and the byte after it."""
    start = 0
    for number, line in enumerate(io.BytesIO(data), 1):
        start += len(line)
        if line.strip():
            return number, start
    return 0, start


def _fields(line: str, body: Body) -> list[str]:
    return [field.strip() for field in next(csv.reader([line], delimiter=body.separator, quotechar=body.quote))]


def _fast_look(body: Body) -> Columns | None:
    """Read by Arrow, or give None where anything at all is unusual."""
    first = next(line for line in io.BytesIO(body.rows) if line.strip()).decode()
    fields = _fields(first, body)
    if len(fields) != len(body.names):
        return None
    begins = {
        name
        for name, field in zip(body.names, fields, strict=True)
        if field not in MISSING and not looks_like_number(field)
    }
    text = body.text | begins
    # An unnamed column needs a name of its own here; it is left out below.
    names = [name or f"\x00{index}" for index, name in enumerate(body.names)]
    try:
        table = arrow_csv.read_csv(
            pa.py_buffer(body.rows),
            read_options=arrow_csv.ReadOptions(column_names=names),
            parse_options=arrow_csv.ParseOptions(delimiter=body.separator, quote_char=body.quote),
            convert_options=arrow_csv.ConvertOptions(
                column_types={name: pa.string() if name in text else pa.float64() for name in names},
                null_values=sorted(MISSING),
                strings_can_be_null=True,
            ),
        )
    except pa.ArrowInvalid:
        return None
    texts = {
        name: tuple((entry or "").strip() for entry in table.column(name).to_pylist()) for name in names if name in text
    }
    if any(_has_number(entries) for name, entries in texts.items() if name not in body.text):
        return None
    numeric = [name for name in names if name not in text and not name.startswith("\x00")]
    numbers = np.empty((table.num_rows, len(numeric)))
    for index, name in enumerate(numeric):
        numbers[:, index] = table.column(name).to_numpy()
    if np.isinf(numbers).any():
        return None
    return Columns(
        path=body.path,
        names=tuple(numeric),
        numbers=numbers,
        text=texts,
        lines_before=body.lines_before,
        metadata={},
    )


def _has_number(entries: Sequence[str]) -> bool:
    return any(looks_like_number(entry) for entry in entries)


def _slow_look(body: Body, findings: Findings) -> Columns | None:
    """Read line by line; every fault is found with its line."""
    lines = body.rows.decode().replace("\r\n", "\n").replace("\r", "\n").split("\n")
    filled = [(number, line) for number, line in enumerate(lines, body.lines_before + 1) if line.strip()]
    faults: list[Problem] = []
    rows: list[list[str]] = []
    for number, line in filled:
        fields = _fields(line, body)
        if len(fields) == len(body.names):
            rows.append(fields)
            continue
        cut = " (the file ends in the middle of a row)" if number == filled[-1][0] and not faults else ""
        faults.append(
            Problem(
                where=f"{body.path}:{number}",
                found=f"{len(fields)} values{cut}",
                expected=f"{len(body.names)} values, one for each column",
            )
        )
    if faults:
        report(faults, findings)
        return None
    return _convert(body, [number for number, _ in filled], rows, findings)


def _convert(body: Body, lines: list[int], rows: list[list[str]], findings: Findings) -> Columns | None:
    columns = dict(zip(body.names, zip(*rows, strict=True), strict=True))
    texts = {
        name: tuple("" if field in MISSING else field for field in fields)
        for name, fields in columns.items()
        if name in body.text or not (_has_number(fields) or all(field in MISSING for field in fields))
    }
    numeric = [name for name in body.names if name and name not in texts]
    numbers = np.full((len(rows), len(numeric)), np.nan)
    faults: list[tuple[int, Problem]] = []
    for index, name in enumerate(numeric):
        for row, field in enumerate(columns[name]):
            if field in MISSING:
                continue
            if _NUMBER.fullmatch(field) and np.isfinite(float(field)):
                numbers[row, index] = float(field)
            else:
                faults.append((row, text_fault(f"{body.path}:{lines[row]}", name, field)))
    if faults:
        report([fault for _, fault in sorted(faults, key=lambda pair: pair[0])], findings)
        return None
    return Columns(
        path=body.path,
        names=tuple(numeric),
        numbers=numbers,
        text={name: entries for name, entries in texts.items() if name},
        lines_before=body.lines_before,
        metadata={},
    )
