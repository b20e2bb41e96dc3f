"""How much of a corpus's labels lies between people, and what a run says where its scaling takes that away."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from models.ccc import Moments, frame_moments
from models.windows import Series
from orchestrator.data.dataset import Dataset, Outline
from orchestrator.estimators.label_variance import LabelVariance, label_variance, scaling_warning
from orchestrator.protocols import DIMENSIONS, Protocol
from orchestrator.run_records import LabelVarianceRecord


def record(dataset: Dataset, protocol: Protocol) -> LabelVarianceRecord | None:
    """Return the figures of the gold standard's scored frames; None for a federation, whose labels never meet."""
    found = _variances(dataset)
    if found is None:
        return None
    # Images that a network learns from are scaled by no person's statistics.
    scales = all(isinstance(one, Series) for one in dataset.series)
    figures = {name: None if one is None else dataclasses.asdict(one) for name, one in found.items()}
    return LabelVarianceRecord(
        valence=figures["valence"],
        arousal=figures["arousal"],
        warning=scaling_warning(found, protocol.scaling) if scales else None,
    )


def _variances(dataset: Dataset) -> Mapping[str, LabelVariance | None] | None:
    people: dict[str, list[Moments]] = {}
    for one in dataset.series:
        if isinstance(one, Outline):
            return None
        nothing = np.zeros(one.gold_T2.shape, dtype=np.float32)
        moments = frame_moments(nothing, one.gold_T2, one.mask_T2)
        before = people.setdefault(one.participant, [Moments.zero()] * len(DIMENSIONS))
        people[one.participant] = [a + b for a, b in zip(before, moments, strict=True)]
    return {
        dimension: label_variance({person: moments[d] for person, moments in people.items()})
        for d, dimension in enumerate(DIMENSIONS)
    }
