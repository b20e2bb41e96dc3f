"""Columns from delimited text: a fast look by Arrow, and a slow one (`delimited_rows`) that knows every fault's line.

The separator (`;` `,` or tab, or that of a line `sep=;` as Excel writes it) is found in the header; names lose the
blanks around them.
"""

import codecs
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv

from orchestrator.corpora.findings import Findings, shortened
from orchestrator.corpora.reading import Limits
from orchestrator.corpora.tables.columns import Columns
from orchestrator.corpora.tables.delimited_rows import (
    MISSING,
    NUMBER,
    Body,
    fields_of,
    has_number,
    looks_like_number,
    slow_look,
)
from orchestrator.corpora.tables.text_bytes import BYTES_PER_MIB, read_text_bytes, refuse_size
from orchestrator.csv_text import unprotected_column
from orchestrator.errors import cut

SEPARATORS = (";", "\t", ",")
BYTES_PER_NUMBER = 8
_SAYS_SEPARATOR = re.compile(rb'\s*"?sep=([!-/:-@\[-`{-~\t])"?\s*', re.IGNORECASE)


def read_delimited(
    path: Path, findings: Findings, *, text: frozenset[str] = frozenset(), limits: Limits | None = None
) -> Columns | None:
    """Read a delimited file with one header line; None with problems in `findings` where it is broken.

    `text` names (in lower case) the columns that hold text even where they look like numbers.
    """
    limits = limits or Limits()
    data = read_text_bytes(path, findings, limits)
    if data is None:
        return None
    first = data[: data.find(b"\n") + 1]
    said = separator_said(first)
    number, begin, start = _header(data, int(said is not None), len(first) if said else 0)
    header = header_of(path, data[begin:start], number, findings, separator=said, limits=limits)
    if header is None:
        return None
    known = frozenset(name for name in header.names if name.lower() in text)
    columns = read_body(replace(header, rows=data[start:], text=known), findings)
    return None if columns is None else _with_names_as_they_were(columns, known)


def _with_names_as_they_were(columns: Columns, known: frozenset[str]) -> Columns:
    """Undo what our own files do to names that a spreadsheet would take for formulas."""
    undone = {name: unprotected_column(entries) for name, entries in columns.text.items() if name in known}
    return replace(columns, text={**columns.text, **undone})


def header_of(  # noqa: PLR0913 - a line, where it stands and how it is read
    path: Path,
    line: bytes,
    number: int,
    findings: Findings,
    *,
    separator: str | None = None,
    limits: Limits | None = None,
) -> Body | None:
    """Read the line of names, the file's line `number`, as a body without rows; None and a problem for numbers."""
    limits = limits or Limits()
    header = line.decode(errors="replace").lstrip("\ufeff").rstrip()
    separator = separator or max(SEPARATORS, key=header.strip().count)
    header = header.strip(" \n") if separator == "\t" else header.strip()  # a tab begins an unnamed first column
    names = tuple(name.strip().strip("\ufeff") for name in fields_of(header, separator, '"')[0])
    where = f"{path}:{number}"
    if all(NUMBER.fullmatch(name) for name in names):
        findings.problem(where, found="numbers", expected="a header with the columns' names")
        return None
    if not check_names(where, names, findings, limits):
        return None
    return Body(
        path=path,
        rows=b"",
        lines_before=number,
        names=names,
        separator=separator,
        quote='"',
        text=frozenset(),
        limits=limits,
    )


def check_names(where: str, names: Sequence[str], findings: Findings, limits: Limits) -> bool:
    """Whether there are not too many columns, none too long a name and each once; else it is a problem."""
    if len(names) > limits.columns:
        expected = f"at most {limits.columns:,} (--max-columns)"
        findings.problem(where, found=f"{len(names):,} columns", expected=expected)
        return False
    if max(map(len, names), default=0) > limits.field:
        expected = f"at most {limits.field:,} characters of a field (--max-field)"
        findings.problem(where, found=f"a name of {max(map(len, names)):,} characters", expected=expected)
        return False
    twice = sorted(name for name, count in Counter(names).items() if name and count > 1)
    if twice:
        found = f"column {shortened(map(cut, twice))} twice"
        findings.problem(where, found=found, expected="each column once")
    return not twice


