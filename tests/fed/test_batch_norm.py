"""What becomes of ResNet18's twenty batch normalisations in a federation, by policy: the real backbone, tiny frames."""

import math
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from fed.client import learn
from fed.executors.in_process import in_process
from fed.federated_round import evaluate
from fed.rounds import FederatedFolds
from fed.scores import pooled
from models.ccc import ccc
from models.sizes import BACKBONE_FEATURES
from models.splits import FoldSplit
from tests.fed.toys import federation, learning, of
from tests.models.toys import image_recipe, toy_frames

# Two clients of unequal length, and one person to validate on who is no client.
PEOPLE = toy_frames(3, shortest=16)
CLIENTS = ("P0", "P1")
SPLITS = [FoldSplit(train=(0, 1), validation=(2,), held_out=(2,))]
ROUNDS = 2
NORMS = ("running_mean", "running_var", "num_batches_tracked")

Trained = dict[tuple[str, int], Mapping[str, Tensor]]


def rounds(policy: str) -> tuple[FederatedFolds, Trained]:
    """Train, and keep what each client's network was at the end of each round."""
    seen: Trained = {}

    def watched(*arguments: Any) -> tuple[float, int]:
        found = learn(*arguments)
        model, _, _, plan, generator, _ = arguments
        (place,) = [(c, n) for c in CLIENTS for n in range(1, ROUNDS + 1) if of(generator, plan, c, n)]
        seen[place] = {name: value.clone() for name, value in model.state_dict().items()}
        return found

    folds = federation(
        series=PEOPLE,
        splits=SPLITS,
        chosen=image_recipe(epochs=ROUNDS),
        start=learning(watched, in_process),
        batch_norm=policy,
    )
    assert len(list(folds.epochs())) == ROUNDS
    assert len(seen) == len(CLIENTS) * ROUNDS
    return folds, seen


def entries(state: Mapping[str, Tensor], kind: str) -> dict[str, Tensor]:
    found = {name: value for name, value in state.items() if name.endswith(f".{kind}")}
    assert len(found) == 20
    return found


def mean(one: Tensor, other: Tensor) -> Tensor:
    return ((one.double() + other.double()) / 2).float()


@pytest.fixture(scope="module")
def steps() -> dict[str, int]:
    """Optimiser steps of a client in a round: windows of 8 frames, the last one padded, two a step."""
    counted = {one.participant: math.ceil(math.ceil(len(one.index_T) / 8) / 2) for one in PEOPLE}
    assert counted == {"P0": 1, "P1": 2, "P2": 2}
    return counted


def test_mean_averages_statistics_and_counters_stay_integers(steps: dict[str, int]) -> None:
    folds, seen = rounds("mean")
    state = folds.fold_state(0)
    for kind in ("running_mean", "running_var"):
        for name, value in entries(state, kind).items():
            assert torch.equal(value, mean(seen["P0", 2][name], seen["P1", 2][name])), name
            assert not torch.equal(seen["P0", 2][name], seen["P1", 2][name]), name
    for value in entries(state, "num_batches_tracked").values():
        assert value.dtype == torch.int64
        assert value.shape == ()
        assert int(value) == ROUNDS * max(steps["P0"], steps["P1"])
    # The second round begins from the common counters.
    assert {int(value) for value in entries(seen["P0", 2], "num_batches_tracked").values()} == {2 + steps["P0"]}


def test_local_leaves_each_client_its_own_statistics(steps: dict[str, int]) -> None:
    folds, seen = rounds("local")
    for client in CLIENTS:
        kept = folds._client_states[0, client]
        for kind in NORMS:
            for name, value in entries(seen[client, 2], kind).items():
                assert torch.equal(torch.from_numpy(kept[f"own.{name}"]), value), name
        # It went on from its own counters, not from the largest of all.
        own = entries(seen[client, 2], "num_batches_tracked")
        assert {int(value) for value in own.values()} == {ROUNDS * steps[client]}
        assert {value.dtype for value in own.values()} == {torch.int64}
    for name, value in entries(folds.fold_state(0), "running_mean").items():
        assert not torch.equal(seen["P0", 2][name], seen["P1", 2][name]), name
        # Who is no client, as the validation people, gets the mean of what the clients hold.
        assert torch.equal(value, mean(seen["P0", 2][name], seen["P1", 2][name])), name


def test_frozen_keeps_the_statistics_it_began_with() -> None:
    folds, seen = rounds("frozen")
    first = folds._plan.new_model(BACKBONE_FEATURES, 0).state_dict()
    for state in (folds.fold_state(0), *seen.values()):
        for kind in NORMS:
            for name, value in entries(state, kind).items():
                assert torch.equal(value, first[name]), name
                assert value.dtype == first[name].dtype
        assert not torch.equal(state["trunk.conv1.weight"], first["trunk.conv1.weight"])
        assert not torch.equal(state["trunk.bn1.weight"], first["trunk.bn1.weight"])


def test_own_networks_are_evaluated_with_the_layers_their_clients_have_just_kept() -> None:
    folds = federation(
        series=toy_frames(4, shortest=80),
        splits=[FoldSplit(train=(0, 1, 2), validation=(3,), held_out=(3,))],
        chosen=image_recipe(epochs=3),
        aggregator="personalised",
        batch_norm="local",
    )
    assert len(list(folds.epochs())) == 3
    found = evaluate(folds._setting(), 3, folds._broadcast, folds._client_states)
    own = pooled(found[0].own)
    assert folds.rounds[-1].own_ccc_valence == (ccc(own.valence),)
    of_the_mean = pooled(evaluate(folds._setting(), 3, folds._broadcast, {})[0].own)
    assert ccc(own.valence) != ccc(of_the_mean.valence), "the layers matter"
