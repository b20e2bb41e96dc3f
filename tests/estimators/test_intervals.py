"""Intervals over participants: by hand on few people, and their coverage in a small simulation."""

from collections.abc import Sequence

import numpy as np
import pytest
from scipy import stats

from benchmarks.coverage import old_bootstrap
from benchmarks.simulated_people import WORLDS, draw, folds_of
from models.ccc import Moments, ccc
from orchestrator.estimators import intervals
from orchestrator.estimators.intervals import PARTICIPANT, POOLED
from orchestrator.estimators.sums import Array, Fold


def made(people: int, folds: int, seed: int = 0, runs: int = 1) -> list[list[Fold]]:
    sums = draw(np.random.default_rng(seed), WORLDS["labels within people"], 1, people, runs=runs)[:, 0]
    fold = folds_of(people, folds)
    return [
        [{f"P{i}": Moments.from_list(list(one[i])) for i in np.flatnonzero(fold == k)} for k in range(folds)]
        for one in sums
    ]


def test_one_person_per_fold_is_students_t_over_people_on_fishers_scale() -> None:
    """Few people widen an end where Hall's transform lies further out, and never narrow one."""
    (folds,) = made(8, 8)
    own = np.array([ccc(next(iter(fold.values()))) for fold in folds])
    found = intervals.pooled_interval(folds)
    assert found is not None
    error = own.std(ddof=1) / np.sqrt(8)
    half = stats.t.ppf(0.975, 7) * error / (1 - own.mean() ** 2)
    assert found.estimate == pytest.approx(own.mean())
    assert found.standard_error == pytest.approx(error)
    plain = np.tanh(np.arctanh(own.mean()) + np.array([-half, half]))
    skew = stats.skew(own) / np.sqrt(8)
    studentised = (own.mean() - np.array([found.low, found.high])) / error
    transformed = studentised + skew * studentised**2 / 3 + skew**2 * studentised**3 / 27 + skew / 6
    assert found.low == pytest.approx(plain[0]) or transformed[0] == pytest.approx(stats.t.ppf(0.975, 7))
    assert found.high == pytest.approx(plain[1]) or transformed[1] == pytest.approx(-stats.t.ppf(0.975, 7))
    assert found.low <= plain[0] + 1e-12
    assert found.high >= plain[1] - 1e-12
    assert (found.num_people, found.num_folds, found.degrees_of_freedom) == (8, 8, 7)
    assert found.conservative
    assert found.method == intervals.BY_PEOPLE


def test_large_folds_are_jackknifed_person_by_person() -> None:
    (folds,) = made(20, 2)
    found = intervals.pooled_interval(folds)
    assert found is not None
    variance = 0.0
    for fold in folds:
        left_out = [ccc(sum((m for p, m in fold.items() if p != one), Moments.zero())) for one in fold]
        variance += 9 / 10 * float(sum((value - np.mean(left_out)) ** 2 for value in left_out))
    assert found.standard_error == pytest.approx(np.sqrt(variance) / 2)
    assert (found.method, found.degrees_of_freedom) == (intervals.BY_JACKKNIFE, 18)
    assert not found.conservative
    half = stats.t.ppf(0.975, 18) * found.standard_error / (1 - found.estimate**2)
    assert found.low == pytest.approx(np.tanh(np.arctanh(found.estimate) - half))


@pytest.mark.parametrize(("people", "conservative"), [(15, True), (16, False)])
def test_few_folds_are_conservative_and_say_so(people: int, conservative: bool) -> None:
    (folds,) = made(people, people)
    found = intervals.pooled_interval(folds)
    assert found is not None
    assert found.conservative is conservative


@pytest.mark.parametrize(
    ("people", "method"), [(18, intervals.BY_FOLDS), (19, intervals.BY_FOLDS), (20, intervals.BY_JACKKNIFE)]
)
def test_the_smallest_fold_decides(people: int, method: str) -> None:
    (folds,) = made(people, 2)
    found = intervals.pooled_interval(folds)
    assert found is not None
    assert found.method == method


def test_participants_are_weighted_as_in_the_mean_over_folds() -> None:
    """Two folds of one person and one of two: weights 1/3, 1/3, 1/6, 1/6."""
    (parts,) = made(4, 3)
    own = {person: ccc(m) for fold in parts for person, m in fold.items()}
    found = intervals.participant_interval(parts)
    assert found is not None
    weights = {person: 1 / (3 * len(fold)) for fold in parts for person in fold}
    assert found.estimate == pytest.approx(sum(weights[p] * own[p] for p in own))
    assert found.degrees_of_freedom == pytest.approx(1 / sum(w**2 for w in weights.values()) - 1)


def test_a_constant_prediction_counts_zero_and_a_constant_gold_standard_not_at_all() -> None:
    (folds,) = made(6, 3)
    still = Moments.of(np.full(4, 0.2), np.arange(4.0))
    unlabelled = Moments.of(np.arange(4.0), np.full(4, 0.2))
    without = intervals.participant_interval(folds)
    assert intervals.participant_interval([{**folds[0], "X": unlabelled}, *folds[1:]]) == without
    lower = intervals.participant_interval([{**folds[0], "X": still}, *folds[1:]])
    assert lower is not None
    assert without is not None
    first = [ccc(m) for m in folds[0].values()]
    assert lower.estimate == pytest.approx(without.estimate - np.mean(first) / 9)
    assert lower.num_people == 7


