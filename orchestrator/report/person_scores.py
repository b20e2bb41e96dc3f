"""What a result says of each person: sums by fold, or the people's own CCC where no sums are in the store."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from models.ccc import Moments
from orchestrator.estimators.participants import participant_ccc
from orchestrator.estimators.sums import Fold, PersonMoments
from orchestrator.evaluation.person_records import FoldSums
from orchestrator.protocols import DIMENSIONS
from orchestrator.report.predictions import GOLD, PREDICTION, Trace, own_ccc, read, recorded_ccc
from orchestrator.report.queries import best_of
from orchestrator.report.search_record import Search

Scores = Mapping[str, Mapping[str, float]]  # dimension -> person -> CCC


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class People:
    """The people of one result by dimension: `folds` of their sums, None where they are not in the store; own CCC."""

    folds: Mapping[str, Sequence[Fold]] | None
    own: Scores


def of_reported(search: Search) -> People | None:
    """Return the people of what a search reports; of an older one from its predictions or summary. None: of neither."""
    recorded = search.people
    if recorded is not None:
        return _of_sums(recorded.reported or recorded.networks.get(best_of(search).network, ()))
    own = recorded_ccc(search)
    traces = _predictions(search)
    if traces is not None:
        folds = _folds_of(traces)
        computed = own_ccc(traces)
        if any(computed.values()):
            return People(folds=folds, own=own or computed)
    return None if own is None else People(folds=None, own=own)


def of_network(search: Search, network: str) -> People | None:
    """Return the people of a network's best configuration; None of a search before they were recorded."""
    return None if search.people is None else _of_sums(search.people.networks.get(network, ()))


def of_baseline(search: Search, name: str) -> People | None:
    """Return the people of a baseline; None where it was left out, or of a search before they were recorded."""
    return None if search.people is None else _of_sums(search.people.baselines.get(name, ()))


def _of_sums(folds: Sequence[FoldSums]) -> People | None:
    if not folds:
        return None
    whole = [fold.frames() for fold in folds]
    if any(fold is None for fold in whole):
        own = {person: scores for fold in folds for person, scores in (fold.own or {}).items()}
        by_dimension = {d: {person: scores[d] for person, scores in own.items() if d in scores} for d in DIMENSIONS}
        return People(folds=None, own=by_dimension)
    return _people([fold or {} for fold in whole])


def _people(folds: Sequence[Mapping[str, PersonMoments]]) -> People:
    by_dimension = {d: [{person: one[d] for person, one in fold.items()} for fold in folds] for d in DIMENSIONS}
    own = {
        d: {person: value for fold in parts for person, value in participant_ccc(fold).items()}
        for d, parts in by_dimension.items()
    }
    return People(folds=by_dimension, own=own)


def _predictions(search: Search) -> list[Trace] | None:
    if search.predictions is None:
        return None
    import pyarrow as pa

    try:
        return read(search.predictions)
    except (OSError, KeyError, pa.ArrowException):  # a file of something else
        return None


def _folds_of(traces: Sequence[Trace]) -> dict[str, Sequence[Fold]] | None:
    """Return each fold's people with the sums of their scored frames; None where the file does not tell the folds."""
    found: dict[str, dict[int, dict[str, Moments]]] = {d: {} for d in DIMENSIONS}
    for trace in traces:
        if trace.fold is None:
            return None
        for dimension, by_fold in found.items():
            gold, prediction = trace.values[dimension, GOLD], trace.values[dimension, PREDICTION]
            both = (gold == gold) & (prediction == prediction)  # noqa: PLR0124 - NaN where there is none
            people = by_fold.setdefault(trace.fold, {})
            before = people.get(trace.participant, Moments.zero())
            people[trace.participant] = before + Moments.of(prediction[both], gold[both])
    return {d: [by_fold[k] for k in sorted(by_fold)] for d, by_fold in found.items()}
