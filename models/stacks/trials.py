"""Kernels are tried on a device before they are trusted: the same bits again and again, and values close to float32.

Shapes: as in `models.stacks.cells`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from models.backends import BF16, FLOAT32, TF32
from models.precision import products_in
from models.stacks.cells import Layer
from models.stacks.fused import ROWS, FusedLayer, why_not

# A kernel must give these bits again (races of a faulty compiler, or between programs, do not) ...
REPEATS = 20
# ... and come this close to float32, ||a - b|| / ||b||; measured: 3e-4 to 5e-4 (TF32), 8e-4 to 1.4e-3 (bfloat16).
TOLERANCE = {FLOAT32: 1e-4, TF32: 3e-3, BF16: 1e-2}
# Frames and windows: an even number, as a team's two buffers must go on in turns from task to task, not begin anew; and
# a second block of rows, most of which are not there.
TRIED_LENGTH, TRIED_BATCH = 38, ROWS + 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What came of trying a kernel: relative errors against float32, and why it is not used, None if it is."""

    errors: tuple[float, ...] = ()
    refusal: str | None = None


TRIED: dict[tuple[type[FusedLayer], int, str], Trial] = {}  # of this process


def repeats_on(device: str) -> int:
    """Return how often a kernel is run on a device: Triton's interpreter knows no races."""
    return REPEATS if torch.device(device).type == "cuda" else 1


def tried(kind: type[FusedLayer], hidden: int, device: str) -> Trial:
    """Run the kernels of a shape some times on random numbers, and compare bits with bits and values with float32.

    Called before a shape is used first in a process. What does not fit on the chip, does not compile or is wrong is
    refused with a reason, and nothing else is lost.
    """
    key = kind, hidden, device
    if key not in TRIED:
        TRIED[key] = _try(kind, hidden, device)
    return TRIED[key]


def _try(kind: type[FusedLayer], hidden: int, device: str) -> Trial:
    reason = why_not() or kind.refused(hidden, device)
    if reason is not None:
        return Trial(refusal=reason)
    repeats = repeats_on(device)
    try:
        with products_in(FLOAT32):  # only what the kernels do is tried
            drawn = _draw(kind, hidden, device)
            results = [_once(kind, *drawn) for _ in range(repeats)]
            expected = _once(kind.stepwise, *drawn)
    except Exception as failure:
        return Trial(refusal=f"{type(failure).__name__}: {' '.join(str(failure).split())[:200]}")
    if any(not torch.equal(a, b) for other in results[1:] for a, b in zip(results[0], other, strict=True)):
        return Trial(refusal=f"{REPEATS} runs gave different bits")
    errors = tuple(float((a - b).norm() / b.norm()) for a, b in zip(results[0], expected, strict=True))
    if not all(error <= TOLERANCE[kind.precision] for error in errors):
        return Trial(
            errors=errors, refusal=f"off by {max(errors):.1e} from float32, allowed {TOLERANCE[kind.precision]:g}"
        )
    return Trial(errors=errors)


def _draw(kind: type[FusedLayer], hidden: int, device: str) -> tuple[Tensor, ...]:
    """Draw inputs, weights, biases and a gradient of a layer's hidden states, the same at every call."""
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator).to(device)

    cells, frames = kind.tried_cells(hidden, device), TRIED_LENGTH * TRIED_BATCH
    width = kind.gates * hidden
    size = 0.5 / hidden**0.5  # small enough that no cell amplifies rounding
    weights = size * draw(cells, ROWS, width), size * draw(cells, hidden, width)
    return draw(cells, frames, ROWS), *weights, draw(cells, width), draw(cells, width), draw(cells, frames, hidden)


def _once(
    kind: Callable[..., Layer], x_CNF: Tensor, into_CFG: Tensor, back_CHG: Tensor, *biases_and_grad: Tensor
) -> tuple[Tensor, ...]:
    """Return hidden states and all gradients of one layer on numbers of `_draw`."""
    *biases, grad_CNH = biases_and_grad
    layer = kind(len(x_CNF), TRIED_LENGTH, TRIED_BATCH, back_CHG.shape[1], like=x_CNF, training=True)
    inputs = [one.detach().requires_grad_() for one in (x_CNF, into_CFG, back_CHG, *biases)]
    hidden_CNH = layer.run(inputs[0], *inputs[1:])
    found = hidden_CNH.detach().clone()
    return found, *torch.autograd.grad(hidden_CNH, inputs, grad_CNH)
