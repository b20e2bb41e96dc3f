# ruff: noqa: N803, N815 - shape suffixes, by the legend below
"""What an attacker computes of a stream: statistics of windows, of enrolment and of a later probe.

Shapes: T time steps, C channels, W windows, F statistics of all channels.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from orchestrator.data.series import divisors, own_statistics
from orchestrator.errors import InputError, number_of
from orchestrator.estimators.sums import Array

# The protocol, ours: the first part is known, a gap is left out, the last part is to be recognised.
ENROL_SHARE = 0.4
GAP_SHARE = 0.2
WINDOW_SECONDS = 10.0
STEPS_PER_WINDOW = 5  # ours: windows begin a fifth of their length apart, so that a minute's part has several
FEWEST_WINDOWS = 2  # of each half of the enrolment, to choose among attackers
VALID_SHARE = 0.5  # ours: of a window's steps; a window with fewer tells of nobody
FEWEST_STEPS = 4  # of a window with an acceleration

WITHIN = "within recordings"
ACROSS = "across sessions"

Columns = Callable[[Array], list[Array]]
People = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stream:
    """One recording as an attacker has it: channels in time, of one person; invalid steps are left out."""

    participant: str
    session: str
    time: Array  # (T,) seconds
    values: NDArray[np.float32]  # (T, C)
    valid: NDArray[np.bool_]  # (T,)


def _levels(x_TC: Array) -> list[Array]:
    return [x_TC.mean(axis=0), x_TC.std(axis=0), x_TC.min(axis=0), x_TC.max(axis=0), np.median(x_TC, axis=0)]


def _motion(x_TC: Array) -> list[Array]:
    speed = np.diff(x_TC, axis=0)
    return [np.abs(speed).mean(axis=0), speed.std(axis=0), np.abs(np.diff(speed, axis=0)).mean(axis=0)]


def _moves(x_TC: Array) -> list[Array]:
    """Return statistics that do not change if a constant is added to a channel."""
    off = x_TC - x_TC.mean(axis=0)
    return [off.std(axis=0), off.min(axis=0), off.max(axis=0), *_motion(x_TC)]


# By name what is computed of a window; `all`: levels and motion, `dynamics`: nothing that a resting face decides.
STATISTICS: Mapping[str, Columns] = {"all": lambda x_TC: [*_levels(x_TC), *_motion(x_TC)], "dynamics": _moves}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Windows:
    """Statistics of windows (W, F), whose each is, and in which half of the enrolment it lies (probe: 0)."""

    rows_WF: Array
    person_W: NDArray[np.int64]
    half_W: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Task:
    """Enrolment and probe of people who have both, in the order of `people`; how they were parted, in words."""

    people: tuple[str, ...]
    left_out: int  # people without windows in both
    enrolled: Windows
    probe: Windows
    window_seconds: float
    parted: str


def make_task(
    streams: Sequence[Stream], *, statistics: str = "all", own_scale: bool = False, where: str = "the recordings"
) -> Task:
    """Cut streams into enrolment and probe windows: by session where everybody has several, else by time.

    By session the first is enrolled and the others are the probe. By time the first 40 % of a recording are enrolled,
    the next 20 % are left out, the last 40 % are the probe. Windows have 10 s, or fewer where the shortest half of an
    enrolment is shorter. `own_scale`: both halves of a person's enrolment and the probe are each scaled to mean 0 and
    deviation 1, as so many releases would be. People without windows in both are left out. InputError, which names
    `where`, if fewer than two people are left.
    """
    people = tuple(dict.fromkeys(one.participant for one in streams))
    parts, parted = parts_of(streams, people)
    if own_scale:
        parts = {name: _scaled(own, halves=name == "enrolled") for name, own in parts.items()}
    seconds = _window_seconds([end - start for _, start, end in parts["enrolled"]])
    columns = STATISTICS[statistics]
    rows = {name: _windows(own, seconds, columns, halves=name == "enrolled") for name, own in parts.items()}
    kept = tuple(person for person in people if _enough(rows, person))
    if len(kept) < 2:
        found = f"{number_of(len(kept), 'person', 'people')} with a valid stretch to enrol and one to recognise them in"
        raise InputError.of(where, found=found, expected="at least 2")
    place = {person: index for index, person in enumerate(kept)}
    made = {name: _stacked([row for row in own if row[0] in place], place) for name, own in rows.items()}
    return Task(people=kept, left_out=len(people) - len(kept), window_seconds=seconds, parted=parted, **made)


def whole_windows(streams: Sequence[Stream], *, most: int, statistics: str = "all") -> tuple[People, Windows, float]:
    """Return the windows of whole recordings, at most so many of a person and spread evenly, and their seconds.

    They have 10 s, or fewer where somebody's longest recording is short: each half of it holds two. People without a
    valid window are left out; `person_W` is the place among the others.
    """
    longest: dict[str, float] = {}
    for one in streams:
        span = float(one.time[-1] - one.time[0])
        longest[one.participant] = max(span, longest.get(one.participant, 0.0))
    seconds = _window_seconds([span for span in longest.values() if span > 0.0])
    parts = [(one, float(one.time[0]), float(one.time[-1])) for one in streams if one.time[-1] > one.time[0]]
    rows = _windows(parts, seconds, STATISTICS[statistics], halves=False)
    people = tuple(person for person in longest if any(who == person for who, *_ in rows))
    kept: list[Row] = []
    for person in people:
        own = [row for row in rows if row[0] == person]
        places = np.unique(np.linspace(0, len(own) - 1, min(most, len(own))).round().astype(int))
        kept += [own[place] for place in places]
    place = {person: index for index, person in enumerate(people)}
    empty = Windows(rows_WF=np.zeros((0, 1)), person_W=np.zeros(0, np.int64), half_W=np.zeros(0, np.int64))
    return people, _stacked(kept, place) if kept else empty, seconds


def _window_seconds(spans: Sequence[float]) -> float:
    """Return how long a window is, of which each half of the shortest span holds at least two."""
    return min(WINDOW_SECONDS, min(spans, default=0.0) / 2 / (1 + 1 / STEPS_PER_WINDOW))


Part = tuple[Stream, float, float]  # from when to when


def parts_of(streams: Sequence[Stream], people: Sequence[str]) -> tuple[dict[str, list[Part]], str]:
    """Return what is enrolled and what is the probe, as `make_task` parts them, and how in words."""
    sessions = {person: {one.session for one in streams if one.participant == person} for person in people}
    across = min(map(len, sessions.values()), default=0) > 1
    parts: dict[str, list[Part]] = {"enrolled": [], "probe": []}
    for one in streams:
        start, end = float(one.time[0]), float(one.time[-1])
        if across:
            first = one.session == min(sessions[one.participant])
            parts["enrolled" if first else "probe"].append((one, start, end))
        else:
            span = end - start
            parts["enrolled"].append((one, start, start + ENROL_SHARE * span))
            parts["probe"].append((one, start + (ENROL_SHARE + GAP_SHARE) * span, end))
    return parts, ACROSS if across else WITHIN


def _scaled(parts: Sequence[Part], *, halves: bool) -> list[Part]:
    """Standardise each person's part of their recordings by its own mean and deviation; with `halves` each half of it.

    Else the halves of an enrolment would have one scale, and its attackers be surer than with a probe of another.
    """
    spans: list[tuple[int, str, int, NDArray[np.bool_]]] = []
    for place, (one, start, end) in enumerate(parts):
        middle = (start + end) / 2 if halves else end
        inside = (one.time >= start) & (one.time <= end)
        spans.append((place, one.participant, 0, inside & (one.time <= middle)))
        spans.append((place, one.participant, 1, inside & (one.time > middle)))
    scaled = [np.zeros(one.values.shape) for one, *_ in parts]
    for person, half in {(who, half) for _, who, half, _ in spans}:
        own = [(place, steps) for place, who, which, steps in spans if (who, which) == (person, half)]
        mean, sd = own_statistics([parts[place][0].values[steps & parts[place][0].valid] for place, steps in own])
        for place, steps in own:
            scaled[place][steps] = (parts[place][0].values[steps] - mean) / divisors(sd)
    return [
        (replace(one, values=values.astype(np.float32)), start, end)
        for (one, start, end), values in zip(parts, scaled, strict=True)
    ]


def scaled_stream(one: Stream, mean: Array, sd: Array) -> Stream:
    """Return a stream less a mean (C,), over a deviation (C,); a channel that never moves stays at 0."""
    return replace(one, values=((one.values - mean) / divisors(sd)).astype(np.float32))


Row = tuple[str, int, Array]  # person, half, statistics


def _windows(parts: Sequence[Part], seconds: float, columns: Columns, *, halves: bool) -> list[Row]:
    """Return the windows of each part; with `halves` no window lies in both halves of its part."""
    rows: list[Row] = []
    for one, start, end in parts:
        middle = (start + end) / 2
        spans = ((start, middle, 0), (middle, end, 1)) if halves else ((start, end, 0),)
        for begin, until, half in spans:
            for at in begins(begin, until, seconds, seconds / STEPS_PER_WINDOW):
                row = statistics_of(one, at, seconds, columns)
                if row is not None:
                    rows.append((one.participant, half, row))
    return rows


def statistics_of(one: Stream, at: float, seconds: float, columns: Columns) -> Array | None:
    """Return the statistics (F,) of the window that begins `at`; None if too few of its steps are valid."""
    inside = (one.time >= at) & (one.time < at + seconds)
    there = inside & one.valid
    if there.sum() < max(FEWEST_STEPS, VALID_SHARE * inside.sum()):
        return None
    return np.concatenate(columns(one.values[there].astype(np.float64)))


def begins(start: float, end: float, seconds: float, step: float) -> Array:
    """Return the times at which windows begin that end by `end`, `step` seconds apart."""
    count = int(np.floor((end - start - seconds) / step + 1e-6)) + 1
    return np.asarray(start + step * np.arange(max(0, count)), dtype=np.float64)


def _enough(rows: Mapping[str, Sequence[Row]], person: str) -> bool:
    halves = {half for who, half, _ in rows["enrolled"] if who == person}
    return halves == {0, 1} and any(who == person for who, *_ in rows["probe"])


def _stacked(rows: Sequence[Row], place: Mapping[str, int]) -> Windows:
    return Windows(
        rows_WF=np.stack([values for *_, values in rows]),
        person_W=np.array([place[person] for person, *_ in rows], dtype=np.int64),
        half_W=np.array([half for _, half, _ in rows], dtype=np.int64),
    )
