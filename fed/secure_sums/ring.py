"""Fixed point in rings of 32 or 64 bits: sums that cannot overflow, by a bound that is checked beforehand.

A number x of a client counts `weight` times; round(x / 2^exponent) * weight is added modulo 2^bits. With n clients,
weights up to W and |x| <= bound, n * W * (bound / 2^exponent + 1) < 2^(bits - 1), so the sum is exact and its sign is
known. The error of a weighted mean is at most half a step, 2^(exponent - 1). Shapes: S numbers of a part.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Ours: statistics of normalisations follow the data, whose size nobody knows beforehand.
STATISTIC_BOUND = 65_536.0
# Ours: a round's loss and seconds; twelve days.
SCALAR_BOUND = 1_048_576.0
# A 32-bit ring is taken if its step is at most so long, 2^-22, else one of 64 bits; ours: a mean's error of 1.2e-7
# is that of float32's own rounding of a weight of 1 or 2.
COARSEST = -22
# Shorter steps than float32 numbers of this size have would be of no use.
FINEST = -44
NONE = 1024  # an exponent that no number has
# Numbers worked on at a time: the intermediate arrays stay in the processor's cache.
PIECE = 1 << 14

Ring = NDArray[Any]  # unsigned, of 32 or 64 bits


class RingError(ValueError):
    """Numbers that no ring holds: what they are, and the arithmetic."""


class OutOfBound(ValueError):  # noqa: N818 - it names what was found
    """A number of a client lies outside the bound that the ring was chosen for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """`size` numbers of one kind; `weighted` ones count as often as their client's weight says."""

    name: str
    size: int
    bound: float
    bits: int
    exponent: int
    weighted: bool = True

    @property
    def dtype(self) -> np.dtype[Any]:
        """Unsigned, little-endian on every machine."""
        return np.dtype(f"<u{self.bits // 8}")

    @property
    def num_bytes(self) -> int:
        """Bytes of the part of one client."""
        return self.size * self.bits // 8

    @property
    def step(self) -> float:
        """Distance of two numbers of the ring."""
        return math.ldexp(1.0, self.exponent)


def part(  # noqa: PLR0913 - all that the bound is made of
    name: str,
    size: int,
    *,
    bound: float,
    num_clients: int,
    max_weight: int,
    weighted: bool = True,
    least_bits: int = 32,
    coarsest: int = COARSEST,
) -> Part:
    """Choose ring and step of `size` numbers called `name`; RingError if their sum could overflow 64 bits.

    Each of `num_clients` has numbers of at most `bound` in size, which count up to `max_weight` times if `weighted`.
    The ring has `least_bits` bits or more; a step is at most 2^`coarsest`.
    """
    if not (num_clients > 0 and max_weight > 0 and 0 < bound < math.inf):
        raise RingError(
            f"{name}: {num_clients} clients, weights up to {max_weight}, bound {bound}: all must be above 0"
        )
    largest = num_clients * (max_weight if weighted else 1)
    for bits in (32, 64):
        exponent = max(_finest_exponent(largest, bound, bits), FINEST)
        if bits >= least_bits and exponent <= coarsest:
            return Part(name=name, size=size, bound=bound, bits=bits, exponent=exponent, weighted=weighted)
    needed = math.log2(largest * bound) - coarsest + 1
    raise RingError(
        f"{name}: {num_clients} clients x weight {largest // num_clients} x {bound:g} in steps of 2^{coarsest} are "
        f"{needed:.1f} bits, there are 64"
    )


def _finest_exponent(largest: int, bound: float, bits: int) -> int:
    if 2 * largest > 1 << (bits - 1):
        return NONE
    exponent = math.ceil(math.log2(largest * bound)) - (bits - 1)
    while not fits(largest, bound, exponent, bits):
        exponent += 1
    return exponent


def fits(largest: int, bound: float, exponent: int, bits: int) -> bool:
    """Return whether `largest` times a number of at most `bound` stays in the signed half of the ring."""
    return largest * (math.floor(math.ldexp(bound, -exponent)) + 1) < 1 << (bits - 1)


def zeros(parts: Sequence[Part]) -> list[Ring]:
    """Return empty sums, one array per part."""
    return [np.zeros(one.size, one.dtype) for one in parts]


def quantised(one: Part, values: NDArray[np.floating], weight: int, origin: NDArray[np.floating] | None = None) -> Ring:
    """Return `weight` times (values - origin) of shape (S,) in the ring; OutOfBound names neither number nor place."""
    assert values.shape == (one.size,), f"{one.name}: {values.shape}, expected ({one.size},)"
    if one.weighted:
        assert weight >= 1, f"weight {weight}"
    found = np.empty(one.size, one.dtype)
    in_steps = found.view(f"<i{one.bits // 8}")
    factor, scale = one.dtype.type(weight if one.weighted else 1), math.ldexp(1.0, -one.exponent)
    most = one.bound * scale
    buffer = np.empty(min(PIECE, one.size))
    for start in range(0, one.size, PIECE):
        x = buffer[: min(PIECE, one.size - start)]
        if origin is None:
            np.copyto(x, values[start : start + PIECE])
        else:
            np.subtract(values[start : start + PIECE], origin[start : start + PIECE], out=x, dtype=np.float64)
        np.multiply(x, scale, out=x)
        if not (-most <= x.min() and x.max() <= most):
            raise OutOfBound(f"{one.name}: more than {one.bound:g} from what it was sent, the bound of secure sums")
        np.rint(x, out=x)
        np.copyto(in_steps[start : start + PIECE], x, casting="unsafe")
        if factor != 1:
            piece = found[start : start + PIECE]
            np.multiply(piece, factor, out=piece)
    return found


def add(total: Ring, other: Ring) -> None:
    """Add in the ring, in place."""
    np.add(total, other, out=total)


def signed_sum(one: Part, total: Ring) -> NDArray[Any]:
    """Return the exact sum in steps, (S,): integers with their sign."""
    return total.view(f"<i{one.bits // 8}")


def mean(one: Part, total: Ring, weight: int) -> NDArray[np.float64]:
    """Return the mean of `weight` numbers in all, (S,)."""
    return signed_sum(one, total).astype(np.float64) * (one.step / weight)
