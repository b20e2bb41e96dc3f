"""Concordance correlation from mergeable moments, dividing by n (paper, section IV.C), without torch.

Shapes: T frames of a recording, 2 = valence and arousal.
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

# Ours: a trace is constant when its variance is under this share of its mean square, that is when it moves by
# less than a millionth of its size. Rounding in a float64 sum stays far below; labels have steps of 0.01.
CONSTANT_SHARE = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """What CCC, Pearson, MSE and MAE need to know of n pairs; x is the prediction, y the gold standard.

    Moments of parts add up to those of the whole: folds, windows and clients can be pooled in any grouping.
    """

    n: int
    sum_x: float
    sum_y: float
    sum_xx: float
    sum_yy: float
    sum_xy: float
    sum_abs_error: float

    def __add__(self, other: Self) -> "Moments":
        """Pool two disjoint sets of pairs."""
        return Moments(
            n=self.n + other.n,
            sum_x=self.sum_x + other.sum_x,
            sum_y=self.sum_y + other.sum_y,
            sum_xx=self.sum_xx + other.sum_xx,
            sum_yy=self.sum_yy + other.sum_yy,
            sum_xy=self.sum_xy + other.sum_xy,
            sum_abs_error=self.sum_abs_error + other.sum_abs_error,
        )

    @classmethod
    def zero(cls) -> "Moments":
        """Moments of no pairs, the neutral element of `+`."""
        return cls(n=0, sum_x=0.0, sum_y=0.0, sum_xx=0.0, sum_yy=0.0, sum_xy=0.0, sum_abs_error=0.0)

    @classmethod
    def of(cls, prediction_T: NDArray[np.floating], gold_T: NDArray[np.floating]) -> "Moments":
        """Sum one trace in float64; both arrays are 1-D, of one length and finite."""
        x_T, y_T = np.asarray(prediction_T, dtype=np.float64), np.asarray(gold_T, dtype=np.float64)
        assert x_T.ndim == 1, f"a trace has one axis, found shape {x_T.shape}"
        assert x_T.shape == y_T.shape, f"prediction {x_T.shape} and gold {y_T.shape} differ in length"
        assert bool(np.isfinite(x_T).all() and np.isfinite(y_T).all()), "only finite frames are scored"
        return cls(
            n=len(x_T),
            sum_x=float(x_T.sum()),
            sum_y=float(y_T.sum()),
            sum_xx=float((x_T * x_T).sum()),
            sum_yy=float((y_T * y_T).sum()),
            sum_xy=float((x_T * y_T).sum()),
            sum_abs_error=float(np.abs(x_T - y_T).sum()),
        )

    def to_list(self) -> list[float]:
        """Return the fields in the order of their declaration, for JSON."""
        return list(astuple(self))

    @classmethod
    def from_list(cls, values: Sequence[float]) -> "Moments":
        """Undo `to_list`, bit for bit."""
        n, sum_x, sum_y, sum_xx, sum_yy, sum_xy, sum_abs_error = values
        return cls(
            n=int(n),
            sum_x=sum_x,
            sum_y=sum_y,
            sum_xx=sum_xx,
            sum_yy=sum_yy,
            sum_xy=sum_xy,
            sum_abs_error=sum_abs_error,
        )


def _variance(n: int, total: float, total_of_squares: float) -> float:
    """Variance over n, exactly 0 for a constant trace in spite of rounding."""
    if n == 0:
        return 0.0
    mean_square = total_of_squares / n
    variance = mean_square - (total / n) ** 2
    return variance if variance > CONSTANT_SHARE * mean_square else 0.0


def _variances(m: Moments) -> tuple[float, float]:
    return _variance(m.n, m.sum_x, m.sum_xx), _variance(m.n, m.sum_y, m.sum_yy)


def _covariance(m: Moments) -> float:
    return m.sum_xy / m.n - (m.sum_x / m.n) * (m.sum_y / m.n)


def _within_one(value: float) -> float:
    return min(1.0, max(-1.0, value))


def is_constant(m: Moments) -> bool:
    """Return whether prediction or gold does not vary, or no frame is there: CCC and Pearson are 0 then."""
    return min(_variances(m)) == 0.0


def ccc(m: Moments) -> float:
    """Concordance correlation, 2 cov / (var_x + var_y + (mean_x - mean_y)^2), in [-1, 1].

    0 when prediction or gold is constant, never NaN (source: paper, section IV.C).
    """
    variance_x, variance_y = _variances(m)
    if min(variance_x, variance_y) == 0.0:
        return 0.0
    distance = (m.sum_x - m.sum_y) / m.n
    return _within_one(2.0 * _covariance(m) / (variance_x + variance_y + distance * distance))


def pearson(m: Moments) -> float:
    """Pearson's correlation in [-1, 1]; 0 for a constant trace."""
    variance_x, variance_y = _variances(m)
    if min(variance_x, variance_y) == 0.0:
        return 0.0
    return _within_one(_covariance(m) / (variance_x**0.5 * variance_y**0.5))


def mse(m: Moments) -> float:
    """Mean squared error; 0 without frames."""
    return max(0.0, m.sum_xx - 2.0 * m.sum_xy + m.sum_yy) / m.n if m.n else 0.0


def mae(m: Moments) -> float:
    """Mean absolute error; 0 without frames."""
    return m.sum_abs_error / m.n if m.n else 0.0


def frame_moments(
    prediction_T2: NDArray[np.floating], gold_T2: NDArray[np.floating], mask_T2: NDArray[np.bool_]
) -> tuple[Moments, Moments]:
    """Moments of valence and of arousal over the labelled frames whose prediction is not NaN."""
    kept_T2 = mask_T2 & ~np.isnan(prediction_T2)
    valence, arousal = (Moments.of(prediction_T2[kept_T2[:, d], d], gold_T2[kept_T2[:, d], d]) for d in range(2))
    return valence, arousal


def window_moments(
    prediction_T2: NDArray[np.floating],
    gold_T2: NDArray[np.floating],
    mask_T2: NDArray[np.bool_],
    length: int,
) -> tuple[Moments, Moments]:
    """Moments of the means of prediction and of gold in every window of `length` frames from the first on.

    The means run over a window's labelled and predicted frames; a window without any is left out.
    """
    kept_T2 = mask_T2 & ~np.isnan(prediction_T2)
    starts = np.arange(0, len(kept_T2), length)
    if not len(starts):
        return Moments.zero(), Moments.zero()
    count_W2 = np.add.reduceat(kept_T2, starts, axis=0, dtype=np.int64)

    def means(value_T2: NDArray[np.floating]) -> NDArray[np.float64]:
        total_W2 = np.add.reduceat(np.where(kept_T2, value_T2, 0.0), starts, axis=0, dtype=np.float64)
        return np.asarray(total_W2 / np.maximum(count_W2, 1), dtype=np.float64)

    return frame_moments(means(prediction_T2), means(gold_T2), count_W2 > 0)
