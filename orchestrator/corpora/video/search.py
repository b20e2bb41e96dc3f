"""What finders of faces share: the size that they search in, and which of several faces is taken.

Box = (centre x, centre y, side) in pixels of the frame; a found face is x, y, width, height in the reduced picture.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float]

SEARCH_SIDE = 240  # pixels of the frame's shorter side while searching: the cascade needs faces of 24 or more
MIN_FACE = 0.2  # of the shorter side; a participant of a video call is nearer than that
MARGIN = 1.2  # a found box ends at the brows and the lips' rim; chin and raised brows belong to the face


def small_size(frame: Any) -> tuple[int, int, float]:
    """Return width and height of the picture that is searched, and its scale."""
    scale = min(1.0, SEARCH_SIDE / min(frame.width, frame.height))
    return round(frame.width * scale), round(frame.height * scale), scale


def smallest_face(width: int, height: int) -> int:
    """Return the pixels of a side that a face has at least."""
    return max(1, round(MIN_FACE * min(width, height)))


def largest(found: Sequence[Sequence[float]] | NDArray[np.float64], margin: float, scale: float) -> Box:
    """Return the box of the widest of the faces that were found, the leftmost of equals; three NaN without one."""
    if not len(found):
        return (float("nan"),) * 3
    x, y, w, h = max(found, key=lambda one: (one[2], -one[0]))
    return (x + w / 2) / scale, (y + h / 2) / scale, margin * max(w, h) / scale
