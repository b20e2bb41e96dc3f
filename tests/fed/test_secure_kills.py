"""Twenty client processes and secure sums: three are killed in each of ten rounds, each at a moment of chance."""

import os
import random
import signal
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray

from fed.client import learn
from fed.executors.ray_actors import Pool, in_actors
from fed.messages import Answer, Call
from models.splits import FoldSplit
from tests.fed.test_ray_actors import started
from tests.fed.test_secure_round import TWENTY, plain_sum, secure
from tests.fed.toys import learning, of, write
from tests.models.toys import recipe

pytestmark = [
    pytest.mark.faults,
    pytest.mark.usefixtures("pretended_gpu"),
    # Ray leaves pipes and sockets of ended workers to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

TRIES = 10
PEOPLE = tuple(one.participant for one in TWENTY)
SETTINGS: dict[str, Any] = {
    "series": TWENTY,
    "splits": [FoldSplit(train=tuple(range(20)), validation=(0,), held_out=(0,))],
    "chosen": recipe(epochs=TRIES),
    "on_client_failure": "quorum",
    "quorum": 0.8,
}
# A stage's moment is before it begins. Whoever is killed there is not in the sum; by moment the stage that misses it.
LEAVING = {"shares": "shares", "masked": "masked", "training": "masked"}
# A client that has sent no keys has missed nothing: its new process takes part. One that sent its update is in the sum.
STAYING = ("keys", "unmask")
MOMENTS = (*LEAVING, *STAYING)
Kills = Mapping[str, str]  # the moment at which a client is killed, by its name


def ten_tries(seed: int = 14) -> list[Kills]:
    """Six rounds that all three leave, and four of any moments."""
    draw = random.Random(seed)
    return [
        {name: draw.choice(tuple(LEAVING) if number < 6 else MOMENTS) for name in draw.sample(PEOPLE, 3)}
        for number in range(TRIES)
    ]


def dying(kills: Mapping[tuple[str, int], str], *arguments: Any) -> tuple[float, int]:
    """Learn as always, but end the process at once in the rounds in which this client is to die in training."""
    _, _, _, plan, generator, _ = arguments
    if any(of(generator, plan, name, number) for name, number in kills):
        os.kill(os.getpid(), signal.SIGKILL)
    return learn(*arguments)


def test_three_of_twenty_processes_are_killed_and_the_plain_sum_of_the_others_is_found(tmp_path: Path) -> None:
    """The first six rounds leave 17; the last four as many as were not killed before their update was sent."""
    tries = ten_tries()
    assert Counter(moment for kills in tries for moment in kills.values()).keys() == set(MOMENTS)
    in_training = {
        (name, number): moment
        for number, kills in enumerate(tries, 1)
        for name, moment in kills.items()
        if moment == "training"
    }
    pools: list[Pool] = []
    start = started(in_actors(client_actors=20, cpus_per_client=0.05), pools)
    folds = secure(clients=write(TWENTY, tmp_path), start=learning(partial(dying, in_training), start), **SETTINGS)
    alone = secure(**SETTINGS)
    (pool,) = pools
    run, struck = folds._executor.run, []

    def disturbed(call: Call) -> Iterator[Answer]:
        for slot in pool._slots:
            (name,) = slot.names
            if call.number and tries[call.number - 1].get(name) == call.kind:
                os.kill(ray.get(slot.actor.pid.remote()), signal.SIGKILL)
                struck.append((name, call.number))
        yield from run(call)

    folds._executor = replace(folds._executor, run=disturbed)
    epochs = folds.epochs()
    for number, kills in enumerate(tries, 1):
        left = tuple(name for name in PEOPLE if kills.get(name) not in LEAVING)
        expected = plain_sum(folds, 0, left, number=number, alone=alone)
        before = {slot.names[0]: ray.get(slot.actor.pid.remote()) for slot in pool._slots}
        next(epochs)
        np.testing.assert_array_equal(folds._states[0].weights, expected)
        record = folds.rounds[number - 1]
        assert set(record.trained[0]) == set(left)
        assert record.secure[0].survivors == len(left)
        assert record.secure[0].dropped == {
            stage: gone
            for stage in ("shares", "masked", "unmask")
            if (gone := tuple(sorted(name for name, moment in kills.items() if LEAVING.get(moment, moment) == stage)))
        }
        after = {slot.names[0]: ray.get(slot.actor.pid.remote()) for slot in pool._slots}
        assert {name for name in PEOPLE if before[name] != after[name]} == set(kills)
    assert [one.secure[0].survivors for one in folds.rounds[:6]] == [17] * 6
    assert len(struck) + len(in_training) == 3 * TRIES
    folds.close()
