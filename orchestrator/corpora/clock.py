"""Times in seconds of a file's rows, from whichever column tells them.

Py-Feat writes whole minutes and seconds (`00:07`); there the frame numbers tell the time at a rate that fits.
"""

import numpy as np
from numpy.typing import NDArray

from orchestrator.corpora.action_units import FRAMES, TIMES_IN_MILLISECONDS, TIMES_IN_SECONDS
from orchestrator.corpora.columns import Columns
from orchestrator.corpora.findings import Findings

USUAL_RATES = (25.0, 30.0, 24.0, 50.0, 60.0, 15.0, 20.0, 10.0, 5.0, 1.0)  # frames a second, of videos


def times_of(
    columns: Columns, rows: NDArray[np.intp], name: str, findings: Findings, *, hz: float | None = None
) -> NDArray[np.float64] | None:
    """Give the times (T,) in seconds of the rows; None with a problem where nothing tells them."""
    seconds = columns.find(*TIMES_IN_SECONDS)
    if seconds is not None:
        return columns.numbers_of(seconds)[rows]
    milliseconds = columns.find(*TIMES_IN_MILLISECONDS)
    if milliseconds is not None:
        return columns.numbers_of(milliseconds)[rows] / 1000.0
    frame = columns.find(*FRAMES)
    clock = columns.find_text(*TIMES_IN_SECONDS)
    if frame is not None and hz is not None:
        findings.note(f"times from frame numbers at {hz:g} frames a second", recording=name)
        return columns.numbers_of(frame)[rows] / hz
    if frame is not None and clock is not None:
        return _by_clock(columns, rows, clock, frame, name, findings)
    found = f"columns {', '.join((*columns.names, *columns.text)[:6])} ..."
    expected = f"a time column ({', '.join((*TIMES_IN_SECONDS, *TIMES_IN_MILLISECONDS))})"
    if frame is not None:
        expected += ", or a file hz.txt beside it with the rate of the frames"
    findings.problem(columns.header, found=found, expected=expected)
    return None


def rate_of_clock(frames: NDArray[np.float64], seconds: NDArray[np.float64]) -> float | None:
    """Find the rate at which every frame n lies in its whole second: floor(n / rate) = second.

    A usual rate where one fits, else the middle of those that do; None where none does, or the rows span less
    than one second.
    """
    late = seconds > 0
    if not late.any():
        return None
    highest = float(np.min(frames[late] / seconds[late]))
    lowest = float(np.max(frames / (seconds + 1.0)))
    if not 0 <= lowest < highest:
        return None
    usual = [rate for rate in USUAL_RATES if lowest < rate <= highest]
    middle = (lowest + highest) / 2
    return min(usual, key=lambda rate: abs(rate - middle)) if usual else middle


def _by_clock(  # noqa: PLR0913, PLR0917
    columns: Columns, rows: NDArray[np.intp], clock: str, frame: str, name: str, findings: Findings
) -> NDArray[np.float64] | None:
    frames = columns.numbers_of(frame)[rows]
    seconds = np.array([_seconds(columns.text[clock][row]) for row in rows])
    unreadable = np.flatnonzero(np.isnan(seconds) | np.isnan(frames))
    if len(unreadable):
        row = int(rows[unreadable[0]])
        findings.problem(
            columns.where(row),
            found=f"{columns.text[clock][row]!r} in column {clock}",
            expected="seconds, or minutes and seconds (01:23) with a frame number",
        )
        return None
    rate = rate_of_clock(frames, seconds)
    if rate is None:
        findings.problem(
            columns.header,
            found=f"{clock} in whole seconds that fit no frame rate",
            expected="times in seconds, or a file hz.txt beside it with the rate of the frames",
        )
        return None
    findings.note(f"times from frame numbers at {rate:g} frames a second, which fits {clock}", recording=name)
    return frames / rate


def _seconds(text: str) -> float:
    parts = text.split(":")
    if len(parts) not in {2, 3} or not all(part.replace(".", "", 1).isdigit() for part in parts):
        return float("nan")
    return sum(float(part) * 60.0**power for power, part in enumerate(reversed(parts)))
