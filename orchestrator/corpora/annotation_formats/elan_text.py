"""ELAN's export as tab-delimited text: a row per annotation, or a column per tier, with or without a line of names.

Names of columns as ELAN writes them in English (`Begin Time - hh:mm:ss.ms`, `End Time - ss.msec`); without names the
first two columns of clock times are begin and end, the first column is the tier and the last one the value.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.corpora.annotation_formats.trace import Interval, Trace, named, number, trace_of_intervals
from orchestrator.corpora.findings import Findings
from orchestrator.corpora.reading import Reading
from orchestrator.corpora.tables.delimited_rows import fields_of
from orchestrator.corpora.tables.text_bytes import read_text_bytes
from orchestrator.errors import cut

_CLOCK = re.compile(r"(\d{1,3}):([0-5]?\d):([0-5]?\d(?:[.,]\d{1,6})?)")
_TIMES = re.compile(r"(begin|end) time(?: - (hh:mm:ss\.ms|ss\.msec|msec))?")
_FACTORS = {"ss.msec": 1.0, "msec": 1e-3}
_DURATION = "duration"
_TIERS = ("tier", "tier name", "tier-name")
_VALUES = ("annotation", "annotation value", "value", "text")
_PEOPLE = ("participant", "annotator")
_SEPARATORS = ("\t", ";", ",")
_Row = tuple[int, list[str]]  # line, fields


def is_elan_text(head: bytes) -> bool:
    """Whether a text that begins so is ELAN's export: Begin Time and End Time among the names, or clocks and tabs."""
    line = next(filter(bytes.strip, head.splitlines()), b"").decode(errors="replace").lstrip("\ufeff")
    fields = _fields(line)
    kinds = {match[1] for one in fields if (match := _TIMES.fullmatch(one.casefold()))}
    return kinds == {"begin", "end"} or sum(_seconds(one, None) is not None for one in _clocks(line)) >= 2


@dataclass(slots=True)
class _Layout:
    """Which column holds what."""

    begin: int
    end: int
    formats: tuple[str | None, str | None]  # of begin and end
    tier: int | None = None  # None: a column per tier
    value: int = -1
    person: int | None = None
    tiers: dict[int, str] = field(default_factory=dict)


def read_elan_text(
    path: Path, findings: Findings, reading: Reading, *, person: str = "", people: frozenset[str] = frozenset()
) -> list[Trace] | None:
    """Read the traces of an export; None with problems. `person`, `people`: as for ELAN's own files."""
    data = read_text_bytes(path, findings, reading.limits)
    if data is None:
        return None
    separator = max(_SEPARATORS, key=next(filter(str.strip, data.decode().split("\n"))).count)
    rows = [
        (line, [one.strip() for one in fields_of(text, separator, '"')[0]])
        for line, text in enumerate(data.decode().split("\n"), 1)
        if text.strip()
    ]
    layout, rows = _layout(rows)
    if layout is None or not rows:
        expected = "begin and end as hh:mm:ss.ms, or names of the columns, and at least one row"
        findings.problem(f"{path}:1", found="no begin and end of annotations", expected=expected)
        return None
    problems = len(findings.problems)
    tiers = _tiers(path, rows, layout, findings)
    traces = []
    for (name, who), intervals in tiers.items():
        both = named(name)
        if both is None or (who in people and who != person):
            why = f"of participant {cut(who)}" if both else "its name has no dimension, valence or arousal"
            findings.drop(f"tier {cut(name)}", why, recording=path.name)
            continue
        rater = (both[1] if both[1] != person else "") or (who if who != person else "")
        trace = _trace(path, name, (both[0], rater), intervals, findings)
        traces += [trace] if trace else []
    return None if len(findings.problems) > problems else traces


