"""Repeated cross-validation, and two results over the same people."""

import numpy as np
import pytest
from scipy import stats

from benchmarks.simulated_people import WORLDS, draw, folds_of
from models.ccc import Moments, ccc
from orchestrator.estimators import intervals
from orchestrator.estimators.paired import compare, holm, people_interval
from orchestrator.estimators.repeats import corrected_resampled_t, person_interval, two_sided
from orchestrator.estimators.sums import Array, Fold


def folds(sums: Array, fold: np.ndarray) -> list[Fold]:
    return [
        {f"P{i}": Moments.from_list(list(sums[i])) for i in np.flatnonzero(fold == k)}
        for k in range(int(fold.max()) + 1)
    ]


def two_runs(people: int) -> Array:
    return draw(np.random.default_rng(0), WORLDS["labels within people"], 1, people, runs=2)[:, 0]


def test_the_corrected_resampled_t_by_hand() -> None:
    """Two repeats of three folds: variance s^2 (1/6 + 1/2), t with 5 degrees of freedom."""
    scores = [[0.1, 0.2, 0.3], [0.2, 0.2, 0.5]]
    found = corrected_resampled_t(scores, num_people=9)
    assert found is not None
    values = np.ravel(scores)
    error = np.sqrt(values.var(ddof=1) * (1 / 6 + 1 / 2))
    assert found.mean == pytest.approx(0.25)
    assert found.standard_error == pytest.approx(error)
    assert (found.low, found.high) == pytest.approx(stats.t.interval(0.95, 5, 0.25, error))
    assert found.p_value == pytest.approx(2 * stats.t.sf(0.25 / error, 5))
    assert (found.repeats, found.folds, found.people) == (2, 3, 9)


def test_of_correlations_the_corrected_resampled_t_stays_within_1() -> None:
    """On Fisher's scale: two folds far apart gave -1.5 to 1.0."""
    scores = [[-0.6, 0.1], [-0.5, 0.3]]
    plain = corrected_resampled_t(scores, num_people=2)
    found = corrected_resampled_t(scores, num_people=2, limited=True)
    assert plain is not None
    assert plain.low < -1.0
    assert found is not None
    half = stats.t.ppf(0.975, 3) * found.standard_error / (1 - found.mean**2)
    assert (found.low, found.high) == pytest.approx(tuple(np.tanh(np.arctanh(found.mean) + np.array([-half, half]))))
    assert -1.0 < found.low < found.mean < found.high < 1.0


def test_more_repeats_do_not_narrow_the_interval_for_ever() -> None:
    once, often = [0.1, 0.2, 0.3, 0.4], [[0.1, 0.2, 0.3, 0.4]] * 100
    one, many = corrected_resampled_t([once], num_people=8), corrected_resampled_t(often, num_people=8)
    assert one is not None
    assert many is not None
    assert many.standard_error > 0.6 * one.standard_error


def test_two_folds_of_one_repeat_are_enough_and_the_longest_repeat_counts() -> None:
    found = corrected_resampled_t([[0.1, 0.3]], num_people=2)
    assert found is not None
    assert found.standard_error == pytest.approx(np.sqrt(0.02 * (1 / 2 + 1)))
    uneven = corrected_resampled_t([[0.1, 0.3], [0.1, 0.2, 0.3]], num_people=3)
    assert uneven is not None
    assert uneven.folds == 3


@pytest.mark.parametrize("scores", [[], [[0.4]], [[0.1], [0.3]]])
def test_no_folds_no_interval(scores: list[list[float]]) -> None:
    assert corrected_resampled_t(scores, num_people=1) is None


def test_p_values_without_any_spread() -> None:
    assert two_sided(0.0, 0.0, 5) == 1.0
    assert two_sided(0.1, 0.0, 5) == 0.0
    assert two_sided(-0.2, 0.1, 7) == pytest.approx(2 * stats.t.sf(2.0, 7))


