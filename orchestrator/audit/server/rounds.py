# ruff: noqa: N803 - shape suffixes, by the legend below
"""A federation of the audited people in this process, and what its server has after each round.

It is the federation's own code, looked at from outside: `watched` shows each update on its way to the sum. Shapes: N
weights of a network, M integers.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from fed.aggregators import added
from fed.choices import AGGREGATORS
from fed.client import Client
from fed.executor import Executor, Start
from fed.executors.in_process import in_process
from fed.local_plan import LocalPlan
from fed.messages import Answer, Call, Floats, Integers, Job, PartialSum, Report, Update
from fed.options import Federation
from fed.rounds import FederatedFolds
from fed.secure_sums.graph import least_survivors
from fed.secure_sums.ring import OutOfBound
from fed.secure_vector import Form, Places, decoded, encoded
from fed.updates import Layout, trained_places
from models.networks import AffectNetwork, build_for
from models.sizes import BACKBONE_FEATURES
from models.splits import FoldSplit
from models.windows import Series
from orchestrator.audit.material import Material
from orchestrator.audit.membership.models import backend_of_clients, in_the_clear, local_clients
from orchestrator.data.series import AnySeries

Array = NDArray[np.float64]
DEADLINE_SECONDS = 1e9  # nothing here is waited for


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Seen:
    """A round: the weights (N,) and integers (M,) that were sent, and the updates, in the order of the clients.

    `own` are the weights of clients that were sent a network of their own, by name.
    """

    number: int
    weights: Floats
    integers: Integers
    updates: tuple[Update, ...]
    own: Mapping[str, Floats]

    @property
    def names(self) -> tuple[str, ...]:
        """The clients."""
        return tuple(update.client for update in self.updates)

    def steps(self) -> dict[str, Array]:
        """Return each client's step (N,): update minus what it was sent."""
        return {
            one.client: one.weights.astype(np.float64) - self.own.get(one.client, self.weights) for one in self.updates
        }


def watched(start: Start, see: Callable[[Call, Answer], object]) -> Start:
    """Return a start of the same executor that shows all updates of a round to `see`, and changes no bit of it.

    If the federation asks for sums, they are formed here, exactly as the executor does.
    """

    def begin(clients: Sequence[Client], plan: LocalPlan) -> Executor:
        executor = start(clients, plan)
        return dataclasses.replace(executor, run=partial(_run, executor, see))

    return begin


def _run(executor: Executor, see: Callable[[Call, Answer], object], call: Call) -> Iterator[Answer]:
    if call.kind != "train":
        yield from executor.run(call)
        return
    for answer in executor.run(dataclasses.replace(call, summed=None)):
        see(call, answer)
        yield answer if call.summed is None else _summed(answer, call.summed)


def _summed(answer: Answer, aggregator: str) -> Answer:
    total: PartialSum | None = None
    for update in answer.values.values():
        total = added(total, update, aggregator)
    reports = {name: Report.of(update) for name, update in answer.values.items()}
    return dataclasses.replace(answer, values=reports, sums=() if total is None else (total,))


def rounds(material: Material, split: FoldSplit, num_rounds: int) -> Iterator[Seen]:
    """Train a federation on a split's people and yield what was seen, round by round."""
    seen: list[Seen] = []

    def see(call: Call, answer: Answer) -> None:
        assert call.weights is not None, "clients train from weights they were sent"
        assert call.integers is not None, "and from counters"
        seen.append(
            Seen(
                number=call.number,
                weights=call.weights[0],
                integers=call.integers[0],
                updates=tuple(answer.values[job.client] for job in call.jobs if job.client in answer.values),
                own={job.client: call.weights[job.row] for job in call.jobs if job.row},
            )
        )

    federation = material.federation or Federation()
    training = FederatedFolds(
        local_clients(material.series),
        [one.participant for one in material.series],
        [split],
        dataclasses.replace(material.recipe, keep="last"),
        in_the_clear(federation),
        seed=material.seed,
        start=watched(partial(in_process, device=material.device), see),
        backbone_weights=material.backbone_weights,
        backend=backend_of_clients(material),
    )
    try:
        for epoch in training.epochs():
            yield seen.pop()
            if epoch.number == num_rounds:
                break
    finally:
        training.close()


