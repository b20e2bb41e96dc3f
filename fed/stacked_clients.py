# ruff: noqa: N803, N806 - shape suffixes, by the legend below
"""Several clients of one process, each with its own network, trained and evaluated as stacks (`models.stacks`).

As `fed.client.train_locally` for each client with the same windows in the same order; sums run in another order, so
that numbers differ by rounding. No bit of a client's network depends on who else is in its stack, nor on how many are:
which clients a process has, and which of them are left, changes nothing.
Shapes: R rows of a broadcast, N weights of a network, M integers, W windows.
"""

import time
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from fed.local_plan import LocalPlan, part_of
from fed.messages import Floats, Integers, Job, Update
from fed.updates import Layout, flatten, unflatten
from models.epochs import Evaluation, evaluation_of
from models.seeds import seed_for
from models.sizes import network_of
from models.splits import scaled
from models.stacks.data import StackedData
from models.stacks.epochs import MOST_FRAMES, Member, Networks, Stack, one_thread
from models.stacks.network import State, stack, unstack
from models.windows import Series, cut


class StackedClients:
    """The windows of some clients as one set of data, and the memory for their stacks."""

    def __init__(self, series: Mapping[str, Sequence[Series]], plan: LocalPlan, layout: Layout, device: str) -> None:
        """Cut the windows of every client's series; `layout` is where the entries of a network lie."""
        self.names = tuple(series)
        self._plan, self._layout, self._device = plan, layout, device
        every: list[Series] = []
        self._first: dict[str, int] = {}
        for name, own in series.items():
            self._first[name] = len(every)
            every += own
        recipe = plan.recipe
        self._windows = cut(every, recipe.sequence_length, partial=recipe.partial_window).to(device)
        folds = [scaled(self._windows, k, split) for k, split in enumerate(plan.splits)]
        directions = network_of(recipe.network).directions
        self._data = StackedData(self._windows, folds, directions, torch.float32)
        self._networks = Networks(recipe, recipe.sequence_length, torch.empty(0, device=device))

    def train(self, jobs: Sequence[Job], number: int, weights: Floats, integers: Integers) -> list[Update]:
        """Train in round `number` from the rows of (R, N) and (R, M) that the jobs name; one update for each job.

        The seconds of an update are its share of the stack's, by its steps.
        """
        start = time.perf_counter()
        plan, indices = self._plan, [self._labelled(job) for job in jobs]
        generators = [
            torch.Generator().manual_seed(seed_for(plan.seed, "fold", job.fold, "client", job.client, "round", number))
            for job in jobs
        ]
        one = self._stack(jobs, weights, integers)
        losses, counts = [0.0] * len(jobs), [0] * len(jobs)
        with one_thread():
            for _ in range(plan.federation.local_epochs if any(map(len, indices)) else 0):
                orders = [self._order(*pair) for pair in zip(indices, generators, strict=True)]
                for place, (loss_sum, count) in enumerate(one.train(orders)):
                    losses[place] += loss_sum
                    counts[place] += count
        states = [unstack(one.weights, place, plan.recipe) for place in range(len(jobs))]
        share = (time.perf_counter() - start) / max(1, sum(map(len, indices)))
        updates = []
        for place, job in enumerate(jobs):
            trained, counted = flatten({name: states[place][name] for name in self._layout.names}, self._layout)
            updates.append(
                Update(
                    client=job.client,
                    round=number,
                    fold=job.fold,
                    layout=self._layout.digest,
                    num_samples=len(indices[place]),
                    weights=trained,
                    integers=counted,
                    train_loss=losses[place] / counts[place] if counts[place] else 0.0,
                    seconds=share * len(indices[place]),
                )
            )
        return updates

    def evaluate(self, jobs: Sequence[Job], weights: Floats, integers: Integers) -> list[Evaluation]:
        """Score the networks that the jobs name on their clients' windows; one evaluation for each job."""
        indices = [self._labelled(job) for job in jobs]
        # A number that depends on nobody's windows: a call's size may decide the last bits of its rows.
        per_call = max(1, MOST_FRAMES // self._windows.length)
        with one_thread():
            predictions = self._stack(jobs, weights, integers).predict(indices, per_call)
        found = []
        for prediction_WL2, index_W in zip(predictions, indices, strict=True):
            at_W = index_W.to(self._device)
            gold_WL2, mask_WL2 = self._windows.gold_WL2[at_W].cpu(), self._windows.mask_WL2[at_W].cpu()
            found.append(evaluation_of(prediction_WL2, gold_WL2, mask_WL2, self._plan.recipe))
        return found

    def _labelled(self, job: Job) -> Tensor:
        """The windows (W,) of a job that have a labelled frame."""
        first = self._first[job.client]
        index_W = self._windows.labelled(self._windows.of_series([first + place for place in job.series]))
        return part_of(self._windows, index_W, job.part)

    def _order(self, index_W: Tensor, generator: torch.Generator) -> Tensor:
        if self._plan.recipe.order != "shuffled":
            return index_W
        return index_W[torch.randperm(len(index_W), generator=generator)]

    def _stack(self, jobs: Sequence[Job], weights: Floats, integers: Integers) -> Stack:
        plan = self._plan
        by_row: dict[int, State] = {}
        for row in dict.fromkeys(job.row for job in jobs):
            state = unflatten(weights[row], integers[row], self._layout)
            stacked = stack([state], plan.recipe)
            by_row[row] = {name: value[0].to(self._device) for name, value in stacked.items()}
        members = [
            Member(
                configuration=place,
                fold=job.fold,
                learning_rate=plan.recipe.learning_rate,
                weights=by_row[job.row],
                first={},
                second={},
                steps=0,
            )
            for place, job in enumerate(jobs)
        ]
        return Stack(members, plan.recipe, self._data, self._networks)
