"""Recordings to predict for: the same files and folders as a corpus, whether or not anybody labelled them.

A file is a table of one person in any tool's columns, a table of many (`participant`), or a video; a folder a
RECOLA or AVEC tree, one's own corpus, or just files. Shapes: T frames, F features.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from orchestrator.corpora.align import BRIDGED_SECONDS, bridged
from orchestrator.corpora.catalogue import is_of_the_paper
from orchestrator.corpora.checks import check_name
from orchestrator.corpora.findings import Findings
from orchestrator.corpora.folders import files_by_name, inside, is_marked_synthetic, roots
from orchestrator.corpora.formats import avec, recola, table
from orchestrator.corpora.judgement import check_codes, origin_of
from orchestrator.corpora.names import composed
from orchestrator.corpora.participants import Ids, People, ids_for, person_of, read_people, whole_name
from orchestrator.corpora.read_options import ReadOptions
from orchestrator.corpora.reading import AS_IT_IS, Reading
from orchestrator.corpora.recording import Recording, VideoSource
from orchestrator.corpora.tables.clocks import settled
from orchestrator.corpora.tables.column_files import READABLE, read_columns
from orchestrator.corpora.tables.feature_choice import FeatureChoice
from orchestrator.corpora.tables.frame_rate import OPTION, VIDEO_SUFFIXES, VIDEOS_FOLDER
from orchestrator.corpora.tables.packed import name_of
from orchestrator.corpora.tables.tracks import Track, any_synthetic, make_track, read_track
from orchestrator.corpora.video.decoding import IMAGE_CODECS
from orchestrator.corpora.video.frame_store import FaceCrop, open_frames
from orchestrator.corpora.video.videos import find_videos
from orchestrator.errors import InputError

NO_RATER = ""
UNREAD = ("file ", "folder ")  # how what was passed over is named


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlabelled:
    """Recordings whose labels are all missing, with what reading them found."""

    recordings: tuple[Recording, ...]
    notes: tuple[str, ...]
    synthetic: bool


def read_feature_files(  # noqa: PLR0913
    path: Path,
    features: Sequence[str],
    reading: Reading = AS_IT_IS,
    options: ReadOptions | None = None,
    *,
    tool: str = "",
    beside: Path | None = None,
) -> Unlabelled:
    """Read features in the order of `features`, canonical names, whatever the order of the files' columns.

    `path` is a file or a folder; `reading` and `options` say how it is read. `tool` made the features that are wanted
    ("": any); `beside` is the video that a file was extracted from, which says whose it is.
    InputError with every problem of every file: unreadable, without times, by another tool, or lacking one of the
    features; a column without a single value counts as lacking. Frames without a face, or with a value missing, are
    not valid.
    """
    findings = Findings(options=options or ReadOptions(), choice=FeatureChoice(names=tuple(features), tool=tool))
    recordings: list[Recording] = []
    with _readable(path):
        tracks, by_tree = _tracks(path, findings, reading, beside or path)
    every = [track for _, track in tracks]
    if not by_tree and not is_of_the_paper(origin_of(every)):
        check_codes(features, every, findings)
    for (participant, session), track in tracks:
        if not check_name(participant, session, track.where, findings):
            continue
        sure = settled(track, findings, reading)
        found = sure and _recording(sure, participant, session, features, findings)
        recordings += [found] if found else []
    read = _finished(path, recordings, findings, f"files with features ({', '.join(READABLE)})")
    return replace(read, synthetic=read.synthetic or any_synthetic(every))


def read_videos(
    path: Path,
    *,
    image_size: int,
    face_crop: FaceCrop,
    reading: Reading = AS_IT_IS,
    options: ReadOptions | None = None,
) -> Unlabelled:
    """Read the times of videos, decoded into the cache; of a corpus's tree those of its features, as in training.

    InputError: no video, or one that cannot be decoded.
    """
    findings = Findings(options=options or ReadOptions())
    recordings = []
    with _readable(path):
        videos = _videos(path, findings, reading)
    for (participant, session), video, track in videos:
        if track is None:
            if reading.frame_rate is not None:
                findings.note(
                    f"{OPTION} {reading.frame_rate:g} is not used: the frames have times", recording=video.path.name
                )
            if reading.unit_of("features") is not None:
                findings.leaves_unit("the frames have times", recording=video.path.name)
            frames = open_frames(video, image_size=image_size, face_crop=face_crop)
            time = np.unique(frames.time)
        else:
            time = track.time
        empty = np.zeros((len(time), 0), np.float32)
        recordings.append(_unlabelled(participant, session, time, empty, np.ones(len(time), bool), video))
    return _finished(path, recordings, findings, f"videos ({', '.join(VIDEO_SUFFIXES)}) or folders of frames")


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Convert the system's refusals into an error that names the file or folder."""
    try:
        yield
    except OSError as error:
        where = str(error.filename or path)
        raise InputError.of(where, found=error.strerror or error, expected="readable recordings") from error


