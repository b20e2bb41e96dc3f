# ruff: noqa: N802, N815 - shape suffixes on fields, by the legend below
"""Series of images: frames stay uint8, often in a memory map, and are read window by window.

Shapes: N stored frames, S pixels of a side, T time steps, W windows, B windows of a batch, L window length,
2 = valence and arousal.
"""

import mmap
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

MISSING = -1  # a time step without a frame
# Ours: what of a GPU's free memory the frames of a corpus may take, and how many travel at a time.
RESIDENT_SHARE, FRAMES_PER_COPY = 0.4, 512


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FrameSeries:
    """One session of one participant as images; missing labels are NaN.

    `frames` (N, S, S, 3) is only ever read, so a read-only memory map will do. `index_T` gives each time step's
    row of it, MISSING where there is none: such a step is invalid, and several steps may share a row. A pickle of a
    series on a read-only memory map holds the map's path instead of the pixels.
    """

    participant: str
    session: str
    frames: NDArray[np.uint8]
    index_T: NDArray[np.int64]
    gold_T2: NDArray[np.float32]

    def __post_init__(self) -> None:
        """Refuse arrays that do not fit together, or rows that are not there (ValueError)."""
        where = f"participant {self.participant} session {self.session!r}"
        shape = self.frames.shape
        if self.frames.dtype != np.uint8 or len(shape) != 4 or shape[1] != shape[2] or shape[3] != 3:
            raise ValueError(f"{where}: frames {self.frames.dtype} {shape}, expected uint8 (N, S, S, 3)")
        if self.index_T.ndim != 1 or self.index_T.dtype.kind != "i":
            raise ValueError(f"{where}: index {self.index_T.dtype} {self.index_T.shape}, expected int64 (T,)")
        if self.gold_T2.shape != (len(self.index_T), 2):
            raise ValueError(f"{where}: gold {self.gold_T2.shape}, expected {(len(self.index_T), 2)}")
        if len(self.index_T) and not MISSING <= self.index_T.min() <= self.index_T.max() < shape[0]:
            raise ValueError(
                f"{where}: index from {self.index_T.min()} to {self.index_T.max()}, expected {MISSING} to "
                f"{shape[0] - 1}, the last of {shape[0]} frames"
            )

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        """Travel between the processes of a machine as a path, not as gigabytes of pixels."""
        frames = self.frames
        base: object = frames.base
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        # A slice of a map still bears its file's name, but not its own place in it: its base is another array.
        if isinstance(frames, np.memmap) and isinstance(base, mmap.mmap) and frames.mode == "r":
            assert frames.filename is not None
            values["frames"] = _Mapped(path=Path(frames.filename), offset=frames.offset, shape=frames.shape)
        return _restored, (values,)

    @property
    def image_size(self) -> int:
        """S."""
        return int(self.frames.shape[1])

    @property
    def valid_T(self) -> NDArray[np.bool_]:
        """True if a time step has a frame."""
        return np.asarray(self.index_T != MISSING)

    @property
    def mask_T2(self) -> NDArray[np.bool_]:
        """True if a time step has a frame and a label: what loss and score look at."""
        return self.valid_T[:, None] & np.isfinite(self.gold_T2)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mapped:
    path: Path
    offset: int
    shape: tuple[int, ...]


def _restored(values: dict[str, object]) -> FrameSeries:
    mapped = values["frames"]
    if isinstance(mapped, _Mapped):
        frames = np.memmap(mapped.path, dtype=np.uint8, mode="r", offset=mapped.offset, shape=mapped.shape)
        values = {**values, "frames": frames}
    return FrameSeries(**values)  # type: ignore[arg-type]  # the fields as they were


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FrameRows:
    """Where the frames of all windows lie; `row_WL` is MISSING for padding and where there is no frame.

    `resident`: the frames of all series one after the other and a blank one, on a device; None: they stay where they
    are and are read window by window.
    """

    frames: tuple[NDArray[np.uint8], ...]  # of every series
    row_WL: NDArray[np.int64]
    resident: Tensor | None = None

    @property
    def image_size(self) -> int:
        """S."""
        return int(self.frames[0].shape[1])

    def to(self, device: str | torch.device) -> "FrameRows":
        """Bring all frames to a GPU if they take no more than a share of its free memory; else nothing moves."""
        device = torch.device(device)
        needed = sum(one.nbytes for one in self.frames)
        if device.type != "cuda" or needed > RESIDENT_SHARE * torch.cuda.mem_get_info(device)[0]:
            return self
        return self.resident_on(device)

    def resident_on(self, device: str | torch.device) -> "FrameRows":
        """Copy all frames to a device, part by part."""
        size, total = self.image_size, sum(map(len, self.frames))
        resident = torch.zeros((total + 1, size, size, 3), dtype=torch.uint8, device=device)
        place = 0
        for frames in self.frames:
            for first in range(0, len(frames), FRAMES_PER_COPY):
                part = np.array(frames[first : first + FRAMES_PER_COPY])
                resident[place : place + len(part)] = torch.from_numpy(part).to(device)
                place += len(part)
        return replace(self, resident=resident)

    def read(self, index_B: Tensor, series_B: Tensor) -> tuple[Tensor, Tensor]:
        """Copy the frames of some windows, uint8 (B, L, S, S, 3), 0 where there is none; and True if there is one.

        The latter lies on the CPU, frames do unless they are `resident`. Nothing but these windows is read from the
        store.
        """
        row_BL = self.row_WL[index_B.numpy()]
        size = self.image_size
        valid_BL = row_BL != MISSING
        if self.resident is not None:
            first = np.concatenate(([0], np.cumsum([len(one) for one in self.frames])))
            place_BL = np.where(valid_BL, row_BL + first[series_B.numpy()][:, None], len(self.resident) - 1)
            place_N = torch.from_numpy(place_BL.ravel()).to(self.resident.device)
            x_BLSSC = self.resident.index_select(0, place_N).view(*row_BL.shape, size, size, 3)
            return x_BLSSC, torch.from_numpy(valid_BL)
        x = np.zeros((*row_BL.shape, size, size, 3), dtype=np.uint8)
        for window, series in enumerate(series_B.tolist()):
            present_L = valid_BL[window]
            x[window, present_L] = self.frames[series][row_BL[window, present_L]]
        return torch.from_numpy(x), torch.from_numpy(valid_BL)


def rows_of(series: Sequence[FrameSeries], places: Sequence[tuple[int, int, int]], length: int) -> FrameRows:
    """Find the frames of windows given as (series, first time step, time steps); ValueError where sizes differ."""
    sizes = {one.image_size: one for one in series}
    if len(sizes) > 1:
        found = ", ".join(f"{size} (participant {one.participant})" for size, one in sizes.items())
        raise ValueError(f"series differ in the pixels of a frame's side: {found}")
    row_WL = np.full((len(places), length), MISSING, dtype=np.int64)
    for window, (index, start, real) in enumerate(places):
        row_WL[window, :real] = series[index].index_T[start : start + real]
    return FrameRows(frames=tuple(one.frames for one in series), row_WL=row_WL)
