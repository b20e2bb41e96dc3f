# ruff: noqa: N802, N815 - shape suffixes on fields, by the legend below
"""Series of frames cut into windows, and predictions for windows put back into series (paper, section IV.B).

Shapes: T frames of a recording, W windows, B windows of a batch, L window length, F features, S pixels of an
image's side, 2 = valence and arousal.
"""

from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.frames import FrameRows, FrameSeries, rows_of
from models.sizes import BACKBONE_FEATURES

PARTIAL_WINDOWS = ("pad", "drop")
JOININGS = ("mean", "tapered")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Series:
    """One session of one participant; features of invalid frames are 0, missing labels NaN."""

    participant: str
    session: str
    features_TF: NDArray[np.float32]
    valid_T: NDArray[np.bool_]
    gold_T2: NDArray[np.float32]

    def __post_init__(self) -> None:
        """Refuse arrays that do not fit together, or features that would turn a network into NaN."""
        num_frames = len(self.features_TF)
        where = f"participant {self.participant} session {self.session!r}"
        if self.features_TF.ndim != 2 or self.valid_T.shape != (num_frames,):
            raise ValueError(f"{where}: features {self.features_TF.shape} and valid {self.valid_T.shape} differ")
        if self.gold_T2.shape != (num_frames, 2):
            raise ValueError(f"{where}: gold {self.gold_T2.shape}, expected {(num_frames, 2)}")
        if not np.isfinite(self.features_TF).all():
            raise ValueError(f"{where}: features are not finite; invalid frames must be 0")

    @property
    def mask_T2(self) -> NDArray[np.bool_]:
        """True if a frame is valid and labelled: what loss and score look at."""
        return self.valid_T[:, None] & np.isfinite(self.gold_T2)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scaling:
    """Mean and standard deviation of every feature, on the device of the windows."""

    mean_F: Tensor
    sd_F: Tensor


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Batch:
    """What a network and its loss read of B windows; `length_B` and `valid_BL` lie on the CPU.

    Of images `x_BLF` is uint8 (B, L, S, S, 3) and `valid_BL` True if there is one; else `valid_BL` is None.
    """

    x_BLF: Tensor
    length_B: Tensor
    gold_BL2: Tensor
    mask_BL2: Tensor
    valid_BL: Tensor | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Windows:
    """All windows of some series as contiguous tensors; gold is 0 outside the mask, padding is 0 and invalid.

    `length_W`, `series_W` and `start_W` lie on the CPU; the others move with `to`. With `scaling`, `batch`
    gives features of valid frames as (x - mean) / sd; invalid frames stay 0.

    Of images `rows` says where the frames of each window lie and `features_WLF` is empty, (W, L, 0): a batch
    reads its own frames and no others.
    """

    features_WLF: Tensor
    gold_WL2: Tensor
    mask_WL2: Tensor
    valid_WL: Tensor
    length_W: Tensor
    series_W: Tensor
    start_W: Tensor
    num_frames: tuple[int, ...]  # of every series
    scaling: Scaling | None = None
    rows: FrameRows | None = None

    @property
    def length(self) -> int:
        """Frames of a whole window."""
        return int(self.features_WLF.shape[1])

    @property
    def num_features(self) -> int:
        """Features of a frame; of an image, those that the backbone puts out."""
        return int(self.features_WLF.shape[2]) if self.rows is None else BACKBONE_FEATURES

    @property
    def image_size(self) -> int | None:
        """S; None if the frames are no images."""
        return None if self.rows is None else self.rows.image_size

    def of_series(self, series: Iterable[int]) -> Tensor:
        """Indices of the windows of these series, in the order of the windows."""
        wanted = torch.zeros(len(self.num_frames), dtype=torch.bool)
        wanted[list(series)] = True
        return wanted[self.series_W].nonzero().flatten()

    def labelled(self, index_W: Tensor) -> Tensor:
        """Those of the given windows that have a labelled frame."""
        return index_W[self.mask_WL2[index_W.to(self.mask_WL2.device)].flatten(1).any(1).cpu()]

    def to(self, device: str | torch.device) -> "Windows":
        """Move what a network reads to a device."""
        return replace(
            self,
            features_WLF=self.features_WLF.to(device),
            gold_WL2=self.gold_WL2.to(device),
            mask_WL2=self.mask_WL2.to(device),
            valid_WL=self.valid_WL.to(device),
            rows=None if self.rows is None else self.rows.to(device),
        )

    def batches(self, indices: Sequence[Tensor]) -> Iterator[Batch]:
        """Gather one batch after the other; images that are not on their GPU are read one batch ahead."""
        if self.rows is None or self.rows.resident is not None or self.features_WLF.device.type == "cpu":
            return map(self.batch, indices)
        return self.batches_ahead(indices)

    def batches_ahead(self, indices: Sequence[Tensor]) -> Generator[Batch, None, None]:
        """Read the next batch of images in another thread, and copy it on a stream of its own, while one is used."""
        device = self.features_WLF.device
        stream = torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]

        def fetch(index_B: Tensor) -> tuple[Batch, torch.cuda.Event | None]:
            assert self.rows is not None
            x_BLSSC, valid_BL = self.rows.read(index_B, self.series_W[index_B])
            if stream is None:
                return self._batch(index_B, x_BLSSC, valid_BL), None
            with torch.cuda.stream(stream):
                batch = self._batch(index_B, x_BLSSC.pin_memory().to(device, non_blocking=True), valid_BL)
                return batch, stream.record_event()

        with ThreadPoolExecutor(max_workers=1) as reader:
            following = [reader.submit(fetch, index_B) for index_B in indices[:1]]
            for number in range(len(indices)):
                batch, ready = following.pop().result()
                following += [reader.submit(fetch, index_B) for index_B in indices[number + 1 : number + 2]]
                if ready is not None:
                    current = torch.cuda.current_stream(device)
                    current.wait_event(ready)
                    for value in (batch.x_BLF, batch.gold_BL2, batch.mask_BL2):
                        value.record_stream(current)
                yield batch

    def batch(self, index_B: Tensor) -> Batch:
        """Gather some windows, features scaled; images travel to the device as bytes."""
        if self.rows is None:
            x_BLF = self.features_WLF.index_select(0, index_B.to(self.features_WLF.device))
            return self._batch(index_B, x_BLF, None)
        x_BLF, valid_BL = self.rows.read(index_B, self.series_W[index_B])
        return self._batch(index_B, x_BLF.to(self.features_WLF.device), valid_BL)

    def _batch(self, index_B: Tensor, x_BLF: Tensor, valid_BL: Tensor | None) -> Batch:
        at_B = index_B.to(self.features_WLF.device)
        if self.scaling is not None:
            valid_BL1 = self.valid_WL.index_select(0, at_B)[:, :, None]
            x_BLF = ((x_BLF - self.scaling.mean_F) / self.scaling.sd_F).masked_fill(~valid_BL1, 0.0)
        return Batch(
            x_BLF=x_BLF,
            length_B=self.length_W[index_B],
            gold_BL2=self.gold_WL2.index_select(0, at_B),
            mask_BL2=self.mask_WL2.index_select(0, at_B),
            valid_BL=valid_BL,
        )


