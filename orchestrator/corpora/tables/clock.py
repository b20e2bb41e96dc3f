"""Times in seconds of a file's rows, from whichever column tells them; else from frame numbers and their rate.

The rate is what a person states (`--frame-rate`, `hz.txt`), else one that fits the whole minutes and seconds which
Py-Feat writes (`00:07`, since 0.6), else that of the video beside the file. A clock with fractions of a second is no
guess: it is the time. Shapes: T rows.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.corpora.findings import Findings
from orchestrator.corpora.reading import AS_IT_IS, UNIT_OPTION, Reading
from orchestrator.corpora.tables.action_units import FRAMES, TIMES_IN_MILLISECONDS, TIMES_IN_SECONDS
from orchestrator.corpora.tables.clock_text import EXPECTED, read_clock
from orchestrator.corpora.tables.columns import Columns
from orchestrator.corpora.tables.frame_rate import OPTION, RATE_FILE, FrameRate, rate_of_video, stated_rate
from orchestrator.corpora.tables.time_names import unit_of_name
from orchestrator.corpora.tables.time_units import WORDS, Unit, in_seconds
from orchestrator.errors import cut

USUAL_RATES = (25.0, 30.0, 24.0, 50.0, 60.0, 15.0, 20.0, 10.0, 5.0, 1.0)  # frames per second, of videos
A_TIME_COLUMN = f"a time column ({', '.join((*TIMES_IN_SECONDS, *TIMES_IN_MILLISECONDS))}, time [ms] ...)"
# LibreFace since September 2024 (its get_frames_from_video_ffmpeg) writes seconds under the name of milliseconds.
IN_MILLISECONDS_BY_NAME = "frame_time_in_ms"
SHORTEST_MILLISECONDS = 2.0  # ours: between frames; less would be a camera of more than 500 frames per second
IN_FILE = Unit(said_by="file")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Clock:
    """The times of some rows."""

    time: NDArray[np.float64]  # (T,) seconds
    unit: Unit  # that the file's numbers were taken for
    column: str  # that tells them


def clock_of(  # noqa: PLR0913 - whose rows, and how to read them
    columns: Columns,
    rows: NDArray[np.intp],
    name: str,
    findings: Findings,
    *,
    reading: Reading = AS_IT_IS,
    side: str = "features",
) -> Clock | None:
    """Return the times of the rows (T,) in seconds; None with a problem if nothing tells them.

    `reading` has the rate of frame numbers and the unit of time that the user gave; times in the file come before the
    rate. `side` is whose file it is. Nothing here doubts a unit: `time_units` does.
    """
    column = time_column(columns.names)
    if column is not None:
        return _numbers(columns, rows, column, name, findings, reading, side)
    if reading.unit_of(side) is not None:
        findings.leaves_unit("no column of numbers tells the time", recording=name)
    text = time_column(columns.text)
    frame = columns.find(*FRAMES)
    seconds = None
    if text is not None:
        read = read_clock([columns.text[text][row] for row in rows])
        needed = frame is None or stated_rate(columns.path, reading.frame_rate, findings) is None
        if read.unreadable is not None and needed:
            row = int(rows[read.unreadable])
            found = f"{cut(columns.text[text][row])!r} in column {text}"
            findings.problem(columns.where(row), found=found, expected=EXPECTED)
            return None
        seconds = read.seconds
        if read.unreadable is None and (not read.whole or (frame is None and (np.diff(seconds) > 0).all())):
            return Clock(time=seconds, unit=IN_FILE, column=text)
    if frame is None:
        _no_time(columns, text, findings)
        return None
    rate = _rate(columns, rows, frame, text, seconds, findings, reading)
    if rate is None:
        return None
    findings.note(f"times from frame numbers at {rate.hz:g} frames per second: {rate.source}", recording=name)
    return Clock(time=columns.numbers_of(frame)[rows] / rate.hz, unit=IN_FILE, column=frame)


def time_column(names: Iterable[str]) -> str | None:
    """Return the column that tells the time, as the file spells it: known names first, then names with a unit."""
    every = tuple(names)
    spelled = {name.lower(): name for name in reversed(every)}
    known = next((spelled[name] for name in (*TIMES_IN_SECONDS, *TIMES_IN_MILLISECONDS) if name in spelled), None)
    return known or next((name for name in every if unit_of_name(name) is not None), None)


def has_times(columns: Columns) -> bool:
    """Whether a file tells times itself, so that a rate of frame numbers is not asked for."""
    return time_column(columns.names) is not None


def _numbers(  # noqa: PLR0913, PLR0917
    columns: Columns,
    rows: NDArray[np.intp],
    column: str,
    name: str,
    findings: Findings,
    reading: Reading,
    side: str,
) -> Clock:
    """Read the times of these `rows` from a `column` of numbers of the file `columns`.

    `name` is the recording's, for notes in `findings`; `reading` has the user's word on units, `side` says whose times
    these are (features or labels).
    """
    values = columns.numbers_of(column)[rows]
    named, stated = unit_of_name(column), reading.unit_of(side)
    if column in columns.exact_times or columns.metadata.get("time_unit") == "s":
        if stated == "s":
            findings.takes_unit()
        elif stated is not None:
            findings.leaves_unit(f"the file says that {column} is in seconds", recording=name)
        return Clock(time=values, unit=IN_FILE, column=column)
    if stated is not None:
        findings.takes_unit()
        if named not in (None, stated):
            findings.note(f"column {column} read in {WORDS[stated]}: {UNIT_OPTION}", recording=name)
        otherwise = "" if stated == (named or "s") else named or "s"
        unit = Unit(name=stated, said_by="option", otherwise=otherwise)
        return Clock(time=in_seconds(values, stated), unit=unit, column=column)
    if named is None:
        return Clock(time=values, unit=Unit(), column=column)
    steps = np.diff(values[np.isfinite(values)])
    if column.lower() == IN_MILLISECONDS_BY_NAME and len(steps) and np.median(steps) < SHORTEST_MILLISECONDS:
        findings.note(f"{column} holds seconds: its rows are {np.median(steps):g} apart", recording=name)
        return Clock(time=values, unit=Unit(said_by="name"), column=column)
    if named != "s":
        findings.note(f"times in {WORDS[named]}, as the column's name says: {column}", recording=name)
    return Clock(time=in_seconds(values, named), unit=Unit(name=named, said_by="name"), column=column)


def _no_time(columns: Columns, text: str | None, findings: Findings) -> None:
    """Report that nothing tells the time."""
    if text is not None:
        findings.problem(
            columns.header, found=f"{text} in whole seconds that repeat, no frame numbers", expected=EXPECTED
        )
        return
    names = (*columns.names, *columns.text)
    found = f"columns {', '.join(map(cut, names[:6]))}{' ...' if len(names) > 6 else ''}"
    findings.problem(columns.header, found=found, expected=A_TIME_COLUMN)


def _rate(  # noqa: PLR0913, PLR0917
    columns: Columns,
    rows: NDArray[np.intp],
    frame: str,
    clock: str | None,
    seconds: NDArray[np.float64] | None,
    findings: Findings,
    reading: Reading,
) -> FrameRate | None:
    """Find the rate in Hz by which the column `frame` of the file `columns` counts; None if nothing tells it.

    A stated rate (`reading`, or the folder's) goes before the file's own `clock` column (its `seconds` in these
    `rows`), and that before the video's. Problems and notes go to `findings`.
    """
    rate = stated_rate(columns.path, reading.frame_rate, findings)
    if rate is None and (columns.path.parent / RATE_FILE).is_file():
        return None  # a rate was stated that is none: reported
    if rate is None and clock is not None and seconds is not None:
        rate = _rate_by_clock(columns.numbers_of(frame)[rows], seconds, clock)
    rate = rate or rate_of_video(columns, rows)
    if rate is None:
        found = (
            f"{clock} in whole seconds that fit no frame rate" if clock else f"no time, only frame numbers ({frame})"
        )
        expected = f"{A_TIME_COLUMN}, {OPTION} HZ, or a file {RATE_FILE} beside it with the rate of the frames"
        findings.problem(columns.header, found=found, expected=expected, kind=OPTION)  # one rate is of all files
    return rate


def rate_of_clock(frames: NDArray[np.float64], seconds: NDArray[np.float64]) -> float | None:
    """Find the rate at which every frame n lies in its whole second: floor(n / rate) = second.

    A usual rate where one fits, else the middle of those that do; None where none does, or the rows span less
    than one second.
    """
    found = _bounds(frames, seconds)
    if found is None:
        return None
    usual, middle = _usual_between(*found), sum(found) / 2
    return min(usual, key=lambda rate: abs(rate - middle)) if usual else middle


def _bounds(frames: NDArray[np.float64], seconds: NDArray[np.float64]) -> tuple[float, float] | None:
    """Rates that fit are above the first and at most the second; None where none does."""
    late = seconds > 0
    if not late.any():
        return None
    highest = float(np.min(frames[late] / seconds[late]))
    lowest = float(np.max(frames / (seconds + 1.0)))
    return (lowest, highest) if 0 <= lowest < highest else None


def _usual_between(lowest: float, highest: float) -> list[float]:
    return [rate for rate in USUAL_RATES if lowest < rate <= highest]


def _rate_by_clock(frames: NDArray[np.float64], seconds: NDArray[np.float64], clock: str) -> FrameRate | None:
    there = np.isfinite(frames)  # a frame without a number is a fault of its own
    rate, bounds = rate_of_clock(frames[there], seconds[there]), _bounds(frames[there], seconds[there])
    if rate is None or bounds is None:
        return None
    others = [f"{one:g}" for one in sorted(_usual_between(*bounds)) if one != rate]
    doubt = f"; so would {', '.join(others)}: {OPTION} says which" if others else ""
    return FrameRate(hz=rate, source=f"fits {clock}{doubt}")
