"""How a GPU multiplies: float32, TF32 (10 bits of mantissa; what tensor cores take of float32) or bfloat16 (7 bits).

Sums, states, weights and Adam are float32 in each of them. A CPU knows float32 only.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from models.backends import BF16, FLOAT32, PRECISIONS


def on(device: str, precision: str) -> str:
    """Return the precision that products have on a device; ValueError for an unknown one."""
    if precision not in PRECISIONS:
        raise ValueError(f"unknown precision {precision!r}: expected one of {', '.join(PRECISIONS)}")
    return precision if torch.device(device).type == "cuda" else FLOAT32


def _switches() -> tuple[tuple[Any, str], ...]:
    """Where torch keeps what it may do to float32: by its new names (2.9 and later), since it refuses a mix of both."""
    cuda, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    kinds = [getattr(cudnn, name, None) for name in ("rnn", "conv")]
    if None not in kinds:
        return (cuda, "fp32_precision"), *((one, "fp32_precision") for one in kinds)
    return (cuda, "allow_tf32"), (cudnn, "allow_tf32")


@contextmanager
def products_in(precision: str) -> Iterator[None]:
    """Multiply float32 matrices on a GPU as `precision` says, and as before afterwards; without a GPU do nothing."""
    if not torch.cuda.is_available():
        yield
        return
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
    if not torch.cuda.is_available():
        yield
        return
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
