"""Sums without rounding: against whole fractions, in every order and grouping, over the whole range of float32."""

import itertools
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fed.exact_sums import BLOCK, MAX_TOTAL, ExactSum, mean_of, nearest_float32

LARGEST = float(np.finfo(np.float32).max)
FLOATS = st.floats(min_value=-LARGEST, max_value=LARGEST, width=32)


def summed(rows: Sequence[NDArray[np.float32]], weights: Sequence[int]) -> ExactSum:
    total = ExactSum(len(rows[0]))
    for row, weight in zip(rows, weights, strict=True):
        total.add(row, weight)
    return total


def true_mean(rows: Sequence[NDArray[np.float32]], weights: Sequence[int]) -> NDArray[np.float32]:
    columns = np.stack(rows).T.tolist()
    products = [[Fraction(x) * w for x, w in zip(column, weights, strict=True)] for column in columns]
    exact = [sum(column, Fraction(0)) / sum(weights) for column in products]
    return np.array([nearest_float32(value) for value in exact], dtype=np.float32)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(FLOATS, st.integers(1, 5000)), min_size=1, max_size=6))
def test_the_mean_is_the_nearest_float_to_the_true_one(pairs: list[tuple[float, int]]) -> None:
    rows = [np.array([value], dtype=np.float32) for value, _ in pairs]
    weights = [weight for _, weight in pairs]
    np.testing.assert_array_equal(summed(rows, weights).mean(), true_mean(rows, weights))


def wide_rows(num_rows: int, size: int) -> list[NDArray[np.float32]]:
    """Magnitudes from subnormal to huge in one element: a float64 alone would round."""
    rng = np.random.default_rng(3)
    return [
        (rng.normal(size=size) * 10.0 ** rng.integers(-44, 30, size=size)).astype(np.float32) for _ in range(num_rows)
    ]


def naive_mean(rows: Sequence[NDArray[np.float32]], weights: Sequence[int]) -> NDArray[np.float32]:
    """What plain float32 makes of the same rows, in their order."""
    total = np.zeros_like(rows[0])
    for row, weight in zip(rows, weights, strict=True):
        total += row * np.float32(weight)
    return total / np.float32(sum(weights))


def test_neither_order_nor_grouping_shows() -> None:
    rows, weights = wide_rows(4, 300), [1, 7, 30, 4]
    expected = true_mean(rows, weights)
    assert len(summed(rows, weights).rest) > 100  # the errors of addition are real here
    orders = list(itertools.permutations(range(4)))
    naive = [naive_mean([rows[i] for i in order], [weights[i] for i in order]) for order in orders]
    assert len({mean.tobytes() for mean in naive}) > 1
    assert not any(np.array_equal(mean, expected) for mean in naive)
    for order in orders:
        found = summed([rows[i] for i in order], [weights[i] for i in order])
        np.testing.assert_array_equal(found.mean(), expected)
    for parts in ([[0], [1, 2, 3]], [[3, 1], [0, 2]], [[2], [0], [3], [1]]):
        sums = [summed([rows[i] for i in part], [weights[i] for i in part]) for part in parts]
        for one in sums:
            one.high.flags.writeable = False  # as it comes from another process
        np.testing.assert_array_equal(mean_of(sums), expected)


def test_what_rounding_takes_away_in_a_later_block_is_put_back_there() -> None:
    weights = [1, 7, 30, 4]
    small = wide_rows(4, 60)
    rows = [np.concatenate([np.ones(BLOCK, np.float32), row]) for row in small]
    expected = true_mean(small, weights)
    whole = summed(rows, weights)
    assert len(whole.rest) > 20
    assert whole.index.min() >= BLOCK
    parts = [summed(rows[:2], weights[:2]), summed(rows[2:], weights[2:])]
    for mean in (whole.mean(), mean_of(parts)):
        np.testing.assert_array_equal(mean[BLOCK:], expected)
        assert (mean[:BLOCK] == 1).all()


@pytest.mark.parametrize(("steps", "aside", "expected"), [(1, 1, 2), (3, -1, 2), (1, -1, 0), (3, 1, 4), (1, 0, 0)])
def test_a_float64_that_is_rounded_to_a_midpoint_misleads_nobody(steps: int, aside: int, expected: int) -> None:
    """In steps of 2^-24 above 1, of which two lie between two float32; `aside` is far below a float64's grain."""
    for sign in (1, -1):
        exact = sign * (1 + Fraction(steps, 2**24) + Fraction(aside, 2**80))
        assert nearest_float32(exact) == np.float32(sign * (1 + expected / 2**24))


def test_weights_stay_under_two_to_the_28() -> None:
    row = np.ones(1, np.float32)
    summed([row], [2**28 - 1])
    with pytest.raises(OverflowError, match="expected positive ones under 268435456 together"):
        summed([row], [2**28])


def test_a_row_alone_has_the_weight_one() -> None:
    total = ExactSum(1)
    for value in (1.0, 2.0):
        total.add(np.array([value], np.float32))
    assert total.total == 2
    assert total.mean()[0] == 1.5


def test_cancellation_leaves_what_was_small() -> None:
    big, small = np.array([2.0**100], np.float32), np.array([2.0**-140], np.float32)
    total = summed([big, small, -big], [1, 1, 1])
    assert total.mean()[0] == np.float32(2.0**-140 / 3)
    for parts in ([[big], [small], [-big]], [[-big], [big, small]], [[big, small], [-big]]):
        assert mean_of([summed(rows, [1] * len(rows)) for rows in parts])[0] == np.float32(2.0**-140 / 3)


