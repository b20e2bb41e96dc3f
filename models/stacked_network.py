"""M networks of one shape as one: weights with a leading M, and today's state dict back and forth.

Every product over M models is one batched call, in which no model's numbers meet another's (`models.stacked_cells`).

Shapes: M models, D directions, C = M D cells, B windows, L window length, N = L B frames (time-major), F features,
H hidden, G gates, 2 = valence and arousal.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from models.recipe import Recipe
from models.sizes import network_of
from models.stacked_cells import Gru, Layer, Tanh
from models.stacked_lstm import OneByOneLstm, lstm

RECURRENT = (("into", "weight_ih"), ("back", "weight_hh"), ("into_bias", "bias_ih"), ("back_bias", "bias_hh"))
HEAD = (("head.into", "head.0.weight"), ("head.into_bias", "head.0.bias"), ("head.out", "head.2.weight"),
        ("head.out_bias", "head.2.bias"))  # fmt: skip
State = dict[str, Tensor]
LAYERS: dict[str, Callable[..., Layer | OneByOneLstm]] = {"rnn": Tanh, "bigru": Gru, "bilstm": lstm}


def stack(states: Sequence[Mapping[str, Tensor]], recipe: Recipe) -> State:
    """Stack the states of `AffectNetwork`s of one shape, weights as input by output: each (M, ...), contiguous."""
    directions = network_of(recipe.network).directions
    stacked: State = {}
    for layer in range(recipe.num_layers):
        for ours, theirs in RECURRENT:
            names = [f"recurrence.{theirs}_l{layer}{suffix}" for suffix in ("", "_reverse")[:directions]]
            values = torch.stack([torch.stack([state[name] for name in names]) for state in states])
            stacked[f"{layer}.{ours}"] = values.transpose(2, 3).contiguous() if values.dim() == 4 else values
    for ours, theirs in HEAD:
        values = torch.stack([state[theirs] for state in states])
        stacked[ours] = values.transpose(1, 2).contiguous() if values.dim() == 3 else values
    # The first layer of the head meets each direction by itself.
    stacked["head.into"] = stacked["head.into"].unflatten(1, (directions, recipe.hidden_size)).contiguous()
    return stacked


def unstack(stacked: Mapping[str, Tensor], model: int, recipe: Recipe) -> State:
    """Return one model's state as `AffectNetwork.state_dict` names and shapes it, in its order; copies on the CPU."""
    directions = network_of(recipe.network).directions
    state: State = {}
    for layer in range(recipe.num_layers):
        for direction, suffix in enumerate(("", "_reverse")[:directions]):
            for ours, theirs in RECURRENT:
                state[f"recurrence.{theirs}_l{layer}{suffix}"] = stacked[f"{layer}.{ours}"][model, direction]
    for ours, theirs in HEAD:
        state[theirs] = stacked[ours][model]
    state["head.0.weight"] = state["head.0.weight"].flatten(0, 1)
    return {
        name: (value.T if value.dim() == 2 else value).detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, value in state.items()
    }


class StackedNetwork:
    """M networks of one recipe's shape, for one number of windows per call, which must fill whole vectors."""

    def __init__(self, weights: State, recipe: Recipe, *, length: int, batch: int, training: bool) -> None:
        """Allocate what a call needs; `weights` of `stack` are used as they are at the time of each call."""
        self.weights = weights
        self.models, self.directions = weights["0.into"].shape[:2]
        self.length, self.batch, self.hidden = length, batch, recipe.hidden_size
        cells, layer = self.models * self.directions, LAYERS[recipe.network]
        self.layers = [
            layer(cells, length, batch, recipe.hidden_size, like=weights["0.into"], training=training)
            for _ in range(recipe.num_layers)
        ]

    def __call__(self, x_CNF: Tensor, turned_R: Tensor) -> Tensor:
        """Predict (M, N, 2) from features (C, N, F), turned round in time for a backward direction.

        `turned_R`: for every row of (M, N) flattened, the row of the same window's frame counted from its other end.
        """
        hidden_CNH = self._layer(0, x_CNF)
        for number in range(1, len(self.layers)):
            hidden_CNH = self._layer(number, self._between(hidden_CNH, turned_R))
        first_MDNK = torch.bmm(hidden_CNH, self.weights["head.into"].flatten(0, 1)).unflatten(
            0, (self.models, self.directions)
        )
        first_MNK = first_MDNK[:, 0] + self.weights["head.into_bias"][:, None]
        if self.directions == 2:
            first_MNK = first_MNK + _turned(first_MDNK[:, 1], turned_R)
        return torch.baddbmm(self.weights["head.out_bias"][:, None], first_MNK.relu(), self.weights["head.out"])

    def _layer(self, number: int, x_CNF: Tensor) -> Tensor:
        weights = (self.weights[f"{number}.{name}"].flatten(0, 1) for name, _ in RECURRENT)
        return self.layers[number].run(x_CNF, *weights)

    def _between(self, hidden_CNH: Tensor, turned_R: Tensor) -> Tensor:
        if self.directions == 1:
            return hidden_CNH
        hidden_MDNH = hidden_CNH.unflatten(0, (self.models, 2))
        both_MNF = torch.cat((hidden_MDNH[:, 0], _turned(hidden_MDNH[:, 1], turned_R)), dim=2)
        return torch.stack((both_MNF, _turned(both_MNF, turned_R)), dim=1).flatten(0, 1)


def _turned(value_MNK: Tensor, turned_R: Tensor) -> Tensor:
    turned_MNK: Tensor = _Turn.apply(value_MNK, turned_R)
    return turned_MNK


class _Turn(Function):
    """Frames of every window in reverse; twice is nothing, so that the gradient goes the same way."""

    @staticmethod
    def forward(ctx: Any, value_MNK: Tensor, turned_R: Tensor) -> Tensor:
        ctx.turned_R = turned_R
        return value_MNK.flatten(0, 1).index_select(0, turned_R).view(value_MNK.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_MNK: Tensor) -> tuple[Tensor, None]:
        return grad_MNK.flatten(0, 1).index_select(0, ctx.turned_R).view(grad_MNK.shape), None
