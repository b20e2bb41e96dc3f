"""From tracks and annotations to the corpus: one set of features and raters, labels on frames.

Shapes: T feature frames of a recording, F features, R raters, 2 = valence and arousal.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from orchestrator.corpora.annotations import Annotation
from orchestrator.corpora.checks import check_people, fingerprint
from orchestrator.corpora.findings import Findings, shortened
from orchestrator.corpora.joining import BRIDGED_SECONDS, bridged, join, step_of
from orchestrator.corpora.recording import DIMENSIONS, Corpus, Recording, VideoSource
from orchestrator.corpora.tracks import Track, any_synthetic
from orchestrator.errors import InputError, Problem

FEW_LABELS = 0.5  # share of a recording's frames under which a remark is due
SAME_RATE = 0.01  # relative; rates that differ by more are worth a remark


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What a reader hands over for one recording: its features and its labels, each on its own clock."""

    participant: str
    session: str
    track: Track
    annotations: Mapping[str, Annotation]  # by dimension, both with the same raters
    video: VideoSource | None = None


def assemble(  # noqa: PLR0913 - what a reader hands over
    kind: str,
    path: Path,
    sources: Sequence[Source],
    findings: Findings,
    *,
    synthetic: bool = False,
    patterns: Sequence[str] = (),
) -> Corpus:
    """Make the corpus out of its recordings; InputError with every problem found in any file.

    `kind` is the format's name. Features are those that all recordings have, in the first one's order; raters
    are all that occur; with `patterns` only features that match one of them. Left out, with the reason: recordings
    without a label or without a usable frame.
    """
    names = _chosen(_common_features(sources, path, findings), patterns, findings)
    raters = tuple(dict.fromkeys(rater for source in sources for rater in _raters_of(source)))
    recordings: list[Recording] = []
    joined: dict[str, float] = {}
    for source in sources:
        recording = _recording(source, names, raters, findings)
        if recording is None:
            continue
        recordings.append(recording)
        joined[recording.name] = round(float(_labelled(recording.ratings).mean()), 6)
        _notes_on(recording, joined[recording.name], findings)
    check_people(recordings, findings)
    if findings.problems:
        raise InputError(findings.problems)
    if not recordings:
        raise InputError(_no_recording(path, findings))
    return Corpus(
        kind=kind,
        path=path,
        synthetic=synthetic or any_synthetic(source.track for source in sources),
        feature_names=names,
        hz=_rate(recordings, findings),
        recordings=tuple(recordings),
        sha256=fingerprint(names, recordings),
        dropped=findings.dropped,
        notes=findings.notes,
        joined=joined,
    )


def _common_features(sources: Sequence[Source], path: Path, findings: Findings) -> tuple[str, ...]:
    tracks = [track for track in (source.track for source in sources) if not np.isnan(track.features).all()]
    if not tracks:
        return sources[0].track.names if sources else ()
    present = [set(_present(track)) for track in tracks]
    everywhere = set.intersection(*present)
    for name in dict.fromkeys(name for track in tracks for name in track.names):
        lacking = [track.name for track, names in zip(tracks, present, strict=True) if name not in names]
        if lacking:
            findings.drop(f"feature {name}", f"missing in {len(lacking)} recordings: {shortened(lacking)}")
    names = tuple(name for name in tracks[0].names if name in everywhere)
    if not names:
        findings.problem(path, found="no feature that all recordings have", expected="files of the same tool")
    return names


def _chosen(names: tuple[str, ...], patterns: Sequence[str], findings: Findings) -> tuple[str, ...]:
    """Keep the features that match a pattern; a pattern without any is a problem."""
    if not patterns or not names:
        return names
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            expected = f"patterns of the features there are: {shortened(names)}"
            findings.problem("--features", found=f"{pattern}, which matches none", expected=expected)
    return tuple(name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns))


def _present(track: Track) -> list[str]:
    """Features with a value somewhere in the file; a file of few rows in a table says nothing about that."""
    there = np.asarray(~np.isnan(track.features).all(axis=0))
    return [name for name, one in zip(track.names, there, strict=True) if one or track.shares_file]


