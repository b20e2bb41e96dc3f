"""Repeated cross-validation: the mean over R repeats of k folds, and an interval that folds x repeats do not narrow.

The R x k scores share people, so they are no sample of R x k: a plain t over them finds differences where there are
none.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from orchestrator.estimators.intervals import (
    POOLED,
    Interval,
    Spread,
    fold_values,
    interval_of_left_out,
    left_out_of,
    limits,
)
from orchestrator.estimators.sums import Fold, people_of

MIN_SCORES = 2
RESAMPLED = "corrected resampled t"


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeated:
    """The mean over all folds and repeats, with the corrected resampled t, and what it was made of."""

    mean: float
    low: float
    high: float
    standard_error: float
    p_value: float  # two-sided, against a mean of 0: of use for differences only
    repeats: int
    folds: int
    people: int


def corrected_resampled_t(
    scores: Sequence[Sequence[float]], *, num_people: int, limited: bool = False
) -> Repeated | None:
    """Return mean and interval of R repeats of k fold scores (or differences of two runs in the same folds).

    `limited`: of correlations, by Fisher's scale (`intervals.limits`).

    Nadeau and Bengio (2003, doi 10.1023/A:1024068626366): variance s^2 (1 / J + n_test / n_train) of the mean of J = R
    k scores, n_test / n_train = 1 / (k - 1) for k folds, t with J - 1 degrees of freedom. None with fewer than two
    scores, or repeats of one fold.
    """
    values = np.array([value for repeat in scores for value in repeat], dtype=np.float64)
    num_folds = max((len(repeat) for repeat in scores), default=0)
    if len(values) < MIN_SCORES or num_folds < MIN_SCORES:
        return None
    error = float(np.sqrt(values.var(ddof=1) * (1.0 / len(values) + 1.0 / (num_folds - 1))))
    mean, degrees = float(values.mean()), len(values) - 1
    low, high = limits(
        Spread(
            estimate=np.asarray(mean), standard_error=np.asarray(error), degrees_of_freedom=degrees, method=RESAMPLED
        ),
        limited=limited,
    )
    return Repeated(
        mean=mean,
        low=float(low),
        high=float(high),
        standard_error=error,
        p_value=two_sided(mean, error, degrees),
        repeats=len(scores),
        folds=num_folds,
        people=num_people,
    )


def person_interval(repeats: Sequence[Sequence[Fold]], *, measure: str = POOLED) -> Interval | None:
    """Return the interval over people of the mean over repeats: each person is left out of every repeat at once.

    None if the repeats do not score the same two people or more.
    """
    runs = [people_of(folds) for folds in repeats]
    if not runs or len({frozenset(run.names) for run in runs}) > 1 or len(runs[0].names) < MIN_SCORES:
        return None
    names = runs[0].names
    estimates, left_out = [], []
    for run in runs:
        estimates.append(fold_values(run.sums_PS, run.fold_P, measure=measure).mean())
        changed = dict(zip(run.names, left_out_of(run.sums_PS, run.fold_P, measure=measure), strict=True))
        left_out.append([changed[name] for name in names])
    num_folds = max(int(run.fold_P.max()) + 1 for run in runs)
    return interval_of_left_out(float(np.mean(estimates)), np.mean(left_out, axis=0), num_folds=num_folds, limited=True)


def two_sided(value: float, error: float, degrees_of_freedom: float) -> float:
    """Return the p value of Student's t; 1 for no difference at all, 0 for one without any error."""
    from scipy.stats import t

    if error == 0.0:
        return 1.0 if value == 0.0 else 0.0
    return float(2.0 * t.sf(abs(value) / error, degrees_of_freedom))
