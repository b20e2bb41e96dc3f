"""CCC against closed forms, its merging laws, and constant traces."""

import json
import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from models.ccc import (
    Moments,
    ccc,
    frame_moments,
    is_constant,
    mae,
    mse,
    pearson,
    window_moments,
)

TRACE = np.sin(np.arange(50) / 3) + 0.2


@pytest.mark.parametrize("shift", [0.0, 0.3, -2.0])
def test_a_shift_costs_the_known_amount(shift: float) -> None:
    variance = TRACE.var()
    found = Moments.of(TRACE + shift, TRACE)
    assert ccc(found) == pytest.approx(2 * variance / (2 * variance + shift**2), abs=1e-14)
    assert pearson(found) == pytest.approx(1.0, abs=1e-14)
    assert mse(found) == pytest.approx(shift**2, abs=1e-14)
    assert mae(found) == pytest.approx(abs(shift), abs=1e-14)


@pytest.mark.parametrize("factor", [0.5, 3.0, -1.0, -0.25])
def test_a_factor_costs_the_known_amount(factor: float) -> None:
    variance, mean = TRACE.var(), TRACE.mean()
    expected = 2 * factor * variance / ((1 + factor**2) * variance + ((factor - 1) * mean) ** 2)
    found = Moments.of(factor * TRACE, TRACE)
    assert ccc(found) == pytest.approx(expected, abs=1e-14)
    assert pearson(found) == pytest.approx(math.copysign(1.0, factor), abs=1e-14)


def test_variances_divide_by_n() -> None:
    # x = 0, 1 and y = 0, 2: means 1/2 and 1, variances 1/4 and 1, covariance 1/2. Over n - 1 it would be 8/11.
    assert ccc(Moments.of(np.array([0.0, 1.0]), np.array([0.0, 2.0]))) == pytest.approx(2 / 3, abs=1e-15)


def test_perfect_agreement_is_exactly_one() -> None:
    found = Moments.of(TRACE, TRACE)
    assert (ccc(found), mse(found), mae(found)) == (1.0, 0.0, 0.0)


@given(
    st.lists(st.tuples(st.floats(-3, 3, width=32), st.integers(-100, 100)), min_size=2, max_size=60),
    st.lists(st.integers(0, 60), max_size=4),
)
def test_merged_moments_equal_those_of_the_whole(pairs: list[tuple[float, int]], cuts: list[int]) -> None:
    x, y = np.array([p for p, _ in pairs]), np.array([g / 100 for _, g in pairs])
    # Rounding of the sums enters relative to spread over size; labels and predictions of use spread more than this.
    assume(all(v.std() > 0.03 * np.sqrt((v * v).mean()) for v in (x, y)))
    edges = [0, *sorted(min(c, len(x)) for c in cuts), len(x)]
    parts = [Moments.of(x[a:b], y[a:b]) for a, b in pairwise(edges)]
    merged, whole = sum(parts, Moments.zero()), Moments.of(x, y)
    assert merged.n == whole.n
    for measure in (ccc, pearson, mse, mae):
        assert measure(merged) == pytest.approx(measure(whole), abs=1e-12)
    assert is_constant(merged) == is_constant(whole)


@pytest.mark.parametrize("value", [0.3, -0.1, 1e6, 1e-20, 0.0])
@pytest.mark.parametrize("num_parts", [1, 1000])
def test_a_constant_trace_scores_zero_and_is_flagged(value: float, num_parts: int) -> None:
    constant = np.full(len(TRACE), value)
    rounded = constant.astype(np.float32)
    for pair in ((constant, TRACE), (TRACE, constant), (constant, constant), (rounded, TRACE), (TRACE, rounded)):
        found = sum([Moments.of(*pair)] * num_parts, Moments.zero())
        assert is_constant(found)
        assert (ccc(found), pearson(found)) == (0.0, 0.0)
        assert math.isfinite(mse(found))


def test_a_trace_that_varies_is_not_flagged() -> None:
    for small in (TRACE * 1e-12, 0.5 + TRACE * 1e-4, TRACE * 1e6):
        assert not is_constant(Moments.of(small, TRACE))


def test_wild_predictions_keep_the_score_in_range() -> None:
    found = Moments.of(1e6 + 1e3 * TRACE, TRACE)
    assert 0 < ccc(found) < 1e-6
    assert pearson(found) == pytest.approx(1.0, abs=1e-6)


def test_no_frames_score_zero_and_are_flagged() -> None:
    empty = Moments.of(np.zeros(0), np.zeros(0))
    assert empty == Moments.zero()
    assert is_constant(empty)
    assert (ccc(empty), pearson(empty), mse(empty), mae(empty)) == (0.0, 0.0, 0.0, 0.0)


def test_moments_survive_json() -> None:
    found = Moments.of(TRACE, TRACE[::-1])
    assert Moments.from_list(json.loads(json.dumps(found.to_list()))) == found


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_only_finite_frames_are_taken(bad: float) -> None:
    with pytest.raises(AssertionError, match="finite"):
        Moments.of(np.array([0.0, bad]), np.zeros(2))


def test_frames_outside_the_mask_or_never_predicted_do_not_count() -> None:
    prediction = np.array([[0.1, 0.2], [np.nan, np.nan], [0.5, 0.6], [0.7, 0.9]], dtype=np.float32)
    gold = np.array([[0.2, 0.1], [0.3, 0.3], [np.nan, 0.4], [0.6, 0.5]], dtype=np.float32)
    valence, arousal = frame_moments(prediction, gold, np.isfinite(gold))
    assert valence == Moments.of(prediction[[0, 3], 0], gold[[0, 3], 0])
    assert arousal == Moments.of(prediction[[0, 2, 3], 1], gold[[0, 2, 3], 1])


def test_window_moments_are_those_of_the_means() -> None:
    rng = np.random.default_rng(0)
    prediction, gold = rng.normal(size=(11, 2)), rng.normal(size=(11, 2))
    mask = rng.random((11, 2)) < 0.6
    mask[4:8] = False  # the second window of four has no label and is left out
    gold[~mask] = np.nan
    for d, found in enumerate(window_moments(prediction, gold, mask, 4)):
        spans = [np.flatnonzero(mask[a:b, d]) + a for a, b in ((0, 4), (8, 11))]
        assert all(len(span) for span in spans)
        expected = Moments.of(
            np.array([prediction[span, d].mean() for span in spans]),
            np.array([gold[span, d].mean() for span in spans]),
        )
        assert found.to_list() == pytest.approx(expected.to_list(), abs=1e-14)
    none = np.zeros((0, 2))
    assert window_moments(none, none, none.astype(np.bool_), 4) == (Moments.zero(), Moments.zero())


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_rounding_never_leads_beyond_one(sign: float) -> None:
    found = Moments.from_list([4, 0.0, 0.0, 1.0, 1.0, sign * (1.0 + 1e-9), 0.0])
    assert ccc(found) == pearson(found) == sign


def test_errors_without_frames_are_zero() -> None:
    assert mse(Moments.zero()) == mae(Moments.zero()) == 0.0
