# ruff: noqa: N803, N806 - shape suffixes, by the legend below
"""95 % intervals over participants, for the CCC of a run and for the difference of two runs (docs/statistics.md).

What is estimated is the value that the reported number has on average over draws of people, for folds of these sizes.
The models are taken as given. Shapes: P people, K folds, S sums; further axes in front are simulated corpora.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.estimators.sums import Array, Fold, People, by_fold, ccc_of, constant_gold, people_of

LEVEL = 0.95
# Ours, by simulation: with so many people in every fold the person jackknife inside the folds covers 95 %; with fewer a
# fold's pooled CCC bends too much when a person is left out, and the folds themselves are the independent units.
PEOPLE_FOR_JACKKNIFE = 10
# Ours: scores closer to 1 than this have no interval on Fisher's scale.
LARGEST = 1.0 - 1e-9
# Ours, by simulation: from so many folds or people on, their skewness no longer costs coverage.
UNITS_WITHOUT_SKEW = 60
# Ours, by simulation: with fewer of them that costs up to 97.7 % instead of 95, and the interval says so.
UNITS_CONSERVATIVE = 16
SYMMETRIC = 1e-8  # ours: a smaller skewness term is none, and would divide by zero

POOLED = "pooled"  # CCC over all frames (or windows) of a fold's people, mean over the folds
PARTICIPANT = "participant"  # mean of the people's own CCC in a fold, mean over the folds
MEASURES = (POOLED, PARTICIPANT)

BY_FOLDS = "t over folds"
BY_PEOPLE = "t over people"
BY_JACKKNIFE = "person jackknife within folds"
BY_ALL = "person jackknife"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """An estimate with its 95 % interval; `conservative` says that it covers more than 97 % in simulations."""

    estimate: float
    low: float
    high: float
    standard_error: float
    degrees_of_freedom: float
    num_people: int
    num_folds: int
    method: str
    conservative: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Spread:
    """Estimates (...) and their standard errors (...), of one corpus or of many simulated ones."""

    estimate: Array
    standard_error: Array
    degrees_of_freedom: float
    method: str
    skewness: Array | None = None  # of the folds' or people's values; None: not asked for


def pooled_interval(folds: Sequence[Fold]) -> Interval | None:
    """Return the interval of the mean over the folds of the CCC pooled over each fold's people.

    `folds`: for each fold the moments of its people in one dimension, of frames or of window means. None with fewer
    than two people or fewer than two folds that have a scored frame.
    """
    return _interval(folds, POOLED)


def participant_interval(folds: Sequence[Fold]) -> Interval | None:
    """Return the interval of the mean over the folds of the people's own CCC, a constant prediction counting 0.

    People whose gold standard is constant have no CCC and are left out. None with fewer than two people.
    """
    return _interval(folds, PARTICIPANT)


def difference_interval(first: Sequence[Fold], second: Sequence[Fold], *, measure: str = POOLED) -> Interval | None:
    """Return the interval of first minus second, paired over the people whom both have scored.

    Where both have the same people in the same folds the folds or people are paired one by one; for other folds a
    person is left out of both at once, which is conservative. None with fewer than two such people or folds.
    """
    assert measure in MEASURES, measure
    shared = set(_usable(first, measure).names) & set(_usable(second, measure).names)
    one, other = (
        _usable([{p: m for p, m in fold.items() if p in shared} for fold in folds], measure)
        for folds in (first, second)
    )
    if not _enough(one) or not _enough(other):
        return None
    if _same_folds(one, other):
        order = [other.names.index(person) for person in one.names]
        spread = spread_of(one.sums_PS, one.fold_P, measure=measure, minus_PS=other.sums_PS[order])
        return _read(spread, one, limited=False)
    left_out = [
        np.array([d[run.names.index(p)] for p in one.names])
        for run, d in ((run, left_out_of(run.sums_PS, run.fold_P, measure=measure)) for run in (one, other))
    ]
    estimates = [fold_values(run.sums_PS, run.fold_P, measure=measure).mean() for run in (one, other)]
    spread = jackknife(estimates[0] - estimates[1], left_out[0] - left_out[1])
    return _read(spread, one, limited=False, conservative=True)


def interval_of_left_out(
    estimate: float, left_out_P: Array, *, num_folds: int, limited: bool = False
) -> Interval | None:
    """Return the interval of any statistic from its values with each person left out in turn (delete-one jackknife).

    `limited`: it is a correlation, not a difference. None with fewer than two people.
    """
    if len(left_out_P) < 2:
        return None
    spread = jackknife(np.asarray(estimate), left_out_P)
    return make_interval(spread, num_people=len(left_out_P), num_folds=num_folds, limited=limited, conservative=True)


def fold_values(sums_PS: Array, fold_P: NDArray[np.int64], *, measure: str) -> Array:
    """Return each fold's score (..., K)."""
    if measure == POOLED:
        return ccc_of(by_fold(sums_PS, fold_P))
    size_K = np.bincount(fold_P)
    return np.asarray(by_fold(ccc_of(sums_PS)[..., None], fold_P)[..., 0] / size_K)


