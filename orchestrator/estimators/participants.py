"""The people's own CCC and the spread of a few scores."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from models.ccc import Moments, ccc
from orchestrator.estimators.sums import constant_gold


def participant_ccc(people: Mapping[str, Moments]) -> dict[str, float]:
    """Return the CCC of everybody whose gold standard varies, 0 for a constant prediction.

    Who predicts one value for a person has failed on that person; a person with a constant gold standard has no CCC
    that anybody could reach.
    """
    return {person: ccc(m) for person, m in people.items() if not has_constant_gold(m)}


def participant_mean(people: Mapping[str, Moments]) -> float | None:
    """Return the mean of `participant_ccc`; None if nobody's gold standard varies."""
    own = list(participant_ccc(people).values())
    return float(np.mean(own)) if own else None


def has_constant_gold(moments: Moments) -> bool:
    """Return whether the gold standard does not vary, or no frame is there."""
    return bool(constant_gold(np.array(moments.to_list())))


def spread(values: Sequence[float] | Iterable[float]) -> float | None:
    """Return the standard deviation over folds, dividing by k - 1; None for fewer than two."""
    known = list(values)
    return float(np.std(known, ddof=1)) if len(known) > 1 else None
