"""Finding faces by OpenCV's network YuNet.

Wu, Peng and Yu, "YuNet: a tiny millisecond-level face detector", Machine Intelligence Research 20, 2023. OpenCV from
4.8 on and its version 5 run the model file `face_detection_yunet_2023mar.onnx`, which is fetched once.
"""

import importlib
from pathlib import Path
from typing import Any

import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter

from orchestrator.corpora.extraction.model_file import YUNET, cached_file, keep_given
from orchestrator.corpora.video.search import MARGIN, Box, largest, small_size, smallest_face
from orchestrator.errors import InputError
from orchestrator.process.extras import install_command

NAME = "yunet"
OPTION, FILE_OPTION = f"--face-crop {NAME}", "--model-file"
MIN_SCORE = 0.9  # of a face; OpenCV's default


def keep_model(path: Path, face_crop: str | None) -> None:
    """Take the network's file from `path` instead of fetching it; InputError for other bytes, and for another crop."""
    if face_crop != NAME:
        raise InputError.of(FILE_OPTION, found=f"the face crop {face_crop or 'none'}", expected=OPTION)
    keep_given(YUNET, FILE_OPTION, path)


class YunetFinder:
    """Finds the largest face of a frame; InputError without OpenCV or the model file."""

    def __init__(self) -> None:
        """Load the network, fetched first if the cache does not hold it."""
        try:
            cv2: Any = importlib.import_module("cv2")
        except ImportError as error:
            raise InputError.of(OPTION, found="no OpenCV", expected=install_command("faces")) from error
        if not hasattr(cv2, "FaceDetectorYN"):
            found = f"OpenCV {cv2.__version__} without FaceDetectorYN"
            raise InputError.of(OPTION, found=found, expected=f"OpenCV from 4.8 on: {install_command('faces')}")
        path = cached_file(YUNET, OPTION, option=FILE_OPTION)
        try:
            self._network = cv2.FaceDetectorYN.create(str(path), "", (32, 32), MIN_SCORE)
        except cv2.error as error:
            found = f"a file that OpenCV {cv2.__version__} cannot load ({str(error).splitlines()[0]})"
            raise InputError.of(str(path), found=found, expected="the model of YuNet") from error
        self._reformatter = VideoReformatter()

    def __call__(self, frame: Any) -> Box:
        """Return the box of the largest face in a frame, with its margin; three NaN without one."""
        width, height, scale = small_size(frame)
        picture = self._reformatter.reformat(
            frame, width=width, height=height, format="bgr24", interpolation=Interpolation.AREA
        ).to_ndarray()
        self._network.setInputSize((width, height))
        _, faces = self._network.detect(picture)
        boxes = np.zeros((0, 4)) if faces is None else np.asarray(faces, dtype=np.float64)[:, :4]
        large = boxes[boxes[:, 2:].max(axis=1) >= smallest_face(width, height)]
        return largest(large, MARGIN, scale)
