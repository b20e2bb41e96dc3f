"""What repeats of a reported configuration say together: means, the corrected resampled t, and the person jackknife."""

from collections.abc import Sequence

import numpy as np

from orchestrator import measures
from orchestrator.estimators.facts import RepeatedEstimate
from orchestrator.estimators.repeats import corrected_resampled_t, person_interval
from orchestrator.estimators.sums import Fold
from orchestrator.evaluation.fold_scores import scored_values
from orchestrator.evaluation.results import Outcome, best_of_networks
from orchestrator.planning.plan import Plan
from orchestrator.planning.repeats import RepeatedPlan, plan_of_repeat, repeated_plan
from orchestrator.protocols import DIMENSIONS
from orchestrator.run_records import FINISHED, RepeatedScore, TrialResult

REPEATED = ("ccc", "ccc_window")  # keys of the measures that are repeated


def plan_of_repeats(plan: Plan, found: Sequence[TrialResult]) -> RepeatedPlan | None:
    """Return the repeats of the best configuration of each network; None where none is asked for or none finished."""
    return repeated_plan(plan, [(one.network, one.hparams) for one in best_of_networks(found).values()])


def repeated_scores(plan: Plan, outcome: Outcome) -> tuple[RepeatedScore, ...] | None:
    """Return what the finished repeats say of the best configuration of each network; None if none was asked for."""
    if plan.search.repeats < 2:
        return None
    return tuple(_score(plan, best, outcome) for best in best_of_networks(outcome.results).values())


def _score(plan: Plan, best: TrialResult, outcome: Outcome) -> RepeatedScore:
    def is_own(one_of: object) -> bool:
        return (getattr(one_of, "network", None), getattr(one_of, "hparams", None)) == (best.network, best.hparams)

    people = {person for fold in best.folds for person in fold.participants}
    others = [one for one in outcome.repeats if is_own(one) and one.status == FINISHED]
    runs = [best, *sorted(others, key=lambda one: one.repeat or 0)]
    return RepeatedScore(
        network=best.network,
        hparams=best.hparams,
        uid=best.uid,
        uids=tuple(one.uid for one in runs),
        seeds=tuple(plan_of_repeat(plan, one.repeat or 0).seed for one in runs),
        planned=plan.search.repeats,
        failed=sum(is_own(one) for one in outcome.failed_repeats),
        folds=len(best.folds),
        people=len(people),
        estimates={
            f"{key}_{dimension}": estimate
            for key in REPEATED
            for dimension in DIMENSIONS
            if (estimate := _estimate(runs, key, dimension)) is not None
        },
    )


def _estimate(runs: Sequence[TrialResult], key: str, dimension: str) -> RepeatedEstimate | None:
    """Return mean and intervals of one measure; None where a repeat has no scored frame of the dimension."""
    scores = [scored_values(run.folds, f"{key}_{dimension}") for run in runs]
    if not all(scores):
        return None
    moments = _moments(runs, key, dimension)
    scored = None if moments is None else _people(moments)
    resampled = corrected_resampled_t(scores, num_people=scored or 0, limited=True)
    people = None if moments is None else person_interval(moments)
    return RepeatedEstimate(
        value=float(np.mean([value for repeat in scores for value in repeat])),
        low=None if resampled is None else resampled.low,
        high=None if resampled is None else resampled.high,
        people_low=None if people is None else people.low,
        people_high=None if people is None else people.high,
        by_repeat=tuple(float(np.mean(repeat)) for repeat in scores),
        folds=max(map(len, scores)),
        people=scored,
    )


def _people(repeats: Sequence[Sequence[Fold]]) -> int:
    """Return how many people have a scored frame in every repeat."""
    scored = [{name for fold in repeat for name, own in fold.items() if own.n} for repeat in repeats]
    return len(set.intersection(*scored))


def _moments(runs: Sequence[TrialResult], key: str, dimension: str) -> list[list[Fold]] | None:
    """Return by repeat and fold each person's moments of frames or windows; None: an older result has none."""
    found: list[list[Fold]] = []
    for run in runs:
        folds = [fold.people() for fold in run.folds]
        parts = [fold.frames if key == measures.headlines()[0].key else fold.windows for fold in folds]
        if any(not part for part in parts):
            return None
        found.append([{person: own[dimension] for person, own in (part or {}).items()} for part in parts])
    return found
