# ruff: noqa: N803, N815 - shape suffixes, by the legend below
"""The raters behind a gold standard: the band they span, and how well one of them agrees with the others.

Their agreement is what a prediction can hope for at most. Shapes: T frames of a recording, R raters, 2 = valence
and arousal.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.ccc import Moments, ccc
from orchestrator.corpora.gold_standard import mean
from orchestrator.protocols import DIMENSIONS

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Raters:
    """Lowest and highest label of each frame (T, 2), NaN without any; each rater's moments against the others' mean."""

    low_T2: Floats
    high_T2: Floats
    against_others: tuple[tuple[Moments, Moments], ...]  # R pairs: valence, arousal
    names: tuple[str, ...]
    ratings_TR2: Floats
    scored_T2: NDArray[np.bool_]  # the frames that a prediction is scored on


def raters_of(names: tuple[str, ...], ratings_TR2: Floats, scored_T2: NDArray[np.bool_]) -> Raters:
    """Summarise one recording's labels; the moments run over the frames that a prediction is scored on."""
    there = np.isfinite(ratings_TR2)
    low = np.where(there, ratings_TR2, np.inf).min(axis=1)
    high = np.where(there, ratings_TR2, -np.inf).max(axis=1)
    labelled = there.any(axis=1)
    return Raters(
        low_T2=np.where(labelled, low, np.nan).astype(np.float32),
        high_T2=np.where(labelled, high, np.nan).astype(np.float32),
        names=names,
        ratings_TR2=ratings_TR2,
        scored_T2=scored_T2,
        against_others=tuple(_against_others(ratings_TR2, scored_T2, rater) for rater in range(ratings_TR2.shape[1])),
    )


def _against_others(ratings_TR2: Floats, scored_T2: NDArray[np.bool_], rater: int) -> tuple[Moments, Moments]:
    one = ratings_TR2[:, rater].astype(np.float64)
    others = mean(np.delete(ratings_TR2, rater, axis=1).astype(np.float64))
    kept = scored_T2 & np.isfinite(one) & np.isfinite(others)
    valence, arousal = (Moments.of(one[kept[:, d], d], others[kept[:, d], d]) for d in range(len(DIMENSIONS)))
    return valence, arousal


def agreement(raters: Sequence[Raters | None], folds: Sequence[Sequence[int]]) -> dict[str, float] | None:
    """Return the raters' mean CCC with the mean of the others, `valence` and `arousal`, averaged over the folds.

    Pooled by fold over its held-out recordings, as predictions are, so that the two can be compared. `folds` holds
    indices into `raters`. None if nothing is known of the raters, or nowhere two of them labelled the same frame.
    """
    means: dict[str, float] = {}
    for d, dimension in enumerate(DIMENSIONS):
        values = []
        for held_out in folds:
            known = [one for index in held_out if (one := raters[index]) is not None]
            width = max((len(one.against_others) for one in known), default=0)
            pooled = [
                sum((one.against_others[r][d] for one in known if r < len(one.against_others)), Moments.zero())
                for r in range(width)
            ]
            of_raters = [ccc(moments) for moments in pooled if moments.n]
            if of_raters:
                values.append(float(np.mean(of_raters)))
        if not values:
            return None
        means[dimension] = float(np.mean(values))
    return means
