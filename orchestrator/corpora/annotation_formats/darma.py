"""DARMA's and CARMA's CSV: lines about the rating, a line of names, a line of `%%%%%%`, then a value per bin.

As their programs write them (github.com/jmgirard/DARMA, fig_collect.m; github.com/jmgirard/CARMA, fig_collect_mouse.m).
DARMA: a joystick's two axes, from -Magnitude to Magnitude. CARMA: one scale, Minimum Value to Maximum Value. A row's
second is the end of the bin over which it is the mean. Neither names the rater.
"""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np

from orchestrator.corpora.annotation_formats.trace import (
    IN_FILE,
    Trace,
    Values,
    from_range,
    named,
    number,
    on_stated_scale,
)
from orchestrator.corpora.checks import check_times
from orchestrator.corpora.findings import Findings
from orchestrator.corpora.reading import Reading
from orchestrator.corpora.tables.columns import Columns
from orchestrator.corpora.tables.delimited import header_of, read_body
from orchestrator.corpora.tables.delimited_rows import fields_of
from orchestrator.corpora.tables.text_bytes import read_text_bytes
from orchestrator.errors import cut

RULE = b"%%%"  # begins the line between the names and the values
HEADER_LINES = 30  # of which one is the rule; DARMA has 5, CARMA 9 or 10
TIME = "second"
_SEPARATORS = (",", ";", "\t")
_Said = dict[str, tuple[int, list[str]]]  # of a line's first field in small letters: line, other fields
_NO_LABELS = frozenset({TIME, "button", "b"})


def is_darma(head: bytes) -> bool:
    """Whether a file that begins so has the line of `%%%%%%` below a line that begins with Second."""
    lines = [line.strip().strip(b'"') for line in head.splitlines()[:HEADER_LINES]]
    return any(
        line.startswith(RULE) and lines[row - 1][:6].lower() == b"second" for row, line in enumerate(lines) if row
    )


def read_darma(path: Path, findings: Findings, reading: Reading, *, dimension: str | None = None) -> list[Trace] | None:
    """Read the traces of a file, without raters' names; None with problems.

    `dimension` is that of a CARMA file: its folder's or its name's.
    """
    data = read_text_bytes(path, findings, reading.limits)
    if data is None:
        return None
    said, names_line, rule_line = _said(data)
    separator = max(_SEPARATORS, key=lambda one: names_line.count(one.encode()))
    header = header_of(path, names_line, rule_line - 1, findings, separator=separator, limits=reading.limits)
    if header is None:
        return None
    rows = b"".join(list(io.BytesIO(data))[rule_line:])
    columns = read_body(replace(header, rows=rows, lines_before=rule_line), findings)
    if columns is None:
        return None
    problems = len(findings.problems)
    by_column = _dimensions(columns, dimension, f"{path}:{rule_line - 1}", findings)
    ends = _range(said, path, findings)
    clock = columns.find(TIME)
    if clock is None:
        findings.problem(
            f"{path}:{rule_line - 1}", found="no numbers in a column Second", expected="a time in each row"
        )
        return None
    time = columns.numbers_of(clock)
    check_times(columns, np.arange(len(columns)), time, findings)
    labels = (
        {} if len(findings.problems) > problems else {one: _scaled(columns, one, ends, findings) for one in by_column}
    )
    if len(findings.problems) > problems:
        return None
    return [
        Trace(where=str(path), dimension=by_column[name], rater="", time=time, labels=values, unit=IN_FILE)
        for name, values in labels.items()
        if values is not None
    ]


def _said(data: bytes) -> tuple[_Said, bytes, int]:
    """Return what the lines above the values say, the line of names, and the number of the line of `%`."""
    said: _Said = {}
    before = b""
    for number_of_line, line in enumerate(io.BytesIO(data), 1):
        if line.strip().strip(b'"').startswith(RULE):
            return said, before, number_of_line
        text = line.decode().strip()
        separator = max(_SEPARATORS, key=text.count)
        first, *others = [field.strip() for field in fields_of(text, separator, '"')[0]]
        said[first.casefold()] = (number_of_line, others)
        before = line
    return said, before, 1


def _range(said: _Said, path: Path, findings: Findings) -> tuple[float, float] | None:
    """Return the ends of the scale as the lines above the values say them; None without, or with a problem."""
    ends: list[float] = []
    for name in ("magnitude", "minimum value", "maximum value"):
        if name not in said:
            continue
        line, fields = said[name]
        value = number(fields[0]) if fields else None
        if value is None:
            found = f"{name} {cut(fields[0]) if fields else 'without a value'}"
            findings.problem(f"{path}:{line}", found=found, expected="a finite number")
            return None
        ends += [-value, value] if name == "magnitude" else [value]
    if len(ends) == 2 and ends[0] >= ends[1]:
        line = max(said[name][0] for name in ("magnitude", "maximum value") if name in said)
        found = f"a scale from {ends[0]:g} to {ends[1]:g}"
        findings.problem(f"{path}:{line}", found=found, expected="a minimum below the maximum")
    return (ends[0], ends[1]) if len(ends) == 2 and ends[0] < ends[1] else None


def _dimensions(columns: Columns, dimension: str | None, where: str, findings: Findings) -> dict[str, str]:
    """Return which dimension a column has; empty with a problem if none has one."""
    values = [name for name in columns.names if name.casefold() not in _NO_LABELS]
    found = {name: both[0] for name in values if (both := named(name)) is not None}
    if not found and dimension is not None and len(values) == 1:
        return {values[0]: dimension}
    if not found or len(set(found.values())) < len(found):
        names = ", ".join(map(cut, values)) or "none"
        expected = "axes called Valence and Arousal"
        if len(values) == 1:
            expected = "a folder valence or arousal, or the dimension in the file's name (P01.valence.csv)"
        findings.problem(where, found=f"column {names}: of which dimension?", expected=expected)
        return {}
    for name in values:
        if name not in found:
            findings.drop(f"column {cut(name)}", "neither valence nor arousal", recording=columns.path.name)
    return found


def _scaled(columns: Columns, name: str, ends: tuple[float, float] | None, findings: Findings) -> Values | None:
    labels = columns.numbers_of(name)
    if ends is None:
        return on_stated_scale(labels, columns.where, f"column {cut(name)}", findings)
    return from_range(labels, ends, columns.where, findings, "the file's first lines")
