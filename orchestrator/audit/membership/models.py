# ruff: noqa: N803, N806 - shape suffixes, by the legend below
"""Reference models: the audited recipe, trained on some of the people, and its errors on everybody's windows.

As packs where models can be stacked, as federations for a federated method, else one by one. What a pack has come to is
kept, so that an audit that was broken off goes on. Shapes: R models, P people, W windows.
"""

import dataclasses
import math
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch

from fed.client import Client
from fed.executors.in_process import in_process
from fed.options import Federation
from fed.rounds import FederatedFolds
from models import checkpoints
from models.backends import REFERENCE, STACKED, is_stackable, models_per_stack
from models.networks import AffectNetwork, build_for
from models.seeds import seed_for
from models.splits import FoldSplit
from models.stacks.folds import StackedFolds
from models.training import FoldsInTraining, TrainingDiverged
from models.windows import Series, Windows
from orchestrator.audit.material import Material, Show, labelled_windows, window_errors
from orchestrator.audit.membership.scores import Array, Known, Mask
from orchestrator.data.series import AnySeries
from orchestrator.errors import InputError

ERRORS, STATE = "errors", "state"  # folders of a pack: what came of it, and its state on the way
# Ours: what is lost at most, in seconds of training.
CHECKPOINT_SECONDS = 10.0
SHOW_SECONDS = 5.0
# Ours: federations trained side by side, each with half of the people as clients.
FEDERATIONS_PER_PACK = 8

Training = FoldsInTraining | StackedFolds | FederatedFolds


def reference_errors(material: Material, member_RP: Mask, folder: Path, show: Show) -> Known:
    """Train a model for each row of (R, P) and return the errors of all on all windows.

    `folder` keeps what has been done of the same material and rows. InputError if a training diverges.
    """
    windows, index_W, people = labelled_windows(material)
    # To the last epoch: a reference has nobody on whom a best epoch could be chosen.
    material = dataclasses.replace(material, recipe=dataclasses.replace(material.recipe, keep="last"))
    names = np.array(material.people)
    splits = [material.split([str(name) for name in names[row_P]]) for row_P in member_RP]
    size = _pack_size(material, len(splits))
    rows = []
    for first in range(0, len(splits), size):
        own, place = splits[first : first + size], folder / f"models-{first}"
        error_MW = _kept(place / ERRORS)
        if error_MW is None:
            what = f"models {first + 1} to {first + len(own)}" if len(own) > 1 else f"model {first + 1}"
            training = _trained(material, own, first, place / STATE, partial(_tell, show, f"{what} of {len(splits)}"))
            error_MW = np.stack(
                [
                    window_errors(_network(training, k, material, windows), material, windows, index_W, split)
                    for k, split in enumerate(own)
                ]
            )
            if isinstance(training, FederatedFolds):
                training.close()
            checkpoints.write(place / ERRORS, {"error_MW": torch.from_numpy(error_MW)}, {})
            shutil.rmtree(place / STATE, ignore_errors=True)
        rows.append(error_MW)
    return Known(people=people, error_RW=np.concatenate(rows), member_RP=member_RP)


def _tell(show: Show, what: str, how_far: str) -> None:
    show(f"{what}{how_far}")


def _kept(place: Path) -> Array | None:
    try:
        return np.asarray(checkpoints.read(place)[0]["error_MW"].numpy())
    except (checkpoints.CheckpointError, KeyError):
        return None


def _pack_size(material: Material, num_models: int) -> int:
    """Return how many models are trained side by side: of as few packs as pay, all of one size but for the last."""
    most = 1
    if material.federation is not None:
        most = FEDERATIONS_PER_PACK if material.recipe.backbone is None else 1
    elif is_stackable(material.recipe):
        most = models_per_stack(material.recipe)
    return math.ceil(num_models / math.ceil(num_models / most))


def seed_of(material: Material, first: int) -> int:
    """Return the seed of the pack that begins with a model's number: no reference starts as the target did."""
    return seed_for(material.seed, "audit", "membership", first)


def begin(material: Material, splits: Sequence[FoldSplit], seed: int) -> Training:
    """Return the training of these splits by the material's method, before its first epoch."""
    recipe, series = material.recipe, material.series
    if material.federation is not None:
        clients = local_clients(series)
        participants = [one.participant for one in series]
        return FederatedFolds(
            clients,
            participants,
            splits,
            recipe,
            in_the_clear(material.federation),
            seed=seed,
            start=partial(in_process, device=material.device),
            backbone_weights=material.backbone_weights,
            backend=backend_of_clients(material),
        )
    features = [one for one in series if isinstance(one, Series)]
    if features and is_stackable(recipe):
        return StackedFolds(features, splits, [recipe], seeds=[seed], device=material.device)
    return FoldsInTraining(
        series, splits, recipe, seed=seed, device=material.device, backbone_weights=material.backbone_weights
    )


def local_clients(series: Sequence[AnySeries]) -> tuple[Client, ...]:
    """Return a client for each person, whose series are here already."""
    own: dict[str, list[AnySeries]] = {}
    for one in series:
        own.setdefault(one.participant, []).append(one)
    return tuple(Client(name=name, load=partial(tuple, found)) for name, found in own.items())


def in_the_clear(federation: Federation) -> Federation:
    """Return a federation without secure sums, which are the same means but for the rounding of fixed-point numbers."""
    return dataclasses.replace(federation, secure_sum=False, secure_bound=None)


def backend_of_clients(material: Material) -> str:
    """Return which code trains the clients: the faster one, of which numbers differ by rounding."""
    stackable = is_stackable(material.recipe) and in_the_clear(material.federation or Federation()).stackable
    return STACKED if stackable else REFERENCE


def _trained(
    material: Material, splits: Sequence[FoldSplit], first: int, state: Path, tell: Callable[[str], object]
) -> Training:
    """Train from where an earlier process was; InputError if the loss is not finite."""
    seed = seed_of(material, first)
    training = begin(material, splits, seed)
    try:
        training.load(state)
    except checkpoints.CheckpointError:
        shutil.rmtree(state, ignore_errors=True)
        training = begin(material, splits, seed)
    saved = shown = time.monotonic()
    for number in _epochs(training):
        now, last = time.monotonic(), number == material.recipe.epochs
        if now - shown >= SHOW_SECONDS or last:
            tell(f", epoch {number}/{material.recipe.epochs}")
            shown = now
        if now - saved >= CHECKPOINT_SECONDS or last:
            training.save(state)
            saved = time.monotonic()
    return training


def _epochs(training: Training) -> Iterator[int]:
    """Yield the number of each epoch that has ended."""
    try:
        for told in training.epochs():
            for one in told.values() if isinstance(told, dict) else (told,):
                if isinstance(one, TrainingDiverged):
                    raise one
                yield one.number
    except TrainingDiverged as error:
        found = f"a reference model that diverged ({error.detail})"
        raise InputError.of("the audited configuration", found=found, expected="one that trains") from error


def _network(training: Training, fold: int, material: Material, windows: Windows) -> AffectNetwork:
    state = (training.configurations[0] if isinstance(training, StackedFolds) else training).fold_state(fold)
    network = build_for(material.recipe, num_features=windows.num_features, seed=0)
    network.load_state_dict(state)
    return network.eval()
