"""Input of a given length for measurements: a table of features, or a video, of noise."""

from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np

MADE_UP_HZ = 25


def write_features(path: Path, names: Sequence[str], num_frames: int, *, seed: int) -> None:
    """Write a CSV file with a time and noise between 0 and 1 in every column."""
    values = np.random.default_rng(seed).random((num_frames, len(names)))
    rows = (f"{t / MADE_UP_HZ:.2f}," + ",".join(f"{value:.4f}" for value in row) for t, row in enumerate(values))
    path.write_text("\n".join([",".join(["time", *names]), *rows]) + "\n", encoding="utf-8")


def write_video(path: Path, side: int, num_frames: int, *, seed: int) -> None:
    """Write an MP4 file of coarse noise, `side` rounded up to an even number of pixels."""
    generator = np.random.default_rng(seed)
    even = side + side % 2
    blocks = -(-even // 8)
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=MADE_UP_HZ, options={"preset": "ultrafast"})
        stream.width = stream.height = even
        stream.pix_fmt = "yuv420p"
        for _ in range(num_frames):
            coarse = generator.integers(0, 256, (blocks, blocks, 3), dtype=np.uint8)
            image = np.ascontiguousarray(coarse.repeat(8, axis=0).repeat(8, axis=1)[:even, :even])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
