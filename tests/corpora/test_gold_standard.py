"""Gold standards against known answers, and with raters who are missing, constant or contrary."""

import numpy as np
import pytest

from models.ccc import Moments, ccc
from orchestrator.corpora.catalogue import GOLD_STANDARDS
from orchestrator.corpora.gold_standard import (
    delayed,
    gold_standard,
    pairwise_agreement,
    rater_agreement,
)
from orchestrator.errors import InputError
from orchestrator.protocols import LABEL_SHIFTS


def ratings(*traces: object) -> np.ndarray:
    """(T, R, 2): each trace (T,) is one rater's valence, and half of it the arousal."""
    stacked = np.stack([np.asarray(trace, dtype=np.float32) for trace in traces], axis=1)
    return np.stack([stacked, stacked / 2], axis=2)


def noisy(num_raters: int = 6, num_rows: int = 200, seed: int = 3) -> np.ndarray:
    generator = np.random.default_rng(seed)
    latent = np.cumsum(generator.normal(0, 0.05, (num_rows, 1, 2)), axis=0)
    bias = generator.normal(0, 0.1, (1, num_raters, 2))
    noise = generator.normal(0, 1, (num_rows, num_raters, 2)) * np.linspace(0.02, 0.4, num_raters)[None, :, None]
    return np.clip(latent + bias + noise, -1, 1).astype(np.float32)


SIGNAL = np.sin(np.linspace(0, 7, 50)) / 2


def test_mean_and_median_differ_and_are_right() -> None:
    given = ratings([0.0, 0.1], [0.1, 0.1], [0.8, 0.4])
    np.testing.assert_allclose(gold_standard(given, "mean")[:, 0], [0.3, 0.2], atol=1e-7)
    np.testing.assert_allclose(gold_standard(given, "median")[:, 0], [0.1, 0.1], atol=1e-7)
    np.testing.assert_allclose(gold_standard(given, "mean")[:, 1], [0.15, 0.1], atol=1e-7)


def test_decimals() -> None:
    given = ratings([0.123], [0.124])
    assert gold_standard(given, "mean", decimals=2).tolist() == [[np.float32(0.12), np.float32(0.06)]]


def test_ewe_in_closed_form() -> None:
    """Two equal raters and one who is far off: agreements from y = x + c."""
    given = ratings(SIGNAL, SIGNAL, SIGNAL + 0.4)
    variance = float(np.var(SIGNAL))
    off = 2 * variance / (2 * variance + 0.4**2)
    weights = np.array([(1 + off) / 2, (1 + off) / 2, off])
    expected = SIGNAL + 0.4 * weights[2] / weights.sum()
    np.testing.assert_allclose(gold_standard(given, "ewe")[:, 0], expected, atol=1e-6)


def test_ccc_centred_is_the_formula_of_avec() -> None:
    given = noisy().astype(np.float64)
    gold = gold_standard(given.astype(np.float32), "ccc-centred")
    for d in range(2):
        x = given[:, :, d]
        a = [np.mean([ccc(Moments.of(x[:, r], x[:, other])) for other in range(6) if other != r]) for r in range(6)]
        m = x.mean(axis=0)
        expected = x.mean(axis=1) - x.mean() + np.dot(a, m) / np.sum(a)
        assert min(a) > 0  # else the formula is not the plain one
        np.testing.assert_allclose(gold[:, d], expected, atol=1e-5)
    assert np.abs(gold - gold_standard(given.astype(np.float32), "mean")).max() > 1e-3


def test_ccc_centred_avec_keeps_the_weight_of_a_contrary_rater() -> None:
    """By AVEC 2018's formula, as independent lines; `ccc-centred` sets the contrary rater's weight to 0."""
    given = ratings(SIGNAL, SIGNAL * 0.9 + 0.1, -SIGNAL - 0.3).astype(np.float64)
    x = given[:, :, 0]
    a = [np.mean([ccc(Moments.of(x[:, r], x[:, other])) for other in range(3) if other != r]) for r in range(3)]
    assert a[2] < 0 < min(a[:2])
    m = x.mean(axis=0)
    for kind, weights in (("ccc-centred-avec", np.array(a)), ("ccc-centred", np.array([a[0], a[1], 0.0]))):
        expected = x.mean(axis=1) - x.mean() + np.dot(weights, m) / np.sum(weights)
        np.testing.assert_allclose(gold_standard(given.astype(np.float32), kind)[:, 0], expected, atol=1e-5)