def left_out_of(sums_PS: Array, fold_P: NDArray[np.int64], *, measure: str) -> Array:
    """Return the mean over the folds with each person left out in turn (..., P); a fold that is empty then is too."""
    changed, value_K = _changed_folds(sums_PS, fold_P, measure=measure), fold_values(sums_PS, fold_P, measure=measure)
    num_folds, size_P = value_K.shape[-1], np.bincount(fold_P)[fold_P]
    rest = value_K.sum(axis=-1, keepdims=True) - value_K[..., fold_P]
    return np.asarray(np.where(size_P > 1, (rest + changed) / num_folds, rest / max(1, num_folds - 1)))


def _changed_folds(sums_PS: Array, fold_P: NDArray[np.int64], *, measure: str) -> Array:
    """Return the score of each person's fold without that person (..., P); meaningless in folds of one."""
    if measure == POOLED:
        return ccc_of(by_fold(sums_PS, fold_P)[..., fold_P, :] - sums_PS)
    own_P, size_K = ccc_of(sums_PS), np.bincount(fold_P)
    total = by_fold(own_P[..., None], fold_P)[..., 0]
    return np.asarray((total[..., fold_P] - own_P) / np.maximum(1, size_K - 1)[fold_P])


def spread_of(sums_PS: Array, fold_P: NDArray[np.int64], *, measure: str, minus_PS: Array | None = None) -> Spread:
    """Return the mean over the folds and its standard error, of one run or (`minus_PS`) of a difference of two.

    Participant means: t over people, each weighted as in the mean over folds. Pooled CCC: with at least
    PEOPLE_FOR_JACKKNIFE people in every fold the delete-one-person jackknife inside each fold; else t over the folds,
    which with one person per fold is t over people.
    """
    runs = [sums_PS] if minus_PS is None else [sums_PS, minus_PS]
    size_K = np.bincount(fold_P)
    num_folds = len(size_K)
    value_K = _less([fold_values(sums, fold_P, measure=measure) for sums in runs])
    estimate = np.asarray(value_K.mean(axis=-1))
    if measure == PARTICIPANT:
        own_P = _less([ccc_of(sums) for sums in runs])
        weight_P = 1.0 / (num_folds * size_K[fold_P])
        squares = (weight_P * (own_P - estimate[..., None])) ** 2
        # What is left of the variance in the squares about the weighted mean itself; Kish's number of people for t.
        second, third = (weight_P**2).sum(), (weight_P**3).sum()
        variance = squares.sum(axis=-1) * second / (second - 2.0 * third + second**2)
        return _spread(estimate, variance, 1.0 / second - 1.0, BY_PEOPLE, _skewness(own_P))
    changed_P = _less([_changed_folds(sums, fold_P, measure=measure) for sums in runs])
    return pooled_spread(value_K, changed_P, fold_P)


def pooled_spread(value_K: Array, changed_P: Array, fold_P: NDArray[np.int64]) -> Spread:
    """Return the mean over the folds of any score that is pooled over a fold's people, with its standard error.

    `changed_P`: the score of each person's fold without that person.
    """
    size_K = np.bincount(fold_P)
    num_people, num_folds = len(fold_P), len(size_K)
    estimate = np.asarray(value_K.mean(axis=-1))
    if size_K.min() >= PEOPLE_FOR_JACKKNIFE:
        mean_K = by_fold(changed_P[..., None], fold_P)[..., 0] / size_K
        squares = (changed_P - mean_K[..., fold_P]) ** 2 * ((size_K - 1) / size_K)[fold_P]
        return _spread(estimate, squares.sum(axis=-1) / num_folds**2, num_people - num_folds, BY_JACKKNIFE)
    variance = value_K.var(axis=-1, ddof=1) / num_folds
    method = BY_FOLDS if num_folds < num_people else BY_PEOPLE
    return _spread(estimate, variance, num_folds - 1, method, _skewness(value_K))


def jackknife(estimate: Array | float, left_out_P: Array) -> Spread:
    """Return the delete-one jackknife's standard error: sqrt((P - 1) / P * sum of squares about the mean)."""
    num_people = left_out_P.shape[-1]
    variance = left_out_P.var(axis=-1) * (num_people - 1)
    return _spread(np.asarray(estimate), variance, num_people - 1, BY_ALL)


