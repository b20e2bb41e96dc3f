"""A synthetic participant's files in RECOLA's own layout. Shapes: T frames, A = 20 facial actions, R = 6 raters."""

import numpy as np
from numpy.typing import NDArray

from orchestrator.corpora.synthetic.facial_model import ACTIONS, RATERS, FacialActions
from orchestrator.corpora.synthetic.numerals import rows_as_text, times_as_text
from orchestrator.protocols import DIMENSIONS

VIDEOS, TIMINGS = "RECOLA-Video-recordings", "RECOLA-Video-timings"
FEATURE_NAMES = tuple(f"VIDEO_40_LLD_{action}{suffix}" for suffix in ("", "_delta") for action in ACTIONS)
_FEATURE_DECIMALS = 3
_FEATURE_LIMIT = 100  # beyond any feature's range, see facial_model's ranges and their differences
_RATING_DECIMALS = 2


def participant_files(
    face: FacialActions, measured_ta: NDArray[np.float64], ratings_tr2: NDArray[np.float64]
) -> dict[str, bytes]:
    """Return features as ARFF and labels as CSV, by their paths in the tree; features begin with the second frame."""
    times = times_as_text(face.time)
    features = np.concatenate([measured_ta[1:], np.diff(measured_ta, axis=0)], axis=1)
    files = {
        f"RECOLA-Video-features/{face.participant}.arff": _arff_header(face.participant)
        + rows_as_text(
            times[1:], features, decimals=_FEATURE_DECIMALS, limit=_FEATURE_LIMIT, separator=",", missing="?"
        )
    }
    # RECOLA leaves a blank after each rater's name but the last.
    labels = label_files(face, ratings_tr2, separator=";", header=f"time;{' ;'.join(RATERS)}")
    return files | {f"RECOLA-Annotation/emotional_behaviour/{name}": content for name, content in labels.items()}


def label_files(
    face: FacialActions, ratings_tr2: NDArray[np.float64], *, separator: str, header: str
) -> dict[str, bytes]:
    """Return labels (T, R, 2) as CSV with this header, by their paths in a folder of annotations."""
    times, files = times_as_text(face.time), {}
    for index, dimension in enumerate(DIMENSIONS):
        ratings = ratings_tr2[..., index]
        rows = rows_as_text(times, ratings, decimals=_RATING_DECIMALS, limit=1, separator=separator, missing="?")
        files[f"{dimension}/{face.participant}.csv"] = f"{header}\n".encode() + rows
    return files


def _arff_header(participant: str) -> bytes:
    lines = [
        "% SYNTHETIC data, not RECOLA: made by the affect-orchestrator's generator, see SYNTHETIC.txt",
        f"@relation synthetic_video_features_{participant}",
        "",
        "@attribute frameTime numeric",
        *(f"@attribute {name} numeric" for name in FEATURE_NAMES),
        "",
        "@data",
        "",
    ]
    return "\n".join(lines).encode()