def test_halves_fall_as_the_decimals_in_the_files_do() -> None:
    """Means .015 and .005 by hand: to even. What float32 holds of .01 and .02 lies below, of .03 below, too."""
    given = ratings([0.01, 0.00, 0.01], [0.02, 0.01, 0.06])
    assert gold_standard(given, "mean", decimals=2, rounding="float64")[:2, 0].tolist() == [np.float32(0.02), 0.0]
    assert gold_standard(given, "mean", decimals=2)[:2, 0].tolist() == [np.float32(0.01), 0.0]


def test_labels_of_six_raters_are_those_of_plain_python() -> None:
    """Hundredths of six raters: sum from left to right, divided by 6, rounded to even at the second decimal."""
    hundredths = np.random.default_rng(5).integers(-100, 101, (400, 6))
    expected = []
    for row in hundredths.tolist():
        total = 0.0
        for value in row:
            total += value / 100
        expected.append(round(total / 6 * 100) / 100)
    given = np.repeat((hundredths / 100)[:, :, None], 2, axis=2).astype(np.float32)
    found = gold_standard(given, "mean", decimals=2, rounding="float64")
    assert found[:, 0].tolist() == np.array(expected, dtype=np.float32).tolist()
    older = gold_standard(given, "mean", decimals=2)
    differ = (np.abs(older - found)[:, 0] > 0.005).mean()
    assert 0.04 < differ < 0.14  # a sixth of the means are exact halves, and about half of these fall otherwise
    assert np.array_equal(gold_standard(given, "mean", rounding="float64"), gold_standard(given, "mean"))


def test_a_contrary_rater_has_no_weight() -> None:
    given = ratings(SIGNAL, SIGNAL, -SIGNAL)
    np.testing.assert_allclose(gold_standard(given, "ewe")[:, 0], SIGNAL, atol=1e-6)
    assert rater_agreement(given)[2, 0] == pytest.approx(-1.0, abs=0.05)


def test_where_only_a_weightless_rater_has_a_label_that_label_counts() -> None:
    given = ratings(SIGNAL, SIGNAL, -SIGNAL)
    given[10:20, :2] = np.nan
    np.testing.assert_allclose(gold_standard(given, "ewe")[10:20, 0], -SIGNAL[10:20], atol=1e-6)


def test_no_jump_where_a_biased_rater_stops() -> None:
    given = ratings(SIGNAL, SIGNAL, SIGNAL + 0.4)
    given[25:, 2] = np.nan
    gold = gold_standard(given, "ccc-centred")[:, 0]
    means = np.nanmean(given[:, :, 0], axis=0)
    centred = np.nanmean(given[:, :, 0] - means, axis=1)
    np.testing.assert_allclose(gold - gold.mean(), centred - centred.mean(), atol=1e-6)


@pytest.mark.parametrize("kind", GOLD_STANDARDS)
class TestEveryKind:
    def test_equal_raters_give_themselves(self, kind: str) -> None:
        np.testing.assert_allclose(gold_standard(ratings(SIGNAL, SIGNAL), kind)[:, 0], SIGNAL, atol=1e-6)

    def test_shape_and_type(self, kind: str) -> None:
        gold = gold_standard(noisy(), kind)
        assert gold.shape == (200, 2)
        assert gold.dtype == np.float32

    def test_one_rater(self, kind: str) -> None:
        given = ratings(SIGNAL)
        np.testing.assert_allclose(gold_standard(given, kind), given[:, 0], atol=1e-6)

    def test_one_row(self, kind: str) -> None:
        np.testing.assert_allclose(gold_standard(ratings([0.2], [0.4]), kind)[:, 0], [0.3], atol=1e-6)

    def test_a_label_wherever_a_rater_has_one_and_nowhere_else(self, kind: str) -> None:
        generator = np.random.default_rng(0)
        given = noisy()
        given[generator.uniform(size=given.shape) < 0.7] = np.nan
        given[:5] = np.nan
        given[:, 2] = np.nan
        given[:, 3] = np.where(np.isnan(given[:, 3]), np.nan, 0.1)
        gold = gold_standard(given, kind)
        np.testing.assert_array_equal(np.isnan(gold), np.isnan(given).all(axis=1))
        assert np.isnan(gold).any()

    def test_all_constant_or_all_contrary(self, kind: str) -> None:
        constant = ratings(np.full(9, 0.1), np.full(9, 0.3))
        np.testing.assert_allclose(gold_standard(constant, kind)[:, 0], np.full(9, 0.2), atol=1e-6)
        assert np.isfinite(gold_standard(ratings(SIGNAL, -SIGNAL), kind)).all()

    def test_no_label_at_all(self, kind: str) -> None:
        assert np.isnan(gold_standard(np.full((4, 3, 2), np.nan, dtype=np.float32), kind)).all()


