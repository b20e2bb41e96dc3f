# ruff: noqa: N803 - shape suffixes, by the legend below
"""An attack's numbers as statistics with intervals over participants. Shapes: P people."""

from orchestrator.audit.records import Statistic
from orchestrator.audit.verdict import advantages
from orchestrator.estimators.bootstrap import Ends, share_of_people
from orchestrator.estimators.sums import Array

ADVANTAGE = "identity advantage"


def statistic(name: str, ends: Ends | None, chance: float, *, unit: str = "") -> Statistic:
    """Return a number with its interval and its chance level; None for a number that is not defined."""
    value, lower, upper = (None, None, None) if ends is None else (ends.value, ends.lower, ends.upper)
    return Statistic(name=name, unit=unit, value=value, lower=lower, upper=upper, chance=chance)


def share(name: str, value_P: Array, chance: float, *, seed: int, lowest: float = 0.0) -> Statistic:
    """Return the mean of what each person has, a value from `lowest` to 1; not defined without people."""
    return statistic(name, share_of_people(value_P, seed=seed, lowest=lowest) if len(value_P) else None, chance)


def advantage_of(one: Statistic) -> Statistic:
    """Return how far a share, which is defined, and the ends of its interval are from chance (0) to certainty (1)."""
    found = advantages(one)
    assert found is not None
    return Statistic(name=ADVANTAGE, unit="", value=found[0], lower=found[1], upper=found[2], chance=0.0)
