"""How much of the labels lies between people, computed once per run from the gold standard's scored frames."""

from collections.abc import Mapping, Sequence

import numpy as np

from models.ccc import Moments, frame_moments
from orchestrator.data.series import AnySeries
from orchestrator.estimators.label_variance import LabelVariance, label_variance
from orchestrator.protocols import DIMENSIONS


def label_variances(series: Sequence[AnySeries]) -> Mapping[str, LabelVariance | None]:
    """Return the figures by dimension; None with fewer than two labelled people."""
    people: dict[str, list[Moments]] = {}
    for one in series:
        nothing = np.zeros(one.gold_T2.shape, dtype=np.float32)
        moments = frame_moments(nothing, one.gold_T2, one.mask_T2)
        before = people.setdefault(one.participant, [Moments.zero()] * len(DIMENSIONS))
        people[one.participant] = [a + b for a, b in zip(before, moments, strict=True)]
    return {
        dimension: label_variance({person: moments[d] for person, moments in people.items()})
        for d, dimension in enumerate(DIMENSIONS)
    }