def test_unknown_kind_lists_the_known() -> None:
    with pytest.raises(
        InputError, match="--gold: found mode; expected one of mean, median, ccc-centred, ccc-centred-avec, ewe"
    ):
        gold_standard(noisy(), "mode")


def test_agreement_is_symmetric_and_divides_by_n() -> None:
    given = ratings([0.0, 0.2, 0.4], [0.1, 0.2, 0.1], [np.nan, np.nan, np.nan])
    agreement = pairwise_agreement(given)
    x, y = np.array([0.0, 0.2, 0.4]), np.array([0.1, 0.2, 0.1])
    covariance = ((x - x.mean()) * (y - y.mean())).mean()
    expected = 2 * covariance / (x.var() + y.var() + (x.mean() - y.mean()) ** 2)
    assert agreement[0, 1, 0] == agreement[1, 0, 0] == pytest.approx(expected, abs=1e-6)
    assert np.isnan(agreement[[0, 1, 2], [0, 1, 2]]).all()
    assert np.isnan(agreement[2]).all()
    np.testing.assert_array_equal(rater_agreement(given)[2], [0.0, 0.0])


def test_delay_moves_labels_earlier() -> None:
    time = np.round(np.arange(100) * 0.04, 2)
    labels = np.stack([np.arange(100) / 100, -np.arange(100) / 100], axis=1).astype(np.float32)
    moved = delayed(labels, time, 0.4)
    np.testing.assert_array_equal(moved[:90], labels[10:])
    assert np.isnan(moved[90:]).all()


def test_delay_goes_by_time_not_by_rows() -> None:
    time = np.array([0.0, 1.0, 2.0, 3.0, 10.0, 11.0, 12.0])
    labels = np.repeat(np.arange(7)[:, None] / 10, 2, axis=1).astype(np.float32)
    moved = delayed(labels, time, 2.0)[:, 0]
    np.testing.assert_allclose(moved, [0.2, 0.3, np.nan, np.nan, 0.6, np.nan, np.nan], atol=1e-7)


def test_delay_of_several_raters_and_of_nothing() -> None:
    given = noisy()
    time = np.arange(200) * 0.04
    np.testing.assert_array_equal(delayed(given, time, 1.0)[:175], given[25:])
    np.testing.assert_array_equal(delayed(given, time, 0.0), given)
    assert np.isnan(delayed(given[:1], time[:1], 1.0)).all()


def test_delays_shorter_than_half_a_frame_change_nothing_but_rounding() -> None:
    given = noisy()
    time = np.arange(200) * 0.04
    np.testing.assert_array_equal(delayed(given, time, 0.019), given)


@pytest.mark.parametrize(
    ("time", "seconds", "frames"),
    [
        (np.arange(200) / 10, 0.25, 2),
        (np.arange(200) * 0.1 + 0.3, 0.25, 2),
        (np.arange(200) * 0.1, 0.26, 3),
        (np.arange(200) * 0.1, 0.05, 0),
        (np.arange(200) / 25, 0.5, 12),
        (np.round(np.arange(300) / 30, 3), 0.05, 1),  # times of files are rounded
        (np.round(np.arange(2, 302) / 30, 3), 0.05, 1),
        (np.round(np.arange(300) / 30, 3), 4.25, 127),
        (np.arange(4000) / 29.97, 0.25, 7),
    ],
)
def test_a_delay_in_whole_frames_is_one_for_all_frames(time: np.ndarray, seconds: float, frames: int) -> None:
    """Half a frame to fewer; the nearest label is now one, now the other."""
    labels = np.repeat(np.arange(len(time), dtype=np.float32)[:, None], 2, axis=1)
    moved = delayed(labels, time, seconds, shift="whole-frames")
    np.testing.assert_array_equal(moved[: len(time) - frames], labels[frames:])
    assert np.isnan(moved[len(time) - frames :]).all()


def test_the_nearest_label_falls_by_the_last_digits_of_times() -> None:
    """As in runs of before, bit for bit."""
    labels = np.arange(20, dtype=np.float32)
    found = delayed(labels, np.arange(20) / 10, 0.25) - labels
    assert found[:18].tolist() == [2, 2, 2, 3, 3, 2, 2, 2, 2, 2, 2, 3, 2, 2, 2, 2, 3, 2]