def limits(spread: Spread, *, limited: bool) -> tuple[Array, Array]:
    """Return both ends of the 95 % interval.

    Of a difference: Student's t. With `limited` (a correlation): the same on Fisher's scale atanh, by the delta method
    d atanh(c) = dc / (1 - c^2); where few folds or people carry it, each end is the outer one of that and of Hall's
    (1992) cubic transformation of t, because a few values of a skewed score make both its mean and its spread wrong.
    """
    from scipy.stats import t

    quantile = float(t.ppf(0.5 + LEVEL / 2, spread.degrees_of_freedom))
    half = quantile * spread.standard_error
    if not limited:
        return spread.estimate - half, spread.estimate + half
    estimate = np.clip(spread.estimate, -LARGEST, LARGEST)
    half = half / (1.0 - estimate**2)
    low, high = np.tanh(np.arctanh(estimate) - half), np.tanh(np.arctanh(estimate) + half)
    units = spread.degrees_of_freedom + 1
    if spread.skewness is not None and units < UNITS_WITHOUT_SKEW:
        ends = [
            spread.estimate - _hall(q, spread.skewness / np.sqrt(units)) * spread.standard_error
            for q in (quantile, -quantile)
        ]
        low, high = np.minimum(low, np.maximum(ends[0], -1.0)), np.maximum(high, np.minimum(ends[1], 1.0))
    return low, high


def _hall(quantile: float, skew: Array) -> Array:
    """Return the studentised mean whose transform is `quantile`; `skew` is the skewness over the root of the number.

    The transform is t + a t^2 / 3 + a^2 t^3 / 27 + a / 6 (Hall 1992, J. R. Stat. Soc. B 54, 221-228).
    """
    divisor = np.where(np.abs(skew) < SYMMETRIC, 1.0, skew)
    inverse = 3.0 / divisor * (np.cbrt(1.0 + skew * (quantile - skew / 6.0)) - 1.0)
    return np.where(np.abs(skew) < SYMMETRIC, quantile, inverse)


def _skewness(values: Array) -> Array:
    """Return the third standardised moment along the last axis; 0 where nothing varies."""
    off = values - values.mean(axis=-1, keepdims=True)
    spread = np.sqrt((off**2).mean(axis=-1))
    return np.asarray((off**3).mean(axis=-1) / np.where(spread > 0.0, spread, 1.0) ** 3)


def make_interval(
    spread: Spread, *, num_people: int, num_folds: int, limited: bool, conservative: bool = False
) -> Interval:
    """Read a single corpus's spread."""
    low, high = limits(spread, limited=limited)
    widened = limited and spread.skewness is not None and spread.degrees_of_freedom + 1 < UNITS_CONSERVATIVE
    return Interval(
        estimate=float(spread.estimate),
        low=float(low),
        high=float(high),
        standard_error=float(spread.standard_error),
        degrees_of_freedom=float(spread.degrees_of_freedom),
        num_people=num_people,
        num_folds=num_folds,
        method=spread.method,
        conservative=bool(conservative or widened),
    )


def _interval(folds: Sequence[Fold], measure: str) -> Interval | None:
    people = _usable(folds, measure)
    return _read(spread_of(people.sums_PS, people.fold_P, measure=measure), people) if _enough(people) else None


def _usable(folds: Sequence[Fold], measure: str) -> People:
    """Collect who counts: with the participants' own CCC only people whose gold standard varies."""
    if measure == POOLED:
        return people_of(folds)
    return people_of([{p: m for p, m in fold.items() if not constant_gold(np.array(m.to_list()))} for fold in folds])


def _enough(people: People) -> bool:
    return len(people.names) > 1 and int(people.fold_P.max()) > 0


def _same_folds(one: People, other: People) -> bool:
    def groups(people: People) -> set[frozenset[str]]:
        return {
            frozenset(name for name, fold in zip(people.names, people.fold_P, strict=True) if fold == k)
            for k in range(int(people.fold_P.max()) + 1)
        }

    return groups(one) == groups(other)


def _read(spread: Spread, people: People, **how: Any) -> Interval:
    num_folds = int(people.fold_P.max()) + 1
    return make_interval(spread, num_people=len(people.names), num_folds=num_folds, **{"limited": True, **how})


def _less(values: Sequence[Array]) -> Array:
    return values[0] if len(values) == 1 else values[0] - values[1]


def _spread(
    estimate: Array, variance: Array, degrees_of_freedom: float, method: str, skewness: Array | None = None
) -> Spread:
    return Spread(
        estimate=estimate,
        standard_error=np.sqrt(variance),
        degrees_of_freedom=degrees_of_freedom,
        method=method,
        skewness=skewness,
    )


def with_ends(one: Interval | None) -> str:
    """Return a CCC with the ends of its interval for a table; "-" if there is none."""
    return "-" if one is None else f"{one.estimate:.3f} [{one.low:.3f}, {one.high:.3f}]"


def ccc_in_words(value: float | None) -> str:
    """Return a CCC for a table; "-" if it is not defined."""
    return "-" if value is None else f"{value:.3f}"
