"""`moments.json`: the sums by person of what is compared, so that a report tests two results without their traces."""

from collections.abc import Mapping, Sequence

from orchestrator import measures
from orchestrator.evaluation.person_records import FoldSums, ScoredPeople
from orchestrator.evaluation.results import nested, ranking, reported_by_fold
from orchestrator.evaluation.search_baselines import BaselineScore
from orchestrator.measures import FoldMoments
from orchestrator.planning.plan import Plan
from orchestrator.protocols import DIMENSIONS
from orchestrator.run_records import TrialResult, sums_of


def scored_people(
    plan: Plan, found: Sequence[TrialResult], baselines: Mapping[str, BaselineScore | None]
) -> ScoredPeople:
    """Return by fold the people's sums of the best configuration of each network, of what is reported, of baselines.

    In nested protocols a network is each fold's own choice among its configurations. Of a federation there are the
    people's own CCC alone: sums of few frames tell labels, which stay with their people.
    """

    def chosen(results: Sequence[TrialResult]) -> tuple[FoldSums, ...]:
        folds = [result.folds[k].people() for k, result in enumerate(reported_by_fold(results, plan.protocol))]
        return tuple(_own(fold) if plan.federation is not None else _sums(fold) for fold in folds)

    names = sorted({result.network for result in ranking(found)})
    networks = {name: chosen([result for result in found if result.network == name]) for name in names}
    return ScoredPeople(
        networks=networks,
        # Of one network, or where the best configuration is reported for all folds, it is a network's.
        reported=chosen(found) if nested(plan.protocol) and len(names) > 1 else None,
        baselines={name: tuple(map(_sums, one.folds)) for name, one in baselines.items() if one is not None},
    )


def _sums(fold: FoldMoments) -> FoldSums:
    return FoldSums(moments=sums_of(fold.frames), window_moments=sums_of(fold.windows or {}))


def _own(fold: FoldMoments) -> FoldSums:
    own = {person: measures.of_person(moments) for person, moments in fold.frames.items()}
    keys = {dimension: f"{measures.headlines()[0].key}_{dimension}" for dimension in DIMENSIONS}
    return FoldSums(
        own={
            person: {name: float(value) for name, key in keys.items() if (value := scores[key]) is not None}
            for person, scores in own.items()
        }
    )
