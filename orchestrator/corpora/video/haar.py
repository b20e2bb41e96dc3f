"""Finding faces by OpenCV's Haar cascade.

Viola and Jones, "Rapid object detection using a boosted cascade of simple features", CVPR 2001. OpenCV 5 may have no
cascades any more, hence the extra `faces` (opencv-python-headless<5).
"""

import importlib
from pathlib import Path
from typing import Any

from av.video.reformatter import Interpolation, VideoReformatter

from orchestrator.corpora.video.search import MARGIN, Box, largest, small_size, smallest_face
from orchestrator.errors import InputError
from orchestrator.process.extras import install_command

SCALE_STEP = 1.1  # between the sizes that are tried; OpenCV's default
MIN_NEIGHBOURS = 5  # detections that must agree; OpenCV's default is 3, which sees faces in curtains
CASCADE = "haarcascade_frontalface_default.xml"


class HaarFinder:
    """Finds the largest face of a frame; InputError, which says how to install it, without OpenCV 4's cascades."""

    def __init__(self) -> None:
        """Load the cascade."""
        self._cascade, self._reformatter = _cascade(), VideoReformatter()

    def __call__(self, frame: Any) -> Box:
        """Return the box of the largest face in a frame, with its margin; three NaN without one."""
        width, height, scale = small_size(frame)
        grey = self._reformatter.reformat(
            frame, width=width, height=height, format="gray", interpolation=Interpolation.AREA
        ).to_ndarray()
        smallest = smallest_face(width, height)
        found = self._cascade.detectMultiScale(
            grey, scaleFactor=SCALE_STEP, minNeighbors=MIN_NEIGHBOURS, minSize=(smallest, smallest)
        )
        return largest(found, MARGIN, scale)


def _how_to_install() -> str:
    install = f"{install_command('faces')} (OpenCV 4: opencv-python-headless<5)"
    return f"{install}; a new run may use --face-crop yunet, which OpenCV 5 has, too"


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
