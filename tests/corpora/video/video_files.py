"""Small videos and pictures with known contents, written by PyAV."""

import struct
import zlib
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from orchestrator.corpora.recording import Recording
from orchestrator.corpora.video.frame_store import Frames, prepare_all

Image = NDArray[np.uint8]


def grey(level: int, width: int = 64, height: int = 64) -> Image:
    return np.full((height, width, 3), level, dtype=np.uint8)


def code(index: int) -> int:
    """The grey level of frame `index`: neighbours are 30 apart, far more than compression moves them."""
    return 40 + (index * 30) % 180


def coded(count: int) -> list[Image]:
    return [grey(code(index)) for index in range(count)]


def write_video(path: Path, images: Sequence[Image], *, hz: int = 25, **settings: str) -> Path:
    """An H.264 video, with frames that are stored out of order (B-frames); `settings` are the container's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", options=settings) as container:
        stream = container.add_stream("libx264", rate=hz, options={"crf": "12", "bf": "2", "g": "12", "mbtree": "0"})
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.thread_count = 1
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def write_picture(path: Path, image: Image) -> Path:
    """A PNG or JPEG, by its suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    codec, form = ("png", "rgb24") if path.suffix == ".png" else ("mjpeg", "yuvj444p")
    context = av.CodecContext.create(codec, "w")
    context.height, context.width = image.shape[:2]
    context.pix_fmt = form
    context.time_base = Fraction(1, 25)
    frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=form)
    frame.pts = 0
    path.write_bytes(b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)]))
    return path


def write_times(path: Path, times: Iterable[float], header: str = "time in seconds") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *(f"{time:g}" for time in times)]) + "\n")
    return path


def write_sound(path: Path) -> Path:
    """An MP4 with sound and no picture."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), dtype=np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def open_all(recordings: Sequence[Recording], *, image_size: int, cache: Path | None = None) -> dict[str, Frames]:
    """Open every recording's frames by the recordings' names, in their order."""
    found = {step.recording: step.frames for step in prepare_all(recordings, image_size=image_size, cache=cache)}
    return {recording.name: found[recording.name] for recording in recordings}


def marked() -> Image:
    """A dark picture, bright at its upper left, half bright at its upper right."""
    image = grey(20, 64, 48)
    image[:16, :16] = 230
    image[:16, -16:] = 130
    return image


def exif(orientation: int, order: str = "<") -> bytes:
    """A directory of EXIF with the orientation alone."""
    mark = b"II*\0" if order == "<" else b"MM\0*"
    entry = struct.pack(f"{order}HHIHH", 0x0112, 3, 1, orientation, 0)
    return mark + struct.pack(f"{order}IH", 8, 1) + entry + bytes(4)


def turned_photograph(path: Path, orientation: int, order: str = "<") -> Path:
    """A PNG or JPEG of `marked` whose EXIF says how it is turned; `order` is that of its bytes."""
    write_picture(path, marked())
    data = path.read_bytes()
    tiff = exif(orientation, order)
    if path.suffix == ".png":
        chunk = struct.pack(">I", len(tiff)) + b"eXIf" + tiff
        chunk += struct.pack(">I", zlib.crc32(b"eXIf" + tiff))
        path.write_bytes(data[:33] + chunk + data[33:])  # behind IHDR
    else:
        body = b"Exif\0\0" + tiff
        path.write_bytes(data[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[2:])
    return path
