# ruff: noqa: N806 - shape suffixes, by the legend below
"""A federated round on one page: clients train, the gate, the average, the server's step (paper, section III.B).

Where the clients run is the executor's matter, what follows from failures that of `rounds`.
Shapes: R rows of a broadcast, N weights of a network, M integers, P trained parameters.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from fed.aggregators import ServerState, aggregate, needs_sums
from fed.choices import AGGREGATORS, SERVER_OPTIMISERS
from fed.cohort import Cohort, Descriptions
from fed.executor import Executor
from fed.fewest import are_enough
from fed.messages import REFUSED, Answer, Call, ClientState, Failure, Floats, Integers, Job, Report, Update
from fed.options import Federation
from fed.round_records import SecureFold
from fed.scores import weighted
from fed.secure_vector import Summed
from fed.server_optimisers import Optimise
from fed.updates import Layout, admit, gathered
from models.epochs import Evaluation
from models.references import resolve

ClientStates = Mapping[tuple[int, str], ClientState]  # by fold and client


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Setting:
    """What all rounds of a federation share; `trained` are the places of the trained parameters in (N,)."""

    executor: Executor
    cohort: Cohort
    federation: Federation
    layout: Layout
    trained: tuple[slice, ...]
    # Of secure sums: sizes of the clients' data, a text of the run for its keys, and whether clients sign who is in.
    descriptions: Descriptions = field(default_factory=dict)
    run: bytes = b""
    receipts: bool = False

    @property
    def folds(self) -> range:
        """The numbers of the folds."""
        return range(len(self.cohort.splits))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Broadcast:
    """One buffer for everybody: row k is fold k's global network; personal ones, by (fold, client), follow."""

    weights: Floats  # (R, N)
    integers: Integers  # (R, M)
    personal: Mapping[tuple[int, str], int]

    @classmethod
    def of(cls, states: Sequence[ServerState]) -> "Broadcast":
        """Line up the folds' networks; a single one is not copied."""
        own = [(k, name) for k, state in enumerate(states) for name in state.personal]
        weights = [state.weights for state in states] + [states[k].personal[name] for k, name in own]
        integers = [state.integers for state in states] + [states[k].integers for k, _ in own]
        return cls(
            weights=weights[0][None] if len(weights) == 1 else np.stack(weights),
            integers=np.stack(integers),
            personal={place: len(states) + i for i, place in enumerate(own)},
        )

    def row(self, fold: int, client: str) -> int:
        """Row that a client trains from: its own if it has one."""
        return self.personal.get((fold, client), fold)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trained:
    """One fold after training: its next state, the reports of those who are in it, and who is not.

    Of secure sums there is no report, but who is in it (`survivors`), the sums, and the ledger.
    """

    fold: int
    state: ServerState
    reports: tuple[Report, ...]
    failures: tuple[Failure, ...]
    survivors: tuple[str, ...] = ()
    summed: Summed | None = None
    secure: SecureFold | None = None

    @property
    def clients(self) -> tuple[str, ...]:
        """Those who are in it."""
        return self.survivors or tuple(report.client for report in self.reports)

    @property
    def seconds(self) -> float:
        """Seconds that they trained, summed."""
        return sum(report.seconds for report in self.reports) if self.summed is None else self.summed.seconds

    @property
    def train_loss(self) -> float:
        """Mean of their losses, weighted by windows."""
        if self.summed is not None:
            return self.summed.train_loss
        return weighted([(report.train_loss, report.num_samples) for report in self.reports])

    @property
    def num_vectors(self) -> int:
        """Networks that were sent up in the clear, also by those who were refused; 0 of secure sums."""
        if self.secure is not None:
            return 0
        return len(self.reports) + sum(failure.kind == REFUSED for failure in self.failures)


def train(
    setting: Setting, number: int, states: Sequence[ServerState], sent: Broadcast, kept: ClientStates
) -> Iterator[Trained]:
    """Train every fold's clients from what was sent, and yield each fold's next state as its last client is done.

    `states` are the folds' states before round `number`, `kept` what clients keep between rounds.
    """
    chosen = AGGREGATORS[setting.federation.aggregator]
    jobs = tuple(
        replace(job, row=sent.row(k, job.client), part="first" if chosen.personal else "all")
        for k in setting.folds
        for job in setting.cohort.training(k)
    )
    call = Call(
        kind="train",
        number=number,
        jobs=jobs,
        deadline_seconds=setting.federation.round_deadline_seconds,
        weights=sent.weights,
        integers=sent.integers,
        states=kept,
        summed=setting.federation.aggregator if chosen.sums else None,
    )
    for answer in setting.executor.run(call):
        yield fold_step(setting.federation, states[answer.fold], answer, call, setting.layout, setting.trained)


