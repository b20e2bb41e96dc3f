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

from models.sizes import network_of
from orchestrator.corpora.folders import is_marked_synthetic
from orchestrator.corpora.formats.unlabelled import person_of_file, read_feature_files
from orchestrator.corpora.live_table import GrowingTable
from orchestrator.corpora.participants import about_known
from orchestrator.corpora.reading import AS_IT_IS, Reading
from orchestrator.data.defence_names import changes_values
from orchestrator.data.series import own_statistics
from orchestrator.errors import InputError
from orchestrator.inference.defaults import SYNTHETIC_LINE
from orchestrator.inference.output import number, seconds
from orchestrator.inference.predict import reading_for
from orchestrator.inference.saved_model import SavedModel
from orchestrator.inference.stream import Line, Scaler, Stream

POLL_SECONDS = 0.05  # ours: a frame of OpenFace's at 20 a second
HEADER = "time,valence,arousal,lag_seconds,look_ahead_frames"
# Ours: for frames that still wait once the end was told; and until what does not even look at that is broken off.
GRACE_SECONDS, HANGING_SECONDS = 0.5, 0.8

Show = Callable[[str], object]


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
    model.refuse_whole_windows("--follow")
    if changes_values(model.protocol.defence):
        found = f"a model of features after {model.protocol.defence}, which needs the whole recording"
        raise InputError.of("--follow", found=found, expected="a model without such a defence")
    person = person_of_file(path, model.read_options)
    folds = model.folds_for(person, wanted.fold)
    reading = reading_for(model, wanted.reading)
    scaler = _scaler(model, wanted, reading)
    ahead = _look_ahead(model, wanted)
    networks = [model.network(fold).to(wanted.device) for fold in folds]
    which = "1 fold model" if len(folds) == 1 else f"the mean of {len(folds)} fold models"
    print(f"{model.name}: {which}, {ahead} frames of look-ahead; scaling {scaler.text}", file=sys.stderr)
    for question in about_known([person], model.known_people):
        print(question, file=sys.stderr)
    synthetic = bool(model.card["synthetic"]) or is_marked_synthetic(path)
    if synthetic:
        print(SYNTHETIC_LINE, file=sys.stderr)
    end = End()

    def begun(scaler: Scaler) -> Stream:
        return Stream(model, folds, networks, scaler, ahead, wanted.device, end.check)

    stream = begun(scaler)
    try:
        features, tool = model.card["features"], model.features_tool
        with end.by_signals(), GrowingTable(path, features, reading, tool, person=person) as table:
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
        """End at either signal. An alarm ends a write into a full pipe that is not read."""

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
    tool, options = model.features_tool, model.read_options
    earlier = read_feature_files(wanted.scaling_from, model.card["features"], reading, options, tool=tool)
    known = [one.features[np.isfinite(one.features).all(axis=1)] for one in earlier.recordings]
    if not sum(map(len, known)):
        raise InputError.of("--scaling-from", found="no valid frame", expected="an earlier recording of the person")
    return Scaler(f"by {wanted.scaling_from}", *own_statistics(known), running=False, beside=beside)


def _look_ahead(model: SavedModel, wanted: Following) -> int:
    """Count the frames to wait for; InputError if a network needs them and nobody said how many."""
    length, hz = model.recipe.sequence_length, float(model.card.get("hz") or 0.0)
    one_way = network_of(model.recipe.network).directions == 1
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
