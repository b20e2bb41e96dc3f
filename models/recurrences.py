"""Forward and backward passes of torch.nn's recurrent modules: padded windows; a GRU and a tanh RNN fast on a CPU.

With the paper's small networks torch.nn's GRU takes 3 to 6 times as long as ours, which needs few operations per
frame and one matrix product for all weight gradients. They agree to rounding.

Shapes: D directions side by side, L window length, T = L + 1, B windows, F features, H hidden,
G gates (3 H in a GRU), N = L B.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

Recurrence = nn.RNN | nn.GRU | nn.LSTM

WEIGHTS_PER_DIRECTION = 4  # input weights, recurrent weights, two biases, as torch.nn orders them


def run(recurrence: Recurrence, x_BLF: Tensor, length_B: Tensor | None) -> Tensor:
    """Hidden states (B, L, D H) of a module; `length_B`, on the CPU, counts real frames; None: all are real.

    Padding comes last in a window and changes no real frame, in neither direction.
    """
    if not recurrence.bidirectional:
        length_B = None
    if x_BLF.is_cuda:
        return _by_torch(recurrence, x_BLF, length_B)
    if isinstance(recurrence, nn.LSTM) and length_B is None:
        return _by_torch(recurrence, x_BLF, None)  # oneDNN's, which is fast
    return _by_layers(recurrence, x_BLF, length_B)


def _by_torch(recurrence: Recurrence, x_BLF: Tensor, length_B: Tensor | None) -> Tensor:
    if length_B is None:
        plain_BLH: Tensor = recurrence(x_BLF)[0]
        return plain_BLH
    packed = pack_padded_sequence(x_BLF, length_B, batch_first=True, enforce_sorted=False)
    hidden_BLH: Tensor = pad_packed_sequence(recurrence(packed)[0], batch_first=True, total_length=x_BLF.shape[1])[0]
    return hidden_BLH


def _by_layers(recurrence: Recurrence, x_BLF: Tensor, length_B: Tensor | None) -> Tensor:
    """Layer by layer, dense (on a CPU packing slows an LSTM down tenfold).

    The backward direction is a forward one over windows turned round within their own length, so that padding
    comes last both ways.
    """
    length, batch = x_BLF.shape[1], x_BLF.shape[0]
    step_L1, window_B = torch.arange(length)[:, None], torch.arange(batch)
    length_B = torch.full((batch,), length) if length_B is None else length_B
    turned_LB = torch.where(step_L1 < length_B, length_B - 1 - step_L1, step_L1)
    weights: list[Tensor] = list(recurrence.parameters())
    num_weights = WEIGHTS_PER_DIRECTION * (2 if recurrence.bidirectional else 1)
    x_LBF = x_BLF.transpose(0, 1)
    for layer in range(recurrence.num_layers):
        inputs = [x_LBF, x_LBF[turned_LB, window_B]] if recurrence.bidirectional else [x_LBF]
        hidden = _layer(recurrence, inputs, weights[layer * num_weights : (layer + 1) * num_weights])
        x_LBF = torch.cat((hidden[0], hidden[1][turned_LB, window_B]), dim=2) if len(hidden) == 2 else hidden[0]
    return x_LBF.transpose(0, 1)


def _layer(recurrence: Recurrence, inputs: list[Tensor], weights: list[Tensor]) -> Sequence[Tensor]:
    """Run one layer forward in time over each direction's input (L, B, F); gives as many (L, B, H)."""
    if isinstance(recurrence, nn.LSTM):
        zeros = inputs[0].new_zeros(1, inputs[0].shape[1], recurrence.hidden_size)
        return [
            torch.lstm(
                x_LBF,
                (zeros, zeros),
                weights[d * WEIGHTS_PER_DIRECTION : (d + 1) * WEIGHTS_PER_DIRECTION],
                has_biases=True,
                num_layers=1,
                dropout=0.0,
                train=torch.is_grad_enabled(),
                bidirectional=False,
                batch_first=False,
            )[0]
            for d, x_LBF in enumerate(inputs)
        ]
    into_DGF, back_DGH, into_bias_DG, back_bias_DG = (
        torch.stack(weights[kind::WEIGHTS_PER_DIRECTION]) for kind in range(WEIGHTS_PER_DIRECTION)
    )
    length, batch = inputs[0].shape[:2]
    x_DNF = torch.stack([x_LBF.flatten(0, 1) for x_LBF in inputs])
    input_DNG = torch.baddbmm(into_bias_DG[:, None], x_DNF, into_DGF.transpose(1, 2))
    input_DLBG = input_DNG.reshape(len(inputs), length, batch, -1)
    function = _Gru if isinstance(recurrence, nn.GRU) else _Tanh
    hidden_DLBH: Tensor = function.apply(input_DLBG, back_DGH, back_bias_DG)
    return hidden_DLBH.unbind(0)


