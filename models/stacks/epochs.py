"""A stack: some models of one shape, their optimisers, one epoch of all of them and their predictions.

No model's bits depend on which others are in its stack: a stack may be as large as pays (`models.backends`).

Shapes: M models, S steps, B windows of a step, V windows of all models' step, L window length, N = L B, 2 = valence and
arousal.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from models.losses import LOSSES_BY_MODEL, target_of
from models.recipe import Recipe
from models.stacks.adam import StackedAdam
from models.stacks.cells import padded_batch
from models.stacks.data import StackedBatch, StackedData
from models.stacks.network import Kind, StackedNetwork, State, kind_on_cpu

# Ours: frames per model and call of a prediction; more gain nothing on a CPU.
MOST_FRAMES = 3_200


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Member:
    """One model of a stack: its place, its learning rate, and its tensors by the names of `stacks.network.stack`."""

    configuration: int
    fold: int
    learning_rate: float
    weights: State
    first: State
    second: State
    steps: int


@contextmanager
def one_thread() -> Iterator[None]:
    """Calculate on one thread: more would cut tensors where a model's numbers lie, and change their bits."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Networks:
    """The memory that the stacks of a pack share, kept by the number of models and of windows."""

    def __init__(self, recipe: Recipe, length: int, like: Tensor, kind: Kind | None = None) -> None:
        """Allocate nothing yet; `kind` makes a layer, by default what is fastest on a CPU."""
        self._recipe, self._length, self._like = recipe, length, like
        self._kind = kind_on_cpu(recipe) if kind is None else kind
        self.pool: Any = None  # of the CUDA graphs of all stacks, which run one after the other
        self._kept: dict[tuple[int, int, bool], StackedNetwork] = {}

    def of(self, models: int, *, batch: int, training: bool) -> StackedNetwork:
        """Return the network of this shape."""
        key = (models, batch, training)
        if key not in self._kept:
            self._kept[key] = StackedNetwork(
                self._recipe,
                models,
                kind=self._kind,
                length=self._length,
                batch=batch,
                training=training,
                like=self._like,
            )
        return self._kept[key]


