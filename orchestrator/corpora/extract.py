"""Level 1's first step: action units out of video, by driving OpenFace's `FeatureExtraction` or Py-Feat.

One table per video, as the tool wrote it, in `OUT/features/`, where the `folder` corpus reads it. A video is
deleted only when asked for, and only after its table was read back whole and has a row for every frame.
"""

import csv
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Literal

import av

from orchestrator.corpora.folders import OF_THE_CORPUS, SYNTHETIC_MARKERS, is_marked_synthetic
from orchestrator.corpora.tables.frame_rate import VIDEO_SUFFIXES
from orchestrator.corpora.video.videos import why_no_video
from orchestrator.errors import InputError, Problem
from orchestrator.files import write_text
from orchestrator.process.extras import install_command

ToolName = Literal["openface", "py-feat"]

OPENFACE_PROGRAM = "FeatureExtraction"
OPENFACE_VARIABLE = "OPENFACE_FEATURE_EXTRACTION"
MARKED = "SYNTHETIC DATA: these tables were extracted from generated videos, not of people.\n"
TIMEOUT_SECONDS = 4 * 3600.0  # a video; Py-Feat without a GPU needs about a second a frame
# Decoders differ on a video's last frames; a table that lacks more is not whole.
MISSING_FRAMES_ALLOWED = 2
MISSING_SHARE_ALLOWED = 0.01
SHOWN_LINES = 5  # of what a failing tool said last

