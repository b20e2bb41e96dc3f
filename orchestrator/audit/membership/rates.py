# ruff: noqa: N802, N803, N806, N815 - shape suffixes, by the legend below
"""How often an attacker is right about each person, with every reference model in turn as the target.

A target and its complement are left out of what the attacker knows, thresholds included: otherwise the attacker would
learn from counting who is in the rest (docs/privacy.md). Shapes: R models, P people, W windows, N negatives per person.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from orchestrator.audit.membership.scores import LOSS, SCORES, Array, Known, Mask

LEVEL = 0.95
# Ours: models that agree to the last digit have no deviation to divide by.
SMALLEST_VARIANCE = 1e-24


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class InTurn:
    """Every model as target once: its score of each person, whether the attacker says "trained on", and the p-value.

    `p_RP` is the share of models without the person, of those that the attacker knows, whose score is as high (the
    target counts as one): the false positive rate at which this person would just be called trained on. `z_RP` is the
    score by the mean and the deviation of those models' scores.
    """

    score_RP: Array
    called_RP: Mask
    p_RP: Array
    z_RP: Array
    member_RP: Mask

    @property
    def success_P(self) -> Array:
        """Share of right calls of each person; as many models were trained with them as without."""
        return np.asarray((self.called_RP == self.member_RP).mean(axis=0))

    @property
    def smallest_rate(self) -> float:
        """The smallest false positive rate per person that so many models can show."""
        return 1.0 / (len(self.member_RP) // 2)

    def true_positives_at(self, rate: float) -> Array:
        """Return each person's true positive rate at their own false positive rate `rate`, (P,)."""
        called_RP = (self.p_RP <= rate + 1e-12) & self.member_RP
        return np.asarray(called_RP.sum(axis=0) / self.member_RP.sum(axis=0))

    @property
    def pooled_auc(self) -> float:
        """Area under the curve over all people and models, by each person's own calibration."""
        return auc(self.z_RP[self.member_RP], self.z_RP[~self.member_RP])


def in_turn(name: str, known: Known) -> InTurn:
    """Attack every model by the others but its complement; `name` is one of SCORES.

    The threshold of the loss attack is one for all people, that of the others each person's own: midway between the
    mean scores of the known models with and without the person, which are scored without target and complement, too.
    """
    num_models = len(known.member_RP)
    assert num_models >= 6, f"two pairs beside the target's, found {num_models} models"
    score_RP = np.zeros(known.member_RP.shape)
    called_RP = np.zeros_like(known.member_RP)
    p_RP, z_RP = np.zeros_like(score_RP), np.zeros_like(score_RP)
    for first in range(0, num_models, 2):
        pair, rest = [first, first + 1], np.r_[0:first, first + 2 : num_models]
        score_RP[pair] = SCORES[name](known.error_RW[pair], _part(known, rest))
        own_QP = _scores_of_known(name, known, rest)
        member_QP = known.member_RP[rest]
        called_RP[pair] = score_RP[pair] > _threshold(own_QP, member_QP, common=name == LOSS)
        out_QP = np.where(member_QP, -np.inf, own_QP)
        higher_2P = (out_QP[None] >= score_RP[pair][:, None]).sum(axis=1)
        p_RP[pair] = (1 + higher_2P) / (1 + (~member_QP).sum(axis=0))
        z_RP[pair] = _standardised(score_RP[pair], own_QP, ~member_QP)
    return InTurn(score_RP=score_RP, called_RP=called_RP, p_RP=p_RP, z_RP=z_RP, member_RP=known.member_RP)


def _standardised(score_2P: Array, own_QP: Array, out_QP: Mask) -> Array:
    count_P = out_QP.sum(axis=0)
    mean_P = np.where(out_QP, own_QP, 0.0).sum(axis=0) / count_P
    variance_P = np.where(out_QP, (own_QP - mean_P) ** 2, 0.0).sum(axis=0) / count_P
    return np.asarray((score_2P - mean_P) / np.sqrt(np.maximum(variance_P, SMALLEST_VARIANCE)))


def _scores_of_known(name: str, known: Known, rest: NDArray[Any]) -> Array:
    """Score the models that the attacker knows, each without its own pair: (Q, P)."""
    found = np.zeros((len(rest), known.people.num_people))
    for at in range(0, len(rest), 2):
        others = np.delete(rest, [at, at + 1])
        found[at : at + 2] = SCORES[name](known.error_RW[rest[at : at + 2]], _part(known, others))
    return found


def _part(known: Known, models: NDArray[Any]) -> Known:
    return Known(people=known.people, error_RW=known.error_RW[models], member_RP=known.member_RP[models])


def _threshold(score_QP: Array, member_QP: Mask, *, common: bool) -> Array:
    with_P, without_P = (
        np.where(there, score_QP, 0.0).sum(axis=0) / there.sum(axis=0) for there in (member_QP, ~member_QP)
    )
    middle_P = 0.5 * (with_P + without_P)
    return np.full_like(middle_P, middle_P.mean()) if common else np.asarray(middle_P)


def released_success(score_KP: Array, member_KP: Mask) -> Array:
    """Return for each person how often a released model trained with them scores higher than one without, (P,).

    A tie counts half; NaN for a person whom all or none of the K models were trained on.
    """
    found = np.full(member_KP.shape[1], np.nan)
    for person, member_K in enumerate(member_KP.T):
        if member_K.any() and not member_K.all():
            found[person] = auc(score_KP[member_K, person], score_KP[~member_K, person])
    return found


def auc(positive: Array, negative: Array) -> float:
    """Return the probability that a positive is above a negative, ties counting half; 0.5 without either."""
    if not len(positive) or not len(negative):
        return 0.5
    ordered = np.sort(negative)
    below = np.searchsorted(ordered, positive, "left") + np.searchsorted(ordered, positive, "right")
    return float(below.mean() / (2 * len(negative)))


def exact_interval(right: int, trials: int) -> tuple[float, float]:
    """Return both ends of the exact 95 % interval of a share of successes (Clopper and Pearson 1934)."""
    tail = 0.5 * (1.0 - LEVEL)
    low = 0.0 if right == 0 else float(stats.beta.ppf(tail, right, trials - right + 1))
    high = 1.0 if right == trials else float(stats.beta.ppf(1.0 - tail, right + 1, trials - right))
    return low, high
