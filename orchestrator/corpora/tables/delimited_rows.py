"""Rows of delimited text read one by one, each fault with its line; for files in which anything is unusual.

Numbers go into arrays as they come, so that a file takes no more memory than its numbers and its text.
"""

import csv
import re
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from orchestrator.corpora.findings import NAMES_SHOWN, Findings
from orchestrator.corpora.reading import Limits
from orchestrator.corpora.tables.columns import Columns
from orchestrator.errors import Problem, cut

MISSING = frozenset(
    "|?|NaN|nan|NAN|-nan|-NaN|nan(ind)|-nan(ind)|NA|N/A|n/a|#N/A|<NA>|null|NULL|None".split("|")  # noqa: SIM905
)
# Each digit can be matched in one way only: what fails is found out in one pass, however long it is.
NUMBER = re.compile(r"[+-]?(?:(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?|inf(?:inity)?)", re.IGNORECASE)
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")
LINES_PER_FIELD = 1000  # ours: a quoted field of more lines is taken for a quotation mark that nobody closed
_OPEN = "unexpected end of data"  # csv's own words for an unclosed quotation mark
csv.field_size_limit(2**31 - 1)  # `Limits.field` is the limit, and has a message


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
    limits: Limits = field(default_factory=Limits)


class Faults:
    """The faults of one file, by kind: the first of each, and the lines of some others."""

    def __init__(self) -> None:
        """Begin with none."""
        self._first: dict[str, Problem] = {}
        self._others: dict[str, tuple[int, list[str]]] = {}

    def add(self, problem: Problem) -> None:
        """Add a fault; those with one expectation are of one kind."""
        kind = problem.expected
        if self._first.setdefault(kind, problem) is problem:
            return
        count, shown = self._others.get(kind, (0, []))
        place = problem.where.rpartition(":")[2].strip()
        known = {*shown, self._first[kind].where.rpartition(":")[2].strip()}
        self._others[kind] = count + 1, [*shown, place] if place not in known and len(shown) < NAMES_SHOWN else shown

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self._first)

    def report(self, findings: Findings) -> None:
        """Add a line for each kind."""
        for kind, first in self._first.items():
            count, shown = self._others.get(kind, (0, []))
            noun = "" if shown and shown[0].startswith("row") else "line "
            where = f": {noun}{', '.join(shown)}{' ...' if len(shown) == NAMES_SHOWN else ''}" if shown else ""
            more = f" (and {count} more such faults in this file{where})"
            findings.problem(first.where, found=first.found + (more if count else ""), expected=kind)


def looks_like_number(text: str) -> bool:
    """Whether a field is a number, or would be one but for a decimal comma."""
    return bool(NUMBER.fullmatch(text) or _DECIMAL_COMMA.fullmatch(text))


def has_number(entries: Sequence[str]) -> bool:
    """Whether any entry looks like a number."""
    return any(looks_like_number(entry) for entry in entries)


def text_fault(where: str, name: str, entry: str) -> Problem:
    """Make the problem of text in a column of numbers."""
    hint = " with a decimal point (this looks like a decimal comma)" if _DECIMAL_COMMA.fullmatch(entry) else ""
    return Problem(where=where, found=f"{cut(entry)!r} in column {cut(name)}", expected=f"a finite number{hint}")


def fields_of(text: str, separator: str, quote: str) -> tuple[list[str], bool]:
    """Split a record into fields; True if a quotation mark in it is not closed.

    Of several lines also where one is closed in the middle of a field: it was never meant to hold lines.
    """
    if quote not in text:
        return text.split(separator), False
    lines = text.splitlines(keepends=True) if "\n" in text else [text]
    try:
        return next(csv.reader(lines, delimiter=separator, quotechar=quote, strict=True), [""]), False
    except csv.Error as error:
        is_open = len(lines) > 1 or str(error) == _OPEN
    try:
        return next(csv.reader([text], delimiter=separator, quotechar=quote), [""]), is_open
    except csv.Error:
        return text.split(separator), is_open


