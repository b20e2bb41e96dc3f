"""What is reported against the baselines, paired over participants."""

from collections.abc import Mapping, Sequence

from orchestrator.estimators.facts import PairedDifference
from orchestrator.estimators.paired import Comparison, compare, holm
from orchestrator.evaluation.baselines import BASELINES
from orchestrator.evaluation.results import reported_by_fold
from orchestrator.evaluation.search_baselines import BaselineScore
from orchestrator.measures import FoldMoments
from orchestrator.protocols import DIMENSIONS, Protocol
from orchestrator.run_records import TrialResult


def reported_folds(results: Sequence[TrialResult], protocol: Protocol) -> list[FoldMoments]:
    """Return each fold's moments by person in what is reported."""
    return [result.folds[k].people() for k, result in enumerate(reported_by_fold(results, protocol))]


def against_baselines(
    results: Sequence[TrialResult], baselines: Mapping[str, BaselineScore | None], protocol: Protocol
) -> dict[str, dict[str, PairedDifference]]:
    """Compare what is reported with each baseline, by its name and dimension; empty where nothing finished.

    The mean is left out: it predicts one value, whose CCC is 0 by definition. Holm's correction is for all that is
    compared here.
    """
    reported = reported_folds(results, protocol)
    found: dict[tuple[str, str], Comparison] = {}
    for name, one in baselines.items():
        if one is None or not reported or BASELINES[name].features == "none":
            continue
        for dimension in DIMENSIONS:
            pair = [
                [{person: own[dimension] for person, own in fold.frames.items()} for fold in folds]
                for folds in (reported, one.folds)
            ]
            compared = compare(*pair)
            if compared is not None:
                found[name, dimension] = compared
    corrected = dict(zip(found, holm([one.p_value for one in found.values()]), strict=True))
    by_name: dict[str, dict[str, PairedDifference]] = {}
    for (name, dimension), made in found.items():
        by_name.setdefault(name, {})[dimension] = PairedDifference(
            value=made.reported.estimate,
            low=made.reported.low,
            high=made.reported.high,
            p=made.p_value,
            p_holm=corrected[name, dimension],
            of_people=None if made.of_people is None else made.of_people.estimate,
            p_of_people=made.p_value_of_people,
            people=made.num_people,
            people_of_people=None if made.of_people is None else made.of_people.num_people,
        )
    return by_name
