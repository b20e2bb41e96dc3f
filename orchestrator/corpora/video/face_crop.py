"""Cutting the face out of every frame: a finder of OpenCV's finds it, a running median keeps the box still.

Two passes over the video: boxes, pixels.
Shapes: N frames, box = (centre x, centre y, side) in pixels of the frame, S the side of an image.
"""

import importlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.corpora.recording import VideoSource
from orchestrator.corpora.video.decoding import Image, decode
from orchestrator.corpora.video.haar import HaarFinder
from orchestrator.corpora.video.search import Box
from orchestrator.corpora.video.yunet import YunetFinder

Boxes = NDArray[np.float64]

MEDIAN_FRAMES = 25  # window of the running median: a second at 25 frames per second


FINDERS: Mapping[str, Callable[[], Callable[[Any], Box]]] = {"haar": HaarFinder, "yunet": YunetFinder}


def check_installed(crop: str) -> None:
    """Raise InputError, which says what to install or to fetch, if the finder of a crop cannot be made."""
    FINDERS[crop]()


def faces(source: VideoSource, side: int, crop: str = "haar") -> Iterator[tuple[float, Image, bool]]:
    """Yield (seconds, image (S, S, 3) of the face, whether a face was found) for every frame.

    Where no face is found the box stays where it last was; before the first one it is the first one's, and in
    a video without any face the centred square. InputError as `decoding.decode`, and as `check_installed`.
    """
    boxes, found = find_boxes(source, crop)
    for index, (time, frame) in enumerate(decode(source)):
        yield time, cut_out(frame.to_ndarray(format="rgb24"), boxes[index], side), bool(found[index])


def find_boxes(source: VideoSource, crop: str = "haar") -> tuple[Boxes, NDArray[np.bool_]]:
    """Find the face's box in every frame, smoothed over time: (N, 3), and where one was found: (N,)."""
    find = FINDERS[crop]()
    boxes: list[tuple[float, float, float]] = []
    whole = (0.0, 0.0, 0.0)
    for _, frame in decode(source):
        whole = (frame.width / 2, frame.height / 2, float(min(frame.width, frame.height)))
        boxes.append(find(frame))
    raw = np.array(boxes)
    found = np.asarray(np.isfinite(raw).all(axis=1))
    if not found.any():
        return np.tile(whole, (len(raw), 1)), found
    return still(raw, found), found


def still(boxes: Boxes, found: NDArray[np.bool_]) -> Boxes:
    """Smooth boxes (N, 3): gaps take the last box found, then a centred running median over `MEDIAN_FRAMES`.

    A median, since single false detections are far off and must not pull the box.
    """
    last = np.maximum.accumulate(np.where(found, np.arange(len(found)), -1))
    filled = boxes[np.where(last < 0, int(np.argmax(found)), last)]
    half = MEDIAN_FRAMES // 2
    padded = np.pad(filled, ((half, half), (0, 0)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1, axis=0)
    smooth: Boxes = np.median(windows, axis=-1)
    return smooth


def cut_out(image: Image, box: Boxes, side: int) -> Image:
    """Cut a box (3,) out of a picture (H, W, 3) and scale it to (S, S, 3); a box beyond the edge is moved inside."""
    cv2: Any = importlib.import_module("cv2")
    height, width = image.shape[:2]
    length = int(np.clip(round(box[2]), 1, min(height, width)))
    left, top = (
        int(np.clip(round(centre - length / 2), 0, limit - length))
        for centre, limit in ((box[0], width), (box[1], height))
    )
    part = image[top : top + length, left : left + length]
    how = cv2.INTER_AREA if length > side else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(part, (side, side), interpolation=how), dtype=np.uint8)
