"""A paired permutation test over people: signs of their differences are exchangeable if two results are alike."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

EXACT_PEOPLE = 20  # ours: 2^20 sums are counted in a moment; with more people signs are drawn
DRAWS = 100_000  # ours: p near 0.05 then has a standard error of 0.0007
SEED = 0
CHUNK = 2_000  # draws at a time, for the memory
# Ours: sums of the same differences in another order differ by less than this share of the sum of their sizes.
ROUNDING = 1e-12


def sign_flip_p(differences: Sequence[float] | NDArray[np.float64], *, seed: int = SEED) -> float:
    """Return the two-sided p of the mean of P paired differences, by flips of their signs (Fisher 1935; Pitman 1937).

    Up to EXACT_PEOPLE people over all 2^P flips, the one that was seen among them. With more by DRAWS seeded draws,
    p = (1 + count) / (1 + DRAWS) (Phipson and Smyth 2010, Stat. Appl. Genet. Mol. Biol. 9, article 39), where `count`
    is of draws at least as far from 0 as what was seen. P is at least 1.
    """
    values = np.asarray(differences, dtype=np.float64)
    assert values.ndim == 1, values.shape
    assert len(values) > 0, "a test needs somebody"
    limit = abs(float(values.sum())) - ROUNDING * float(np.abs(values).sum())
    if len(values) <= EXACT_PEOPLE:
        return float(np.mean(np.abs(_all_sums(values)) >= limit))
    random = np.random.default_rng(seed)
    count = sum(
        int((np.abs(random.choice([-1.0, 1.0], size=(CHUNK, len(values))) @ values) >= limit).sum())
        for _ in range(DRAWS // CHUNK)
    )
    return (1 + count) / (1 + DRAWS)


def paired_sign_flip_p(first: Mapping[str, float], second: Mapping[str, float]) -> float:
    """Return `sign_flip_p` of first minus second over the people, by name, whom both have; at least one."""
    return sign_flip_p([first[person] - second[person] for person in first if person in second])


def _all_sums(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sum for every choice of signs, the first one's kept: the other half is the same with a minus."""
    sums = values[:1].copy()
    for value in values[1:]:
        sums = np.concatenate([sums + value, sums - value])
    return sums
