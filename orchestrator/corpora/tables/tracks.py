"""A track: one recording's features in time, out of the columns of any tool's file.

Shapes: N rows of the file, T frames of the recording, F features. Times are in seconds.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from orchestrator.corpora.checks import check_times
from orchestrator.corpora.findings import Findings, shortened
from orchestrator.corpora.names import listed
from orchestrator.corpora.participants import check_ids
from orchestrator.corpora.reading import AS_IT_IS, Reading
from orchestrator.corpora.tables import action_units
from orchestrator.corpora.tables.clock import clock_of, has_times
from orchestrator.corpora.tables.column_files import read_columns
from orchestrator.corpora.tables.column_kinds import A_LABEL, BY_NAME, counts_by_name, is_unit, labels_by_name
from orchestrator.corpora.tables.columns import Columns
from orchestrator.corpora.tables.faces import one_face, truth_of
from orchestrator.corpora.tables.feature_tools import UNKNOWN, are_of_one_tool, tool_of_columns
from orchestrator.corpora.tables.frame_rate import OPTION
from orchestrator.corpora.tables.time_units import ASSUMED, Unit

# In the metadata of tables that `data convert` writes: what is in them was chosen, and is not judged again.
JUDGED_KEY, JUDGED = "columns", "judged"
ORIGIN_KEY = "origin"  # and the format that they came from

Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """The features of one recording as its file gives them, for one face, times checked."""

    name: str  # of the recording
    where: str  # the file, and the participant where a file holds several
    columns: Columns
    rows: Rows  # (T,) the rows of `columns` that are the frames
    time: NDArray[np.float64]  # (T,) strictly increasing
    names: tuple[str, ...]  # F canonical names
    originals: tuple[str, ...]  # F, as the file spells them
    features: NDArray[np.float32]  # (T, F); NaN where missing or without a face
    valid: NDArray[np.bool_]  # (T,) a face was there; says nothing yet about missing values
    unit: Unit = ASSUMED  # that the file's times were taken for
    shares_file: bool = False  # with other recordings: a feature without a value here may have some there
    tool: str = UNKNOWN  # that made the features


def read_track(
    path: Path, name: str, findings: Findings, *, reading: Reading = AS_IT_IS, whose: tuple[str, str] | None = None
) -> Track | None:
    """Read a file with the features of one recording; None with problems in `findings` where that fails.

    `reading` is what the user said of the files; `whose` the participant and session that the file's name stands for.
    """
    columns = read_columns(path, findings, limits=reading.limits)
    if columns is None or not check_ids(columns, name, whose, findings):
        return None
    return make_track(columns, np.arange(len(columns)), name, findings, reading=reading, where=str(path))


def make_track(  # noqa: PLR0913
    columns: Columns,
    rows: Rows,
    name: str,
    findings: Findings,
    *,
    where: str,
    reading: Reading = AS_IT_IS,
    shares_file: bool = False,
) -> Track | None:
    """Return one recording from these `rows` of the file `columns`: one face, its times, features and validity.

    `name` is the recording's and `where` names its file in problems, both for `findings`; `reading` says how times are
    read; `shares_file`: other recordings are in the same file. None if there was a problem.
    """
    tool = action_units.tool_of((*columns.names, *columns.text))
    made_by = tool_of_columns(columns)
    if not _is_of_the_wanted_tool(made_by, where, findings):
        return None
    faces = one_face(columns, rows, name, findings)
    rows = faces.rows
    clock = clock_of(columns, rows, name, findings, reading=reading)
    if reading.frame_rate is not None and has_times(columns):
        findings.note(f"{OPTION} {reading.frame_rate:g} is not used: the file has times", recording=name)
    names = _feature_columns(columns, tool, name, findings)
    if clock is None or not check_times(columns, rows, clock.time, findings) or not names:
        return None
    features = _values(columns, rows, list(names), findings)
    if features is None or not faces.good:
        return None
    # Tools write zeros, or the last good values, where there is no face.
    features[~faces.face] = np.nan
    canonical = tuple(names.values())
    _report_ranges(canonical, features, tool, name, findings)
    return Track(
        name=name,
        where=where,
        columns=columns,
        rows=rows,
        time=clock.time,
        unit=clock.unit,
        names=canonical,
        originals=tuple(names),
        features=features,
        valid=faces.valid,
        shares_file=shares_file,
        tool=made_by,
    )


def _is_of_the_wanted_tool(found: str, where: str, findings: Findings) -> bool:
    """Whether features are of the tool that a model was trained on; else it is a problem, one for all files."""
    wanted = findings.choice.tool if findings.choice is not None else UNKNOWN
    if are_of_one_tool(found, wanted):
        return True
    expected = f"features by {wanted}, which the model was trained on"
    findings.problem(where, found=f"features by {found}", expected=expected, kind=(found, wanted))
    return False


def _feature_columns(columns: Columns, tool: action_units.Tool, name: str, findings: Findings) -> dict[str, str]:
    """Columns that are features with their canonical names; none with a problem where two mean the same."""
    for one in columns.text:
        if action_units.why_no_feature(one) is None:
            findings.drop(f"column {one}", "text, not numbers", recording=name)
    ordinary: dict[str, str] = {}
    hidden: dict[str, str] = {}
    for one in columns.names:
        why = action_units.why_no_feature(one)
        if why is None:
            why = action_units.why_no_action(one, tool) or _why_by_name(one, tool, columns, findings)
            if why is None:
                ordinary[one] = action_units.canonical_name(one, tool)
            else:
                hidden[one] = why
        elif why:
            hidden[one] = why
    features = _with_hidden(ordinary, hidden, tool, columns, findings)
    for why in dict.fromkeys(hidden.values()):
        dropped = [one for one, own in hidden.items() if own == why and one not in features]
        if dropped:
            findings.drop(f"column {_shown(dropped, why)}", why, recording=name)
    if not features:
        findings.problem(columns.header, found="no column of features", expected="a numeric feature")
    often = Counter(features.values())
    twice = [one for one, unit in features.items() if often[unit] > 1]
    if twice:
        found = f"columns {shortened(twice)}"
        expected = f"one for {shortened(dict.fromkeys(features[one] for one in twice))}"
        findings.problem(columns.header, found=found, expected=expected)
        return {}
    return features


def _shown(dropped: list[str], why: str) -> str:
    """List what was left out: of what a tool always writes the ends, of anything else every name."""
    if why not in {BY_NAME, A_LABEL} and len(dropped) > 4:
        return f"{dropped[0]} .. {dropped[-1]} ({len(dropped)})"
    return listed(dropped)


def _why_by_name(one: str, tool: action_units.Tool, columns: Columns, findings: Findings) -> str | None:
    judged = findings.options.current and not is_as_written(columns)
    if not judged or is_unit(action_units.canonical_name(one, tool)):
        return None
    if labels_by_name(one):
        return A_LABEL
    return BY_NAME if counts_by_name(one) else None


def _with_hidden(
    ordinary: dict[str, str],
    hidden: dict[str, str],
    tool: action_units.Tool,
    columns: Columns,
    findings: Findings,
) -> dict[str, str]:
    """Add the columns that are no features by themselves and asked for, in the file's order."""
    choice = findings.choice
    if choice is None:
        return ordinary
    canonical = {one: action_units.canonical_name(one, tool) for one in columns.names}
    allowed = {one: canonical[one] for one in hidden if action_units.why_no_feature(one) is None}
    taken = choice.hidden(allowed, ordinary)
    return {one: canonical[one] for one in columns.names if one in ordinary or one in taken}


