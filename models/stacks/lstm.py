"""One LSTM layer of many models at once: ours for small networks, oneDNN's cell by cell for others.

Shapes: as in `models.stacks.cells`.
"""

import torch
from torch import Tensor

from models.stacks.cells import Stepwise, sigmoid_slope, tanh_slope

# Measured on one CPU thread: from here on oneDNN's LSTM, which takes one cell at a time, is the faster one.
ONEDNN_HIDDEN = 16


class SmallLstm(Stepwise):
    """c' = f c + i g, h' = o tanh(c'); i, f, o = sigmoid(input + W h + b), g = tanh(input + W h + b)."""

    gates = 4

    def _prepare_steps(self) -> None:
        hidden = self.hidden
        self.sig_LCBG = torch.empty_like(self.gate_LCBG)
        self.c_TCBH = self.h_CTBH.new_zeros(self.length + 1, self.cells, self.batch, hidden)
        self.tanh_c_LCBH = self.h_CTBH.new_empty(self.length, self.cells, self.batch, hidden)
        self.i, self.f, self.g, self.o = torch.split(self.sig_LCBG, hidden, dim=-1)
        h, c = self.h_CTBH.unbind(1), self.c_TCBH.unbind(0)
        self._steps = list(
            zip(
                h[:-1],
                h[1:],
                c[:-1],
                c[1:],
                self.gate_LCBG.unbind(0),
                self.gate_LCBG[..., 2 * hidden : 3 * hidden].unbind(0),
                self.sig_LCBG.unbind(0),
                *(one.unbind(0) for one in (self.i, self.f, self.g, self.o, self.tanh_c_LCBH)),
                strict=True,
            )
        )
        if self.training:
            self.to_c_LCBH = self._shared("to_c_LCBH")
            self.dc_LCBH = self._shared("dc_LCBH")
            by_gate = self.grad_CLBG.view(*self.grad_CLBG.shape[:3], self.gates, hidden)
            self._back = list(
                zip(
                    self.dh_LCBH.unbind(0),
                    self.dc_LCBH.unbind(0),
                    [dc[:, :, None] for dc in self.dc_LCBH.unbind(0)],
                    self.to_c_LCBH.unbind(0),
                    self.f.unbind(0),
                    self.grad_CLBG.unbind(1),
                    by_gate[..., :3, :].unbind(1),
                    by_gate[..., 3, :].unbind(1),
                    strict=True,
                )
            )

    def run_steps(self, back_CHG: Tensor) -> None:
        """As in the base class."""
        times = self.times
        for before, after, c, c_after, gate, gate_g, sig, i, f, g, o, tanh_c in self._steps:
            times(gate, before, back_CHG, out=gate)
            torch.sigmoid(gate, out=sig)
            torch.tanh(gate_g, out=g)
            torch.mul(f, c, out=c_after).addcmul_(i, g)
            torch.tanh(c_after, out=tanh_c)
            torch.mul(o, tanh_c, out=after)

    def run_steps_back(self, grad_CLBH: Tensor, back_CGH: Tensor) -> None:
        """As in the base class."""
        i, f, g, o, tanh_c = (one.transpose(0, 1) for one in (self.i, self.f, self.g, self.o, self.tanh_c_LCBH))
        to_i, to_f, to_g, to_o = torch.split(self.grad_CLBG, self.hidden, dim=-1)
        sigmoid_slope(g, i, grad_input=to_i)
        sigmoid_slope(self.c_TCBH[:-1].transpose(0, 1), f, grad_input=to_f)
        tanh_slope(i, g, grad_input=to_g)
        sigmoid_slope(tanh_c, o, grad_input=to_o)
        tanh_slope(self.o, self.tanh_c_LCBH, grad_input=self.to_c_LCBH)
        times, following = self.times, None
        for (dh, dc, dc_B1H, to_c, forget, gate_grad, on_c, on_h), grad in zip(
            reversed(self._back), reversed(grad_CLBH.unbind(1)), strict=True
        ):
            if following is None:
                dh.copy_(grad)
                torch.mul(dh, to_c, out=dc)
            else:
                dc_next, forget_next, grad_next = following
                times(grad, grad_next, back_CGH, out=dh)
                torch.mul(dh, to_c, out=dc).addcmul_(dc_next, forget_next)
            on_c.mul_(dc_B1H)
            on_h.mul_(dh)
            following = dc, forget, gate_grad


class OneByOneLstm:
    """torch's LSTM (oneDNN's on a CPU) for one cell after the other, as `models.recurrences` calls it."""

    def __init__(  # noqa: PLR0913 - as `Layer`
        self,
        cells: int,
        length: int,
        batch: int,
        hidden: int,
        *,
        like: Tensor,
        training: bool,
        beside: "OneByOneLstm | None" = None,  # noqa: ARG002 - it has nothing to share
    ) -> None:
        """Take the shape of a layer; torch allocates what it needs.

        `cells`, `length`, `batch`, `hidden`, `like`, `training` as in `Layer`; there is nothing to share with `beside`.
        """
        self.cells, self.length, self.batch, self.training = cells, length, batch, training
        self.zeros_1BH = like.new_zeros(1, batch, hidden)

    def run(
        self, x_CNF: Tensor, into_CFG: Tensor, back_CHG: Tensor, into_bias_CG: Tensor, back_bias_CG: Tensor
    ) -> Tensor:
        """Return hidden states as `Layer.run`."""
        x_CLBF = x_CNF.view(self.cells, self.length, self.batch, -1)
        weights = (
            into_CFG.transpose(1, 2).contiguous(),
            back_CHG.transpose(1, 2).contiguous(),
            into_bias_CG,
            back_bias_CG,
        )
        hidden = [
            torch.lstm(
                x_LBF,
                (self.zeros_1BH, self.zeros_1BH),
                list(cell),
                has_biases=True,
                num_layers=1,
                dropout=0.0,
                train=self.training,
                bidirectional=False,
                batch_first=False,
            )[0]
            for x_LBF, *cell in zip(x_CLBF.unbind(0), *(one.unbind(0) for one in weights), strict=True)
        ]
        return torch.stack(hidden).flatten(1, 2)


def lstm_for(hidden: int) -> type[SmallLstm] | type[OneByOneLstm]:
    """Return the faster of both for this hidden size."""
    return SmallLstm if hidden < ONEDNN_HIDDEN else OneByOneLstm
