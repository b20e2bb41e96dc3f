"""Predictions while a table is being written: a person's state as it happens.

A network of one direction reads on window by window, exactly as `predict --overlap 0` does. One of two directions
waits `--look-ahead` and sees, for each frame, the last window that ends so much later.
Shapes: T frames so far, N new ones, F features, B windows, L window length, A frames of look-ahead.
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import numpy as np
import torch
from numpy.typing import NDArray

from models.networks import AffectNetwork
from models.sizes import cell_of
from orchestrator.corpora.folders import is_marked_synthetic
from orchestrator.corpora.formats.unlabelled import person_of_file, read_feature_files
from orchestrator.corpora.live_table import GrowingTable, Rows
from orchestrator.corpora.reading import AS_IT_IS, Reading
from orchestrator.data.series import beside_statistics, divisors, own_statistics
from orchestrator.errors import InputError
from orchestrator.inference.defaults import SYNTHETIC_LINE
from orchestrator.inference.output import number, seconds
from orchestrator.inference.predict import reading_for
from orchestrator.inference.saved_model import SavedModel

POLL_SECONDS = 0.05  # ours: a frame of OpenFace's at 20 a second
HEADER = "time,valence,arousal,lag_seconds,look_ahead_frames"
MAX_WINDOWS = 256  # ours: that go through a network at once, which bounds the memory
STEP_SECONDS = 0.2  # ours: windows that go through together take about so long, so that a signal is soon obeyed
# Ours: for frames that still wait once the end was told; and until what does not even look at that is broken off.
GRACE_SECONDS, HANGING_SECONDS = 0.5, 0.8

Show = Callable[[str], object]
Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Following:
    """How a growing file is followed."""

    fold: int | None
    look_ahead_seconds: float | None
    idle_seconds: float
    scaling_from: Path | None
    device: str
    reading: Reading = AS_IT_IS  # what the user said of the file


def check_source(path: Path) -> None:
    """Refuse what does not grow row by row (InputError)."""
    if path.is_dir() or path.suffix.lower() not in (".csv", ".tsv", ".txt"):
        raise InputError.of("--input", found=str(path), expected="with --follow a CSV file that is being written")


def follow(model: SavedModel, path: Path, wanted: Following, show: Show = print) -> None:
    """Print a line per frame until nothing was written for `idle_seconds`, or a signal to end; both end well.

    The lag of a line is the seconds from reading the frame's row to printing. InputError: a model that cannot be
    used so, and anything amiss with the file.
    """
    model.check_fold(wanted.fold)
    folds = model.folds_for(person_of_file(path, model.read_options), wanted.fold)
    reading = reading_for(model, wanted.reading)
    scaler = _scaler(model, wanted, reading)
    ahead = _look_ahead(model, wanted)
    networks = [model.network(fold).to(wanted.device) for fold in folds]
    which = "1 fold model" if len(folds) == 1 else f"the mean of {len(folds)} fold models"
    print(f"{model.name}: {which}, {ahead} frames of look-ahead; scaling {scaler.text}", file=sys.stderr)
    synthetic = bool(model.card["synthetic"]) or is_marked_synthetic(path)
    if synthetic:
        print(SYNTHETIC_LINE, file=sys.stderr)
    end = End()

    def begun(scaler: Scaler) -> Stream:
        return Stream(model, folds, networks, scaler, ahead, wanted.device, end.check)

    stream = begun(scaler)
    try:
        with end.by_signals(), GrowingTable(path, model.card["features"], reading) as table:
            show(HEADER)
            last = time.monotonic()
            while not end.told and time.monotonic() - last < wanted.idle_seconds:
                rows = table.poll()
                if rows is None:
                    time.sleep(POLL_SECONDS)
                    continue
                if rows.synthetic and not synthetic:
                    synthetic = True
                    print(SYNTHETIC_LINE, file=sys.stderr)
                for note in rows.notes:
                    print(note, file=sys.stderr)
                if rows.begins:  # maybe another person: what was seen of the first one says nothing of this one
                    _print(stream.finish(), ahead, show, end)
                    stream = begun(_scaler(model, wanted, reading))
                _print(stream.add(rows, time.monotonic()), ahead, show, end)
                last = time.monotonic()  # of a long file more is there to be read
            _print(stream.finish(), ahead, show, end)
    except _OverdueError:
        _flush_what_is_taken()
        print(f"ended with {stream.waiting} frames read and not predicted", file=sys.stderr)
    except BrokenPipeError:  # whoever read the lines has enough
        _close_output()


def _print(lines: "Iterator[Line]", ahead: int, show: Show, end: "End") -> None:
    for line in lines:
        lag = time.monotonic() - line.read_at
        valence, arousal = map(number, line.prediction)
        show(f"{seconds(line.time)},{valence},{arousal},{lag:.3f},{ahead}")
        end.check()
    sys.stdout.flush()


def _close_output() -> None:
    """Discard what is still in the buffer of a closed pipe: Python would complain about it as it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _flush_what_is_taken() -> None:
    """Write out what is in the buffer, unless whoever should read it does not."""
    descriptor = sys.stdout.fileno()
    os.set_blocking(descriptor, False)
    try:
        sys.stdout.flush()
    except BlockingIOError:
        os.set_blocking(descriptor, True)
        _close_output()
    finally:
        os.set_blocking(descriptor, True)