def test_a_person_is_left_out_of_every_repeat_at_once() -> None:
    (sums, _), other = two_runs(6), np.array([0, 1, 2, 0, 1, 2])
    repeats = [folds(sums, folds_of(6, 3)), folds(sums, other)]
    found = person_interval(repeats)
    assert found is not None

    def score(without: int | None) -> float:
        kept = [i for i in range(6) if i != without]
        values = []
        for fold in (folds_of(6, 3), other):
            pools = [[Moments.from_list(list(sums[i])) for i in kept if fold[i] == k] for k in range(3)]
            values.append(np.mean([ccc(sum(pool, Moments.zero())) for pool in pools]))
        return float(np.mean(values))

    left_out = np.array([score(i) for i in range(6)])
    assert found.estimate == pytest.approx(score(None))
    assert found.standard_error == pytest.approx(np.sqrt(5 / 6 * ((left_out - left_out.mean()) ** 2).sum()))
    assert found.conservative
    half = stats.t.ppf(0.975, 5) * found.standard_error / (1 - found.estimate**2)
    assert found.high == pytest.approx(np.tanh(np.arctanh(found.estimate) + half))
    assert (found.num_people, found.num_folds) == (6, 3)
    assert person_interval([]) is None
    single = {"P0": Moments.from_list(list(sums[0]))}
    assert person_interval([[single], [single]]) is None
    two = person_interval([[single, {"P1": Moments.from_list(list(sums[1]))}]])
    assert two is not None
    own = [ccc(Moments.from_list(list(row))) for row in sums[:2]]
    assert two.standard_error == pytest.approx(abs(own[0] - own[1]) / 2)
    assert (two.num_people, two.num_folds) == (2, 2)
    more = person_interval([folds(sums, other), folds(sums, np.arange(6))])
    assert more is not None
    assert more.num_folds == 6
    assert person_interval([repeats[0], [{"P0": Moments.zero()}]]) is None


def test_two_runs_are_compared_by_what_is_reported_and_by_their_people() -> None:
    one, other = two_runs(8)
    first, second = folds(one, folds_of(8, 8)), folds(other, folds_of(8, 8))
    found = compare(first, second)
    assert found is not None
    own = [np.array([ccc(Moments.from_list(list(row))) for row in run]) for run in (one, other)]
    assert found.p_value == pytest.approx(stats.ttest_rel(*own).pvalue)
    assert found.p_value_of_people == pytest.approx(found.p_value)
    assert found.num_people == 8
    back = compare(second, first)
    assert back is not None
    assert back.reported.estimate == pytest.approx(-found.reported.estimate)


def test_people_are_compared_whatever_folds_they_were_in() -> None:
    one, other = two_runs(9)
    first, second = folds(one, folds_of(9, 3)), folds(other, np.arange(9) % 3)
    found = people_interval(first, second)
    assert found is not None
    own = [np.array([ccc(Moments.from_list(list(row))) for row in run]) for run in (one, other)]
    pairs = own[0] - own[1]
    assert (found.low, found.high) == pytest.approx(stats.t.interval(0.95, 8, pairs.mean(), stats.sem(pairs)))
    whole = compare(first, second)
    assert whole is not None
    assert whole.reported.conservative
    assert whole.of_people == found


def test_two_people_can_be_compared_and_one_cannot() -> None:
    one, other = two_runs(2)
    first, second = folds(one, np.arange(2)), folds(other, np.arange(2))
    found = people_interval(first, second)
    assert found is not None
    assert found.degrees_of_freedom == 1
    assert people_interval(first[:1], second[:1]) is None


def test_a_constant_prediction_counts_against_a_run() -> None:
    one, _ = two_runs(4)
    first = folds(one, np.arange(4))
    still = Moments.of(np.full(5, 0.1), np.arange(5.0))
    second = [{"P0": still}, *first[1:]]
    found = people_interval(first, second)
    assert found is not None
    assert found.estimate == pytest.approx(ccc(first[0]["P0"]) / 4)


def test_nobody_in_common_is_no_comparison() -> None:
    one, other = two_runs(4)
    first = folds(one, folds_of(4, 2))
    others = [{f"X{p}": m for p, m in fold.items()} for fold in folds(other, folds_of(4, 2))]
    assert compare(first, others) is None
    assert people_interval(first, others) is None
    assert intervals.difference_interval(first, others) is None


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([]) == []
