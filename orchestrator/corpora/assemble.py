"""From tracks and annotations to the corpus: one set of features and raters, labels on frames.

Shapes: T feature frames of a recording, F features, R raters, 2 = valence and arousal.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from orchestrator.corpora.align import BRIDGED_SECONDS, SAME_TIME_SECONDS, bridged, join, used
from orchestrator.corpora.attributes import ask_about_attributes
from orchestrator.corpora.catalogue import is_of_the_paper
from orchestrator.corpora.checks import check_name, check_people, fingerprint
from orchestrator.corpora.findings import Findings, shortened
from orchestrator.corpora.judgement import check_codes, judged_features, judged_raters, origin_of
from orchestrator.corpora.participants import ask_about
from orchestrator.corpora.reading import AS_IT_IS, Reading
from orchestrator.corpora.recording import Corpus, Recording
from orchestrator.corpora.source import Source
from orchestrator.corpora.tables.annotations import with_own_steps
from orchestrator.corpora.tables.clocks import agree
from orchestrator.corpora.tables.feature_choice import FeatureChoice, chosen_features
from orchestrator.corpora.tables.feature_tools import common_tool
from orchestrator.corpora.tables.time_units import common_step
from orchestrator.corpora.tables.tracks import Track, any_synthetic, is_as_written
from orchestrator.errors import InputError, Problem, number_of
from orchestrator.protocols import DIMENSIONS

FEW_LABELS = 0.5  # share of a recording's frames under which a remark is due
SAME_AS_WHOLE = 5e-4  # ours, relative: so near to a whole number a rate is that number
SAME_RATE = 0.01  # relative; rates that differ by more are worth a remark


def assemble(  # noqa: PLR0913 - what a reader hands over
    kind: str,
    path: Path,
    sources: Sequence[Source],
    findings: Findings,
    *,
    synthetic: bool = False,
    attributes: Mapping[str, Mapping[str, str]] | None = None,
    reading: Reading = AS_IT_IS,
) -> Corpus:
    """Make the corpus out of its recordings; InputError with every problem found in any file.

    `kind` is the format's name, `path` the corpus's, `sources` its recordings as read; `findings` collects problems and
    notes and has the user's options. `synthetic`: of no people; `attributes` by participant what a table of people
    says; `reading` how times and rates were read. Features are those that all recordings have, in the first one's
    order; raters are all that occur; of both only what the columns' judges and the user's choice leave. Left out, with
    the reason: recordings without a label or without a usable frame.
    """
    origin = origin_of(source.track for source in sources) or kind
    every = judged_features(_common_features(sources, path, findings), sources, origin, findings)
    names, line = chosen_features(every, _originals(sources), _choice(findings, origin), findings)
    if not is_of_the_paper(origin):
        check_codes(names, [source.track for source in sources], findings)
    raters = judged_raters(sources, findings)
    findings.check_raters()
    recordings: list[Recording] = []
    joined: dict[str, float] = {}
    labels_used: dict[str, float] = {}
    for source in sources:
        if not check_name(source.participant, source.session, source.track.where, findings):
            continue
        if not agree(source.track, source.annotations, findings, reading):
            continue
        source = _by_own_steps(source, raters, findings)  # noqa: PLW2901 - from here on
        recording = _recording(source, names, raters, findings)
        if recording is None:
            continue
        recordings.append(recording)
        joined[recording.name] = round(float(_labelled(recording.ratings).mean(axis=0).min()), 6)
        labels_used[recording.name] = round(_labels_used(source), 6)
        _notes_on(recording, joined[recording.name], labels_used[recording.name], findings)
    findings.check_unit()
    check_people(recordings, findings)
    _note_scale(findings)
    if not is_of_the_paper(origin):
        ask_about([(one.participant, one.session) for one in recordings], findings)
    ask_about_attributes(attributes or {}, dict.fromkeys(one.participant for one in recordings), findings)
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
        labels_used=labels_used,
        questions=findings.questions,
        origin=origin,
        options=findings.options,
        feature_line=line,
        all_features=every,
        features_tool=common_tool(source.track.tool for source in sources),
        attributes=attributes or {},
    )


def _note_scale(findings: Findings) -> None:
    if findings.options.label_range is not None:
        findings.note("labels mapped from {:g} to {:g} to -1 to 1".format(*findings.options.label_range))


def _common_features(sources: Sequence[Source], path: Path, findings: Findings) -> tuple[str, ...]:
    tracks = [track for track in (source.track for source in sources) if not np.isnan(track.features).all()]
    if not tracks:
        return sources[0].track.names if sources else ()
    present = [set(_present(track)) for track in tracks]
    everywhere = set.intersection(*present)
    for name in dict.fromkeys(name for track in tracks for name in track.names):
        lacking = [track.name for track, names in zip(tracks, present, strict=True) if name not in names]
        if lacking:
            findings.drop(f"feature {name}", f"missing in {number_of(len(lacking), 'recording')}: {shortened(lacking)}")
    names = tuple(name for name in tracks[0].names if name in everywhere)
    if not names:
        findings.problem(path, found="no feature that all recordings have", expected="files of the same tool")
    return names


def _choice(findings: Findings, origin: str) -> FeatureChoice:
    """Return the columns that are wanted; of RECOLA's features, the paper's 40, all if nobody chose."""
    choice = findings.choice or FeatureChoice()
    return replace(choice, units_only=False) if is_of_the_paper(origin) else choice


def _originals(sources: Sequence[Source]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for track in (source.track for source in sources):
        for name, original in zip(track.names, track.originals, strict=True):
            found.setdefault(name, set()).add(original)
    return found


def _present(track: Track) -> list[str]:
    """Features with a value somewhere in the file; a file of few rows in a table says nothing about that."""
    there = np.asarray(~np.isnan(track.features).all(axis=0))
    return [name for name, one in zip(track.names, there, strict=True) if one or track.shares_file]


def _by_own_steps(source: Source, raters: tuple[str, ...], findings: Findings) -> Source:
    """Give raters of longer steps than their table's clocks of their own; not in what `data convert` has joined."""
    track = source.track
    if not findings.options.own_steps or is_as_written(track.columns):
        return source
    annotations = {key: with_own_steps(one, raters, track.name, findings) for key, one in source.annotations.items()}
    return replace(source, annotations=annotations)


