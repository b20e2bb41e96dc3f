"""Cutting the face out of every frame: OpenCV's Haar cascade finds it, a running median keeps the box still.

Viola and Jones, "Rapid object detection using a boosted cascade of simple features", CVPR 2001. OpenCV 5 has no
cascades any more, hence the extra `faces` (opencv-python-headless<5). Two passes over the video: boxes, pixels.
Shapes: N frames, box = (centre x, centre y, side) in pixels of the frame, S the side of an image.
"""

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from orchestrator.corpora.recording import VideoSource
from orchestrator.corpora.video.decoding import Image, decode
from orchestrator.errors import InputError
from orchestrator.process.extras import install_command

Boxes = NDArray[np.float64]

SEARCH_SIDE = 240  # pixels of the frame's shorter side while searching: the cascade needs faces of 24 or more
MIN_FACE = 0.2  # of the shorter side; a participant of a video call is nearer than that
SCALE_STEP = 1.1  # between the sizes that are tried; OpenCV's default
MIN_NEIGHBOURS = 5  # detections that must agree; OpenCV's default is 3, which sees faces in curtains
MARGIN = 1.2  # the cascade's box ends at the brows and the lips' rim; chin and raised brows belong to the face
MEDIAN_FRAMES = 25  # window of the running median: a second at 25 frames per second
CASCADE = "haarcascade_frontalface_default.xml"


def check_installed() -> None:
    """Raise InputError, which says how to install it, where OpenCV 4 with its cascades is not there."""
    _cascade()


def faces(source: VideoSource, side: int) -> Iterator[tuple[float, Image, bool]]:
    """Yield (seconds, image (S, S, 3) of the face, whether a face was found) for every frame.

    Where no face is found the box stays where it last was; before the first one it is the first one's, and in
    a video without any face the centred square. InputError as `decoding.decode`, and without OpenCV 4.
    """
    boxes, found = find_boxes(source)
    for index, (time, frame) in enumerate(decode(source)):
        yield time, cut_out(frame.to_ndarray(format="rgb24"), boxes[index], side), bool(found[index])


def find_boxes(source: VideoSource) -> tuple[Boxes, NDArray[np.bool_]]:
    """Find the face's box in every frame, smoothed over time: (N, 3), and where one was found: (N,)."""
    cascade, reformatter = _cascade(), VideoReformatter()
    boxes: list[tuple[float, float, float]] = []
    whole = (0.0, 0.0, 0.0)
    for _, frame in decode(source):
        whole = (frame.width / 2, frame.height / 2, float(min(frame.width, frame.height)))
        boxes.append(_largest_face(frame, cascade, reformatter))
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


def _largest_face(frame: Any, cascade: Any, reformatter: VideoReformatter) -> tuple[float, float, float]:
    """Return the box of the largest face in a frame, with its margin; three NaN where there is none."""
    scale = min(1.0, SEARCH_SIDE / min(frame.width, frame.height))
    width, height = round(frame.width * scale), round(frame.height * scale)
    grey = reformatter.reformat(
        frame, width=width, height=height, format="gray", interpolation=Interpolation.AREA
    ).to_ndarray()
    smallest = max(1, round(MIN_FACE * min(width, height)))
    found = cascade.detectMultiScale(
        grey, scaleFactor=SCALE_STEP, minNeighbors=MIN_NEIGHBOURS, minSize=(smallest, smallest)
    )
    if not len(found):
        return (float("nan"),) * 3
    x, y, w, h = max(found, key=lambda one: (one[2], -one[0]))
    return (x + w / 2) / scale, (y + h / 2) / scale, MARGIN * max(w, h) / scale


def _how_to_install() -> str:
    return f"{install_command('faces')} (OpenCV 4: opencv-python-headless<5)"


def _cascade() -> Any:
    try:
        cv2: Any = importlib.import_module("cv2")
    except ImportError as error:
        raise InputError.of("--face-crop haar", found="no OpenCV", expected=_how_to_install()) from error
    if not hasattr(cv2, "CascadeClassifier") or not hasattr(cv2, "data"):
        raise InputError.of(
            "--face-crop haar", found=f"OpenCV {cv2.__version__} without cascades", expected=_how_to_install()
        )
    file = Path(cv2.data.haarcascades) / CASCADE
    cascade = cv2.CascadeClassifier(str(file))
    if cascade.empty():
        raise InputError.of("--face-crop haar", found=f"no cascade at {file}", expected=_how_to_install())
    return cascade
