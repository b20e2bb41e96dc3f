"""From the trials' results to the answer: ranking, the choice by each protocol, the selection-corrected score."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.ccc import Moments, ccc
from orchestrator.corpora.recording import DIMENSIONS
from orchestrator.protocols import Protocol
from orchestrator.scoring import bootstrap, over_folds
from tune_spaces.method import HParams

Result = Mapping[str, Any]

# What a fold's record says of its held-out people, beside who they are (scoring.fold_scores).
FOLD_SCORES = tuple(
    f"{measure}_{dimension}"
    for measure in ("ccc", "ccc_window", "ccc_participant", "pearson", "mse", "mae", "constant", "num_frames")
    for dimension in DIMENSIONS
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the trials of a run left: results, finished or stopped, and failures."""

    results: Sequence[Result]
    failures: Sequence[Mapping[str, Any]]


def ranking(results: Sequence[Result]) -> list[Result]:
    """Return the finished trials, least validation loss over the folds first (paper); ties by uid."""
    finished = [result for result in results if result["status"] == "finished"]
    return sorted(finished, key=lambda result: (result["selection_loss"], result["uid"]))


def nested(protocol: Protocol) -> bool:
    """Tell whether each fold chooses its own configuration by people it does not report."""
    return protocol.epoch_choice == "best-on-inner"


def chosen_by_fold(results: Sequence[Result], protocol: Protocol) -> list[Result]:
    """Return for each fold the configuration that was chosen without that fold's held-out people.

    With an inner split the fold's own inner loss decides; otherwise the mean validation loss of the other folds.
    """
    ranked = ranking(results)
    if not ranked:
        return []
    losses = np.array([[fold["selection_loss"] for fold in result["folds"]] for result in ranked])
    if not nested(protocol):
        num_folds = losses.shape[1]
        losses = (losses.sum(axis=1, keepdims=True) - losses) / (num_folds - 1)
    return [ranked[int(index)] for index in losses.argmin(axis=0)]


def corrected(results: Sequence[Result], protocol: Protocol) -> dict[str, float]:
    """Return the mean CCC over folds when each fold is scored by the configuration of `chosen_by_fold`."""
    means = over_folds([result["folds"][k] for k, result in enumerate(chosen_by_fold(results, protocol))])
    return {key: means[key] for key in ("ccc_valence", "ccc_arousal")}


def reported_by_fold(results: Sequence[Result], protocol: Protocol) -> list[Result]:
    """Return the configuration whose predictions each fold reports: the best one, or with nesting each fold's own."""
    ranked = ranking(results)
    if nested(protocol):
        return chosen_by_fold(results, protocol)
    return [ranked[0]] * len(ranked[0]["folds"]) if ranked else []


def worth_keeping(results: Sequence[Result], protocol: Protocol) -> set[str]:
    """Return the uids whose weights and predictions may still be needed; all others can be dropped."""
    ranked = ranking(results)
    return {str(result["uid"]) for result in [*ranked[:1], *reported_by_fold(results, protocol)]}


def reported_people(results: Sequence[Result], protocol: Protocol) -> list[dict[str, Any]]:
    """Return each participant's own CCC in what is reported, in the order of the folds; 0 for a constant trace."""
    people: list[dict[str, Any]] = []
    for k, result in enumerate(reported_by_fold(results, protocol)):
        for person, of_person in result["folds"][k]["moments"].items():
            moments = {dimension: Moments.from_list(of_person[dimension]) for dimension in DIMENSIONS}
            people.append(
                {
                    "participant": person,
                    "fold": k,
                    **{f"ccc_{dimension}": ccc(moments[dimension]) for dimension in DIMENSIONS},
                    **{f"num_frames_{dimension}": moments[dimension].n for dimension in DIMENSIONS},
                }
            )
    return people


def reported_scores(results: Sequence[Result], protocol: Protocol, *, seed: int) -> dict[str, float]:
    """Return the mean scores over the folds of what is reported, with the interval over participants."""
    reported = reported_by_fold(results, protocol)
    if not reported:
        return {}
    folds = [result["folds"][k] for k, result in enumerate(reported)]
    moments = [
        {
            person: {dimension: Moments.from_list(sums) for dimension, sums in of_person.items()}
            for person, of_person in fold["moments"].items()
        }
        for fold in folds
    ]
    return {**over_folds(folds), **bootstrap(moments, seed=seed)}


def hparams_of(record: Mapping[str, Any]) -> HParams:
    """Return the configuration of a result or failure record."""
    return HParams(**record["hparams"])
