# ruff: noqa: N803, N806 - shape suffixes, by the legend below
"""Sums of float32 numbers without any rounding error, and means rounded once: no order or grouping can show.

A float64 holds the sum of a few float32 of like size exactly. Where it does not, the error of the addition is
itself a float64 (Knuth's two-sum) and is kept beside. Shapes: N numbers, R kept errors.
"""

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

# Elements worked on at a time: the intermediate arrays stay in the processor's cache.
BLOCK = 8192
# A midpoint between two float32 has 25 bits: times a total weight under 2^28 it still is an exact float64.
MAX_TOTAL = 1 << 28
# Exponent of the grain of a block of zeros, which are multiples of anything.
LARGEST_GRAIN = 200

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
        grain, reach = _grain_and_reach(values)
        self._add(values, weight, grain, reach * weight, weight)

    def merge(self, other: "ExactSum") -> None:
        """Add another sum, with its weights."""
        self._add(other.high, 1, other.grain, other.reach, other.total)
        self.index = np.concatenate((self.index, other.index))
        self.rest = np.concatenate((self.rest, other.rest))

    def mean(self) -> NDArray[np.float32]:
        """Divide by the total weight: (N,), each the float32 nearest to the true mean, ties to even."""
        assert self.total > 0, "a mean of nothing"
        # Rounded twice and yet right: a float64 quotient misleads only on a midpoint m of two float32. But total * m
        # is a float64, and so is `high`; if they differ, then by more than half a step of m times total.
        mean_N = np.empty(len(self.high), dtype=np.float32)
        for start in range(0, len(mean_N), BLOCK):
            mean_N[start : start + BLOCK] = self.high[start : start + BLOCK] / self.total
        if len(self.index):
            self._correct(mean_N)
        return mean_N

    def _add(
        self, values: NDArray[np.floating], factor: int, grain: NDArray[np.int64], reach: Doubles, weight: int
    ) -> None:
        assert values.shape == self.high.shape, f"values {values.shape}, expected {self.high.shape}"
        if not (weight > 0 and self.total + weight < MAX_TOTAL):
            raise OverflowError(f"weights {self.total} + {weight}: expected positive ones under {MAX_TOTAL} together")
        fresh = self.total == 0
        self.total += weight
        self.grain = np.minimum(self.grain, grain)
        # A little more each time: the bounds must hold in spite of their own rounding.
        self.reach = (self.reach + reach) * (1.0 + 1e-12)
        exact = self.reach < np.ldexp(1.0, 53 + self.grain)
        buffers = np.empty((4, BLOCK))
        caught = [(self.index, self.rest)]
        for block, start in enumerate(range(0, len(self.high), BLOCK)):
            before, x = self.high[start : start + BLOCK], values[start : start + BLOCK]
            if fresh:
                # Copied and not added to 0: that would turn -0.0 round.
                np.multiply(x, float(factor), out=before, dtype=np.float64)
            elif exact[block]:
                if factor != 1:
                    # Exact in float64, and only there: 24 bits times fewer than 29 fit its 53.
                    x = np.multiply(x, float(factor), out=buffers[0, : len(x)], dtype=np.float64)
                np.add(before, x, out=before)
            else:
                places, errors = _add_and_catch(before, x, factor, buffers[:, : len(x)])
                caught.append((places + start, errors))
        self.index, self.rest = (np.concatenate(parts) for parts in zip(*caught, strict=True))

    def _correct(self, mean_N: NDArray[np.float32]) -> None:
        """Redo the elements with kept errors: by bounds, and in whole fractions where the bounds do not decide."""
        places_U, group_R = np.unique(self.index, return_inverse=True)
        # Generous: the bound must hold in spite of its own rounding.
        slack_U = 2.0 * np.bincount(group_R, weights=np.abs(self.rest))
        high_U = self.high[places_U]
        low_U, up_U = (
            np.nextafter((high_U + sign * slack_U) / self.total, sign * np.inf).astype(np.float32) for sign in (-1, 1)
        )
        mean_N[places_U] = low_U
        open_U = (low_U != up_U).nonzero()[0]
        order_R = np.argsort(group_R, kind="stable")
        first_U = np.searchsorted(group_R[order_R], np.arange(len(places_U) + 1))
        for u in open_U.tolist():
            rests = self.rest[order_R[first_U[u] : first_U[u + 1]]].tolist()
            exact = Fraction(float(high_U[u])) + sum(map(Fraction, rests))
            mean_N[places_U[u]] = nearest_float32(exact / self.total)


def _add_and_catch(
    before: Doubles, values: NDArray[np.floating], factor: int, buffers: Doubles
) -> tuple[NDArray[np.int64], Doubles]:
    """Add a block in place by Knuth's two-sum; gives what rounding took away, and where."""
    x, after, part, error = buffers
    np.multiply(values, float(factor), out=x, dtype=np.float64)
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
    for block, start in enumerate(range(0, len(values), BLOCK)):
        # Without their sign the bits of floats are in the order of the floats.
        bits = values[start : start + BLOCK].view(np.uint32) & np.uint32(0x7FFFFFFF)
        largest[block] = bits.max()
        bits -= np.uint32(1)  # zeros, multiples of anything, become the largest
        smallest[block] = bits.min()
    with np.errstate(over="ignore"):
        exponent = ((smallest + np.uint32(1)) >> np.uint32(23)).astype(np.int64)
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
