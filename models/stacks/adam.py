"""Adam for many models at once, each with its own learning rate and its own number of steps."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim.adam import adam

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8  # torch's defaults, as `models.epochs.new_adam`


class StackedAdam:
    """Moments of tensors (M, ...) and the steps of each of M models.

    The arithmetic is that of torch's fused Adam, which takes one learning rate per call: each call is given the rows of
    all models of one learning rate that take this step. A row is a tensor of its own, so its bits depend on no other.
    """

    def __init__(self, weights: Mapping[str, Tensor], learning_rates: Sequence[float]) -> None:
        """Start at step 0 with moments of 0; `learning_rates` has one for each model."""
        self.learning_rates = tuple(learning_rates)
        self.first = {name: torch.zeros_like(weight) for name, weight in weights.items()}
        self.second = {name: torch.zeros_like(weight) for name, weight in weights.items()}
        device = next(iter(weights.values())).device
        # Counted per tensor, as torch's kernel does.
        self.steps_KM = torch.zeros(len(weights), len(learning_rates), device=device)
        self._rows = [
            list(
                zip(
                    weight.detach().unbind(0), self.first[name].unbind(0), self.second[name].unbind(0),
                    self.steps_KM[kind].unbind(0), strict=True,
                )
            )
            for kind, (name, weight) in enumerate(weights.items())
        ]  # fmt: skip

    def steps_of(self, model: int) -> int:
        """Return the steps that a model has taken."""
        return int(self.steps_KM[0, model])

    def take_up(self, model: int, member: Any) -> None:
        """Continue a model from the moments and steps of a `models.stacks.epochs.Member`."""
        self.steps_KM[:, model] = member.steps
        for name in self.first if member.steps else ():  # at step 0 there are zeros
            self.first[name][model] = member.first[name]
            self.second[name][model] = member.second[name]

    def step(self, grads: Sequence[Tensor], models: Sequence[int]) -> None:
        """Take one step of some models, with the gradients of all; the others keep weights, moments and steps."""
        # The kernel goes through memory and looks at no strides: a transposed gradient would meet the wrong weights.
        rows = [grad.contiguous().unbind(0) for grad in grads]
        for rate in dict.fromkeys(self.learning_rates[model] for model in models):
            chosen = [model for model in models if self.learning_rates[model] == rate]
            weights, first, second, steps = zip(*(one[model] for one in self._rows for model in chosen), strict=True)
            adam(
                list(weights),
                [kind[model] for kind in rows for model in chosen],
                list(first),
                list(second),
                [],
                list(steps),
                fused=True,
                grad_scale=None,
                found_inf=None,
                amsgrad=False,
                beta1=BETA_1,
                beta2=BETA_2,
                lr=rate,
                weight_decay=0.0,
                eps=EPSILON,
                maximize=False,
            )