def _layout(rows: list[_Row]) -> tuple[_Layout | None, list[_Row]]:
    """Return which column holds what, and the rows without the line of names."""
    names = [one.casefold() for one in rows[0][1]]
    found: dict[str, tuple[int, str | None]] = {}
    for column, name in enumerate(names):
        match = _TIMES.fullmatch(name)
        if match:
            found.setdefault(match[1], (column, match[2]))
    if set(found) == {"begin", "end"}:
        (begin, first), (end, second) = found["begin"], found["end"]
        tier = next((column for column, name in enumerate(names) if name in _TIERS), None)
        value = next((column for column, name in enumerate(names) if name in _VALUES), len(names) - 1)
        person = next((column for column, name in enumerate(names) if name in _PEOPLE), None)
        others = {
            column: rows[0][1][column]
            for column, name in enumerate(names)
            if tier is None and not _TIMES.fullmatch(name) and not name.startswith(_DURATION) and name
        }
        layout = _Layout(begin, end, (first, second), tier=tier, value=value, person=person, tiers=others)
        return layout, rows[1:]
    clocks = [column for column, text in enumerate(rows[0][1]) if _CLOCK.fullmatch(text)]
    if len(clocks) < 2:
        return None, rows
    return _Layout(clocks[0], clocks[1], (None, None), tier=0, person=1 if clocks[0] > 1 else None), rows


def _tiers(
    path: Path, rows: Iterable[_Row], layout: _Layout, findings: Findings
) -> dict[tuple[str, str], list[Interval]]:
    """Return the intervals of each tier and participant; faults go to `findings`."""
    tiers: dict[tuple[str, str], list[Interval]] = {}
    for line, fields in rows:
        where = f"{path}:{line}"
        least = max(layout.begin, layout.end, *layout.tiers, layout.value) + 1
        if len(fields) < least:
            findings.problem(where, found=f"{len(fields)} values", expected=f"at least {least}, as in the first line")
            continue
        times = [_seconds(fields[at], how) for at, how in zip((layout.begin, layout.end), layout.formats, strict=True)]
        begin, end = times
        if begin is None or end is None:
            wrong = fields[layout.begin if begin is None else layout.end]
            findings.problem(where, found=f"{cut(wrong)!r}", expected="a time, as hh:mm:ss.ms or in the column's unit")
            continue
        if end < begin:
            findings.problem(where, found=f"{begin:g} to {end:g} s", expected="an end after the begin")
            continue
        named_values = layout.tiers or {layout.value: fields[layout.tier or 0]}
        who = fields[layout.person] if layout.person is not None else ""
        for column, tier in named_values.items():
            intervals = tiers.setdefault((tier, who), [])
            if not fields[column] or end == begin or named(tier) is None:
                continue
            value = number(fields[column])
            if value is None:
                found = f"{cut(fields[column])!r} in tier {cut(tier)}"
                findings.problem(where, found=found, expected="a number in every annotation of the tier")
                continue
            intervals.append(Interval(where=where, start=begin, end=end, value=value))
    return tiers


def _trace(
    path: Path, name: str, whose: tuple[str, str], intervals: Sequence[Interval], findings: Findings
) -> Trace | None:
    if not intervals:
        findings.drop(f"tier {cut(name)}", "without a value", recording=path.name)
        return None
    what = f"tier {cut(name)}"
    where = f"{path}: {what}"
    return trace_of_intervals(intervals, where=where, what=what, dimension=whose[0], rater=whose[1], findings=findings)


def _seconds(text: str, how: str | None) -> float | None:
    """Read a time in seconds: a clock, or a number in the unit that the column's name says."""
    match = _CLOCK.fullmatch(text)
    if match:
        return int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3].replace(",", "."))
    value = number(text) if how in _FACTORS else None
    return None if value is None or value < 0 or how is None else value * _FACTORS[how]


def _fields(line: str) -> list[str]:
    separator = max(_SEPARATORS, key=line.count)
    return [one.strip().strip('"') for one in line.split(separator)]


def _clocks(line: str) -> list[str]:
    """Return the fields of a line with tabs that are clock times."""
    return [one for one in line.split("\t") if _CLOCK.fullmatch(one.strip())] if "\t" in line else []
