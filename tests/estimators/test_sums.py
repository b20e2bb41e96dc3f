"""Moments of people as arrays: the same numbers as one by one."""

import numpy as np
import pytest

from models.ccc import Moments, ccc, is_constant
from orchestrator.estimators.sums import by_fold, ccc_of, constant_gold, people_of

GENERATOR = np.random.default_rng(0)
LABELS = [GENERATOR.normal(size=n) for n in (2, 7, 13, 29)]


def test_many_pools_at_once_equal_the_ccc_of_one() -> None:
    generator = np.random.default_rng(0)
    traces = [generator.normal(size=(2, 30)) for _ in range(5)] + [np.stack([np.full(4, 0.3), np.arange(4.0)])]
    moments = [Moments.of(*pair) for pair in traces] + [Moments.zero()]
    found = ccc_of(np.array([one.to_list() for one in moments]))
    assert found.tolist() == pytest.approx([ccc(one) for one in moments], abs=1e-15)
    assert found[-2:].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("gold", LABELS, ids=len)
@pytest.mark.parametrize("value", [0.1, 0.3, -0.7, 1e3])
def test_a_constant_trace_scores_exactly_zero(gold: np.ndarray, value: float) -> None:
    """Whatever rounding leaves in its covariance."""
    still = np.full(len(gold), value)
    for pair in ((still, gold), (gold, still), (still, still)):
        moments = Moments.of(*pair)
        assert ccc_of(np.array(moments.to_list())) == ccc(moments) == 0.0
        assert bool(constant_gold(np.array(moments.to_list()))) is bool((pair[1] == value).all())
    assert is_constant(Moments.of(still, gold))


def test_one_frame_is_constant_and_no_frame_is_too() -> None:
    one = np.array(Moments.of(np.array([0.5]), np.array([0.4])).to_list())
    assert ccc_of(one) == 0.0
    assert constant_gold(one)
    assert constant_gold(np.zeros(7))
    assert ccc_of(np.zeros(7)) == 0.0


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_rounding_does_not_lead_beyond_one(sign: float) -> None:
    assert ccc_of(np.array([4.0, 0.0, 0.0, 1.0, 1.0, sign * (1.0 + 1e-9), 0.0])) == sign


def test_people_are_those_with_a_scored_frame_and_folds_those_with_people() -> None:
    one, two = Moments.of(np.ones(1), np.ones(1)), Moments.of(np.ones(2), np.ones(2))
    found = people_of([{"A": two, "B": Moments.zero()}, {"C": Moments.zero()}, {"D": one, "E": two}])
    assert found.names == ("A", "D", "E")
    assert found.fold_P.tolist() == [0, 1, 1]
    assert found.sums_PS.tolist() == [two.to_list(), one.to_list(), two.to_list()]
    nobody = people_of([{}, {"C": Moments.zero()}])
    assert nobody.names == ()
    assert nobody.sums_PS.shape == (0, 7)


@pytest.mark.parametrize("folds", [[0, 0, 1, 2, 2], [2, 0, 1, 0, 2], [1, 0, 1, 0, 1], [0, 1, 0, 1, 1], [0, 0, 0, 0, 0]])
def test_folds_add_up_in_any_order(folds: list[int]) -> None:
    values = GENERATOR.normal(size=(3, 5, 2))
    found = by_fold(values, np.array(folds))
    assert found.shape == (3, max(folds) + 1, 2)
    for k in range(max(folds) + 1):
        assert found[:, k] == pytest.approx(values[:, [i for i, fold in enumerate(folds) if fold == k]].sum(axis=1))