def cut(
    series: Sequence[Series | FrameSeries], length: int, *, partial: str = "pad", step: int | None = None
) -> Windows:
    """Cut every series into windows of `length` frames from its first frame on; images are not read for that.

    The last frames of a series that do not fill a window are padded with zeros ("pad": nothing is lost) or
    left out ("drop": a series shorter than a window gives none). With a `step` below `length` windows begin so many
    frames apart and overlap, and the last one ends with the series. ValueError: unknown `partial`, an impossible
    length or step, no series, or series that differ in kind, in their number of features or in the size of their
    images.
    """
    if partial not in PARTIAL_WINDOWS:
        raise ValueError(f"unknown partial window {partial!r}: expected one of {', '.join(PARTIAL_WINDOWS)}")
    if length < 1:
        raise ValueError(f"a window has at least one frame, found length {length}")
    if step is not None and not 1 <= step <= length:
        raise ValueError(f"windows begin 1 to {length} frames apart, found step {step}")
    if not series:
        raise ValueError("no series to cut into windows")
    places = [
        (index, start, min(length, len(one.valid_T) - start))
        for index, one in enumerate(series)
        for start in _starts(len(one.valid_T), length, length if step is None else step)
        if partial == "pad" or start + length <= len(one.valid_T)
    ]
    images = [one for one in series if isinstance(one, FrameSeries)]
    plain = [one for one in series if isinstance(one, Series)]
    if images and plain:
        raise ValueError(f"{len(images)} series of images and {len(plain)} of features do not go together")
    gold_WL2 = np.zeros((len(places), length, 2), dtype=np.float32)
    mask_WL2 = np.zeros((len(places), length, 2), dtype=np.bool_)
    valid_WL = np.zeros((len(places), length), dtype=np.bool_)
    masks, valids = [one.mask_T2 for one in series], [one.valid_T for one in series]
    for window, (index, start, real) in enumerate(places):
        frames = slice(start, start + real)
        mask_T2 = masks[index][frames]
        gold_WL2[window, :real] = np.where(mask_T2, series[index].gold_T2[frames], 0.0)
        mask_WL2[window, :real] = mask_T2
        valid_WL[window, :real] = valids[index][frames]
    place_W3 = torch.tensor(places, dtype=torch.int64).reshape(-1, 3)
    return Windows(
        features_WLF=_features(plain, places, length) if plain else torch.zeros(len(places), length, 0),
        gold_WL2=torch.from_numpy(gold_WL2),
        mask_WL2=torch.from_numpy(mask_WL2),
        valid_WL=torch.from_numpy(valid_WL),
        length_W=place_W3[:, 2].contiguous(),
        series_W=place_W3[:, 0].contiguous(),
        start_W=place_W3[:, 1].contiguous(),
        num_frames=tuple(len(valid_T) for valid_T in valids),
        rows=rows_of(images, places, length) if images else None,
    )