class _Gru(Function):
    """As torch.nn.GRU: h' = (1 - z) n + z h; r, z = sigmoid(i + W h + b); n = tanh(i + r (W h + b))."""

    @staticmethod
    def forward(ctx: Any, input_DLBG: Tensor, weight_DGH: Tensor, bias_DG: Tensor) -> Tensor:
        directions, length, batch, gates = input_DLBG.shape
        hidden = gates // 3
        h_DTBH = input_DLBG.new_zeros(directions, length + 1, batch, hidden)
        gate_DLBG = torch.empty_like(input_DLBG, memory_format=torch.contiguous_format)
        n_DLBH = input_DLBG.new_empty(directions, length, batch, hidden)
        weight_DHG, bias_D1G = weight_DGH.transpose(1, 2), bias_DG[:, None]
        # Unbound once: indexing the time axis inside the loop costs as much as the arithmetic.
        h = h_DTBH.unbind(1)
        steps = zip(
            h,
            h[1:],
            gate_DLBG.unbind(1),
            gate_DLBG[..., : 2 * hidden].unbind(1),
            gate_DLBG[..., :hidden].unbind(1),
            gate_DLBG[..., hidden : 2 * hidden].unbind(1),
            gate_DLBG[..., 2 * hidden :].unbind(1),
            input_DLBG[..., : 2 * hidden].unbind(1),
            input_DLBG[..., 2 * hidden :].unbind(1),
            n_DLBH.unbind(1),
            strict=False,
        )
        for before, after, gate, gate_rz, r, z, gate_n, input_rz, input_n, n in steps:
            torch.baddbmm(bias_D1G, before, weight_DHG, out=gate)
            gate_rz.add_(input_rz).sigmoid_()
            torch.addcmul(input_n, r, gate_n, out=n).tanh_()
            torch.lerp(n, before, z, out=after)
        ctx.save_for_backward(weight_DGH, gate_DLBG, n_DLBH, h_DTBH)
        return h_DTBH[:, 1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_DLBH: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        weight_DGH, gate_DLBG, n_DLBH, h_DTBH = ctx.saved_tensors
        length, hidden = n_DLBH.shape[1], n_DLBH.shape[3]
        r, z, gate_n = gate_DLBG.split(hidden, dim=-1)
        before_DLBH = h_DTBH[:, :-1]
        # Every gate's gradient is dh times a factor known before the loop.
        to_n_DLBH = (1 - z) * (1 - n_DLBH.square())
        gate_grad_DLB3H = torch.stack(
            (to_n_DLBH * gate_n * r * (1 - r), (before_DLBH - n_DLBH) * z * (1 - z), to_n_DLBH * r), dim=3
        )
        dh_DLBH = torch.empty_like(n_DLBH)
        dh, gate_grad, keep = dh_DLBH.unbind(1), gate_grad_DLB3H.unbind(1), z.unbind(1)
        gate_grad_flat = gate_grad_DLB3H.flatten(3).unbind(1)
        for t, grad in reversed(list(enumerate(grad_DLBH.unbind(1)))):
            if t == length - 1:
                dh[t].copy_(grad)
            else:
                torch.addcmul(grad, dh[t + 1], keep[t + 1], out=dh[t])
                dh[t].baddbmm_(gate_grad_flat[t + 1], weight_DGH)
            gate_grad[t].mul_(dh[t][:, :, None])
        weight_grad_DGH, bias_grad_DG = _weight_gradients(gate_grad_DLB3H.flatten(3), before_DLBH)
        gate_grad_DLB3H[:, :, :, 2] = dh_DLBH * to_n_DLBH
        return gate_grad_DLB3H.flatten(3), weight_grad_DGH, bias_grad_DG


class _Tanh(Function):
    """h' = tanh(input + W h + b), as torch.nn.RNN."""

    @staticmethod
    def forward(ctx: Any, input_DLBH: Tensor, weight_DHH: Tensor, bias_DH: Tensor) -> Tensor:
        directions, length, batch, hidden = input_DLBH.shape
        h_DTBH = input_DLBH.new_zeros(directions, length + 1, batch, hidden)
        weight_T = weight_DHH.transpose(1, 2)
        h = h_DTBH.unbind(1)
        biased_DLBH = input_DLBH + bias_DH[:, None, None]
        for before, after, biased in zip(h, h[1:], biased_DLBH.unbind(1), strict=False):
            torch.baddbmm(biased, before, weight_T, out=after).tanh_()
        ctx.save_for_backward(weight_DHH, h_DTBH)
        return h_DTBH[:, 1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_DLBH: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        weight_DHH, h_DTBH = ctx.saved_tensors
        slope_DLBH = 1 - h_DTBH[:, 1:].square()
        input_grad_DLBH = grad_DLBH.contiguous().clone()
        input_grad, slope = input_grad_DLBH.unbind(1), slope_DLBH.unbind(1)
        for t in reversed(range(len(slope))):
            if t < len(slope) - 1:
                input_grad[t].baddbmm_(input_grad[t + 1], weight_DHH)
            input_grad[t].mul_(slope[t])
        return input_grad_DLBH, *_weight_gradients(input_grad_DLBH, h_DTBH[:, :-1])


def _weight_gradients(gate_grad_DLBG: Tensor, before_DLBH: Tensor) -> tuple[Tensor, Tensor]:
    """Gradients of recurrent weights (D, G, H) and bias (D, G), all frames at once."""
    grad_DNG, before_DNH = gate_grad_DLBG.flatten(1, 2), before_DLBH.flatten(1, 2)
    return torch.bmm(grad_DNG.transpose(1, 2), before_DNH), grad_DNG.sum(1)
