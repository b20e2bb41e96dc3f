"""The frame store: a recording's images, decoded once and then mapped into memory (docs/frames.md).

A store is a folder in the cache, keyed by the video's and the timings' contents, the image size and the crop:
images.u8 (the pixels, nothing else), frames.npy (a row per frame) and store.json.
Shapes: N frames of a video, S x S x 3 an image (RGB), T times asked for.
"""

import hashlib
import json
import os
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from orchestrator.corpora.align import DEFAULT_STEP_SECONDS, SAME_TIME_SECONDS, step_of
from orchestrator.corpora.cache import cache_folder, remove, written_to
from orchestrator.corpora.extraction.model_file import YUNET
from orchestrator.corpora.recording import Recording, VideoSource
from orchestrator.corpora.video import face_crop as cropping
from orchestrator.corpora.video.decoding import Image, Squares, content_hash, decode, how_seen
from orchestrator.corpora.video.videos import read_timings
from orchestrator.errors import InputError, Problem
from orchestrator.files import locked
from orchestrator.process.processors import num_processors

FaceCrop = Literal["none", "haar", "yunet"]

STORE_VERSION = 2  # to be raised whenever other bytes come out: the cache is keyed by it
MIN_IMAGE_SIZE = 16
MAX_IMAGE_SIZE = 1024

_IMAGES = "images.u8"
_FRAMES = "frames.npy"
_STORE = "store.json"
_checked: dict[
    Path, tuple[str | int, ...]
] = {}  # the images this process has gone through, and their file's state then
_ROW = np.dtype([("time", "<f8"), ("valid", "?"), ("crc32", "<u4")])