def test_whole_frames_go_by_time_and_irregular_clocks_by_the_nearest() -> None:
    lost = np.array([0.0, 0.1, 0.2, 0.3, 0.4, 0.8, 0.9, 1.0, 1.1, 1.2])
    labels = np.arange(10, dtype=np.float32)
    moved = delayed(labels, lost, 0.25, shift="whole-frames")
    np.testing.assert_array_equal(moved, [2, 3, 4, np.nan, np.nan, 7, 8, 9, np.nan, np.nan])
    irregular = np.array([0.0, 0.4, 1.0, 1.1, 3.0])
    for shift in LABEL_SHIFTS:
        np.testing.assert_array_equal(delayed(labels[:5], irregular, 0.7, shift=shift), [np.nan, 3, *[np.nan] * 3])
    # 0.2 s lies in the middle of 0 and 0.4 s, up to the digits that a file keeps of them.
    rounded = irregular - np.array([0.0, 5e-7, 0.0, 0.0, 0.0])
    assert delayed(labels[:5], rounded, 0.2, shift="whole-frames")[0] == 0.0
    assert delayed(labels[:5], rounded, 0.2)[0] == 1.0


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf")])
def test_impossible_delays(seconds: float) -> None:
    with pytest.raises(InputError, match="--label-delay"):
        delayed(noisy(), np.arange(200, dtype=np.float64) * 0.04, seconds)


@pytest.mark.parametrize("kind", GOLD_STANDARDS)
def test_a_rater_without_any_label_changes_nothing(kind: str) -> None:
    given = noisy()
    nobody = np.full((len(given), 1, 2), np.nan, dtype=np.float32)
    more = np.concatenate([given[:, :1], nobody, given[:, 1:]], axis=1)
    np.testing.assert_allclose(gold_standard(more, kind), gold_standard(given, kind), atol=1e-6)


def test_raters_who_hardly_agree_are_weighted_by_that_too() -> None:
    """Agreements that add up to less than 1: the level is still the agreeing raters', not everybody's."""
    wave, other = np.sin(np.arange(400) * np.pi / 10), np.cos(np.arange(400) * np.pi / 10)
    given = ratings(0.3 * wave, 0.3 * other + 0.02 * wave + 0.2, 0.3 * other[::-1] - 0.3 * wave - 0.6)
    agreed = np.maximum(rater_agreement(given)[:, 0], 0.0)
    assert 0.0 < agreed.sum() < 0.5
    means = given.astype(np.float64).mean(axis=0)[:, 0]
    gold = gold_standard(given, "ccc-centred")[:, 0]
    assert gold.mean() == pytest.approx(float(agreed @ means / agreed.sum()), abs=1e-5)
    assert abs(gold.mean() - means.mean()) > 0.05


def test_agreement_is_over_the_frames_that_both_labelled() -> None:
    given = noisy(3)
    given[:40, 0] = np.nan
    given[150:, 1] = np.nan
    given[:30, 2, 1] = np.nan
    found = pairwise_agreement(given)
    for one, other, d in ((0, 1, 0), (0, 2, 0), (1, 2, 1), (0, 1, 1)):
        both = np.isfinite(given[:, one, d]) & np.isfinite(given[:, other, d])
        expected = ccc(Moments.of(given[both, one, d], given[both, other, d]))
        assert found[one, other, d] == found[other, one, d] == pytest.approx(expected)


def test_two_raters_agree_with_the_others_as_with_each_other() -> None:
    given = noisy(2)
    agreement = pairwise_agreement(given)
    np.testing.assert_allclose(rater_agreement(given), np.stack([agreement[0, 1]] * 2))
    np.testing.assert_array_equal(rater_agreement(given[:, :1]), np.zeros((1, 2)))


def test_two_frames_can_be_delayed() -> None:
    labels = np.array([[0.1, 0.2], [0.3, 0.4]], dtype=np.float32)
    moved = delayed(labels, np.array([0.0, 1.0]), 1.0)
    np.testing.assert_array_equal(moved, [labels[1], [np.nan, np.nan]])


def test_a_label_half_a_frame_away_counts_and_one_farther_does_not() -> None:
    """Of two as near the earlier one counts; times of files are rounded."""
    time = np.arange(5.0)
    labels = np.repeat(np.arange(5, dtype=np.float32)[:, None], 2, axis=1)
    np.testing.assert_array_equal(delayed(labels, time, 1.5)[:, 0], [1, 2, 3, 4, np.nan])
    np.testing.assert_array_equal(delayed(labels, time, 1.6)[:, 0], [2, 3, 4, np.nan, np.nan])
    np.testing.assert_array_equal(delayed(labels, time, 0.5 + 5e-7)[:, 0], [1, 2, 3, 4, 4])
