"""What a configuration's predictions are worth: CCC by frame, by window and by participant, with its spread.

Every number is made from moments of one participant, so that folds, means and bootstrap draws are sums of them.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from models.ccc import Moments, ccc
from models.seeds import seed_for
from orchestrator import measures
from orchestrator.corpora.recording import DIMENSIONS
from orchestrator.measures import PersonMoments
from orchestrator.run_records import FoldScore

BOOTSTRAP_DRAWS = 1000  # ours; the paper gives no interval
INTERVAL = (2.5, 97.5)  # per cent: a 95 % interval


def by_dimension(moments: tuple[Moments, Moments]) -> PersonMoments:
    """Name the moments of valence and arousal."""
    return dict(zip(DIMENSIONS, moments, strict=True))


def merge(parts: Sequence[PersonMoments]) -> PersonMoments:
    """Add up moments by dimension."""
    return {dimension: sum((part[dimension] for part in parts), Moments.zero()) for dimension in DIMENSIONS}


def scored_values(folds: Sequence[FoldScore], key: str) -> list[float]:
    """Return a score of every fold that has a scored frame in the score's dimension."""
    return [float(fold.scores[key]) for fold in folds if fold.scores[f"num_frames_{key.rsplit('_', 1)[1]}"]]


def over_folds(folds: Sequence[FoldScore]) -> dict[str, float]:
    """Average each score over the folds; of measures that ask for it with the spread (standard deviation, by k).

    Folds in which a dimension has no scored frame at all are left out of that dimension's averages.
    """
    means: dict[str, float] = {}
    for measure in measures.averaged():
        for key in measures.keys(measure):
            values = scored_values(folds, key)
            means[key] = float(np.mean(values)) if values else 0.0
            if measures.SPREAD in measure.over_folds:
                means[f"{key}_{measures.SPREAD}"] = float(np.std(values)) if values else 0.0
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
