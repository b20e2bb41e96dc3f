# ruff: noqa: N803, N806, N815 - shape suffixes, by the legend below
"""Who recognises people: three classifiers of windows' statistics, of which the enrolment alone chooses one.

Each half of the enrolment is recognised by an attacker who knows the other. That chooses the attacker, and the
temperature by which its confidence is calibrated. Shapes: W windows, F statistics, P people.
"""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.seeds import seed_for
from orchestrator.audit.windows import Windows
from orchestrator.estimators.sums import Array

# Ours.
TREES = 200
MOST_COLUMNS = 256  # of statistics; more are projected on so many principal components of the enrolment
LARGEST_ODDS = 30.0  # of log-probabilities: a forest is certain more often than it should be
TEMPERATURES = np.geomspace(0.05, 1000.0, 81)  # the last makes every answer one of chance
CHANCE_SHARE = 0.05  # of every answer is chance: an attacker who has seen minutes of a person is never certain
ITERATIONS = 500  # of the logistic regression; enough is known of who is who before it has converged

Make = Callable[[int], Any]


def _lda(_: int) -> Any:
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    return LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")


def _logistic(_: int) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=ITERATIONS)


def _forest(seed: int) -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(n_estimators=TREES, random_state=seed % 2**32, n_jobs=1)


ATTACKERS: Mapping[str, Make] = {
    "shrinkage LDA": _lda,
    "logistic regression": _logistic,
    "random forest": _forest,
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answers:
    """Calibrated log-probabilities (W, P) that a probe window is a person's, and what gave them."""

    log_probability_WP: Array
    attacker: str
    temperature: float
    enrolment_rank1: Mapping[str, float]  # of each attacker, each half recognised by the other


def recognise(enrolled: Windows, probe: Windows, *, num_people: int, seed: int) -> Answers:
    """Choose and calibrate the attacker on the enrolment, train it on all of that, and let it answer for the probe.

    The best on the enrolment is the one with the most windows recognised, then with the least cross-entropy.
    """
    tried: dict[str, tuple[float, float, float]] = {}
    for name, make in ATTACKERS.items():
        raw, truth = _held_out(make, enrolled, num_people, seed=seed_for(seed, "attacker", name, "halves"))
        temperature, loss = calibrated(raw, truth)
        tried[name] = (float((raw.argmax(axis=1) == truth).mean()), -loss, temperature)
    best = max(tried, key=lambda name: tried[name][:2])
    temperature = tried[best][2]
    raw = trained_answers(ATTACKERS[best], enrolled, probe.rows_WF, num_people, seed=seed_for(seed, "attacker", best))
    return Answers(
        log_probability_WP=at_temperature(raw, temperature),
        attacker=best,
        temperature=temperature,
        enrolment_rank1={name: values[0] for name, values in tried.items()},
    )


def calibrated(raw_WP: Array, truth_W: NDArray[np.int64]) -> tuple[float, float]:
    """Return the temperature with the least mean cross-entropy on these answers, and that cross-entropy in nats.

    Guo et al. 2017 (arXiv:1706.04599), over a fixed grid: the last of it is chance.
    """
    rows = np.arange(len(truth_W))
    losses = [-at_temperature(raw_WP, t)[rows, truth_W].mean() for t in TEMPERATURES]
    best = int(np.argmin(losses))
    return float(TEMPERATURES[best]), float(losses[best])


def at_temperature(raw_WP: Array, temperature: float) -> Array:
    """Return log-probabilities: the odds of `raw_WP` to the power 1 / temperature, and a share of chance."""
    scaled = np.exp((raw_WP - raw_WP.max(axis=1, keepdims=True)) / temperature)
    probability_WP = scaled / scaled.sum(axis=1, keepdims=True)
    return np.asarray(np.log((1.0 - CHANCE_SHARE) * probability_WP + CHANCE_SHARE / raw_WP.shape[1]))


def _held_out(make: Make, enrolled: Windows, num_people: int, *, seed: int) -> tuple[Array, NDArray[np.int64]]:
    """Let each half of the enrolment be recognised by who knows the other."""
    raw, truth = [], []
    for half in (0, 1):
        known, asked = enrolled.half_W != half, enrolled.half_W == half
        part = Windows(
            rows_WF=enrolled.rows_WF[known], person_W=enrolled.person_W[known], half_W=enrolled.half_W[known]
        )
        raw.append(trained_answers(make, part, enrolled.rows_WF[asked], num_people, seed=seed))
        truth.append(enrolled.person_W[asked])
    return np.concatenate(raw), np.concatenate(truth)


def trained_answers(make: Make, known: Windows, asked_WF: Array, num_people: int, *, seed: int) -> Array:
    """Train on known windows and return log-probabilities (W, P) of others, none below -LARGEST_ODDS."""
    rows_WF, asked_WF = _projected(known.rows_WF, asked_WF, seed=seed)
    model = make(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a regression that was stopped, of classes with few windows
        model.fit(rows_WF, known.person_W)
        probability_WP = np.zeros((len(asked_WF), num_people))
        probability_WP[:, model.classes_] = np.nan_to_num(model.predict_proba(asked_WF))
    smallest = np.exp(-LARGEST_ODDS)
    return np.log(np.maximum(probability_WP, smallest))


def standardised(known_WF: Array, asked_WF: Array) -> tuple[Array, Array]:
    """Scale both by the mean and the deviation of the known windows; a column that never moves there is left out.

    A single column of zeros if none moves.
    """
    mean, sd = known_WF.mean(axis=0), known_WF.std(axis=0)
    moves = sd > 1e-9 * np.maximum(1.0, np.abs(mean))
    if not moves.any():
        return np.zeros((len(known_WF), 1)), np.zeros((len(asked_WF), 1))
    known, asked = ((rows[:, moves] - mean[moves]) / sd[moves] for rows in (known_WF, asked_WF))
    return known, asked


def _projected(known_WF: Array, asked_WF: Array, *, seed: int) -> tuple[Array, Array]:
    """Standardise by the known windows, and project many columns on their principal components."""
    known, asked = standardised(known_WF, asked_WF)
    if known.shape[1] <= MOST_COLUMNS:
        return known, asked
    from sklearn.decomposition import PCA

    count = min(MOST_COLUMNS, len(known) - 1)
    components = PCA(n_components=count, svd_solver="full", random_state=seed % 2**32).fit(known)
    return components.transform(known), components.transform(asked)