def _finished(path: Path, recordings: Sequence[Recording], findings: Findings, expected: str) -> Unlabelled:
    findings.check_unit()
    if not findings.problems and not recordings:
        findings.problem(path, found="nothing to predict for", expected=expected)
    if findings.problems:
        raise InputError(findings.problems)
    passed_over = [f"left out {one.what}: {one.why}" for one in findings.dropped if one.what.startswith(UNREAD)]
    notes = (*findings.questions, *findings.notes, *passed_over)
    return Unlabelled(recordings=tuple(recordings), notes=notes, synthetic=is_marked_synthetic(path))


def _tracks(
    path: Path, findings: Findings, reading: Reading, named: Path
) -> tuple[list[tuple[tuple[str, str], Track]], bool]:
    """Return participant and session with each recording; True for those of RECOLA's or AVEC's trees."""
    if not path.exists():
        findings.problem(path, found="nothing there", expected="a file or a folder of recordings")
        return [], False
    if path.is_dir():
        files, by_tree = _feature_files(path, findings)
        ids = _ids(path, findings, by_tree=by_tree)
        whose = {name: ids(name) for name in files}
        every = [
            (who, read_track(files[name], name, findings, reading=reading, whose=who)) for name, who in whose.items()
        ]
        return [(who, track) for who, track in every if track is not None], by_tree
    if path.suffix.lower() in VIDEO_SUFFIXES:
        expected = "a table of its features, which the model was trained on (`data extract` makes one)"
        findings.problem(path, found="a video", expected=expected)
        return [], False
    columns = read_columns(path, findings, text=frozenset(["participant", "session"]), limits=reading.limits)
    if columns is None:
        return [], False
    if columns.find_text("participant") is None:
        rows = np.arange(len(columns))
        name = composed(name_of(path))
        track = make_track(columns, rows, name, findings, reading=reading, where=str(path))
        return ([(_ids(named, findings)(name), track)] if track else []), False
    tracks = []
    for who, rows in table.rows_by_recording(columns).items():
        name = "_".join(filter(None, who))
        where = f"{path}: participant {name}"
        track = make_track(columns, rows, name, findings, reading=reading, where=where, shares_file=True)
        tracks += [(person_of(*who, findings), track)] if track else []
    return tracks, False


def person_of_file(path: Path, options: ReadOptions) -> str:
    """Name the participant whose file this is by its name, as in training."""
    return _ids(path, Findings(options=options))(composed(name_of(path)))[0]


def _ids(path: Path, findings: Findings, *, by_tree: bool = False) -> Ids:
    """Return the rule by which names are people: as in training, with the participants.csv of the corpus at `path`."""
    if by_tree:
        return ids_for(findings, default=whole_name)
    folders = roots(path) if path.is_dir() else (path.parent.parent,)  # of features/P1.csv
    people = next((one for one in (read_people(root, findings) for root in folders) if one != People()), None)
    return ids_for(findings, people)


