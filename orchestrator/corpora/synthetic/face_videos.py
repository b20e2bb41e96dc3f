"""The embedded corpus's videos: drawn faces as MP4, with the table of frame times that RECOLA has beside each.

Shapes: T frames of a face, S x S pixels.
"""

import io
from collections.abc import Iterator
from fractions import Fraction

import av
import numpy as np
from numpy.typing import NDArray

from models.seeds import seed_for
from orchestrator.corpora.synthetic import faces
from orchestrator.corpora.synthetic.facial_model import FacialActions

FACE_SIZE_DEFAULT = 64  # pixels: a third more than the demo's images
MIN_FACE_SIZE = 32
MAX_FACE_SIZE = 512
DROPPED_SHARE = 0.004  # of the frames, lost by the camera: 6 of a minute's 1500
TIMINGS_HEADER = "time in seconds"  # RECOLA's own spelling
# Quality 14 of 0-51 (smaller is better): compression must not hide a brow that moves by a pixel.
# Without x264's macroblock tree, which on small pictures reads memory nobody wrote: equal frames gave other bytes.
_ENCODER = {"crf": "14", "preset": "veryfast", "g": "50", "mbtree": "0"}


def video_files(
    face: FacialActions, *, size: int, seed: int, identity: float, folders: tuple[str, str]
) -> dict[str, bytes]:
    """Draw one participant's video and its timings, by their paths in the two `folders`.

    Frames are those of the feature rows: one every 1/hz, the first at 1/hz. A few are missing. The video's own
    clock runs on without them, as a camera's file does; only the timings tell when a frame was. Equal arguments
    give equal bytes.
    """
    videos, timings = folders
    looks = faces.appearance(face.participant, seed=seed, identity=identity)
    kept = _kept(face, seed)
    blocks = faces.render(face, looks, size=size, seed=seed)
    times = "".join(f"{moment:.6g}\n" for moment in np.round(face.time[kept], 6))
    return {
        f"{videos}/{face.participant}.mp4": _encoded(blocks, kept, size=size, hz=face.hz),
        f"{timings}/{face.participant}.csv": f"{TIMINGS_HEADER}\n{times}".encode(),
    }


def _kept(face: FacialActions, seed: int) -> NDArray[np.bool_]:
    """Return which frames (T,) the camera did not lose; labels' first row, at 0 s, has no frame."""
    generator = np.random.default_rng(seed_for(seed, "synthetic", face.participant, "dropped frames"))
    kept = np.asarray(generator.random(len(face.time)) >= DROPPED_SHARE)
    kept[0] = False
    kept[1] = True  # never a video without a frame
    return kept


def _encoded(blocks: Iterator[NDArray[np.uint8]], kept: NDArray[np.bool_], *, size: int, hz: float) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=_rate(hz), options=dict(_ENCODER))
        stream.width = stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.thread_count = 1  # equal bytes whatever the machine
        position = 0
        for block in blocks:
            for image in block[kept[position : position + len(block)]]:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            position += len(block)
        container.mux(stream.encode(None))
    return file.getvalue()


def _rate(hz: float) -> Fraction:
    return Fraction(hz).limit_denominator(1001)
