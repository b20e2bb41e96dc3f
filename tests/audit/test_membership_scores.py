# ruff: noqa: N803, N806 - shape suffixes, by the legend of the code under test
"""Scores and rates of membership against closed forms and made-up errors; nothing is trained."""

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from orchestrator.audit.membership.rates import (
    auc,
    exact_interval,
    in_turn,
    released_success,
)
from orchestrator.audit.membership.scores import (
    SCORES,
    Known,
    People,
    calibrated_score,
    halves,
    likelihood,
    lira_score,
    loss_score,
    rmia_score,
)
from orchestrator.estimators.bootstrap import share_of_people

SIX = People(person_W=np.array([0, 0, 1, 2, 2, 2]), count_W=np.array([1.0, 3.0, 2.0, 1.0, 1.0, 2.0]), num_people=3)


def known(*, models=32, people=12, windows=4, effect=0.0, noise=0.3, seed=0):
    """Make errors whose logarithm falls by `effect` where the model was trained on the person."""
    generator = np.random.default_rng(seed)
    member_RP = halves(people, models, seed=seed)
    person_W = np.repeat(np.arange(people), windows)
    typical_W = generator.normal(size=people)[person_W]
    log_RW = typical_W - effect * member_RP[:, person_W] + noise * generator.normal(size=(models, len(person_W)))
    whose = People(person_W=person_W, count_W=np.ones(len(person_W)), num_people=people)
    return Known(people=whose, error_RW=np.exp(log_RW), member_RP=member_RP)


def test_halves_are_pairs_that_share_everybody():
    member_RP = halves(7, 8, seed=3)
    assert (member_RP[0::2] ^ member_RP[1::2]).all()
    assert member_RP.sum(axis=0).tolist() == [4] * 7
    assert {int(size) for size in member_RP.sum(axis=1)} == {3, 4}
    assert len({row.tobytes() for row in member_RP}) == 8
    assert (halves(7, 8, seed=3) == member_RP).all()
    assert (halves(7, 8, seed=4) != member_RP).any()


def test_a_persons_error_is_the_mean_over_elements():
    error_1W = np.array([[1.0, 2.0, 5.0, 4.0, 2.0, 1.0]])
    expected = [[(1 + 3 * 2) / 4, 5.0, (4 + 2 + 2) / 4]]
    assert SIX.mean_of(error_1W).tolist() == expected
    assert loss_score(error_1W, Known(people=SIX, error_RW=error_1W, member_RP=np.ones((1, 3), bool))).tolist() == [
        [-one for one in expected[0]]
    ]


def test_the_calibrated_score_looks_at_models_without_the_person_alone():
    error_RW = np.array([[1.0] * 6, [2.0] * 6, [4.0] * 6])
    member_RP = np.array([[True, False, False], [False, True, False], [False, False, True]])
    found = calibrated_score(np.full((1, 6), 0.5), Known(people=SIX, error_RW=error_RW, member_RP=member_RP))
    assert found == pytest.approx(np.array([[3.0, 2.5, 1.5]]) - 0.5)


def test_lira_is_the_log_ratio_of_two_gaussians():
    made = known(models=64, people=3, windows=1, effect=0.5, seed=1)
    target_MW = np.exp(np.array([[0.1, -0.4, 0.3]]))
    log_RP, member_RP = np.log(made.error_RW), made.member_RP
    means, variances = [], []
    for there in (member_RP, ~member_RP):
        mean_P = np.array([log_RP[there[:, p], p].mean() for p in range(3)])
        squares = sum(((log_RP[there[:, p], p] - mean_P[p]) ** 2).sum() for p in range(3))
        means.append(mean_P)
        variances.append(squares / (there.sum() - 3))
    expected = [
        stats.norm.logpdf(np.log(target_MW[0]), mean, math.sqrt(variance))
        for mean, variance in zip(means, variances, strict=True)
    ]
    assert lira_score(target_MW, made)[0] == pytest.approx(expected[0] - expected[1])


def test_rmia_counts_the_windows_that_are_beaten():
    made = known(models=6, people=4, windows=3, effect=0.3, seed=2)
    person_W, target_W = made.people.person_W, made.error_RW[0] * 1.3
    out_RW = ~made.member_RP[:, person_W]
    variance = made.error_RW[out_RW].mean()
    ratio_W = []
    for w, error in enumerate(target_W):
        without = np.mean([math.exp(-made.error_RW[r, w] / (2 * variance)) for r in range(6) if out_RW[r, w]])
        ratio_W.append(math.exp(-error / (2 * variance)) / (0.5 * (1.3 * without + 0.7)))
    expected = [
        np.mean(
            [
                np.mean([ratio_W[w] >= ratio_W[z] for z in range(12) if person_W[z] != person])
                for w in range(12)
                if person_W[w] == person
            ]
        )
        for person in range(4)
    ]
    assert rmia_score(target_W[None], made)[0] == pytest.approx(expected)
    assert np.std(expected) > 0.05


