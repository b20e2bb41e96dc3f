"""A round as pure functions: what goes out, what comes of a fold's answer, how people's scores are pooled.

Paper, section III.B. Shapes: R rows of a broadcast, N weights of a network, M integers.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from fed.aggregators import SUMMED, ServerState, aggregator_of, from_sums
from fed.client import ClientState
from fed.executor import REFUSED, Answer, Failure, Report
from fed.updates import Expected, Floats, Integers, Update, admit
from models.ccc import Moments
from models.epochs import Evaluation


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
        """Row that a client trains from: its own where it has one."""
        return self.personal.get((fold, client), fold)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trained:
    """One fold after training: its next state, the reports of those who are in it, and who is not."""

    state: ServerState
    reports: tuple[Report, ...]
    failures: tuple[Failure, ...]
    client_states: Mapping[str, ClientState]


def aggregated(state: ServerState, answer: Answer, gate: Mapping[str, Expected], aggregator: str) -> Trained:
    """Compute a fold's next state from its answer; the old state if nobody is left."""
    if aggregator in SUMMED:
        reports = [report for report in answer.values.values() if report.refused is None]
        refused = {r.client: r.refused for r in answer.values.values() if r.refused is not None}
        after = from_sums(state, answer.sums) if reports else state
    else:
        updates: list[Update] = []
        refused = {}
        for name, update in answer.values.items():
            reason = admit(update, gate[name])
            if reason is None:
                updates.append(update)
            else:
                refused[name] = reason
        reports = [Report.of(update) for update in updates]
        after = aggregator_of(aggregator)(state, updates) if updates else state
    turned_away = [
        Failure(fold=answer.fold, client=name, kind=REFUSED, reason=reason) for name, reason in sorted(refused.items())
    ]
    left = {report.client for report in reports}
    return Trained(
        state=after,
        reports=tuple(sorted(reports, key=lambda report: report.client)),
        failures=(*sorted(answer.failures, key=lambda one: one.client), *turned_away),
        client_states={name: state for name, state in answer.states.items() if name in left},
    )


def pooled(evaluations: Sequence[Evaluation]) -> Evaluation:
    """Pool people in the order given: moments add up, losses are weighted by what each compared.

    Of one person it is what that person's client found, to the last bit.
    """
    count = sum(one.count for one in evaluations)
    loss = weighted([(one.loss, one.count) for one in evaluations])
    valence, arousal = Moments.zero(), Moments.zero()
    for one in evaluations:
        valence, arousal = valence + one.valence, arousal + one.arousal
    return Evaluation(loss=loss, count=count, valence=valence, arousal=arousal)


def weighted(pairs: Sequence[tuple[float, int]]) -> float:
    """Mean of (value, weight), rounded once; NaN if a value is not finite, 0 without weight."""
    total = sum(weight for _, weight in pairs)
    if not all(math.isfinite(value) for value, _ in pairs):
        return math.nan
    return float(sum(Fraction(value) * weight for value, weight in pairs) / total) if total else 0.0
