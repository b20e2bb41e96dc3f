"""One recurrent layer of many models at once, forward and back: the tanh network and the GRU.

The equations are those of `models.recurrences` (torch.nn's), the layout is another: a product's result is contiguous at
every step, so that all cells are one call of the library, and weights are input by output, which it multiplies twice as
fast as their transposes. Nothing mixes two cells, and every loop over elements ends on a whole vector: a cell's bits
depend on no other's.

Shapes: C cells (a model's direction), L window length, T = L + 1, B windows, F features, H hidden, G gates, N = L B.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Self

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from models.precision import baddbmm, bmm, over_frames

# Elements that torch's loops take at a time with AVX-512 (two vectors of 16); a rest is calculated by other code.
VECTOR = 32
# Frames of a call are a multiple of it: MKL takes other code where a model's part of a product is not aligned to 16
# bytes, as after an odd number of frames of the head's 10 columns. On an AMD EPYC that gave other bits than alone.
FRAMES = 2

sigmoid_slope = torch.ops.aten.sigmoid_backward.grad_input
tanh_slope = torch.ops.aten.tanh_backward.grad_input


def padded_batch(windows: int, hidden_size: int, length: int) -> int:
    """Return the smallest number of windows, at least `windows`, whose hidden states fill whole vectors.

    And whose frames, `length` per window, are an even number.
    """
    while windows * hidden_size % VECTOR or windows * length % FRAMES:
        windows += 1
    return windows


class Layer:
    """Memory of one layer of some cells, used again at every step, and its two passes over time.

    A pass forward overwrites what the one before left: its backward pass must have ended by then. What only a backward
    pass needs is shared with the layer `beside`.
    """

    gates: int
    half = False  # on a GPU: products of operands rounded to bfloat16 (models.precision)

    def __init__(  # noqa: PLR0913 - a shape
        self,
        cells: int,
        length: int,
        batch: int,
        hidden: int,
        *,
        like: Tensor,
        training: bool,
        beside: Self | None = None,
    ) -> None:
        """Allocate for so many `cells` (models x directions), `length` frames, `batch` windows and `hidden` units.

        On the device and with the type of `like`; without `training` there is no backward pass. Buffers that are not
        used at the same time are shared with the layer `beside`.
        """
        self.cells, self.length, self.batch, self.hidden = cells, length, batch, hidden
        self.training, self._beside = training, beside
        width = self.gates * hidden
        self.input_CNG = like.new_empty(cells, length * batch, width)
        self.input_CLBG = self.input_CNG.view(cells, length, batch, width)
        self.h_CTBH = like.new_zeros(cells, length + 1, batch, hidden)
        self.before_CNH = self.h_CTBH[:, :-1].flatten(1, 2)
        self.hidden_CNH = self.h_CTBH[:, 1:].flatten(1, 2)
        if training:
            self.grad_CNG: Tensor = torch.empty_like(self.input_CNG) if beside is None else beside.grad_CNG
            self.grad_CLBG = self.grad_CNG.view(cells, length, batch, width)
        self._prepare()

    def run(
        self, x_CNF: Tensor, into_CFG: Tensor, back_CHG: Tensor, into_bias_CG: Tensor, back_bias_CG: Tensor
    ) -> Tensor:
        """Return hidden states (C, N, H), time-major within a cell; x is turned round for a backward direction."""
        hidden_CNH: Tensor = _OverTime.apply(self, x_CNF, into_CFG, back_CHG, into_bias_CG, back_bias_CG)
        return hidden_CNH

    def _prepare(self) -> None:
        """Allocate what only this kind of layer needs."""
        raise NotImplementedError

    def run_over_time(self, back_CHG: Tensor, back_bias_CG: Tensor) -> None:
        """Run from `input_CNG`, which holds the inputs with their bias, to `h_CTBH`."""
        raise NotImplementedError

    def run_back(self, grad_CLBH: Tensor, back_CHG: Tensor) -> None:
        """Leave in `grad_CLBG` the gradients of what the recurrent weights put out."""
        raise NotImplementedError

    def towards_input(self) -> bool:
        """Turn `grad_CLBG` into the gradients of the inputs; False if they are the same."""
        return False


class _OverTime(Function):
    @staticmethod
    def forward(  # noqa: PLR0913, PLR0917 - torch hands them over by place
        ctx: Any,
        layer: Layer,
        x_CNF: Tensor,
        into_CFG: Tensor,
        back_CHG: Tensor,
        into_bias_CG: Tensor,
        back_bias_CG: Tensor,
    ) -> Tensor:
        """Return hidden states (C, N, H) of inputs `x_CNF`, N = frames x windows, and keep in `ctx` what `backward`
        needs.

        `layer` has the buffers; `into_CFG` and `into_bias_CG` lead from the input to the gates, `back_CHG` and
        `back_bias_CG` from the hidden state.
        """
        baddbmm(into_bias_CG[:, None], x_CNF, into_CFG, half=layer.half, out=layer.input_CNG)
        layer.run_over_time(back_CHG, back_bias_CG)
        ctx.layer = layer
        ctx.save_for_backward(x_CNF, into_CFG, back_CHG)
        return layer.hidden_CNH.view_as(layer.hidden_CNH)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_CNH: Tensor) -> tuple[Tensor | None, ...]:
        x_CNF, into_CFG, back_CHG = ctx.saved_tensors
        layer: Layer = ctx.layer
        grad_CLBH = grad_CNH.view(layer.cells, layer.length, layer.batch, layer.hidden)
        layer.run_back(grad_CLBH, back_CHG)
        back_grad_CHG = bmm(layer.before_CNH.transpose(1, 2), layer.grad_CNG, half=layer.half)
        back_bias_grad_CG = into_bias_grad_CG = layer.grad_CNG.sum(1)
        if layer.towards_input():
            into_bias_grad_CG = layer.grad_CNG.sum(1)
        into_grad_CFG = over_frames(x_CNF, layer.grad_CNG, half=layer.half)
        x_grad_CNF = None
        if ctx.needs_input_grad[1]:
            x_grad_CNF = bmm(layer.grad_CNG, into_CFG.transpose(1, 2), half=layer.half)
        return None, x_grad_CNF, into_grad_CFG, back_grad_CHG, into_bias_grad_CG, back_bias_grad_CG


class Stepwise(Layer):
    """A layer that takes one step after the other, each some calls of the library for all cells at once."""

    def _prepare(self) -> None:
        self.gate_LCBG = self.h_CTBH.new_empty(self.length, self.cells, self.batch, self.gates * self.hidden)
        if self.training:
            self.dh_LCBH = self._shared("dh_LCBH")
        self._prepare_steps()

    def _shared(self, name: str) -> Tensor:
        """Return (L, C, B, H) for a backward pass, the neighbour's if there is one."""
        if self._beside is not None:
            shared: Tensor = getattr(self._beside, name)
            return shared
        return self.h_CTBH.new_empty(self.length, self.cells, self.batch, self.hidden)

    def _prepare_steps(self) -> None:
        """Cut all tensors into steps once: indexing the time axis inside the loop costs as much as the arithmetic."""
        raise NotImplementedError

    def run_over_time(self, back_CHG: Tensor, back_bias_CG: Tensor) -> None:
        """As in the base class."""
        torch.add(self.input_CLBG.transpose(0, 1), back_bias_CG[:, None], out=self.gate_LCBG)
        self.run_steps(self._operand(back_CHG))

    def run_back(self, grad_CLBH: Tensor, back_CHG: Tensor) -> None:
        """As in the base class."""
        self.run_steps_back(grad_CLBH, self._operand(back_CHG.transpose(1, 2).contiguous()))

    def _operand(self, weight: Tensor) -> Tensor:
        """Return recurrent weights as `times` takes them, rounded once and not at every step."""
        return weight.to(torch.bfloat16) if self.half else weight

    @property
    def times(self) -> Callable[..., Tensor]:
        """What multiplies at every step: torch.baddbmm, or the same from operands rounded to bfloat16."""
        return partial(baddbmm, half=True) if self.half else torch.baddbmm

    def run_steps(self, back_CHG: Tensor) -> None:
        """Run from `gate_LCBG`, which holds the inputs and all biases, to `h_CTBH`."""
        raise NotImplementedError

    def run_steps_back(self, grad_CLBH: Tensor, back_CGH: Tensor) -> None:
        """As `run_back`, from the recurrent weights transposed."""
        raise NotImplementedError


