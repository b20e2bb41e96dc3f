"""One's own files: `features/<participant>[_<session>]` by any tool beside `annotations/{valence,arousal}/`.

Feature files are CSV, Parquet or ARFF; label files have the same names, a time and one column a rater. What
follows a name's last underscore is the session. `videos/` may hold a video or a folder of frames of each name,
`timings/` tables with the frames' times.
"""

from pathlib import Path

from orchestrator.corpora.assembling import Source
from orchestrator.corpora.findings import Findings
from orchestrator.corpora.frame_rate import VIDEOS_FOLDER
from orchestrator.corpora.pairing import pair
from orchestrator.corpora.places import files_by_name, inside
from orchestrator.corpora.recording import DIMENSIONS
from orchestrator.corpora.videos import find_videos, with_videos

LOOKS_LIKE = "a folder with features/ and annotations/valence/ and annotations/arousal/"


def find(path: Path) -> bool:
    """Whether a folder holds features beside annotations."""
    return path.is_dir() and (path / "features").is_dir() and (path / "annotations").is_dir()


def read(path: Path, findings: Findings, frame_rate: float | None = None) -> list[Source]:
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
    by_dimension = {dimension: files_by_name(folder, findings) for dimension, folder in labels.items()}
    sources = pair(files_by_name(features, findings), by_dimension, findings, ids=ids_of, frame_rate=frame_rate)
    if len(sources) > 1 and len({source.participant for source in sources}) == 1:
        findings.note(f"all files are sessions of one participant, {sources[0].participant}")
    return with_videos(sources, find_videos(inside(path, VIDEOS_FOLDER), inside(path, "timings"), findings))


def ids_of(name: str) -> tuple[str, str]:
    """Split a file's name without suffix into participant and session, which follows the last underscore."""
    participant, _, session = name.rpartition("_")
    return (participant, session) if participant else (name, "")
