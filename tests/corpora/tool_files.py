"""Files with the exact columns of the programs that measure faces.

Sources of the headers: OpenFace's wiki "Output Format"; Py-Feat's `Fex`; LibreFace's README; MediaPipe's blendshapes;
and, where it is said, files that the programs wrote. The numbers are made up here.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tests.corpora.writers import content, write_csv, write_ratings

OPENFACE_R = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 45)
OPENFACE_C = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 28, 45)
GAZE = (*(f"gaze_{eye}_{axis}" for eye in (0, 1) for axis in "xyz"), "gaze_angle_x", "gaze_angle_y")
POSE = ("pose_Tx", "pose_Ty", "pose_Tz", "pose_Rx", "pose_Ry", "pose_Rz")
LANDMARKS = tuple(f"{axis}_{n}" for axis in "xyXYZ" for n in range(68))
EYES = tuple(f"eye_lmk_{axis}_{n}" for axis in "xyXYZ" for n in range(56))
SHAPE = ("p_scale", "p_rx", "p_ry", "p_rz", "p_tx", "p_ty", *(f"p_{n}" for n in range(34)))
UNITS_OPENFACE = tuple(f"AU{u:02d}_r" for u in OPENFACE_R) + tuple(f"AU{u:02d}_c" for u in OPENFACE_C)
OPENFACE_2 = (
    *("frame", "face_id", "timestamp", "confidence", "success"),
    *(*GAZE, *EYES, *POSE, *LANDMARKS, *SHAPE, *UNITS_OPENFACE),
)
# As OpenFace 2.0 wrote one with `-gaze -pose -aus`: a blank before every name but the first.
OPENFACE_2_0 = ("frame", "face_id", "timestamp", "confidence", "success", *GAZE, *EYES, *POSE, *UNITS_OPENFACE)
OPENFACE_2_0 = (OPENFACE_2_0[0], *(f" {name}" for name in OPENFACE_2_0[1:]))
# OpenFace 1 has neither face_id nor gaze angles, and a blank before every name but the first.
OPENFACE_1 = ("frame", "timestamp", "confidence", "success", *GAZE[:6], *POSE, *LANDMARKS, *SHAPE, *UNITS_OPENFACE)
OPENFACE_1 = (OPENFACE_1[0], *(f" {name}" for name in OPENFACE_1[1:]))
PY_FEAT_UNITS = tuple(f"AU{u:02d}" for u in (1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 14, 15, 17, 20, 23, 24, 25, 26, 28, 43))
EMOTIONS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
PY_FEAT = (
    *("frame", "approx_time", "FaceRectX", "FaceRectY", "FaceRectWidth", "FaceRectHeight", "FaceScore"),
    *(f"{axis}_{n}" for axis in "xy" for n in range(68)),
    *("Pitch", "Roll", "Yaw", *PY_FEAT_UNITS, *EMOTIONS, "valence", "arousal", "Identity_1", "input"),
)
PY_FEAT_FACE = (
    *("FaceRectX", "FaceRectY", "FaceRectWidth", "FaceRectHeight", "FaceScore"),
    *(f"{axis}_{n}" for axis in "xy" for n in range(68)),
    *("Pitch", "Roll", "Yaw"),
)
# As Py-Feat 0.5 wrote its tests/data/001.csv, and 0.3 its Feat_Test.csv: no time, which came with 0.6.
PY_FEAT_0_5 = (*PY_FEAT_FACE, *PY_FEAT_UNITS, *EMOTIONS, "input", "frame")
PY_FEAT_0_3 = ("frame", *PY_FEAT_FACE[:-3], *PY_FEAT_UNITS, "Pitch", "Roll", "Yaw", *EMOTIONS, "input")
# As Py-Feat 2.0 wrote docs/data/news_sample/001.csv.
EMOTIONS_2 = ("Neutral", "Happy", "Sad", "Surprise", "Fear", "Disgust", "Anger")
GAZE_2 = ("gaze_pitch", "gaze_yaw", "gaze_angle")
BLENDSHAPES = (
    *("_neutral", "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight", "cheekPuff"),
    *("cheekSquintLeft", "cheekSquintRight", "eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft", "eyeLookDownRight"),
    *("eyeLookInLeft", "eyeLookInRight", "eyeLookOutLeft", "eyeLookOutRight", "eyeLookUpLeft", "eyeLookUpRight"),
    *("eyeSquintLeft", "eyeSquintRight", "eyeWideLeft", "eyeWideRight", "jawForward", "jawLeft", "jawOpen"),
    *("jawRight", "mouthClose", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft", "mouthFrownRight"),
    *("mouthFunnel", "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft", "mouthPressRight"),
    *("mouthPucker", "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper"),
    *("mouthSmileLeft", "mouthSmileRight", "mouthStretchLeft", "mouthStretchRight", "mouthUpperUpLeft"),
    *("mouthUpperUpRight", "noseSneerLeft", "noseSneerRight"),
)
PY_FEAT_2 = (
    *(*PY_FEAT_FACE, "X", "Y", "Z", *PY_FEAT_UNITS, *EMOTIONS_2, "valence", "arousal", *GAZE_2),
    *(*(f"Identity_{n}" for n in range(1, 513)), *(f"mesh_{axis}_{n}" for axis in "xyz" for n in range(478))),
    *(*BLENDSHAPES, "FrameHeight", "FrameWidth", "input", "frame", "approx_time", "Identity"),
)
LIBREFACE_DETECTED = (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24)
LIBREFACE_INTENSITY = (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26)
LIBREFACE = (
    *("frame_idx", "frame_time_in_ms", "lm_mp_0_x", "lm_mp_0_y", "lm_mp_0_z", "pitch", "yaw", "roll"),
    *("facial_expression", *(f"au_{u}" for u in LIBREFACE_DETECTED)),
    *(f"au_{u}_intensity" for u in LIBREFACE_INTENSITY),
)
MEDIAPIPE = (
    *("browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight", "cheekPuff"),
    *("jawOpen", "mouthSmileLeft", "mouthSmileRight", "noseSneerLeft", "noseSneerRight"),
)

NUM_ROWS = 60
HZ = 30.0


def write_tool(
    path: Path,
    names: Sequence[str],
    columns: Mapping[str, Sequence[object]],
    *,
    seed: int = 0,
    num_rows: int = NUM_ROWS,
) -> Path:
    """A file of a tool: the given columns, everything else random in 0 to 1 (presence: 0 or 1)."""
    generator = np.random.default_rng(seed)
    filled: list[Sequence[object]] = []
    for name in (name.strip() for name in names):
        values = np.round(generator.uniform(0, 1, num_rows), 3)
        binary = name.endswith("_c") or (name.startswith("au_") and name.count("_") == 1)
        filled.append(columns.get(name, (np.round(values) if binary else values).tolist()))
    return write_csv(path, names, list(zip(*filled, strict=True)))


def write_labels(root: Path, name: str) -> None:
    """Labels at 25 a second that reach past the features."""
    one = content(name, num_rows=80, raters=("r1", "r2"))
    for dimension in ("valence", "arousal"):
        write_ratings(root / "annotations" / dimension / f"{name}.csv", one, dimension)


def openface_clock(num_rows: int = NUM_ROWS) -> dict[str, Sequence[object]]:
    """Frames from 1, timestamps from 0, a face in every frame."""
    return {
        "frame": [*range(1, num_rows + 1)],
        "face_id": [0] * num_rows,
        "timestamp": np.round(np.arange(num_rows) / HZ, 3).tolist(),
        "confidence": [0.98] * num_rows,
        "success": [1] * num_rows,
    }
