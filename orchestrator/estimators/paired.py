"""Two results over the same participants: is what is reported different, and are the people?

Two questions with one answer each: the difference of the reported CCC (person jackknife, or folds that are paired), and
the mean difference of the people's own CCC (Student's t over people).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from orchestrator.estimators.intervals import BY_PEOPLE, POOLED, Interval, Spread, difference_interval, make_interval
from orchestrator.estimators.repeats import two_sided
from orchestrator.estimators.sums import Fold, ccc_of, constant_gold, people_of

CAVEAT = "p values of configurations that these same people selected are too small"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """First minus second; `p_value` and `num_people` of the difference of what is reported.

    `of_people` counts its own people: those whose gold standard is constant are not among them.
    """

    reported: Interval
    p_value: float
    of_people: Interval | None  # mean difference of the people's own CCC, each person weighing the same
    p_value_of_people: float | None
    num_people: int


def compare(first: Sequence[Fold], second: Sequence[Fold]) -> Comparison | None:
    """Compare two runs' moments of one dimension (frames, or window means), fold by fold and person by person.

    Only people whom both scored count. None with fewer than two of them, or fewer than two folds.
    """
    reported = difference_interval(first, second, measure=POOLED)
    if reported is None:
        return None
    of_people = people_interval(first, second)
    return Comparison(
        reported=reported,
        p_value=p_value(reported),
        of_people=of_people,
        p_value_of_people=None if of_people is None else p_value(of_people),
        num_people=reported.num_people,
    )


def people_interval(first: Sequence[Fold], second: Sequence[Fold]) -> Interval | None:
    """Return Student's t over the people of the difference of their own CCC, whatever folds they were in.

    A constant prediction counts 0; people whose gold standard is constant are left out. None with fewer than two
    people.
    """
    return own_interval(_own(first), _own(second), num_folds=len(first))


def own_interval(first: Mapping[str, float], second: Mapping[str, float], *, num_folds: int = 1) -> Interval | None:
    """Return the same of scores by person, as of a federation, whose moments stay in its folder.

    `num_folds` is recorded in the interval and changes no number of it.
    """
    shared = [person for person in first if person in second]
    if len(shared) < 2:
        return None
    differences = np.array([first[person] - second[person] for person in shared])
    spread = Spread(
        estimate=np.asarray(differences.mean()),
        standard_error=np.asarray(differences.std(ddof=1) / np.sqrt(len(shared))),
        degrees_of_freedom=len(shared) - 1,
        method=BY_PEOPLE,
    )
    return make_interval(spread, num_people=len(shared), num_folds=num_folds, limited=False)


def p_value(difference: Interval) -> float:
    """Return the two-sided p value, of Student's t, of a difference with this interval."""
    return two_sided(difference.estimate, difference.standard_error, difference.degrees_of_freedom)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p values corrected for their number, in the order given: step-down (Holm 1979, Scand. J. Stat. 6)."""
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def _own(folds: Sequence[Fold]) -> dict[str, float]:
    people = people_of(folds)
    varies = ~constant_gold(people.sums_PS)
    values = ccc_of(people.sums_PS)
    return {name: float(value) for name, value, there in zip(people.names, values, varies, strict=True) if there}
