"""From the trials' results to the answer: ranking, the choice by each protocol, the selection-corrected score."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from orchestrator import measures
from orchestrator.corpora.recording import DIMENSIONS
from orchestrator.measures import Value
from orchestrator.protocols import Protocol
from orchestrator.run_records import FINISHED, Failure, PersonScore, TrialResult
from orchestrator.scoring import bootstrap, over_folds


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the trials of a run left: results, finished or stopped, and failures."""

    results: Sequence[TrialResult]
    failures: Sequence[Failure]


def ranking(results: Sequence[TrialResult]) -> list[TrialResult]:
    """Return the finished trials, least validation loss over the folds first (paper); ties by uid."""
    finished = [result for result in results if result.status == FINISHED]
    return sorted(finished, key=lambda result: (result.selection_loss, result.uid))


def best_of_networks(results: Sequence[TrialResult]) -> dict[str, TrialResult]:
    """Return the best finished configuration of each network, the networks in alphabetical order."""
    best: dict[str, TrialResult] = {}
    for result in ranking(results):
        best.setdefault(result.network, result)
    return {network: best[network] for network in sorted(best)}


def nested(protocol: Protocol) -> bool:
    """Tell whether each fold chooses its own configuration by people it does not report."""
    return protocol.epoch_choice == "best-on-inner"


def chosen_by_fold(results: Sequence[TrialResult], protocol: Protocol) -> list[TrialResult]:
    """Return for each fold the configuration that was chosen without that fold's held-out people.

    With an inner split the fold's own inner loss decides; otherwise the mean validation loss of the other folds.
    """
    ranked = ranking(results)
    if not ranked:
        return []
    losses = np.array([[fold.selection_loss for fold in result.folds] for result in ranked])
    if not nested(protocol):
        num_folds = losses.shape[1]
        losses = (losses.sum(axis=1, keepdims=True) - losses) / (num_folds - 1)
    return [ranked[int(index)] for index in losses.argmin(axis=0)]


def corrected(results: Sequence[TrialResult], protocol: Protocol) -> dict[str, float]:
    """Return the mean CCC over folds when each fold is scored by the configuration of `chosen_by_fold`."""
    means = over_folds([result.folds[k] for k, result in enumerate(chosen_by_fold(results, protocol))])
    return {f"ccc_corrected_{dimension}": means[f"ccc_{dimension}"] for dimension in DIMENSIONS}


def reported_by_fold(results: Sequence[TrialResult], protocol: Protocol) -> list[TrialResult]:
    """Return the configuration whose predictions each fold reports: the best one, or with nesting each fold's own."""
    ranked = ranking(results)
    if nested(protocol):
        return chosen_by_fold(results, protocol)
    return [ranked[0]] * len(ranked[0].folds) if ranked else []


def worth_keeping(results: Sequence[TrialResult], protocol: Protocol) -> set[str]:
    """Return the uids whose weights and predictions may still be needed; all others can be dropped."""
    ranked = ranking(results)
    return {result.uid for result in [*ranked[:1], *reported_by_fold(results, protocol)]}


def reported_people(results: Sequence[TrialResult], protocol: Protocol) -> tuple[PersonScore, ...]:
    """Return each participant's own scores in what is reported, in the order of the folds."""
    return tuple(
        PersonScore(participant=person, fold=k, scores=measures.of_person(moments))
        for k, result in enumerate(reported_by_fold(results, protocol))
        for person, moments in result.folds[k].people().items()
    )


def reported_scores(results: Sequence[TrialResult], protocol: Protocol, *, seed: int) -> dict[str, Value]:
    """Return the mean scores over the folds of what is reported, with the interval over participants."""
    folds = [result.folds[k] for k, result in enumerate(reported_by_fold(results, protocol))]
    return {**over_folds(folds), **bootstrap([fold.people() for fold in folds], seed=seed)} if folds else {}
