"""From the moments of people to a configuration's scores: sums by dimension, means and spread over the folds."""

from collections.abc import Sequence

import numpy as np

from models.ccc import Moments
from orchestrator import measures
from orchestrator.estimators.participants import spread
from orchestrator.estimators.sums import PersonMoments
from orchestrator.measures import Value
from orchestrator.protocols import DIMENSIONS
from orchestrator.run_records import FoldScore


def by_dimension(moments: tuple[Moments, Moments]) -> PersonMoments:
    """Name the moments of valence and arousal."""
    return dict(zip(DIMENSIONS, moments, strict=True))


def merge(parts: Sequence[PersonMoments]) -> PersonMoments:
    """Add up moments by dimension."""
    return {dimension: sum((part[dimension] for part in parts), Moments.zero()) for dimension in DIMENSIONS}


def scored_values(folds: Sequence[FoldScore], key: str) -> list[float]:
    """Return a score of every fold that has it: with a scored frame in its dimension, and with a value at all."""
    there = [fold.scores[key] for fold in folds if fold.scores[f"num_frames_{key.rsplit('_', 1)[1]}"]]
    return [float(value) for value in there if value is not None]


def over_folds(folds: Sequence[FoldScore]) -> dict[str, Value]:
    """Average each score over the folds; of measures that ask for it with the spread (standard deviation, by k - 1).

    Folds in which a dimension has no scored frame at all are left out of that dimension's averages. If no fold is left
    None, but 0 for what lists show; a run's first lines say that a dimension has no label. No spread of a single fold.
    """
    means: dict[str, Value] = {}
    for measure in measures.averaged():
        for key in measures.keys(measure):
            values = scored_values(folds, key)
            means[key] = float(np.mean(values)) if values else 0.0 if measure.headline else None
            if measures.SPREAD in measure.over_folds:
                means[f"{key}_{measures.SPREAD}"] = spread(values)
    return means
