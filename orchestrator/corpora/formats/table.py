"""One long table: `participant`, optional `session`, `time` in seconds, features and labels; Parquet or CSV.

Labels are `valence_<rater>` and `arousal_<rater>`, or `valence` and `arousal`; `valid`, `confidence` and
`success` are optional; names are in any case. A row may lack its labels. Trials are rows too: then `time` is when each
trial was.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from orchestrator.corpora.checks import check_case, check_labels, on_scale
from orchestrator.corpora.findings import Findings
from orchestrator.corpora.participants import person_of
from orchestrator.corpora.reading import AS_IT_IS, Reading
from orchestrator.corpora.source import Source
from orchestrator.corpora.tables.action_units import is_bookkeeping, tool_of
from orchestrator.corpora.tables.annotations import GOLD, Annotation
from orchestrator.corpora.tables.column_files import is_readable, read_columns
from orchestrator.corpora.tables.columns import Columns
from orchestrator.corpora.tables.packed import suffix_of
from orchestrator.corpora.tables.rater_columns import DIMENSION_PREFIX, raters_of_table
from orchestrator.corpora.tables.tracks import Track, is_as_written, make_track
from orchestrator.protocols import DIMENSIONS

LOOKS_LIKE = "a .parquet or .csv file with the columns participant, time, features and labels"
SUFFIXES = (".parquet", ".csv", ".tsv", ".txt")


def find(path: Path) -> bool:
    """Whether the path is a file that may hold a table."""
    return path.is_file() and is_readable(path) and suffix_of(path) in SUFFIXES


def read(path: Path, findings: Findings, reading: Reading = AS_IT_IS) -> list[Source]:
    """Read every recording of the table at `path`; faults go to `findings`."""
    columns = read_columns(path, findings, text=frozenset(["participant", "session"]), limits=reading.limits)
    if columns is None:
        return []
    columns = _without_empty(columns, findings)
    participant = columns.find_text("participant")
    if participant is None:
        findings.problem(columns.header, found="no column participant", expected=LOOKS_LIKE)
    raters = _raters(columns, findings)
    if participant is None or not raters or not check_case(columns, _addresses(columns, raters), findings):
        return []
    for entry in [row for row, name in enumerate(columns.text[participant]) if not name][:1]:
        findings.problem(columns.where(entry), found="no participant", expected="a participant in every row")
    labels = [column for names in raters.values() for column in names]
    check_labels(columns, np.arange(len(columns)), labels, findings)
    features = _without(columns, labels)
    sources = []
    for (person, session), rows in rows_by_recording(columns).items():
        name = f"{person}_{session}" if session else person
        where = f"{path}: participant {name}"
        track = make_track(features, rows, name, findings, reading=reading, where=where, shares_file=True)
        if track is None:
            continue
        annotations = {dimension: _annotation(columns, names, track, findings) for dimension, names in raters.items()}
        who, when = person_of(person, session, findings)
        sources.append(Source(participant=who, session=when, track=track, annotations=annotations))
    return sources


def _without_empty(columns: Columns, findings: Findings) -> Columns:
    """Leave out columns without a single value: they would make every row invalid."""
    empty = np.asarray(np.isnan(columns.numbers).all(axis=0))
    names = [
        name
        for name, one in zip(columns.names, empty, strict=True)
        if one and _split(name, findings)[0] not in DIMENSIONS and not is_bookkeeping(name)
    ]
    for name in names:
        findings.drop(f"column {name}", "without a single value")
    return _without(columns, names)


def _without(columns: Columns, names: Sequence[str]) -> Columns:
    if not names:
        return columns
    gone = set(names)
    kept = np.array([name not in gone for name in columns.names], dtype=np.bool_)
    left = tuple(name for name in columns.names if name not in gone)
    return replace(columns, names=left, numbers=columns.numbers[:, kept])


def _annotation(columns: Columns, names: Sequence[str], track: Track, findings: Findings) -> Annotation:
    """One dimension's labels in the rows of a track, on the track's own clock."""
    picked = columns.indices(names)
    return Annotation(
        where=track.where,
        raters=tuple(_rater_of(name) for name in names),
        time=track.time,
        labels=on_scale(columns.numbers[np.ix_(track.rows, picked)], findings),
        unit=track.unit,
    )


def rows_by_recording(columns: Columns) -> dict[tuple[str, str], NDArray[np.intp]]:
    """Rows (n,) of each participant and session, by their first rows; the table has a column `participant`."""
    people = columns.text[columns.find_text("participant") or "participant"]
    session = columns.find_text("session")
    sessions = columns.text[session] if session is not None else ("",) * len(people)
    rows: dict[tuple[str, str], list[int]] = {}
    for row, key in enumerate(zip(people, sessions, strict=True)):
        rows.setdefault(key, []).append(row)
    return {key: np.array(some, dtype=np.intp) for key, some in rows.items() if key[0]}


def _split(column: str, findings: Findings) -> tuple[str, str]:
    """Split `valence_<rater>` into what stands before the rater, in small letters, and the rater.

    By the rules of before 0.2 `Valence` was no label, and stays as it is.
    """
    dimension, _, rater = column.partition("_")
    return dimension.casefold() if findings.options.current else dimension, rater


def _addresses(columns: Columns, raters: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the columns that are looked up by their names in any case: labels, and what says whose a row is."""
    labels = {column for names in raters.values() for column in names}
    return [one for one in (*columns.names, *columns.text) if one in labels or is_bookkeeping(one)]


