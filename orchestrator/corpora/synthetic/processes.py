"""Random processes of the facial model: seeded generators, coloured noise, low-pass filters."""

import numpy as np
from numpy.typing import NDArray

from models.seeds import seed_for

Array = NDArray[np.float64]


def seeded_generator(seed: int, *address: str) -> np.random.Generator:
    """Return a generator whose numbers depend on the seed and the address alone."""
    return np.random.default_rng(seed_for(seed, "synthetic", *address))


def ornstein_uhlenbeck(noise: Array, seconds: float, hz: float) -> Array:
    """Compute a stationary process of unit variance with time constant `seconds` from white noise (T, ...)."""
    decay = np.exp(-1.0 / (seconds * hz))
    out: Array = noise * np.sqrt(1.0 - decay**2)
    out[0] = noise[0]
    for frame in range(1, len(out)):
        out[frame] += decay * out[frame - 1]
    return out


def low_pass(signal: Array, seconds: float, hz: float) -> Array:
    """Smooth (T, ...) with a first-order filter that starts at rest."""
    step = 1.0 - np.exp(-1.0 / (seconds * hz))
    out = signal.copy()
    for frame in range(1, len(out)):
        out[frame] = out[frame - 1] + step * (signal[frame] - out[frame - 1])
    return out
