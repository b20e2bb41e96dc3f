"""Recurrent layers by the Triton kernels, as far as their weights fit on the chip, each tried before it is trusted.

Shapes: as in `models.stacks.cells`.
"""

import functools
import os
from typing import Any, TypeVar

import torch
from torch import Tensor

from models.backends import BF16, FLOAT32, TF32
from models.stacks.cells import Gru, Layer, Tanh
from models.stacks.lstm import SmallLstm

# Rows of a program: the smallest product of tensor cores.
ROWS = 16
# How a kernel multiplies float32: "tf32x3" is float32 in three products of tensor cores, to 2^-21.
PRODUCTS = {FLOAT32: "tf32x3", TF32: "tf32", BF16: "ieee"}
TRIED_CELLS = 3
# Where Triton's interpreter runs there is no chip: as much as on an H100.
ROOM = 227 << 10


def power_of_two(number: int) -> int:
    """Return the smallest power of two that is not less than a number."""
    return 1 << (number - 1).bit_length()


def padded(hidden: int) -> int:
    """Return the extent of a kernel's hidden states: a power of two that a product takes."""
    return max(ROWS, power_of_two(hidden))


def warps_for(hidden: int, gates: int) -> tuple[int, int]:
    """Return the warps (32 threads each) of a program forward and back, by a fixed table; measured on an H100."""
    size = padded(hidden)
    return (2, 2) if size <= 32 else (8, 4) if size <= 64 or gates == 1 else (8, 8)


def interpreted() -> bool:
    """Whether Triton's interpreter runs the kernels, on a CPU and one program after the other."""
    return os.environ.get("TRITON_INTERPRET") == "1"


def room_on(device: str) -> int:
    """Return the bytes that a program can have on a multiprocessor."""
    if torch.device(device).type != "cuda":
        return ROOM
    return int(torch.cuda.get_device_properties(device).shared_memory_per_block_optin)


@functools.cache
def why_not() -> str | None:
    """Return why Triton cannot be used in this process, None if it can."""
    try:
        import triton  # noqa: F401 - CPU builds of torch bring none
    except ImportError:
        return "triton is not installed (torch's CUDA builds bring it)"
    if interpreted():
        return None
    if not torch.cuda.is_available():
        return "there is no GPU"
    return None


class FusedLayer(Layer):
    """A layer whose passes over time are one launch each, of a program per cell and 16 windows."""

    stepwise: type[Layer]  # the same layer by steps
    precision = FLOAT32
    kept = 0  # values per unit and step that the backward pass reads

    @classmethod
    def refused(cls, hidden: int, device: str) -> str | None:
        """Return why a device cannot have this layer with so many units, None if it may: the rest is tried."""
        if torch.device(device).type != "cuda":
            return None
        room = room_on(device)
        needed = cls.gates * padded(hidden) ** 2 * (2 if cls.precision == BF16 else 4)
        if needed > room:  # what fits may still not run: a product needs some room beside them
            return f"its weights take {needed >> 10} KiB on the chip, which has {room >> 10} KiB"
        return None

    @classmethod
    def tried_cells(cls, hidden: int, device: str) -> int:  # noqa: ARG003 - a team's differ
        """Return the cells with which the kernels are tried."""
        return TRIED_CELLS

    def _prepare(self) -> None:
        # What a kind does not have is never written; a kernel is given some address.
        self.c_CTBH = self.kept_CLBK = self.input_n_grad_CLBH = self.h_CTBH
        if self.training:
            self.kept_CLBK = self.h_CTBH.new_empty(self.cells, self.length, self.batch, self.kept * self.hidden)
        self._grid = (self.cells, -(-self.batch // ROWS))

    def _settings(self) -> dict[str, Any]:
        """Return what every kernel is compiled for."""
        return {
            "H": self.hidden,
            "HP": padded(self.hidden),
            "BP": ROWS,
            "PRECISION": PRODUCTS[self.precision],
            "HALF": self.precision == BF16,
            "num_stages": 1,
        }

    def _launch(self, kernel: Any, *tensors: Tensor, back: bool = False, **settings: Any) -> None:
        warps = warps_for(self.hidden, self.gates)[back]
        kernel[self._grid](*tensors, self.length, self.batch, num_warps=warps, **self._settings(), **settings)


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

        tensors = (self.input_CNG, back_CHG, back_bias_CG, self.h_CTBH, self.kept_CLBK)
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
        self.c_CTBH = torch.zeros_like(self.h_CTBH)

    def run_over_time(self, back_CHG: Tensor, back_bias_CG: Tensor) -> None:
        """As in the base class."""
        from models.stacks import kernels

        tensors = (self.input_CNG, back_CHG, back_bias_CG, self.h_CTBH, self.c_CTBH, self.kept_CLBK)
        self._launch(kernels.lstm_forward, *tensors, KEEP=self.training)

    def run_back(self, grad_CLBH: Tensor, back_CHG: Tensor) -> None:
        """As in the base class."""
        from models.stacks import kernels

        read = (grad_CLBH.contiguous(), back_CHG, self.c_CTBH, self.kept_CLBK)
        self._launch(kernels.lstm_backward, *read, self.grad_CNG, back=True)


Layered = TypeVar("Layered", bound=FusedLayer)
FUSED: dict[str, type[FusedLayer]] = {"rnn": FusedTanh, "bigru": FusedGru, "bilstm": FusedLstm}


def multiplying_in(kind: type[Layered], precision: str) -> type[Layered]:
    """Return a kind of layer that multiplies with a precision."""
    return type(f"{kind.__name__}{precision}", (kind,), {"precision": precision})


@functools.cache
def fused(network: str, precision: str) -> type[FusedLayer]:
    """Return the layer of a network, by one program per cell, that multiplies with a precision."""
    return multiplying_in(FUSED[network], precision)
