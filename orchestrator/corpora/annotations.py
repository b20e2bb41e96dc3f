"""Files of labels: a time and one column a rater, one file a dimension and recording.

Shapes: N label samples, R raters. Times are in seconds, labels in [-1, 1].
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from orchestrator.corpora.action_units import BOOKKEEPING
from orchestrator.corpora.checks import check_labels, check_times
from orchestrator.corpora.clock import times_of
from orchestrator.corpora.column_files import read_columns
from orchestrator.corpora.columns import Columns
from orchestrator.corpora.findings import Findings
from orchestrator.corpora.recording import DIMENSIONS

GOLD = "gold"  # the one rater of a corpus that ships only a gold standard
_DIMENSION = re.compile(rf"^({'|'.join(DIMENSIONS)})_(?=.)", re.IGNORECASE)
_GOLD_SPELLINGS = ("goldstandard", "gold_standard", "gold", *DIMENSIONS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """One dimension of one recording, as its file gives it, checked."""

    where: str
    raters: tuple[str, ...]
    time: NDArray[np.float64]  # (N,) strictly increasing
    labels: NDArray[np.float64]  # (N, R); NaN where a rater has no label


def read_annotations(
    files: Mapping[str, Path], name: str, findings: Findings, *, frame_rate: float | None = None
) -> dict[str, Annotation] | None:
    """Read a recording's valence and arousal files, given by dimension; None with problems in `findings`.

    Both must have the same raters. `frame_rate` is that of frame numbers in files without times.
    """
    both = {
        dimension: read_annotation(files[dimension], name, findings, frame_rate=frame_rate) for dimension in DIMENSIONS
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


def read_annotation(path: Path, name: str, findings: Findings, *, frame_rate: float | None = None) -> Annotation | None:
    """Read one file of labels; None with problems in `findings`. A gold standard is one rater called gold."""
    columns = read_columns(path, findings)
    if columns is None:
        return None
    rows = np.arange(len(columns))
    time = times_of(columns, rows, name, findings, frame_rate=frame_rate)
    raters = _raters(columns, findings)
    if time is None or raters is None or not check_times(columns, rows, time, findings):
        return None
    if not check_labels(columns, rows, raters, findings):
        return None
    picked = np.array([columns.names.index(rater) for rater in raters], dtype=np.intp)
    names = tuple(_DIMENSION.sub("", rater) for rater in raters)  # some repeat the file's dimension
    single = len(raters) == 1 and raters[0].lower() in _GOLD_SPELLINGS
    return Annotation(
        where=str(path),
        raters=(GOLD,) if single else names,
        time=time,
        labels=columns.numbers[:, picked],
    )


def _raters(columns: Columns, findings: Findings) -> tuple[str, ...] | None:
    raters = tuple(name for name in columns.names if name.lower() not in BOOKKEEPING)
    texts = [name for name in columns.text if name.lower() not in BOOKKEEPING]
    for name in texts:
        row = next((row for row, entry in enumerate(columns.text[name]) if entry), 0)
        found = f"{columns.text[name][row]!r} in column {name}"
        findings.problem(columns.where(row), found=found, expected="a finite number")
    if texts:
        return None
    if not raters:
        findings.problem(columns.header, found="no column of a rater", expected="a time and one column a rater")
        return None
    return raters
