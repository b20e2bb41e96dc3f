# ruff: noqa: N803, N806 - shape suffixes, by the legend below
"""Bootstrap over participants: the interval of a statistic of people, who are drawn with replacement.

For what is measured of one fixed attack. Where nobody differs from anybody the bootstrap has no width; a bound that
the number of people allows takes its place. Shapes: P people, B draws.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.seeds import seed_for
from orchestrator.estimators.sums import Array

DRAWS = 2000  # ours
LEVEL = 0.95
WILSON_QUANTILE = 1.959963984540054  # of the normal distribution, 95 % two-sided
FEWEST_PEOPLE = 2
FEW = 2.0  # ours: of people's worth between a share and 0 or 1; with fewer nobody drawn may differ from anybody

Statistic = Callable[[NDArray[np.int64]], float]  # of drawn people, as places among all of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """A statistic of people with the ends of its 95 % interval; None for both with fewer than two people."""

    value: float
    lower: float | None
    upper: float | None


def share_of_people(values_P: Array, *, seed: int, lowest: float = 0.0, highest: float = 1.0) -> Ends:
    """Return the mean of what each person has, a value from `lowest` to `highest`, with its interval.

    The bootstrap's ends. Where less than two people's worth lies between the mean and an end of the range, the interval
    reaches towards its middle at least as far as Wilson's (1927, J. Am. Stat. Assoc. 22, 209-212) with as many trials
    as people: a bounded value varies at most as a success does, so that is conservative.
    """
    count = len(values_P)
    found = over_people(lambda drawn_P: float(values_P[drawn_P].mean()), count, seed=seed)
    if found.lower is None or found.upper is None:
        return found
    share = (found.value - lowest) / (highest - lowest)
    low, high = (lowest + (highest - lowest) * end for end in wilson(share, count))
    return Ends(
        value=found.value,
        lower=min(found.lower, low) if count * (1.0 - share) < FEW else found.lower,
        upper=max(found.upper, high) if count * share < FEW else found.upper,
    )


def mean_of_shares(groups: Sequence[Array], *, seed: int) -> Ends:
    """Return the mean over groups of people of each group's share, a value from 0 to 1 per person, with its interval.

    Each group counts the same, however many people it has; at least two people are in each. The ends of the groups'
    own intervals are put together by Zou and Donner (2008, Stat. Med. 27, 1693-1702): the squares of their distances
    from the shares add up.
    """
    shares = [share_of_people(group, seed=seed) for group in groups]
    below = math.hypot(*(one.value - one.lower for one in shares if one.lower is not None))
    above = math.hypot(*(one.upper - one.value for one in shares if one.upper is not None))
    count = len(groups)
    value = sum(one.value for one in shares) / count
    return Ends(value=value, lower=value - below / count, upper=value + above / count)


def over_people(statistic: Statistic, num_people: int, *, seed: int, draws: int = DRAWS) -> Ends:
    """Return any statistic of people with the ends of the expanded percentile bootstrap; `seed` decides the draws.

    Hesterberg (2015, Am. Stat. 69, 371-386): the percentiles lie so far out as Student's t asks of so few people.
    """
    everybody = np.arange(num_people)
    value = statistic(everybody)
    if num_people < FEWEST_PEOPLE:
        return Ends(value=value, lower=None, upper=None)
    from scipy.stats import norm, t

    out = math.sqrt(num_people / (num_people - 1)) * t.ppf(0.5 - LEVEL / 2, num_people - 1)
    percentile = 100.0 * float(norm.cdf(out))
    generator = np.random.default_rng(seed_for(seed, "bootstrap over people"))
    drawn_BP = generator.integers(0, num_people, size=(draws, num_people))
    found_B = [statistic(drawn_P) for drawn_P in drawn_BP]
    low, high = np.percentile(found_B, (percentile, 100.0 - percentile))
    return Ends(value=value, lower=min(value, float(low)), upper=max(value, float(high)))


def wilson(share: float, trials: int) -> tuple[float, float]:
    """Return both ends of Wilson's 95 % interval of a share of successes."""
    square = WILSON_QUANTILE**2
    centre = (share + square / (2 * trials)) / (1 + square / trials)
    half = WILSON_QUANTILE / (1 + square / trials) * math.sqrt(share * (1 - share) / trials + square / (4 * trials**2))
    return max(0.0, centre - half), min(1.0, centre + half)
