"""RECOLA as its licence holders get it: one session of 300 s for each of 23 people, six raters.

Ringeval et al., "Introducing the RECOLA multimodal corpus", 2013. Video features and annotations are read;
where `RECOLA-Video-recordings/` lies beside them, with `RECOLA-Video-timings/`, it is named for `frames`.
"""

from pathlib import Path

from orchestrator.corpora.findings import Findings
from orchestrator.corpora.folders import files_by_name, inside
from orchestrator.corpora.pair import pair
from orchestrator.corpora.reading import AS_IT_IS, Reading
from orchestrator.corpora.source import Source
from orchestrator.corpora.video.videos import find_videos, with_videos
from orchestrator.protocols import DIMENSIONS

LOOKS_LIKE = "a folder with RECOLA-Annotation/ and RECOLA-Video-features/"
ANNOTATION = "RECOLA-Annotation"
FEATURES = "RECOLA-Video-features"
BEHAVIOUR = "emotional_behaviour"
VIDEOS = "RECOLA-Video-recordings"
TIMINGS = "RECOLA-Video-timings"


def find(path: Path) -> bool:
    """Whether a folder looks like RECOLA."""
    return path.is_dir() and (path / ANNOTATION).is_dir()


def read(path: Path, findings: Findings, reading: Reading = AS_IT_IS) -> list[Source]:
    """Read every recording of the tree at `path`; faults go to `findings`."""
    annotation = inside(path, ANNOTATION)
    behaviour = annotation and inside(annotation, BEHAVIOUR)
    labels = {dimension: behaviour and inside(behaviour, dimension) for dimension in DIMENSIONS}
    features = inside(path, FEATURES)
    wanted = {f"{ANNOTATION}/{BEHAVIOUR}/{dimension}": folder for dimension, folder in labels.items()}
    for name, folder in {FEATURES: features, **wanted}.items():
        if folder is None:
            findings.problem(path, found=f"no folder {name}", expected=LOOKS_LIKE)
    if findings.problems:
        return []
    by_dimension = {dimension: files_by_name(folder, findings) for dimension, folder in labels.items()}
    sources = pair(files_by_name(features, findings), by_dimension, findings, reading=reading)
    return with_videos(sources, find_videos(inside(path, VIDEOS), inside(path, TIMINGS), findings))
