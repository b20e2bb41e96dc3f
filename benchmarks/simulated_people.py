"""Made people for simulations of the estimators: each is drawn with the moments of a recording, not its frames.

A person has a mean and a spread of the gold standard, a slope, an offset and a noise of the prediction, and a length;
the people of a corpus are independent draws, so that the value which an estimator has on average is known by drawing
many corpora. Shapes: R corpora, P people, S = 7 sums.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
FRAMES = 500.0  # median length; only ratios of lengths matter


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """How people differ: standard deviations unless said otherwise."""

    between: float  # of the people's mean label
    within: float  # median of the label's spread inside a person
    within_log: float  # of its logarithm
    slope: float  # mean of the prediction's slope on the label
    slope_sd: float
    offset: float  # of the prediction's offset by person
    noise: float  # median of the prediction's noise inside a person
    length_log: float = 0.3  # of the logarithm of the recording's length
    between_slope: float | None = None  # how far predictions follow the people's means; None: as inside a person


WORLDS = {
    "labels within people": World(
        between=0.08, within=0.2, within_log=0.3, slope=0.6, slope_sd=0.25, offset=0.08, noise=0.15
    ),
    "labels between people": World(
        between=0.25, within=0.1, within_log=0.3, slope=0.6, slope_sd=0.25, offset=0.08, noise=0.05
    ),
    "weak predictions": World(between=0.1, within=0.2, within_log=0.3, slope=0.2, slope_sd=0.3, offset=0.1, noise=0.15),
    "strong predictions": World(
        between=0.2, within=0.2, within_log=0.3, slope=0.9, slope_sd=0.1, offset=0.03, noise=0.05
    ),
    "very unequal people": World(
        between=0.1, within=0.2, within_log=0.7, slope=0.5, slope_sd=0.5, offset=0.15, noise=0.2, length_log=1.0
    ),
}


def folds_of(num_people: int, num_folds: int) -> NDArray[np.int64]:
    """Number the fold of each person as `orchestrator.data.folds.make_folds` does."""
    size, longer = divmod(num_people, num_folds)
    return np.repeat(np.arange(num_folds), [size + (k < longer) for k in range(num_folds)])


def draw(generator: np.random.Generator, world: World, corpora: int, people: int, *, runs: int = 1) -> Array:
    """Draw the moments of `runs` predictions of the same people: (runs, R, P, S).

    The runs share the gold standard, and half of the variance of slopes and offsets.
    """
    shape = (corpora, people)
    n = np.round(FRAMES * np.exp(generator.normal(0.0, world.length_log, shape))) + 20
    mean_y = generator.normal(0.0, world.between, shape)
    sd_y = world.within * np.exp(generator.normal(0.0, world.within_log, shape))
    common = generator.normal(size=(2, *shape))
    made = []
    for _ in range(runs):
        own = generator.normal(size=(2, *shape))
        mixed = own if runs == 1 else np.sqrt(0.5) * (own + common)
        slope = world.slope + world.slope_sd * mixed[0]
        follow = slope if world.between_slope is None else world.between_slope
        mean_x = follow * mean_y + world.offset * mixed[1]
        noise = world.noise * np.exp(generator.normal(0.0, 0.3, shape))
        var_x, covariance = (slope * sd_y) ** 2 + noise**2, slope * sd_y**2
        means = (np.ones(shape), mean_x, mean_y, var_x + mean_x**2, sd_y**2 + mean_y**2, covariance + mean_x * mean_y)
        made.append(n[..., None] * np.stack([*means, np.zeros(shape)], axis=-1))
    return np.stack(made)


def as_windows(generator: np.random.Generator, sums: Array, *, frames: int, smoothing: float = 0.5) -> Array:
    """Give moments of window means (..., S) of the same people: fewer points, and less spread inside a person."""
    n = np.ceil(sums[..., :1] / frames)
    mean = sums / sums[..., :1]
    mean_x, mean_y = mean[..., 1], mean[..., 2]
    kept = smoothing * np.exp(generator.normal(0.0, 0.1, mean_x.shape))
    made = mean.copy()
    for column, (one, other) in {3: (mean_x, mean_x), 4: (mean_y, mean_y), 5: (mean_x, mean_y)}.items():
        made[..., column] = (mean[..., column] - one * other) * kept + one * other
    return np.asarray(n * made)
