"""The one shape every corpus format is read into, and the corpus as a whole. Nothing here is scaled or split.

Shapes: T feature frames of a recording, F features, R raters, 2 = valence and arousal.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from orchestrator.corpora.read_options import ReadOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoSource:
    """Where a recording's images are. Nothing is read until `frames` opens it."""

    path: Path  # a video file, or a folder of PNG or JPEG frames
    timings: Path | None = None  # a table with the time of every frame; it overrules the video's own clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One session of one participant: features in time, with the raters' labels on the feature frames."""

    participant: str
    session: str  # "" where the corpus has one session a participant
    time: NDArray[np.float64]  # (T,) seconds, strictly increasing
    features: NDArray[np.float32]  # (T, F); NaN where a value is missing
    valid: NDArray[np.bool_]  # (T,) False: no face, low confidence, missing values (also where a gap was bridged)
    raters: tuple[str, ...]
    ratings: NDArray[np.float32]  # (T, R, 2) in [-1, 1]; NaN where a rater has no label at that frame
    video: VideoSource | None = None  # no part of the corpus's sha256: frames are keyed by their own contents

    @property
    def name(self) -> str:
        """The participant with the session, as files and messages name it."""
        return f"{self.participant}_{self.session}" if self.session else self.participant


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """Something that was left out on reading, and why; part of the manifest."""

    what: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """Every recording of a corpus, in its order, with what reading it found."""

    kind: str  # the format's name: recola, avec, table, folder
    path: Path
    synthetic: bool
    feature_names: tuple[str, ...]  # F names, canonical (AU01) where they are action units
    hz: float  # frames per second of the features (median)
    recordings: tuple[Recording, ...]
    sha256: str  # of the contents read: features, times, validity, ratings, in order
    dropped: tuple[Dropped, ...] = ()
    notes: tuple[str, ...] = ()  # worth knowing though nothing was left out: constant labels, bridged gaps ...
    joined: Mapping[str, float] = field(default_factory=dict)  # recording name -> share of frames with a label
    labels_used: Mapping[str, float] = field(default_factory=dict)  # recording name -> share of labels that met a frame
    questions: tuple[str, ...] = ()  # what only the user knows: may two ids be one person?
    origin: str = ""  # the format that the contents first had, where `data convert` has written them
    options: ReadOptions = field(default_factory=ReadOptions)  # by which it was read
    feature_line: str = ""  # which features were chosen and which left out, in words
    all_features: tuple[str, ...] = ()  # those there are, of which `feature_names` were chosen
    features_tool: str = ""  # that made the features of all recordings; "" if it is not known or there are several
    attributes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # of participants.csv, by participant

    @property
    def participants(self) -> tuple[str, ...]:
        """Participants in the corpus's order, each once."""
        return tuple(dict.fromkeys(recording.participant for recording in self.recordings))
