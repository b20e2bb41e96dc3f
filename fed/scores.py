"""Scores and losses of several people as one: moments add up, losses and errors are weighted by what each compared."""

import math
from collections.abc import Sequence
from fractions import Fraction

from models.ccc import Moments
from models.epochs import Evaluation


def pooled(evaluations: Sequence[Evaluation]) -> Evaluation:
    """Pool people in the order given: moments add up, losses and errors are weighted by what each compared.

    Of one person it is what that person's client found, to the last bit.
    """
    count = sum(one.count for one in evaluations)
    loss = weighted([(one.loss, one.count) for one in evaluations])
    valence, arousal = Moments.zero(), Moments.zero()
    for one in evaluations:
        valence, arousal = valence + one.valence, arousal + one.arousal
    of_valence, of_arousal = (
        (weighted([one.errors[d] for one in evaluations]), sum(one.errors[d][1] for one in evaluations))
        for d in range(2)
    )
    return Evaluation(loss=loss, count=count, valence=valence, arousal=arousal, errors=(of_valence, of_arousal))


def weighted(pairs: Sequence[tuple[float, int]]) -> float:
    """Mean of (value, weight), rounded once; NaN if a value is not finite, 0 without weight."""
    total = sum(weight for _, weight in pairs)
    if not all(math.isfinite(value) for value, _ in pairs):
        return math.nan
    return float(sum(Fraction(value) * weight for value, weight in pairs) / total) if total else 0.0