class Stack:
    """M models in training."""

    def __init__(self, members: Sequence[Member], recipe: Recipe, data: StackedData, networks: Networks) -> None:
        """Copy the members' tensors side by side; learning rates are the members', all else is the recipe's."""
        self._networks = networks
        self.members, self.recipe, self.data = tuple(members), recipe, data
        self.weights: State = {
            name: torch.stack([one.weights[name] for one in members]).requires_grad_() for name in members[0].weights
        }
        self.adam = self._new_adam(self.weights, [one.learning_rate for one in members])
        for model, one in enumerate(members):
            self.adam.take_up(model, one)
        device = next(iter(self.weights.values())).device
        self.fold_M = torch.tensor([one.fold for one in members], device=device)
        self._batch = padded_batch(recipe.windows_a_step, recipe.hidden_size, data.length)

    def _new_adam(self, weights: State, learning_rates: Sequence[float]) -> Any:
        return StackedAdam(weights, learning_rates)

    def member(self, model: int) -> Member:
        """Copy one model out, with its optimiser's state."""
        before = self.members[model]
        return Member(
            configuration=before.configuration,
            fold=before.fold,
            learning_rate=before.learning_rate,
            weights={name: value[model].detach().clone() for name, value in self.weights.items()},
            first={name: value[model].clone() for name, value in self.adam.first.items()},
            second={name: value[model].clone() for name, value in self.adam.second.items()},
            steps=self.adam.steps_of(model),
        )

    def schedule(self, orders: Sequence[Tensor]) -> tuple[Tensor, list[int]]:
        """Return the windows (M, S, B) of each model's steps, filled up with the empty one; and each model's steps."""
        size = self.recipe.windows_a_step
        steps = [-(-len(order) // size) for order in orders]
        windows_MSB = torch.full((len(orders), max(steps), self._batch), self.data.empty)
        for model, order in enumerate(orders):
            filled = torch.full((steps[model] * size,), self.data.empty)
            filled[: len(order)] = order
            windows_MSB[model, : steps[model], :size] = filled.view(-1, size)
        return windows_MSB, steps

    def train(self, orders: Sequence[Tensor]) -> list[tuple[float, int]]:
        """Train one epoch, each model on its own windows in its own order; sum of the loss and count, per model.

        A model with fewer steps than others rests at the end.
        """
        windows_MSB, steps = self.schedule(orders)
        windows_MSB = windows_MSB.to(self.fold_M.device)
        network = self._networks.of(len(orders), batch=self._batch, training=True)
        losses, counts = [], []
        for step, windows_MB in enumerate(windows_MSB.unbind(1)):
            batch = self.data.batch(windows_MB, self.fold_M)
            loss_M, count_M = self._loss(network(self.weights, batch.x_CNF, batch.turned_R), batch)
            grads = torch.autograd.grad(loss_M.sum(), list(self.weights.values()))
            self.adam.step(grads, [model for model, number in enumerate(steps) if step < number])
            losses.append(loss_M.detach())
            counts.append(count_M)
        loss_SM, count_SM = torch.stack(losses), torch.stack(counts)
        sum_M, number_M = (loss_SM.double() * count_SM).sum(0).tolist(), count_SM.sum(0).tolist()
        return list(zip(sum_M, number_M, strict=True))

    def _loss(self, prediction_MN2: Tensor, batch: StackedBatch) -> tuple[Tensor, Tensor]:
        models = len(self.members)
        compared = target_of(self.recipe.target)(self._by_window(prediction_MN2), batch.gold_VL2, batch.mask_VL2)
        by_model = [value.reshape(models, -1, 2) for value in compared]
        return LOSSES_BY_MODEL[self.recipe.loss](*by_model), by_model[2].sum((1, 2))

    def _by_window(self, prediction_MN2: Tensor) -> Tensor:
        models = len(self.members)
        return prediction_MN2.view(models, self.data.length, -1, 2).transpose(1, 2).flatten(0, 1)

    def predict(self, windows: Sequence[Tensor], per_call: int) -> list[Tensor]:
        """Predict (W, L, 2), on the CPU, for each model's own windows, so many per call.

        `per_call` must follow from nothing that differs between stacks: a call's size may decide the last bits of rows.
        """
        prediction_MWL2 = self.predict_filled(self.filled(windows, per_call), per_call).cpu()
        return [prediction_MWL2[model, : len(index_W)] for model, index_W in enumerate(windows)]

    def filled(self, windows: Sequence[Tensor], per_call: int) -> Tensor:
        """Return each model's windows (M, W), on the device, filled up with the empty one to whole calls."""
        batch = padded_batch(per_call, self.recipe.hidden_size, self.data.length)
        calls = max(1, -(-max(map(len, windows)) // batch))
        windows_MW = torch.full((len(windows), batch * calls), self.data.empty)
        for model, index_W in enumerate(windows):
            windows_MW[model, : len(index_W)] = index_W
        return windows_MW.to(self.fold_M.device)

    def predict_filled(self, windows_MW: Tensor, per_call: int) -> Tensor:
        """Predict (M, W, L, 2) for windows of `filled`."""
        models, batch = len(windows_MW), padded_batch(per_call, self.recipe.hidden_size, self.data.length)
        network = self._networks.of(models, batch=batch, training=False)
        parts = []
        with torch.no_grad():
            for windows_MB in torch.split(windows_MW, batch, dim=1):
                one = self.data.batch(windows_MB, self.fold_M)
                prediction_VL2 = self._by_window(network(self.weights, one.x_CNF, one.turned_R))
                parts.append(prediction_VL2.view(models, batch, -1, 2))
        return torch.cat(parts, dim=1)
