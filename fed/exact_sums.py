# ruff: noqa: N803, N806 - shape suffixes, by the legend below
"""Sums of float32 numbers without any rounding error, and means rounded once, so that order and grouping do not matter.

A float64 holds the sum of a few float32 of similar size exactly. If it does not, the error of the addition is
itself a float64 (Knuth's two-sum) and is stored with the sum. Shapes: N numbers, R kept errors.
"""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

# Elements worked on at a time: the intermediate arrays stay in the processor's cache.
BLOCK = 32768
# A midpoint between two float32 has 25 bits: times a total weight under 2^28 it still is an exact float64.
MAX_TOTAL = 1 << 28
# Exponent of the grain of a block of zeros, which are multiples of anything.
LARGEST_GRAIN = 200
# Bounds grow by a little more than they should: they must hold in spite of their own rounding.
SLACK = 1.0 + 1e-12
WITHOUT_SIGN, ONE = np.uint32(0x7FFFFFFF), np.uint32(1)

Doubles = NDArray[np.float64]


class ExactSum:
    """A weighted sum of arrays (N,) of float32: exactly `high`, plus every `rest[r]` at its `index[r]`.

    All summands of a block are whole multiples of 2^grain and sum up to less than `reach`. As long as that is
    under 2^53 grains no addition can err, and none is checked; otherwise every error is caught and kept.
    """

    __slots__ = ("grain", "high", "index", "reach", "rest", "total")

    def __init__(self, size: int) -> None:
        """Begin with nothing."""
        num_blocks = -(-size // BLOCK)
        self.high: Doubles = np.empty(size)
        self.grain: NDArray[np.int64] = np.full(num_blocks, LARGEST_GRAIN)
        self.reach: Doubles = np.zeros(num_blocks)
        self.index: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self.rest: Doubles = np.empty(0)
        self.total = 0

    def add(self, values: NDArray[np.float32], weight: int = 1) -> None:
        """Add `weight` times finite values (N,); OverflowError when the weights reach 2^28 together."""
        assert values.dtype == np.float32, f"float32 is summed exactly, not {values.dtype}"
        assert values.shape == self.high.shape, f"values {values.shape}, expected {self.high.shape}"
        fresh, self.total = self.total == 0, _total([self.total, weight])
        grain, reach = _grain_and_reach(values)
        self.grain = np.minimum(self.grain, grain)
        self.reach = (self.reach + reach * weight) * SLACK
        exact = _is_exact(self.grain, self.reach)
        buffers = np.empty((4, BLOCK))
        caught = [(self.index, self.rest)]
        for block, start in enumerate(range(0, len(self.high), BLOCK)):
            before, x = self.high[start : start + BLOCK], values[start : start + BLOCK]
            if fresh:
                # Copied and not added to 0: that would turn -0.0 round.
                _widened(x, weight, before)
            elif exact[block]:
                # A product is exact in float64, and only there: 24 bits times fewer than 29 fit its 53.
                np.add(before, x if weight == 1 else _widened(x, weight, buffers[0, : len(x)]), out=before)
            else:
                wide = _widened(x, weight, buffers[0, : len(x)])
                places, errors = _add_and_catch(before, wide, buffers[1:, : len(x)])
                caught.append((places + start, errors))
        self.index, self.rest = (np.concatenate(parts) for parts in zip(*caught, strict=True))

    def mean(self) -> NDArray[np.float32]:
        """Divide by the total weight: (N,), each the float32 nearest to the true mean, ties to even."""
        return mean_of([self])


def mean_of(sums: Sequence[ExactSum]) -> NDArray[np.float32]:
    """Pool sums and divide by their total weight: (N,), each the float32 nearest to the true mean, ties to even.

    In one pass, the sums stay what they are (they may be read-only). OverflowError when the weights reach 2^28
    together.
    """
    total = _total([one.total for one in sums])
    grain = np.min([one.grain for one in sums], axis=0)
    exact = _is_exact(grain, np.sum([one.reach for one in sums], axis=0) * SLACK)
    mean_N = np.empty(len(sums[0].high), dtype=np.float32)
    buffers = np.empty((5, BLOCK))
    caught = [(one.index, one.rest) for one in sums]
    for block, start in enumerate(range(0, len(mean_N), BLOCK)):
        highs = [one.high[start : start + BLOCK] for one in sums]
        pooled = highs[0]
        if len(highs) > 1:
            pooled = buffers[4, : len(highs[0])]
            np.copyto(pooled, highs[0])
        for x in highs[1:]:
            if exact[block]:
                np.add(pooled, x, out=pooled)
            else:
                np.copyto(buffers[0, : len(x)], x)
                places, errors = _add_and_catch(pooled, buffers[0, : len(x)], buffers[1:4, : len(x)])
                caught.append((places + start, errors))
        # Rounded twice and yet right: a float64 quotient misleads only on a midpoint m of two float32. But total * m
        # is a float64, and so is the sum; if they differ, then by more than half a step of m times total.
        np.copyto(mean_N[start : start + BLOCK], np.divide(pooled, total, out=buffers[0, : len(pooled)]), "same_kind")
    index, rest = (np.concatenate(parts) for parts in zip(*caught, strict=True))
    if len(index):
        _correct(mean_N, sums, total, index, rest)
    return mean_N


def _correct(
    mean_N: NDArray[np.float32], sums: Sequence[ExactSum], total: int, index: NDArray[np.int64], rest: Doubles
) -> None:
    """Redo the elements with kept errors: by bounds, and in whole fractions where the bounds do not decide."""
    places_U, group_R = np.unique(index, return_inverse=True)
    # Generous: the bound must hold in spite of its own rounding.
    slack_U = 2.0 * np.bincount(group_R, weights=np.abs(rest))
    high_U = sums[0].high[places_U]
    for one in sums[1:]:
        high_U = high_U + one.high[places_U]  # in the order of the pooling, hence with the same errors
    low_U, up_U = (
        np.nextafter((high_U + sign * slack_U) / total, sign * np.inf).astype(np.float32) for sign in (-1, 1)
    )
    mean_N[places_U] = low_U
    open_U = (low_U != up_U).nonzero()[0]
    order_R = np.argsort(group_R, kind="stable")
    first_U = np.searchsorted(group_R[order_R], np.arange(len(places_U) + 1))
    for u in open_U.tolist():
        rests = rest[order_R[first_U[u] : first_U[u + 1]]].tolist()
        exact = Fraction(float(high_U[u])) + sum(map(Fraction, rests))
        mean_N[places_U[u]] = nearest_float32(exact / total)


def _total(weights: Sequence[int]) -> int:
    """Add weights up; OverflowError unless all are positive (a first one may be 0) and stay under 2^28 together."""
    total = sum(weights)
    if not (weights[-1] > 0 and 0 < total < MAX_TOTAL):
        listed = " + ".join(map(str, weights))
        raise OverflowError(f"weights {listed}: expected positive ones under {MAX_TOTAL} together")
    return total


def _is_exact(grain: NDArray[np.int64], reach: Doubles) -> NDArray[np.bool_]:
    """Return for every block whether no addition within these bounds can err."""
    return np.asarray(reach < np.ldexp(1.0, 53 + grain))


def _widened(values: NDArray[np.float32], factor: int, out: Doubles) -> Doubles:
    """Copy `factor` times the values into float64."""
    if factor == 1:
        np.copyto(out, values)
        return out
    return np.multiply(values, float(factor), out=out, dtype=np.float64)


def _add_and_catch(before: Doubles, x: Doubles, buffers: Doubles) -> tuple[NDArray[np.int64], Doubles]:
    """Add a block in place by Knuth's two-sum, which uses `x` up; gives what rounding took away, and where."""
    after, part, error = buffers
    np.add(before, x, out=after)
    np.subtract(after, before, out=part)
    np.subtract(x, part, out=x)
    np.subtract(after, part, out=part)
    np.subtract(before, part, out=error)
    error += x
    before[:] = after
    (places,) = error.nonzero()
    return places, error[places]


def _grain_and_reach(values: NDArray[np.float32]) -> tuple[NDArray[np.int64], Doubles]:
    """For every block: the exponent of which all its values are multiples, and their largest magnitude."""
    num_blocks = -(-len(values) // BLOCK)
    smallest, largest = np.empty(num_blocks, np.uint32), np.empty(num_blocks, np.uint32)
    all_bits, buffer = values.view(np.uint32), np.empty(BLOCK, np.uint32)
    for block, start in enumerate(range(0, len(values), BLOCK)):
        found = all_bits[start : start + BLOCK]
        # Without their sign the bits of floats are in the order of the floats.
        bits = np.bitwise_and(found, WITHOUT_SIGN, out=buffer[: len(found)])
        largest[block] = bits.max()
        np.subtract(bits, ONE, out=bits)  # zeros, multiples of anything, become the largest
        smallest[block] = bits.min()
    with np.errstate(over="ignore"):
        exponent = ((smallest + ONE) >> np.uint32(23)).astype(np.int64)
    grain = np.where(smallest == np.uint32(0xFFFFFFFF), LARGEST_GRAIN, np.maximum(exponent, 1) - 150)
    return grain, largest.view(np.float32).astype(np.float64)


def nearest_float32(exact: Fraction) -> np.float32:
    """Round to the nearest float32, ties to even."""
    near = np.float32(float(exact))
    offset = exact - Fraction(float(near))
    if offset == 0:
        return near
    other = np.nextafter(near, np.float32(np.inf if offset > 0 else -np.inf))
    twice, gap = 2 * abs(offset), abs(Fraction(float(other)) - Fraction(float(near)))
    odd = bool(near.view(np.int32) & 1)
    return other if twice > gap or (twice == gap and odd) else near
