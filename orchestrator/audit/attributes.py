# ruff: noqa: N803, N806, N815 - shape suffixes, by the legend below
"""What do the data tell of a new person? Inference of what participants.csv says, of people nobody has met.

Nobody is on both sides: an attacker is trained on some people and answers for others. Shapes: W windows, F statistics,
P people with a value, K values.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.seeds import seed_for
from orchestrator.audit.attackers import at_temperature, calibrated, trained_answers
from orchestrator.audit.attribute_columns import FEWEST_PEOPLE, Column
from orchestrator.audit.identity import hits
from orchestrator.audit.records import ATTRIBUTE, Attack
from orchestrator.audit.statistics import share, statistic
from orchestrator.audit.verdict import NOT_MEASURED, UNDERPOWERED, verdict
from orchestrator.audit.windows import Windows
from orchestrator.errors import number_of
from orchestrator.estimators.bootstrap import mean_of_shares
from orchestrator.estimators.sums import Array

BALANCED_ACCURACY = "balanced accuracy"
RIGHT = "right value"  # 1, 0, or the share of several that are equally likely
PROBABILITY = "probability of the right value"

# Ours.
FOLDS = 10  # of people, or as many as the rarest value has people
INNER_FOLDS = 3  # of an attacker's people, to choose among attackers
MOST_WINDOWS = 30  # of one person, spread evenly: people weigh alike, and more of one say nothing of others
WEAK = 0.01  # of the logistic regression's C: people are few, and columns many

Ints = NDArray[np.int64]


def _lda(count: int) -> Any:
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    return LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto", priors=np.full(count, 1.0 / count))


def _logistic(_: int) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=WEAK, class_weight="balanced")


# By the number of values: how frequent they are among the people known counts for neither.
ATTACKERS: Mapping[str, Callable[[int], Any]] = {"shrinkage LDA": _lda, "logistic regression": _logistic}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Known:
    """Windows of people with a value: whose each is (W,), as a place among the people, and their values (P,)."""

    rows_WF: Array
    person_W: Ints
    value_P: Ints
    count: int  # K

    def of(self, people: Ints) -> NDArray[np.bool_]:
        return np.isin(self.person_W, people)


def attribute_attack(  # noqa: PLR0913 - what is attacked, and what it is called
    people: Sequence[str],
    windows: Windows,
    column: Column,
    *,
    source: str,
    threat: str,
    seed: int,
    window_seconds: float,
    notes: Sequence[str] = (),
) -> Attack:
    """Infer a column of people who are held out, and return the record; its main statistic is the balanced accuracy.

    `people` are those of `windows`, of `window_seconds` each, in its order; `source` and `threat` are what the record
    says of them, `notes` further lines of it. `seed` decides the folds and the bootstrap. Where a value has fewer than
    FEWEST_PEOPLE people with a window nothing is measured, and the record says so.
    """
    there = [place for place, person in enumerate(people) if person in column.value_of]
    names = [people[place] for place in there]
    value_P = np.array([column.value_of[name] for name in names], dtype=np.int64)
    count = len(column.values)
    chance = 1.0 / count
    record = partial(Attack, attack=ATTRIBUTE, source=source, variant=column.name, threat=threat, people=len(there))
    lines = [*notes, *column.notes]
    left_out = len(column.value_of) - len(there)
    if left_out:
        lines.append(f"{column.name}: left out, without a valid window: {number_of(left_out, 'person', 'people')}")
    if np.bincount(value_P, minlength=count).min() < FEWEST_PEOPLE:
        lines.append(f"{column.name}: fewer than {FEWEST_PEOPLE} people of a value have a window")
        return record(main=statistic(BALANCED_ACCURACY, None, chance), verdict=NOT_MEASURED, notes=tuple(lines))
    known = _known(windows, there, value_P, count)
    log_PK, chosen = _answers(known, seed=seed)
    right_P = hits(log_PK, value_P)
    of_value = [right_P[value_P == value] for value in range(count)]
    main = statistic(BALANCED_ACCURACY, mean_of_shares(of_value, seed=seed), chance)
    said = verdict(main)
    if said == UNDERPOWERED:
        lines.append(f"{column.name}, {len(names)} people: the interval allows both a leak and none")
    probability_P = np.exp(log_PK[np.arange(len(names)), value_P])
    return record(
        main=main,
        others=tuple(
            share(f"recall of {value} ({len(own)} people)", own, chance, seed=seed)
            for value, own in zip(column.values, of_value, strict=True)
        ),
        verdict=said,
        notes=tuple(lines),
        settings={
            "values": count,
            "folds": sum(chosen.values()),
            "window_seconds": window_seconds,
            "windows": len(known.person_W),
            **{f"folds of {name}": chosen[name] for name in ATTACKERS},
        },
        per_person={
            name: {RIGHT: float(right_P[p]), PROBABILITY: float(probability_P[p])} for p, name in enumerate(names)
        },
    )


def _known(windows: Windows, there: Sequence[int], value_P: Ints, count: int) -> _Known:
    place = {person: p for p, person in enumerate(there)}
    kept = np.isin(windows.person_W, list(there))
    person_W = np.array([place[int(person)] for person in windows.person_W[kept]], dtype=np.int64)
    return _Known(rows_WF=windows.rows_WF[kept], person_W=person_W, value_P=value_P, count=count)


def folds_of(value_P: Ints, most: int, *, seed: int) -> Ints:
    """Return the fold of each person (P,), `most` or as many as the rarest value has people; each has all values.

    One after another person held out would be simpler, and is no test: of the one who is held out the value is rarer
    among the others, so that an attacker who learns how frequent values are, or where people of a value lie on average,
    is wrong more often than chance.
    """
    counts = np.bincount(value_P)
    folds = min(most, int(counts[counts > 0].min()))
    generator = np.random.default_rng(seed)
    fold_P = np.zeros(len(value_P), dtype=np.int64)
    begun = 0
    for value in np.flatnonzero(counts):
        own = generator.permutation(np.flatnonzero(value_P == value))
        fold_P[own] = (begun + np.arange(len(own))) % folds
        begun += len(own)
    return fold_P


def _answers(known: _Known, *, seed: int) -> tuple[Array, Counter[str]]:
    """Return each person's log-probabilities (P, K) by attackers who never saw them, and how often each was chosen."""
    log_PK = np.zeros((len(known.value_P), known.count))
    chosen: Counter[str] = Counter()
    fold_P = folds_of(known.value_P, FOLDS, seed=seed_for(seed, ATTRIBUTE, "folds"))
    for fold in range(int(fold_P.max()) + 1):
        train, asked = np.flatnonzero(fold_P != fold), np.flatnonzero(fold_P == fold)
        name, temperature = _best(known, train, seed=seed_for(seed, ATTRIBUTE, "fold", fold))
        raw = _of_people(known, name, train, asked, seed=seed_for(seed, ATTRIBUTE, "fold", fold, name))
        log_PK[asked] = at_temperature(raw, temperature)
        chosen[name] += 1
    return log_PK, chosen


