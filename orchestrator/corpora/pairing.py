"""Features and labels of the same recording brought together by their files' names."""

from collections.abc import Callable, Mapping
from pathlib import Path

from orchestrator.corpora.annotations import read_annotations
from orchestrator.corpora.assembling import Source
from orchestrator.corpora.findings import Findings
from orchestrator.corpora.recording import DIMENSIONS
from orchestrator.corpora.tracks import read_track

Ids = Callable[[str], tuple[str, str]]  # a file's name without suffix -> participant, session


def pair(
    features: Mapping[str, Path],
    labels: Mapping[str, Mapping[str, Path]],
    findings: Findings,
    *,
    ids: Ids = lambda name: (name, ""),
    frame_rate: float | None = None,
) -> list[Source]:
    """Read the recordings that have features and both dimensions' labels; the others are dropped, with why.

    `features` and `labels[dimension]` give files by recording name; `frame_rate` is for files without times.
    """
    sources = []
    for name in dict.fromkeys([*features, *(one for dimension in DIMENSIONS for one in labels[dimension])]):
        missing = [dimension for dimension in DIMENSIONS if name not in labels[dimension]]
        if name not in features or missing:
            lacking = (["features"] if name not in features else []) + missing
            findings.drop(f"recording {name}", f"no file with {' or '.join(lacking)}")
            continue
        track = read_track(features[name], name, findings, frame_rate=frame_rate)
        files = {dimension: labels[dimension][name] for dimension in DIMENSIONS}
        annotations = read_annotations(files, name, findings, frame_rate=frame_rate)
        if track is not None and annotations is not None:
            participant, session = ids(name)
            sources.append(Source(participant=participant, session=session, track=track, annotations=annotations))
    return sources