def is_as_written(columns: Columns) -> bool:
    """Whether a file of ours says that its columns were judged before it was written."""
    return columns.metadata.get(JUDGED_KEY) == JUDGED


def _values(columns: Columns, rows: Rows, names: list[str], findings: Findings) -> NDArray[np.float32] | None:
    """Features (T, F) of these rows and columns; None with a problem if one is too large."""
    values = columns.numbers[np.ix_(rows, columns.indices(names))]
    huge = np.argwhere(np.abs(values) > np.finfo(np.float32).max)
    if len(huge):
        row, column = huge[0]
        found = f"{values[row, column]:g} in column {names[column]}"
        findings.problem(columns.where(int(rows[row])), found=found, expected="a number that fits float32")
        return None
    return values.astype(np.float32)


def is_synthetic(columns: Columns) -> bool:
    """Whether a file says of itself, in a column or in its metadata, that it was generated."""
    column = truth_of(columns, "synthetic")
    said = columns.metadata.get("synthetic", "").strip().lower()
    return bool(column is not None and column.any()) or said not in {"", "false", "0", "no"}


def any_synthetic(tracks: Iterable[Track]) -> bool:
    """Whether a file of any of these recordings says so; one that many share is asked once."""
    return any(map(is_synthetic, {id(track.columns): track.columns for track in tracks}.values()))


def _report_ranges(
    names: tuple[str, ...],
    features: NDArray[np.float32],
    tool: action_units.Tool,
    name: str,
    findings: Findings,
) -> None:
    if tool is not action_units.PLAIN:
        declared = f", intensities declared as {tool.units[0]:g} to {tool.units[1]:g}" if tool.units else ""
        findings.note(f"features by {tool.name}{declared}; used as they are", recording=name)
    for index, one in enumerate(names):
        limits = tool.range_of(one)
        # A comparison with NaN is false: missing values are in every range.
        if limits and ((features[:, index] < limits[0]) | (features[:, index] > limits[1])).any():
            findings.note(f"{one} leaves its declared range {limits[0]:g} to {limits[1]:g}", recording=name)