def fold_step(  # noqa: PLR0913, PLR0917 - everything a fold's next state depends on
    federation: Federation,
    state: ServerState,
    answer: Answer,
    call: Call,
    layout: Layout,
    trained: tuple[slice, ...],
) -> Trained:
    """Compute a fold's next state from its clients' answer; the old state if too few are left for an average."""
    refused: list[Failure] = []
    if needs_sums(federation.aggregator):  # every update passed the gate where its sum was formed
        reports: list[Report] = list(answer.values.values())
        average = aggregate(state, answer.sums, federation) if reports else None
    else:
        updates, refused = gate(answer, call, layout)
        reports = [Report.of(update) for update in updates]
        average = aggregate(state, updates, federation) if are_enough(federation, len(updates)) else None
    if average is not None:
        state = server_step(state, average, federation, trained)
    failures = sorted([*answer.failures, *refused], key=lambda one: (one.kind == REFUSED, one.client))
    return Trained(
        fold=answer.fold,
        state=state,
        reports=tuple(sorted(reports, key=lambda report: report.client)),
        failures=tuple(failures),
    )


def gate(answer: Answer, call: Call, layout: Layout) -> tuple[list[Update], list[Failure]]:
    """Divide a fold's updates into those that may be aggregated, and the refusals of the others."""
    assert call.weights is not None, "clients train from weights they were sent"
    admitted, refused = [], []
    for job in call.jobs:
        if job.fold == answer.fold and job.client in answer.values:
            update = answer.values[job.client]
            reason = admit(update, job, call.number, layout, call.weights[job.row])
            if reason is None:
                admitted.append(update)
            else:
                refused.append(Failure.of(job, REFUSED, reason))
    return admitted, refused


def server_step(
    state: ServerState, average: ServerState, federation: Federation, trained: tuple[slice, ...]
) -> ServerState:
    """Make the next global weights of the average: the trained parameters by the server's optimiser.

    Counters and statistics of batch normalisation are the average's.
    """
    optimise: Optimise = resolve(SERVER_OPTIMISERS[federation.server_optimiser].function)
    before_P, average_P = gathered(state.weights, trained), gathered(average.weights, trained)
    after_P, slots = optimise(before_P, average_P, state.slots, federation)
    if after_P is average_P:
        return replace(average, slots=slots)
    weights, at = average.weights.copy(), 0
    for place in trained:
        weights[place] = after_P[at : at + place.stop - place.start]
        at += place.stop - place.start
    return replace(average, weights=weights, slots=slots)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evaluated:
    """One fold's global network on its validation people, and clients' own networks on themselves, in their order."""

    validation: list[Evaluation]
    own: list[Evaluation]
    failures: tuple[Failure, ...]


def evaluate(setting: Setting, number: int, sent: Broadcast, kept: ClientStates) -> dict[int, Evaluated]:
    """Evaluate every fold's global network on its validation people, and personal ones on their clients."""
    jobs = [replace(job, row=k) for k in setting.folds for job in setting.cohort.validation(k)]
    own = [
        replace(job, row=sent.row(k, job.client), part="last")
        for k in setting.folds
        for job in setting.cohort.training(k)
        if (k, job.client) in sent.personal
    ]
    call = Call(
        kind="evaluate",
        number=number,
        jobs=(*jobs, *own),
        deadline_seconds=setting.federation.round_deadline_seconds,
        weights=sent.weights,
        integers=sent.integers,
        states=kept if sent.personal else {},
    )

    def of(answer: Answer, asked: Sequence[Job]) -> list[Evaluation]:
        mine = [job.client for job in asked if job.fold == answer.fold]
        return [answer.values[client] for client in mine if client in answer.values]

    return {
        answer.fold: Evaluated(validation=of(answer, jobs), own=of(answer, own), failures=answer.failures)
        for answer in setting.executor.run(call)
    }