@settings(max_examples=300, deadline=None)
@given(st.integers(1 << 23, (1 << 24) - 1), st.integers(-149, 100), st.integers(1, 5000), st.integers(-3, 3))
def test_next_to_midpoints(mantissa: int, exponent: int, total: int, step: int) -> None:
    """Sums as close to `total` times a midpoint of two float32 as a float64 can be."""
    exact = ExactSum(1)
    exact.total = total
    middle = np.float64((2 * mantissa + 1) * 2.0 ** (exponent - 1)) * total
    for _ in range(abs(step)):
        middle = np.nextafter(middle, np.copysign(np.inf, step))
    exact.high[:] = middle
    assert exact.mean()[0] == nearest_float32(Fraction(float(middle)) / total)


def test_a_quotient_between_two_floats_is_rounded_once() -> None:
    rows = [np.array([value], dtype=np.float32) for value in (1.0, 1.0 + 2.0**-23, 1.0, 2.0**-60)]
    for kept in (rows[:2], rows[:3], rows, [rows[0], rows[1], -rows[3]]):
        weights = [1] * len(kept)
        np.testing.assert_array_equal(summed(kept, weights).mean(), true_mean(kept, weights))


def test_one_summand_and_equal_summands_stay_what_they_are() -> None:
    row = np.array([0.1, -0.0, 0.0, 1e-45, -LARGEST, 3.0], dtype=np.float32)
    for count in (1, 2, 3, 7):
        found = summed([row] * count, [5] * count).mean()
        assert found.tobytes() == row.tobytes()  # the sign of zero included


def test_long_arrays_go_through_in_blocks() -> None:
    """Every place beside the edges of the blocks in whole fractions, the others to a step of float32."""
    rng = np.random.default_rng(0)
    rows = [rng.normal(size=2 * BLOCK + 5).astype(np.float32) for _ in range(3)]
    rows[1][BLOCK] = 1e-30
    weights = [1, 2, 3]
    edges = np.r_[0:4, BLOCK - 4 : BLOCK + 4, 2 * BLOCK - 4 : 2 * BLOCK + 5]
    expected = true_mean([row[edges] for row in rows], weights)
    nearly = np.average(np.stack(rows).astype(np.float64), axis=0, weights=weights)
    apart = [summed([row], [weight]) for row, weight in zip(rows, weights, strict=True)]
    assert not any(len(one.rest) for one in apart)  # only pooling them errs
    for mean in (summed(rows, weights).mean(), mean_of(apart)):
        np.testing.assert_array_equal(mean[edges], expected)
        np.testing.assert_allclose(mean, nearly, rtol=2.0**-24, atol=1e-40)


def test_weights_that_would_round_are_refused() -> None:
    total = ExactSum(1)
    one = np.ones(1, dtype=np.float32)
    total.add(one, MAX_TOTAL - 2)
    with pytest.raises(OverflowError, match=str(MAX_TOTAL)):
        total.add(one, 2)
    with pytest.raises(OverflowError):
        total.add(one, 0)
    other = ExactSum(1)
    other.add(one, 2)
    with pytest.raises(OverflowError, match="together"):
        mean_of([total, other])
    assert total.mean()[0] == 1.0


def test_sums_that_err_only_together_are_checked() -> None:
    """Each half is under 2^53 grains of 2^-23, both together are not: the last bit decides a midpoint of float32."""
    halves = [[2.0**29, 1.0 + 2.0**-23], [2.0**29, 63.0]]
    sums = [summed([np.array([value], np.float32) for value in half], [1, 1]) for half in halves]
    assert not any(len(one.rest) for one in sums)
    # 2^28 + 16 + 2^-25: above the middle between 2^28 and 2^28 + 32; without the bit exactly on it, and even is 2^28.
    assert mean_of(sums)[0] == np.float32(2.0**28 + 32)
    assert mean_of(sums[::-1])[0] == np.float32(2.0**28 + 32)
    together = summed([np.array([value], np.float32) for half in halves for value in half], [1] * 4)
    assert len(together.rest) == 1
    assert together.mean()[0] == np.float32(2.0**28 + 32)


def test_every_place_has_its_own_errors() -> None:
    """What is left after cancellation differs from place to place, some have two errors, some none."""
    big = np.full(5, 2.0**100, np.float32)
    small = np.array([1.0, 2.0, 0.0, 3.0, 2.0**-20], np.float32)
    tiny = np.array([2.0**-60, 0.0, 0.0, -(2.0**-70), 2.0**-90], np.float32)
    rows = [big, small, tiny, -big]
    np.testing.assert_array_equal(summed(rows, [1] * 4).mean(), true_mean(rows, [1] * 4))
    parts = [summed(rows[:2], [1, 1]), summed(rows[2:], [1, 1])]
    np.testing.assert_array_equal(mean_of(parts), true_mean(rows, [1] * 4))


def test_the_grain_is_the_largest_that_all_values_are_multiples_of() -> None:
    """A float32 of exponent e has 23 bits after its first; a smaller grain would have additions checked in vain."""
    for values, grain in (([1.0], -23), ([1.0, 2.0**-5], -28), ([0.0, 8.0], -20), ([1e-45], -149), ([0.0], 200)):
        assert summed([np.array(values, np.float32)], [1]).grain.tolist() == [grain], values
