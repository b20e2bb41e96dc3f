"""Files of labels: a time and one column per rater, one file per dimension and recording.

Shapes: N label samples, R raters. Times are in seconds, labels in [-1, 1].
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from orchestrator.corpora.align import SAME_RATE, step_of
from orchestrator.corpora.checks import check_labels, check_times, on_scale
from orchestrator.corpora.findings import Findings
from orchestrator.corpora.participants import check_ids
from orchestrator.corpora.reading import AS_IT_IS, UNIT_OPTION, Reading
from orchestrator.corpora.tables.clock import clock_of
from orchestrator.corpora.tables.column_files import read_columns
from orchestrator.corpora.tables.rater_columns import DIMENSION_PREFIX, raters_of_file
from orchestrator.corpora.tables.time_units import (
    ASSUMED,
    MIN_STEPS,
    REGULAR_SHARE,
    REGULAR_WITHIN,
    Unit,
    doubt_alone,
)
from orchestrator.errors import cut
from orchestrator.protocols import DIMENSIONS

GOLD = "gold"  # the one rater of a corpus that ships only a gold standard
_GOLD_SPELLINGS = ("goldstandard", "gold_standard", "gold", *DIMENSIONS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """One dimension of one recording, as its file gives it, checked."""

    where: str
    raters: tuple[str, ...]
    time: NDArray[np.float64]  # (N,) strictly increasing
    labels: NDArray[np.float64]  # (N, R); NaN where a rater has no label
    unit: Unit = ASSUMED  # that the file's times were taken for
    parts: tuple["Annotation", ...] = ()  # raters with clocks of their own; then `time` is all of their times

    @property
    def clocks(self) -> tuple["Annotation", ...]:
        """The annotations of one clock each: the parts, or this one."""
        return self.parts or (self,)


def read_annotations(
    files: Mapping[str, Path],
    name: str,
    findings: Findings,
    *,
    reading: Reading = AS_IT_IS,
    whose: tuple[str, str] | None = None,
) -> dict[str, Annotation] | None:
    """Read a recording's valence and arousal files, given by dimension; None with problems in `findings`.

    Both must have the same raters. `reading` is what the user said of the files; `whose` the participant and session
    that their names stand for.
    """
    both = {
        dimension: read_annotation(files[dimension], name, findings, dimension=dimension, reading=reading, whose=whose)
        for dimension in DIMENSIONS
    }
    read = {dimension: one for dimension, one in both.items() if one is not None}
    if len(read) < len(both):
        return None
    complete = True
    for dimension, other in zip(DIMENSIONS, reversed(DIMENSIONS), strict=True):
        missing = [rater for rater in read[other].raters if rater not in read[dimension].raters]
        if missing:
            complete = False
            findings.problem(
                f"{files[dimension]}:1",
                found=f"no column of rater {', '.join(missing)}",
                expected=f"the raters of {files[other]}",
            )
    return read if complete else None


def read_annotation(  # noqa: PLR0913 - a file, whose and how
    path: Path,
    name: str,
    findings: Findings,
    *,
    dimension: str,
    reading: Reading = AS_IT_IS,
    whose: tuple[str, str] | None = None,
) -> Annotation | None:
    """Read one file of labels; None with problems in `findings`. A gold standard is one rater called gold.

    `whose`: the participant and session that the file's name stands for; None: rows are not compared with them.
    """
    columns = read_columns(path, findings, limits=reading.limits)
    if columns is None or not check_ids(columns, name, whose, findings):
        return None
    rows = np.arange(len(columns))
    clock = clock_of(columns, rows, name, findings, reading=reading, side="annotations")
    raters = raters_of_file(columns, dimension, findings)
    if clock is None or raters is None or not check_times(columns, rows, clock.time, findings):
        return None
    if not check_labels(columns, rows, raters, findings):
        return None
    picked = columns.indices(raters)
    names = tuple(DIMENSION_PREFIX.sub("", rater) for rater in raters)  # some repeat the file's dimension
    single = len(raters) == 1 and raters[0].lower() in _GOLD_SPELLINGS
    return Annotation(
        where=str(path),
        raters=(GOLD,) if single else names,
        time=clock.time,
        labels=on_scale(columns.numbers[:, picked], findings),
        unit=clock.unit,
    )


def with_own_steps(annotation: Annotation, raters: Sequence[str], name: str, findings: Findings) -> Annotation:
    """Make parts of the raters who label more rarely than their table has rows, each with the rows of their labels.

    So they are joined as from files of their own. A rater does so whose labels are regularly apart, some of them
    missing; labels that are missing irregularly, or that nobody would take for ratings of one session, stay gaps in
    the table's rows, as of trials. `raters` are those that count, `name` is the recording's; what was found is noted.
    """
    parts = tuple(own for part in annotation.clocks for own in _parts(part, raters, name, findings))
    return replace(annotation, parts=parts)


def _parts(part: Annotation, raters: Sequence[str], name: str, findings: Findings) -> list[Annotation]:
    """Split one clock's raters into those of its step and, by the rows of their labels, those of longer steps."""
    there = np.isfinite(part.labels)
    shared = step_of(part.time)
    groups: dict[bytes, list[int]] = {}
    for column, rater in enumerate(part.raters):
        if rater not in raters:
            groups.setdefault(b"", []).append(column)
            continue
        rows, time = there[:, column], part.time[there[:, column]]
        step = step_of(time)
        rarer = shared is not None and step is not None and step > shared * SAME_RATE
        own = rarer and _noted_step(time, cut(rater), (name, part.unit), findings)
        groups.setdefault(rows.tobytes() if own else b"", []).append(column)
    if list(groups) == [b""]:
        return [part]
    split = []
    for key, columns in groups.items():
        rows = there[:, columns[0]] if key else np.ones(len(part.time), dtype=np.bool_)
        own_raters, labels = tuple(part.raters[column] for column in columns), part.labels[:, columns]
        split.append(replace(part, raters=own_raters, time=part.time[rows], labels=labels[rows]))
    return split


def _noted_step(time: NDArray[np.float64], rater: str, whose: tuple[str, Unit], findings: Findings) -> bool:
    """Whether a rater's labels (N,), rarer than the rows of the table, are ratings of a step of their own; noted."""
    name, unit = whose
    steps = np.diff(time)
    step = float(np.median(steps))
    if len(steps) < MIN_STEPS or not _is_regular_with_gaps(steps):
        findings.note(
            f"most rows have no label of rater {rater}, irregularly: nothing is joined between the labels",
            recording=name,
        )
        return False
    if doubt_alone(time, unit, "annotations") is not None:
        findings.note(
            f"labels of rater {rater} are {step:.3g} s apart, too far to be joined between ({UNIT_OPTION} {unit.name}"
            " joins them)",
            recording=name,
        )
        return False
    findings.note(f"labels of rater {rater} are {step:.3g} s apart, joined by that step", recording=name)
    return True


def _is_regular_with_gaps(steps: NDArray[np.float64]) -> bool:
    """Whether most steps are near a multiple of their median: a clock's of which some samples are missing."""
    ratios = steps / np.median(steps)
    whole = np.round(ratios)
    near = (whole >= 1) & (np.abs(ratios - whole) <= REGULAR_WITHIN)
    return bool(near.mean() >= REGULAR_SHARE)
