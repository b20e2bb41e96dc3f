"""Secure sums in Ray actors: the bits of one process; a killed client leaves the round and is back in the next."""

import os
import random
import signal
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray

from fed.client import Client
from fed.executors.ray_actors import Pool, in_actors
from fed.executors.reuse import ReusedClients
from fed.messages import Answer, Call
from models.splits import FoldSplit
from tests.fed.test_ray_actors import started
from tests.fed.test_secure_round import QUORUM, plain_sum, secure
from tests.fed.toys import PEOPLE, SERIES, assert_same, learning, misbehaving, write
from tests.models.toys import recipe

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("pretended_gpu"),
    # Ray leaves pipes and sockets of ended workers to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

SEPARATE: dict[str, Any] = {"client_actors": 6, "cpus_per_client": 0.2}
ALL = [FoldSplit(train=(0, 1, 2, 3, 4, 5), validation=(0,), held_out=(0,))]


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> list[Client]:
    return write(SERIES, tmp_path_factory.mktemp("people"))


@pytest.fixture(scope="module")
def pools() -> list[Pool]:
    """The pool that `keeper` has started."""
    return []


@pytest.fixture(scope="module")
def keeper(pools: list[Pool], pretended_gpu: None) -> Iterator[ReusedClients]:  # noqa: ARG001 - Ray runs
    """One set of processes for all: starting them is what takes time."""
    kept = ReusedClients(started(in_actors(**SEPARATE), pools))
    yield kept
    kept.close()


def test_actors_give_the_bits_of_one_process_and_the_killed_leave_their_round(
    clients: list[Client], keeper: ReusedClients, pools: list[Pool]
) -> None:
    """Each kill in a round of its own, at the beginning of its stage."""
    kills = {2: "shares", 3: "masked", 4: "unmask"}
    settings: dict[str, Any] = {"splits": ALL, "chosen": recipe(epochs=5), **QUORUM}
    folds = secure(clients=clients, start=keeper, **settings)
    run, draw = folds._executor.run, random.Random(3)
    killed: dict[int, list[str]] = {}

    def disturbed(call: Call) -> Iterator[Answer]:
        if kills.get(call.number) == call.kind:
            for slot in draw.sample(pools[0]._slots, 2):
                killed.setdefault(call.number, []).extend(slot.names)
                os.kill(ray.get(slot.actor.pid.remote()), signal.SIGKILL)
        yield from run(call)

    folds._executor = replace(folds._executor, run=disturbed)
    alone = secure(splits=ALL, chosen=recipe(epochs=1))
    epochs = folds.epochs()
    next(epochs)
    next(alone.epochs())
    np.testing.assert_array_equal(folds._states[0].weights, alone._states[0].weights)
    list(epochs)
    for number, stage in kills.items():
        record = folds.rounds[number - 1]
        lost = sorted(killed[number])
        assert len(lost) == 2
        assert record.secure[0].dropped == {stage: tuple(lost)}
        assert {one.kind for one in record.failures} == (set() if stage == "unmask" else {"restarted"})
        assert record.trained == (tuple(name for name in PEOPLE if name not in lost or stage == "unmask"),)
    assert folds.rounds[4].trained == (PEOPLE,)
    assert folds.rounds[4].failures == ()
    folds.close()


def test_a_client_that_dies_while_it_trains_leaves_the_round(
    clients: list[Client], keeper: ReusedClients, tmp_path: Path
) -> None:
    marker = tmp_path / "deaths"
    marker.write_text("1")
    start = learning(partial(misbehaving, "die", "P2", 1, str(marker)), keeper)
    folds = secure(clients=clients, start=start, splits=ALL, chosen=recipe(epochs=2), **QUORUM)
    others = [name for name in PEOPLE if name != "P2"]
    next(folds.epochs())
    assert marker.read_text() == "0"
    (failure,) = folds.rounds[0].failures
    assert failure.reason == "restarted in mid-round: its keys are gone, it is back in the next round"
    found = folds._states[0].weights
    np.testing.assert_array_equal(found, plain_sum(secure(splits=ALL), 0, others))
    list(folds.epochs())
    assert folds.rounds[1].trained == (PEOPLE,)
    folds.close()


def test_the_federation_in_actors_is_that_in_one_process(clients: list[Client], keeper: ReusedClients) -> None:
    settings: dict[str, Any] = {"aggregator": "weighted-mean", "chosen": recipe(epochs=2)}
    folds = secure(clients=clients, start=keeper, **settings)
    list(folds.epochs())
    alone = secure(**settings)
    list(alone.epochs())
    assert_same(folds, alone)
    assert [one.secure for one in folds.rounds] == [one.secure for one in alone.rounds]
    folds.close()
