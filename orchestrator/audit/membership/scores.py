# ruff: noqa: N803, N806, N815 - shape suffixes, by the legend below
"""How much a model's errors on a person's recordings say that it was trained on them: four scores, pure arithmetic.

A higher score says "trained on". Each compares a target model with reference models, of which each was trained on some
of the people. Shapes: M target models, R reference models, P people, W windows of all people.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

LOSS, CALIBRATED, LIRA, RMIA = "loss", "calibrated", "lira", "rmia"

# Zarifzadeh et al. 2024 (arXiv:2312.03262), their value for reference models that never saw the record.
OFFLINE_A = 0.3
# Theirs, too: a record beats another one when its ratio is at least so many times as large.
GAMMA = 1.0
# Ours: keeps the logarithm of an error of 0 defined; errors of labels in [-1, 1] are of the order of 0.01.
LEAST_ERROR = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class People:
    """Whose each window is, and how many elements of it are compared; every person has a window."""

    person_W: NDArray[np.int64]
    count_W: Array
    num_people: int

    def mean_of(self, value_MW: Array) -> Array:
        """Return each person's mean over the elements of their windows, (M, P)."""
        total_P = np.bincount(self.person_W, weights=self.count_W, minlength=self.num_people)
        sum_MP = np.stack(
            [np.bincount(self.person_W, weights=row_W * self.count_W, minlength=self.num_people) for row_W in value_MW]
        )
        return np.asarray(sum_MP / total_P)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Known:
    """What an attacker knows before the target: the reference models' errors, and whom each was trained on."""

    people: People
    error_RW: Array  # mean squared error of each window
    member_RP: Mask


Score = Callable[[Array, Known], Array]  # errors of target models (M, W) -> (M, P)


def halves(num_people: int, num_models: int, *, seed: int) -> Mask:
    """Return whom each of an even number of models is trained on, (R, P): random halves with their complements.

    Models 2 j and 2 j + 1 are a pair that has everybody in exactly one of both: whichever pair is left out, everybody
    is still in half of the rest. Of an odd number of people the two differ by one.
    """
    assert num_models % 2 == 0, f"models come in pairs, found {num_models}"
    generator = np.random.default_rng(seed)
    member_RP = np.zeros((num_models, num_people), dtype=np.bool_)
    for pair in range(num_models // 2):
        order = generator.permutation(num_people)
        # The larger one is the first of every second pair.
        member_RP[2 * pair, order[: (num_people + pair % 2) // 2]] = True
        member_RP[2 * pair + 1] = ~member_RP[2 * pair]
    return member_RP


def loss_score(error_MW: Array, known: Known) -> Array:
    """Return minus the person's mean squared error, the loss-threshold attack (Yeom et al. 2018, arXiv:1709.01604)."""
    return -known.people.mean_of(error_MW)


def calibrated_score(error_MW: Array, known: Known) -> Array:
    """Return by how much the error is below that of models without the person (Watson et al. 2022).

    arXiv:2111.08440.
    """
    reference_RP = known.people.mean_of(known.error_RW)
    return np.asarray(_mean_where(reference_RP, ~known.member_RP) - known.people.mean_of(error_MW))


def lira_score(error_MW: Array, known: Known) -> Array:
    """Return the log-likelihood ratio of the person's log error, with over without them (Carlini et al. 2022).

    arXiv:2112.03570, with their pooled variance for few reference models: each person has two means of their own, and
    all people share one variance with and one without.
    """
    reference_RP, target_MP = (_log(known.people.mean_of(error)) for error in (known.error_RW, error_MW))
    found = np.zeros_like(target_MP)
    for sign, there_RP in ((1.0, known.member_RP), (-1.0, ~known.member_RP)):
        mean_P = _mean_where(reference_RP, there_RP)
        residual_RP = np.where(there_RP, reference_RP - mean_P, 0.0)
        degrees = max(1, int(there_RP.sum()) - int(there_RP.any(axis=0).sum()))
        variance = max(float((residual_RP**2).sum()) / degrees, LEAST_ERROR)
        found += sign * (-0.5 * (target_MP - mean_P) ** 2 / variance - 0.5 * np.log(variance))
    return np.asarray(found)


def rmia_score(error_MW: Array, known: Known) -> Array:
    """Return the share of other people's windows that a person's window beats, its mean over their windows.

    RMIA (Zarifzadeh et al. 2024), offline: a window's likelihood is Gaussian with the residual variance of the
    reference models on people whom they were not trained on, per element and in units of its largest value; its
    ratio is over what is expected without the target, ((1 + a) mean over models without the person + 1 - a) / 2.
    """
    people = known.people
    out_RW = ~known.member_RP[:, people.person_W]
    weight_RW = out_RW * people.count_W
    variance = max(float((known.error_RW * weight_RW).sum() / weight_RW.sum()), LEAST_ERROR)
    without_W = _mean_where(likelihood(known.error_RW, variance), out_RW)
    ratio_MW = likelihood(error_MW, variance) / (0.5 * ((1.0 + OFFLINE_A) * without_W + 1.0 - OFFLINE_A))
    found = np.zeros((len(error_MW), people.num_people))
    own = [np.flatnonzero(people.person_W == person) for person in range(people.num_people)]
    for row_W, found_P in zip(ratio_MW, found, strict=True):
        everybody = np.sort(row_W)
        for person, at in enumerate(own):
            bar = row_W[at] / GAMMA
            beaten = _beaten(bar, everybody) - _beaten(bar, np.sort(row_W[at]))
            found_P[person] = beaten.mean() / max(1, len(row_W) - len(at))
    return found


def likelihood(error: Array, variance: float) -> Array:
    """Return the Gaussian likelihood per element of a mean squared error, in units of its largest value: (0, 1]."""
    return np.asarray(np.exp(-0.5 * error / variance))


def _beaten(bar: Array, ordered: Array) -> Array:
    """Return how many of sorted values each of `bar` reaches, a tie counting half."""
    return np.asarray(0.5 * (np.searchsorted(ordered, bar, "left") + np.searchsorted(ordered, bar, "right")))


def _mean_where(value: Array, there: Mask) -> Array:
    """Return the mean over the first axis of what is there; the mean of all where nothing is."""
    there = np.where(there.any(axis=0), there, True)
    return np.asarray(np.where(there, value, 0.0).sum(axis=0) / there.sum(axis=0))


def _log(error: Array) -> Array:
    return np.asarray(np.log(np.maximum(error, LEAST_ERROR)))


SCORES: Mapping[str, Score] = {
    LOSS: loss_score,
    CALIBRATED: calibrated_score,
    LIRA: lira_score,
    RMIA: rmia_score,
}
