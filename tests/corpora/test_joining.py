"""Labels on the frames of the features: nearest, between neighbours, never across a gap."""

import numpy as np
import pytest
from numpy.typing import ArrayLike

from orchestrator.corpora.align import BRIDGED_SECONDS, bridged, join, step_of


def at(times: ArrayLike, *values: object) -> np.ndarray:
    return join(np.asarray(times, dtype=np.float64), *map(np.asarray, values)).ravel()


def test_equal_clocks_row_by_row() -> None:
    # 0.01 s lies nearer to its neighbours than half a frame; its missing label stays missing all the same.
    time = np.array([0.0, 0.01, 0.02, 1.0, 2.0, 3.0])
    labels = np.array([[0.1], [np.nan], [0.3], [0.4], [0.5], [0.6]])
    np.testing.assert_array_equal(join(time, time.copy(), labels), labels.astype(np.float32))


def test_dense_labels_the_nearest_within_half_a_frame() -> None:
    label_time = np.arange(0, 101) * 0.01
    got = at([0.0, 0.1, 0.204, 0.296, 0.4, 2.0], label_time, label_time[:, None])
    np.testing.assert_allclose(got[:5], [0.0, 0.1, 0.2, 0.3, 0.4], atol=1e-6)
    assert np.isnan(got[5])


def test_the_limit_is_half_a_feature_frame() -> None:
    time = np.array([0.0, 1.0, 2.0, 3.0])
    label_time = np.array([0.5, 1.505, 2.4, 3.6])
    got = at(time, label_time, np.array([[0.1], [0.2], [0.3], [0.4]]))
    np.testing.assert_array_equal(got, np.array([0.1, 0.1, 0.3, np.nan], dtype=np.float32))


def test_equal_rates_with_another_start() -> None:
    """RECOLA: 7500 rows of features from 0.04 s, 7501 rows of labels from 0 s."""
    time = np.round(np.arange(1, 7501) * 0.04, 2)
    label_time = np.round(np.arange(0, 7501) * 0.04, 2)
    labels = np.arange(7501, dtype=np.float64)[:, None] / 7501
    np.testing.assert_array_equal(join(time, label_time, labels), labels[1:].astype(np.float32))


def test_sparse_labels_lie_on_the_line_between_neighbours() -> None:
    got = at(np.arange(0, 21) * 0.1, np.array([0.0, 1.0, 2.0]), np.array([[0.0], [1.0], [0.0]]))
    np.testing.assert_allclose(got, 1 - np.abs(np.arange(0, 21) * 0.1 - 1), atol=1e-6)


def test_nothing_is_extrapolated() -> None:
    got = at([0.9, 1.0, 1.5, 3.0, 3.1, 5.0], np.array([1.0, 2.0, 3.0]), np.array([[0.1], [0.2], [0.3]]))
    np.testing.assert_allclose(got, [np.nan, 0.1, 0.15, 0.3, np.nan, np.nan], atol=1e-6)


def test_no_line_across_a_gap_of_more_than_two_steps() -> None:
    label_time = np.array([0.0, 1.0, 2.0, 4.0, 5.0, 8.1, 9.1])
    time = np.arange(0, 92) * 0.1
    got = at(time, label_time, np.zeros((7, 1)))
    missing = (time > 5.0001) & (time < 8.0999)
    assert missing.sum() == 30
    np.testing.assert_array_equal(np.isnan(got), missing)


def test_a_hole_in_one_raters_labels_is_that_raters_alone() -> None:
    label_time = np.arange(0.0, 8.0)
    labels = np.stack([np.arange(8.0) / 10, np.arange(8.0) / 10], axis=1)
    labels[3, 0] = np.nan  # one missing: 2 steps, connected
    labels[3:5, 1] = np.nan  # two missing: 3 steps, not connected
    got = join(np.array([2.5, 3.0, 3.5, 4.0, 4.5, 5.0]), label_time, labels)
    np.testing.assert_allclose(got[:, 0], [0.25, 0.3, 0.35, 0.4, 0.45, 0.5], atol=1e-6)
    np.testing.assert_allclose(got[:, 1], [np.nan] * 5 + [0.5], atol=1e-6)


@pytest.mark.parametrize("rows", [1, 2])
def test_a_rater_without_any_label(rows: int) -> None:
    assert np.isnan(at(np.arange(rows) * 0.04, np.arange(9) * 0.04, np.full((9, 1), np.nan))).all()


def test_one_feature_row_and_one_label() -> None:
    assert at([0.5], np.array([0.51]), np.array([[0.7]])) == pytest.approx(0.7)
    assert np.isnan(at([0.5], np.array([0.6]), np.array([[0.7]]))).all()
    assert at([0.5, 0.6], np.array([0.5]), np.array([[0.7]]))[0] == pytest.approx(0.7)


def test_the_step_is_the_median() -> None:
    assert step_of(np.array([0.0, 1.0, 2.0, 30.0])) == 1.0
    assert step_of(np.array([3.0])) is None


def test_short_gaps_are_bridged_long_ones_and_ends_are_not() -> None:
    time = np.arange(100, dtype=np.float64) * 0.04
    feature = np.linspace(0, 1, 100, dtype=np.float32)[:, None]
    holed = feature.copy()
    holed[:2] = holed[98:] = np.nan
    longest = round(BRIDGED_SECONDS / 0.04) - 1  # 11 frames between values 0.48 s apart
    holed[10 : 10 + longest] = np.nan
    holed[50 : 50 + longest + 2] = np.nan
    filled = bridged(time, holed)
    np.testing.assert_allclose(filled[10 : 10 + longest], feature[10 : 10 + longest], atol=1e-6)
    assert np.flatnonzero(np.isnan(filled)).tolist() == [0, 1, *range(50, 50 + longest + 2), 98, 99]
    np.testing.assert_array_equal(bridged(time, filled), filled)  # once is enough: a converted corpus stays as it is


def test_bridging_goes_by_time_not_by_rows() -> None:
    """Trials a minute apart are never connected."""
    values = np.array([[0.0], [np.nan], [1.0]], dtype=np.float32)
    assert np.isnan(bridged(np.array([0.0, 60.0, 120.0]), values)[1])
