"""What a delay of the labels does to the recordings at hand: by whole frames, or nothing at all.

Shapes: T time steps of a recording.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from orchestrator.corpora.gold_standard import WHOLE_FRAMES, delayed
from orchestrator.errors import InputError
from orchestrator.protocols import Protocol

Times = NDArray[np.float64]
SAME_SECONDS = 1e-3  # files round times to milliseconds


def with_label_shift(protocol: Protocol, times: Sequence[Times]) -> Protocol:
    """Return a new run's protocol: labels are moved by whole frames if that is another move than to the nearest label.

    Where both are the same the field stays as in runs of before, which then compare with this one. `times` are the
    recordings' (T,) in seconds, as they are trained on. InputError for a delay that moves no label.
    """
    seconds = protocol.label_delay_seconds
    if not seconds:
        return protocol
    by_frames = dataclasses.replace(protocol, label_shift=WHOLE_FRAMES)
    times = [time for time in times if len(time) > 1]
    found = [_rows(time, by_frames) for time in times]
    if times and all(np.array_equal(rows, np.arange(len(rows))) for rows in found):
        least = min(float(np.median(np.diff(time))) for time in times) / 2
        expected = f"more than {least:.3g} s, half a frame, or no delay"
        raise InputError.of("--label-delay", found=f"{seconds:g}, which moves no label", expected=expected)
    before = [_rows(time, protocol) for time in times]
    same = all(np.array_equal(one, other, equal_nan=True) for one, other in zip(found, before, strict=True))
    return protocol if same else by_frames


def moved_by(protocol: Protocol, times: Sequence[Times]) -> tuple[float, float] | None:
    """Return by how many seconds labels are moved, the least and the greatest; None if the protocol's delay is one."""
    moves = []
    for time in times:
        rows = _rows(time, protocol)
        there = np.isfinite(rows)
        moves.append(time[rows[there].astype(np.int64)] - time[there])
    every = np.concatenate(moves) if moves else np.empty(0)
    if not len(every):
        return None
    least, greatest = float(every.min()), float(every.max())
    wanted = protocol.label_delay_seconds
    return None if least - SAME_SECONDS <= wanted <= greatest + SAME_SECONDS else (least, greatest)


def _rows(time: Times, protocol: Protocol) -> Times:
    """Return from which row each frame's label comes (T,), NaN if from none."""
    rows = np.arange(len(time), dtype=np.float32)  # exact for the recordings of a week
    return delayed(rows, time, protocol.label_delay_seconds, shift=protocol.label_shift).astype(np.float64)
