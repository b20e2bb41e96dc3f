"""Whether a clock can be in the unit it is taken for: its steps alone, and beside another clock of the same session.

Shapes: T frames, N label samples. Nothing here changes a time; it says what would fit.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "min": 60.0}  # of one of each unit
WORDS = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds", "min": "minutes"}
FRAMES = "frames"  # what a clock may be that is none

# Ours, in seconds. A camera of faces takes 1 to 500 frames per second and a rater's lever is read at up to 1,000 Hz;
# those who rate rarely still do so every ten seconds. Rows further apart are trials, which come irregularly.
SHORTEST_STEP = {"features": 0.002, "annotations": 0.0009}
LONGEST_STEP = 10.0
SLOW_STEP, LONGEST_SESSION = 2.0, 43_200.0  # so slow a clock, so regular, does not run for half a day
USUAL_STEPS = (1 / 240, 1.0)  # of cameras and raters, to choose between units that fit
REGULAR_WITHIN, REGULAR_SHARE, MIN_STEPS = 0.25, 0.8, 3  # most steps of a clock are near their median
NEAR = 2.0  # spans of one session that differ by a unit's factor, up to this much either way
NEAR_SMALL, NEAR_RATE = 0.05, 0.02  # the same, relative, for factors that parts of a session have anyway
STEPS_DIFFER = 10.0  # two clocks of different units have steps that differ by more than frames and ratings do
FRAMES_STEPS = 1.5  # one label per second counts seconds as one row per frame counts frames
MINUTES_STEPS = 0.75  # the first minute of a recording, rated frame by frame, has equal steps: 1
RATES = (25.0, 30.0, 24.0, 50.0, 60.0, 29.97, 23.976, 59.94, 120.0)  # of frame numbers in a clock

Times = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """The unit that a clock was read in, and who says so."""

    name: str = "s"
    said_by: str = ""  # option | file (a clock, a typed column, a frame rate) | name; empty: assumed
    otherwise: str = ""  # the unit without the option, if that changed it

    @property
    def certain(self) -> bool:
        """Whether nothing else may overrule it."""
        return self.said_by in ("option", "file")


ASSUMED = Unit()


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """A clock that cannot be in its unit. `fits` is the unit, or `FRAMES`, that would fit; empty: none is known."""

    side: str
    fits: str
    why: str


def in_seconds(values: Times, unit: str) -> Times:
    """Convert times of a unit to seconds."""
    if unit == "s":
        return values
    # Division by a power of ten is the exact nearest number; multiplication by its inverse is not.
    return values * SECONDS[unit] if SECONDS[unit] > 1 else values / round(1 / SECONDS[unit])


def doubt_alone(time: Times, unit: Unit, side: str) -> Doubt | None:
    """Return what is wrong with a clock (T,), in seconds, by its steps alone."""
    steps = np.diff(time)
    if unit.certain or len(steps) < MIN_STEPS:
        return None
    step = float(np.median(steps))
    if step <= 0:  # equal times: another check's fault
        return None
    span = float(time[-1] - time[0])
    too_short = step < SHORTEST_STEP[side]
    too_long = is_regular(steps) and (step > LONGEST_STEP or (step > SLOW_STEP and span > LONGEST_SESSION))
    if not too_short and not too_long:
        return None
    return Doubt(side=side, fits=_fitting(step, unit, side), why="which no camera and no rater has")


def doubt_of_option(time: Times, unit: Unit, side: str) -> Doubt | None:
    """Return what is wrong with a clock (T,), in seconds, whose unit an option changed, by its steps alone.

    What an option says is obeyed all the same.
    """
    return doubt_alone(time, Unit(name=unit.name), side) if unit.otherwise else None


def is_regular(steps: Times) -> bool:
    """Whether most steps are near their median, as a clock's are and those between trials are not."""
    median = float(np.median(steps))
    return bool((np.abs(steps - median) <= REGULAR_WITHIN * median).mean() >= REGULAR_SHARE)


def typical_step(steps: Times) -> float:
    """Return what a clock's steps (T - 1,) amount to: of a regular one the mean of those near the median.

    The median itself has the rounding of the file: 0.033 s of 30 frames per second.
    """
    median = float(np.median(steps))
    if not is_regular(steps):
        return median
    return float(np.mean(steps[np.abs(steps - median) <= REGULAR_WITHIN * median]))


def common_step(times: Sequence[Times]) -> float | None:
    """Return the step that most frames of several clocks have; None if no clock has two rows."""
    steps = [np.diff(time) for time in times if len(time) > 1]
    if not steps:
        return None
    return float(np.median(np.repeat([typical_step(some) for some in steps], [len(some) for some in steps])))


def _fitting(step: float, unit: Unit, side: str) -> str:
    of_units = {name: step / SECONDS[unit.name] * factor for name, factor in SECONDS.items() if name != unit.name}
    fitting = [name for name, one in of_units.items() if SHORTEST_STEP[side] <= one <= LONGEST_STEP]
    usual = [name for name in fitting if USUAL_STEPS[0] * 0.99 <= of_units[name] <= USUAL_STEPS[1]]
    return next(iter([*usual, *fitting]), "")


def doubt_together(frames: Times, labels: Times, units: dict[str, Unit]) -> Doubt | None:
    """Return what is wrong with the clock of the features (T,) or of the labels (N,), both in seconds, side by side."""
    clocks = {"features": frames, "annotations": labels}
    open_sides = [side for side, unit in units.items() if not unit.certain]
    if not open_sides or min(len(frames), len(labels)) < 2:
        return None
    spans = {side: float(time[-1] - time[0]) for side, time in clocks.items()}
    steps = {side: float(np.median(np.diff(time))) for side, time in clocks.items()}
    if min(*spans.values(), *steps.values()) <= 0:
        return None
    for side in open_sides:
        other = "features" if side == "annotations" else "annotations"
        ratio, of_steps = spans[side] / spans[other], steps[side] / steps[other]
        fits = _by_factor(ratio, of_steps, clocks[side])
        if fits:
            return Doubt(side=side, fits=fits, why=f"{_times(ratio)} as long as the {_noun(other)}")
    if "annotations" in open_sides and len(labels) > 2 and steps["annotations"] > max(LONGEST_STEP, spans["features"]):
        fits = _fitting(steps["annotations"], units["annotations"], "annotations")
        return Doubt(side="annotations", fits=fits, why="further apart than the features are long")
    return None


def _by_factor(ratio: float, of_steps: float, time: Times) -> str:
    """Name what a clock is whose span and steps are so many times another's; empty if nothing fits."""
    for name in ("ms", "us", "ns"):
        if 1 / NEAR <= ratio * SECONDS[name] <= NEAR and of_steps > STEPS_DIFFER:
            return name
    if abs(ratio * 60.0 - 1.0) <= NEAR_SMALL and of_steps < MINUTES_STEPS:
        return "min"
    if of_steps > FRAMES_STEPS and counts(time) and any(abs(ratio / rate - 1.0) <= NEAR_RATE for rate in RATES):
        return FRAMES
    return ""


def counts(time: Times) -> bool:
    """Whether a clock (T,) is 0, 1, 2 ... or 1, 2, 3 ..."""
    return bool(time[0] in (0.0, 1.0) and (np.diff(time) == 1.0).all())


def _times(ratio: float) -> str:
    return f"{ratio:.3g} times" if ratio >= 1 else f"1/{1 / ratio:.3g}"


def _noun(side: str) -> str:
    return "labels" if side == "annotations" else side
