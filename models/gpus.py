"""GPUs of this machine; torch is imported when they are counted."""

from functools import cache


@cache
def num_gpus() -> int:
    """Count the GPUs of this machine that torch can use."""
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0
