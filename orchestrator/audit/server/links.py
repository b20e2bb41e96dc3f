# ruff: noqa: N803, N806 - shape suffixes, by the legend below
"""Whose update is this? What an update says of its client, as arithmetic on the steps that clients took.

A step is an update minus the weights that the client was sent. Shapes: C clients, Q candidates, N weights of a network,
S entries of a sketch, G rows of a first layer, F inputs, T frames.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from models.seeds import seed_for

Array = NDArray[np.float64]

# Ours: longer steps are sketched to so many numbers, which moves a cosine by about 1 / 500.
SKETCH = 1 << 18
# Ours: the leading directions of a first layer's step are those that hold so much of its square.
ENERGY = 0.9


def sketched(step_N: NDArray[np.floating], *, size: int = SKETCH, seed: int = 0) -> Array:
    """Return a step as it is, or if it is longer than `size` its count sketch (Charikar et al. 2002), (S,).

    Equal lengths and seeds are sketched alike, and products of sketches are those of the steps on average.
    """
    if len(step_N) <= size:
        return np.asarray(step_N, dtype=np.float64)
    generator = np.random.default_rng(seed_for(seed, "sketch", len(step_N)))
    place_N = generator.integers(0, size, len(step_N))
    sign_N = generator.integers(0, 2, len(step_N)) * 2.0 - 1.0
    return np.asarray(np.bincount(place_N, weights=step_N * sign_N, minlength=size), dtype=np.float64)


def similarities(step_CN: Array, candidate_QN: Array) -> Array:
    """Return the cosines (C, Q) of steps, each set around its own mean: what all have in common tells nothing.

    0 for a step that is the mean.
    """
    units = []
    for set_XN in (step_CN, candidate_QN):
        around_XN = set_XN - set_XN.mean(axis=0)
        norm_X1 = np.linalg.norm(around_XN, axis=1, keepdims=True)
        # What is left of equal steps is rounding, which must not become a direction.
        there_X1 = norm_X1 > 1e-6 * np.linalg.norm(set_XN, axis=1, keepdims=True)
        units.append(np.where(there_X1, around_XN / np.where(there_X1, norm_X1, 1.0), 0.0))
    return np.asarray(units[0] @ units[1].T)


def first_choices(score_CQ: Array) -> Array:
    """Return for each client the chance that the best candidate is their own, (C,): candidate c belongs to client c.

    Of m candidates with the best score one is drawn, which is right with 1 / m.
    """
    best_C1 = score_CQ.max(axis=1, keepdims=True)
    tied_CQ = score_CQ >= best_C1 - 1e-12
    return np.asarray(np.diagonal(tied_CQ) / tied_CQ.sum(axis=1))


def outside(step_GF: Array, frames: Sequence[Array], *, energy: float = ENERGY) -> Array:
    """Return how much of each candidate's frames (T, F) lies outside the leading row space of a first layer's step.

    A share of their square, (Q,). The gradient of a first layer is a sum over frames of a column times the frame: its
    rows lie in the space of the frames (Zhu and Blaschko 2021, arXiv:2010.07733); an optimiser that scales each entry
    blurs that. The leading space holds `energy` of the step's square. A step of 0 has none: all lies outside.
    """
    _, value, rows = np.linalg.svd(step_GF, full_matrices=False)
    square = value**2
    if not square.sum():
        return np.ones(len(frames))
    leading = rows[: int(np.searchsorted(np.cumsum(square) / square.sum(), energy)) + 1]
    total = np.array([max(float((one**2).sum()), 1e-300) for one in frames])
    inside = np.array([float(((one @ leading.T) ** 2).sum()) for one in frames])
    return np.asarray(1.0 - inside / total)


def fits(outside_CQ: Array) -> Array:
    """Return how well each candidate's frames fit each update, (C, Q): less outside than in the other updates."""
    others = outside_CQ.sum(axis=0, keepdims=True) - outside_CQ
    return np.asarray(others / max(1, len(outside_CQ) - 1) - outside_CQ)


def by_person(names: Sequence[str], rounds: Sequence[Array]) -> Mapping[str, float]:
    """Return each client's mean over rounds of (C,)."""
    mean_C = np.mean(np.stack(rounds), axis=0)
    return {name: float(value) for name, value in zip(names, mean_C, strict=True)}
