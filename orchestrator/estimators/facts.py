"""What estimators found, as records keep it: estimates, intervals, paired differences, means over repeats."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalFacts:
    """How a 95 % interval over participants was made (docs/statistics.md)."""

    method: str
    standard_error: float
    degrees_of_freedom: float
    people: int
    folds: int
    conservative: bool  # covers more than 97 % in simulations


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A value with its 95 % interval over participants."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RaterFacts:
    """How far the raters agree in one dimension (docs/statistics.md); None if a figure has no meaning.

    `ceiling` is what a prediction's CCC with the gold standard can reach: the root of the reliability of the mean.
    """

    raters: int
    people: int
    ceiling: Estimate | None
    icc_single: Estimate | None
    icc_mean: Estimate | None
    alpha: Estimate | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedDifference:
    """What is reported minus something else, over the people whom both scored (estimators/paired.py).

    `value` is the difference of the CCC of frames with its 95 % interval, over `people`; `of_people` the mean
    difference of the people's own CCC, over the `people_of_people` whose labels vary: None with fewer than two of them,
    and the number of a run before it was recorded. `p_holm` is corrected for all differences beside this one.
    """

    value: float
    low: float
    high: float
    p: float
    p_holm: float
    of_people: float | None
    p_of_people: float | None
    people: int
    people_of_people: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatedEstimate:
    """The mean over all folds of all repeats, and of each repeat's; 95 % intervals, None where there is none.

    `low`, `high`: corrected resampled t over folds and repeats. `people_*`: jackknife over participants. `folds` and
    `people` had a scored frame (`people`: in every repeat); None in older summaries.
    """

    value: float
    low: float | None
    high: float | None
    people_low: float | None
    people_high: float | None
    by_repeat: tuple[float, ...]
    folds: int | None = None
    people: int | None = None
