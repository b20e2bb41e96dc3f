"""Clocks written as text: 00:07, 01:02:03.960, 00:00:03,960, 2024-05-01T12:00:03.960Z.

Shapes: N entries.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

_CLOCK = re.compile(r"(?:(?:(\d{1,6})[ :] ?)?(\d{1,4}):)?(\d{1,4}):(\d{1,2})(?:[.,](\d+))?")
_DATED = re.compile(
    r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})[T ]+(\d{1,2}):(\d{2}):(\d{2})(?:[.,](\d+))? ?(Z|UTC|[+-]\d{2}:?\d{2})?"
)
EXPECTED = "seconds, or a clock (00:00:03.960; whole seconds need frame numbers)"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockTimes:
    """A column of clocks, read."""

    seconds: NDArray[np.float64]  # (N,); of dates since 1970
    unreadable: int | None  # the first entry that is no clock
    whole: bool  # every entry is a whole second: too coarse to tell frames apart


def read_clock(entries: Sequence[str]) -> ClockTimes:
    """Read clocks with or without dates and fractions of a second; each is exact to the last digit of a float."""
    seconds = np.array([_seconds(entry.strip()) for entry in entries], dtype=np.float64)
    unreadable = np.flatnonzero(np.isnan(seconds))
    return ClockTimes(
        seconds=seconds,
        unreadable=int(unreadable[0]) if len(unreadable) else None,
        whole=bool((seconds == np.floor(seconds)).all()),
    )


def _seconds(entry: str) -> float:
    """Return an entry's seconds, NaN where it is no clock."""
    clock = _CLOCK.fullmatch(entry)
    if clock:
        days, hours, minutes, seconds, fraction = clock.groups()
        if float(seconds) >= 60 or (hours and float(minutes) >= 60) or (days and float(hours) >= 24):
            return float("nan")
        whole = ((int(days or 0) * 24 + int(hours or 0)) * 60 + int(minutes)) * 60 + int(seconds)
        return float(f"{whole}.{(fraction or '0')[:20]}")
    dated = _DATED.fullmatch(entry)
    if not dated:
        return float("nan")
    *date, fraction, zone = dated.groups()
    try:
        moment = datetime(*map(int, date), tzinfo=UTC)  # type: ignore[misc, arg-type]
    except ValueError:
        return float("nan")
    whole = round((moment - _offset(zone) - _EPOCH) / timedelta(seconds=1))
    return float(f"{whole}.{(fraction or '0')[:20]}") if whole >= 0 else float("nan")


def _offset(zone: str | None) -> timedelta:
    if zone in (None, "Z", "UTC"):
        return timedelta()
    assert zone is not None
    digits = zone[1:].replace(":", "")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return -offset if zone[0] == "-" else offset
