"""The bootstrap over participants: known ends, and what it does where it has no width."""

import numpy as np
import pytest

from orchestrator.estimators.bootstrap import mean_of_shares, over_people, share_of_people, wilson


def test_wilson_as_in_the_textbook():
    """Agresti and Coull 1998, section 1: 0 of 10 and 5 of 10."""
    assert wilson(0.0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert wilson(0.5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    assert wilson(1.0, 10) == pytest.approx((0.7225, 1.0), abs=1e-4)


def test_people_who_all_agree_leave_the_width_that_their_number_allows():
    found = share_of_people(np.ones(10), seed=0)
    assert (found.value, found.upper) == (1.0, 1.0)
    assert found.lower == pytest.approx(0.7225, abs=1e-4)


def test_a_mean_has_about_the_ends_of_its_normal_interval():
    values = np.random.default_rng(0).normal(size=400)
    found = over_people(lambda drawn: float(values[drawn].mean()), 400, seed=1)
    half = 1.96 * values.std() / 20
    assert found.value == pytest.approx(values.mean())
    assert found.lower == pytest.approx(values.mean() - half, abs=0.015)
    assert found.upper == pytest.approx(values.mean() + half, abs=0.015)


def test_bounds_are_those_of_the_values():
    found = share_of_people(np.array([-1.0, 1.0] * 20), seed=0, lowest=-1.0)
    low, high = wilson(0.5, 40)
    assert found.value == 0.0
    assert found.lower is not None
    assert found.upper is not None
    assert found.lower <= 2 * low - 1
    assert found.upper >= 2 * high - 1


def test_the_mean_of_shares_weighs_groups_and_not_people_alike():
    """Wilson's ends of 10 of 10 and 0 of 20, whose distances from the shares add up in squares."""
    found = mean_of_shares([np.ones(10), np.zeros(20)], seed=0)
    assert found.value == 0.5
    assert found.lower == pytest.approx(0.5 - (1.0 - wilson(1.0, 10)[0]) / 2)
    assert found.upper == pytest.approx(0.5 + wilson(0.0, 20)[1] / 2)


def test_the_interval_of_a_mean_of_shares_is_about_the_normal_one():
    generator = np.random.default_rng(0)
    groups = [generator.permutation([1.0] * ones + [0.0] * (100 - ones)) for ones in (30, 60, 50)]
    found = mean_of_shares(groups, seed=0)
    half = 1.96 * np.sqrt(sum(group.var() / 100 for group in groups)) / 3
    assert found.value == pytest.approx(1.4 / 3)
    assert found.lower == pytest.approx(1.4 / 3 - half, abs=0.006)
    assert found.upper == pytest.approx(1.4 / 3 + half, abs=0.006)


def test_one_person_has_no_interval():
    assert over_people(lambda _: 3.0, 1, seed=0).lower is None
    assert share_of_people(np.array([0.5]), seed=0).upper is None


def test_a_seed_repeats_and_another_differs():
    values = np.random.default_rng(0).normal(size=20)
    ends = [over_people(lambda drawn: float(values[drawn].mean()), 20, seed=seed).lower for seed in (0, 0, 1)]
    assert ends[0] == ends[1] != ends[2]
