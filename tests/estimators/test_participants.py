import numpy as np
import pytest

from models.ccc import Moments
from orchestrator.estimators.participants import participant_ccc, participant_mean, spread

RIGHT = Moments.of(np.arange(4.0), np.arange(4.0))
STILL = Moments.of(np.full(4, 0.3), np.arange(4.0))
UNLABELLED = Moments.of(np.arange(4.0), np.full(4, 0.3))


def test_a_constant_prediction_scores_zero_and_only_a_constant_gold_standard_is_left_out() -> None:
    """One person right, two constant: 1/3, where leaving them out said 1."""
    people = {"A": RIGHT, "B": STILL, "C": STILL, "D": UNLABELLED, "E": Moments.zero()}
    assert participant_ccc(people) == {"A": 1.0, "B": 0.0, "C": 0.0}
    assert participant_mean(people) == pytest.approx(1 / 3)


def test_nobody_with_spread_is_nobody_and_not_zero() -> None:
    assert participant_mean({"D": UNLABELLED, "E": Moments.zero()}) is None
    assert participant_mean({}) is None


def test_the_spread_divides_by_k_less_one() -> None:
    assert spread([0.2, 0.6]) == pytest.approx(0.4 / np.sqrt(2))
    assert spread(iter([0.1, 0.2, 0.3])) == pytest.approx(0.1)
    assert spread([0.4]) is None
    assert spread([]) is None