def _starts(num_frames: int, length: int, step: int) -> list[int]:
    if step == length or num_frames <= length:
        return list(range(0, num_frames, length))
    return [*range(0, num_frames - length, step), num_frames - length]


def _features(series: Sequence[Series], places: Sequence[tuple[int, int, int]], length: int) -> Tensor:
    widths = {one.features_TF.shape[1]: one for one in series}
    if len(widths) > 1:
        found = ", ".join(f"{width} (participant {one.participant})" for width, one in widths.items())
        raise ValueError(f"series differ in their number of features: {found}")
    features_WLF = np.zeros((len(places), length, next(iter(widths))), dtype=np.float32)
    for window, (index, start, real) in enumerate(places):
        features_WLF[window, :real] = series[index].features_TF[start : start + real]
    return torch.from_numpy(features_WLF)


def merge(
    predictions_WL2: Tensor, windows: Windows, index_W: Tensor, series: Sequence[int], *, joining: str = "mean"
) -> list[NDArray[np.float32]]:
    """Merge predictions for the windows `index_W` into traces (T, 2), one for each of `series`.

    Frames that no window covers are NaN. Where windows overlap their predictions are averaged: with `joining` "mean"
    alike, so that a trace steps where a window begins or ends; "tapered" with weights that fall towards the ends of a
    window inside its series (a series' own ends keep theirs), so that it does not. Without overlap both are the
    predictions themselves, bit for bit. ValueError: unknown `joining`.
    """
    if joining not in JOININGS:
        raise ValueError(f"unknown joining {joining!r}: expected one of {', '.join(JOININGS)}")
    assert len(predictions_WL2) == len(index_W), "one prediction a window"
    sums = {index: np.zeros((windows.num_frames[index], 2)) for index in dict.fromkeys(series)}
    counts = {index: np.zeros((len(sum_T2), 1)) for index, sum_T2 in sums.items()}
    prediction_WL2 = predictions_WL2.detach().cpu().numpy()
    places = [
        tuple(int(of_W[window]) for of_W in (windows.series_W, windows.start_W, windows.length_W))
        for window in index_W.tolist()
    ]
    tapered = joining == "tapered" and _overlap(places)
    for row, (index, start, real) in enumerate(places):
        weight_L1 = _taper(start, real, windows.num_frames[index]) if tapered else 1.0
        sums[index][start : start + real] += prediction_WL2[row, :real] * weight_L1
        counts[index][start : start + real] += weight_L1
    traces = {
        index: np.where(counts[index] > 0, sum_T2 / np.where(counts[index] > 0, counts[index], 1.0), np.nan).astype(
            np.float32
        )
        for index, sum_T2 in sums.items()
    }
    return [traces[index] for index in series]


def _overlap(places: Sequence[tuple[int, ...]]) -> bool:
    ordered = sorted(places)
    return any(
        index == other and start + real > following for (index, start, real), (other, following, _) in pairwise(ordered)
    )


def _taper(start: int, real: int, num_frames: int) -> NDArray[np.float64]:
    """Weights (L, 1) of a window's frames: their distance to its nearer end, which an end of the series is not."""
    place = np.arange(real, dtype=np.float64)
    before = np.full(real, np.inf) if start == 0 else place + 1
    after = np.full(real, np.inf) if start + real == num_frames else real - place
    weight = np.minimum(before, after)
    # A window that is the whole series has no inner end.
    return np.where(np.isfinite(weight), weight, 1.0)[:, None]
