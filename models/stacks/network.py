"""M networks of one shape as one: weights with a leading M, and today's state dict back and forth.

Every product over M models is one batched call, in which no model's numbers meet another's (`models.stacks.cells`).

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
from models.sizes import HEAD_NEURONS, network_of
from models.stacks.cells import Gru, Layer, Tanh
from models.stacks.lstm import OneByOneLstm, lstm_for

RECURRENT = (("into", "weight_ih"), ("back", "weight_hh"), ("into_bias", "bias_ih"), ("back_bias", "bias_hh"))
HEAD = (("head.into", "head.0.weight"), ("head.into_bias", "head.0.bias"), ("head.out", "head.2.weight"),
        ("head.out_bias", "head.2.bias"))  # fmt: skip
State = dict[str, Tensor]
Kind = Callable[..., Layer | OneByOneLstm]


def stack(states: Sequence[Mapping[str, Tensor]], recipe: Recipe) -> State:
    """Stack the states of `AffectNetwork`s of one shape, weights as input by output: each (M, ...), contiguous."""
    directions = network_of(recipe.network).directions
    stacked: State = {}
    for layer in range(recipe.num_layers):
        for ours, theirs in RECURRENT:
            names = [f"recurrence.{theirs}_l{layer}{suffix}" for suffix in ("", "_reverse")[:directions]]
            values = torch.stack([_input_first(state[name]) for state in states for name in names])
            stacked[f"{layer}.{ours}"] = values.view(len(states), directions, *values.shape[1:])
    for ours, theirs in HEAD:
        stacked[ours] = torch.stack([_input_first(state[theirs]) for state in states])
    # The first layer of the head meets each direction by itself.
    stacked["head.into"] = stacked["head.into"].view(len(states), directions, recipe.hidden_size, -1)
    return stacked


def _input_first(value: Tensor) -> Tensor:
    return value.T if value.dim() == 2 else value


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
        name: _input_first(value).detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, value in state.items()
    }


class StackedNetwork:
    """Memory for M networks of one shape and one number of windows per call, which must fill whole vectors.

    It has no weights: all stacks of M models use one after the other.
    """

    def __init__(  # noqa: PLR0913 - a shape
        self, recipe: Recipe, models: int, *, kind: Kind, length: int, batch: int, training: bool, like: Tensor
    ) -> None:
        """Allocate layers of a `kind` on the device and with the type of `like`; without `training` no gradients.

        For so many `models` of the `recipe`, windows of `length` frames and `batch` of them per call.
        """
        self.models, self.directions = models, network_of(recipe.network).directions
        self.length, self.batch = length, batch
        shape = (models * self.directions, length, batch, recipe.hidden_size)
        first = kind(*shape, like=like, training=training)
        # Only a backward pass needs what a layer left once the next one has run.
        self.layers = [first] * recipe.num_layers
        if training:
            more = (kind(*shape, like=like, training=True, beside=first) for _ in self.layers[1:])
            self.layers = [first, *more]

    def __call__(self, weights: Mapping[str, Tensor], x_CNF: Tensor, turned_R: Tensor) -> Tensor:
        """Predict (M, N, 2) from weights of `stack` and features (C, N, F), reversed in time in a backward direction.

        `turned_R`: for every row of (M, N) flattened, the row of the same window's frame counted from its other end.
        """
        hidden_CNH = self._layer(weights, 0, x_CNF)
        for number in range(1, len(self.layers)):
            hidden_CNH = self._layer(weights, number, self._between(hidden_CNH, turned_R))
        first_CNK = torch.bmm(hidden_CNH, weights["head.into"].flatten(0, 1))
        first_MDNK = first_CNK.view(self.models, self.directions, -1, HEAD_NEURONS)
        first_MNK = first_MDNK[:, 0] + weights["head.into_bias"][:, None]
        if self.directions == 2:
            first_MNK = first_MNK + _turned(first_MDNK[:, 1], turned_R)
        return torch.baddbmm(weights["head.out_bias"][:, None], first_MNK.relu(), weights["head.out"])

    def _layer(self, weights: Mapping[str, Tensor], number: int, x_CNF: Tensor) -> Tensor:
        of_layer = (weights[f"{number}.{name}"].flatten(0, 1) for name, _ in RECURRENT)
        return self.layers[number].run(x_CNF, *of_layer)

    def _between(self, hidden_CNH: Tensor, turned_R: Tensor) -> Tensor:
        if self.directions == 1:
            return hidden_CNH
        hidden_MDNH = hidden_CNH.view(self.models, 2, *hidden_CNH.shape[1:])
        both_MNF = torch.cat((hidden_MDNH[:, 0], _turned(hidden_MDNH[:, 1], turned_R)), dim=2)
        return torch.stack((both_MNF, _turned(both_MNF, turned_R)), dim=1).flatten(0, 1)


def kind_on_cpu(recipe: Recipe) -> Kind:
    """Return what makes the recurrent layers of a stack on a CPU."""
    return {"rnn": Tanh, "bigru": Gru, "bilstm": lstm_for(recipe.hidden_size)}[recipe.network]


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
