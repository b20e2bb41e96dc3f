"""Clocks that are joined are compared, and one that cannot be in its unit is refused with what would fit.

Shapes: T frames of a recording, N label samples.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from orchestrator.corpora.findings import Findings
from orchestrator.corpora.reading import AS_IT_IS, SIDES, UNIT_OPTION, Reading
from orchestrator.corpora.tables.annotations import Annotation
from orchestrator.corpora.tables.time_units import (
    FRAMES,
    MIN_STEPS,
    NEAR,
    SECONDS,
    WORDS,
    Doubt,
    Times,
    Unit,
    counts,
    doubt_alone,
    doubt_of_option,
    doubt_together,
    in_seconds,
)
from orchestrator.corpora.tables.tracks import Track

FEATURES, ANNOTATIONS = SIDES


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Seen:
    """One clock of a session, for a message."""

    where: str
    time: Times  # seconds, as it was read
    unit: Unit


def agree(track: Track, annotations: Mapping[str, Annotation], findings: Findings, reading: Reading) -> bool:
    """Whether the clocks of a recording's features and labels can be joined; else it is a problem, one per corpus.

    For a run of before clocks were compared (`reading.believed`) it is a note.
    """
    features = Seen(where=track.where, time=track.time, unit=track.unit)
    _note_on_option(track.name, track.time, track.unit, FEATURES, findings)
    for annotation in (part for whole in annotations.values() for part in whole.clocks):
        if annotation.time is track.time:  # a table: one clock for both
            _note_on_counting(track, findings)
            alone = doubt_alone(features.time, features.unit, FEATURES)
            return alone is None or _refuse(track.name, {FEATURES: features}, [alone], findings, reading, table=True)
        _note_on_option(track.name, annotation.time, annotation.unit, ANNOTATIONS, findings)
        labels = Seen(where=annotation.where, time=annotation.time, unit=annotation.unit)
        seen = {FEATURES: features, ANNOTATIONS: labels}
        doubt = doubt_together(features.time, labels.time, {side: one.unit for side, one in seen.items()})
        every = [doubt_alone(one.time, one.unit, side) for side, one in seen.items()]
        found = [one for one in every if one is not None]
        if doubt and (not found or doubt.side == found[0].side):
            found = [doubt]
        if found:
            return _refuse(track.name, seen, found, findings, reading)
    return True


def settled(track: Track, findings: Findings, reading: Reading) -> Track | None:
    """Return a track that stands alone, its unit beyond doubt or that of training; None with a problem."""
    _note_on_counting(track, findings)
    _note_on_option(track.name, track.time, track.unit, FEATURES, findings)
    doubt = doubt_alone(track.time, track.unit, FEATURES) or _far_from_training(track, reading)
    if doubt is None or reading.trained_unit == track.unit.name:
        return track
    if doubt.fits and doubt.fits == reading.trained_unit:
        findings.note(f"times in {WORDS[doubt.fits]}, as in training", recording=track.name)
        return replace(track, time=in_seconds(track.time, doubt.fits), unit=Unit(name=doubt.fits, said_by="name"))
    seen = Seen(where=track.where, time=track.time, unit=track.unit)
    return track if _refuse(track.name, {FEATURES: seen}, [doubt], findings, reading) else None


def _note_on_counting(track: Track, findings: Findings) -> None:
    """Record that a clock, alone, might be frame numbers; it might as well be one row per second, or trials."""
    if not track.unit.certain and len(track.time) > MIN_STEPS and counts(track.time):
        text = "the times count rows one by one: if these are frame numbers, name the column frame (--frame-rate HZ)"
        findings.note(text, recording=track.name)


def _note_on_option(name: str, time: Times, unit: Unit, side: str, findings: Findings) -> None:
    """Record that the unit which the user stated makes a recording's clock one that can hardly be; it is obeyed."""
    doubt = doubt_of_option(time, unit, side)
    if doubt is not None:
        step = float(np.median(np.diff(time)))
        other = step / SECONDS[unit.name] * SECONDS[unit.otherwise]
        found = f"{UNIT_OPTION} {side}={unit.name} puts the rows {step:.3g} s apart, {doubt.why}"
        findings.note(f"{found}; in {WORDS[unit.otherwise]} they are {other:.3g} s apart", recording=name)


def check_clock(name: str, where: str, time: Times, unit: Unit, findings: Findings) -> bool:
    """Whether a clock of its own (N,), such as that of a video's frames, can be in its unit; else a problem."""
    doubt = doubt_alone(time, unit, FEATURES)
    seen = {FEATURES: Seen(where=where, time=time, unit=unit)}
    return doubt is None or _refuse(name, seen, [doubt], findings, AS_IT_IS, by_option=False)


