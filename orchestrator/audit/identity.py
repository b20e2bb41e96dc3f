# ruff: noqa: N803, N806 - shape suffixes, by the legend below
"""Who is this? Re-identification of people from a stream of their recordings (docs/privacy.md).

Shapes: W windows, P people.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from orchestrator.audit.attackers import Answers, recognise
from orchestrator.audit.records import IDENTITY, Attack, Statistic
from orchestrator.audit.statistics import advantage_of, share, statistic
from orchestrator.audit.verdict import UNDERPOWERED, verdict
from orchestrator.audit.windows import ACROSS, Stream, make_task
from orchestrator.estimators.bootstrap import over_people
from orchestrator.estimators.sums import Array

RANK1 = "rank-1"
PROBE_RANK1 = "rank-1 of the whole probe"
EQUAL_ERROR_RATE = "equal error rate"
BITS = "bits leaked"


def identity_attack(  # noqa: PLR0913 - what is attacked, and what it is called
    streams: Sequence[Stream],
    *,
    source: str,
    variant: str = "",
    threat: str,
    seed: int,
    statistics: str = "all",
    own_scale: bool = False,
    notes: Sequence[str] = (),
) -> Attack:
    """Enrol people, recognise them later, and return the record; its main statistic is rank-1 by window.

    `streams` are the recordings as the attacker has them, `source`, `variant` and `threat` what the record says of
    them, and `notes` further lines of it. `statistics` is one of windows.STATISTICS, `own_scale` as in make_task;
    `seed` decides forests and bootstrap. InputError if fewer than two people can be enrolled and recognised.
    """
    where = f"the audit of {source}"
    task = make_task(streams, statistics=statistics, own_scale=own_scale, where=where)
    count = len(task.people)
    answers = recognise(task.enrolled, task.probe, num_people=count, seed=seed)
    scores = _scores(answers, task.probe.person_W, count, seed=seed)
    main = scores[RANK1]
    said = verdict(main)
    own = _own(answers.log_probability_WP, task.probe.person_W, count)
    return Attack(
        attack=IDENTITY,
        source=source,
        variant=variant,
        threat=threat,
        main=main,
        others=tuple(one for name, one in scores.items() if name != RANK1),
        people=count,
        verdict=said,
        notes=(*notes, *notes_of(task.parted, said, count, left_out=task.left_out)),
        settings={
            "attacker": answers.attacker,
            "temperature": answers.temperature,
            "window_seconds": task.window_seconds,
            "enrolment_windows": len(task.enrolled.person_W),
            "probe_windows": len(task.probe.person_W),
            "parted": task.parted,
            "statistics": statistics,
            **{f"enrolment rank-1 of {name}": value for name, value in answers.enrolment_rank1.items()},
        },
        per_person={person: {RANK1: float(own[0][p]), BITS: float(own[1][p])} for p, person in enumerate(task.people)},
    )


def notes_of(parted: str, said: str, count: int, *, left_out: int) -> list[str]:
    """Return what a record says of how so many people were `parted` into enrolment and probe, and of its verdict."""
    lines = []
    if left_out:
        lines.append(
            f"left out, without valid windows to enrol and to recognise them in: {left_out} of"
            f" {count + left_out} people"
        )
    if parted != ACROSS:
        lines.append("enrolment and probe are of one recording: what lasts minutes, such as light or mood, helps too")
    if said == UNDERPOWERED:
        lines.append(f"{count} people: the interval allows both a leak and none")
    return lines


def _scores(answers: Answers, truth_W: NDArray[np.int64], count: int, *, seed: int) -> dict[str, Statistic]:
    log_WP = answers.log_probability_WP
    hit_P, bits_P, whole_P = _own(log_WP, truth_W, count)
    chance = 1.0 / count
    rank1 = share(RANK1, hit_P, chance, seed=seed)
    bits = over_people(lambda drawn_P: float(bits_P[drawn_P].mean()), count, seed=seed)
    found = (
        rank1,
        share(PROBE_RANK1, whole_P, chance, seed=seed),
        statistic(EQUAL_ERROR_RATE, over_people(ErrorRate(log_WP, truth_W), count, seed=seed), 0.5),
        statistic(BITS, bits, 0.0, unit="bit"),
        advantage_of(rank1),
    )
    return {one.name: one for one in found}


def _own(log_WP: Array, truth_W: NDArray[np.int64], count: int) -> tuple[Array, Array, Array]:
    """Return by person the share of windows recognised, the mean bits, and whether all windows together are.

    Bits: log2 of the people's number, minus the cross-entropy of the calibrated answers.
    """
    rows = np.arange(len(truth_W))
    # Of several people who are equally likely each counts in part: an attacker who knows nothing gets chance.
    hit_W = hits(log_WP, truth_W)
    bits_W = (log_WP[rows, truth_W] + math.log(count)) / math.log(2)
    together_PP = np.stack([log_WP[truth_W == p].sum(axis=0) for p in range(count)])
    whole_P = hits(together_PP, np.arange(count))
    of_person = [truth_W == p for p in range(count)]
    return (
        np.array([hit_W[own].mean() for own in of_person]),
        np.array([bits_W[own].mean() for own in of_person]),
        whole_P,
    )


def hits(score_WP: Array, truth_W: NDArray[np.int64]) -> Array:
    """Return for each row (W,) 1 where the truth's column (W, P) is the largest, 1 / n where n are, else 0."""
    most_W = score_WP.max(axis=1, keepdims=True)
    among_WP = score_WP >= most_W - 1e-12
    return np.asarray(among_WP[np.arange(len(truth_W)), truth_W] / among_WP.sum(axis=1))


class ErrorRate:
    """The equal error rate of drawn people's windows: as many true claims are refused as false ones accepted.

    Every window claims to be each person in turn; its score is that person's log-odds. A person drawn twice counts
    twice; every person weighs the same. Scores are sorted once, for all draws.
    """

    def __init__(self, log_WP: Array, truth_W: NDArray[np.int64]) -> None:
        """Sort the claims by their scores; `log_WP` (W, P) are log-probabilities, `truth_W` whose windows they are."""
        count = log_WP.shape[1]
        odds_WP = log_WP - np.log(np.maximum(-np.expm1(np.minimum(log_WP, 0.0)), 1e-300))
        order = np.argsort(odds_WP, axis=None, kind="stable")
        score = odds_WP.ravel()[order]
        window = order // count
        self._count = count
        self._person = truth_W[window]
        self._own = order % count == self._person
        self._weight = 1.0 / np.maximum(np.bincount(truth_W, minlength=count), 1)
        self._last = np.append(np.diff(score) > 0, True)  # equal scores are refused together

    def __call__(self, drawn_P: NDArray[np.int64]) -> float:
        """Return the rate for people drawn, as places among all."""
        weight = (np.bincount(drawn_P, minlength=self._count) * self._weight)[self._person]
        own, other = np.where(self._own, weight, 0.0), np.where(self._own, 0.0, weight)
        refused = np.concatenate([[0.0], np.cumsum(own)[self._last] / own.sum()])
        accepted = np.concatenate([[1.0], 1.0 - np.cumsum(other)[self._last] / other.sum()])
        at = int(np.argmax(refused >= accepted))
        low, high = refused[at - 1] - accepted[at - 1], refused[at] - accepted[at]
        share = -low / (high - low)
        return float(refused[at - 1] + share * (refused[at] - refused[at - 1]))
