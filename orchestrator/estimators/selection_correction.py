# ruff: noqa: N803, N806 - shape suffixes, by the legend below
"""What the selected configuration is worth on people who did not select it: BBC-CV over participants.

Bootstrap bias corrected cross-validation (Tsamardinos, Greasidou and Borboudakis 2018, doi 10.1007/s10994-018-5714-4):
the choice is repeated on people drawn with replacement, and each time the chosen configuration is scored on the people
who were not drawn. Nothing is trained again. Shapes: C configurations, P people, K folds, S sums, B draws.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.seeds import seed_for
from orchestrator.estimators.intervals import Interval
from orchestrator.estimators.sums import XX, XY, YY, Array, N, PersonMoments, by_fold, ccc_of

DRAWS = 1000  # ours; Tsamardinos et al. find 500 enough
STEP = 1e-3  # ours: of the central difference that gives a person's influence on a fold's CCC
MIN_PEOPLE = 4  # ours: with fewer a draw often leaves nobody out
PERCENTILES = (2.5, 97.5)
METHOD = "BBC-CV over people"
CHOICES = ("mse", "ccc")  # what a validation loss can be

ConfigurationFolds = Sequence[Mapping[str, PersonMoments]]  # fold -> person -> dimension -> moments


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrected:
    """One dimension: the corrected score of what is reported, and the score as it stands."""

    interval: Interval
    uncorrected: float


def bbc_cv(  # noqa: PLR0913 - what was chosen, how, and what is scored
    configurations: Sequence[ConfigurationFolds],
    *,
    scored: Sequence[ConfigurationFolds] | None = None,
    loss: str,
    dimensions: Sequence[str],
    seed: int,
    epoch_chosen_on_reported: bool = False,
    draws: int = DRAWS,
) -> dict[str, Corrected] | None:
    """Correct the mean over the folds of the pooled CCC for the choice of the best of these configurations.

    `configurations`: every finished one, with the frames' moments of the same people in the same folds. `scored`: other
    moments of the same to score (of window means, for the window CCC). `loss` names the validation loss that chose:
    "mse" or "ccc". `dimensions` are corrected one by one; `seed` and the number of `draws` decide the bootstrap. None
    if nothing was selected (one configuration), if the reported folds chose the epoch too (`epoch_chosen_on_reported`:
    that choice left no trace to repeat), and with fewer than four people; so is a dimension left out with fewer.
    """
    assert loss in CHOICES, loss
    if len(configurations) < 2 or epoch_chosen_on_reported:
        return None
    places = [(k, person) for k, fold in enumerate(configurations[0]) for person in fold]
    sums = {d: _sums(configurations, places, d) for d in dimensions}
    fold_P = np.array([k for k, _ in places], dtype=np.int64)
    loss_CP = losses_of(sums, fold_P, loss=loss)
    found = {}
    for dimension in dimensions:
        sums_CPS = sums[dimension] if scored is None else _sums(scored, places, dimension)
        scored_P = (sums_CPS[..., N] > 0).all(axis=0)
        if scored_P.sum() < MIN_PEOPLE:
            continue
        fold = np.unique(fold_P[scored_P], return_inverse=True)[1]
        value_CP = influences(sums_CPS[:, scored_P], fold)
        of_people_CP = loss_CP[:, scored_P]
        generator = np.random.default_rng(seed_for(seed, "bbc-cv", dimension))
        estimate, low, high, error = correction(value_CP, of_people_CP, generator, draws=draws)
        num_people = int(scored_P.sum())
        found[dimension] = Corrected(
            uncorrected=float(value_CP[int(of_people_CP.sum(axis=1).argmin())].mean()),
            interval=Interval(
                estimate=estimate,
                low=low,
                high=high,
                standard_error=error,
                degrees_of_freedom=num_people - 1,
                num_people=num_people,
                num_folds=int(fold.max()) + 1,
                method=METHOD,
                conservative=True,
            ),
        )
    return found or None


def influences(sums_PS: Array, fold_P: NDArray[np.int64]) -> Array:
    """Return each person's own part (..., P) of the mean over the folds of the pooled CCC; their mean is that score.

    A fold's CCC plus the person's first-order influence on it, by central difference; in a fold of one the person's own
    CCC. People of small folds weigh more, as in the reported mean. So people can be drawn one by one, whatever fold
    they are in, and a person left out tells nothing of the others to first order.
    """
    size_K = np.bincount(fold_P)
    mean_PS = (by_fold(sums_PS, fold_P) / size_K[:, None])[..., fold_P, :]
    off = STEP * sums_PS  # a CCC does not change along its own sums: only their difference from the mean counts
    influence = (ccc_of(mean_PS + off) - ccc_of(mean_PS - off)) / (2.0 * STEP)
    of_fold = ccc_of(mean_PS)
    weight_P = len(fold_P) / (len(size_K) * size_K[fold_P])
    score = (weight_P * of_fold).mean(axis=-1, keepdims=True)
    return np.asarray(score + weight_P * (of_fold + influence - score))


def losses_of(sums: Mapping[str, Array], fold_P: NDArray[np.int64], *, loss: str) -> Array:
    """Return each person's part (..., P) of the validation loss, the mean over folds; both dimensions together."""
    if loss == "ccc":
        parts = [1.0 - influences(one, fold_P) for one in sums.values()]
        return np.asarray(np.mean(parts, axis=0))
    errors = sum(one[..., XX] - 2.0 * one[..., XY] + one[..., YY] for one in sums.values())
    count = sum(one[..., N] for one in sums.values())
    of_fold = by_fold(np.asarray(count)[..., None], fold_P)[..., fold_P, 0]
    num_folds = int(fold_P.max()) + 1
    return np.asarray(errors / np.maximum(of_fold, 1.0) * len(fold_P) / num_folds)


def correction(
    value_CP: Array, loss_CP: Array, generator: np.random.Generator, *, draws: int = DRAWS
) -> tuple[float, float, float, float]:
    """Repeat the choice on drawn people; return the corrected score, both ends of its interval, its standard error.

    Each draw scores its choice (least loss over the people drawn, as often as they were drawn) on the people left out.
    The score is the mean over the draws, the interval their 2.5 and 97.5 percentiles: it covers the spread of the
    choice as well as that of the people, and is conservative, because those left out are a third of all people.
    """
    num_people = value_CP.shape[1]
    weight_BP = generator.multinomial(num_people, np.full(num_people, 1.0 / num_people), size=draws).astype(np.float64)
    out_BP = (weight_BP == 0.0).astype(np.float64)
    usable = out_BP.sum(axis=1) > 0
    weight_BP, out_BP = weight_BP[usable], out_BP[usable]
    chosen_B = (weight_BP @ loss_CP.T).argmin(axis=1)
    out_BC = (out_BP @ value_CP.T) / out_BP.sum(axis=1, keepdims=True)
    # Of one person left out the linear part may lie outside what a CCC can be.
    score_B = np.clip(out_BC[np.arange(len(chosen_B)), chosen_B], -1.0, 1.0)
    low, high = np.percentile(score_B, PERCENTILES)
    return float(score_B.mean()), float(low), float(high), float(score_B.std())


def _sums(configurations: Sequence[ConfigurationFolds], places: Sequence[tuple[int, str]], dimension: str) -> Array:
    rows = [[folds[k][person][dimension].to_list() for k, person in places] for folds in configurations]
    return np.array(rows, dtype=np.float64)