def check_clocks(name: str, first: Seen, second: Seen, findings: Findings) -> bool:
    """Whether two clocks of the same frames are in one unit; else a problem of the second."""
    units = {FEATURES: replace(first.unit, said_by="file"), ANNOTATIONS: second.unit}
    doubt = doubt_together(first.time, second.time, units)
    seen = {FEATURES: first, ANNOTATIONS: second}
    return doubt is None or _refuse(name, seen, [doubt], findings, AS_IT_IS, by_option=False)


def _far_from_training(track: Track, reading: Reading) -> Doubt | None:
    """Return the doubt of a clock whose steps are about 1,000 of those that the model was trained on."""
    if track.unit.certain or len(track.time) < 3 or not reading.trained_hz:
        return None
    ratio = float(np.median(np.diff(track.time))) * reading.trained_hz * SECONDS["ms"]
    if not 1 / NEAR <= ratio <= NEAR:
        return None
    return Doubt(side=FEATURES, fits="ms", why=f"where the model was trained on {reading.trained_hz:g} rows per second")


def _refuse(  # noqa: PLR0913
    name: str,
    seen: Mapping[str, Seen],
    doubts: list[Doubt],
    findings: Findings,
    reading: Reading,
    *,
    table: bool = False,
    by_option: bool = True,
) -> bool:
    """Report the first of the `doubts` on a recording's clocks, and return whether to go on all the same.

    `name` is the recording's, `seen` what was read on each side, `findings` where it is reported; `reading` says
    whether the user has decided. `table`: features and labels are of one file; `by_option`: an option can decide.
    """
    first = doubts[0]
    found = " beside ".join(_described(side, one, name) for side, one in _ordered(seen, first.side))
    if len(seen) == 1:
        found += f", {first.why}"
    if reading.believed:
        findings.note(f"{found}: read as when the run began, and hardly right ({UNIT_OPTION})")
        return True
    where = seen[first.side].where
    findings.problem(
        where,
        found=found,
        expected=_expected(doubts, seen, table=table, by_option=by_option),
        kind=("clock", first.fits),
    )
    return False


def _ordered(seen: Mapping[str, Seen], first: str) -> list[tuple[str, Seen]]:
    return sorted(seen.items(), key=lambda pair: pair[0] != first)


def _described(side: str, seen: Seen, name: str) -> str:
    noun = "labels" if side == ANNOTATIONS else "features"
    steps = np.diff(seen.time)
    apart = f", {np.median(steps):.6g} s apart" if len(steps) else ""
    return f"{noun} of {name} from {seen.time[0]:.10g} to {seen.time[-1]:.10g} s{apart}"


def _expected(doubts: list[Doubt], seen: Mapping[str, Seen], *, table: bool, by_option: bool) -> str:
    first = doubts[0]
    alone = len(seen) == 1
    both = table or (len(doubts) > 1 and len({one.fits for one in doubts}) == 1)
    prefix = "" if both else f"{first.side}="
    noun = "they" if alone else "labels" if first.side == ANNOTATIONS else "features"
    begin = "seconds" if alone else "clocks in one unit"
    meant = f"{UNIT_OPTION} {prefix}{seen[first.side].unit.name} if they are right"
    if not by_option:
        fit = f"; in {WORDS[first.fits]} they would: a column named time_{first.fits}" if first.fits in WORDS else ""
        return f"{begin}{fit}"
    if first.fits == FRAMES:
        return f"{begin}; these look like frame numbers: a column named frame and --frame-rate HZ, or {meant}"
    if not first.fits:
        return f"{begin}: {UNIT_OPTION} {prefix}UNIT, one of {', '.join(WORDS)}; {meant}"
    raw = [_raw(value, seen[first.side].unit) for value in (seen[first.side].time[0], seen[first.side].time[-1])]
    start, end = (in_seconds(np.array(value), first.fits) for value in raw)
    fit = f"in {WORDS[first.fits]} {noun} would run from {start:.6g} to {end:.6g} s: {UNIT_OPTION} {prefix}{first.fits}"
    changed = "".join(
        f"; or no {UNIT_OPTION} {side}={one.unit.name}, without which they are in {WORDS[one.unit.otherwise]}"
        for side, one in seen.items()
        if one.unit.otherwise
    )
    return f"{begin}; {fit}; {meant}{changed}"


def _raw(value: float, unit: Unit) -> float:
    """Return a time as the file has it."""
    return float(value) / SECONDS[unit.name]
