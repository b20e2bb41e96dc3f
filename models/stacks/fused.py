"""Recurrent layers by the Triton kernels, as far as their weights fit on the chip, each tried before it is trusted.

Shapes: as in `models.stacks.cells`.
"""

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from models.backends import BF16, FLOAT32, TF32
from models.precision import products_in
from models.stacks.cells import Gru, Layer, Tanh
from models.stacks.lstm import SmallLstm

# Rows of a program: the smallest product of tensor cores.
ROWS = 16
# How a kernel multiplies float32: "tf32x3" is float32 in three products of tensor cores, to 2^-21.
PRODUCTS = {FLOAT32: "tf32x3", TF32: "tf32", BF16: "ieee"}
# Tried: a kernel must give these bits again (races of a faulty compiler do not) ...
REPEATS = 20
# ... and come this close to float32, ||a - b|| / ||b||; measured: 3e-4 to 5e-4 (TF32), 8e-4 to 1.4e-3 (bfloat16).
TOLERANCE = {FLOAT32: 1e-4, TF32: 3e-3, BF16: 1e-2}
TRIED_CELLS, TRIED_LENGTH = 3, 37


def padded(hidden: int) -> int:
    """Return the extent of a kernel's hidden states: a power of two that a product takes."""
    return max(ROWS, 1 << (hidden - 1).bit_length())


def warps_for(hidden: int) -> tuple[int, int]:
    """Return the warps (32 threads each) of a program forward and back, by a fixed table; measured on an H100."""
    size = padded(hidden)
    return (2, 2) if size <= 32 else (8, 4) if size <= 64 else (8, 8)


@functools.cache
def why_not() -> str | None:
    """Return why Triton cannot be used in this process, None if it can."""
    try:
        import triton  # noqa: F401 - CPU builds of torch bring none
    except ImportError:
        return "triton is not installed (torch's CUDA builds bring it)"
    if os.environ.get("TRITON_INTERPRET") == "1":
        return None
    if not torch.cuda.is_available():
        return "there is no GPU"
    return None