def read_body(body: Body, findings: Findings) -> Columns | None:
    """Read the rows below a header. A column without any number is a column of text."""
    where = f"{body.path}:{body.lines_before}"
    if not body.rows.strip():
        findings.problem(where, found="no row below the header", expected="at least one row")
        return None
    num_rows = body.rows.count(b"\n") + (not body.rows.endswith(b"\n"))
    if num_rows > body.limits.rows:
        expected = f"at most {body.limits.rows:,} (--max-rows)"
        findings.problem(body.path, found=f"{num_rows:,} rows", expected=expected)
        return None
    needed = num_rows * len(body.names) * BYTES_PER_NUMBER / BYTES_PER_MIB
    if needed > body.limits.mib:
        found = f"{num_rows:,} rows of {len(body.names):,} columns, {needed:,.0f} MiB"
        refuse_size(body.path, found, findings, body.limits)
        return None
    body = _with_decimal_points(body, findings)
    columns = _fast_look(body)
    return columns if columns is not None else slow_look(body, findings)


def _with_decimal_points(body: Body, findings: Findings) -> Body:
    """Return the body with decimal points if it has decimal commas, as spreadsheets write them in half of Europe.

    Only if no comma separates its fields and none of them has a decimal point: else a comma may be of thousands.
    """
    if body.separator == "," or b"," not in body.rows:
        return body
    separator = re.escape(body.separator.encode())
    before, after = (
        rb"(?:(?<=[%b\n])|\A)( *[+-]?\d" % separator,
        rb"\d+(?:[eE][+-]?\d+)?(?= *(?:[%b\n]|\Z)))" % separator,
    )
    if re.search(before + rb"*\." + after, body.rows):
        return body
    rows, count = re.subn(before + rb"+),(" + after, rb"\1.\2", body.rows)
    if not count:
        return body
    findings.note("numbers with decimal commas", recording=body.path.name)
    return replace(body, rows=rows)


def separator_said(line: bytes) -> str | None:
    """Return the separator that a file's first line says in Excel's way, `sep=;`; None if it says none."""
    match = _SAYS_SEPARATOR.fullmatch(line.removeprefix(codecs.BOM_UTF8)) if len(line) < 20 else None
    return match[1].decode() if match else None


def _header(data: bytes, lines_before: int, start: int) -> tuple[int, int, int]:
    """Return the header's line (the first that is not blank, from `start`), its first byte and the one after it."""
    stream = io.BytesIO(data)
    stream.seek(start)
    for number, line in enumerate(stream, lines_before + 1):
        start += len(line)
        if line.strip():
            return number, start - len(line), start
    return lines_before, start, start


def _fast_look(body: Body) -> Columns | None:
    """Read by Arrow, or give None where anything at all is unusual."""
    longest, odd = 0, False
    quote = body.quote.encode()
    quoted = quote in body.rows
    for line in io.BytesIO(body.rows):
        longest = max(longest, len(line))
        odd = odd or (quoted and line.count(quote) % 2 == 1)
    if longest > body.limits.field or odd:
        return None  # Arrow would take the lines up to the next quotation mark for one field
    first = next(line for line in io.BytesIO(body.rows) if line.strip()).decode()
    fields = [field.strip() for field in fields_of(first.strip("\n"), body.separator, body.quote)[0]]
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
    table = _by_arrow(body, names, text)
    if table is None:
        return None
    texts = {
        name: tuple((entry or "").strip() for entry in table.column(name).to_pylist()) for name in names if name in text
    }
    if any(has_number(entries) for name, entries in texts.items() if name not in body.text):
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


def _by_arrow(body: Body, names: list[str], text: frozenset[str]) -> pa.Table | None:
    try:
        return arrow_csv.read_csv(
            pa.py_buffer(body.rows),
            read_options=arrow_csv.ReadOptions(column_names=names),
            parse_options=arrow_csv.ParseOptions(delimiter=body.separator, quote_char=body.quote),
            convert_options=arrow_csv.ConvertOptions(
                column_types={name: pa.string() if name in text else pa.float64() for name in names},
                null_values=sorted(MISSING),
                strings_can_be_null=True,
            ),
        )
    except (pa.ArrowException, ValueError):
        return None