def _raters(columns: Columns, findings: Findings) -> dict[str, list[str]]:
    """Label columns by dimension, raters in the same order; empty with a problem if they do not match."""
    found: dict[str, dict[str, str]] = {dimension: {} for dimension in DIMENSIONS}
    labels = [column for column in columns.names if _split(column, findings)[0] in DIMENSIONS]
    if not check_case(columns, labels, findings):
        return {}
    for column in labels:
        dimension, rater = _split(column, findings)
        found[dimension][rater] = column
    # Py-Feat estimates valence and arousal itself; a machine's guess is nobody's label.
    machine = "Py-Feat" if tool_of((*columns.names, *columns.text)).name == "Py-Feat" else ""
    individual = any(rater for names in found.values() for rater in names)
    for names in found.values():
        if "" in names and (individual or machine):
            column = names.pop("")
            why = f"an estimate of {machine}, not a label" if machine else "the raters' own labels are read"
            findings.drop(f"column {column}", why)
    # A table of `data convert` was judged when it was made; whom the user asks for is another matter.
    written = is_as_written(columns) and not findings.options.raters
    judged = {} if written else raters_of_table(found, findings)
    for rater, why in judged.items():
        both = [_column(dimension, rater) for dimension, names in found.items() if names.pop(rater, None)]
        findings.drop(f"column {', '.join(both)}", why)
    for text in columns.text:
        if DIMENSION_PREFIX.match(text) or _split(text, findings)[0] in DIMENSIONS:
            findings.drop(f"column {text}", "text, no labels")
    first, second = (list(found[dimension]) for dimension in DIMENSIONS)
    if not first and not second:
        expected = "labels valence and arousal, or valence_<rater> and arousal_<rater>"
        findings.problem(columns.header, found="no column of labels", expected=expected)
        return {}
    lacking = [_column(DIMENSIONS[1], rater) for rater in first if rater not in second]
    lacking += [_column(DIMENSIONS[0], rater) for rater in second if rater not in first]
    if lacking:
        found_text = f"no column {', '.join(lacking)}"
        findings.problem(columns.header, found=found_text, expected="both dimensions of every rater")
        return {}
    return {dimension: [found[dimension][rater] for rater in first] for dimension in DIMENSIONS}


def _column(dimension: str, rater: str) -> str:
    return f"{dimension}_{rater}" if rater else dimension


def _rater_of(column: str) -> str:
    return column.partition("_")[2] or GOLD