def test_rmia_counts_with_its_offline_constant():
    # Without the person the likelihoods are 0.9 and exp(-0.895), which makes the residual variance 1. With a = 0.3 the
    # second window has the larger ratio, 0.56 / 0.6157 to 0.8 / 0.935; with a = 0 the first would have.
    out_RW = np.array([[-2 * math.log(0.9), 9.0], [9.0, 2 * 0.895]])
    out_RW[1, 1] = 2.0 - out_RW[0, 0]
    two = People(person_W=np.arange(2), count_W=np.ones(2), num_people=2)
    made = Known(people=two, error_RW=out_RW, member_RP=np.array([[False, True], [True, False]]))
    assert rmia_score(np.array([[-2 * math.log(0.8), -2 * math.log(0.56)]]), made).tolist() == [[0.0, 1.0]]


def test_whoever_is_scored_is_left_out_with_the_complement(monkeypatch):
    sizes = set()

    def halved(error_MW, about):
        with_P = about.member_RP.sum(axis=0)
        assert (2 * with_P == len(about.member_RP)).all()
        sizes.add(len(about.member_RP))
        return loss_score(error_MW, about)

    monkeypatch.setitem(SCORES, "halved", halved)
    in_turn("halved", known(models=8, people=5))
    assert sizes == {6, 4}


def test_a_likelihood_has_its_largest_value_at_no_error():
    assert likelihood(np.array([0.0, 2.0]), 4.0) == pytest.approx([1.0, math.exp(-0.25)])


@pytest.mark.parametrize("name", SCORES)
def test_nothing_is_found_where_training_leaves_no_trace(name):
    rates = [in_turn(name, known(people=40, models=16, windows=2, seed=seed)) for seed in range(3)]
    found: list[Any] = [share_of_people(one.success_P, seed=0) for one in rates]
    # 120 people, each with an error of at most 0.5 / sqrt(16): the mean is within four of its own of a half.
    assert abs(np.mean([one.value for one in found]) - 0.5) < 4 * 0.5 / math.sqrt(16 * 120)
    assert any(one.lower < 0.5 < one.upper for one in found)
    assert abs(np.mean([one.pooled_auc for one in rates]) - 0.5) < 0.05


@pytest.mark.parametrize(("name", "least"), [("loss", 0.52), ("calibrated", 0.97), ("lira", 0.99), ("rmia", 0.7)])
def test_a_strong_trace_is_found(name, least):
    found = in_turn(name, known(effect=2.0, noise=0.3))
    assert found.success_P.mean() > least
    assert found.pooled_auc > least
    if name in ("calibrated", "lira"):
        assert found.true_positives_at(found.smallest_rate).mean() > 0.9


def test_the_success_of_lira_is_that_of_two_gaussians():
    # One window: two Gaussians at a distance of 1.5 deviations, whose best threshold is right with Phi(0.75).
    found = in_turn("lira", known(people=60, windows=1, effect=0.45, noise=0.3, seed=5))
    expected = stats.norm.cdf(0.75)
    assert found.success_P.mean() == pytest.approx(expected, abs=3 * math.sqrt(expected * (1 - expected) / (32 * 60)))
    assert found.pooled_auc == pytest.approx(stats.norm.cdf(1.5 / math.sqrt(2)), abs=0.03)


def test_false_positives_are_each_persons_own():
    found = in_turn("loss", known(people=30, effect=0.0, noise=0.1, seed=7))
    rate = found.smallest_rate
    assert rate == 1 / 16
    called_RP = (found.p_RP <= rate) & ~found.member_RP
    # By one threshold for all the easiest people would be called by every model; by their own nobody often.
    assert called_RP.sum(axis=0).max() <= 5
    assert called_RP.sum() / (~found.member_RP).sum() == pytest.approx(rate, abs=0.03)


def test_the_target_and_its_complement_are_left_out():
    made = known(models=8, people=5, effect=0.5)
    changed = made.error_RW.copy()
    changed[1] *= 100.0  # the complement of model 0
    other = Known(people=made.people, error_RW=changed, member_RP=made.member_RP)
    for name in SCORES:
        before, after = in_turn(name, made), in_turn(name, other)
        for one in ("score_RP", "called_RP", "p_RP"):
            assert (getattr(before, one)[0] == getattr(after, one)[0]).all(), (name, one)
        assert (before.score_RP[1] != after.score_RP[1]).any()


def test_an_area_by_hand():
    assert auc(np.array([1.0, 2.0, 3.0]), np.array([0.0, 2.0])) == pytest.approx((1 + 1.5 + 2) / 6)
    assert auc(np.array([]), np.array([1.0])) == 0.5


def test_released_models_are_compared_person_by_person():
    score_KP = np.array([[0.9, 5.0, 1.0], [0.1, 4.0, 2.0], [0.5, 3.0, 3.0]])
    member_KP = np.array([[True, True, True], [False, False, True], [True, False, True]])
    found = released_success(score_KP, member_KP)
    assert found[:2].tolist() == [1.0, 1.0]
    assert math.isnan(found[2])


def test_exact_intervals():
    # Clopper and Pearson's table: 8 of 10, and no success of 10.
    assert exact_interval(8, 10) == pytest.approx((0.4439, 0.9748), abs=5e-5)
    assert exact_interval(0, 10) == pytest.approx((0.0, 0.3085), abs=5e-5)
    assert exact_interval(10, 10)[1] == 1.0
