"""What a federated round costs beside the training: 45 MB of weights, 4 clients that only add 1, 2 actors.

    python benchmarks/federation_engine.py [--rounds 10]

Prints seconds of warm rounds and ratios to two yardsticks on the same machine in the same minute: the plain copies
that no engine can do without, and Ray alone with one put and no checks. Bar: a warm round under 0.3 s on two cores.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import ray
import torch

from fed.aggregators import ServerState, aggregate
from fed.client import Client
from fed.executors.ray_actors import in_actors
from fed.local_plan import LocalPlan
from fed.messages import Call, Job
from fed.options import Federation
from fed.updates import Layout, flatten
from models.recipe import Recipe
from models.splits import FoldSplit
from models.windows import Series

NUM_CLIENTS = 4
NUM_ACTORS = 2
NUM_FEATURES = 40
BAR_SECONDS = 0.3
RECIPE = Recipe(
    network="bilstm",
    learning_rate=1e-3,
    hidden_size=590,  # with two layers 45 MB
    sequence_length=4,
    num_layers=2,
    epochs=1,
    loss="mse",
    target="frame",
    partial_window="pad",
    windows_a_step=1,
    order="in-order",
    keep="last",
)


def few_frames(name: str) -> list[Series]:
    """Make a recording too short to take any time."""
    return [
        Series(
            participant=name,
            session="",
            features_TF=np.ones((4, NUM_FEATURES), np.float32),
            valid_T=np.ones(4, np.bool_),
            gold_T2=np.zeros((4, 2), np.float32),
        )
    ]


def add_one(model: torch.nn.Module, *_: object) -> tuple[float, int]:
    """Stand in for training."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1.0)
    return 1.0, 1


class Adder:
    """An actor of Ray alone, without any check: adds 1 for each of its clients and returns the sum."""

    def add(self, weights: np.ndarray, times: int) -> np.ndarray:
        total = np.zeros_like(weights)
        for _ in range(times):
            total += weights + np.float32(1.0)
        return total


def timed(step: Callable[[], Any], rounds: int) -> list[float]:
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    return seconds


def of_copies(weights: np.ndarray) -> Callable[[], None]:
    """One process: each client gets its copy and changes it, the server takes the mean."""

    def step() -> None:
        total = np.zeros_like(weights)
        for _ in range(NUM_CLIENTS):
            own = weights.copy()
            own += np.float32(1.0)
            total += own
        total /= np.float32(NUM_CLIENTS)

    return step


def of_bare_ray(weights: np.ndarray) -> Callable[[], None]:
    actors = [ray.remote(num_cpus=0.3)(Adder).remote() for _ in range(NUM_ACTORS)]

    def step() -> None:
        sent = ray.put(weights)
        parts = ray.get([actor.add.remote(sent, NUM_CLIENTS // NUM_ACTORS) for actor in actors])
        np.divide(np.sum(parts, axis=0), np.float32(NUM_CLIENTS))

    return step


def of_ours(plan: LocalPlan, state: ServerState, aggregator: str) -> Callable[[], None]:
    names = [f"P{i}" for i in range(NUM_CLIENTS)]
    clients = [Client(name=name, load=partial(few_frames, name)) for name in names]
    executor = in_actors(client_actors=NUM_ACTORS, cpus_per_client=0.3)(clients, plan)
    current, number = state, 0
    options = Federation(aggregator=aggregator)

    def step() -> None:
        nonlocal current, number
        number += 1
        call = Call(
            kind="train",
            number=number,
            jobs=tuple(Job(fold=0, client=name, row=0, series=(0,)) for name in names),
            deadline_seconds=600.0,
            weights=current.weights[None],
            integers=current.integers[None],
            summed=aggregator,
        )
        (answer,) = executor.run(call)
        assert len(answer.values) == NUM_CLIENTS, answer.failures
        current = aggregate(current, answer.sums, options)
        np.testing.assert_allclose(current.weights[:100], state.weights[:100] + number, rtol=1e-4)

    return step


def report(name: str, seconds: Sequence[float], yardstick: float) -> None:
    median = statistics.median(seconds)
    print(f"{name:34} median {median:6.3f} s  fastest {min(seconds):6.3f} s  {median / yardstick:5.1f} x copies")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    split = FoldSplit(train=(0, 1, 2, 3), validation=(0,), held_out=(0,))
    plan = LocalPlan(recipe=RECIPE, federation=Federation(), splits=(split,), seed=0, learn=add_one)
    network = plan.new_model(NUM_FEATURES, 0).state_dict()
    layout = Layout.of(network)
    weights, integers = flatten(network, layout)
    print(f"{layout.num_bytes / 1e6:.1f} MB, {NUM_CLIENTS} clients, {NUM_ACTORS} actors, {rounds} warm rounds")
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    steps = {
        "plain copies, one process": of_copies(weights),
        "Ray alone, no checks": of_bare_ray(weights),
        "this engine, mean": of_ours(plan, ServerState(weights=weights, integers=integers), "mean"),
        "this engine, weighted-mean": of_ours(plan, ServerState(weights=weights, integers=integers), "weighted-mean"),
    }
    for step in steps.values():
        timed(step, 2)  # cold: processes, data, first touch of memory
    # Turn and turn about: what else the machine does falls on all alike.
    found: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            found[name] += timed(step, 1)
    yardstick = statistics.median(found["plain copies, one process"])
    for name, seconds in found.items():
        report(name, seconds, yardstick)
    print(f"bar: {BAR_SECONDS} s; fastest warm round {min(found['this engine, mean']):.3f} s")
    ray.shutdown()


if __name__ == "__main__":
    main()
