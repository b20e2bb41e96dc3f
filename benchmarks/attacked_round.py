"""A round of 20 clients of which some attack: linear regressions, the gate, the aggregator, how far it was moved."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks.attackers import ATTACKS, LABEL_FLIP, NO_ATTACK
from fed.aggregators import ServerState
from fed.choices import AGGREGATORS
from fed.executors.jobs import answer_of, settle
from fed.federated_round import Trained, fold_step
from fed.messages import Call, Failure, Floats, Job, PartialSum, Update, Value
from fed.options import Federation
from fed.updates import Layout

CLIENTS, ATTACKERS, SIZE = 20, 4, 40
NAMES = tuple(f"P{i:02}" for i in range(CLIENTS))
# Neither the first nor the last by name.
BAD = ("P03", "P08", "P09", "P17")
LAYOUT = Layout(names=("w", "n"), shapes=((SIZE,), ()), dtypes=("float32", "int64"))
ROUND = 3
# What a user would choose against 4 of 20.
OPTIONS: dict[str, dict[str, Any]] = {"trimmed-mean": {"trim_share": 0.2}, "multi-krum": {"krum_attackers": ATTACKERS}}


@dataclass(frozen=True, kw_only=True, eq=False)
class People:
    """Where a round begins, and what every client's training makes of it: of its labels, and of labels times -1."""

    origin: Floats
    honest: dict[str, Update]
    flipped: dict[str, Update]


def people(seed: int) -> People:
    """Each client has samples of its own distribution, and a truth of its own not far from the common one."""
    chance = np.random.default_rng(seed)
    truth, origin = chance.normal(size=SIZE), chance.normal(0.0, 0.3, SIZE).astype(np.float32)
    honest, flipped = {}, {}
    for name in NAMES:
        samples = int(chance.integers(60, 120))
        scales = np.exp(chance.normal(0.0, 0.2, SIZE))
        features = chance.normal(size=(samples, SIZE)) * scales
        labels = features @ (truth + chance.normal(0.0, 0.2, SIZE)) + chance.normal(0.0, 0.5, samples)
        honest[name] = trained_on(name, features, labels, origin)
        flipped[name] = trained_on(name, features, -labels, origin)
    return People(origin=origin, honest=honest, flipped=flipped)


def trained_on(name: str, features: np.ndarray, labels: np.ndarray, origin: Floats) -> Update:
    """Five steps of gradient descent on the squared error."""
    weights = origin.astype(np.float64)
    for _ in range(5):
        weights = weights - 0.1 * features.T @ (features @ weights - labels) / len(labels)
    return Update(
        client=name,
        round=ROUND,
        fold=0,
        layout=LAYOUT.digest,
        num_samples=len(labels),
        weights=weights.astype(np.float32),
        integers=np.array([7]),
        train_loss=0.5,
        seconds=1.0,
    )


def sent(made: People, attack: str, seed: int) -> dict[str, Update]:
    """What arrives from every client under an attack."""
    if attack == NO_ATTACK:
        return made.honest
    if attack == LABEL_FLIP:
        return {name: (made.flipped if name in BAD else made.honest)[name] for name in NAMES}
    honest = [made.honest[name] for name in NAMES if name not in BAD]
    own = [made.honest[name] for name in BAD]
    attackers = ATTACKS[attack].send(honest, own, made.origin, np.random.default_rng(seed))
    return made.honest | dict(zip(BAD, attackers, strict=True))


def round_of(aggregator: str, origin: Floats, updates: dict[str, Update]) -> Trained:
    """The server's half of a round, and where the aggregator needs sums also the gate at the clients."""
    federation = Federation(aggregator=aggregator, on_client_failure="resilient", **OPTIONS.get(aggregator, {}))
    jobs = tuple(Job(fold=0, client=name, row=0, series=(0,)) for name in updates)
    summed = aggregator if AGGREGATORS[aggregator].sums else None
    call = Call(
        kind="train",
        number=ROUND,
        jobs=jobs,
        deadline_seconds=60.0,
        weights=origin[None],
        integers=np.array([[2]]),
        summed=summed,
    )
    done: dict[str, Value | Failure] = dict(updates)
    total: PartialSum | None = None
    if summed is not None:
        site: Any = SimpleNamespace(network=lambda _: (None, LAYOUT))
        for job in jobs:
            done[job.client], total = settle(site, call, job, updates[job.client], total)
    answer = answer_of(0, done, [] if total is None else [total])
    state = ServerState(weights=origin, integers=np.array([2]))
    return fold_step(federation, state, answer, call, LAYOUT, (slice(0, SIZE),))


def moved(made: People, found: Floats) -> float:
    """Distance from the mean of the honest clients, in lengths of that mean's step."""
    honest = mean_of_honest(made)
    return float(np.linalg.norm(found - honest) / np.linalg.norm(honest - made.origin))


def mean_of_honest(made: People) -> np.ndarray:
    return np.asarray(np.mean([made.honest[name].weights for name in NAMES if name not in BAD], axis=0))
