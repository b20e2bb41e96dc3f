"""How a GPU multiplies: float32, TF32 (10 bits of mantissa; what tensor cores take of float32) or bfloat16 (7 bits).

Sums, states, weights and Adam are float32 in each of them. A CPU knows float32 only.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

FLOAT32, TF32, BF16 = "float32", "tf32", "bf16"
PRECISIONS = (TF32, FLOAT32, BF16)
# What cuDNN's recurrent networks and convolutions take by default; the paper says nothing.
DEFAULT = TF32


def on(device: str, precision: str) -> str:
    """Return the precision that products have on a device; ValueError for an unknown one."""
    if precision not in PRECISIONS:
        raise ValueError(f"unknown precision {precision!r}: expected one of {', '.join(PRECISIONS)}")
    return precision if torch.device(device).type == "cuda" else FLOAT32


def _switches() -> tuple[tuple[Any, str], ...]:
    """Where torch keeps what it may do to float32: by its new names (2.9 and later), since it refuses a mix of both."""
    cuda, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    if hasattr(cudnn, "rnn") and hasattr(cudnn, "conv"):
        return (cuda, "fp32_precision"), (cudnn.rnn, "fp32_precision"), (cudnn.conv, "fp32_precision")
    return (cuda, "allow_tf32"), (cudnn, "allow_tf32")


@contextmanager
def products_in(precision: str) -> Iterator[None]:
    """Multiply float32 matrices on a GPU as `precision` says, and as before afterwards; a CPU does not notice."""
    switches = _switches()
    before = [getattr(where, name) for where, name in switches]
    plain = precision == FLOAT32
    try:
        for where, name in switches:
            setattr(where, name, ("ieee" if plain else "tf32") if name == "fp32_precision" else not plain)
        yield
    finally:
        for (where, name), value in zip(switches, before, strict=True):
            setattr(where, name, value)


@contextmanager
def modules_in(precision: str) -> Iterator[None]:
    """As `products_in` for torch's own modules, which take bfloat16 by autocast.

    Without its cache, which would keep the rounded weights of the first step for all others.
    """
    half = precision == BF16
    with products_in(precision), torch.autocast("cuda", dtype=torch.bfloat16, enabled=half, cache_enabled=False):
        yield


def bmm(left: Tensor, right: Tensor, *, half: bool) -> Tensor:
    """Batched product in float32; with `half`, on a GPU, from operands rounded to bfloat16."""
    if half:
        return torch.bmm(left.to(torch.bfloat16), right.to(torch.bfloat16), out_dtype=torch.float32)
    return torch.bmm(left, right)


def baddbmm(added: Tensor, left: Tensor, right: Tensor, *, half: bool, out: Tensor) -> Tensor:
    """Write `added` + the batched product to `out`, which may be `added`; `half` as in `bmm`."""
    if half:
        return torch.baddbmm(added, left.to(torch.bfloat16), right.to(torch.bfloat16), out_dtype=torch.float32, out=out)
    return torch.baddbmm(added, left, right, out=out)
