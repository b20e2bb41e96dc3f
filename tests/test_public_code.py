"""Equal to what public code gives: numbers written down from runs of it on the small inputs below.

audmetric 1.4.2; End2You, github end2you/end2you 29657c0, evaluation/metric_provider.py; MuSe-Toolbox, github
lstappen/MuSe-Toolbox 5ac211c, gold_standard/EWE.py; AVEC 2018, github AudioVisualEmotionChallenge/AVEC2018 097bfcf,
scripts_GES/GoldStandardCreation/GSCreation.py and scripts_CES/baseline_lstm.py; scikit-learn 1.9.1, StandardScaler.
"""

import numpy as np
import pytest

from models.ccc import Moments, ccc, mae, mse, pearson
from orchestrator.corpora.gold_standard import delayed, gold_standard, rater_agreement
from orchestrator.data.series import statistics

T = np.arange(40)
FIRST = (np.sin(T / 4) * 0.5).round(2)
SECOND = (np.sin(T / 4 - 0.3) * 0.4 + 0.1).round(2)
CONTRARY = (np.cos(T / 5) * 0.3 - 0.05).round(2)
LATE = (np.sin(T / 4 - 0.5) * 0.3 - 0.05).round(2)


def ratings(*raters: np.ndarray) -> np.ndarray:
    """Stack raters (T,) as (T, R, 2); arousal is valence."""
    return np.repeat(np.stack(raters, axis=1)[:, :, None], 2, axis=2).astype(np.float32)


def test_ccc_is_that_of_audmetric_end2you_and_avec() -> None:
    moments = Moments.of(SECOND, FIRST)
    assert ccc(moments) == pytest.approx(0.8893691551242088, abs=1e-14)
    assert ccc(Moments.of(LATE, SECOND)) == pytest.approx(0.7397176815972866, abs=1e-14)
    halves = Moments.of(SECOND[:20], FIRST[:20]) + Moments.of(SECOND[20:], FIRST[20:])
    assert ccc(halves) == pytest.approx(0.8893691551242086, abs=1e-14)


def test_the_other_measures_are_those_of_audmetric() -> None:
    moments = Moments.of(SECOND, FIRST)
    assert pearson(moments) == pytest.approx(0.9456163564943012, abs=1e-14)
    assert mse(moments) == pytest.approx(0.020655, abs=1e-14)
    assert mae(moments) == pytest.approx(0.1145, abs=1e-14)


def test_the_evaluator_weighted_estimator_is_that_of_muse() -> None:
    """To its rounding: to 3 decimals after each rater, of weights from a CCC that divides variances by n - 1."""
    expected = [0.06, 0.139, 0.217, 0.279, 0.329, 0.36, 0.372, 0.362, 0.33, 0.281, 0.214, 0.134, 0.046, -0.042, -0.132]
    expected += [-0.215, -0.28, -0.331, -0.363, -0.372, -0.357, -0.32, -0.26, -0.188, -0.101, -0.007, 0.091, 0.186]
    expected += [0.265, 0.339, 0.392, 0.423, 0.429, 0.415, 0.376, 0.315, 0.243, 0.152, 0.056, -0.04]
    found = gold_standard(ratings(FIRST, SECOND, CONTRARY), "ewe")
    assert found[:, 0] == pytest.approx(expected, abs=0.0016)
    # The weights make the difference: the plain mean lies ten times as far away.
    assert np.abs(gold_standard(ratings(FIRST, SECOND, CONTRARY), "mean")[:, 0] - expected).max() > 0.015


def test_ccc_centring_is_that_of_avec() -> None:
    """Where no rater contradicts the others: AVEC's script keeps negative weights."""
    three = ratings(FIRST, SECOND, LATE)
    assert rater_agreement(three)[:, 0] == pytest.approx([0.80375926, 0.81454342, 0.72893352], abs=1e-7)
    expected = [-0.066814, 0.029852, 0.126519, 0.213186, 0.293186, 0.353186]
    expected += [0.393186, 0.409852, 0.403186, 0.373186, 0.316519, 0.246519]
    assert gold_standard(three, "ccc-centred")[:12, 0] == pytest.approx(expected, abs=1e-6)


def test_labels_are_moved_to_the_front_as_avecs_are() -> None:
    """By 0.4 s at 10 frames per second; where AVEC's script appends zeros there is no label here."""
    labels = (np.arange(12.0) / 10).astype(np.float32)
    found = delayed(labels, np.arange(12) / 10, 0.4)
    assert found[:8] == pytest.approx([0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1])
    assert np.isnan(found[8:]).all()


def test_z_scores_are_those_of_scikit_learn() -> None:
    """Dividing by n; a column that never moves becomes 0."""
    features = np.array([[1.0, 10.0, 3.0], [2.0, 10.0, -1.0], [4.0, 10.0, 0.5], [7.0, 10.0, 2.0]], dtype=np.float32)
    mean, sd = statistics([features[:1], features[1:]])
    expected = [
        [-1.091089451179962, 0.0, 1.2371791482634837],
        [-0.6546536707079772, 0.0, -1.4021363680319483],
        [0.2182178902359924, 0.0, -0.4123930494211613],
        [1.5275252316519468, 0.0, 0.5773502691896257],
    ]
    assert ((features - mean) / sd).tolist() == [pytest.approx(row, abs=1e-12) for row in expected]
