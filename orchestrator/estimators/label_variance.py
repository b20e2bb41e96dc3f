"""Do labels differ mostly between people? Then scaling each person's features takes away what tells them apart."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models.ccc import Moments
from orchestrator.estimators.participants import has_constant_gold

# Ours: above a third of the variance between people, or a third of the people with one label all along, scaling by
# participant lost .06 to .08 CCC on 141 people and all of it on 40 videos; below it gained.
SHARE_THAT_WARNS = 1.0 / 3.0
SCALING_THAT_REMOVES = "participant"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelVariance:
    """One dimension: ICC(1) of the labels by person, 0 to 1, and the share of people whose label never changes."""

    between: float
    constant_share: float
    num_people: int

    @property
    def warns(self) -> bool:
        """Whether either is above a third."""
        return max(self.between, self.constant_share) > SHARE_THAT_WARNS


def label_variance(gold: Mapping[str, Moments]) -> LabelVariance | None:
    """Return the share of the labels' variance that lies between people; None with fewer than two labelled people.

    `gold`: each person's moments with the gold standard as y. ICC(1) of Shrout and Fleiss (1979) for unequal numbers of
    frames (Donner 1986, doi 10.2307/1403259): (MSB - MSW) / (MSB + (n0 - 1) MSW), n0 = (N - sum n_i^2 / N) / (P - 1);
    negative estimates are 0.
    """
    known = [m for m in gold.values() if m.n]
    if len(known) < 2:
        return None
    n = np.array([m.n for m in known], dtype=np.float64)
    total, squares = np.array([m.sum_y for m in known]), np.array([m.sum_yy for m in known])
    frames, people = n.sum(), len(known)
    mean = total.sum() / frames
    between = float((n * (total / n - mean) ** 2).sum()) / (people - 1)
    inside = max(0.0, float((squares - total**2 / n).sum())) / max(1.0, frames - people)
    typical = (frames - (n**2).sum() / frames) / (people - 1)
    below = between + (typical - 1.0) * inside
    constant = sum(has_constant_gold(m) for m in known)
    return LabelVariance(
        between=max(0.0, (between - inside) / below) if below > 0 else 0.0,
        constant_share=constant / people,
        num_people=people,
    )


def scaling_warning(variances: Mapping[str, LabelVariance | None], scaling: str) -> str | None:
    """Return a line that names other scalings if `scaling` removes what most labels consist of; None if all is well.

    `variances`: dimension -> what `label_variance` found.
    """
    if scaling != SCALING_THAT_REMOVES:
        return None
    found = []
    for dimension, one in variances.items():
        if one is None or not one.warns:
            continue
        parts = [f"{one.between:.0%} of the variance of {dimension} lies between people"]
        if one.constant_share > SHARE_THAT_WARNS:
            parts.append(f"{one.constant_share:.0%} of {one.num_people} people have a single {dimension} label")
        found.append(", ".join(parts))
    if not found:
        return None
    return (
        f"{'; '.join(found)}: --scaling {SCALING_THAT_REMOVES} takes what tells people apart from their features;"
        " consider --scaling train or --scaling both"
    )
