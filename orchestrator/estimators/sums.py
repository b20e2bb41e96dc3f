# ruff: noqa: N803, N806, N815 - shape suffixes, by the legend below
"""Moments of people as arrays, and the CCC of many pools of people at once.

Shapes: P people, K folds, S = 7 sums in the order of `Moments.to_list`; further axes in front are allowed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.ccc import CONSTANT_SHARE, Moments

Array = NDArray[np.float64]
Fold = Mapping[str, Moments]  # person -> moments of one dimension
PersonMoments = Mapping[str, Moments]  # dimension -> moments of one person

N, X, Y, XX, YY, XY, ABSOLUTE = range(7)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class People:
    """The scored people of all folds; people without a scored frame are not among them."""

    names: tuple[str, ...]
    sums_PS: Array
    fold_P: NDArray[np.int64]  # 0 to K - 1, without a gap


def people_of(folds: Sequence[Fold]) -> People:
    """Collect the people with at least one scored frame; folds without any are left out, the others renumbered."""
    scored = [[(person, m) for person, m in fold.items() if m.n > 0] for fold in folds]
    scored = [fold for fold in scored if fold]
    rows = [(person, m.to_list(), k) for k, fold in enumerate(scored) for person, m in fold]
    return People(
        names=tuple(person for person, *_ in rows),
        sums_PS=np.array([sums for _, sums, _ in rows], dtype=np.float64).reshape(-1, 7),
        fold_P=np.array([k for *_, k in rows], dtype=np.int64),
    )


def _variance(n: Array, total: Array, squares: Array) -> Array:
    mean_square = squares / n
    variance = mean_square - (total / n) ** 2
    return np.where(variance > CONSTANT_SHARE * mean_square, variance, 0.0)


def constant_gold(sums_S: Array) -> NDArray[np.bool_]:
    """Return where the gold standard does not vary (or no frame is there); shape of `sums_S` without its last axis."""
    n = np.maximum(sums_S[..., N], 1.0)
    return np.asarray(_variance(n, sums_S[..., Y], sums_S[..., YY]) == 0.0)


def ccc_of(sums_S: Array) -> Array:
    """Concordance correlation as `models.ccc.ccc` gives it, for any number of pools; 0 for a constant trace."""
    n = np.maximum(sums_S[..., N], 1.0)
    mean_x, mean_y = sums_S[..., X] / n, sums_S[..., Y] / n
    variance_x = _variance(n, sums_S[..., X], sums_S[..., XX])
    variance_y = _variance(n, sums_S[..., Y], sums_S[..., YY])
    there = (variance_x > 0.0) & (variance_y > 0.0)
    covariance = sums_S[..., XY] / n - mean_x * mean_y
    below = np.where(there, variance_x + variance_y + (mean_x - mean_y) ** 2, 1.0)
    return np.asarray(np.where(there, np.clip(2.0 * covariance / below, -1.0, 1.0), 0.0))


def by_fold(values_PS: Array, fold_P: NDArray[np.int64]) -> Array:
    """Add up (..., P, S) over the people of each fold: (..., K, S)."""
    order = np.argsort(fold_P, kind="stable")
    if (order[1:] < order[:-1]).any():
        values_PS, fold_P = values_PS[..., order, :], fold_P[order]
    starts = np.searchsorted(fold_P, np.arange(int(fold_P.max()) + 1))
    return np.asarray(np.add.reduceat(values_PS, starts, axis=-2))