def _recording(source: Source, names: tuple[str, ...], raters: tuple[str, ...], findings: Findings) -> Recording | None:
    track = source.track
    ratings = np.full((len(track.time), len(raters), len(DIMENSIONS)), np.nan, dtype=np.float32)
    for index, dimension in enumerate(DIMENSIONS):
        annotation = source.annotations[dimension]
        columns = [raters.index(rater) for rater in annotation.raters]
        ratings[:, columns, index] = np.clip(join(track.time, annotation.time, annotation.labels), -1.0, 1.0)
    lacking = [rater for rater in raters if rater not in _raters_of(source)]
    if lacking:
        findings.note(f"no labels of rater {', '.join(lacking)}", recording=track.name)
    if not _overlaps(source, ratings, findings):
        return None
    if np.isnan(track.features).all():  # such a file has no say in the common features
        findings.drop(f"recording {track.name}", "no frame with a usable face")
        return None
    features = track.features[:, [track.names.index(name) for name in names]]
    valid = np.asarray(track.valid & ~np.isnan(features).any(axis=1))
    if not (valid & _labelled(ratings)).any():
        why = "no frame with both features and labels" if valid.any() else "no frame with all features"
        findings.drop(f"recording {track.name}", why)
        return None
    return Recording(
        participant=source.participant,
        session=source.session,
        time=track.time,
        features=_without_gaps(track, features, findings),
        valid=valid,
        raters=raters,
        ratings=ratings,
        video=source.video,
    )


def _overlaps(source: Source, ratings: NDArray[np.float32], findings: Findings) -> bool:
    """Whether labels meet features; where both are there and none meet, their clocks differ: a problem."""
    if not np.isnan(ratings).all():
        return True
    track = source.track
    empty = True
    for annotation in source.annotations.values():
        times = annotation.time[np.isfinite(annotation.labels).any(axis=1)]
        if len(times):
            empty = False
            findings.problem(
                annotation.where,
                found=f"labels of {track.name} from {times[0]:g} to {times[-1]:g} s",
                expected=f"labels in the time of the features, {track.time[0]:g} to {track.time[-1]:g} s",
            )
            break
    if empty:
        findings.drop(f"recording {track.name}", "no label")
    return False


def _without_gaps(track: Track, features: NDArray[np.float32], findings: Findings) -> NDArray[np.float32]:
    filled = bridged(track.time, features)
    if np.isnan(features).sum() > np.isnan(filled).sum():
        findings.note(f"gaps of up to {BRIDGED_SECONDS:g} s bridged, still marked invalid", recording=track.name)
    return filled


def _notes_on(recording: Recording, share: float, findings: Findings) -> None:
    if share < FEW_LABELS:
        findings.note(f"labels on less than {FEW_LABELS:.0%} of the frames", recording=recording.name)
    if len(recording.time) == 1:
        findings.note("one row only", recording=recording.name)
        return
    for index, dimension in enumerate(DIMENSIONS):
        labels = recording.ratings[:, :, index]
        there = np.isfinite(labels)
        constant = [
            rater
            for column, rater in enumerate(recording.raters)
            if there[:, column].any() and np.ptp(labels[there[:, column], column]) == 0
        ]
        for rater in constant:
            findings.note(f"constant {dimension} by rater {rater}", recording=recording.name)


def _rate(recordings: Sequence[Recording], findings: Findings) -> float:
    steps = [np.diff(recording.time) for recording in recordings]
    every = np.concatenate(steps)
    if not len(every):
        findings.note("no recording has two rows: the rate is unknown and taken as 1 a second")
        return 1.0
    step = float(np.median(every))
    for recording in recordings:
        own = step_of(recording.time)
        if own is not None and abs(own - step) > SAME_RATE * step:
            findings.note(
                f"another rate than {1.0 / step:g} frames a second, which most have", recording=recording.name
            )
    return round(1.0 / step, 6)


def _labelled(ratings: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Frames (T,) with a label of any rater in any dimension."""
    return np.asarray(np.isfinite(ratings).any(axis=(1, 2)), dtype=np.bool_)


def _raters_of(source: Source) -> tuple[str, ...]:
    return source.annotations[DIMENSIONS[0]].raters


def _no_recording(path: Path, findings: Findings) -> Problem:
    reasons = "; ".join(f"{one.what}: {one.why}" for one in findings.dropped[:5])
    found = "no usable recording" + (f" ({reasons})" if reasons else "")
    return Problem(where=str(path), found=found, expected="at least one recording with features and labels")
