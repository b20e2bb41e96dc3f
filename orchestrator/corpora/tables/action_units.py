"""The names and ranges of facial action units, and what the files of the tools in use look like.

Names are made canonical (AU01); values are never rescaled: a tool's range is declared and reported.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from orchestrator.corpora.tables.time_names import unit_of_name

TIMES_IN_SECONDS = (
    "time",
    "timestamp",
    "time in seconds",
    "time_in_seconds",
    "time_seconds",
    "frametime",
    "approx_time",
)
TIMES_IN_MILLISECONDS = ("frame_time_in_ms", "timestamp_ms", "time_ms")
FRAMES = ("frame", "frame_idx")
CONFIDENCES = (
    "confidence",
    "FaceScore",
    "Face_detection_probability",
    "VIDEO_40_LLD_Face_detection_probability",
)
MIN_CONFIDENCE = 0.5  # ours: a face that is less likely than not counts as absent
FACE_IDS = ("face_id",)
# Never features, and not worth a remark: the row's address, its quality, its labels' flags.
BOOKKEEPING = frozenset(
    name.lower()
    for name in (
        *(*TIMES_IN_SECONDS, *TIMES_IN_MILLISECONDS, *FRAMES, *CONFIDENCES, *FACE_IDS),
        *("success", "valid", "synthetic", "participant", "session", "instance_name", "name", "input"),
    )
)
_UNIT = re.compile(r"AU_?0*(\d{1,2})(_r|_c|_intensity)?(_delta)?", re.IGNORECASE)
_RECOLA_PREFIX = "VIDEO_40_LLD_"
_NOT_FEATURES = (
    (re.compile(r"(valence|arousal)(_.*)?", re.IGNORECASE), "an estimate or a label, not a feature"),
    (re.compile(r"Identity(_\d+)?"), "says who the person is"),
)
_NOT_ACTIONS = (
    (re.compile(r"([xyz]|[XYZ]|eye_lmk_[xyzXYZ]|mesh_[xyz]|lm_mp)_\d+(_[xyz])?"), "landmarks, not actions"),
    (re.compile(r"p_(scale|[rt][xyz]|\d+)"), "the shape of the face, not its actions"),
    (re.compile(r"FaceRect(X|Y|Width|Height)"), "the face's place in the picture"),
    (re.compile(r"Frame(Height|Width)"), "the size of the picture"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A program that writes action units: how its files are recognised, and the ranges that it declares."""

    name: str
    marks: frozenset[str]  # columns that are all there, stripped
    units: tuple[float, float] | None  # the range of its intensities; None: not declared

    def range_of(self, name: str) -> tuple[float, float] | None:
        """Return the declared range of a canonical feature name, None if there is none."""
        if name.endswith("_delta") or not name.startswith("AU"):
            return None
        return (0.0, 1.0) if name.endswith("_c") else self.units


PLAIN = Tool(name="plain table", marks=frozenset(), units=None)
TOOLS = (  # the first whose marks are all there
    Tool(name="OpenFace 3", marks=frozenset(["face_id", "confidence", "gaze_yaw", "gaze_pitch", "AU26"]), units=None),
    Tool(name="OpenFace 2", marks=frozenset(["face_id", "timestamp", "success", "AU01_r"]), units=(0.0, 5.0)),
    Tool(name="OpenFace 1", marks=frozenset(["timestamp", "success", "AU01_r"]), units=(0.0, 5.0)),
    Tool(name="LibreFace", marks=frozenset(["frame_time_in_ms", "au_1_intensity"]), units=(0.0, 5.0)),
    Tool(name="Py-Feat", marks=frozenset(["FaceScore", "AU01"]), units=(0.0, 1.0)),
    Tool(name="MediaPipe", marks=frozenset(["browDownLeft", "noseSneerRight"]), units=None),
    Tool(name="RECOLA", marks=frozenset(["VIDEO_40_LLD_AU1"]), units=None),
    PLAIN,
)


def is_bookkeeping(name: str) -> bool:
    """Whether a column is a row's address or quality by its name, times with a unit such as `Time (ms)` among them."""
    return name.lower() in BOOKKEEPING or unit_of_name(name) is not None


def tool_of(names: Sequence[str]) -> Tool:
    """Recognise the program that wrote a file by its columns; `PLAIN` where none is known."""
    return next(tool for tool in TOOLS if tool.marks <= set(names))


@lru_cache(maxsize=1 << 16)  # a table of many people asks for each of them
def canonical_name(name: str, tool: Tool) -> str:
    """Return a feature's canonical name: AU01, AU01_delta, AU01_c (present or not); others keep theirs."""
    bare = name.removeprefix(_RECOLA_PREFIX)
    match = _UNIT.fullmatch(bare)
    if match is None:
        return bare
    unit, kind, delta = f"AU{int(match[1]):02d}", (match[2] or "").lower(), (match[3] or "").lower()
    # LibreFace writes whether a unit is there as au_1, and how strong it is as au_1_intensity.
    presence = kind == "_c" or (tool.name == "LibreFace" and not kind)
    return unit + ("_c" if presence else "") + delta


@lru_cache(maxsize=1 << 16)
def why_no_feature(name: str) -> str | None:
    """Return why a column is no feature whatever is asked for ("" for bookkeeping); None if it may be one."""
    if is_bookkeeping(name):
        return ""
    return next((why for pattern, why in _NOT_FEATURES if pattern.fullmatch(name)), None)


def why_no_action(name: str, tool: Tool) -> str | None:
    """Return why a column is a feature only on request; None if it is one by default."""
    patterns = () if tool is PLAIN else _NOT_ACTIONS
    return next((why for pattern, why in patterns if pattern.fullmatch(name)), None)
