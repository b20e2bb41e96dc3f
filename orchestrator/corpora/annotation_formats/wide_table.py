"""A table of both dimensions and all raters: `time`, `valence_Anna`, `arousal_Anna` ..., of one recording or of all.

Of all with `participant` and, where people have several, `session`; `rater` where each has rows of their own. A table
whose folder says the dimension has a column per rater. Shapes: N rows of the file.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from orchestrator.corpora.annotation_formats.trace import Trace, named
from orchestrator.corpora.checks import check_case, check_labels, check_times, on_scale
from orchestrator.corpora.findings import Findings, shortened
from orchestrator.corpora.names import composed
from orchestrator.corpora.participants import person_of
from orchestrator.corpora.reading import Reading
from orchestrator.corpora.tables.action_units import is_bookkeeping
from orchestrator.corpora.tables.clock import clock_of, time_column
from orchestrator.corpora.tables.column_files import read_columns
from orchestrator.corpora.tables.columns import Columns
from orchestrator.corpora.tables.rater_columns import THE_LABELS, raters_of_file, raters_of_table
from orchestrator.errors import cut
from orchestrator.protocols import DIMENSIONS

RATER_COLUMNS = ("rater", "annotator")
_PEOPLE = frozenset({"participant", "session", *RATER_COLUMNS})
Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelTable:
    """A file of labels as it was read, before it is asked for a recording's."""

    columns: Columns
    labels: Mapping[str, tuple[str, str]]  # column -> dimension, rater ("" if the name says none)
    rows: Mapping[tuple[str, str, str], Rows]  # participant, session, rater -> rows; "" where there is no such column

    @property
    def has_people(self) -> bool:
        """Whether rows say whose they are."""
        return self.columns.find_text("participant") is not None


def read_label_table(
    path: Path, findings: Findings, reading: Reading, *, dimension: str | None = None
) -> LabelTable | None:
    """Read a file of labels; None with problems. `dimension` is that of its folder or name, if either has one."""
    columns = read_columns(path, findings, text=_PEOPLE, limits=reading.limits)
    if columns is None:
        return None
    labels = _labels(columns, dimension, findings)
    looked_up = [one for one in (*columns.names, *columns.text) if one in labels or one.lower() in _PEOPLE]
    if not labels or not check_case(columns, looked_up, findings):
        return None
    if not check_labels(columns, np.arange(len(columns)), list(labels), findings):
        return None
    return LabelTable(columns=columns, labels=labels, rows=_rows(columns, findings))


def people_of(table: LabelTable) -> list[tuple[str, str]]:
    """Return participant and session of all rows, each pair once."""
    return list(dict.fromkeys(key[:2] for key in table.rows))


def traces_of(
    table: LabelTable, name: str, who: tuple[str, str] | None, findings: Findings, reading: Reading
) -> list[Trace] | None:
    """Return the traces of a recording; None with problems. `who`: its participant and session; None: all rows."""
    traces = []
    for (person, session, rater), rows in table.rows.items():
        if who is not None and (person, session) != who:
            continue
        clock = clock_of(table.columns, rows, name, findings, reading=reading, side="annotations")
        if clock is None or not check_times(table.columns, rows, clock.time, findings):
            return None
        for column, (dimension, own) in table.labels.items():
            labels = on_scale(table.columns.numbers_of(column)[rows], findings)
            where = f"{table.columns.path}: column {cut(column)}"
            traces.append(
                Trace(
                    where=where,
                    dimension=dimension,
                    rater=own or rater,
                    time=clock.time,
                    labels=labels,
                    unit=clock.unit,
                )
            )
    return traces


def _labels(columns: Columns, dimension: str | None, findings: Findings) -> dict[str, tuple[str, str]]:
    """Return dimension and rater of the columns of labels; empty with a problem if there are none."""
    found = {name: both for name in columns.names if (both := named(name)) is not None}
    if dimension is not None and not any(both[0] == dimension for both in found.values()):
        raters = raters_of_file(columns, dimension, findings)
        alone = len(raters or ()) == 1
        return {one: (dimension, "" if alone and one.lower() in THE_LABELS else one) for one in raters or ()}
    by_dimension = {one: [both[1] for both in found.values() if both[0] == one] for one in DIMENSIONS}
    judged = raters_of_table(by_dimension, findings)
    for name, both in list(found.items()):
        why = judged.get(both[1])
        if why is None and dimension is not None and both[0] != dimension:
            why = f"of {both[0]}, not of {dimension}"
        if why is not None:
            findings.drop(f"column {cut(name)}", why, recording=columns.path.name)
            del found[name]
    clock = time_column(columns.names) or time_column(columns.text)
    for name in columns.names:
        if name not in found and named(name) is None and name != clock and not is_bookkeeping(name):
            findings.drop(f"column {cut(name)}", "neither valence nor arousal", recording=columns.path.name)
    for name in columns.text:
        if named(name) is not None:
            findings.drop(f"column {cut(name)}", "text, no labels", recording=columns.path.name)
    if not found:
        names = shortened(map(cut, (*columns.names, *columns.text)))
        expected = "labels valence and arousal, or valence_<rater> and arousal_<rater>"
        findings.problem(columns.header, found=f"columns {names}", expected=expected)
    return found


def _rows(columns: Columns, findings: Findings) -> dict[tuple[str, str, str], Rows]:
    """Return the rows of each participant, session and rater, in the file's order."""
    texts = [columns.find_text(*names) for names in (("participant",), ("session",), RATER_COLUMNS)]
    if not any(texts):
        return {("", "", ""): np.arange(len(columns))}
    entries = [columns.text[name] if name else ("",) * len(columns) for name in texts]
    rows: dict[tuple[str, str, str], list[int]] = {}
    for row, (person, session, rater) in enumerate(zip(*entries, strict=True)):
        who = person_of(composed(person), composed(session), findings) if person else ("", session)
        rows.setdefault((*who, rater), []).append(row)
    lacking = [some[0] for (person, _, _), some in rows.items() if texts[0] and not person]
    if lacking:
        findings.problem(columns.where(lacking[0]), found="no participant", expected="a participant in every row")
    return {key: np.array(some, dtype=np.intp) for key, some in rows.items()}


def of_the_same(rows: Sequence[tuple[str, str]], who: tuple[str, str]) -> tuple[str, str] | None:
    """Return which of a table's participants and sessions a recording is; None for none of them.

    Without sessions in the table a participant's only row group is meant.
    """
    if who in rows:
        return who
    same = [one for one in rows if one[0] == who[0]]
    return same[0] if len(same) == 1 and not same[0][1] else None
