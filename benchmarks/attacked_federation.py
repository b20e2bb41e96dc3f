"""A whole federation of which some clients attack: an executor around another one changes what they send.

The embedded corpus of 23 people: 20 train, 16 of them honestly in every fold; attackers are in no validation and are
not scored.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks.attackers import ATTACKS, LABEL_FLIP, NO_ATTACK
from fed.client import Client
from fed.executor import Executor, Start
from fed.executors.in_process import in_process
from fed.executors.jobs import answer_of, settle
from fed.local_plan import LocalPlan
from fed.messages import Answer, Call, Failure, Floats, PartialSum, Update, Value
from fed.options import Federation
from fed.rounds import FederatedFolds
from fed.updates import Layout
from models.ccc import Moments, ccc
from models.recipe import Recipe
from models.seeds import seed_for
from models.splits import FoldSplit
from models.windows import Series
from orchestrator.data.dataset import make_dataset
from orchestrator.planning.launch import load_corpus
from orchestrator.planning.request import DataOptions
from orchestrator.protocols import DESCRIBED

NUM_ATTACKERS = 4
NUM_HELD_OUT = 3  # of 23 people in each fold


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scene:
    """People, who of them attacks, and the folds that train on the attackers and never score them."""

    series: tuple[Series, ...]
    bad: tuple[str, ...]
    splits: tuple[FoldSplit, ...]


def scene(num_folds: int, seed: int) -> Scene:
    """Read the embedded corpus and draw the attackers and the folds; features are scaled by person."""
    corpus, _ = load_corpus(DataOptions(path=None, corpus=None))
    protocol = dataclasses.replace(DESCRIBED, scaling="participant")
    series = tuple(make_dataset(corpus, protocol, seed=seed).local_series())
    assert all(isinstance(one, Series) for one in series)
    names = [one.participant for one in series]
    order = np.random.default_rng(seed).permutation(len(names)).tolist()
    bad, honest = order[:NUM_ATTACKERS], order[NUM_ATTACKERS:]
    assert num_folds * NUM_HELD_OUT <= len(honest), "people who are held out once"
    splits = []
    for fold in range(num_folds):
        held_out = tuple(honest[fold * NUM_HELD_OUT : (fold + 1) * NUM_HELD_OUT])
        train = tuple(index for index in range(len(names)) if index not in held_out)
        splits.append(FoldSplit(train=train, validation=held_out, held_out=held_out))
    return Scene(series=series, bad=tuple(names[index] for index in bad), splits=tuple(splits))  # type: ignore[arg-type]


def score(made: Scene, recipe: Recipe, federation: Federation, attack: str, *, seed: int) -> tuple[float, float, int]:
    """Train under an attack: CCC of valence and arousal over all held-out people, and how many updates were refused.

    TrainingDiverged if the networks that come out cannot be validated.
    """
    flips = attack == LABEL_FLIP
    clients = [
        Client(
            name=one.participant, load=partial(list, [_flipped(one) if flips and one.participant in made.bad else one])
        )
        for one in made.series
    ]
    start = in_process if flips or attack == NO_ATTACK else attacked(in_process, attack, made.bad, seed)
    folds = FederatedFolds(
        clients,
        [one.participant for one in made.series],
        made.splits,
        recipe,
        federation,
        seed=seed,
        start=start,
    )
    for _ in folds.epochs():
        pass
    pooled = [Moments.zero(), Moments.zero()]
    for fold, split in enumerate(made.splits):
        for one in folds.score(fold, split.held_out):
            pooled = [before + mine for before, mine in zip(pooled, one.frames, strict=True)]
    folds.close()
    valence, arousal = (ccc(one) for one in pooled)
    return valence, arousal, sum(len(one.refused) for one in folds.rounds)


def _flipped(series: Series) -> Series:
    return replace(series, gold_T2=-series.gold_T2)


def attacked(start: Start, attack: str, bad: Sequence[str], seed: int) -> Start:
    """Return an executor's start with which the clients `bad` send what an attack makes of their updates."""

    def started(clients: Sequence[Client], plan: LocalPlan) -> Executor:
        inner = start(clients, plan)
        num_features: list[int] = []

        def run(call: Call) -> Iterator[Answer]:
            if call.kind != "train":
                for answer in inner.run(call):
                    if call.kind == "describe":
                        num_features.extend(one.num_features for one in answer.values.values())
                    yield answer
                return
            layout = Layout.of(plan.new_model(num_features[0], 0).state_dict())
            for answer in inner.run(replace(call, summed=None)):
                yield _changed(answer, call, layout, attack, bad, seed)

        return Executor(run=run, take=inner.take, close=inner.close)

    return started


def _changed(answer: Answer, call: Call, layout: Layout, attack: str, bad: Sequence[str], seed: int) -> Answer:  # noqa: PLR0913, PLR0917
    """Let the attackers of a fold see the others' updates and send theirs; sums are formed behind the gate as ever."""
    jobs = [job for job in call.jobs if job.fold == answer.fold]
    assert call.weights is not None
    origin: Floats = call.weights[jobs[0].row]
    honest: list[Update] = [answer.values[job.client] for job in jobs if job.client not in bad]
    own: list[Update] = [answer.values[job.client] for job in jobs if job.client in bad]
    chance = np.random.default_rng(seed_for(seed, "attack", "fold", answer.fold, "round", call.number))
    sent = ATTACKS[attack].send(honest, own, origin, chance)
    done: dict[str, Value | Failure] = {one.client: one for one in honest}
    done |= {one.client: new for one, new in zip(own, sent, strict=True)}
    if call.summed is None:
        return answer_of(answer.fold, done, [])
    total: PartialSum | None = None
    site: Any = SimpleNamespace(network=lambda _: (None, layout))
    for job in jobs:
        done[job.client], total = settle(site, call, job, done[job.client], total)
    return answer_of(answer.fold, done, [] if total is None else [total])