@dataclass(frozen=True, slots=True, kw_only=True)
class Frames:
    """The images of one recording. They are mapped read-only: nothing is in memory until it is looked at."""

    images: NDArray[np.uint8]  # (N, S, S, 3) RGB; a read-only np.memmap
    time: NDArray[np.float64]  # (N,) seconds, never decreasing
    valid: NDArray[np.bool_]  # (N,) False: a face was to be found and was not
    path: Path  # of the store

    def at(self, time: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Find the frame of each time (T,) as `align` does, and mask also those whose frame is not valid."""
        index, there = align(self.time, time)
        return index, there & self.valid[index]

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        """Travel between processes as a path, not as gigabytes of pixels."""
        return load_frames, (self.path,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A recording whose frames are ready: one line of progress."""

    recording: str
    frames: Frames
    done: int  # recordings gone through, with this one
    total: int


class _DamagedError(Exception):
    """A store that is not there or not whole."""


_DAMAGES = (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, _DamagedError)


def align(frame_time: NDArray[np.float64], time: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Find for each time (T,) the nearest of the frames (N,): index (T,), and whether there is one (T,).

    A frame counts within half of the video's own (median) step; where there is none the index is -1.
    """
    tolerance = (step_of(frame_time) or DEFAULT_STEP_SECONDS) / 2 + SAME_TIME_SECONDS
    after = np.clip(np.searchsorted(frame_time, time), 0, len(frame_time) - 1)
    before = np.maximum(after - 1, 0)
    earlier = np.abs(time - frame_time[before]) <= np.abs(frame_time[after] - time)
    nearest = np.where(earlier, before, after)
    valid = np.asarray(np.abs(frame_time[nearest] - time) <= tolerance)
    return np.where(valid, nearest, -1).astype(np.int64), valid


def open_frames(
    source: VideoSource, *, image_size: int, face_crop: FaceCrop = "none", cache: Path | None = None
) -> Frames:
    """Open the images of a video or a folder of frames, decoded first if the cache does not hold them.

    Images are the largest centred square, or with another crop the face's, scaled to `image_size` pixels per side.
    Times come from `source.timings` where there is one, else from the video. `cache` is the user's unless given. A
    damaged store is made anew; several callers at a time wait for the one that decodes. InputError for bad
    options, for anything amiss with the video or its timings, and for a cache that cannot be written.
    """
    _check_options(image_size, face_crop)
    folder = cache or cache_folder()
    try:
        identity = [STORE_VERSION, content_hash(source), image_size, face_crop, *_model_of(face_crop)]
    except OSError as error:
        where = str(error.filename or source.path)
        raise InputError.of(where, found=error.strerror or error, expected="a readable video") from error
    key = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:24]
    path = folder / f"frames-{key}"
    frames = _load_if_whole(path)  # without the lock: a store is whole as soon as it has its name
    if frames is not None:
        return frames
    with written_to(folder), locked(path.with_suffix(".lock")):
        frames = _load_if_whole(path)
        if frames is None:
            for leftover in (path, *folder.glob(f".{path.name}.*")):  # damaged, or of a writer that was killed
                remove(leftover)
            _write_store(path, source, image_size, face_crop)
        return frames or load_frames(path)


def check_seen_as_before(recordings: Sequence[Recording]) -> None:
    """Refuse videos whose pictures earlier versions took otherwise: lying, squeezed, from another stream (InputError).

    A run of those versions has results of such pictures; new ones would be of others.
    """
    problems = [
        Problem(
            where=str(one.video.path),
            found=f"pictures that are read differently since: {why}",
            expected="a new run; results of two ways of reading do not mix",
        )
        for one in recordings
        if one.video is not None and (why := how_seen(one.video)) is not None
    ]
    if problems:
        raise InputError(problems)


def prepare_all(
    recordings: Sequence[Recording],
    *,
    image_size: int,
    face_crop: FaceCrop = "none",
    cache: Path | None = None,
    workers: int | None = None,
) -> Iterator[Opened]:
    """Open every recording's frames, several at a time, yielding each as soon as it is ready.

    `workers` threads (one a core): decoding runs outside Python's lock. InputError at once for recordings
    without a video; after the last one for all videos that failed, each with its own reason.
    """
    _check_options(image_size, face_crop)
    lacking = [Problem(where=one.name, found="no video", expected="a video") for one in recordings if not one.video]
    if lacking:
        raise InputError(lacking)
    problems: dict[int, tuple[Problem, ...]] = {}
    pool = ThreadPoolExecutor(workers or num_processors(), thread_name_prefix="frames")
    try:
        waiting: dict[Future[Frames], int] = {
            pool.submit(open_frames, one.video, image_size=image_size, face_crop=face_crop, cache=cache): index
            for index, one in enumerate(recordings)
            if one.video
        }
        for done, future in enumerate(as_completed(waiting), 1):
            index = waiting[future]
            try:
                frames = future.result()
            except InputError as error:
                problems[index] = error.problems
            else:
                yield Opened(recording=recordings[index].name, frames=frames, done=done, total=len(waiting))
    finally:
        pool.shutdown(cancel_futures=True)
    if problems:
        raise InputError(dict.fromkeys(problem for _, one in sorted(problems.items()) for problem in one))


def load_frames(path: Path) -> Frames:
    """Map a finished store into memory; InputError if it is not there or not whole.

    Table and images are checked in full the first time that a process opens the store, and again when its files
    were changed since (0.3 to 0.5 s per GB).
    """
    try:
        return _load(path)
    except _DAMAGES as error:
        expected = "a whole frame store; it is made anew where its video is opened"
        raise InputError.of(str(path), found=f"a damaged or missing store ({error})", expected=expected) from error


def _load_if_whole(path: Path) -> Frames | None:
    try:
        return _load(path)
    except _DAMAGES:
        return None


def _load(path: Path) -> Frames:
    store = json.loads((path / _STORE).read_bytes())
    table_bytes = (path / _FRAMES).read_bytes()
    if hashlib.sha256(table_bytes).hexdigest() != store["sha256"]:
        raise _DamagedError(f"{_FRAMES} has changed")
    if store.get("name", path.name) != path.name:  # older stores do not have it
        raise _DamagedError(f"the store {store['name']}")
    table = np.load(path / _FRAMES, allow_pickle=False)
    side = int(store["image_size"])
    shape = (len(table), side, side, 3)
    size = (path / _IMAGES).stat().st_size
    if size != np.prod(shape, dtype=np.int64):
        raise _DamagedError(f"{_IMAGES} has {size} bytes")
    images = np.memmap(path / _IMAGES, dtype=np.uint8, mode="r", shape=shape)
    _check_images(path / _IMAGES, images, table["crc32"], store["sha256"])
    time, valid = (np.ascontiguousarray(table[name]) for name in ("time", "valid"))
    time.flags.writeable = valid.flags.writeable = False
    return Frames(images=images, time=time, valid=valid, path=path)


def _check_images(path: Path, images: NDArray[np.uint8], expected: NDArray[np.uint32], of_table: str) -> None:
    """Compare every frame with its checksum, once for each state of the file and of the table of checksums."""
    found = path.stat()
    state = (of_table, found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    if _checked.get(path) == state:
        return
    for index, checksum in enumerate(expected):
        if zlib.crc32(images[index].tobytes()) != checksum:
            raise _DamagedError(f"frame {index} of {_IMAGES} has changed")
    _checked[path] = state


def _write_store(path: Path, source: VideoSource, image_size: int, face_crop: FaceCrop) -> None:
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as temporary:
        store = Path(temporary) / "store"  # not the temporary folder itself, which is private to this user
        store.mkdir()
        rows = []
        with (store / _IMAGES).open("wb") as file:
            for time, image, valid in _images(source, image_size, face_crop):
                pixels = image.tobytes()
                file.write(pixels)
                rows.append((time, valid, zlib.crc32(pixels)))
            file.flush()
            table = _table(rows, source)
            file.truncate(len(table) * image_size * image_size * 3)
            os.fsync(file.fileno())
        np.save(store / _FRAMES, table)
        digest = hashlib.sha256((store / _FRAMES).read_bytes()).hexdigest()
        facts = {"version": STORE_VERSION, "image_size": image_size, "face_crop": face_crop, "sha256": digest}
        facts["name"] = path.name
        for model in _model_of(face_crop):
            facts["face_model"] = model
        (store / _STORE).write_text(json.dumps(facts) + "\n", encoding="utf-8")
        store.replace(path)


def _images(source: VideoSource, image_size: int, face_crop: FaceCrop) -> Iterator[tuple[float, Image, bool]]:
    if face_crop != "none":
        yield from cropping.faces(source, image_size, face_crop)
        return
    square = Squares(image_size)
    for time, frame in decode(source):
        yield time, square(frame), True


def _table(rows: list[tuple[float, bool, int]], source: VideoSource) -> NDArray[np.void]:
    table = np.array(rows, dtype=_ROW)
    if source.timings is not None:
        time = read_timings(source.timings, len(table))
        table = table[: len(time)]
        table["time"] = time
    elif (np.diff(table["time"]) < 0).any():
        late = int(np.flatnonzero(np.diff(table["time"]) < 0)[0]) + 2
        raise InputError.of(f"{source.path}: frame {late}", found="a time that goes back", expected="increasing times")
    return table


def _model_of(face_crop: str) -> list[str]:
    """Return the hash of the model file that finds faces, if there is one: other pictures come of another."""
    return [YUNET.sha256] if face_crop == "yunet" else []


def _check_options(image_size: int, face_crop: str) -> None:
    problems = []
    if not MIN_IMAGE_SIZE <= image_size <= MAX_IMAGE_SIZE:
        expected = f"{MIN_IMAGE_SIZE} to {MAX_IMAGE_SIZE} pixels"
        problems.append(Problem(where="--image-size", found=str(image_size), expected=expected))
    if face_crop not in get_args(FaceCrop):
        expected = " or ".join(get_args(FaceCrop))
        problems.append(Problem(where="--face-crop", found=str(face_crop), expected=expected))
    if problems:
        raise InputError(problems)
    if face_crop != "none":
        cropping.check_installed(face_crop)