class LocalTraining:
    """The clients' own code on recordings that an attacker has: what somebody's update would be."""

    def __init__(self, series: Sequence[AnySeries], material: Material, split: FoldSplit, *, seed: int) -> None:
        """Take people's series; `seed` is the attacker's: the order of the windows is not the client's."""
        plan = LocalPlan(
            recipe=material.recipe,
            federation=in_the_clear(material.federation or Federation()),
            splits=(split,),
            seed=seed,
            backbone_weights=material.backbone_weights,
            backend=backend_of_clients(material),
        )
        names = [one.participant for one in series]
        self._jobs = tuple(
            Job(fold=0, client=name, row=0, series=tuple(range(names.count(name)))) for name in dict.fromkeys(names)
        )
        self._executor = in_process(local_clients(series), plan, device=material.device)

    def steps(self, seen: Seen) -> Mapping[str, Array]:
        """Return each person's step (N,) from the weights of a round; RuntimeError if somebody's training fails."""
        call = Call(
            kind="train",
            number=seen.number,
            jobs=self._jobs,
            deadline_seconds=DEADLINE_SECONDS,
            weights=seen.weights[None],
            integers=seen.integers[None],
        )
        (answer,) = self._executor.run(call)
        for failure in answer.failures:
            raise RuntimeError(f"{failure.client}: {failure.reason}")
        return {job.client: answer.values[job.client].weights.astype(np.float64) - seen.weights for job in self._jobs}


def network_of(material: Material) -> AffectNetwork:
    """Return a network of the federation's shape; its weights mean nothing."""
    first = material.series[0]
    num_features = first.features_TF.shape[1] if isinstance(first, Series) else BACKBONE_FEATURES
    return build_for(material.recipe, num_features=num_features, seed=0)


def mean_step(seen: Seen, federation: Federation, network: AffectNetwork) -> Array:
    """Return the mean step (N,) that a server computes of a round; `network` is one of its shape.

    Of secure sums it is read from the sum in the ring, which is what is left once the masks have cancelled: fixed-point
    numbers of as many bits as a round's, without the clients whose update does not fit the bound. If too few are left
    there is no sum, and nobody moves.
    """
    if not federation.secure_sum:
        by_windows = AGGREGATORS[federation.aggregator].sums == "samples"
        weights = [one.num_samples if by_windows else 1 for one in seen.updates]
        return np.average(list(seen.steps().values()), axis=0, weights=weights)
    layout = Layout.of(network.state_dict())
    largest = max(one.num_samples for one in seen.updates)
    places = Places.of(trained_places(network, layout), layout.num_floats)
    form = Form.of(places, federation, len(seen.updates), 1 << max(largest - 1, 1).bit_length())
    vectors = []
    for one in seen.updates:
        try:
            vectors.append(encoded(one, seen.weights, form))
        except OutOfBound:
            continue
    if len(vectors) < least_survivors(len(seen.updates)):
        return np.zeros(layout.num_floats)
    total = [np.sum(np.stack(parts), axis=0, dtype=parts[0].dtype) for parts in zip(*vectors, strict=True)]
    return np.asarray(decoded(total, seen.weights, form, len(vectors)).weights.astype(np.float64) - seen.weights)


def first_layer(step_N: Array, layout: Layout) -> Array:
    """Return the step of the first recurrent layer's input weights, both directions, (G, F)."""
    found, at = [], 0
    for name, shape, dtype in zip(layout.names, layout.shapes, layout.dtypes, strict=True):
        if dtype != "float32":
            continue
        size = int(np.prod(shape))
        if name.startswith("recurrence.weight_ih_l0"):
            found.append(step_N[at : at + size].reshape(shape))
        at += size
    return np.concatenate(found)