def test_differences_are_paired_by_person_whatever_the_order_of_the_folds() -> None:
    first, second = made(8, 8, runs=2)
    found = intervals.difference_interval(first, second)
    assert found is not None
    one, other = ({p: ccc(m) for fold in run for p, m in fold.items()} for run in (first, second))
    pairs = np.array([one[p] - other[p] for p in one])
    assert found.estimate == pytest.approx(pairs.mean())
    assert (found.low, found.high) == pytest.approx(stats.t.interval(0.95, 7, pairs.mean(), stats.sem(pairs)))
    assert intervals.difference_interval(first, second[::-1]) == found
    assert not found.conservative
    nothing = intervals.difference_interval(first, first)
    assert nothing is not None
    assert (nothing.low, nothing.high) == (0.0, 0.0)


def test_runs_with_other_folds_leave_each_person_out_of_both() -> None:
    first, second = made(6, 3, runs=2)
    moved = [dict(list(fold.items())[:1]) for fold in second] + [dict(list(fold.items())[1:]) for fold in second]
    found = intervals.difference_interval(first, moved)
    assert found is not None

    def score(folds: Sequence[Fold], without: str | None = None) -> float:
        kept = [[m for p, m in fold.items() if p != without] for fold in folds]
        return float(np.mean([ccc(sum(fold, Moments.zero())) for fold in kept if fold]))

    left_out = np.array([score(first, p) - score(moved, p) for fold in first for p in fold])
    assert found.estimate == pytest.approx(score(first) - score(moved))
    assert found.standard_error == pytest.approx(np.sqrt(5 / 6 * ((left_out - left_out.mean()) ** 2).sum()))
    assert found.conservative


def test_only_the_people_of_both_are_compared() -> None:
    first, second = made(8, 4, runs=2)
    fewer = [{p: m for p, m in fold.items() if p != "P0"} for fold in second]
    found = intervals.difference_interval(first, fewer)
    assert found is not None
    assert found.num_people == 7
    assert found == intervals.difference_interval([{p: m for p, m in f.items() if p != "P0"} for f in first], fewer)


def test_a_person_whose_gold_standard_varies_in_one_run_only_is_in_neither() -> None:
    """As with every 25th frame of a recording whose label moved once."""
    first, second = made(6, 3, runs=2)
    still = Moments.of(np.arange(4.0), np.full(4, 0.2))
    changed = [{p: still if p == "P0" else m for p, m in fold.items()} for fold in second]
    found = intervals.difference_interval(first, changed, measure=PARTICIPANT)
    assert found is not None
    assert found.num_people == 5


@pytest.mark.parametrize("people", [0, 1])
def test_too_few_people_have_no_interval(people: int) -> None:
    folds = [{f"P{k}": Moments.of(np.arange(3.0), np.arange(3.0))} for k in range(people)]
    folds.append({"empty": Moments.zero()})
    assert intervals.pooled_interval(folds) is None
    assert intervals.participant_interval(folds) is None
    assert intervals.difference_interval(folds, folds) is None


def test_perfect_and_hopeless_predictions_have_finite_intervals() -> None:
    perfect = [{f"P{k}": Moments.of(np.arange(3.0), np.arange(3.0))} for k in range(3)]
    still = [{f"P{k}": Moments.of(np.full(3, 0.1), np.arange(3.0))} for k in range(3)]
    one, zero = intervals.pooled_interval(perfect), intervals.pooled_interval(still)
    assert one is not None
    assert zero is not None
    assert one.estimate == 1.0
    assert (one.low, one.high) == pytest.approx((1.0, 1.0))
    assert (zero.estimate, zero.low, zero.high) == (0.0, 0.0, 0.0)


def covered(ends: tuple[Array, Array], truth: float) -> float:
    return float(np.mean((ends[0] <= truth) & (truth <= ends[1])))


@pytest.mark.parametrize(("people", "folds"), [(8, 8), (20, 8), (80, 8), (20, 20)])
@pytest.mark.parametrize("measure", [POOLED, PARTICIPANT])
def test_a_small_simulation_finds_the_coverage(people: int, folds: int, measure: str) -> None:
    """1,000 made corpora: the standard error of a coverage of 95 % is 0.7 points."""
    world, fold = WORLDS["labels within people"], folds_of(people, folds)
    generator = np.random.default_rng(people)
    truth = intervals.fold_values(draw(generator, world, 3000, people)[0], fold, measure=measure).mean()
    sums = draw(generator, world, 1000, people)[0]
    spread = intervals.spread_of(sums, fold, measure=measure)
    assert 0.93 <= covered(intervals.limits(spread, limited=True), truth) <= 0.98


