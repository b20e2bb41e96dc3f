"""A synthetic participant's files as `data extract` leaves them: a tool's table, and labels beside it.

Columns that the facial model does not have are made of those that it has, by weights that are ours and say nothing of
real faces (docs/synthetic.md). Shapes: T frames, A = 20 facial actions, C columns of the tool, R = 6 raters.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.corpora.extraction import landmarker, openface, py_feat
from orchestrator.corpora.extraction.tool_names import MEDIAPIPE, OPENFACE, PY_FEAT
from orchestrator.corpora.synthetic.facial_model import ACTIONS, POSE, POSE_RANGE, RATERS, UNIT_RANGE, FacialActions
from orchestrator.corpora.synthetic.numerals import rows_as_text, times_as_text
from orchestrator.corpora.synthetic.processes import Array, seeded_generator
from orchestrator.corpora.synthetic.recola_files import label_files
from orchestrator.corpora.tables.frame_rate import RATE_FILE, VIDEOS_FOLDER

VIDEOS, TIMINGS = VIDEOS_FOLDER, "timings"
BLINK = "blink"  # 0 open to full range closed, beside the units and `+Yaw`, `-Yaw`: the parts of a pose by its sign
# What a unit that the facial model lacks is made of, in its intensities.
OTHER_UNITS: Mapping[str, Mapping[str, float]] = {
    "AU10": {"AU9": 0.5, "AU11": 0.5},
    "AU14": {"AU12": 0.3, "AU24": 0.5},
    "AU26": {"AU25": 0.7},
    "AU28": {"AU23": 0.5},
    "AU43": {BLINK: 1.0},
    "AU45": {BLINK: 1.0},
}
# Of the blendshapes that come as a left and a right one, the name without the side; what is not named here is noise.
SHAPES: Mapping[str, Mapping[str, float]] = {
    "browDown": {"AU4": 1.0},
    "browInnerUp": {"AU1": 0.7, "AU2": 0.3},
    "browOuterUp": {"AU2": 1.0},
    "cheekSquint": {"AU6": 1.0},
    "eyeBlink": {BLINK: 1.0},
    "eyeLookDown": {"-Pitch": 1.0},
    "eyeLookUp": {"+Pitch": 1.0},
    "eyeSquint": {"AU7": 1.0},
    "eyeWide": {"AU5": 1.0},
    "jawOpen": {"AU25": 0.7},
    "mouthDimple": OTHER_UNITS["AU14"],
    "mouthFrown": {"AU15": 1.0},
    "mouthLowerDown": {"AU25": 0.5},
    "mouthPress": {"AU24": 1.0},
    "mouthPucker": {"AU23": 0.3},
    "mouthRollLower": {"AU23": 0.5},
    "mouthRollUpper": {"AU23": 0.5},
    "mouthShrugLower": {"AU17": 1.0},
    "mouthShrugUpper": {"AU17": 0.6},
    "mouthSmile": {"AU12": 1.0},
    "mouthStretch": {"AU20": 1.0},
    "mouthUpperUp": OTHER_UNITS["AU10"],
    "noseSneer": {"AU9": 1.0},
}
# The eyes look where the head turns: a positive yaw is to the left of the person.
_SIDEWAYS = {"eyeLookOutLeft": "+Yaw", "eyeLookInRight": "+Yaw", "eyeLookInLeft": "-Yaw", "eyeLookOutRight": "-Yaw"}
# Of each column by itself, in intensities: left and right differ, and a network learns which columns say nothing.
COLUMN_NOISE = 0.25
_PRESENT = 1.0  # ours: the intensity from which a unit counts as there
_TRACKED = 0.98  # ours: the confidence of a face that was found
_DECIMALS = 3
_ACTION_LIMIT = round(POSE_RANGE[1])  # the largest number of any table


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """A tool's table of one participant: what each row begins with, the names of all columns, values (T, C)."""

    begins: NDArray[np.bytes_]
    columns: tuple[str, ...]
    values: Array


def participant_files(
    face: FacialActions, measured_ta: Array, ratings_tr2: Array, *, tool: str, seed: int
) -> dict[str, bytes]:
    """Return a table of `tool` and labels as CSV, by their paths in a folder; features begin with the second frame.

    Frames without a face are as the tool writes them. Labels are (T, R, 2), one row more than the features.
    """
    times = times_as_text(face.time)
    table = _TABLES[tool](_Sources(face, measured_ta[1:], seeded_generator(seed, face.participant, tool)), times[1:])
    begin = ",".join(table.columns).encode() + b"\n"
    rows = rows_as_text(table.begins, table.values, decimals=_DECIMALS, limit=_ACTION_LIMIT, separator=",", missing="")
    files = {f"features/{face.participant}.csv": begin + rows}
    if tool == PY_FEAT:  # its tables count frames
        files[f"features/{RATE_FILE}"] = f"{face.hz:.10g}\n".encode()
    labels = label_files(face, ratings_tr2, separator=",", header=f"time,{','.join(RATERS)}")
    return files | {f"annotations/{name}": content for name, content in labels.items()}