def _recording(source: Source, names: tuple[str, ...], raters: tuple[str, ...], findings: Findings) -> Recording | None:
    track = source.track
    ties = SAME_TIME_SECONDS if findings.options.own_steps else 0.0
    ratings = np.full((len(track.time), len(raters), len(DIMENSIONS)), np.nan, dtype=np.float32)
    for index, dimension in enumerate(DIMENSIONS):
        annotation = source.annotations[dimension]
        for part in annotation.clocks:
            own = [rater for rater in part.raters if rater in raters]
            labels = part.labels[:, [part.raters.index(rater) for rater in own]]
            labels = np.clip(labels, -2.0, 2.0)  # what is outside [-1, 1] is refused, and may not fit float32
            columns = [raters.index(rater) for rater in own]
            ratings[:, columns, index] = np.clip(join(track.time, part.time, labels, ties=ties), -1.0, 1.0)
    # A table has a column of every rater, with or without labels.
    lacking = [rater for rater, own in zip(raters, ratings.swapaxes(0, 1), strict=True) if np.isnan(own).all()]
    if 0 < len(lacking) < len(raters):
        findings.note(f"no labels of rater {', '.join(lacking)}", recording=track.name)
    if not _overlaps(source, raters, ratings, findings) or not _in_both(source, raters, ratings, findings):
        return None
    if np.isnan(track.features).all():  # such a file has no say in the common features
        findings.drop(f"recording {track.name}", "no frame with a usable face")
        return None
    places = {name: index for index, name in enumerate(track.names)}
    features = track.features[:, [places[name] for name in names]]
    valid = np.asarray(track.valid & ~np.isnan(features).any(axis=1))
    labelled = _labelled(ratings)
    seen = labelled & valid[:, None]
    if not seen.any():
        why = "no frame with both features and labels" if valid.any() else "no frame with all features"
        findings.drop(f"recording {track.name}", why)
        return None
    for index, dimension in enumerate(DIMENSIONS):
        if labelled[:, index].any() and not seen[:, index].any():
            findings.note(f"no {dimension} label on a valid frame", recording=track.name)
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


def _overlaps(source: Source, raters: tuple[str, ...], ratings: NDArray[np.float32], findings: Findings) -> bool:
    """Whether labels of each dimension meet features; where both are there and none meet, their clocks differ.

    That is a problem, of the first such dimension; for a run of before version 0.2 it is one if no dimension meets.
    """
    track = source.track
    labelled = _labelled(ratings)
    without = [name for index, name in enumerate(DIMENSIONS) if not labelled[:, index].any()]
    nowhere = len(without) == len(DIMENSIONS)
    for dimension in without:
        annotation = source.annotations[dimension]
        columns = [index for index, rater in enumerate(annotation.raters) if rater in raters]
        times = annotation.time[np.isfinite(annotation.labels[:, columns]).any(axis=1)]
        if not len(times):
            continue
        if nowhere or findings.options.current:
            what = f"labels of {track.name}" if nowhere else f"{dimension} labels of {track.name}"
            findings.problem(annotation.where, **_elsewhere(what, times, track))
            return False
        findings.note(f"no {dimension} label in the time of the features", recording=track.name)
    if nowhere:
        findings.drop(f"recording {track.name}", "no label")
    return not nowhere


