"""Shamir's shares of 32 bytes: `threshold` of them give the secret back, fewer say nothing of it (CACM 22, 1979)."""

from collections.abc import Callable, Mapping, Sequence

SECRET_BYTES = 32
# The smallest prime above 2^256: every secret of 32 bytes is a number of the field.
PRIME = (1 << 256) + 297
SHARE_BYTES = 33
# Numbers of so many bytes modulo the prime are uniform but for 2^-120.
_DRAWN_BYTES = 48

Random = Callable[[int], bytes]


def split(secret: bytes, places: Sequence[int], threshold: int, random: Random) -> dict[int, bytes]:
    """Return a share of 33 bytes for each place (different whole numbers from 1); ValueError for impossible numbers."""
    if len(secret) != SECRET_BYTES:
        raise ValueError(f"a secret of {len(secret)} bytes, expected {SECRET_BYTES}")
    if not 1 <= threshold <= len(places) or len({*places}) != len(places) or min(places) < 1:
        raise ValueError(f"threshold {threshold} of the places {list(places)}: expected different ones from 1, enough")
    drawn = [int.from_bytes(random(_DRAWN_BYTES), "big") % PRIME for _ in range(threshold - 1)]
    coefficients = [int.from_bytes(secret, "big"), *drawn]
    return {place: _value(coefficients, place).to_bytes(SHARE_BYTES, "big") for place in places}


def _value(coefficients: Sequence[int], place: int) -> int:
    value = 0
    for one in reversed(coefficients):
        value = (value * place + one) % PRIME
    return value


def combined(shares: Mapping[int, bytes], threshold: int) -> bytes:
    """Return the secret of at least `threshold` shares by their places; ValueError if it is none, or too few."""
    if len(shares) < threshold:
        raise ValueError(f"{len(shares)} shares, {threshold} are needed")
    chosen = {place: int.from_bytes(shares[place], "big") for place in sorted(shares)[:threshold]}
    secret = 0
    for place, value in chosen.items():
        above = below = 1
        for other in chosen:
            if other != place:
                above = above * other % PRIME
                below = below * (other - place) % PRIME
        secret = (secret + value * above * pow(below, -1, PRIME)) % PRIME
    if secret >> (8 * SECRET_BYTES):
        raise ValueError("the shares are of no secret of 32 bytes")
    return secret.to_bytes(SECRET_BYTES, "big")
