"""What a reader of a format hands over for one recording."""

from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.corpora.recording import VideoSource
from orchestrator.corpora.tables.annotations import Annotation
from orchestrator.corpora.tables.tracks import Track


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One recording's features and its labels, each on its own clock."""

    participant: str
    session: str
    track: Track
    annotations: Mapping[str, Annotation]  # by dimension, both with the same raters
    video: VideoSource | None = None
