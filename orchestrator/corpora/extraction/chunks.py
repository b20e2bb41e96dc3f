"""A video's table in chunks of frames, each kept as soon as it is whole; a later run goes on at the first missing one.

A chunk's rows depend on the video, the tool and the chunk's place alone: however often a run is broken off, the same
bytes come out.
"""

import hashlib
import json
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from orchestrator.corpora.cache import read_checked, remove, write_checked
from orchestrator.corpora.extraction.tool import PROGRAM_TABLE, Job
from orchestrator.corpora.extraction.whole_table import NotWholeError
from orchestrator.corpora.recording import VideoSource
from orchestrator.corpora.video.decoding import content_hash, decode

CHUNK_FRAMES = 1500  # ours: a minute at 25 frames per second; starting a tool takes a second or two
WARM_UP_FRAMES = 25  # ours: a second before a chunk, for tools that follow a face from frame to frame
CHUNKS_VERSION = 1  # to be raised whenever other rows come out
KEY_DIGITS = 16


class Asked(Protocol):
    """A tool that is asked frame by frame."""

    def __enter__(self) -> "Asked":
        """Begin."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""

    def row(self, index: int, seconds: float, frame: Any) -> str:
        """Return a frame's row of the table with its line end; NotWholeError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunked:
    """A tool that works chunk by chunk."""

    identity: str  # of all that decides its answers
    columns: tuple[str, ...]
    begin: Callable[[], Asked]  # called for each chunk


def write_in_chunks(job: Job, tool: Chunked) -> Path:
    """Write a video's table, chunk by chunk, and return where it lies; InputError, NotWholeError.

    Whole chunks stay beside the table's place in a hidden folder until `remove_chunks` is called.
    """
    identity = json.dumps([CHUNKS_VERSION, CHUNK_FRAMES, WARM_UP_FRAMES, tool.identity, list(tool.columns)])
    identity += content_hash(VideoSource(path=job.video))
    key = hashlib.sha256(identity.encode()).hexdigest()[:KEY_DIGITS]
    place = job.table.with_name(f"{_prefix(job.table)}{key}")
    place.mkdir(exist_ok=True)
    try:
        files = _write_all(job, tool, place, identity)
    finally:
        if not any(place.iterdir()):  # not even a chunk
            place.rmdir()
    table = job.folder / PROGRAM_TABLE
    with table.open("wb") as file:
        file.write((",".join(tool.columns) + "\n").encode())
        for index, one in enumerate(files):
            content = read_checked(one, f"{identity} {index}")
            if content is None:
                raise NotWholeError(f"chunk {one}, which was damaged meanwhile")
            file.write(content)
    return table


def remove_chunks(table: Path) -> None:
    """Remove all chunks of a table, also of another content of its video or another tool."""
    for place in table.parent.iterdir():
        if place.name.startswith(_prefix(table)):
            remove(place)


def _prefix(table: Path) -> str:
    return f".{table.stem}.chunks-"


def _write_all(job: Job, tool: Chunked, place: Path, identity: str) -> Sequence[Path]:
    """Go through the video once, and write each chunk that is not there whole."""
    files: list[Path] = []
    before: deque[tuple[float, Any]] = deque(maxlen=WARM_UP_FRAMES)
    rows: list[str] = []
    known, count, last = False, 0, float("-inf")
    with ExitStack() as stack:
        asked: Asked | None = None

        def finish() -> None:
            if not known:
                write_checked(files[-1], "".join(rows).encode(), f"{identity} {len(files) - 1}")
            stack.close()
            job.advanced(count, not known)

        for index, (seconds, frame) in enumerate(decode(VideoSource(path=job.video))):
            if seconds <= last:
                raise NotWholeError(f"frame {index + 1} at {seconds:g} s, after one at {last:g} s")
            if index % CHUNK_FRAMES == 0:
                if files:
                    finish()
                files.append(place / f"{index // CHUNK_FRAMES:06}.csv")
                known = read_checked(files[-1], f"{identity} {len(files) - 1}") is not None
                asked = None if known else stack.enter_context(tool.begin())
                rows, count = [], 0
                for earlier_seconds, earlier in before if asked is not None else ():
                    asked.row(index, earlier_seconds, earlier)  # type: ignore[union-attr]
            if asked is not None:
                rows.append(asked.row(index, seconds, frame))
            count, last = count + 1, seconds
            before.append((seconds, frame))
        finish()
    return files
