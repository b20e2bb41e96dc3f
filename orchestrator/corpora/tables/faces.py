# ruff: noqa: N803, N806 - shape suffixes, by the legend below
"""Which rows of a table are the face of a recording, and in which of them there is one.

Shapes: N rows of the table, M of a recording, T of these of one face.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.corpora.findings import Findings
from orchestrator.corpora.tables.action_units import CONFIDENCES, FACE_IDS, FRAMES, MIN_CONFIDENCE
from orchestrator.corpora.tables.clock import time_column
from orchestrator.corpora.tables.columns import Columns
from orchestrator.errors import cut

Rows = NDArray[np.intp]
Flags = NDArray[np.bool_]

TOLERANCE = 1e-3  # ours: a probability that went through rounding is still one
PROBABILITIES = frozenset(("confidence", "facescore"))  # in small letters
FIRST_ID = 0  # tools count faces from here; a smaller one, or none, is of nobody
SUCCESS, VALID = "success", "valid"
TRUE = frozenset(("true", "t", "yes", "y", "1", "1.0", "ja", "j", "wahr", "vrai", "oui", "si", "ok"))
FALSE = frozenset(("", "false", "f", "no", "n", "0", "0.0", "nein", "falsch", "faux", "non", "fail", "failed"))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Faces:
    """The rows of one face of a recording, and what its table says of each."""

    rows: Rows  # (T,) of the table
    face: Flags  # (T,) there is one
    valid: Flags  # (T,) and the table allows the frame to be used
    good: bool  # False with a problem in the findings


def one_face(columns: Columns, rows: Rows, name: str, findings: Findings) -> Faces:
    """Keep one face: the id with the most frames, or without ids the most confident of each frame.

    `rows` (M,) are the recording's, and nothing else of the table is looked at: it may be one of many. `name` is the
    recording's. A problem for confidences, `success` and `valid` that are none.
    By the rules of before 0.2 an id that is none counts as one, and a frame is its number.
    """
    face_M = _faces(columns, rows)
    kept_M = _kept(columns, rows, face_M, current=findings.options.current)
    if not kept_M.all():
        findings.drop(f"{int((~kept_M).sum())} rows", "of another face than the one chosen", recording=name)
    kept, face = rows[kept_M], face_M[kept_M]
    good = [_check_truth(columns, one, kept, findings) for one in (SUCCESS, VALID)]
    good.append(_check_confidence(columns, rows, findings))
    allowed = truth_of(columns, VALID, kept)
    return Faces(rows=kept, face=face, valid=face if allowed is None else face & allowed, good=all(good))


def _kept(columns: Columns, rows: Rows, face_M: Flags, *, current: bool) -> Flags:
    """Return which of a recording's rows (M,) are the one face's."""
    identity = columns.find(*FACE_IDS)
    confidence = columns.find(*CONFIDENCES)
    if identity is not None:
        id_M = columns.numbers_of(identity)[rows]
        return _of_one_id(id_M, face_M, _moments(columns, rows, time=True)) if current else _of_one_number(id_M)
    if columns.find(*FRAMES) is None or confidence is None:
        return np.ones(len(rows), dtype=np.bool_)
    moment_MK = _moments(columns, rows, time=current)
    score = np.nan_to_num(columns.numbers_of(confidence)[rows], nan=-1.0)
    # By moment, the most confident first; among equals the first row. np.unique gives the first of each.
    order = np.lexsort((-score, *moment_MK.T))
    kept_M = np.zeros(len(rows), dtype=np.bool_)
    kept_M[order[np.unique(moment_MK[order], axis=0, return_index=True)[1]]] = True
    return kept_M


def _of_one_number(id_T: NDArray[np.float64]) -> Flags:
    ids, counts = np.unique(id_T, return_counts=True)
    most = ids[np.argmax(counts)]
    kept_T: Flags = np.isnan(id_T) if np.isnan(most) else id_T == most
    return kept_T


def _of_one_id(id_T: NDArray[np.float64], face_T: Flags, moment_TK: NDArray[np.float64]) -> Flags:
    """Return the rows of the id with the most faces, and those without a face or an id where it is not seen.

    These stay, so that the recording keeps its frames: a tool that sees nobody has no id to write, or -1.
    """
    named_T = np.isfinite(id_T) & (id_T >= FIRST_ID)
    if not named_T.any():
        return np.ones(len(id_T), dtype=np.bool_)
    seen_T = named_T & face_T
    ids, counts = np.unique(id_T[seen_T if seen_T.any() else named_T], return_counts=True)
    kept_T: Flags = id_T == ids[np.argmax(counts)]
    # A face without an id may be anybody's, if more than one is known.
    unknown_T = ~named_T & (~face_T | (len(np.unique(id_T[named_T])) == 1))
    if unknown_T.any():
        taken = set(map(tuple, moment_TK[kept_T].tolist()))
        for row in np.flatnonzero(unknown_T).tolist():
            moment = tuple(moment_TK[row].tolist())
            kept_T[row] = not moment_TK.shape[1] or moment not in taken
            taken.add(moment)
    return kept_T


def _moments(columns: Columns, rows: Rows, *, time: bool) -> NDArray[np.float64]:
    """Return what tells frames apart, (T, K): number and time if a table has them; faces of a frame share both."""
    telling = (columns.find(*FRAMES), time_column(columns.names) if time else None)
    names = [one for one in telling if one is not None]
    return np.nan_to_num(columns.numbers[np.ix_(rows, columns.indices(names))], nan=-1.0)


def _faces(columns: Columns, rows: Rows) -> Flags:
    """Return in which of these rows (M,) there is a face."""
    face_M = np.ones(len(rows), dtype=np.bool_)
    confidence = columns.find(*CONFIDENCES)
    if confidence is not None:
        face_M &= columns.numbers_of(confidence)[rows] >= MIN_CONFIDENCE
    success = truth_of(columns, SUCCESS, rows)
    return face_M if success is None else face_M & success


def truth_of(columns: Columns, name: str, rows: Rows | None = None) -> Flags | None:
    """Read a column of truth values in these rows (all N without): numbers above 0.5, or a word of `TRUE`.

    None without such a column.
    """
    number = columns.find(name)
    if number is not None:
        values = columns.numbers_of(number)
        truth: Flags = (values if rows is None else values[rows]) > 0.5
        return truth
    text = columns.find_text(name)
    if text is None:
        return None
    entries = columns.text[text]
    wanted = entries if rows is None else [entries[row] for row in rows.tolist()]
    return np.array([entry.strip().lower() in TRUE for entry in wanted], dtype=bool)


def _check_truth(columns: Columns, name: str, rows: Rows, findings: Findings) -> bool:
    """Whether a column of truth values says yes or no in these rows (T,), as words or numbers; else it is a problem."""
    if not findings.options.current:
        return True
    number = columns.find(name)
    if number is not None:
        expected = "0 or 1: a percentage or a code says neither yes nor no"
        return _check_highest(columns, number, rows, expected, findings)
    text = columns.find_text(name)
    if text is None:
        return True
    entries = columns.text[text]
    unclear = [row for row in rows.tolist() if entries[row].strip().lower() not in TRUE | FALSE]
    for row in unclear:
        found = f"{cut(entries[row])!r} in column {text}"
        findings.problem(columns.where(row), found=found, expected="yes or no, true or false, 1 or 0")
    return not unclear


def _check_confidence(columns: Columns, rows: Rows, findings: Findings) -> bool:
    """Whether confidences in these rows (M,) are probabilities; else, as percentages, it is a problem.

    Of RECOLA's own column the range is the paper's.
    """
    column = columns.find(*CONFIDENCES)
    if column is None or column.lower() not in PROBABILITIES or not findings.options.current:
        return True
    expected = f"confidences from 0 to 1, of which a face has {MIN_CONFIDENCE:g} or more: divide percentages by 100"
    return _check_highest(columns, column, rows, expected, findings)


def _check_highest(columns: Columns, column: str, rows: Rows, expected: str, findings: Findings) -> bool:
    """Whether no value of a column in these rows is above 1; else it is a problem, one for all files."""
    values = columns.numbers_of(column)[rows]
    above = np.flatnonzero(values > 1.0 + TOLERANCE)
    if not len(above):
        return True
    found = f"{np.nanmin(values):g} to {np.nanmax(values):g} in column {column}"
    findings.problem(columns.where(int(rows[above[0]])), found=found, expected=expected, kind=("above 1", column))
    return False
