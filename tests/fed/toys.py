"""Clients for tests: people of unequal length, read from files, who can be made to fail, sleep or die."""

import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fed.client import Client, learn
from fed.executor import Executor, Start
from fed.executors.in_process import in_process
from fed.local_plan import LocalPlan
from fed.messages import Update
from fed.options import Federation
from fed.rounds import FederatedFolds
from fed.updates import Layout
from models.backends import REFERENCE
from models.frames import FrameSeries
from models.recipe import Recipe
from models.splits import FoldSplit
from models.training import Epoch
from models.windows import Series
from tests.models.toys import recipe, toy_series, toy_splits

SERIES = toy_series()
SPLITS = toy_splits(2)
RECIPE = recipe(epochs=2)
PEOPLE = tuple(one.participant for one in SERIES)

LAYOUT = Layout(names=("w", "n"), shapes=((4,), ()), dtypes=("float32", "int64"))


def write(series: Sequence[Series], folder: Path) -> list[Client]:
    """Put every participant's series into files and give the clients that read them."""
    folder.mkdir(parents=True, exist_ok=True)
    owners = dict.fromkeys(one.participant for one in series)
    clients = []
    for name in owners:
        paths = []
        for number, one in enumerate(s for s in series if s.participant == name):
            paths.append(str(folder / f"{name}-{number}.npz"))
            np.savez(paths[-1], features=one.features_TF, valid=one.valid_T, gold=one.gold_T2)
        clients.append(Client(name=name, load=partial(read, name, tuple(paths))))
    return clients


def read(name: str, paths: Sequence[str]) -> list[Series]:
    found = []
    for path in paths:
        with np.load(path) as arrays:
            found.append(
                Series(
                    participant=name,
                    session="",
                    features_TF=arrays["features"],
                    valid_T=arrays["valid"],
                    gold_T2=arrays["gold"],
                )
            )
    return found


def in_memory(series: Sequence[Series | FrameSeries]) -> list[Client]:
    owners = dict.fromkeys(one.participant for one in series)
    return [Client(name=name, load=partial(list, [s for s in series if s.participant == name])) for name in owners]


def federation(
    *,
    series: Sequence[Series | FrameSeries] = SERIES,
    splits: Sequence[FoldSplit] = SPLITS,
    chosen: Recipe = RECIPE,
    seed: int = 0,
    start: Start = in_process,
    clients: Sequence[Client] | None = None,
    checkpoint: Path | None = None,
    backend: str = REFERENCE,
    identities: Path | None = None,
    **options: Any,
) -> FederatedFolds:
    return FederatedFolds(
        clients or in_memory(series),
        [one.participant for one in series],
        splits,
        chosen,
        Federation(**options),
        seed=seed,
        start=start,
        checkpoint=checkpoint,
        backend=backend,
        identities=identities,
    )


def trained(**settings: Any) -> FederatedFolds:
    folds = federation(**settings)
    assert len(list(folds.epochs())) == folds.recipe.epochs
    folds.close()
    return folds


def flat(folds: Any, fold: int) -> torch.Tensor:
    return torch.cat([tensor.flatten().double() for tensor in folds.fold_state(fold).values()])


def without_seconds(epochs: Sequence[Epoch]) -> list[Epoch]:
    assert epochs
    return [replace(epoch, seconds=0.0) for epoch in epochs]


def assert_same(one: FederatedFolds, other: FederatedFolds) -> None:
    """Equal weights and curves, to the last bit."""
    assert one.num_folds == other.num_folds > 0
    for k in range(one.num_folds):
        assert torch.equal(flat(one, k), flat(other, k))
    assert without_seconds(one.history) == without_seconds(other.history)


def update(client: str = "P0", **changes: Any) -> Update:
    """An update of LAYOUT; every client's differs in weights, samples and counter."""
    number = int(client[1:])
    made = Update(
        client=client,
        round=3,
        fold=1,
        layout=LAYOUT.digest,
        num_samples=2 + 3 * number,
        weights=np.array([0.1 * number, -1.5 * number, 3.0, 0.7 * number * number], dtype=np.float32),
        integers=np.array([5 + number], dtype=np.int64),
        train_loss=0.5,
        seconds=1.0,
    )
    return replace(made, **changes)


def learning(behave: Callable[..., tuple[float, int]], start: Start) -> Start:
    """Let all clients of an executor learn by another function."""

    def started(clients: Sequence[Client], plan: LocalPlan) -> Executor:
        return start(clients, replace(plan, learn=behave))

    return started


def of(generator: torch.Generator, plan: LocalPlan, client: str, number: int) -> bool:
    """Tell by its generator whose training this is (any fold)."""
    from models.seeds import seed_for

    return generator.initial_seed() in {
        seed_for(plan.seed, "fold", k, "client", client, "round", number) for k in range(len(plan.splits))
    }


def misbehaving(how: str, who: str, number: int, marker: str, *arguments: Any) -> tuple[float, int]:
    """Train as always, but `who` in round `number`: "die" once for every line missing in `marker`, "raise", ..."""
    model, _, _, plan, generator, _ = arguments
    if not of(generator, plan, who, number):
        return learn(*arguments)
    path = Path(marker)
    if how in {"die", "sleep"}:
        times = int(path.read_text()) if path.exists() else 0
        if times == 0:
            return learn(*arguments)
        path.write_text(str(times - 1))
    if how == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "sleep":
        time.sleep(6.0)
    if how == "raise":
        raise ValueError("the camera fell off the table")
    found = learn(*arguments)
    if how == "nan":
        with torch.no_grad():
            next(model.parameters())[0] = float("nan")
    return found
