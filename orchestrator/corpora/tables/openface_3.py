"""OpenFace 3's tables: lists in cells, made columns as other tools write them.

`openface detect-video` (package openface-test 0.1.26, openface/demo.py) writes a row per face and frame: `timestamp` is
the hour at which the frame was computed and no time of the recording, `frame_index` counts from 0, `face_detection` is
a list of a box and its score, `action_units` a list in a list. Their order is that of CMU-MultiComp-Lab/OpenFace-3.0,
demo2.py (`au_labels`): the eight units of DISFA.
Shapes: N rows.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.corpora.findings import Findings
from orchestrator.corpora.tables.columns import Columns
from orchestrator.errors import cut

UNITS = ("AU01", "AU02", "AU04", "AU06", "AU09", "AU12", "AU25", "AU26")
MARKS = frozenset(["frame_index", "face_detection", "action_units", "gaze_yaw", "gaze_pitch"])
FACE_ID, FRAME, LISTS, BOXES, EMOTION = "face_id", "frame_index", "action_units", "face_detection", "emotion"
SCORE_PLACE = 4  # in face_detection, behind the corners of the box
_DROPPED = {
    "timestamp": "the hour at which the frame was computed, not a time of the recording",
    "landmarks": "landmarks, not actions",
    EMOTION: "the number of a class, not a measure",
}


def is_openface_3(columns: Columns) -> bool:
    """Whether a file has the columns of OpenFace 3."""
    return set(columns.names) | set(columns.text) >= MARKS and LISTS in columns.text


def unpacked(columns: Columns, findings: Findings) -> Columns | None:
    """Return the file with a column per action unit, `frame` and `confidence`; None and a problem for a broken list.

    A frame without a face has no values; it counts as a frame of the face that most rows are of.
    """
    units = _of_lists(columns, LISTS, _units, len(UNITS), f"{len(UNITS)} numbers in a list in a list", findings)
    scores = _of_lists(columns, BOXES, _score, 1, "a list of a box and its score", findings)
    if units is None or scores is None:
        return None
    for name, why in _DROPPED.items():
        if name in (*columns.names, *columns.text):
            findings.drop(f"column {name}", why)
    kept = [name for name in columns.names if name not in _DROPPED]
    numbers = columns.numbers[:, columns.indices(kept)]
    if FACE_ID in kept:
        numbers[:, kept.index(FACE_ID)] = _filled(numbers[:, kept.index(FACE_ID)])
    text = {name: entries for name, entries in columns.text.items() if name not in {*_DROPPED, LISTS, BOXES}}
    if "video_path" in text:  # as Py-Feat calls it: tells the rate of the frame numbers
        text["input"] = text.pop("video_path")
    names = ["frame" if name == FRAME else name for name in kept]
    return replace(
        columns,
        names=(*names, "confidence", *UNITS),
        numbers=np.concatenate([numbers, scores, units], axis=1),
        text=text,
    )


def _of_lists(  # noqa: PLR0913, PLR0917
    columns: Columns,
    name: str,
    read: Callable[[Any], Sequence[float]],
    width: int,
    expected: str,
    findings: Findings,
) -> NDArray[np.float64] | None:
    """Return the numbers (N, `width`) that `read` takes out of the lists of the column `name`; NaN for empty cells.

    None with a problem in `findings`, which says what was `expected`, for anything else in a cell of `columns`.
    """
    found = np.full((len(columns), width), np.nan)
    for row, entry in enumerate(columns.text.get(name, ())):
        if not entry:
            continue
        try:
            values = [float(one) for one in read(json.loads(entry))]
        except (ValueError, TypeError, IndexError, KeyError, RecursionError):
            values = []
        if len(values) != width or not np.isfinite(values).all():
            findings.problem(columns.where(row), found=f"{cut(entry)!r} in column {name}", expected=expected)
            return None
        found[row] = values
    return found


def _units(value: Any) -> Sequence[float]:
    (row,) = value
    return list(row)


def _score(value: Any) -> Sequence[float]:
    return [value[SCORE_PLACE]]


def _filled(ids: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give rows without a face the most frequent id."""
    known, counts = np.unique(ids[np.isfinite(ids)], return_counts=True)
    return np.where(np.isfinite(ids), ids, known[np.argmax(counts)] if len(known) else 0.0)
