"""The raters' band and their agreement, against values worked out by hand."""

import numpy as np
import pytest

from models.ccc import Moments, ccc
from orchestrator.data.raters import Raters, agreement, raters_of

T = 40
TIME = np.linspace(0.0, 3.0, T)
VALENCE = np.sin(TIME)
EVERYWHERE = np.ones((T, 2), bool)


def described(labels: np.ndarray, scored: np.ndarray) -> Raters:
    return raters_of(tuple(f"R{r}" for r in range(labels.shape[1])), labels, scored)


def ratings(*valences: np.ndarray) -> np.ndarray:
    """(T, R, 2): arousal is each rater's valence upside down."""
    return np.stack([np.stack([one, -one], axis=1) for one in valences], axis=1).astype(np.float32)


def test_the_band_is_the_lowest_and_the_highest_label_there_is() -> None:
    labels = ratings(VALENCE, VALENCE + 0.2, VALENCE - 0.1)
    labels[3, 1] = np.nan
    labels[4] = np.nan
    found = described(labels, EVERYWHERE)
    expected = VALENCE + 0.2
    expected[3], expected[4] = VALENCE[3], np.nan
    np.testing.assert_allclose(found.high_T2[:, 0], expected, atol=1e-6)
    lowest = VALENCE - 0.1
    lowest[4] = np.nan
    np.testing.assert_allclose(found.low_T2[:, 0], lowest, atol=1e-6)
    np.testing.assert_allclose(found.low_T2[:, 1], -expected, atol=1e-6)


def test_agreement_is_each_raters_ccc_with_the_others_mean() -> None:
    one, two, three = VALENCE, 0.5 * VALENCE + 0.1, np.cos(TIME)
    found = agreement([described(ratings(one, two, three), EVERYWHERE)], [[0]])
    pairs = [(one, (two + three) / 2), (two, (one + three) / 2), (three, (one + two) / 2)]
    expected = np.mean([ccc(Moments.of(x, y)) for x, y in pairs])
    assert found is not None
    assert found["valence"] == pytest.approx(expected, abs=1e-6)
    assert found["arousal"] == pytest.approx(expected, abs=1e-6)


def test_agreement_is_pooled_within_a_fold_and_averaged_over_folds() -> None:
    alike, apart = ratings(VALENCE, VALENCE), ratings(VALENCE, -VALENCE)
    both = [described(alike, EVERYWHERE), described(apart, EVERYWHERE)]
    over_folds = agreement(both, [[0], [1]])
    pooled = agreement(both, [[0, 1]])
    assert over_folds is not None
    assert pooled is not None
    assert agreement(both, [[0]]) == pytest.approx({"valence": 1.0, "arousal": 1.0})
    lower = ccc(Moments.of(VALENCE, -VALENCE))
    assert over_folds["valence"] == pytest.approx((1.0 + lower) / 2, abs=1e-6)
    doubled = ccc(Moments.of(np.tile(VALENCE, 2), np.concatenate([VALENCE, -VALENCE])))
    assert pooled["valence"] == pytest.approx(doubled, abs=1e-6)
    assert pooled["valence"] != pytest.approx(over_folds["valence"], abs=1e-3)


def test_only_frames_that_are_scored_count_and_one_rater_agrees_with_nobody() -> None:
    noisy = VALENCE.copy()
    noisy[20:] = np.random.default_rng(0).normal(size=20)
    first_half = EVERYWHERE.copy()
    first_half[20:] = False
    found = agreement([described(ratings(VALENCE, noisy), first_half)], [[0]])
    assert found == pytest.approx({"valence": 1.0, "arousal": 1.0})
    assert agreement([described(ratings(VALENCE), EVERYWHERE)], [[0]]) is None
    assert agreement([None], [[0]]) is None
    assert agreement([described(ratings(VALENCE, VALENCE), ~EVERYWHERE)], [[0]]) is None