class _Sources:
    """What columns are made of, each (T,) on the units' range: units, a closed eye, parts of the pose by their sign."""

    def __init__(self, face: FacialActions, measured_ta: Array, generator: np.random.Generator) -> None:
        self.measured_ta = measured_ta
        self.lost = np.isnan(measured_ta[:, 0])
        top, widest = UNIT_RANGE[1], POSE_RANGE[1]
        by_name = {name: measured_ta[:, index] for index, name in enumerate(ACTIONS)}
        turned = {
            f"{sign}{name}": np.clip(factor * by_name[name], 0.0, widest) * (top / widest)
            for name in POSE
            for sign, factor in (("+", 1.0), ("-", -1.0))
        }
        self._by_name = {**by_name, **turned, BLINK: np.where(self.lost, np.nan, face.blink[1:] * top)}
        self._generator = generator

    def mixed(self, weights: Iterable[Mapping[str, float]]) -> Array:
        """Compute columns (T, C) as weighted sums and a little noise, cut to the units' range; NaN without a face."""
        noise = np.where(self.lost, np.nan, 0.0)
        columns = [sum((share * self._by_name[name] for name, share in one.items()), noise) for one in weights]
        values = np.stack(columns, axis=1)
        mixed: Array = values + COLUMN_NOISE * self._generator.standard_normal(values.shape)
        return mixed.clip(*UNIT_RANGE)

    def pose(self, *names: str) -> Array:
        """Return parts of the pose in degrees (T, C)."""
        return self.measured_ta[:, [ACTIONS.index(name) for name in names]]


def _openface(sources: _Sources, times: NDArray[np.bytes_]) -> _Table:
    """OpenFace 2: intensities 0 to 5, whether each unit is there, the head in radians; all 0 without a face."""
    units = sources.mixed(_unit(f"AU{unit}") for unit in openface.UNITS)
    present = sources.mixed(_unit(f"AU{unit}") for unit in openface.PRESENT_UNITS) >= _PRESENT
    pose = np.radians(sources.pose("Pitch", "Yaw", "Roll"))
    quality = [f",{0 if gone else _TRACKED},{int(not gone)}".encode() for gone in sources.lost]
    return _Table(
        begins=_begins([f"{frame},0,".encode() for frame in range(1, len(times) + 1)], times, quality),
        columns=(
            *("frame", "face_id", "timestamp", "confidence", "success", "pose_Rx", "pose_Ry", "pose_Rz"),
            *(f"AU{unit:02}_r" for unit in openface.UNITS),
            *(f"AU{unit:02}_c" for unit in openface.PRESENT_UNITS),
        ),
        values=np.nan_to_num(np.concatenate([pose, units, present], axis=1), nan=0.0),
    )


def _py_feat(sources: _Sources, times: NDArray[np.bytes_]) -> _Table:
    """Py-Feat: intensities 0 to 1 and the head in degrees; empty without a face; rows count frames from 0 s on."""
    units = sources.mixed(_unit(f"AU{unit}") for unit in py_feat.UNITS) / UNIT_RANGE[1]
    score = np.where(sources.lost, np.nan, _TRACKED)[:, None]
    return _Table(
        begins=np.array([f"{frame}".encode() for frame in range(1, len(times) + 1)], dtype=np.bytes_),
        columns=("frame", "FaceScore", *(f"AU{unit:02}" for unit in py_feat.UNITS), "Pitch", "Roll", "Yaw"),
        values=np.concatenate([score, units, sources.pose("Pitch", "Roll", "Yaw")], axis=1),
    )


def _mediapipe(sources: _Sources, times: NDArray[np.bytes_]) -> _Table:
    """MediaPipe, as `data extract` writes it: 52 blendshapes from 0 to 1, empty without a face."""
    found = [f",{int(not gone)}".encode() for gone in sources.lost]
    return _Table(
        begins=_begins([f"{frame},".encode() for frame in range(len(times))], times, found),
        columns=landmarker.COLUMNS,
        values=sources.mixed(map(_shape, landmarker.BLENDSHAPES)) / UNIT_RANGE[1],
    )


_TABLES = {OPENFACE: _openface, PY_FEAT: _py_feat, MEDIAPIPE: _mediapipe}


def _unit(name: str) -> Mapping[str, float]:
    return OTHER_UNITS.get(name, {name: 1.0})


def _shape(name: str) -> Mapping[str, float]:
    if name in _SIDEWAYS:
        return {_SIDEWAYS[name]: 1.0}
    return SHAPES.get(name.removesuffix("Left").removesuffix("Right"), {})


def _begins(*parts: Iterable[bytes]) -> NDArray[np.bytes_]:
    return np.array([b"".join(cells) for cells in zip(*parts, strict=True)], dtype=np.bytes_)
