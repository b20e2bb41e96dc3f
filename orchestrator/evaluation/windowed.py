# ruff: noqa: N803 - shape suffixes, by the legend below
"""Statistics of features over a stretch of time, and over a person: what baselines without memory look at.

Shapes: T frames of a recording, F features, M made features.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
SECONDS = (1.0, 4.0, 10.0)  # ours: a reaction, an expression, an episode


def of_windows(features_TF: Array, valid_T: NDArray[np.bool_], time_T: Array) -> Array:
    """Return mean, standard deviation and slope per second of every feature around each frame: (T, 9 F).

    Over the valid frames at most half of 1, 4 and 10 seconds away; 0 without one, and slope 0 with fewer than two
    times.
    """
    offset = features_TF[valid_T].mean(axis=0) if valid_T.any() else np.zeros(features_TF.shape[1])
    # About the middle, so that squares of long recordings lose no digits.
    known = np.where(valid_T[:, None], features_TF - offset, 0.0)
    moment = np.where(valid_T, time_T - time_T.mean() if len(time_T) else time_T, 0.0)
    made = []
    for seconds in SECONDS:
        first = np.searchsorted(time_T, time_T - seconds / 2, side="left")
        last = np.searchsorted(time_T, time_T + seconds / 2, side="right")
        n = _between(valid_T.astype(np.float64)[:, None], first, last)
        safe = np.maximum(n, 1.0)
        mean = _between(known, first, last) / safe
        variance = np.maximum(_between(known**2, first, last) / safe - mean**2, 0.0)
        t_mean = _between(moment[:, None], first, last) / safe
        t_variance = _between(moment[:, None] ** 2, first, last) / safe - t_mean**2
        covariance = _between(known * moment[:, None], first, last) / safe - t_mean * mean
        moves = t_variance > 1e-9
        slope = np.where(moves, covariance / np.where(moves, t_variance, 1.0), 0.0)
        made += [np.where(n > 0, mean + offset, 0.0), np.sqrt(variance), slope]
    return np.concatenate(made, axis=1)


def _between(values: Array, first: NDArray[np.intp], last: NDArray[np.intp]) -> Array:
    sums = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
    return np.asarray(sums[last] - sums[first])


def of_person(valid: Sequence[Array]) -> Array:
    """Return a person's mean, minimum and maximum (3 F,) over the valid frames (N, F) of all recordings; 0 without."""
    rows = np.concatenate(valid)
    if not len(rows):
        return np.zeros(3 * rows.shape[1])
    return np.concatenate([rows.mean(axis=0), rows.min(axis=0), rows.max(axis=0)])


def beside_person(features_TF: Array, person_3F: Array) -> Array:
    """Add to each frame's features what `of_person` says of whose they are: (T, 4 F)."""
    return np.concatenate([features_TF, np.broadcast_to(person_3F, (len(features_TF), len(person_3F)))], axis=1)
