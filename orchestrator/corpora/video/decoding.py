"""Frames out of a video file (PyAV) or a folder of PNG or JPEG frames, one at a time, in the order of their times.

They come as they are to be seen: turned, with square pixels (pictures.py).

Shapes: H x W a frame as it was filmed, S the side of the square that is kept.
"""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from orchestrator.corpora.findings import Findings
from orchestrator.corpora.recording import VideoSource
from orchestrator.corpora.tables.frame_rate import RATE_FILE, rate_of_file
from orchestrator.corpora.video.pictures import (
    UPRIGHT,
    Turn,
    as_seen,
    check_flat,
    picture_stream,
    pixel_shape,
    turn_of_frame,
    turn_of_image,
)
from orchestrator.corpora.video.videos import lacking_allowed
from orchestrator.errors import InputError

Image = NDArray[np.uint8]

IMAGE_CODECS = {".png": "png", ".jpg": "mjpeg", ".jpeg": "mjpeg"}
MIN_SIDE = 8  # pixels of a filmed frame; less is no picture of a face
MAX_SIDE = 8192  # beyond 8K: a damaged header rather than a camera
MAX_FRAMES = 1_000_000  # 11 hours at 25 frames per second
_NUMBER_IN_NAME = re.compile(r"(\d+(?:\.\d+)?)\D*$")  # the last number of a file's name without suffix


def decode(source: VideoSource) -> Iterator[tuple[float, Any]]:
    """Yield (seconds, `av.VideoFrame`) for every frame of a video or a folder of frames, in order.

    Seconds are the video's own clock from its start. In a folder they come from the files' names: `12.04.png`
    is at 12.04 s, `frame_0301.png` is frame 301 at the rate in `hz.txt` (301 / rate, as with feature files);
    with a timings file, or neither, they are just frame numbers. InputError: what is no video, ends early or
    is damaged, has no frame, absurd sizes or several of them, or does not say when its frames were.
    """
    if source.path.is_dir():
        yield from _decode_folder(source)
    elif source.path.is_file():
        yield from _decode_video(source.path)
    else:
        raise InputError.of(str(source.path), found="nothing there", expected="a video or a folder of frames")


def content_hash(source: VideoSource) -> str:
    """Hash what is decoded, as 64 hexadecimal digits: the video's or the frames' bytes and names, and the times'."""
    total = hashlib.sha256()
    for path in (*_content_files(source.path), *([source.timings] if source.timings else [])):
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").digest()
        inside_folder = source.path.is_dir() and path.parent == source.path
        total.update((path.name if inside_folder else "").encode() + b"\0" + digest)
    return total.hexdigest()


def how_seen(source: VideoSource) -> str | None:
    """Return what is done to the first picture of a video or folder so that it is seen the right way; None: nothing."""
    if source.path.is_dir():
        files = _image_files(source.path)
        return None if all(turn_of_image(one.read_bytes(), one) == UPRIGHT for one in files) else "they are turned"
    with _readable(source.path), av.open(str(source.path)) as container:
        stream = picture_stream(container, source.path)
        frame = next(container.decode(stream), None)
        if stream.index != container.streams.video[0].index:
            return "another stream of the file is taken"
        if pixel_shape(stream.sample_aspect_ratio, str(source.path)) != 1:
            return "their pixels are made square"
        upright = frame is None or turn_of_frame(frame, str(source.path)) == UPRIGHT
        return None if upright else "they are turned"


class Squares:
    """Turns frames into squares: the middle of each, scaled by FFmpeg. Keeps its scaler from frame to frame."""

    def __init__(self, side: int) -> None:
        """Squares of `side` x `side` pixels."""
        self._side = side
        self._reformatter = VideoReformatter()

    def __call__(self, frame: Any) -> Image:
        """Return the largest centred square of a frame as RGB, (S, S, 3); what lies beside it is cut off."""
        side = self._side
        scale = side / min(frame.width, frame.height)
        # Scaled as a whole, then cut: the same picture as cutting first, up to the rounding of the longer side.
        width, height = (max(side, round(length * scale)) for length in (frame.width, frame.height))
        small = self._reformatter.reformat(
            frame, width=width, height=height, format="rgb24", interpolation=Interpolation.BICUBIC
        )
        left, top = (width - side) // 2, (height - side) // 2
        return np.asarray(small.to_ndarray()[top : top + side, left : left + side], dtype=np.uint8)


def _content_files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    rate = path / RATE_FILE
    return [*_image_files(path), *([rate] if rate.is_file() else [])]


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Convert FFmpeg's errors into one that names the file."""
    try:
        yield
    except (av.FFmpegError, ValueError) as error:  # ValueError: names in it that are no UTF-8
        found = f"no readable video ({getattr(error, 'strerror', None) or error})"
        raise InputError.of(str(path), found=found, expected="a whole video that FFmpeg can decode") from error


