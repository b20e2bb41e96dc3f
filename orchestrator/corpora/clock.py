"""Times in seconds of a file's rows, from whichever column tells them; else from frame numbers and their rate.

The rate is what a person states (`--frame-rate`, `hz.txt`), else one that fits the whole minutes and seconds which
Py-Feat writes (`00:07`, since 0.6), else that of the video beside the file.
"""

import numpy as np
from numpy.typing import NDArray

from orchestrator.corpora.action_units import FRAMES, TIMES_IN_MILLISECONDS, TIMES_IN_SECONDS
from orchestrator.corpora.columns import Columns
from orchestrator.corpora.findings import Findings
from orchestrator.corpora.frame_rate import OPTION, RATE_FILE, FrameRate, rate_of_video, stated_rate

USUAL_RATES = (25.0, 30.0, 24.0, 50.0, 60.0, 15.0, 20.0, 10.0, 5.0, 1.0)  # frames a second, of videos
A_TIME_COLUMN = f"a time column ({', '.join((*TIMES_IN_SECONDS, *TIMES_IN_MILLISECONDS))})"
# LibreFace since September 2024 (its get_frames_from_video_ffmpeg) writes seconds under the name of milliseconds.
IN_MILLISECONDS_BY_NAME = "frame_time_in_ms"
SHORTEST_MILLISECONDS = 2.0  # ours: between frames; less would be a camera of more than 500 frames a second


def times_of(
    columns: Columns, rows: NDArray[np.intp], name: str, findings: Findings, *, frame_rate: float | None = None
) -> NDArray[np.float64] | None:
    """Give the times (T,) in seconds of the rows; None with a problem where nothing tells them.

    `frame_rate` is the rate of frame numbers that the user gave; times in the file come before it.
    """
    time = _written(columns, rows, name, findings)
    if time is not None:
        return time
    frame = columns.find(*FRAMES)
    clock = columns.find_text(*TIMES_IN_SECONDS)
    if frame is None:
        found = f"columns {', '.join((*columns.names, *columns.text)[:6])} ..."
        findings.problem(columns.header, found=found, expected=A_TIME_COLUMN)
        return None
    rate = stated_rate(columns.path, frame_rate, findings)
    if rate is None and (columns.path.parent / RATE_FILE).is_file():
        return None  # a rate was stated that is none: reported
    if rate is None and clock is not None:
        seconds = _clock_seconds(columns, rows, clock, findings)
        if seconds is None:
            return None
        rate = _rate_by_clock(columns.numbers_of(frame)[rows], seconds, clock)
    rate = rate or rate_of_video(columns, rows)
    if rate is None:
        found = (
            f"{clock} in whole seconds that fit no frame rate" if clock else f"no time, only frame numbers ({frame})"
        )
        expected = f"{A_TIME_COLUMN}, {OPTION} HZ, or a file {RATE_FILE} beside it with the rate of the frames"
        findings.problem(columns.header, found=found, expected=expected)
        return None
    findings.note(f"times from frame numbers at {rate.hz:g} frames a second: {rate.source}", recording=name)
    return columns.numbers_of(frame)[rows] / rate.hz


def has_times(columns: Columns) -> bool:
    """Whether a file tells times itself, so that a rate of frame numbers is not asked for."""
    return columns.find(*TIMES_IN_SECONDS, *TIMES_IN_MILLISECONDS) is not None


def _written(columns: Columns, rows: NDArray[np.intp], name: str, findings: Findings) -> NDArray[np.float64] | None:
    seconds = columns.find(*TIMES_IN_SECONDS)
    if seconds is not None:
        return columns.numbers_of(seconds)[rows]
    milliseconds = columns.find(*TIMES_IN_MILLISECONDS)
    if milliseconds is None:
        return None
    time = columns.numbers_of(milliseconds)[rows]
    steps = np.diff(time[np.isfinite(time)])
    if milliseconds.lower() == IN_MILLISECONDS_BY_NAME and len(steps) and np.median(steps) < SHORTEST_MILLISECONDS:
        findings.note(f"{milliseconds} holds seconds: its rows are {np.median(steps):g} apart", recording=name)
        return time
    return time / 1000.0


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


def _clock_seconds(
    columns: Columns, rows: NDArray[np.intp], clock: str, findings: Findings
) -> NDArray[np.float64] | None:
    """Read minutes and seconds; None with a problem where an entry is neither."""
    seconds = np.array([_seconds(columns.text[clock][row]) for row in rows])
    unreadable = np.flatnonzero(np.isnan(seconds))
    if len(unreadable):
        row = int(rows[unreadable[0]])
        findings.problem(
            columns.where(row),
            found=f"{columns.text[clock][row]!r} in column {clock}",
            expected="seconds, or minutes and seconds (01:23) with a frame number",
        )
        return None
    return seconds


def _rate_by_clock(frames: NDArray[np.float64], seconds: NDArray[np.float64], clock: str) -> FrameRate | None:
    there = np.isfinite(frames)  # a frame without a number is a fault of its own
    rate, bounds = rate_of_clock(frames[there], seconds[there]), _bounds(frames[there], seconds[there])
    if rate is None or bounds is None:
        return None
    others = [f"{one:g}" for one in sorted(_usual_between(*bounds)) if one != rate]
    doubt = f"; so would {', '.join(others)}: {OPTION} says which" if others else ""
    return FrameRate(hz=rate, source=f"fits {clock}{doubt}")


def _seconds(text: str) -> float:
    parts = text.split(":")
    if len(parts) not in {2, 3} or not all(part.replace(".", "", 1).isdigit() for part in parts):
        return float("nan")
    return sum(float(part) * 60.0**power for power, part in enumerate(reversed(parts)))
