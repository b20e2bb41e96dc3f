"""From the trials' results to the answer: ranking, the choice by each protocol, the selection-corrected score."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from orchestrator import measures
from orchestrator.estimators.intervals import Interval
from orchestrator.estimators.selection_correction import CHOICES, bbc_cv
from orchestrator.evaluation.fold_scores import over_folds
from orchestrator.measures import Value
from orchestrator.protocols import DIMENSIONS, Protocol
from orchestrator.run_records import FINISHED, Failure, PersonScore, TrialResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the trials of a run left: results, finished or stopped, and failures; the same of repeats, apart."""

    results: Sequence[TrialResult]
    failures: Sequence[Failure]
    repeats: Sequence[TrialResult] = ()
    failed_repeats: Sequence[Failure] = ()


def ranking(results: Sequence[TrialResult]) -> list[TrialResult]:
    """Return the finished trials, least validation loss over the folds first (paper); ties by uid."""
    finished = [result for result in results if result.status == FINISHED]
    return sorted(finished, key=lambda result: (result.selection_loss, result.uid))


def stopped_ranking(results: Sequence[TrialResult]) -> list[TrialResult]:
    """Return the trials that the scheduler stopped, the latest stopped first; of one epoch by loss, ties by uid.

    A loss after ten epochs says nothing beside one after thirty, and who came further was better at each rung before.
    """
    stopped = [result for result in results if result.status != FINISHED]
    return sorted(stopped, key=lambda result: (-(result.epochs or 0), result.selection_loss, result.uid))


def best_of_networks(results: Sequence[TrialResult]) -> dict[str, TrialResult]:
    """Return the best finished configuration of each network, the networks in alphabetical order."""
    best: dict[str, TrialResult] = {}
    for result in ranking(results):
        best.setdefault(result.network, result)
    return {network: best[network] for network in sorted(best)}


def nested(protocol: Protocol) -> bool:
    """Return whether each fold chooses its own configuration by people it does not report."""
    return protocol.epoch_choice == "best-on-inner"


def selected_on_reported(num_compared: int, epoch_choice: object) -> bool:
    """Return whether the reported people chose something: one of several configurations, or the epoch.

    `num_compared` counts the finished and the stopped ones: a scheduler stops by the loss on the folds' people. Where
    inner people choose (`strict`) no scheduler may stop anything (planning/request.py).
    """
    return epoch_choice != "best-on-inner" and (num_compared > 1 or epoch_choice == "best-on-held-out")


def chosen_by_fold(results: Sequence[TrialResult], protocol: Protocol) -> list[TrialResult]:
    """Return for each fold of a nested protocol the configuration of the least inner loss, which never saw the fold."""
    assert nested(protocol), protocol.name
    ranked = ranking(results)
    if not ranked:
        return []
    losses = np.array([[fold.selection_loss for fold in result.folds] for result in ranked])
    return [ranked[int(index)] for index in losses.argmin(axis=0)]


def corrected(results: Sequence[TrialResult], protocol: Protocol, *, seed: int) -> dict[str, Interval]:
    """Return the CCC of the best configuration corrected for its choice, by `ccc_corrected_<dimension>` (BBC-CV).

    Empty if nothing was selected, or if the reported folds chose something else too: in `published` the epoch, in
    `strict` each fold's own configuration by other people, so that nothing is left to correct. So is it where the
    choice cannot be repeated from what is stored: by the loss `ccc-window`, of frames window by window.

    The choice is repeated among the finished ones: what the stopped ones would have reached is not known, so that it is
    corrected too little if there are any, and not at all if one alone finished. Whoever shows it says so.
    """
    finished = [[fold.people().frames for fold in result.folds] for result in ranking(results)]
    if nested(protocol) or not finished or protocol.loss not in CHOICES:
        return {}
    chosen_too = protocol.epoch_choice == "best-on-held-out"
    found = bbc_cv(finished, loss=protocol.loss, dimensions=DIMENSIONS, seed=seed, epoch_chosen_on_reported=chosen_too)
    return {f"ccc_corrected_{dimension}": one.interval for dimension, one in (found or {}).items()}


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
        for person, moments in result.folds[k].people().frames.items()
    )


def reported_scores(
    results: Sequence[TrialResult], protocol: Protocol, *, seed: int
) -> tuple[dict[str, Value], dict[str, Interval]]:
    """Return what is reported: means over the folds with the ends of their intervals, and the intervals themselves."""
    folds = [result.folds[k] for k, result in enumerate(reported_by_fold(results, protocol))]
    if not folds:
        return {}, {}
    intervals = measures.intervals([fold.people() for fold in folds])
    after = corrected(results, protocol, seed=seed)
    scores = {**over_folds(folds), **{key: one.estimate for key, one in after.items()}}
    return {**scores, **measures.ends({**intervals, **after})}, {**intervals, **after}
