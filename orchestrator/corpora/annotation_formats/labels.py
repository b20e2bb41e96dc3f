"""All labels of a recording from however many files, brought into one annotation per dimension."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from orchestrator.corpora.annotation_formats.darma import read_darma
from orchestrator.corpora.annotation_formats.elan import read_elan
from orchestrator.corpora.annotation_formats.elan_text import read_elan_text
from orchestrator.corpora.annotation_formats.nova import read_nova
from orchestrator.corpora.annotation_formats.places import DARMA, ELAN, ELAN_TEXT, NOVA, TABLE, Place
from orchestrator.corpora.annotation_formats.trace import Trace
from orchestrator.corpora.annotation_formats.wide_table import (
    LabelTable,
    of_the_same,
    people_of,
    read_label_table,
    traces_of,
)
from orchestrator.corpora.findings import NOT_ASKED_FOR, Findings, shortened
from orchestrator.corpora.reading import Reading
from orchestrator.corpora.tables.annotations import GOLD, Annotation
from orchestrator.errors import cut
from orchestrator.protocols import DIMENSIONS

Ids = Callable[[str], tuple[str, str]]


@dataclass(slots=True)
class LabelFiles:
    """The files of labels of a corpus that are read here: by recording, and tables of several people."""

    by_recording: Mapping[str, Sequence[Place]]  # of any format but RECOLA's
    plain: Mapping[str, Sequence[Place]] = field(default_factory=dict)  # in RECOLA's, read here beside others
    tables: Sequence[LabelTable] = ()
    findings: Findings = field(default_factory=Findings)
    reading: Reading = field(default_factory=Reading)
    whose: Ids = lambda name: (name, "")
    people: frozenset[str] = frozenset()

    def has(self, name: str) -> bool:
        """Whether there is any file for a recording."""
        return bool(self.by_recording.get(name)) or any(self.rows_of(table, name) for table in self.tables)

    def read(self, name: str) -> dict[str, Annotation] | None:
        """Read a recording's labels, by dimension; None with problems in the findings, or left out with the reason."""
        traces: list[Trace] = []
        good = True
        for place in (*self.by_recording.get(name, ()), *self.plain.get(name, ())):
            found = self._of_place(place, name)
            good = good and found is not None
            traces += [_by(one, place.rater) for one in found or ()]
        for table in self.tables:
            who = self.rows_of(table, name)
            found = traces_of(table, name, who, self.findings, self.reading) if who else []
            good = good and found is not None
            traces += found or []
        return _together(traces, name, self.findings) if good else None

    def rows_of(self, table: LabelTable, name: str) -> tuple[str, str] | None:
        """Return which participant and session of a table a recording is; None for none of them."""
        rows = people_of(table)
        return of_the_same(rows, self.whose(name)) or of_the_same(rows, (name, ""))

    def _of_place(self, place: Place, name: str) -> list[Trace] | None:
        person = self.whose(name)[0]
        path, findings, reading = place.path, self.findings, self.reading
        if place.kind != TABLE and reading.unit_of("annotations") not in (None, "s"):
            findings.leaves_unit("labels whose format has one unit", recording=name)
        if place.kind == ELAN:
            return read_elan(path, findings, reading, person=person, people=self.people)
        if place.kind == ELAN_TEXT:
            return read_elan_text(path, findings, reading, person=person, people=self.people)
        if place.kind == NOVA:
            return read_nova(path, findings, reading, dimension=place.dimension)
        if place.kind == DARMA:
            return read_darma(path, findings, reading, dimension=place.dimension)
        assert place.kind == TABLE
        return self._of_table(place, name)

    def _of_table(self, place: Place, name: str) -> list[Trace] | None:
        """Read a recording's own table; rows that name people have to be the recording's."""
        table = read_label_table(place.path, self.findings, self.reading, dimension=place.dimension)
        if table is None:
            return None
        who = self.rows_of(table, name) if table.has_people else None
        if table.has_people and who is None:
            shown = shortened(f"participant {cut(' '.join(filter(None, one)))}" for one in people_of(table))
            expected = f"rows of {' '.join(filter(None, self.whose(name)))}, as the file's name says"
            self.findings.problem(place.path, found=f"rows of {shown}", expected=expected)
            return None
        return traces_of(table, name, who, self.findings, self.reading)


def _by(trace: Trace, rater: str) -> Trace:
    """Give a trace whose file names no rater the one that its place names."""
    if trace.rater or not rater:
        return trace
    return Trace(
        where=trace.where,
        dimension=trace.dimension,
        rater=rater,
        time=trace.time,
        labels=trace.labels,
        unit=trace.unit,
    )


def _together(traces: Sequence[Trace], name: str, findings: Findings) -> dict[str, Annotation] | None:
    """Return the annotation of each dimension, both with the same raters; None with a problem, or left out."""
    by_rater: dict[tuple[str, str], Trace] = {}
    good = True
    for trace in traces:
        rater = trace.rater or GOLD
        if findings.options.raters and not findings.asks_for(rater):
            findings.drop(f"rater {cut(rater)}", NOT_ASKED_FOR, recording=name)
            continue
        first = by_rater.setdefault((trace.dimension, rater), trace)
        if first is not trace:
            whose = f"rater {cut(trace.rater)}" if trace.rater else "a rater without a name"
            found = f"{trace.dimension} of {name} by {whose} twice, also in {first.where}"
            expected = "one per rater: a folder or the file's name may say the rater (anna/P01.csv, P01.anna.csv)"
            findings.problem(trace.where, found=found, expected=expected)
            good = False
    if not by_rater:
        findings.drop(f"recording {name}", "no labels of valence and arousal")
        return None
    raters = tuple(dict.fromkeys(rater for _, rater in by_rater))
    for (dimension, rater), trace in by_rater.items():
        other = next(one for one in DIMENSIONS if one != dimension)
        if (other, rater) not in by_rater:
            found = f"{dimension} of {name} by rater {cut(rater)}, and no {other}"
            findings.problem(trace.where, found=found, expected="both dimensions of every rater")
            good = False
    if not good:
        return None
    return {
        dimension: _annotation([by_rater[dimension, rater] for rater in raters], raters) for dimension in DIMENSIONS
    }


def _annotation(traces: Sequence[Trace], raters: tuple[str, ...]) -> Annotation:
    """Return one dimension of one recording; raters whose times differ are parts of their own."""
    groups: list[list[int]] = []
    for index, trace in enumerate(traces):
        alike = next((some for some in groups if np.array_equal(traces[some[0]].time, trace.time)), None)
        if alike is None:
            groups.append([index])
        else:
            alike.append(index)
    parts = tuple(
        Annotation(
            where=traces[some[0]].where,
            raters=tuple(raters[index] for index in some),
            time=traces[some[0]].time,
            labels=np.stack([traces[index].labels for index in some], axis=1),
            unit=traces[some[0]].unit,
        )
        for some in groups
    )
    if len(parts) == 1:
        return parts[0]
    time = np.unique(np.concatenate([part.time for part in parts]))
    labels = np.full((len(time), len(raters)), np.nan)
    for part in parts:
        columns = np.array([raters.index(rater) for rater in part.raters], dtype=np.intp)
        labels[np.ix_(np.searchsorted(time, part.time), columns)] = part.labels
    return Annotation(where=parts[0].where, raters=raters, time=time, labels=labels, unit=parts[0].unit, parts=parts)