class _OverdueError(Exception):
    """Told to end, and frames still wait after the time that they are given."""


class End:
    """Whether SIGINT or SIGTERM has come. Frames that wait are still predicted, for GRACE_SECONDS."""

    def __init__(self) -> None:
        """Start with no request to end."""
        self._told_at: float | None = None

    @property
    def told(self) -> bool:
        """Whether to end."""
        return self._told_at is not None

    def check(self) -> None:
        """Raise if the time for what still waits is over."""
        if self._told_at is not None and time.monotonic() - self._told_at > GRACE_SECONDS:
            raise _OverdueError

    @contextmanager
    def by_signals(self) -> Iterator[None]:
        """End at either signal. An alarm ends what hangs in a full pipe that nobody reads."""

        def note(_: int, __: FrameType | None) -> None:
            if self._told_at is None:
                self._told_at = time.monotonic()
                signal.setitimer(signal.ITIMER_REAL, HANGING_SECONDS)

        def alarm(_: int, __: FrameType | None) -> None:
            raise _OverdueError

        handlers = {signal.SIGALRM: alarm, signal.SIGINT: note, signal.SIGTERM: note}
        previous = {one: signal.signal(one, handler) for one, handler in handlers.items()}
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            for one, handler in previous.items():
                signal.signal(one, handler)


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
        """Begin with nothing; `check` is called between networks and may raise."""
        self._check, self._at_once = check, 1
        self._networks, self._scaler, self._ahead, self._device = networks, scaler, ahead, device
        self._length = model.recipe.sequence_length
        self._two_ways = cell_of(model.recipe.network).directions == 2
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


def _scaler(model: SavedModel, wanted: Following, reading: Reading) -> Scaler:
    if model.images is not None:
        raise InputError.of("--follow", found="a model of images", expected="a model of features")
    kind = model.protocol.scaling
    own = kind in ("participant", "both")
    if wanted.scaling_from is not None and not own:
        found = f"beside a model that scales by {kind}"
        raise InputError.of("--scaling-from", found=found, expected="a model that scales by participant")
    if not own:
        return Scaler("by the training people" if kind == "train" else "none", running=False)
    beside = kind == "both"
    if wanted.scaling_from is None:
        return Scaler(
            "by the frames seen so far: the first ones mean little (--scaling-from FILE)", running=True, beside=beside
        )
    earlier = read_feature_files(wanted.scaling_from, model.card["features"], reading, model.read_options)
    known = [one.features[np.isfinite(one.features).all(axis=1)] for one in earlier.recordings]
    if not sum(map(len, known)):
        raise InputError.of("--scaling-from", found="no valid frame", expected="an earlier recording of the person")
    return Scaler(f"by {wanted.scaling_from}", *own_statistics(known), running=False, beside=beside)


def _look_ahead(model: SavedModel, wanted: Following) -> int:
    """Count the frames to wait for; InputError if a network needs them and nobody said how many."""
    length, hz = model.recipe.sequence_length, float(model.card.get("hz") or 0.0)
    one_way = cell_of(model.recipe.network).directions == 1
    if wanted.look_ahead_seconds is None or one_way:
        if not one_way:
            expected = "--look-ahead SECONDS, or a network of one direction (rnn)"
            raise InputError.of("--follow", found=f"{model.recipe.network}, which reads both ways", expected=expected)
        if wanted.look_ahead_seconds:
            found = f"beside {model.recipe.network}, which reads one way"
            raise InputError.of("--look-ahead", found=found, expected="no such option: nothing after a frame counts")
        return 0
    if not hz:
        raise InputError.of("--look-ahead", found="a card without a rate (`hz`)", expected="a newer model")
    frames = round(wanted.look_ahead_seconds * hz)
    if frames >= length:
        found = f"{wanted.look_ahead_seconds:g} s, {frames} frames"
        raise InputError.of("--look-ahead", found=found, expected=f"less than a window of {length} frames")
    return frames
