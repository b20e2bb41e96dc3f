# ruff: noqa: N803, N806 - shape suffixes, by the legend below
"""Which rows of a table are the face of a recording, and in which of them there is one.

Shapes: N rows of the table, T of a recording.
"""

import numpy as np
from numpy.typing import NDArray

from orchestrator.corpora.findings import Findings
from orchestrator.corpora.tables.action_units import CONFIDENCES, FACE_IDS, FRAMES, MIN_CONFIDENCE
from orchestrator.corpora.tables.clock import time_column
from orchestrator.corpora.tables.columns import Columns
from orchestrator.errors import cut

Rows = NDArray[np.intp]
Flags = NDArray[np.bool_]

FIRST_ID = 0  # tools count faces from here; a smaller one, or none, is of nobody
SUCCESS, VALID = "success", "valid"
TRUE = frozenset(("true", "t", "yes", "y", "1", "1.0", "ja", "j", "wahr", "vrai", "oui", "si", "ok"))
FALSE = frozenset(("", "false", "f", "no", "n", "0", "0.0", "nein", "falsch", "faux", "non", "fail", "failed"))


def one_face(columns: Columns, rows: Rows, name: str, findings: Findings) -> Rows:
    """Keep one face: the id with the most frames, or without ids the most confident of each frame.

    By the rules of before 0.2 an id that is none counts as one, and a frame is its number.
    """
    current = findings.options.current
    identity = columns.find(*FACE_IDS)
    confidence = columns.find(*CONFIDENCES)
    moment_TK = _moments(columns, rows, time=current)
    if identity is not None:
        id_T = columns.numbers_of(identity)[rows]
        kept = rows[_of_one_id(id_T, _faces(columns)[rows], moment_TK) if current else _of_one_number(id_T)]
    elif columns.find(*FRAMES) is not None and confidence is not None:
        score = np.nan_to_num(columns.numbers_of(confidence)[rows], nan=-1.0)
        # By moment, the most confident first; among equals the first row. np.unique gives the first of each.
        order = np.lexsort((-score, *moment_TK.T))
        kept = rows[np.sort(order[np.unique(moment_TK[order], axis=0, return_index=True)[1]])]
    else:
        return rows
    if len(kept) < len(rows):
        findings.drop(f"{len(rows) - len(kept)} rows", "of another face than the one chosen", recording=name)
    return kept


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


def face_and_validity(columns: Columns, rows: Rows, findings: Findings) -> tuple[Flags, Flags]:
    """Return where there is a face (T,) and where the file allows the frame to be used (T,).

    A problem for words that say neither yes nor no.
    """
    for name in (SUCCESS, VALID):
        _check_words(columns, name, rows, findings)
    face, allowed = _faces(columns)[rows], truth_of(columns, VALID)
    return face, face if allowed is None else face & allowed[rows]


def _faces(columns: Columns) -> Flags:
    face_N = np.ones(len(columns), dtype=np.bool_)
    confidence = columns.find(*CONFIDENCES)
    if confidence is not None:
        face_N &= columns.numbers_of(confidence) >= MIN_CONFIDENCE
    success = truth_of(columns, SUCCESS)
    return face_N if success is None else face_N & success


def truth_of(columns: Columns, name: str) -> Flags | None:
    """Read a column of truth values, (N,): numbers above 0.5, or a word of `TRUE`; None without."""
    number = columns.find(name)
    if number is not None:
        truth: Flags = columns.numbers_of(number) > 0.5
        return truth
    text = columns.find_text(name)
    if text is None:
        return None
    return np.array([entry.strip().lower() in TRUE for entry in columns.text[text]], dtype=bool)


def _check_words(columns: Columns, name: str, rows: Rows, findings: Findings) -> None:
    text = columns.find_text(name)
    if text is None or columns.find(name) is not None or not findings.options.current:
        return
    for row in rows.tolist():
        entry = columns.text[text][row]
        if entry.strip().lower() not in TRUE | FALSE:
            found = f"{cut(entry)!r} in column {text}"
            findings.problem(columns.where(row), found=found, expected="yes or no, true or false, 1 or 0")
