"""Level 1's first step: features out of video, by an installed tool; one table per video.

Tables lie in `OUT/features/`, where the `folder` corpus reads them. A video is deleted only when asked for, and only
after its table was read back whole and has a row for every frame.
"""

import csv
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from orchestrator.corpora.extraction.chunks import remove_chunks
from orchestrator.corpora.extraction.progress import Progress, Show
from orchestrator.corpora.extraction.sources import left_out, videos_of
from orchestrator.corpora.extraction.tool import Job, Tool
from orchestrator.corpora.extraction.tool_names import AUTO
from orchestrator.corpora.extraction.tools import find_tool
from orchestrator.corpora.extraction.whole_table import NotWholeError, check_frames, num_frames, read_whole
from orchestrator.corpora.folders import SYNTHETIC_MARKERS, is_marked_synthetic
from orchestrator.errors import InputError, Problem
from orchestrator.files import write_text

FEATURES = "features"
MARKED = "SYNTHETIC DATA: these tables were extracted from generated videos, not of people.\n"
TIMEOUT_SECONDS = 4 * 3600.0  # a video or a chunk; Py-Feat without a GPU needs about a second a frame


@dataclass(frozen=True, slots=True, kw_only=True)
class Extraction:
    """What became of each video."""

    tool: str
    done: tuple[Path, ...]  # tables written now
    skipped: tuple[Path, ...]  # whole tables that were there already
    discarded: tuple[Path, ...]  # videos deleted, each after its table was read back
    kept: tuple[Problem, ...]  # videos that were to be discarded and were not, though their table is there
    failed: tuple[Problem, ...]  # videos without a table
    left_out: tuple[str, ...] = ()  # what lies beside the videos and is none, and why


@dataclass(slots=True)
class _Log:
    done: list[Path] = field(default_factory=list)
    skipped: list[Path] = field(default_factory=list)
    discarded: list[Path] = field(default_factory=list)
    kept: list[Problem] = field(default_factory=list)
    failed: list[Problem] = field(default_factory=list)


def extract(  # noqa: PLR0913
    source: Path,
    out: Path,
    *,
    tool: str = AUTO,
    discard_video: bool = False,
    executable: str | None = None,
    model_file: Path | None = None,
    timeout_seconds: float = TIMEOUT_SECONDS,
    show: Show | None = None,
) -> Extraction:
    """Extract features from one video or each video of a folder into `out/features/<name>.csv`.

    `source` is the video or the folder, `out` a folder; `tool`, `executable` and `model_file` as for
    `tools.find_tool`; `discard_video` deletes a video whose table is whole; `show` takes lines of progress.
    A video that fails, or takes longer than `timeout_seconds` (MediaPipe: a chunk), stays and is reported in `failed`;
    the others are done all the same.
    InputError before anything has run: no video, two of one name, no such tool, no model file, an `out` that cannot be
    written.
    """
    driver = find_tool(tool, executable, model_file, show)
    videos = videos_of(source)
    done = extract_with(driver, videos, out, discard_video=discard_video, timeout_seconds=timeout_seconds, show=show)
    return replace(done, left_out=left_out(source))


def extract_with(  # noqa: PLR0913
    driver: Tool,
    videos: Sequence[Path],
    out: Path,
    *,
    discard_video: bool = False,
    timeout_seconds: float = TIMEOUT_SECONDS,
    show: Show | None = None,
) -> Extraction:
    """Extract as `extract` does, by the tool `driver` from `videos` into `out`; the options are those of `extract`."""
    if show is not None:
        show(f"extracting by {driver.name}: {driver.about}")
    features = out / FEATURES
    try:
        features.mkdir(parents=True, exist_ok=True)
        if any(is_marked_synthetic(video) for video in videos):  # a tool's table cannot say it
            write_text(out / SYNTHETIC_MARKERS[0], MARKED)
    except OSError as error:
        raise InputError.of(
            "--output", found=f"{out}: {error.strerror}", expected="a folder that can be written"
        ) from error
    log, progress = _Log(), Progress(videos, show)
    for video in videos:
        table = features / f"{video.stem}.csv"
        progress.begin(video)
        try:
            _extract_one(video, table, driver, timeout_seconds, log, progress)
            if discard_video:
                _discard(video, table, driver, log)
        except InputError as error:  # of decoding: the file is named already
            log.failed += error.problems
        except (NotWholeError, OSError, csv.Error) as error:
            expected = f"a whole table by {driver.name}"
            log.failed.append(Problem(where=str(video), found=str(error), expected=expected))
    return Extraction(
        tool=driver.name,
        done=tuple(log.done),
        skipped=tuple(log.skipped),
        discarded=tuple(log.discarded),
        kept=tuple(log.kept),
        failed=tuple(log.failed),
    )


def _extract_one(  # noqa: PLR0913, PLR0917
    video: Path, table: Path, tool: Tool, timeout_seconds: float, log: _Log, progress: Progress
) -> None:
    if table.exists():
        try:
            frames = read_whole(table, tool.form)
            check_frames(frames, num_frames(video))
        except NotWholeError as error:
            raise NotWholeError(f"{table}, which was there already: {error}; move it away") from error
        log.skipped.append(table)
        progress.advance(frames, now=False)
        return
    told: list[int] = []

    def advanced(count: int, now: bool) -> None:
        told.append(count)
        progress.advance(count, now)

    with tempfile.TemporaryDirectory(prefix=".extract-", dir=table.parent) as folder:
        job = Job(video=video, table=table, folder=Path(folder), timeout_seconds=timeout_seconds, advanced=advanced)
        written = tool.write(job)
        frames = read_whole(written, tool.form)
        check_frames(frames, num_frames(video))
        _to_disk(written)
        written.replace(table)
        _to_disk(table.parent)
    remove_chunks(table)
    log.done.append(table)
    if not told:
        progress.advance(frames, now=True)


def _discard(video: Path, table: Path, tool: Tool, log: _Log) -> None:
    """Delete a video whose table, read once more from where it lies now, has exactly its frames."""
    if video.is_symlink():
        found, expected = f"a link to {video.readlink()}", "a file: the video behind a link is not ours to delete"
        log.kept.append(Problem(where=str(video), found=found, expected=expected))
        return
    in_table, in_video = read_whole(table, tool.form), num_frames(video)
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
