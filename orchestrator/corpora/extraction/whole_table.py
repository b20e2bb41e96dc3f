"""Whether a tool's table is all of its video: every cell read back, a row for every frame."""

import csv
import math
import os
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import av

# Decoders differ on a video's last frames; a table that lacks more is not whole.
MISSING_FRAMES_ALLOWED = 2
MISSING_SHARE_ALLOWED = 0.01
SHOWN_COLUMNS = 5  # ours: of those that are missing


@dataclass(frozen=True, slots=True, kw_only=True)
class TableForm:
    """What a tool's table has to be like."""

    numbers: tuple[str, ...]  # columns that hold a finite number in every row
    columns: tuple[str, ...]  # columns that must be there
    one_face: bool  # one row per frame


class NotWholeError(Exception):
    """A table that is not all of its video, or none."""


def read_whole(table: Path, form: TableForm) -> int:
    """Read every cell of a table and return its number of frames; NotWholeError if anything is amiss."""
    with table.open(newline="", encoding="utf-8", errors="replace") as file:
        rows = csv.reader(file)
        header = [name.strip() for name in next(rows, [])]  # OpenFace 1 has blanks after its commas
        missing = [name for name in form.columns if name not in header]
        if missing:
            raise NotWholeError(f"a table without {', '.join(missing[:SHOWN_COLUMNS])}")
        numbers = [header.index(name) for name in form.numbers]
        frame = header.index("frame")
        frames = []
        for row in rows:
            if len(row) != len(header) or not all(_is_number(row[index]) for index in numbers):
                raise NotWholeError(f"a broken row at line {rows.line_num}")
            frames.append(float(row[frame]))
    with table.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        if file.read() != b"\n":
            raise NotWholeError("a table that ends in the middle of a row")
    backwards = any(b < a or (form.one_face and b == a) for a, b in pairwise(frames))
    if backwards:
        raise NotWholeError("frame numbers that do not rise")
    return len(set(frames))


def check_frames(found: int, of_video: int | None) -> None:
    """Compare a table's frames with those of its video (None: not known); NotWholeError."""
    allowed = max(MISSING_FRAMES_ALLOWED, MISSING_SHARE_ALLOWED * of_video) if of_video else 0
    if not found or (of_video is not None and abs(of_video - found) > allowed):
        raise NotWholeError(f"a table of {found} frames for a video of {of_video or 'unknown length'}")


def num_frames(video: Path) -> int | None:
    """Count a video's frames without decoding them; None if PyAV cannot read it (the tool perhaps can)."""
    try:
        with av.open(str(video)) as container:
            return sum(1 for packet in container.demux(video=0) if packet.size)
    except (av.FFmpegError, IndexError):
        return None


def expected_frames(video: Path) -> int | None:
    """Return how many frames a video's head says that it has; None if it does not say it."""
    try:
        with av.open(str(video)) as container:
            stream = container.streams.video[0]
            seconds = (container.duration or 0) / av.time_base
            return int(stream.frames or seconds * float(stream.average_rate or 0)) or None
    except (av.FFmpegError, IndexError, ValueError):
        return None


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
