"""A network on a growing table: frames are predicted as soon as the windows that hold them are complete."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from models.networks import AffectNetwork
from models.sizes import network_of
from orchestrator.corpora.live_table import Rows
from orchestrator.data.series import beside_statistics, divisors
from orchestrator.inference.saved_model import SavedModel

Array = NDArray[np.float64]

MAX_WINDOWS = 256  # ours: that go through a network at once, which bounds the memory
STEP_SECONDS = 0.2  # ours: windows that go through together take about so long, so that a signal is soon obeyed


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Line:
    """One frame's prediction (2,), NaN without a face; `read_at` is when its row was read."""

    time: float
    prediction: NDArray[np.float32]
    read_at: float


class Stream:
    """What was read so far, scaled, and which frames still wait for what comes after them."""

    def __init__(  # noqa: PLR0913, PLR0917 - the parts of a prediction
        self,
        model: SavedModel,
        folds: tuple[int, ...],
        networks: list[AffectNetwork],
        scaler: "Scaler",
        ahead: int,
        device: str,
        check: Callable[[], None],
    ) -> None:
        """Begin with nothing; `check` is called between networks and may raise.

        `networks` are those of the `folds` of the `model`, on the `device`; `scaler` scales what is read; `ahead`
        frames are waited for before one is predicted.
        """
        self._check, self._at_once = check, 1
        self._networks, self._scaler, self._ahead, self._device = networks, scaler, ahead, device
        self._length = model.recipe.sequence_length
        self._two_ways = network_of(model.recipe.network).directions == 2
        splits = [model.split(fold) for fold in folds]
        self._scalings = [(split.mean_F, split.sd_F) for split in splits]
        self._known = np.zeros((0, model.num_features), np.float32)  # the last frames, 0 where invalid
        self._valid = np.zeros(0, bool)
        self._time = np.zeros(0)
        self._read_at = np.zeros(0)
        self._first = 0  # number of the oldest frame kept
        self._next = 0  # number of the next frame to predict

    def add(self, rows: Rows, read_at: float) -> Iterator[Line]:
        """Add new rows; yield the predictions that wait for nothing more."""
        scaled = self._scaler.scale(rows.features, rows.valid)
        self._known = np.concatenate([self._known, scaled])
        self._valid = np.concatenate([self._valid, rows.valid])
        self._time = np.concatenate([self._time, rows.time])
        self._read_at = np.concatenate([self._read_at, np.full(len(rows.time), read_at)])
        yield from self._predict(self._first + len(self._time) - self._ahead)

    def finish(self) -> Iterator[Line]:
        """Yield the frames that still wait; nothing comes after them."""
        yield from self._predict(self._first + len(self._time))

    def _predict(self, end: int) -> Iterator[Line]:
        while self._next < end:
            if self._two_ways:
                last = min(end, self._next + self._at_once)
                predictions = self._timed(range(self._next, last))
            else:
                start = self._next // self._length * self._length
                last = min(end, start + self._length)
                window = self._networks_on([(start, last)])
                predictions = window[0, self._next - start : last - start]
            for frame, prediction in zip(range(self._next, last), predictions, strict=True):
                at = frame - self._first
                shown = prediction if self._valid[at] else np.full(2, np.nan)
                yield Line(
                    time=float(self._time[at]),
                    prediction=shown.astype(np.float32),
                    read_at=float(self._read_at[at]),
                )
            self._next = last
        self._forget()

    @property
    def waiting(self) -> int:
        """Frames that were read and not predicted."""
        return self._first + len(self._time) - self._next

    def _timed(self, frames: range) -> Array:
        """Predict frames (N,), and take more or fewer of them together the next time."""
        begun = time.monotonic()
        predictions = self._each_in_its_window(frames)
        took = time.monotonic() - begun
        if took > STEP_SECONDS:
            self._at_once = max(1, self._at_once // 2)
        elif took < STEP_SECONDS / 2 and len(frames) == self._at_once:
            self._at_once = min(MAX_WINDOWS, 2 * self._at_once)
        return predictions

    def _each_in_its_window(self, frames: range) -> Array:
        """Predict frames (N,) by the windows that end `look_ahead` frames after each, (N, 2)."""
        newest = self._first + len(self._time)
        ends = [min(frame + self._ahead + 1, newest) for frame in frames]
        places = [(max(0, end - self._length), end) for end in ends]
        predictions = self._networks_on(places)
        return np.stack([predictions[row, frame - places[row][0]] for row, frame in enumerate(frames)])

    def _networks_on(self, places: list[tuple[int, int]]) -> Array:
        """Average the models' predictions (B, L, 2) over windows given by their first frame and their end."""
        length_B = torch.tensor([end - start for start, end in places])
        x_BLF = np.zeros((len(places), int(length_B.max()), self._known.shape[1]), np.float32)
        valid_BL = np.zeros(x_BLF.shape[:2], bool)
        for row, (start, end) in enumerate(places):
            kept = slice(start - self._first, end - self._first)
            x_BLF[row, : end - start], valid_BL[row, : end - start] = self._known[kept], self._valid[kept]
        total = np.zeros((*x_BLF.shape[:2], 2))
        for network, (mean_F, sd_F) in zip(self._networks, self._scalings, strict=True):
            self._check()
            own = x_BLF if mean_F is None or sd_F is None else np.where(valid_BL[..., None], (x_BLF - mean_F) / sd_F, 0)
            with torch.inference_mode():
                x = torch.from_numpy(np.asarray(own, np.float32)).to(self._device)
                total += network(x, length_B).cpu().numpy() / len(self._networks)
        return total

    def _forget(self) -> None:
        """Drop frames that no window will hold again."""
        drop = max(0, self._next - self._length - self._first)
        if drop > self._length:
            self._known, self._valid = self._known[drop:], self._valid[drop:]
            self._time, self._read_at = self._time[drop:], self._read_at[drop:]
            self._first += drop


class Scaler:
    """Scales a person's rows as they come; `text` says by what."""

    def __init__(
        self,
        text: str,
        mean_F: Array | None = None,
        sd_F: Array | None = None,
        *,
        running: bool,
        beside: bool = False,
    ) -> None:
        """Scale by fixed statistics, by those of what was seen, or (without either) not at all.

        A deviation is 0 if the column never moves. With `beside` the statistics are further columns of every row.
        """
        self.text, self._beside = text, beside
        self._mean, self._sd, self._running = mean_F, sd_F, running
        self._count = 0
        self._sum = self._squares = np.zeros(0)

    def scale(self, features_NF: NDArray[np.float32], valid_N: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Return the rows (N, F), or (N, 3 F), scaled, 0 where invalid; a row's statistics include no later one."""
        known = np.where(valid_N[:, None], features_NF, 0.0).astype(np.float64)
        if self._running:
            mean, sd = self._statistics(known, valid_N)
        elif self._mean is not None and self._sd is not None:
            mean, sd = self._mean, self._sd
        else:
            return known.astype(np.float32)
        scaled = (known - mean) / divisors(sd)
        if self._beside:
            scaled = beside_statistics(scaled, mean, sd)
        return np.where(valid_N[:, None], scaled, 0.0).astype(np.float32)

    def _statistics(self, known: Array, valid: NDArray[np.bool_]) -> tuple[Array, Array]:
        """Return mean and deviation (N, F) over all valid rows up to each."""
        if not self._count and not len(self._sum):
            self._sum = self._squares = np.zeros(known.shape[1])
        counts = self._count + np.cumsum(valid)
        sums = self._sum + np.cumsum(known, axis=0)
        squares = self._squares + np.cumsum(known**2, axis=0)
        self._count, self._sum, self._squares = int(counts[-1]), sums[-1], squares[-1]
        number = np.maximum(counts, 1)[:, None]
        mean = sums / number
        variance = np.maximum(squares / number - mean**2, 0.0)
        # As in training: a column that has not moved yet tells nothing.
        still = np.sqrt(variance) <= 1e-7 * np.abs(mean)
        return mean, np.where(still, 0.0, np.sqrt(variance))
