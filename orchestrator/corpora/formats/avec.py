"""RECOLA as the AVEC challenges of 2015, 2016 and 2018 repackaged it: train_1.., dev_1.., unlabelled test_1..

The individual ratings are read where they are there, else the gold standard as a single rater.
"""

from pathlib import Path

from orchestrator.corpora.findings import Findings
from orchestrator.corpora.folders import files_by_name, inside
from orchestrator.corpora.pair import pair
from orchestrator.corpora.reading import AS_IT_IS, Reading
from orchestrator.corpora.source import Source
from orchestrator.corpora.video.videos import find_videos, with_videos
from orchestrator.protocols import DIMENSIONS

INDIVIDUAL = "ratings_individual"
GOLD_STANDARD = "ratings_gold_standard"
FEATURES = (  # the first that holds files is read
    "features/video/AU",
    "features_video_AU",
    "features_video_geometric",
    "features_video_appearance",
)
VIDEOS = "recordings_video"
TIMINGS = "recordings_video_frame_time"
LOOKS_LIKE = f"a folder with {INDIVIDUAL}/ or {GOLD_STANDARD}/ and {FEATURES[0]}/ or {FEATURES[2]}/"


def find(path: Path) -> bool:
    """Whether a folder looks like an AVEC package."""
    return path.is_dir() and ((path / INDIVIDUAL).is_dir() or (path / GOLD_STANDARD).is_dir())


def has_features(path: Path) -> bool:
    """Whether a folder holds video features as an AVEC package does; the test people's come without any label."""
    return any(_nested(path, name) for name in FEATURES)


def read(path: Path, findings: Findings, reading: Reading = AS_IT_IS) -> list[Source]:
    """Read every labelled recording of the package at `path`; faults go to `findings`."""
    features = feature_files(path, findings)
    labels = _labels(path, findings)
    if not features or not labels:
        return []
    for name in [name for name in features if name.startswith("test_")]:
        if not any(name in files for files in labels.values()):
            findings.drop(f"recording {name}", "the challenge's test set has no labels")
            del features[name]
    videos = find_videos(inside(path, VIDEOS), inside(path, TIMINGS), findings)
    return with_videos(pair(features, labels, findings, reading=reading), videos)


def feature_files(path: Path, findings: Findings) -> dict[str, Path]:
    """Return the files of video features by recording; a problem if there is none."""
    found: dict[str, Path] = {}
    for name in FEATURES:
        folder = _nested(path, name)
        files = files_by_name(folder, findings)
        if files and found:
            findings.drop(f"folder {name}", "another folder of video features is read")
        found = found or files
    if not found:
        findings.problem(path, found="no video features", expected=f"files in one of {', '.join(FEATURES)}")
    return found


def _labels(path: Path, findings: Findings) -> dict[str, dict[str, Path]]:
    for name in (INDIVIDUAL, GOLD_STANDARD):
        folder = _nested(path, name)
        files = {dimension: files_by_name(folder and inside(folder, dimension), findings) for dimension in DIMENSIONS}
        if all(files.values()):
            if name == INDIVIDUAL and (path / GOLD_STANDARD).is_dir():
                findings.drop(f"folder {GOLD_STANDARD}", "the individual ratings are read")
            return files
    expected = f"arousal/ and valence/ with files in {INDIVIDUAL}/ or {GOLD_STANDARD}/"
    findings.problem(path, found="no labels", expected=expected)
    return {}


def _nested(path: Path, name: str) -> Path | None:
    folder: Path | None = path
    for part in name.split("/"):
        folder = inside(folder, part) if folder else None
    return folder
