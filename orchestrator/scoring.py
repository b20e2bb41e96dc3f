"""What a configuration's predictions are worth: CCC by frame, by window and by participant, with its spread.

Every number is made from moments of one participant, so that folds, means and bootstrap draws are sums of them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.ccc import Moments, ccc, is_constant, mae, mse, pearson
from models.seeds import seed_for
from orchestrator.corpora.recording import DIMENSIONS

BOOTSTRAP_DRAWS = 1000  # ours; the paper gives no interval
INTERVAL = (2.5, 97.5)  # per cent: a 95 % interval

PersonMoments = dict[str, Moments]  # dimension -> moments


def by_dimension(moments: tuple[Moments, Moments]) -> PersonMoments:
    """Name the moments of valence and arousal."""
    return dict(zip(DIMENSIONS, moments, strict=True))


def merge(parts: Sequence[PersonMoments]) -> PersonMoments:
    """Add up moments by dimension."""
    return {dimension: sum((part[dimension] for part in parts), Moments.zero()) for dimension in DIMENSIONS}


def fold_scores(frames: Mapping[str, PersonMoments], windows: Mapping[str, PersonMoments]) -> dict[str, Any]:
    """Score one held-out fold from its participants' moments: the keys of `folds[]` in `summary.json`."""
    pooled, pooled_windows = merge(list(frames.values())), merge(list(windows.values()))
    scores: dict[str, Any] = {}
    for dimension in DIMENSIONS:
        scores[f"ccc_{dimension}"] = ccc(pooled[dimension])
        scores[f"ccc_window_{dimension}"] = ccc(pooled_windows[dimension])
        scores[f"ccc_participant_{dimension}"] = _participant_mean(frames, dimension)
        scores[f"pearson_{dimension}"] = pearson(pooled[dimension])
        scores[f"mse_{dimension}"] = mse(pooled[dimension])
        scores[f"mae_{dimension}"] = mae(pooled[dimension])
        scores[f"constant_{dimension}"] = is_constant(pooled[dimension])
        scores[f"num_frames_{dimension}"] = pooled[dimension].n
    return scores


def _participant_mean(frames: Mapping[str, PersonMoments], dimension: str) -> float:
    """Mean of the participants' own CCC; people whose trace has no spread have none and are left out."""
    values = [ccc(person[dimension]) for person in frames.values() if not is_constant(person[dimension])]
    return float(np.mean(values)) if values else 0.0


MEAN_KEYS = tuple(
    f"{measure}_{dimension}"
    for measure in ("ccc", "ccc_window", "ccc_participant", "pearson", "mse", "mae")
    for dimension in DIMENSIONS
)


def scored_values(folds: Sequence[Mapping[str, Any]], key: str) -> list[float]:
    """Return a score of every fold that has a scored frame in the score's dimension."""
    return [fold[key] for fold in folds if fold[f"num_frames_{key.rsplit('_', 1)[1]}"]]


def over_folds(folds: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Average each score over the folds, with the spread (standard deviation, dividing by k) of the frame CCC.

    Folds in which a dimension has no scored frame at all are left out of that dimension's averages.
    """
    means: dict[str, float] = {}
    for key in MEAN_KEYS:
        values = scored_values(folds, key)
        means[key] = float(np.mean(values)) if values else 0.0
        if key in ("ccc_valence", "ccc_arousal"):
            means[f"{key}_sd"] = float(np.std(values)) if values else 0.0
    return means


def bootstrap(
    folds: Sequence[Mapping[str, PersonMoments]], *, seed: int, draws: int = BOOTSTRAP_DRAWS
) -> dict[str, float]:
    """Return the 95 % interval of the mean frame CCC when the participants are drawn anew, with replacement.

    A draw takes as many people as there are, from the whole corpus; each fold is scored by its people in the draw,
    as often as they were drawn, and folds with nobody in it are left out.
    """
    people = [(number, person) for number, fold in enumerate(folds) for person in fold.values()]
    fold_of = np.array([number for number, _ in people])
    generator = np.random.default_rng(seed_for(seed, "bootstrap"))
    counts = generator.multinomial(len(people), np.full(len(people), 1 / len(people)), size=draws)
    member = (fold_of[:, None] == np.arange(len(folds))[None, :]).astype(np.float64)
    interval: dict[str, float] = {}
    for dimension in DIMENSIONS:
        sums = np.array([person[dimension].to_list() for _, person in people], dtype=np.float64)
        # (draws, folds, sums): each fold's moments under each draw.
        drawn = np.einsum("dp,pf,ps->dfs", counts, member, sums)
        values = [value for one in drawn if (value := _mean_ccc(one)) is not None]
        low, high = np.percentile(values, INTERVAL) if values else (0.0, 0.0)
        interval[f"ccc_{dimension}_low"], interval[f"ccc_{dimension}_high"] = float(low), float(high)
    return interval


def _mean_ccc(folds: NDArray[np.float64]) -> float | None:
    """Average a draw's folds; None where nobody of the draw has a scored frame."""
    values = [ccc(Moments.from_list(list(row))) for row in folds if row[0] > 0]
    return float(np.mean(values)) if values else None