_OPENFACE_UNITS = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 45)  # OpenFace wiki, Action Units
_PY_FEAT_UNITS = (1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 14, 15, 17, 20, 23, 24, 25, 26, 28, 43)  # feat.pretrained
_HAS_PY_FEAT = "import importlib.util, sys; sys.exit(importlib.util.find_spec('feat') is None)"
# Runs in a process of its own: a crash or a hang in it costs one video, and it may be another Python.
# Py-Feat 2 calls its detector of action units Detectorv1, 0.6 has detect_video instead of data_type.
_RUN_PY_FEAT = """
import sys, feat
detector = getattr(feat, "Detectorv1", None) or feat.Detector
detector = detector()
video, table = sys.argv[1:]
if hasattr(detector, "detect_video"):
    result = detector.detect_video(video)
else:
    result = detector.detect(video, data_type="video")
result.to_csv(table, index=False)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extraction:
    """What became of each video."""

    done: tuple[Path, ...]  # tables written now
    skipped: tuple[Path, ...]  # whole tables that were there already
    discarded: tuple[Path, ...]  # videos deleted, each after its table was read back
    kept: tuple[Problem, ...]  # videos that were to be discarded and were not, though their table is there
    failed: tuple[Problem, ...]  # videos without a table
    left_out: tuple[str, ...] = ()  # what lies beside the videos and is none, and why


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tool:
    name: str
    command: Callable[[Path, Path], Sequence[str]]  # of a video and an empty folder; writes FOLDER/table.csv
    numbers: tuple[str, ...]  # columns that hold a finite number in every row
    columns: tuple[str, ...]  # columns that must be there
    one_face: bool  # one row per frame


@dataclass(slots=True)
class _Log:
    done: list[Path] = field(default_factory=list)
    skipped: list[Path] = field(default_factory=list)
    discarded: list[Path] = field(default_factory=list)
    kept: list[Problem] = field(default_factory=list)
    failed: list[Problem] = field(default_factory=list)


class _NotWholeError(Exception):
    """A table that is not all of its video."""


def extract(  # noqa: PLR0913
    source: Path,
    out: Path,
    *,
    tool: ToolName,
    discard_video: bool = False,
    executable: str | None = None,
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> Extraction:
    """Extract action units from one video or each video of a folder into `out/features/<name>.csv`.

    `executable` is OpenFace's program (else OPENFACE_FEATURE_EXTRACTION, else the PATH), or the Python that
    has Py-Feat (else this one). A video that fails, or takes longer than `timeout_seconds`, stays and is
    reported in `failed`; the others are done all the same. InputError before anything has run: no video, two
    of one name, no such tool, an `out` that cannot be written.
    """
    driver = _tool(tool, executable)
    videos = _videos(source)
    beside = _left_out(source)
    features = out / "features"
    try:
        features.mkdir(parents=True, exist_ok=True)
        if is_marked_synthetic(source):  # a tool's table cannot say it
            write_text(out / SYNTHETIC_MARKERS[0], MARKED)
    except OSError as error:
        raise InputError.of(
            "--out", found=f"{out}: {error.strerror}", expected="a folder that can be written"
        ) from error
    log = _Log()
    for video in videos:
        table = features / f"{video.stem}.csv"
        try:
            _extract_one(video, table, driver, timeout_seconds, log)
            if discard_video:
                _discard(video, table, driver, log)
        except (_NotWholeError, OSError, csv.Error) as error:
            expected = f"a whole table by {driver.name}"
            log.failed.append(Problem(where=str(video), found=str(error), expected=expected))
    return Extraction(
        done=tuple(log.done),
        skipped=tuple(log.skipped),
        discarded=tuple(log.discarded),
        kept=tuple(log.kept),
        failed=tuple(log.failed),
        left_out=beside,
    )


def _tool(name: str, executable: str | None) -> _Tool:
    makers: Mapping[str, Callable[[str | None], _Tool]] = {"openface": _openface, "py-feat": _py_feat}
    if name not in makers:
        raise InputError.of("--tool", found=name, expected=" or ".join(makers))
    return makers[name](executable)


def _openface(executable: str | None) -> _Tool:
    wanted = executable or os.environ.get(OPENFACE_VARIABLE) or OPENFACE_PROGRAM
    program = shutil.which(wanted)
    if program is None:
        raise InputError.of(
            "--executable" if executable else OPENFACE_VARIABLE,
            found=f"no program {wanted}",
            expected=f"OpenFace's {OPENFACE_PROGRAM} on the PATH, or its path in {OPENFACE_VARIABLE}",
        )
    program = str(Path(program).resolve())

    def command(video: Path, folder: Path) -> Sequence[str]:
        # OpenFace cuts what follows a dot off the name behind -of, so it is a plain word here.
        return (program, "-f", str(video), "-out_dir", str(folder), "-of", "table", "-aus", "-pose", "-gaze")

    numbers = ("frame", "timestamp", "confidence", "success", *(f"AU{unit:02}_r" for unit in _OPENFACE_UNITS))
    return _Tool(name="openface", command=command, numbers=numbers, columns=numbers, one_face=True)


def _py_feat(executable: str | None) -> _Tool:
    python = shutil.which(executable or sys.executable)
    if python is None or subprocess.run((python, "-c", _HAS_PY_FEAT), check=False).returncode:
        raise InputError.of(
            "--tool py-feat",
            found=f"no Py-Feat in {executable or 'this Python'}",
            expected=install_command("py-feat"),
        )

    def command(video: Path, folder: Path) -> Sequence[str]:
        return (python, "-c", _RUN_PY_FEAT, str(video), str(folder / "table.csv"))

    units = tuple(f"AU{unit:02}" for unit in _PY_FEAT_UNITS)
    # Where it sees no face Py-Feat leaves the units empty; where it sees several it writes a row for each.
    return _Tool(name="py-feat", command=command, numbers=("frame",), columns=("frame", *units), one_face=False)


def _videos(source: Path) -> tuple[Path, ...]:
    found = [source] if source.is_file() else sorted(source.iterdir()) if source.is_dir() else []
    videos = [path for path in found if path.is_file() and path.suffix.lower() in VIDEO_SUFFIXES]
    if not videos:
        what = "no such file or folder" if not source.exists() else "no video"
        expected = f"a video or a folder of videos ({' '.join(VIDEO_SUFFIXES)})"
        raise InputError.of(str(source), found=what, expected=expected)
    stems = [video.stem for video in videos]
    twice = [video for video in videos if stems.count(video.stem) > 1]
    if twice:
        raise InputError(
            Problem(where=str(video), found="another video of that name", expected="one video per recording")
            for video in twice
        )
    return tuple(video.absolute() for video in videos)  # not resolved: a link has its own name


def _left_out(source: Path) -> tuple[str, ...]:
    """Return a line for each file or folder beside the videos of a folder that is no video: nothing is extracted."""
    if not source.is_dir():
        return ()
    beside = [one for one in sorted(source.iterdir()) if not one.name.startswith(".")]
    others = [one for one in beside if one.name not in OF_THE_CORPUS and one.name not in SYNTHETIC_MARKERS]
    reasons = {one: "a folder, and only videos are extracted" if one.is_dir() else why_no_video(one) for one in others}
    return tuple(f"{one.name}: {why}" for one, why in reasons.items() if why)


def _extract_one(video: Path, table: Path, tool: _Tool, timeout_seconds: float, log: _Log) -> None:
    if table.exists():
        try:
            _check_frames(_read_whole(table, tool), _num_frames(video))
        except _NotWholeError as error:
            raise _NotWholeError(f"{table}, which was there already: {error}; move it away") from error
        log.skipped.append(table)
        return
    with tempfile.TemporaryDirectory(prefix=".extract-", dir=table.parent) as folder:
        _run(tool.command(video, Path(folder)), timeout_seconds, Path(folder) / "said.txt")
        written = Path(folder) / "table.csv"
        if not written.exists():
            said = _last_lines(Path(folder) / "said.txt")
            raise _NotWholeError(f"no table, though the tool ended without an error: {said}")
        _check_frames(_read_whole(written, tool), _num_frames(video))
        _to_disk(written)
        written.replace(table)
        _to_disk(table.parent)
    log.done.append(table)


def _run(command: Sequence[str], timeout_seconds: float, said: Path) -> None:
    """Run a tool to its end, or end it with all processes that it has started."""
    with said.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
        try:
            code = process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            raise _NotWholeError(f"no end after {timeout_seconds:g} s; last lines: {_last_lines(said)}") from None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    if code:
        raise _NotWholeError(f"exit code {code} of {Path(command[0]).name}; last lines: {_last_lines(said)}")


def _last_lines(said: Path) -> str:
    lines = [line.strip() for line in said.read_text(errors="replace").splitlines() if line.strip()]
    return " | ".join(lines[-SHOWN_LINES:]) or "(it said nothing)"


def _read_whole(table: Path, tool: _Tool) -> int:
    """Read every cell of a table and return its number of frames; _NotWholeError where anything is amiss."""
    with table.open(newline="", encoding="utf-8", errors="replace") as file:
        rows = csv.reader(file)
        header = [name.strip() for name in next(rows, [])]  # OpenFace 1 has blanks after its commas
        missing = [name for name in tool.columns if name not in header]
        if missing:
            raise _NotWholeError(f"a table without {', '.join(missing[:SHOWN_LINES])}")
        numbers = [header.index(name) for name in tool.numbers]
        frame = header.index("frame")
        frames = []
        for row in rows:
            if len(row) != len(header) or not all(_is_number(row[index]) for index in numbers):
                raise _NotWholeError(f"a broken row at line {rows.line_num}")
            frames.append(float(row[frame]))
    with table.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        if file.read() != b"\n":
            raise _NotWholeError("a table that ends in the middle of a row")
    backwards = any(b < a or (tool.one_face and b == a) for a, b in pairwise(frames))
    if backwards:
        raise _NotWholeError("frame numbers that do not rise")
    return len(set(frames))


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _check_frames(found: int, of_video: int | None) -> None:
    allowed = max(MISSING_FRAMES_ALLOWED, MISSING_SHARE_ALLOWED * of_video) if of_video else 0
    if not found or (of_video is not None and abs(of_video - found) > allowed):
        raise _NotWholeError(f"a table of {found} frames for a video of {of_video or 'unknown length'}")


def _num_frames(video: Path) -> int | None:
    """Count a video's frames without decoding them; None where PyAV cannot read it (the tool perhaps can)."""
    try:
        with av.open(str(video)) as container:
            return sum(1 for packet in container.demux(video=0) if packet.size)
    except (av.FFmpegError, IndexError):
        return None


def _discard(video: Path, table: Path, tool: _Tool, log: _Log) -> None:
    """Delete a video whose table, read once more from where it lies now, has exactly its frames."""
    if video.is_symlink():
        found, expected = f"a link to {video.readlink()}", "a file: the video behind a link is not ours to delete"
        log.kept.append(Problem(where=str(video), found=found, expected=expected))
        return
    in_table, in_video = _read_whole(table, tool), _num_frames(video)
    if in_table != in_video:
        found = f"{in_table} frames in the table, {in_video or 'an unknown number'} in the video"
        log.kept.append(Problem(where=str(video), found=found, expected="equal numbers before it is discarded"))
        return
    video.unlink()
    log.discarded.append(video)


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