def _decode_video(path: Path) -> Iterator[tuple[float, Any]]:
    with _readable(path):
        container = av.open(str(path))
    with container:
        stream = picture_stream(container, path)
        shape = pixel_shape(stream.sample_aspect_ratio, str(path))
        turn: Turn | None = None
        size = (stream.codec_context.width, stream.codec_context.height)
        check_size(path, *size)
        stream.codec_context.thread_count = 1  # recordings are decoded side by side; more would only get in the way
        start = (container.start_time or 0) / av.time_base
        count, frames = 0, container.decode(stream)
        while True:
            with _readable_from(path, count):
                frame = next(frames, None)
            if frame is None:
                break
            if frame.is_corrupt:
                raise InputError.of(f"{path}: frame {count + 1}", found="a damaged picture", expected="a whole video")
            _check_same_size(f"{path}: frame {count + 1}", (frame.width, frame.height), size)
            check_flat(frame, f"{path}: frame {count + 1}")
            own = turn_of_frame(frame, f"{path}: frame {count + 1}")
            turn = own if turn is None else turn
            if own != turn:
                raise InputError.of(
                    f"{path}: frame {count + 1}", found="a picture turned in another way", expected="one way for all"
                )
            yield (_seconds(frame, count, stream) - start), as_seen(frame, turn, shape)
            count += 1
            _check_count(path, count)
        if not count:
            raise InputError.of(str(path), found="a video without a frame", expected="at least one frame")
        if stream.frames - count > lacking_allowed(stream.frames):
            found = f"{count} of {stream.frames} frames (the file ends early)"
            raise InputError.of(str(path), found=found, expected="a whole video")


@contextmanager
def _readable_from(path: Path, count: int) -> Iterator[None]:
    try:
        yield
    except (av.FFmpegError, ValueError) as error:
        found = f"{getattr(error, 'strerror', None) or error} after {count} frames"
        raise InputError.of(str(path), found=found, expected="a whole video that FFmpeg can decode") from error


def _seconds(frame: Any, count: int, stream: Any) -> float:
    if frame.time is not None:
        return float(frame.time)
    rate = stream.average_rate
    if not rate:
        raise InputError.of(
            str(stream.container.name), found="frames without times", expected="a video with a clock, or a timings file"
        )
    return count / float(rate)


def _decode_folder(source: VideoSource) -> Iterator[tuple[float, Any]]:
    folder = source.path
    files = _image_files(folder)
    if not files:
        expected = f"frames: files named *{', *'.join(IMAGE_CODECS)} with a number"
        raise InputError.of(str(folder), found="a folder without a frame", expected=expected)
    _check_count(folder, len(files))
    times = _times_of_names(source, files)
    size: tuple[int, int] | None = None
    for time, file in zip(times, files, strict=True):
        frame = _decode_image(file)
        size = size or (frame.width, frame.height)
        check_size(file, *size)
        _check_same_size(str(file), (frame.width, frame.height), size)
        yield time, frame


def _image_files(folder: Path) -> list[Path]:
    files = [one for one in folder.iterdir() if one.suffix.lower() in IMAGE_CODECS and not one.name.startswith(".")]
    return sorted(files, key=lambda file: (_number(file), file.name))


def _number(file: Path) -> float:
    match = _NUMBER_IN_NAME.search(file.stem)
    return float(match[1]) if match else -1.0


def _times_of_names(source: VideoSource, files: list[Path]) -> list[float]:
    """Return the times of sorted frames from their names, or from their numbers and hz.txt."""
    numbers = [_number(file) for file in files]
    for file, (before, now) in zip(files[1:], pairwise(numbers), strict=True):
        if now == before:
            raise InputError.of(str(file), found=f"number {now:g} twice", expected="another number in each name")
    if numbers[0] < 0:
        raise InputError.of(str(files[0]), found="no number in the name", expected="a frame number, or seconds")
    timed = [file for file in files if "." in _NUMBER_IN_NAME.search(file.stem)[1]]  # type: ignore[index]
    if len(timed) == len(files) or source.timings:
        return numbers
    findings = Findings()
    hz = rate_of_file(source.path / RATE_FILE, findings)
    if findings.problems:
        raise InputError(findings.problems)
    if hz is None:
        expected = f"a timings file, seconds in the names (12.04.png), or a file {RATE_FILE} with frames per second"
        raise InputError.of(str(source.path), found="numbered frames without a clock", expected=expected)
    return [number / hz for number in numbers]


def _decode_image(file: Path) -> Any:
    codec = IMAGE_CODECS[file.suffix.lower()]
    # A decoder of its own for each: the one for PNG would add a picture to the one before it.
    decoder = av.CodecContext.create(codec, "r")
    decoder.options = {"max_pixels": str(MAX_SIDE**2)}
    decoder.thread_count = 1  # else the picture comes out some calls later
    data = file.read_bytes()
    try:
        frames = decoder.decode(av.Packet(data))
    except (av.FFmpegError, ValueError) as error:
        found = f"no readable picture ({getattr(error, 'strerror', None) or error})"
        expected = f"a whole {codec.upper()} picture of at most {MAX_SIDE} x {MAX_SIDE}"
        raise InputError.of(str(file), found=found, expected=expected) from error
    if len(frames) != 1 or frames[0].is_corrupt:
        found = "a damaged picture" if frames else "no picture"
        raise InputError.of(str(file), found=found, expected="a whole picture")
    return as_seen(frames[0], turn_of_image(data, file), pixel_shape(decoder.sample_aspect_ratio, str(file)))


def check_size(path: Path, width: int, height: int) -> None:
    """Refuse pictures of absurd sizes with an InputError."""
    if min(width, height) < MIN_SIDE or max(width, height) > MAX_SIDE:
        expected = f"sides of {MIN_SIDE} to {MAX_SIDE} pixels"
        raise InputError.of(str(path), found=f"pictures of {width} x {height}", expected=expected)


def _check_same_size(where: str, found: tuple[int, int], expected: tuple[int, int]) -> None:
    if found != expected:
        raise InputError.of(
            where,
            found=f"a picture of {found[0]} x {found[1]}",
            expected=f"{expected[0]} x {expected[1]}, like the first one",
        )


def _check_count(path: Path, count: int) -> None:
    if count > MAX_FRAMES:
        raise InputError.of(str(path), found=f"more than {MAX_FRAMES} frames", expected="a shorter video")
