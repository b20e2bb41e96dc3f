"""The rate of frame numbers in files without times: what was said, a file `hz.txt`, or the video that they count."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from orchestrator.corpora.findings import Findings
from orchestrator.corpora.tables.columns import Columns
from orchestrator.corpora.tables.packed import name_of

OPTION = "--frame-rate"
RATE_FILE = "hz.txt"
VIDEO_SUFFIXES = (
    *(".mp4", ".avi", ".mov", ".mkv", ".webm", ".wmv", ".mpg", ".mpeg", ".m4v"),
    *(".mts", ".m2ts", ".ts", ".3gp", ".flv", ".ogv", ".vob"),
)
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")
VIDEOS_FOLDER = "videos"  # of one's own corpus, beside its features/


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameRate:
    """Frames per second, and who says so."""

    hz: float
    source: str


def stated_rate(path: Path, frame_rate: float | None, findings: Findings) -> FrameRate | None:
    """Return the rate that a person stated for the table at `path`: `frame_rate`, else `hz.txt` in its folder."""
    if frame_rate is not None:
        return FrameRate(hz=frame_rate, source=OPTION)
    hz = rate_of_file(path.parent / RATE_FILE, findings)
    return None if hz is None else FrameRate(hz=hz, source=RATE_FILE)


def rate_of_file(path: Path, findings: Findings) -> float | None:
    """Read frames per second from a file that holds one number; None without the file, or with a problem."""
    if not path.is_file():
        return None
    text = path.read_text(encoding="utf-8", errors="replace").strip()
    try:
        hz = float(text)
    except ValueError:
        hz = 0.0
    if 0 < hz < float("inf"):
        return hz
    findings.problem(f"{path}:1", found=repr(text[:40]), expected="frames per second, a positive number")
    return None


def rate_of_video(columns: Columns, rows: NDArray[np.intp]) -> FrameRate | None:
    """Return the mean rate of the video whose frames the rows count; None if none can be read.

    That is the file that the column `input` names (Py-Feat), or one of the table's own name; in the table's folder, or
    in `videos/` beside that folder. No other place is looked at, whatever path a table names.
    """
    column = columns.find_text("input")
    entries = (columns.text[column][row] for row in rows) if column is not None else ()
    named = Path(next(filter(None, entries), "").replace("\\", "/")).name  # a path of any system
    names = [named, *(name_of(columns.path) + suffix for suffix in VIDEO_SUFFIXES)]
    for folder in (columns.path.parent, columns.path.parent.parent / VIDEOS_FOLDER):
        for video in (folder / name for name in names if Path(name).suffix.lower() in VIDEO_SUFFIXES):
            hz = mean_rate(video) if video.is_file() else None
            if hz is not None:
                return FrameRate(hz=hz, source=f"the rate of {video.name}")
    return None


def mean_rate(video: Path) -> float | None:
    """Return the frames per second of a video; None for what is none: a table does not depend on it."""
    import av  # a quarter of what reading a corpus imports, and few tables need it

    from orchestrator.corpora.video.pictures import picture_stream

    try:
        with av.open(str(video)) as container:
            rate = picture_stream(container, video).average_rate
    except (av.FFmpegError, OSError, ValueError):  # an InputError is a ValueError
        return None
    return float(rate) if rate else None
