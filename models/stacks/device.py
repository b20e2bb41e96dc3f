"""A stack on a GPU: one training step of all its models is recorded once as a CUDA graph and replayed for each step.

A step reads its windows, learning rates and who takes part from tensors on the device, and leaves losses there: the
processor only says "again", and an epoch waits for the device once. On a CPU the same step runs without a graph.

Shapes: as in `models.stacks.epochs`.
"""

import gc
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from models.ccc import Moments
from models.epochs import Evaluation
from models.losses import LOSSES_BY_MODEL, target_of
from models.recipe import Recipe
from models.stacks.adam import BETA_1, BETA_2, EPSILON
from models.stacks.data import StackedData
from models.stacks.epochs import Member, Networks, Stack
from models.stacks.network import State

WARM_UP_STEPS = 2  # before a step is recorded: libraries allocate their work space at the first call
ADAM_BLOCK = 1024
FREE_ON_CPU = 1 << 30  # for tests: there is no GPU that would have any


def free_bytes(device: str) -> int:
    """Return a GPU's free memory in bytes, of a CPU what it may be taken for."""
    if torch.device(device).type != "cuda":
        return FREE_ON_CPU
    gc.collect()  # a stack and its configurations refer to each other
    torch.cuda.empty_cache()
    return int(torch.cuda.mem_get_info(device)[0])