def _feature_files(path: Path, findings: Findings) -> tuple[Mapping[str, Path], bool]:
    """Return a folder's files of features by name; True if a whole name is the participant."""
    for root in roots(path):
        features = inside(root, recola.FEATURES)
        if features:
            return files_by_name(features, findings), True
        if avec.has_features(root):
            return avec.feature_files(root, findings), True
        own = inside(root, "features")
        if own:
            return files_by_name(own, findings), False
    return files_by_name(path, findings), False


def _videos(
    path: Path, findings: Findings, reading: Reading
) -> list[tuple[tuple[str, str], VideoSource, Track | None]]:
    if not path.exists():
        findings.problem(path, found="nothing there", expected="a video, or a folder of videos or of frames")
        return []
    if path.is_file() and path.suffix.lower() not in VIDEO_SUFFIXES:
        expected = f"a video ({', '.join(VIDEO_SUFFIXES)}): the model was trained on images"
        findings.problem(path, found=f"suffix {path.suffix!r}", expected=expected)
        return []
    if path.is_file() or any(one.suffix.lower() in IMAGE_CODECS for one in path.iterdir()):
        name = composed(path.stem if path.is_file() else path.name)
        return [(_ids(path, findings)(name), VideoSource(path=path), None)]
    for root in roots(path):
        for videos, timings, by_tree in (
            (recola.VIDEOS, recola.TIMINGS, True),
            (avec.VIDEOS, avec.TIMINGS, True),
            (VIDEOS_FOLDER, "timings", False),
        ):
            inner = inside(root, videos)
            if inner is not None:
                found = find_videos(inner, inside(root, timings), findings)
                files = _feature_files(path, findings)[0]
                ids = _ids(path, findings, by_tree=by_tree)
                return [(ids(name), video, _clock(files, name, findings, reading)) for name, video in found.items()]
    ids = _ids(path, findings)
    return [(ids(name), video, None) for name, video in find_videos(path, None, findings).items()]


def _clock(files: Mapping[str, Path], name: str, findings: Findings, reading: Reading) -> Track | None:
    if name not in files:
        return None
    track = read_track(files[name], name, findings, reading=reading)
    return track and settled(track, findings, reading)


def _recording(
    track: Track, participant: str, session: str, wanted: Sequence[str], findings: Findings
) -> Recording | None:
    empty = np.asarray(np.isnan(track.features).all(axis=0))
    no_face = bool(empty.all()) or track.shares_file
    present = [name for name, nothing in zip(track.names, empty, strict=True) if no_face or not nothing]
    places = {name: index for index, name in enumerate(track.names)}
    there = set(present)
    lacking = [name for name in wanted if name not in there]
    if lacking:
        found = f"no feature {', '.join(lacking)}"
        expected = f"the {len(wanted)} features that the model was trained on"
        findings.problem(track.where, found=found, expected=expected)
        return None
    order = [places[name] for name in wanted]
    if order != sorted(order):
        findings.note("columns in another order than in training: put in order by their names", recording=track.name)
    features = track.features[:, order]
    valid = np.asarray(track.valid & ~np.isnan(features).any(axis=1))
    if not valid.any():
        findings.note("no frame with a usable face: nothing is predicted", recording=track.name)
    filled = bridged(track.time, features)
    if np.isnan(features).sum() > np.isnan(filled).sum():
        findings.note(
            f"gaps of up to {BRIDGED_SECONDS:g} s bridged; nothing is predicted in them", recording=track.name
        )
    return _unlabelled(participant, session, track.time, filled, valid)


def _unlabelled(  # noqa: PLR0913, PLR0917 - a recording's parts
    participant: str,
    session: str,
    time: np.ndarray,
    features: np.ndarray,
    valid: np.ndarray,
    video: VideoSource | None = None,
) -> Recording:
    return Recording(
        participant=participant,
        session=session,
        time=time,
        features=features,
        valid=valid,
        raters=(NO_RATER,),
        ratings=np.full((len(time), 1, 2), np.nan, dtype=np.float32),
        video=video,
    )