class Tanh(Stepwise):
    """h' = tanh(input + W h + b)."""

    gates = 1

    def _prepare_steps(self) -> None:
        h = self.h_CTBH.unbind(1)
        self._steps = list(zip(h[:-1], h[1:], self.gate_LCBG.unbind(0), strict=True))
        if self.training:
            self._back = list(zip(h[1:], self.dh_LCBH.unbind(0), self.grad_CLBG.unbind(1), strict=True))

    def run_steps(self, back_CHG: Tensor) -> None:
        """As in the base class."""
        times = self.times
        for before, after, gate in self._steps:
            times(gate, before, back_CHG, out=gate)
            torch.tanh(gate, out=after)

    def run_steps_back(self, grad_CLBH: Tensor, back_CGH: Tensor) -> None:
        """As in the base class."""
        times, following = self.times, None
        for (h, dh, gate_grad), grad in zip(reversed(self._back), reversed(grad_CLBH.unbind(1)), strict=True):
            if following is None:
                dh.copy_(grad)
            else:
                times(grad, following, back_CGH, out=dh)
            tanh_slope(dh, h, grad_input=gate_grad)
            following = gate_grad


class Gru(Stepwise):
    """h' = (1 - z) n + z h; r, z = sigmoid(i + W h + b); n = tanh(i + r (W h + b)).

    The third gate holds i + W h + b, too: n = tanh(i + r (that - i)) needs one call.
    """

    gates = 3

    def _prepare_steps(self) -> None:
        hidden, both = self.hidden, 2 * self.hidden
        self.n_LCBH = self.h_CTBH.new_empty(self.length, self.cells, self.batch, hidden)
        # Rows of r and z that are no whole vectors take longer than the third gate beside them.
        whole = both % VECTOR != 0
        self.sig_LCBG = torch.empty_like(self.gate_LCBG) if whole else self.gate_LCBG
        used = self.gates * hidden if whole else both
        self.r, self.z = self.sig_LCBG[..., :hidden], self.sig_LCBG[..., hidden:both]
        self.third, self.input_n = self.gate_LCBG[..., both:], self.input_CLBG[..., both:]
        h = self.h_CTBH.unbind(1)
        self._steps = list(
            zip(
                h[:-1],
                h[1:],
                self.gate_LCBG.unbind(0),
                self.gate_LCBG[..., :used].unbind(0),
                self.sig_LCBG[..., :used].unbind(0),
                self.r.unbind(0),
                self.z.unbind(0),
                self.third.unbind(0),
                self.input_n.unbind(1),
                self.n_LCBH.unbind(0),
                strict=True,
            )
        )
        if self.training:
            self.to_n_LCBH = self._shared("to_n_LCBH")
            by_gate = self.grad_CLBG.view(*self.grad_CLBG.shape[:3], self.gates, hidden).unbind(1)
            self._back = list(
                zip(
                    self.dh_LCBH.unbind(0),
                    [dh[:, :, None] for dh in self.dh_LCBH.unbind(0)],
                    self.z.unbind(0),
                    self.grad_CLBG.unbind(1),
                    by_gate,
                    strict=True,
                )
            )

    def run_steps(self, back_CHG: Tensor) -> None:
        """As in the base class."""
        times = self.times
        for before, after, gate, into, out, r, z, third, input_n, n in self._steps:
            times(gate, before, back_CHG, out=gate)
            torch.sigmoid(into, out=out)
            torch.lerp(input_n, third, r, out=n).tanh_()
            torch.lerp(n, before, z, out=after)

    def run_steps_back(self, grad_CLBH: Tensor, back_CGH: Tensor) -> None:
        """As in the base class."""
        self._factors()
        times, following = self.times, None
        for (dh, dh_B1H, keep, gate_grad, by_gate), grad in zip(
            reversed(self._back), reversed(grad_CLBH.unbind(1)), strict=True
        ):
            if following is None:
                dh.copy_(grad)
            else:
                dh_next, keep_next, grad_next = following
                torch.addcmul(grad, dh_next, keep_next, out=dh)
                times(dh, grad_next, back_CGH, out=dh)
            by_gate.mul_(dh_B1H)
            following = dh, keep, gate_grad

    def _factors(self) -> None:
        """Fill `grad_CLBG` with each gate's share of dh."""
        hidden = self.hidden
        n, r, z, third = (one.transpose(0, 1) for one in (self.n_LCBH, self.r, self.z, self.third))
        to_r, to_z, to_third = torch.split(self.grad_CLBG, hidden, dim=-1)
        torch.sub(1.0, self.z, out=self.to_n_LCBH)
        tanh_slope(self.to_n_LCBH, self.n_LCBH, grad_input=self.to_n_LCBH)
        torch.mul(self.to_n_LCBH.transpose(0, 1), r, out=to_third)
        torch.sub(third, self.input_n, out=to_r).mul_(to_third)
        torch.addcmul(to_r, to_r, r, value=-1, out=to_r)
        torch.sub(self.h_CTBH[:, :-1], n, out=to_z)
        sigmoid_slope(to_z, z, grad_input=to_z)

    def towards_input(self) -> bool:
        """As in the base class."""
        to_n = self.grad_CLBG[..., 2 * self.hidden :]
        torch.mul(self.dh_LCBH.transpose(0, 1), self.to_n_LCBH.transpose(0, 1), out=to_n)
        return True
