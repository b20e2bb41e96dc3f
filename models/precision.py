"""How a GPU multiplies: float32, TF32 (10 bits of mantissa; what tensor cores take of float32) or bfloat16 (7 bits).

Sums, states, weights and Adam are float32 in each of them. A CPU knows float32 only.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from models.backends import BF16, FLOAT32, PRECISIONS

# Of a product over frames on a GPU: a block's square, frames that are worth a block, blocks that fill the GPU.
SQUARE, LEAST_FRAMES, MOST_SQUARES = 64, 1024, 264


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


def over_frames(left_CNF: Tensor, right_CNG: Tensor, *, half: bool) -> Tensor:
    """Sum the products of two (C, N, ...) over their frames: (C, F, G); `half` as in `bmm`.

    On a GPU one block takes a square of a cell's result over all frames. If there are few squares and many frames, as
    of a narrow network with long windows, most of the GPU would wait: the frames are divided, and the parts added.
    """
    whole = left_CNF.is_cuda and left_CNF.is_contiguous() and right_CNG.is_contiguous()
    cells, frames, columns = left_CNF.shape
    parts = parts_of_frames(cells, frames, columns, right_CNG.shape[2]) if whole else 1
    return in_parts(left_CNF, right_CNG, parts, half=half)


def parts_of_frames(cells: int, frames: int, columns: int, width: int) -> int:
    """Return into how many equal parts the frames of products (F, G) of so many cells are divided on a GPU."""
    parts, squares = 1, cells * -(-columns // SQUARE) * -(-width // SQUARE)
    while frames % (2 * parts) == 0 and frames // (2 * parts) >= LEAST_FRAMES and squares * parts < MOST_SQUARES:
        parts *= 2
    return parts


def in_parts(left_CNF: Tensor, right_CNG: Tensor, parts: int, *, half: bool) -> Tensor:
    """Return what `over_frames` does, from the sums of so many equal parts of the frames."""
    if parts == 1:
        return bmm(left_CNF.transpose(1, 2), right_CNG, half=half)
    cells, frames, columns = left_CNF.shape
    left, right = (one.view(cells * parts, frames // parts, -1) for one in (left_CNF, right_CNG))
    return bmm(left.transpose(1, 2), right, half=half).view(cells, parts, columns, -1).sum(1)
