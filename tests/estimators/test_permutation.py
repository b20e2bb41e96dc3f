"""Flips of signs: by hand, exact against all flips, drawn against exact."""

import itertools

import numpy as np
import pytest

from orchestrator.estimators import permutation
from orchestrator.estimators.permutation import sign_flip_p


def test_by_hand() -> None:
    assert sign_flip_p([1.0, 2.0, 3.0]) == 2 / 8
    assert sign_flip_p([1.0, -2.0, 3.0]) == 6 / 8  # sums 6, 4, 2, 0 with both signs: 2 or more in size
    assert sign_flip_p([0.0, 0.0]) == 1.0
    assert sign_flip_p([-0.5]) == 1.0


def test_all_flips_are_counted_and_equal_sums_in_another_order_are_equal() -> None:
    values = np.random.default_rng(3).normal(0.1, 0.3, size=9).round(1)
    seen = abs(values.sum())
    flips = [abs(np.dot(values, signs)) >= seen - 1e-9 for signs in itertools.product([1, -1], repeat=9)]
    assert sign_flip_p(values) == np.mean(flips)
    assert sign_flip_p(values[::-1]) == sign_flip_p(values)


def test_draws_agree_with_the_exact_p_and_are_seeded(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(5).normal(0.15, 0.3, size=14)
    exact = sign_flip_p(values)
    monkeypatch.setattr(permutation, "EXACT_PEOPLE", 13)
    drawn = sign_flip_p(values)
    assert drawn == sign_flip_p(values)
    assert drawn != exact
    assert drawn == pytest.approx(exact, abs=5 * np.sqrt(exact * (1 - exact) / permutation.DRAWS))


def test_a_p_of_draws_is_never_zero() -> None:
    assert sign_flip_p([1.0] * 40) == 1 / (1 + permutation.DRAWS)
