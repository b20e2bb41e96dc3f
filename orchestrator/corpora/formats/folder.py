"""One's own files: `features/<participant>[_<session>]` by any tool beside `annotations/{valence,arousal}/`.

Feature files are CSV, Parquet or ARFF; label files have the same names, a time and one column per rater. Whose file it
is: participants.py. `videos/` may hold a video or a folder of frames of each name, `timings/` tables with the frames'
times.
"""

from pathlib import Path

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
LOOKS_LIKE = "a folder with features/ and annotations/valence/ and annotations/arousal/"


def find(path: Path) -> bool:
    """Whether a folder holds features beside annotations."""
    return path.is_dir() and (path / "features").is_dir() and (path / "annotations").is_dir()


def read(path: Path, findings: Findings, reading: Reading = AS_IT_IS) -> list[Source]:
    """Read every recording of the folder at `path`; faults go to `findings`."""
    features = inside(path, "features")
    annotations = inside(path, "annotations")
    labels = {dimension: annotations and inside(annotations, dimension) for dimension in DIMENSIONS}
    wanted = {f"annotations/{dimension}": folder for dimension, folder in labels.items()}
    for name, folder in {"features": features, **wanted}.items():
        if folder is None:
            findings.problem(path, found=f"no folder {name}", expected=LOOKS_LIKE)
    if features is None or findings.problems:
        return []
    people = read_people(path, findings)
    _name_unknown(path, annotations, findings)
    by_dimension = {dimension: files_by_name(folder, findings) for dimension, folder in labels.items()}
    ids = ids_for(findings, people)
    files = files_by_name(features, findings)
    sources = pair(files, by_dimension, findings, ids=ids, reading=reading)
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


def _name_unknown(path: Path, annotations: Path | None, findings: Findings) -> None:
    """Name what lies in the corpus's own folders and is not looked at."""
    if not findings.options.current:
        return
    for folder, known in ((path, KNOWN_FOLDERS), (annotations, DIMENSIONS)):
        for one in sorted(folder.iterdir()) if folder else ():
            if one.name.startswith(".") or one.name in {*OF_THE_CORPUS, *SYNTHETIC_MARKERS}:
                continue
            if one.name in known or (one.is_file() and name_of(one).lower() in NO_RECORDINGS):
                continue
            pass_over(one, f"beside {' and '.join(known[:2])}: not read", findings)