def _best(known: _Known, people: Ints, *, seed: int) -> tuple[str, float]:
    """Choose an attacker and its temperature on these people alone: each part of them is inferred by the others.

    The best has the largest balanced accuracy, then the least cross-entropy.
    """
    value_P = known.value_P[people]
    fold_P = folds_of(value_P, INNER_FOLDS, seed=seed)
    tried: dict[str, tuple[float, float, float]] = {}
    for name in ATTACKERS:
        raw_PK = np.zeros((len(people), known.count))
        for fold in range(int(fold_P.max()) + 1):
            train, asked = people[fold_P != fold], people[fold_P == fold]
            raw_PK[fold_P == fold] = _of_people(known, name, train, asked, seed=seed_for(seed, name, fold))
        temperature, loss = calibrated(raw_PK, value_P)
        right_P = hits(raw_PK, value_P)
        balanced = np.mean([right_P[value_P == value].mean() for value in range(known.count)])
        tried[name] = (float(balanced), -loss, temperature)
    best = max(tried, key=lambda name: tried[name][:2])
    return best, tried[best][2]


def _of_people(known: _Known, attacker: str, train: Ints, asked: Ints, *, seed: int) -> Array:
    """Train on some people, and return the mean log-probabilities of the windows of others (P, K), in their order."""
    learnt, of_asked = known.of(train), known.of(asked)
    person_W = known.person_W[of_asked]
    # Of a person the value stands in the place of the name: what is recognised is the value.
    part = Windows(
        rows_WF=known.rows_WF[learnt],
        person_W=known.value_P[known.person_W[learnt]],
        half_W=np.zeros(int(learnt.sum()), dtype=np.int64),
    )
    raw_WK = trained_answers(
        lambda _: ATTACKERS[attacker](known.count), part, known.rows_WF[of_asked], known.count, seed=seed
    )
    return np.stack([raw_WK[person_W == person].mean(axis=0) for person in asked])
