# ruff: noqa: N815 - shape suffixes on fields, by the legend below
"""A predicted trace and its score statistics, computed where the labels are, so that labels never leave.

Shapes: T frames of a recording, 2 = valence and arousal.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.ccc import Moments, frame_moments, window_moments
from models.frames import FrameSeries
from models.windows import Series


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scored:
    """Predictions of one series (T, 2), NaN where no window lies; moments of valence and of arousal."""

    trace_T2: NDArray[np.float32]
    frames: tuple[Moments, Moments]
    windows: tuple[Moments, Moments]  # of the means of each window


def scored(trace_T2: NDArray[np.float32], series: Series | FrameSeries, length: int) -> Scored:
    """Compare a trace with its series' gold standard, by frame and by windows of `length` frames."""
    return Scored(
        trace_T2=trace_T2,
        frames=frame_moments(trace_T2, series.gold_T2, series.mask_T2),
        windows=window_moments(trace_T2, series.gold_T2, series.mask_T2, length),
    )
