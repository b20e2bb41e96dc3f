"""Scores of people whom no fold of a model has seen: one pool of people, without folds (docs/statistics.md).

The models are taken as given; the interval is over draws of people.
"""

from collections.abc import Callable

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


def pooled_score(people: Fold) -> Interval | None:
    """Return the CCC over all frames of all people with its 95 % interval (delete-one-person jackknife).

    `people`: the moments of one dimension. None with fewer than two people who have a scored frame.
    """
    return _interval(people_of([people]), _pooled)


def participant_score(people: Fold) -> Interval | None:
    """Return the mean of the people's own CCC with its 95 % interval (Student's t over people).

    People whose gold standard is constant have no CCC and are left out. None with fewer than two others.
    """
    varied = {person: moments for person, moments in people.items() if not has_constant_gold(moments)}
    return _interval(people_of([varied]), lambda one: spread_of(one.sums_PS, one.fold_P, measure=PARTICIPANT))


def _interval(people: People, spread: Callable[[People], Spread]) -> Interval | None:
    if len(people.names) < 2:
        return None
    return make_interval(spread(people), num_people=len(people.names), num_folds=1, limited=True)


def _pooled(people: People) -> Spread:
    estimate = np.asarray(fold_values(people.sums_PS, people.fold_P, measure=POOLED).mean())
    return jackknife(estimate, left_out_of(people.sums_PS, people.fold_P, measure=POOLED))
