"""What secure sums add to a federated round: 20 clients in processes of their own, 55 MB of weights, and 60,000.

    python -m benchmarks.secure_sums [--rounds 3] [--only 55]

Clients only add 1 to their weights. Prints the seconds of warm rounds of one fold with and without, the same processes
in turn. Bar: at most 4 s more per round and fold at 55 MB on two cores.
"""

import argparse
import dataclasses
import statistics
from collections.abc import Iterator, Sequence
from functools import partial

import ray

from benchmarks.federation_engine import RECIPE, add_one, few_frames
from fed.client import Client
from fed.executor import Executor
from fed.executors.ray_actors import in_actors
from fed.executors.reuse import ReusedClients
from fed.local_plan import LocalPlan
from fed.options import Federation
from fed.rounds import FederatedFolds
from models.splits import FoldSplit

NUM_CLIENTS = 20
HIDDEN = {"55 MB": 652, "60 k": 42}  # of a BiLSTM with two layers
BAR_SECONDS = 4.0


def rounds_of(keeper: ReusedClients, hidden: int, secure: bool) -> Iterator[float]:
    """Yield the seconds of training rounds, without end; the first is cold."""
    names = [f"P{i}" for i in range(NUM_CLIENTS)]

    def start(clients: Sequence[Client], plan: LocalPlan) -> Executor:
        return keeper(clients, dataclasses.replace(plan, learn=add_one))

    while True:
        folds = FederatedFolds(
            CLIENTS,
            names,
            [FoldSplit(train=tuple(range(NUM_CLIENTS)), validation=(0,), held_out=(0,))],
            dataclasses.replace(RECIPE, hidden_size=hidden, epochs=2),
            Federation(secure_sum=secure),
            seed=0,
            start=start,
        )
        list(folds.epochs())
        last = folds.rounds[-1]
        assert len(last.trained[0]) == NUM_CLIENTS, last.failures
        yield last.seconds


CLIENTS = [Client(name=f"P{i}", load=partial(few_frames, f"P{i}")) for i in range(NUM_CLIENTS)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="sizes whose name contains this")
    given = parser.parse_args()
    ray.init(
        address="local",
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
        _memory=64 * 2**30,
    )
    keeper = ReusedClients(in_actors(client_actors=NUM_CLIENTS, cpus_per_client=0.09))
    for name, hidden in HIDDEN.items():
        if given.only not in name:
            continue
        plain, secure = (rounds_of(keeper, hidden, one) for one in (False, True))
        pairs = [(next(plain), next(secure)) for _ in range(given.rounds)]
        before, now = (statistics.median(side) for side in zip(*pairs, strict=True))
        added = sorted(b - a for a, b in pairs)
        print(
            f"{name:6} plain {before:7.3f} s  secure {now:7.3f} s  added {statistics.median(added):7.3f} s"
            f"  from {added[0]:.3f} to {added[-1]:.3f}",
            flush=True,
        )
    keeper.close()
    ray.shutdown()


if __name__ == "__main__":
    main()
