"""Labels put on the frames of the features by time, and short gaps in features bridged.

Shapes: T feature frames, N label samples, R raters, F features. Times are in seconds and increase.
"""

import numpy as np
from numpy.typing import NDArray

MAX_LABEL_GAP_STEPS = 2.0  # ours: labels further apart than two of their steps are not connected
BRIDGED_SECONDS = 0.5  # ours: a gap is bridged if the values around it are at most this far apart; a blink is shorter
SAME_TIME_SECONDS = 1e-6  # times are rounded in files
SAME_RATE = 1.01  # steps that differ by less count as equal
DEFAULT_STEP_SECONDS = 0.04  # RECOLA's; where neither features nor labels have a second row

Times = NDArray[np.float64]
Floats = NDArray[np.float32]


def join(time: Times, label_time: Times, labels: NDArray[np.floating], *, ties: float = 0.0) -> Floats:
    """Align labels (N, R) at `label_time` (N,) with the frames at `time` (T,): (T, R), NaN where there is none.

    Equal times: row by row. Labels as dense as the features or denser: the nearest in half a feature frame.
    Sparser labels: between two neighbours at most two label steps apart, linear. Nothing is extrapolated.
    Of two labels as near, to `ties` seconds, the earlier counts; with 0 that is as the times' last digits fall.
    """
    if np.array_equal(time, label_time):
        return labels.astype(np.float32)
    label_step = step_of(label_time) or step_of(time) or DEFAULT_STEP_SECONDS
    feature_step = step_of(time) or label_step
    joined = np.full((len(time), labels.shape[1]), np.nan, dtype=np.float32)
    for rater in range(labels.shape[1]):
        # Each rater's own samples: a hole in one rater's labels is a gap for that rater alone.
        there = np.isfinite(labels[:, rater])
        if not there.any():
            continue
        times, values = label_time[there], labels[there, rater].astype(np.float64)
        if label_step <= feature_step * SAME_RATE:
            joined[:, rater] = _nearest(time, times, values, feature_step / 2, ties)
        else:
            joined[:, rater] = _interpolated(time, times, values, MAX_LABEL_GAP_STEPS * label_step)
    return joined


def used(time: Times, label_time: Times) -> NDArray[np.bool_]:
    """Return which label samples at `label_time` (N,) count for some frame at `time` (T,): (N,).

    Those within half a feature frame of one, and, where labels are sparser, the neighbours that a frame lies between.
    """
    if not len(label_time) or not len(time):
        return np.zeros(len(label_time), dtype=bool)
    label_step = step_of(label_time) or step_of(time) or DEFAULT_STEP_SECONDS
    feature_step = step_of(time) or label_step
    dense = label_step <= feature_step * SAME_RATE
    reach = (feature_step / 2 if dense else 0.0) + SAME_TIME_SECONDS
    met = _any_between(time, label_time - reach, label_time + reach)
    if not dense and len(label_time) > 1:
        follows = _any_between(time, label_time[:-1] + SAME_TIME_SECONDS, label_time[1:] - SAME_TIME_SECONDS)
        met[:-1] |= follows
        met[1:] |= follows
    return met


def step_of(time: Times) -> float | None:
    """Median seconds between samples (N,); None for fewer than two."""
    return float(np.median(np.diff(time))) if len(time) > 1 else None


def bridged(time: Times, features: Floats) -> Floats:
    """Fill short gaps of each feature (T, F) linearly between the values around them; never at the ends.

    A gap is short if the values around it are at most `BRIDGED_SECONDS` apart. Other gaps stay NaN.
    """
    filled = features.copy()
    missing = np.isnan(features)
    for column in np.flatnonzero(missing.any(axis=0)):
        there = ~missing[:, column]
        if not there.any():
            continue
        holes = time[~there]
        filled[~there, column] = _interpolated(
            holes, time[there], features[there, column].astype(np.float64), BRIDGED_SECONDS
        )
    return filled


def _any_between(time: Times, first: Times, last: Times) -> NDArray[np.bool_]:
    return np.asarray(np.searchsorted(time, last, side="right") > np.searchsorted(time, first, side="left"))


def _nearest(time: Times, times: Times, values: Times, within: float, ties: float = 0.0) -> Times:
    after = np.minimum(np.searchsorted(times, time), len(times) - 1)
    before = np.maximum(after - 1, 0)
    index = np.where(np.abs(time - times[before]) <= np.abs(times[after] - time) + ties, before, after)
    near = np.abs(times[index] - time) <= within + SAME_TIME_SECONDS
    return np.where(near, values[index], np.nan)


def _interpolated(time: Times, times: Times, values: Times, max_gap: float) -> Times:
    after = np.clip(np.searchsorted(times, time), 1, max(len(times) - 1, 1)) if len(times) > 1 else 0
    before = np.maximum(after - 1, 0)
    connected = np.asarray(times[after] - times[before] <= max_gap + SAME_TIME_SECONDS)
    inside = (time >= times[0]) & (time <= times[-1])
    between = np.where(connected & inside, np.interp(time, times, values), np.nan)
    exact = _nearest(time, times, values, 0.0)
    return np.where(np.isnan(exact), between, exact)
