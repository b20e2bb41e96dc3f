"""How much of a corpus's labels lies between people, and what a run says where its scaling takes that away."""

import dataclasses

from models.windows import Series
from orchestrator.data.dataset import Dataset
from orchestrator.estimators.label_variance import scaling_warning
from orchestrator.protocols import Protocol
from orchestrator.run_records import LabelVarianceRecord


def record(dataset: Dataset, protocol: Protocol) -> LabelVarianceRecord | None:
    """Return the figures of the gold standard's scored frames; None for a federation, whose labels never meet."""
    found = dataset.label_variances
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
