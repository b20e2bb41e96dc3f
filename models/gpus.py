"""GPUs of this machine, and how long a pack takes on one by what was measured; torch is imported when they are counted.

Measured by `benchmarks/gpu.py`: milliseconds per step, its share of the validation included, of 24 models (8 folds of 3
learning rates) of 8 windows each, in TF32.
"""

import math
from functools import cache

DEVICE, DATE = "NVIDIA H100 80GB HBM3", "2026-11-27"
MODELS, WINDOWS = 24, 8
# Window length and layers of the three columns below.
CORNERS = ((50, 1), (400, 1), (50, 4))
MS_PER_STEP: dict[str, dict[int, tuple[float, float, float]]] = {
    "rnn": {
        8: (0.37, 1.13, 0.72),
        16: (0.36, 1.14, 0.71),
        64: (0.39, 1.43, 0.89),
        128: (0.43, 1.71, 1.04),
        256: (0.70, 3.51, 2.11),
        512: (1.19, 7.21, 4.54),
    },
    "bigru": {
        8: (0.46, 1.76, 1.27),
        16: (0.48, 1.73, 1.25),
        64: (0.58, 2.42, 1.74),
        128: (0.87, 4.54, 3.19),
        256: (1.55, 9.43, 7.02),
        512: (3.97, 26.16, 20.63),
    },
    "bilstm": {
        8: (0.42, 1.73, 1.17),
        16: (0.44, 1.83, 1.33),
        64: (0.62, 2.90, 1.98),
        128: (0.92, 4.71, 3.66),
        256: (1.93, 11.36, 8.88),
        512: (6.56, 45.18, 32.51),
    },
}


@cache
def num_gpus() -> int:
    """Count the GPUs of this machine that torch can use."""
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def seconds_per_step(network: str, hidden: int, length: int, layers: int) -> float:
    """Estimate a step of 24 models in seconds: a + layers (b + c length), sizes between those measured as the larger.

    KeyError for a network that was not measured.
    """
    sizes = sorted(MS_PER_STEP[network])
    size = next((one for one in sizes if one >= hidden), sizes[-1])
    return seconds_by_rule(MS_PER_STEP[network][size], length, layers) * max(1.0, hidden / sizes[-1]) ** 2


def seconds_by_rule(corners: tuple[float, float, float], length: int, layers: int) -> float:
    """Return seconds per step from the milliseconds of the three `CORNERS`."""
    (short, _), (long, _), (_, deep) = CORNERS
    slope = max(0.0, corners[1] - corners[0]) / (long - short)
    layer = max(0.0, corners[2] - corners[0]) / (deep - 1)
    once = corners[0] - layer
    return max(corners[0] * 1e-3, (once + layers * (layer + slope * (length - short))) * 1e-3)


def seconds_of_epoch(  # noqa: PLR0913 - a shape and a corpus
    network: str, hidden: int, length: int, layers: int, *, models: int, frames: int, windows_a_step: int = WINDOWS
) -> float:
    """Estimate an epoch of a pack: so many `models`, each trained on `frames`, in steps of `windows_a_step` windows.

    `network`, `hidden` units, window `length` in frames and `layers` as in `seconds_per_step`.
    """
    steps = math.ceil(math.ceil(frames / length) / windows_a_step)
    return steps * seconds_per_step(network, hidden, length, layers) * math.ceil(models / MODELS)
