"""One's own files: `features/<participant>[_<session>]` by any tool beside `annotations/{valence,arousal}/`.

Feature files are CSV, Parquet or ARFF; label files have the same names, a time and one column per rater. Whose file it
is: participants.py. `videos/` may hold a video or a folder of frames of each name, `timings/` tables with the frames'
times.
"""

from collections.abc import Container
from pathlib import Path

from orchestrator.corpora.annotation_formats.found import find_labels, whole_file
from orchestrator.corpora.annotation_formats.nova import DATA_SUFFIX
from orchestrator.corpora.findings import Findings
from orchestrator.corpora.folders import (
    NO_RECORDINGS,
    OF_THE_CORPUS,
    SYNTHETIC_MARKERS,
    files_by_name,
    inside,
    pass_over,
)
from orchestrator.corpora.pair import pair
from orchestrator.corpora.participants import WAYS_OUT, ids_for, read_people
from orchestrator.corpora.reading import AS_IT_IS, Reading
from orchestrator.corpora.source import Source
from orchestrator.corpora.tables.frame_rate import VIDEOS_FOLDER
from orchestrator.corpora.tables.packed import name_of
from orchestrator.corpora.video.videos import find_videos, with_videos
from orchestrator.errors import cut
from orchestrator.protocols import DIMENSIONS

KNOWN_FOLDERS = ("features", "annotations", VIDEOS_FOLDER, "timings")
LOOKS_LIKE = (
    "a folder with features/ and annotations/valence/ and annotations/arousal/, or files of both in annotations/"
)


def find(path: Path) -> bool:
    """Whether a folder holds features beside annotations."""
    return (path / "features").is_dir() and ((path / "annotations").is_dir() or whole_file(path) is not None)


def read(path: Path, findings: Findings, reading: Reading = AS_IT_IS) -> list[Source]:
    """Read every recording of the folder at `path`; faults go to `findings`."""
    features = inside(path, "features")
    annotations = inside(path, "annotations")
    if features is None:
        findings.problem(path, found="no folder features", expected=LOOKS_LIKE)
        return []
    people = read_people(path, findings)
    ids = ids_for(findings, people)
    files = files_by_name(features, findings)
    num_problems = len(findings.problems)
    found = find_labels(path, annotations, tuple(files), ids, findings, reading) if findings.options.current else None
    labels = {dimension: annotations and inside(annotations, dimension) for dimension in DIMENSIONS}
    unread = len(findings.problems) > num_problems  # then labels are there, and that they are broken is said
    for dimension, folder in labels.items():
        if folder is None and not unread and not (found and found.any):
            findings.problem(path, found=f"no folder annotations/{dimension}", expected=LOOKS_LIKE)
    if findings.problems:
        return []
    taken = found.taken if found else frozenset()
    _name_unknown(path, annotations, findings, taken)
    by_dimension = {dimension: files_by_name(folder, findings, taken=taken) for dimension, folder in labels.items()}
    others, strangers = (found.labels, found.strangers) if found else (None, ())
    sources = pair(files, by_dimension, findings, ids=ids, reading=reading, others=others, strangers=strangers)
    for name in [name for name in people.by_file if name not in {*files, *by_dimension[DIMENSIONS[0]]}]:
        findings.note(f"participants.csv names file {cut(name)}, which is not there")
    _check_twice(sources, findings)
    return with_videos(sources, find_videos(inside(path, VIDEOS_FOLDER), inside(path, "timings"), findings))


def _check_twice(sources: list[Source], findings: Findings) -> None:
    """Make it a problem where two files are one session of one participant."""
    seen: dict[tuple[str, str], Source] = {}
    for source in sources:
        first = seen.setdefault((source.participant, source.session), source)
        if first is not source:
            found = f"participant {source.participant}, session {source.session or 'none'}, like {first.track.where}"
            findings.problem(source.track.where, found=found, expected=f"one file per session; {WAYS_OUT}")


def _name_unknown(path: Path, annotations: Path | None, findings: Findings, taken: Container[Path]) -> None:
    """Name what lies in the corpus's own folders and is not looked at."""
    if not findings.options.current:
        return
    for folder, known in ((path, KNOWN_FOLDERS), (annotations, DIMENSIONS)):
        for one in sorted(folder.iterdir()) if folder else ():
            if one.name.startswith(".") or one.name in {*OF_THE_CORPUS, *SYNTHETIC_MARKERS}:
                continue
            if (
                one.name in known
                or one in taken
                or one.name.endswith(DATA_SUFFIX)
                or (one.is_file() and name_of(one).lower() in NO_RECORDINGS)
            ):
                continue
            pass_over(one, f"beside {' and '.join(known[:2])}: not read", findings)