class DeviceAdam:
    """As `models.stacks.adam.StackedAdam`, in tensors on the device only: learning rates, steps and who rests."""

    def __init__(self, weights: Mapping[str, Tensor], learning_rates: Sequence[float], *, kernels: bool) -> None:
        """Start at step 0 with moments of 0; `learning_rates` has one for each model.

        With `kernels` a Triton kernel reads every number once; else torch takes some calls for each tensor.
        """
        self.first = {name: torch.zeros_like(weight) for name, weight in weights.items()}
        self.second = {name: torch.zeros_like(weight) for name, weight in weights.items()}
        device = next(iter(weights.values())).device
        self._weights, self._kernels = weights, kernels
        self._rate_M = torch.tensor(learning_rates, dtype=torch.float64, device=device)
        self._steps_M = torch.zeros_like(self._rate_M)

    def steps_of(self, model: int) -> int:
        """Return the steps that a model has taken."""
        return int(self._steps_M[model])

    def take_up(self, model: int, member: Member) -> None:
        """Continue a model from a member's moments and steps."""
        self._steps_M[model] = member.steps
        for name in self._weights if member.steps else ():  # at step 0 there are zeros
            self.first[name][model] = member.first[name]
            self.second[name][model] = member.second[name]

    def step(self, grads: Sequence[Tensor], active_M: Tensor) -> None:
        """Take one step of the models whose `active_M` is 1; the others, whose is 0, keep everything."""
        self._steps_M += active_M
        steps_M = self._steps_M.clamp(min=1.0)
        rate_M = (self._rate_M / (1.0 - BETA_1**steps_M)).float()
        root_M = (1.0 - BETA_2**steps_M).sqrt().float()
        change = self._by_kernel if self._kernels else self._by_torch
        for (name, weight), grad in zip(self._weights.items(), grads, strict=True):
            change(name, weight.detach(), grad.contiguous(), rate_M, root_M, active_M)

    def _by_torch(  # noqa: PLR0913, PLR0917 - the parts of a step
        self, name: str, weight: Tensor, grad: Tensor, rate_M: Tensor, root_M: Tensor, active_M: Tensor
    ) -> None:
        shape = (-1, *(1,) * (weight.dim() - 1))
        first, second, active = self.first[name], self.second[name], active_M.to(weight.dtype).view(shape)
        first.lerp_(grad, (1.0 - BETA_1) * active)
        second.lerp_(grad.square(), (1.0 - BETA_2) * active)
        divisor = (second.sqrt() / root_M.view(shape)).add_(EPSILON)
        weight.addcdiv_(first * (rate_M.view(shape) * active), divisor, value=-1.0)

    def _by_kernel(  # noqa: PLR0913, PLR0917 - the parts of a step
        self, name: str, weight: Tensor, grad: Tensor, rate_M: Tensor, root_M: Tensor, active_M: Tensor
    ) -> None:
        from models.stacks.kernels import adam

        size = weight[0].numel()
        tensors = (weight, grad, self.first[name], self.second[name], rate_M, root_M, active_M.int())
        adam[len(weight), -(-size // ADAM_BLOCK)](*tensors, size, BETA_1, BETA_2, EPSILON, BLOCK=ADAM_BLOCK)


class DeviceStack(Stack):
    """M models in training on a GPU."""

    def __init__(
        self, members: Sequence[Member], recipe: Recipe, data: StackedData, networks: Networks, *, kernels: bool
    ) -> None:
        """As `Stack`; `kernels`: Adam by Triton."""
        self._kernels = kernels
        self._graph: Any = None
        self._windows_SMB: Tensor | None = None
        super().__init__(members, recipe, data, networks)

    def _new_adam(self, weights: State, learning_rates: Sequence[float]) -> Any:
        return DeviceAdam(weights, learning_rates, kernels=self._kernels)

    def train(self, orders: Sequence[Tensor]) -> list[tuple[float, int]]:
        """As `Stack.train`; the windows of a later epoch must be as many as those of the first."""
        windows_MSB, steps = self.schedule(orders)
        if self._windows_SMB is None:
            self._prepare(windows_MSB, steps)
        assert self._windows_SMB is not None
        self._windows_SMB.copy_(windows_MSB.transpose(0, 1))
        self._step_1.zero_()
        for _ in range(max(steps)):
            if self._graph is None:
                self._take_step()
            else:
                self._graph.replay()
        sum_M = (self._loss_SM.double() * self._count_SM).sum(0).tolist()
        return list(zip(sum_M, self._count_SM.sum(0).long().tolist(), strict=True))

    def evaluate(self, windows: Sequence[Tensor], per_call: int) -> list[Evaluation]:
        """Score each model on its own windows, whose sums are all taken on the device and read at once."""
        windows_MW = self.filled(windows, per_call)
        prediction_MWL2 = self.predict_filled(windows_MW, per_call)
        gold_MWL2, mask_MWL2 = self.data.gold_of(windows_MW)
        models = len(windows_MW)
        flat = (one.flatten(0, 1) for one in (prediction_MWL2, gold_MWL2, mask_MWL2))
        compared = [value.reshape(models, -1, 2) for value in target_of(self.recipe.target)(*flat)]
        loss_M = LOSSES_BY_MODEL[self.recipe.loss](*compared)
        mask_MN2 = mask_MWL2.view(models, -1, 2)
        x_MN2, y_MN2 = (
            one.reshape(models, -1, 2).masked_fill(~mask_MN2, 0.0).double() for one in (prediction_MWL2, gold_MWL2)
        )
        sums_SM2 = torch.stack(
            [
                one.sum(1)
                for one in (mask_MN2.double(), x_MN2, y_MN2, x_MN2 * x_MN2, y_MN2 * y_MN2, x_MN2 * y_MN2,
                            (x_MN2 - y_MN2).abs())
            ]
        )  # fmt: skip
        counts = compared[2].sum((1, 2)).tolist()
        found = []
        for model, (loss, count, sums) in enumerate(
            zip(loss_M.tolist(), counts, sums_SM2.permute(1, 2, 0).tolist(), strict=True)
        ):
            assert len(windows[model]), "every fold has windows to score"
            finite = all(map(math.isfinite, (*sums[0], *sums[1])))
            valence, arousal = (Moments.from_list(one) if finite else Moments.zero() for one in sums)
            value = loss if finite else math.nan
            found.append(Evaluation(loss=value, count=int(count), valence=valence, arousal=arousal))
        return found

    def _prepare(self, windows_MSB: Tensor, steps: Sequence[int]) -> None:
        """Allocate what a step reads and writes, and record it."""
        device = self.fold_M.device
        models, most, batch = windows_MSB.shape
        self._windows_SMB = torch.full((most, models, batch), self.data.empty, device=device)
        number_S1 = torch.arange(most)[:, None]
        self._active_SM = (number_S1 < torch.tensor(steps)).double().to(device)
        self._loss_SM = torch.zeros(most, models, device=device)
        self._count_SM = torch.zeros(most, models, dtype=torch.float64, device=device)
        self._step_1 = torch.zeros(1, dtype=torch.int64, device=device)
        if device.type == "cuda":
            self._record()

    def _record(self) -> None:
        """Record a step, after some in which every model rests and nothing is changed."""
        active_SM = self._active_SM.clone()
        self._active_SM.zero_()
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM_UP_STEPS):
                self._step_1.zero_()
                self._take_step()
        torch.cuda.current_stream().wait_stream(side)
        torch.cuda.synchronize()
        self._step_1.zero_()
        graph = torch.cuda.CUDAGraph()
        # Other threads of the process may allocate meanwhile.
        with torch.cuda.graph(graph, pool=self._networks.pool, capture_error_mode="thread_local"):
            self._take_step()
        self._graph = graph
        self._networks.pool = graph.pool()
        self._active_SM.copy_(active_SM)

    def _take_step(self) -> None:
        """Take the step whose number lies in `_step_1`, and count on."""
        assert self._windows_SMB is not None
        windows_MB = self._windows_SMB.index_select(0, self._step_1)[0]
        active_M = self._active_SM.index_select(0, self._step_1)[0]
        batch = self.data.batch(windows_MB, self.fold_M)
        network = self._networks.of(len(self.members), batch=windows_MB.shape[1], training=True)
        loss_M, count_M = self._loss(network(self.weights, batch.x_CNF, batch.turned_R), batch)
        grads = torch.autograd.grad(loss_M.sum(), list(self.weights.values()))
        self.adam.step(grads, active_M)
        self._loss_SM.index_copy_(0, self._step_1, loss_M.detach()[None].to(self._loss_SM.dtype))
        self._count_SM.index_copy_(0, self._step_1, count_M[None].to(self._count_SM.dtype))
        self._step_1 += 1