def test_the_simulation_would_find_the_bootstrap_that_counts_every_fold_once() -> None:
    """Percentiles over people drawn anew, a fold counting once however many of its people were drawn: 76 to 80 %."""
    world, fold = WORLDS["labels within people"], folds_of(8, 8)
    generator = np.random.default_rng(8)
    truth = intervals.fold_values(draw(generator, world, 3000, 8)[0], fold, measure=POOLED).mean()
    sums = draw(generator, world, 300, 8)[0]
    assert covered(old_bootstrap(generator, sums, fold, draws=200), truth) < 0.86


def test_the_error_of_weighted_people_by_hand() -> None:
    """Squares about a weighted mean hold the share 1 - 2 sum w^3 / sum w^2 + sum w^2 of the variance."""
    (parts,) = made(4, 3)
    own = np.array([ccc(m) for fold in parts for m in fold.values()])
    weight = np.array([1 / (3 * len(fold)) for fold in parts for _ in fold])
    squares = (weight**2 * (own - weight @ own) ** 2).sum()
    share = 1 - 2 * (weight**3).sum() / (weight**2).sum() + (weight**2).sum()
    found = intervals.participant_interval(parts)
    assert found is not None
    assert found.standard_error == pytest.approx(np.sqrt(squares / share))


def test_participants_of_other_folds_are_left_out_of_both() -> None:
    first, second = made(6, 3, runs=2)
    moved = [dict(list(fold.items())[:1]) for fold in second] + [dict(list(fold.items())[1:]) for fold in second]
    found = intervals.difference_interval(first, moved, measure=PARTICIPANT)
    assert found is not None

    def score(folds: Sequence[Fold], without: str) -> float:
        kept = [[ccc(m) for p, m in fold.items() if p != without] for fold in folds]
        return float(np.mean([np.mean(fold) for fold in kept if fold]))

    left_out = np.array([score(first, p) - score(moved, p) for fold in first for p in fold])
    assert found.standard_error == pytest.approx(np.sqrt(5 / 6 * ((left_out - left_out.mean()) ** 2).sum()))
    half = stats.t.ppf(0.975, 5) * found.standard_error
    assert (found.low, found.high) == pytest.approx((found.estimate - half, found.estimate + half))


@pytest.mark.parametrize("skew", [-1.5, 0.0, 1.2])
def test_each_end_is_the_outer_one_of_fishers_and_halls(skew: float) -> None:
    def ends(estimate: float, error: float) -> tuple[float, float]:
        spread = intervals.Spread(
            estimate=np.asarray(estimate),
            standard_error=np.asarray(error),
            degrees_of_freedom=7,
            method="",
            skewness=np.asarray(skew),
        )
        low, high = intervals.limits(spread, limited=True)
        return float(low), float(high)

    quantile, a = stats.t.ppf(0.975, 7), skew / np.sqrt(8)
    inverse = [q if not skew else 3 / a * (np.cbrt(1 + a * (q - a / 6)) - 1) for q in (quantile, -quantile)]
    fisher = np.tanh(np.arctanh(0.5) + np.array([-1, 1]) * quantile * 0.05 / 0.75)
    low, high = ends(0.5, 0.05)
    assert low == pytest.approx(min(fisher[0], 0.5 - inverse[0] * 0.05))
    assert high == pytest.approx(max(fisher[1], 0.5 - inverse[1] * 0.05))
    assert ends(0.9, 0.9)[1] <= 1.0
    assert ends(-0.9, 0.9)[0] >= -1.0


def test_a_statistic_of_left_out_people_is_a_difference_unless_said_otherwise() -> None:
    left_out = np.array([0.1, 0.3, 0.2, 0.6])
    found = intervals.interval_of_left_out(0.3, left_out, num_folds=2)
    assert found is not None
    error = np.sqrt(3 / 4 * ((left_out - 0.3) ** 2).sum())
    half = stats.t.ppf(0.975, 3) * error
    assert (found.low, found.high) == pytest.approx((0.3 - half, 0.3 + half))
    assert (found.num_people, found.num_folds, found.conservative) == (4, 2, True)
    limited = intervals.interval_of_left_out(0.3, left_out, num_folds=2, limited=True)
    assert limited is not None
    assert limited.high == pytest.approx(np.tanh(np.arctanh(0.3) + half / (1 - 0.3**2)))
    assert intervals.interval_of_left_out(0.3, left_out[:1], num_folds=2) is None
    assert intervals.interval_of_left_out(0.3, left_out[:2], num_folds=2) is not None


@pytest.mark.parametrize("off", [-1, 0, 1])
def test_with_many_units_the_skew_widens_nothing(off: int) -> None:
    units = intervals.UNITS_WITHOUT_SKEW + off
    spread = intervals.Spread(
        estimate=np.asarray(0.5),
        standard_error=np.asarray(0.05),
        degrees_of_freedom=units - 1,
        method="",
        skewness=np.asarray(2.0),
    )
    low, high = intervals.limits(spread, limited=True)
    half = stats.t.ppf(0.975, units - 1) * 0.05 / 0.75
    plain = np.tanh(np.arctanh(0.5) + np.array([-half, half]))
    assert ((low, high) == pytest.approx(tuple(plain))) == (off >= 0)
