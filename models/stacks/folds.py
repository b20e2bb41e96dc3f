"""The folds of several configurations of one shape, trained as stacks (paper, section IV.D).

As `models.training.FoldsInTraining` for each configuration, with the same weights at the start and the same windows in
the same order; sums run in another order, so that numbers differ by rounding. A configuration whose loss is not finite
leaves; no bit of the others depends on it, nor on who else is there.

Shapes: K folds, W windows, L window length, T frames of a recording, F features, 2 = valence and arousal.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models import checkpoints
from models.backends import (
    DEFAULT_PRECISION,
    ON_GPU,
    STACKED,
    frames_per_device_call,
    models_per_device_stack,
    models_per_stack,
)
from models.ccc import ccc
from models.epochs import Evaluation, evaluation_of
from models.losses import loss_of, target_of
from models.networks import build_for
from models.precision import on, products_in
from models.recipe import Recipe
from models.seeds import seed_for
from models.shapes import state_shapes
from models.sizes import network_of
from models.splits import FoldSplit, labelled_windows, scaled
from models.stacks.configuration import StackedConfiguration
from models.stacks.data import StackedData
from models.stacks.device import DeviceStack, free_bytes
from models.stacks.epochs import MOST_FRAMES, Member, Networks, Stack, one_thread
from models.stacks.layers import layers_for
from models.stacks.network import State, stack, unstack
from models.training import Epoch, TrainingDiverged, epoch_from, identity_of
from models.windows import Series, cut

KINDS = ("weights", "first", "second")  # of a model's tensors in a checkpoint


class StackedFolds:
    """C configurations that share all but learning rate and seed, each on the same K splits of the same series.

    Equal seeds give equal bits on a CPU, whatever else is in the pack and wherever a training was interrupted.
    """

    def __init__(  # noqa: PLR0913 - as `FoldsInTraining`
        self,
        series: Sequence[Series],
        splits: Sequence[FoldSplit],
        recipes: Sequence[Recipe],
        *,
        seeds: Sequence[int],
        device: str = "cpu",
        dtype: torch.dtype = torch.float32,
        backend: str = STACKED,
        precision: str = DEFAULT_PRECISION,
    ) -> None:
        """Cut the windows of the `series` once for all models and initialise them.

        Each of the `recipes` is trained from its own one of `seeds` on each of the `splits`, on `device` in `dtype`.
        `backend` is one of `models.backends.STACKS`, those for a GPU on one only (on a CPU they are tests of it);
        `precision` is of a GPU. ValueError: as `FoldsInTraining`; recipes that differ in more than the learning rate,
        or have a backbone.
        """
        recipe = shared_recipe(recipes)
        assert len(seeds) == len(recipes), "one seed for each configuration"
        self.recipe = recipe
        self._splits, self._device, self._dtype = splits, device, dtype
        self.precision = on(device, precision)
        self.layers = layers_for(recipe, backend, precision=self.precision, device=device)
        self._windows = cut(series, recipe.sequence_length, partial=recipe.partial_window).to(device)
        folds = range(len(splits))
        self._train = [labelled_windows(self._windows, k, "train", splits[k].train) for k in folds]
        self._validation = [labelled_windows(self._windows, k, "validate", splits[k].validation) for k in folds]
        self._scaled = [scaled(self._windows, k, splits[k]) for k in folds]
        self._data = StackedData(self._windows, self._scaled, network_of(recipe.network).directions, dtype)
        # Gathered once: they are the same at every epoch.
        self._gold = [self._windows.gold_WL2[index_W.to(device)].to(dtype).cpu() for index_W in self._validation]
        self._mask = [self._windows.mask_WL2[index_W.to(device)].cpu() for index_W in self._validation]
        self.configurations = tuple(
            StackedConfiguration(self, place, one, seed, series, self._scaled)
            for place, (one, seed) in enumerate(zip(recipes, seeds, strict=True))
        )
        self._identity = [identity_of(series, splits, one, seed) for one, seed in zip(recipes, seeds, strict=True)]
        self._left: set[int] = set()
        self._mid_epoch = False
        self._form(self._new_members())

    @property
    def num_folds(self) -> int:
        """K."""
        return len(self._splits)

    @property
    def in_training(self) -> tuple[int, ...]:
        """The places of the configurations that have not left."""
        return tuple(place for place in range(len(self.configurations)) if place not in self._left)

    @property
    def epochs_done(self) -> int:
        """Epochs of the configurations that have not left."""
        return max((len(one.history) for one in self.configurations), default=0)

    def epochs(self) -> Iterator[dict[int, Epoch | TrainingDiverged]]:
        """Train on and yield each epoch as it ends, by the place of a configuration; until the last, or all have left.

        A configuration appears once with TrainingDiverged, and from then on no more. An epoch's seconds are its share.
        """
        while self.epochs_done < self.recipe.epochs and self.in_training:
            yield self._epoch(self.epochs_done + 1)

    def leave(self, place: int) -> None:
        """Take a configuration out between two epochs; its history stays, its weights go."""
        self._left.add(place)
        self._form([one for one in self._members() if one.configuration != place])

    def state(self, place: int, fold: int) -> State:
        """Copy the present weights of a model to the CPU, as `AffectNetwork.state_dict` names them."""
        for one in self._stacks:
            for model, member in enumerate(one.members):
                if (member.configuration, member.fold) == (place, fold):
                    return unstack(one.weights, model, self.recipe)
        raise ValueError(f"configuration {place} has left the pack")

    def save(self, folder: Path) -> None:
        """Write all state into one checkpoint, atomically; between epochs only."""
        assert not self._mid_epoch, "an epoch was left half done: its weights fit no curve"
        tensors: State = {}
        steps: dict[str, int] = {}
        for one in self._members():
            prefix = f"configuration{one.configuration}.fold{one.fold}"
            for kind in KINDS:
                tensors |= {f"{prefix}.{kind}.{name}": value for name, value in getattr(one, kind).items()}
            steps[prefix] = one.steps
        for configuration in self.configurations:
            for k, state in enumerate(configuration.best):
                prefix = f"configuration{configuration.place}.fold{k}.best."
                tensors |= {prefix + name: value for name, value in state.items()}
        content = {
            "pack": self._identity,
            "curves": [[asdict(epoch) for epoch in one.history] for one in self.configurations],
            "failures": [one.failure and list(one.failure.args) for one in self.configurations],
            "left": sorted(self._left),
            "steps": steps,
        }
        checkpoints.write(folder, tensors, content)

    def load(self, folder: Path) -> None:
        """Continue from a checkpoint of this pack, or of a larger one that had all of this one's configurations.

        CheckpointError as `FoldsInTraining.load`.
        """
        tensors, content = checkpoints.read(folder)
        with checkpoints.taken_up(folder):
            self._take_up(folder, tensors, content)

    def _take_up(self, folder: Path, tensors: State, content: Mapping[str, Any]) -> None:
        there = self._places_in(folder, content["pack"])
        members = []
        for one in self._members():
            place = there[one.configuration]
            prefix = f"configuration{place}.fold{one.fold}"
            if place not in content["left"]:
                weights, first, second = (
                    {name: tensors[f"{prefix}.{kind}.{name}"].to(self._device) for name in one.weights}
                    for kind in KINDS
                )
                members.append(
                    replace(one, steps=int(content["steps"][prefix]), weights=weights, first=first, second=second)
                )
        for configuration, place in zip(self.configurations, there, strict=True):
            configuration.history = [epoch_from(fields) for fields in content["curves"][place]]
            failure = content["failures"][place]
            configuration.failure = TrainingDiverged(*failure) if failure else None
            if self.recipe.keep == "best" and configuration.history:
                # A file has its tensors in an order of its own.
                names = [name for name, _, _ in state_shapes(self.recipe, self._windows.num_features)]
                configuration.best = [
                    {name: tensors[f"configuration{place}.fold{k}.best.{name}"] for name in names}
                    for k in range(self.num_folds)
                ]
        self._left = {own for own, place in enumerate(there) if place in content["left"]}
        self._form(members)

    def _places_in(self, folder: Path, pack: Sequence[Mapping[str, Any]]) -> list[int]:
        """Return where each configuration stands in a checkpoint's pack."""
        places = []
        for expected in self._identity:
            if expected not in pack:
                # The one with the fewest differences is meant.
                nearest = min(pack, key=lambda found: sum(found.get(name) != expected[name] for name in expected))
                name = next(name for name in expected if nearest.get(name) != expected[name])
                raise checkpoints.CheckpointError(
                    f"{folder}: checkpoint of another training: {name} of configuration {pack.index(nearest)} is "
                    f"{nearest.get(name)!r}, expected {expected[name]!r}"
                )
            places.append(pack.index(expected))
        return places

    def _new_members(self) -> list[Member]:
        """Return every model at its start; those of one seed share the weights, as learning rates of one search do."""
        nothing = torch.zeros((), dtype=self._dtype, device=self._device)
        drawn: dict[int, State] = {}
        members = []
        for place, one in enumerate(self.configurations):
            for fold in range(self.num_folds):
                seed = seed_for(one.seed, "fold", fold, "weights")
                if seed not in drawn:
                    state = build_for(one.recipe, num_features=self._windows.num_features, seed=seed).state_dict()
                    stacked = stack([state], self.recipe)
                    drawn[seed] = {name: value[0].to(self._device, self._dtype) for name, value in stacked.items()}
                zeros = {name: nothing.expand_as(value) for name, value in drawn[seed].items()}
                members.append(
                    Member(
                        configuration=place,
                        fold=fold,
                        learning_rate=one.recipe.learning_rate,
                        weights=drawn[seed],
                        first=zeros,
                        second=zeros,
                        steps=0,
                    )
                )
        return members

    def _form(self, members: Sequence[Member]) -> None:
        self._stacks: list[Stack] = []  # those before go first, with the memory they share
        like = torch.empty(0, dtype=self._dtype, device=self._device)
        networks = Networks(self.recipe, self.recipe.sequence_length, like, self.layers.kind)
        size = models_per_stack(self.recipe)
        make: Callable[..., Stack] = Stack
        if self.layers.backend in ON_GPU:
            size = models_per_device_stack(self.recipe, free_bytes=free_bytes(self._device))
            # As equal as may be: a smaller last stack takes as long.
            size = -(-len(members) // max(1, -(-len(members) // size)))
            make = partial(DeviceStack, kernels=self.layers.kernels)
        self._stacks = [
            make(members[first : first + size], self.recipe, self._data, networks)
            for first in range(0, len(members), max(1, size))
        ]

    def _members(self) -> list[Member]:
        return [one.member(model) for one in self._stacks for model in range(len(one.members))]

    def _epoch(self, number: int) -> dict[int, Epoch | TrainingDiverged]:
        start = time.perf_counter()
        self._mid_epoch = True
        trained: dict[tuple[int, int], tuple[float, int]] = {}
        validated: dict[tuple[int, int], Evaluation] = {}
        with one_thread(), products_in(self.precision):
            for one in self._stacks:
                orders = [self._order(member, number) for member in one.members]
                places = [(member.configuration, member.fold) for member in one.members]
                trained |= dict(zip(places, one.train(orders), strict=True))
            for one in self._stacks:
                validated |= self._validate(one)
        present = self.in_training
        seconds = (time.perf_counter() - start) / len(present)
        told = {place: self._told(place, number, trained, validated, seconds) for place in present}
        self._mid_epoch = False
        for place, epoch in told.items():
            if isinstance(epoch, TrainingDiverged):
                self.configurations[place].failure = epoch
                self.leave(place)
            else:
                self.configurations[place].keep(epoch)
        return told

    def _order(self, member: Member, number: int) -> Tensor:
        index_W = self._train[member.fold]
        if self.recipe.order != "shuffled":
            return index_W
        seed = seed_for(self.configurations[member.configuration].seed, "fold", member.fold, "epoch", number)
        return index_W[torch.randperm(len(index_W), generator=torch.Generator().manual_seed(seed))]

    def _validate(self, one: Stack) -> dict[tuple[int, int], Evaluation]:
        windows = [self._validation[member.fold] for member in one.members]
        places = [(member.configuration, member.fold) for member in one.members]
        most = max(len(index_W) for index_W in self._validation)
        frames = MOST_FRAMES
        if isinstance(one, DeviceStack):
            frames = frames_per_device_call(self.recipe, models=len(one.members))
        per_call = -(-most // max(1, -(-most * self._windows.length // frames)))
        if isinstance(one, DeviceStack):
            return dict(zip(places, one.evaluate(windows, per_call), strict=True))
        return {
            (place, fold): evaluation_of(prediction_WL2, self._gold[fold], self._mask[fold], self.recipe)
            for (place, fold), prediction_WL2 in zip(places, one.predict(windows, per_call), strict=True)
        }

    def _told(
        self,
        place: int,
        number: int,
        trained: Mapping[tuple[int, int], tuple[float, int]],
        validated: Mapping[tuple[int, int], Evaluation],
        seconds: float,
    ) -> Epoch | TrainingDiverged:
        folds = range(self.num_folds)
        rate = self.configurations[place].recipe.learning_rate
        losses = [("training", k, trained[place, k][0]) for k in folds]
        losses += [("validation", k, validated[place, k].loss) for k in folds]
        for which, k, loss in losses:
            if not math.isfinite(loss):
                return TrainingDiverged(k, number, f"{which} loss is {loss} at learning rate {rate:g}")
        return Epoch(
            number=number,
            train_loss=tuple(trained[place, k][0] / trained[place, k][1] for k in folds),
            validation_loss=tuple(validated[place, k].loss for k in folds),
            ccc_valence=tuple(ccc(validated[place, k].valence) for k in folds),
            ccc_arousal=tuple(ccc(validated[place, k].arousal) for k in folds),
            seconds=seconds,
        )


def shared_recipe(recipes: Sequence[Recipe]) -> Recipe:
    """Return the first of some recipes that a pack can share; ValueError naming the field in which they differ."""
    if not recipes:
        raise ValueError("a pack has at least one configuration")
    first = recipes[0].to_dict()
    loss_of(recipes[0].loss), target_of(recipes[0].target)
    for one in recipes:
        if one.backbone is not None:
            raise ValueError(f"a pack is of features, found a recipe with the backbone {one.backbone!r}")
        for name, value in one.to_dict().items():
            if name != "learning_rate" and value != first[name]:
                raise ValueError(
                    f"a pack shares all but the learning rate: {name} is {value!r}, expected {first[name]!r}"
                )
    return recipes[0]