class FusedLayer(Layer):
    """A layer whose passes over time are one launch each, of a program per cell and 16 windows."""

    stepwise: type[Layer]  # the same layer by steps
    precision = FLOAT32
    kept = 0  # values per unit and step that the backward pass reads

    def _prepare(self) -> None:
        shape = (self.cells, self.length, self.batch)
        if self.training:
            self.kept_CLBK = self.h_CTBH.new_empty(*shape, self.kept * self.hidden)
        self._grid = (self.cells, -(-self.batch // ROWS))

    def _launch(self, kernel: Any, *tensors: Tensor, back: bool = False, **settings: Any) -> None:
        kernel[self._grid](
            *tensors,
            self.length,
            self.batch,
            H=self.hidden,
            HP=padded(self.hidden),
            BP=ROWS,
            PRECISION=PRODUCTS[self.precision],
            HALF=self.precision == BF16,
            num_warps=warps_for(self.hidden)[back],
            num_stages=1,
            **settings,
        )


class FusedTanh(FusedLayer):
    """`models.stacks.cells.Tanh` in one launch."""

    gates = 1
    stepwise = Tanh

    def run_over_time(self, back_CHG: Tensor, back_bias_CG: Tensor) -> None:
        """As in the base class."""
        from models.stacks import kernels

        self._launch(kernels.rnn_forward, self.input_CNG, back_CHG, back_bias_CG, self.h_CTBH)

    def run_back(self, grad_CLBH: Tensor, back_CHG: Tensor) -> None:
        """As in the base class."""
        from models.stacks import kernels

        read = (grad_CLBH.contiguous(), back_CHG, self.h_CTBH)
        self._launch(kernels.rnn_backward, *read, self.grad_CNG, back=True)


class FusedGru(FusedLayer):
    """`models.stacks.cells.Gru` in one launch."""

    gates, kept = 3, 4
    stepwise = Gru

    def _prepare(self) -> None:
        super()._prepare()
        if self.training:
            self.input_n_grad_CLBH = self.h_CTBH.new_empty(self.cells, self.length, self.batch, self.hidden)

    def run_over_time(self, back_CHG: Tensor, back_bias_CG: Tensor) -> None:
        """As in the base class."""
        from models.stacks import kernels

        kept = self.kept_CLBK if self.training else self.h_CTBH
        tensors = (self.input_CNG, back_CHG, back_bias_CG, self.h_CTBH, kept)
        self._launch(kernels.gru_forward, *tensors, KEEP=self.training)

    def run_back(self, grad_CLBH: Tensor, back_CHG: Tensor) -> None:
        """As in the base class."""
        from models.stacks import kernels

        read = (grad_CLBH.contiguous(), back_CHG, self.h_CTBH, self.kept_CLBK)
        self._launch(kernels.gru_backward, *read, self.grad_CNG, self.input_n_grad_CLBH, back=True)

    def towards_input(self) -> bool:
        """As in the base class."""
        self.grad_CLBG[..., 2 * self.hidden :].copy_(self.input_n_grad_CLBH)
        return True


class FusedLstm(FusedLayer):
    """`models.stacks.lstm.SmallLstm` in one launch."""

    gates, kept = 4, 4
    stepwise = SmallLstm

    def _prepare(self) -> None:
        super()._prepare()
        if self.training:
            self.c_CTBH = torch.zeros_like(self.h_CTBH)

    def run_over_time(self, back_CHG: Tensor, back_bias_CG: Tensor) -> None:
        """As in the base class."""
        from models.stacks import kernels

        c, kept = (self.c_CTBH, self.kept_CLBK) if self.training else (self.h_CTBH, self.h_CTBH)
        tensors = (self.input_CNG, back_CHG, back_bias_CG, self.h_CTBH, c, kept)
        self._launch(kernels.lstm_forward, *tensors, KEEP=self.training)

    def run_back(self, grad_CLBH: Tensor, back_CHG: Tensor) -> None:
        """As in the base class."""
        from models.stacks import kernels

        read = (grad_CLBH.contiguous(), back_CHG, self.c_CTBH, self.kept_CLBK)
        self._launch(kernels.lstm_backward, *read, self.grad_CNG, back=True)


FUSED: dict[str, type[FusedLayer]] = {"rnn": FusedTanh, "bigru": FusedGru, "bilstm": FusedLstm}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What came of trying a kernel: relative errors against float32, and why it is not used, None if it is."""

    errors: tuple[float, ...] = ()
    refusal: str | None = None


def repeats_on(device: str) -> int:
    """Return how often a kernel is run on a device: Triton's interpreter knows no races."""
    return REPEATS if torch.device(device).type == "cuda" else 1


@functools.cache
def tried(network: str, hidden: int, precision: str, device: str) -> Trial:
    """Run the kernels of a shape some times on random numbers, and compare bits with bits and values with float32.

    Called before a shape is used first in a process. What does not fit on the chip, does not compile or is wrong is
    refused with a reason, and nothing else is lost.
    """
    reason = why_not()
    if reason is not None:
        return Trial(refusal=reason)
    kind = FUSED[network]
    if torch.device(device).type == "cuda":
        room = torch.cuda.get_device_properties(device).shared_memory_per_block_optin
        needed = kind.gates * padded(hidden) ** 2 * (2 if precision == BF16 else 4)
        if needed > room:  # what fits may still be refused below: a product needs some room beside them
            return Trial(refusal=f"its weights take {needed >> 10} KiB on the chip, which has {room >> 10} KiB")
    repeats = repeats_on(device)
    try:
        with products_in(FLOAT32):  # only what the kernels do is tried
            results = [_once(fused(network, precision), hidden, device) for _ in range(repeats)]
            expected = _once(kind.stepwise, hidden, device)
    except Exception as failure:
        return Trial(refusal=f"{type(failure).__name__}: {' '.join(str(failure).split())[:200]}")
    if any(not torch.equal(a, b) for other in results[1:] for a, b in zip(results[0], other, strict=True)):
        return Trial(refusal=f"{REPEATS} runs gave different bits")
    errors = tuple(float((a - b).norm() / b.norm()) for a, b in zip(results[0], expected, strict=True))
    if not all(error <= TOLERANCE[precision] for error in errors):
        return Trial(errors=errors, refusal=f"off by {max(errors):.1e} from float32, allowed {TOLERANCE[precision]:g}")
    return Trial(errors=errors)


@functools.cache
def fused(network: str, precision: str) -> type[FusedLayer]:
    """Return the layer of a network that multiplies with a precision."""
    kind = FUSED[network]
    return type(f"{kind.__name__}{precision}", (kind,), {"precision": precision})


def _once(kind: Callable[..., Layer], hidden: int, device: str) -> tuple[Tensor, ...]:
    """Return hidden states and all gradients of one layer on random numbers, the same at every call."""
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator).to(device)

    cells, batch = TRIED_CELLS, ROWS + 4  # a second program, and rows that are not there
    like = torch.empty(0, device=device)
    layer = kind(cells, TRIED_LENGTH, batch, hidden, like=like, training=True)
    width = layer.gates * hidden
    size = 0.5 / hidden**0.5  # small enough that no cell amplifies rounding
    x_CNF = draw(cells, TRIED_LENGTH * batch, ROWS)
    weights = (
        size * draw(cells, ROWS, width),
        size * draw(cells, hidden, width),
        draw(cells, width),
        draw(cells, width),
    )
    inputs = [one.requires_grad_() for one in (x_CNF, *weights)]
    hidden_CNH = layer.run(inputs[0], *inputs[1:])
    grad_CNH = draw(*hidden_CNH.shape)
    found = hidden_CNH.detach().clone()
    return found, *torch.autograd.grad(hidden_CNH, inputs, grad_CNH)
