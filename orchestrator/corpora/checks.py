"""Checks that every format shares, naming the line or recording at fault; the fingerprint."""

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from orchestrator.corpora.findings import LABELS, Findings
from orchestrator.corpora.names import listed
from orchestrator.corpora.recording import Recording
from orchestrator.corpora.tables.column_kinds import missing_codes
from orchestrator.corpora.tables.columns import Columns
from orchestrator.errors import cut

RANGE_TOLERANCE = 1e-6  # a label of 1 that went through float32 is still in [-1, 1]
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def check_times(columns: Columns, rows: NDArray[np.intp], time: NDArray[np.float64], findings: Findings) -> bool:
    """Whether the times (T,) of these rows (T,) are there and increase; else it is a problem."""
    missing = np.flatnonzero(~np.isfinite(time))
    if len(missing):
        where = columns.where(int(rows[missing[0]]))
        findings.problem(where, found=f"no time{_more(missing)}", expected="a time in every row")
        return False
    late = np.flatnonzero(np.diff(time) <= 0) + 1
    if len(late):
        now, before = time[late[0]], time[late[0] - 1]
        found = f"time {now:g} twice" if now == before else f"time {now:g} after {before:g}"
        findings.problem(columns.where(int(rows[late[0]])), found=f"{found}{_more(late)}", expected="increasing times")
        return False
    return True


def off_scale(values: NDArray[np.floating], findings: Findings) -> NDArray[np.bool_]:
    """Say of each label whether it is outside the scale that the user named, by more than rounding; NaN is not."""
    low, high = findings.options.label_range or LABELS
    slack = RANGE_TOLERANCE * (high - low) / (LABELS[1] - LABELS[0])
    outside: NDArray[np.bool_] = (values < low - slack) | (values > high + slack)
    return outside


def check_labels(columns: Columns, rows: NDArray[np.intp], names: Sequence[str], findings: Findings) -> bool:
    """Whether the labels in these columns and rows lie on their scale; else it is a problem, one for all files."""
    values = columns.numbers[np.ix_(rows, columns.indices(names))]

    def place_of(cell: int) -> tuple[str, str]:
        row, column = divmod(cell, len(names))
        return columns.where(int(rows[row])), f"column {names[column]}"

    return labels_fit(values.ravel(), place_of, findings)


def labels_fit(values: NDArray[np.float64], place_of: Callable[[int], tuple[str, str]], findings: Findings) -> bool:
    """Whether the labels (N,) of a file lie on their scale; else it is a problem, one for all files.

    `place_of` gives where a label is, and in what, by its index. Codes for missing labels are problems of their own:
    a scale that is wide enough for -999 would leave nothing of the others.
    """
    there = values[np.isfinite(values)]
    codes = _label_codes(there, findings)
    for code in codes:
        cells = np.flatnonzero(values == code)
        where, what = place_of(int(cells[0]))
        findings.saw_code(code, where, f"{code:g} in {what}", len(cells))
    there = there[~np.isin(there, codes)]
    if not there.size:
        return not codes
    outside = np.flatnonzero(off_scale(values, findings) & ~np.isin(values, codes))
    fault = None
    if len(outside):
        where, what = place_of(int(outside[0]))
        fault = (where, f"{values[outside[0]]:g} in {what}{_more(outside)}")
    findings.saw_labels(float(there.min()), float(there.max()), fault)
    return fault is None and not codes


def _label_codes(there: NDArray[np.float64], findings: Findings) -> list[float]:
    """Return the codes for missing labels among labels; what lies within the scale that the user named is none."""
    if not findings.options.current:
        return []
    low, high = findings.options.label_range or LABELS
    return [code for code in missing_codes([there]) if not low < code < high]


def on_scale(labels: NDArray[np.float64], findings: Findings) -> NDArray[np.float64]:
    """Map labels of any shape from the scale that the user named to [-1, 1]; the same without one."""
    if findings.options.label_range is None:
        return labels
    low, high = findings.options.label_range
    return (labels - low) * ((LABELS[1] - LABELS[0]) / (high - low)) + LABELS[0]


def check_case(columns: Columns, names: Iterable[str], findings: Findings) -> bool:
    """Whether no two of these columns of a file differ in case only; else it is a problem, which names them."""
    if not findings.options.current:
        return True
    spelled: dict[str, list[str]] = {}
    for name in names:
        spelled.setdefault(name.casefold(), []).append(name)
    twice = [cut(name) for some in spelled.values() if len(some) > 1 for name in some]
    if twice:
        found = f"columns {listed(twice)}, which differ in case only"
        findings.problem(columns.header, found=found, expected="each column once, in any case")
    return not twice


def check_name(participant: str, session: str, where: str, findings: Findings) -> bool:
    """Whether a participant's and a session's name are without control characters; else it is a problem.

    Names stand in tables, lines and names of files. What was read before names were checked stays readable.
    """
    if not findings.options.current:
        return True
    for kind, name in (("participant", participant), ("session", session)):
        if _CONTROL.search(name):
            findings.problem(where, found=f"{kind} {cut(name)}", expected="a name without control characters")
            return False
    return True


def check_people(recordings: Sequence[Recording], findings: Findings) -> None:
    """Make it a problem where two participants have equal features: a person in two folds."""
    seen: dict[bytes, Recording] = {}
    for recording in recordings:
        # Two short recordings at rest may well be equal; two that move are not.
        first_row, others = recording.features[:1], recording.features[1:]
        if not ((others < first_row) | (others > first_row)).any():
            continue
        key = hashlib.sha256(recording.features.tobytes()).digest()
        first = seen.setdefault(key, recording)
        if first.participant != recording.participant:
            findings.problem(
                f"participants {first.participant} and {recording.participant}",
                found=f"equal features in {first.name} and {recording.name}",
                expected="one id a person",
            )


def fingerprint(feature_names: Sequence[str], recordings: Sequence[Recording]) -> str:
    """Hash what a corpus holds, in order, as 64 hexadecimal digits.

    Names of features, participants, sessions and raters; times, features, validity, ratings. Not the format,
    path, the remarks or the file's own spelling: a converted corpus keeps its fingerprint.
    """
    total = hashlib.sha256("\x1f".join(feature_names).encode())
    for recording in recordings:
        total.update("\x1f".join(["", recording.participant, recording.session, *recording.raters]).encode())
        for array in (recording.time, recording.features, recording.valid, recording.ratings):
            total.update(f"{array.shape}{array.dtype.str}".encode())
            total.update(_canonical_nan(array).tobytes())
    return total.hexdigest()


def _canonical_nan(array: NDArray[np.generic]) -> NDArray[np.generic]:
    if not np.issubdtype(array.dtype, np.floating):
        return np.ascontiguousarray(array)
    # NaN has many bit patterns and zero two; equal values must hash alike.
    return np.where(np.isnan(array), np.array(np.nan, array.dtype), array + np.array(0, array.dtype))


def _more(faults: NDArray[np.intp]) -> str:
    return f" (and {len(faults) - 1} more in this file)" if len(faults) > 1 else ""
