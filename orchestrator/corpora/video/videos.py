"""Which video belongs to which recording, and the times of its frames where a table tells them.

Shapes: N frames of a video.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from orchestrator.corpora.findings import Findings
from orchestrator.corpora.folders import NO_RECORDINGS, OF_THE_CORPUS, pass_over
from orchestrator.corpora.names import composed
from orchestrator.corpora.recording import VideoSource
from orchestrator.corpora.source import Source
from orchestrator.corpora.tables.clock import clock_of, time_column
from orchestrator.corpora.tables.clocks import check_clock
from orchestrator.corpora.tables.delimited import read_delimited
from orchestrator.corpora.tables.frame_rate import IMAGE_SUFFIXES, VIDEO_SUFFIXES
from orchestrator.corpora.tables.packed import name_of, suffix_of
from orchestrator.errors import InputError, cut

# Decoders, and those who write timings, differ on a video's last frames; what lacks more is not whole.
FRAMES_LACKING_ALLOWED = 2
SHARE_LACKING_ALLOWED = 0.01


def find_videos(folder: Path | None, timings: Path | None, findings: Findings) -> dict[str, VideoSource]:
    """Return the videos, and the folders of frames, in a folder by their names without suffix.

    `timings` may hold a table `<name>.csv` for each. Nothing is opened: whoever wants action units only is not
    kept from them by a broken video. Of two videos of one name the first, sorted, is taken and noted.
    """
    found: dict[str, VideoSource] = {}
    if folder is None:
        return found
    for path in sorted(one for one in folder.iterdir() if not one.name.startswith(".")):
        name = composed(path.stem if path.is_file() else path.name)
        why = why_no_video(path)
        if why:
            if findings.options.current and name.lower() not in NO_RECORDINGS and path.name not in OF_THE_CORPUS:
                pass_over(path, why, findings)
            continue
        if name in found:
            findings.note(f"two videos of one name: {found[name].path.name} is used, {path.name} is not")
            continue
        found[name] = VideoSource(path=path, timings=_timings_of(name, timings))
    if findings.options.current and timings is not None and timings.is_dir():
        for path in sorted(timings.iterdir()):
            name = composed(name_of(path))
            if not (path.name.startswith(".") or name in found or name.lower() in NO_RECORDINGS):
                pass_over(path, "times of a video that is not there", findings)
    return found


def why_no_video(path: Path) -> str | None:
    """Return why a file or folder is neither a video nor a folder of frames; None if it is one."""
    if path.is_file():
        known = path.suffix.lower() in VIDEO_SUFFIXES
        return None if known else f"suffix {path.suffix or 'none'} is no video's that is read"
    frames = any(one.suffix.lower() in IMAGE_SUFFIXES for one in path.iterdir())
    inner = any(one.is_dir() for one in path.iterdir())
    return "a folder in a folder is not read: it holds no frames" if inner and not frames else None


def _timings_of(name: str, timings: Path | None) -> Path | None:
    for path in sorted(timings.iterdir()) if timings and timings.is_dir() else ():
        if composed(name_of(path)) == name and suffix_of(path) == ".csv":
            return path
    return None


def with_videos(sources: Sequence[Source], videos: Mapping[str, VideoSource]) -> list[Source]:
    """Name each recording's video, where there is one of the same name."""
    return [replace(source, video=videos.get(composed(source.track.name))) for source in sources]


def read_timings(path: Path, num_frames: int) -> NDArray[np.float64]:
    """Read the times (N,) in seconds of a video's frames from a table with one row per frame.

    The column is `time in seconds` in RECOLA's files; others' names for a time are known too. The table may
    have a few rows more or less than the video frames: min(N, rows) times come back. InputError for more, for
    no such column, a missing time, or times that go back (equal ones are let pass: cameras write them).
    """
    findings = Findings()
    columns = read_delimited(path, findings)
    if columns is None:
        raise InputError(findings.problems)
    if time_column((*columns.names, *columns.text)) is None:
        found = f"columns {', '.join(map(cut, (*columns.names, *columns.text)[:6]))}"
        raise InputError.of(columns.header, found=found, expected="a column `time in seconds`")
    clock = clock_of(columns, np.arange(len(columns)), path.stem, findings)
    if clock is None or not check_clock(path.stem, str(path), clock.time, clock.unit, findings):
        raise InputError(findings.problems)
    time = clock.time
    faults = np.flatnonzero(~np.isfinite(time))
    if len(faults):
        raise InputError.of(columns.where(int(faults[0])), found="no time", expected="a time in every row")
    faults = np.flatnonzero(np.diff(time) < 0) + 1
    if len(faults):
        found = f"time {time[faults[0]]:g} after {time[faults[0] - 1]:g}"
        raise InputError.of(columns.where(int(faults[0])), found=found, expected="times that do not go back")
    if abs(len(time) - num_frames) > lacking_allowed(num_frames):
        raise InputError.of(str(path), found=f"{len(time)} times", expected=f"one for each of {num_frames} frames")
    return time[:num_frames]


def lacking_allowed(num_frames: int) -> float:
    """How many frames a video or its timings may lack and still count as whole."""
    return max(FRAMES_LACKING_ALLOWED, SHARE_LACKING_ALLOWED * num_frames)
