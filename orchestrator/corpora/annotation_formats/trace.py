"""One rater's labels of one dimension, whatever program wrote them, and the names that say whose they are.

Shapes: N label samples.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from orchestrator.corpora.checks import RANGE_TOLERANCE, labels_fit, on_scale
from orchestrator.corpora.findings import LABELS, Findings
from orchestrator.corpora.tables.column_kinds import CODES
from orchestrator.corpora.tables.time_units import ASSUMED, Unit
from orchestrator.protocols import DIMENSIONS

Values = NDArray[np.float64]
IN_FILE = Unit(said_by="file")  # of times whose format has one unit
INTERVAL_STEP_SECONDS = 0.01  # ours: intervals are sampled so densely, more often than cameras take frames
MOST_SAMPLES = 8_640_000  # ours: of the intervals of a tier, a day
_WORD = re.compile(r"[^\W_]+")
_AROUND = " \t_-.,:;@/\\|()[]{}<>"  # what stands between a dimension and a rater in a name
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trace:
    """Labels of one rater in one dimension."""

    where: str  # file:line, or the tier, for problems
    dimension: str  # one of DIMENSIONS
    rater: str  # "" where the file does not say it
    time: Values  # (N,) seconds, strictly increasing
    labels: Values  # (N,) in [-1, 1]; NaN where there is none
    unit: Unit = ASSUMED


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A label that holds from one time to another, in seconds."""

    where: str
    start: float
    end: float
    value: float


def named(name: str) -> tuple[str, str] | None:
    """Split a name such as `valence_Anna` or `Anna-arousal` into dimension and rater ("" without one).

    None for a name without exactly one dimension.
    """
    found = [(match, match.group().casefold()) for match in _WORD.finditer(name)]
    matches = [(match, word) for match, word in found if word in DIMENSIONS]
    if len(matches) != 1:
        return None
    match, dimension = matches[0]
    before, after = name[: match.start()].strip(_AROUND), name[match.end() :].strip(_AROUND)
    return dimension, "_".join(filter(None, (before, after)))


def number(text: str) -> float | None:
    """Read a number, also with a decimal comma; None for anything else. Only for fields that no comma ends."""
    text = text.strip()
    if _DECIMAL_COMMA.fullmatch(text):
        text = text.replace(",", ".")
    value = float(text) if _NUMBER.fullmatch(text) else float("nan")
    return value if np.isfinite(value) else None


def trace_of_intervals(  # noqa: PLR0913 - whose, what and where
    intervals: Sequence[Interval], *, where: str, what: str, dimension: str, rater: str, findings: Findings
) -> Trace | None:
    """Return the trace of intervals on the scale that the user named, each constant from its start to before its end.

    `where` and `what` name the tier. None with a problem if two overlap or a label is outside the scale.
    """
    ordered = sorted(intervals, key=lambda one: (one.start, one.end))
    for one, following in pairwise(ordered):
        if following.start < one.end:
            found = f"{following.start:g} to {following.end:g} s, which overlaps {one.start:g} to {one.end:g} s"
            findings.problem(following.where, found=found, expected="intervals one after the other in each tier")
            return None
    counts = [max(1, int(np.ceil((one.end - one.start) / INTERVAL_STEP_SECONDS - 1e-9))) for one in ordered]
    if sum(counts) > MOST_SAMPLES:
        hours = MOST_SAMPLES * INTERVAL_STEP_SECONDS / 3600
        findings.problem(where, found=f"intervals of {sum(counts) / MOST_SAMPLES * hours:.0f} hours", expected="a day")
        return None
    times = [one.start + np.arange(count) * INTERVAL_STEP_SECONDS for one, count in zip(ordered, counts, strict=True)]
    values = np.array([one.value for one in ordered], dtype=np.float64)
    labels = on_stated_scale(values, lambda index: ordered[index].where, what, findings)
    if labels is None:
        return None
    time = np.concatenate(times)
    return Trace(
        where=where, dimension=dimension, rater=rater, time=time, labels=np.repeat(labels, counts), unit=IN_FILE
    )


def from_range(
    labels: Values, ends: tuple[float, float], where: Callable[[int], str], findings: Findings, said: str
) -> Values | None:
    """Map labels (N,) from the range `ends` that their file says to [-1, 1]; None with a problem if one is outside.

    `where` gives the place of a label by its index, `said` is where the range is said.
    """
    low, high = ends
    slack = RANGE_TOLERANCE * (high - low)
    outside = np.flatnonzero((labels < low - slack) | (labels > high + slack))
    if len(outside):
        more = f" (and {len(outside) - 1} more in this file)" if len(outside) > 1 else ""
        expected = f"labels from {low:g} to {high:g}, the range in {said}"
        if labels[outside[0]] in CODES:
            more += ", which looks like a code for a missing label"
        findings.problem(where(int(outside[0])), found=f"{labels[outside[0]]:g}{more}", expected=expected)
        return None
    findings.note(f"labels mapped from {low:g} to {high:g}, the range in {said}, to -1 to 1")
    return (labels - low) * ((LABELS[1] - LABELS[0]) / (high - low)) + LABELS[0]


def on_stated_scale(labels: Values, where: Callable[[int], str], what: str, findings: Findings) -> Values | None:
    """Map labels (N,) from the scale that the user named; None with a problem, one for all files, if one is outside."""
    fit = labels_fit(labels, lambda index: (where(index), what), findings)
    return on_scale(labels, findings) if fit else None