def slow_look(body: Body, findings: Findings) -> Columns | None:
    """Read row by row; every kind of fault is reported with the line of the first and of some others."""
    faults, table = Faults(), _Table(body)
    cut_off: Problem | None = None
    for line, fields, is_open in _records(body):
        where = f"{body.path}:{line}"
        if cut_off:
            faults.add(cut_off)
            cut_off = None
        too_long = max(map(len, fields)) > body.limits.field
        if too_long:
            found, limit = f"a field of {max(map(len, fields)):,} characters", f"{body.limits.field:,}"
            faults.add(Problem(where=where, found=found, expected=f"at most {limit} of a field (--max-field)"))
        elif is_open:
            faults.add(Problem(where=where, found="a quotation mark that is not closed", expected="whole fields"))
        elif len(fields) != len(body.names):
            expected = f"{len(body.names)} values, one for each column"
            cut_off = Problem(where=where, found=f"{len(fields)} values", expected=expected)
        elif not faults:
            table.add(line, fields)
    if cut_off:  # of the last row
        cause = "" if faults else " (the file ends in the middle of a row)"
        faults.add(Problem(where=cut_off.where, found=f"{cut_off.found}{cause}", expected=cut_off.expected))
    if not faults:
        table.find_faults(faults)
    if faults:
        faults.report(findings)
        return None
    return table.columns()


def _records(body: Body) -> Iterator[tuple[int, list[str], bool]]:
    """Yield each row's first line, its fields without the blanks around them, and whether a quotation mark is open."""
    lines = iter(enumerate(body.rows.split(b"\n"), body.lines_before + 1))
    quote = body.quote.encode()
    for number, line in lines:
        if not line.strip():
            continue
        fields, is_open = fields_of(line.decode(), body.separator, body.quote)
        if is_open:
            record, length = [line], len(line)
            for _, more in lines:
                record.append(more)
                length += len(more) + 1
                if more.count(quote) % 2 or length > body.limits.field or len(record) > LINES_PER_FIELD:
                    break
            fields, is_open = fields_of(b"\n".join(record).decode(), body.separator, body.quote)
        yield number, [entry.strip() for entry in fields], is_open


class _Table:
    """The rows read so far: numbers as numbers, and apart from them what is none."""

    def __init__(self, body: Body) -> None:
        self._body = body
        self._lines = array("q")
        self._numbers = [array("d") for _ in body.names]
        self._strange: list[dict[int, str]] = [{} for _ in body.names]  # row -> entry that is no finite number
        self._with_numbers = [False] * len(body.names)
        self._known = [name in body.text for name in body.names]
        self._spelled: dict[str, str] = {}  # ids and words repeat in every row

    def add(self, line: int, fields: list[str]) -> None:
        row = len(self._lines)
        self._lines.append(line)
        for column, entry in enumerate(fields):
            value = np.nan
            if self._known[column]:
                self._strange[column][row] = self._spelled.setdefault(entry, entry)
            elif entry not in MISSING:
                value = float(entry) if NUMBER.fullmatch(entry) else np.nan
                if np.isfinite(value):
                    self._with_numbers[column] = True
                else:
                    value = np.nan
                    self._strange[column][row] = self._spelled.setdefault(entry, entry)
            self._numbers[column].append(value)

    def _is_text(self, column: int) -> bool:
        if self._known[column]:
            return True
        strange = self._strange[column]
        return bool(strange) and not self._with_numbers[column] and not has_number(tuple(strange.values()))

    def find_faults(self, faults: Faults) -> None:
        """Add what is no finite number in a column of numbers, line by line."""
        found = [
            (row, column, entry)
            for column in range(len(self._body.names))
            if self._strange[column] and self._body.names[column] and not self._is_text(column)
            for row, entry in self._strange[column].items()
        ]
        for row, column, entry in sorted(found):
            faults.add(text_fault(f"{self._body.path}:{self._lines[row]}", self._body.names[column], entry))

    def columns(self) -> Columns:
        names, num_rows = self._body.names, len(self._lines)
        texts = {
            names[column]: tuple("" if (entry := strange.get(row, "")) in MISSING else entry for row in range(num_rows))
            for column, strange in enumerate(self._strange)
            if names[column] and self._is_text(column)
        }
        numeric = [column for column, name in enumerate(names) if name and name not in texts]
        numbers = np.empty((num_rows, len(numeric)))
        for index, column in enumerate(numeric):
            numbers[:, index] = self._numbers[column]
        lines: NDArray[np.intp] = np.array(self._lines, dtype=np.intp)
        return Columns(
            path=self._body.path,
            names=tuple(names[column] for column in numeric),
            numbers=numbers,
            text=texts,
            lines_before=self._body.lines_before,
            metadata={},
            lines=lines,
        )
