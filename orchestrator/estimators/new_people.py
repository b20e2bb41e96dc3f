"""Scores of people whom no fold of a model has seen: one pool of people, without folds (docs/statistics.md).

The models are taken as given; the interval is over draws of people.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from orchestrator.estimators.intervals import (
    PARTICIPANT,
    POOLED,
    Interval,
    Spread,
    fold_values,
    jackknife,
    left_out_of,
    make_interval,
    spread_of,
)
from orchestrator.estimators.participants import has_constant_gold
from orchestrator.estimators.sums import Fold, People, people_of


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolScore:
    """A score of so many people, with its 95 % interval over them; None of a single one."""

    value: float
    people: int
    interval: Interval | None


def pooled_score(people: Fold) -> PoolScore | None:
    """Return the CCC over all frames of all people; its interval is by the delete-one-person jackknife.

    `people`: the moments of one dimension. None if nobody has a scored frame.
    """
    return _scored(people_of([people]), POOLED, _pooled)


def participant_score(people: Fold) -> PoolScore | None:
    """Return the mean of the people's own CCC; its interval is Student's t over people.

    People whose gold standard is constant have no CCC and are left out. None if there is nobody else.
    """
    varied = {person: moments for person, moments in people.items() if not has_constant_gold(moments)}
    return _scored(
        people_of([varied]), PARTICIPANT, lambda one: spread_of(one.sums_PS, one.fold_P, measure=PARTICIPANT)
    )


def _scored(people: People, measure: str, spread: Callable[[People], Spread]) -> PoolScore | None:
    number = len(people.names)
    if not number:
        return None
    interval = None
    if number > 1:
        interval = make_interval(spread(people), num_people=number, num_folds=1, limited=True)
    value = float(fold_values(people.sums_PS, people.fold_P, measure=measure).mean())
    return PoolScore(value=value, people=number, interval=interval)


def _pooled(people: People) -> Spread:
    estimate = np.asarray(fold_values(people.sums_PS, people.fold_P, measure=POOLED).mean())
    return jackknife(estimate, left_out_of(people.sums_PS, people.fold_P, measure=POOLED))