def _elsewhere(what: str, times: NDArray[np.float64], track: Track) -> dict[str, str]:
    """Return what is found and expected where labels, of which `times` has the labelled ones, meet no frame."""
    return {
        "found": f"{what} from {times[0]:.10g} to {times[-1]:.10g} s",
        "expected": f"labels in the time of the features, {track.time[0]:.10g} to {track.time[-1]:.10g} s",
    }


def _in_both(source: Source, raters: tuple[str, ...], ratings: NDArray[np.float32], findings: Findings) -> bool:
    """Whether each rater has labels of both dimensions in a recording, or of neither; else it is a problem.

    One for all files that lack the same. For a run of before version 0.2 it is a note.
    """
    there = np.asarray(np.isfinite(ratings).any(axis=0))  # (R, 2)
    track = source.track
    good = True
    for rater, own in zip(raters, there, strict=True):
        if own.all() or not own.any():
            continue
        dimension = DIMENSIONS[int(np.argmin(own))]
        if not findings.options.current:
            findings.note(f"no {dimension} label of rater {rater}", recording=track.name)
            continue
        good = False
        part = next(one for one in source.annotations[dimension].clocks if rater in one.raters)
        times = part.time[np.isfinite(part.labels[:, part.raters.index(rater)])]
        if len(times):
            what = f"{dimension} labels of {track.name} by rater {rater}"
            findings.problem(part.where, **_elsewhere(what, times, track))
        else:
            findings.problem(
                part.where,
                found=f"no {dimension} label of {track.name} by rater {rater}",
                expected="labels of both dimensions by every rater of a recording",
                kind=("one dimension", dimension, rater),
            )
    return good


def _without_gaps(track: Track, features: NDArray[np.float32], findings: Findings) -> NDArray[np.float32]:
    filled = bridged(track.time, features)
    if np.isnan(features).sum() > np.isnan(filled).sum():
        findings.note(f"gaps of up to {BRIDGED_SECONDS:g} s bridged, still marked invalid", recording=track.name)
    return filled


def _labels_used(source: Source) -> float:
    """Return the share of a recording's label samples on its frames or between them, of the dimension with less."""
    shares = []
    for annotation in source.annotations.values():
        flags = [used(source.track.time, one.time[np.isfinite(one.labels).any(axis=1)]) for one in annotation.clocks]
        every = np.concatenate(flags)
        shares.append(float(every.mean()) if len(every) else 0.0)
    return min(shares)


def _notes_on(recording: Recording, share: float, share_of_labels: float, findings: Findings) -> None:
    if share < FEW_LABELS:
        findings.note(f"labels on less than {FEW_LABELS:.0%} of the frames", recording=recording.name)
    if share_of_labels < FEW_LABELS:
        findings.note(
            f"less than {FEW_LABELS:.0%} of the labels used: the others are in no frame's time",
            recording=recording.name,
        )
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
    step = common_step([recording.time for recording in recordings])
    if step is None:
        findings.note("no recording has two rows: the rate is unknown and taken as 1 a second")
        return 1.0
    for recording in recordings:
        own = common_step([recording.time])
        if own is not None and abs(own - step) > SAME_RATE * step:
            findings.note(
                f"another rate than {1.0 / step:g} frames per second, which most have", recording=recording.name
            )
    hz = 1.0 / step
    whole = round(hz)  # times that are rounded to ms make 29.997 of 30; 29.97 is another rate
    return float(whole) if abs(hz - whole) <= SAME_AS_WHOLE * hz else round(hz, 6)


def _labelled(ratings: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Frames (T, 2) with a label of any rater, by dimension."""
    return np.asarray(np.isfinite(ratings).any(axis=1), dtype=np.bool_)


def _raters_of(source: Source) -> tuple[str, ...]:
    return source.annotations[DIMENSIONS[0]].raters


def _no_recording(path: Path, findings: Findings) -> Problem:
    reasons = "; ".join(f"{one.what}: {one.why}" for one in findings.dropped[:5])
    found = "no usable recording" + (f" ({reasons})" if reasons else "")
    expected = "; ".join(["at least one recording with features and labels", *findings.questions[:1]])
    return Problem(where=str(path), found=found, expected=expected)
