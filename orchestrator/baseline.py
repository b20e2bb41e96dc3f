"""A plain ridge regression on the same folds and frames: what a recurrent network has to beat.

Not in the paper; without it nobody sees whether the sequence and the depth bought anything.
"""

import warnings

import numpy as np

from models.ccc import frame_moments
from models.windows import Series
from orchestrator import measures, scoring
from orchestrator.corpora.recording import DIMENSIONS
from orchestrator.dataset import Dataset
from orchestrator.measures import FoldMoments, PersonMoments, of_fold
from orchestrator.run_records import FoldScore

ALPHAS = tuple(10.0**power for power in range(-2, 7))  # ours; chosen within the training people by cross-validation


def ridge(dataset: Dataset) -> dict[str, float]:
    """Return the mean frame CCC over the folds, `ccc_valence` and `ccc_arousal`, of ridge on single frames.

    The features are scaled as the protocol says; the penalty is chosen on the training frames by generalised
    cross-validation. A fold without a labelled training frame predicts zero. Empty for images, because ridge on pixels
    is no baseline anybody uses, and for federations, whose frames never meet.
    """
    if not all(isinstance(one, Series) for one in dataset.series):
        return {}
    folds = []
    for k, split in enumerate(dataset.splits):
        mean = 0.0 if split.mean_F is None else np.asarray(split.mean_F)
        sd = 1.0 if split.sd_F is None else np.asarray(split.sd_F)
        people: dict[str, list[PersonMoments]] = {}
        predict = [_fit(dataset, split.train, d, mean, sd) for d in range(len(DIMENSIONS))]
        for index in split.held_out:
            one = dataset.series[index]
            assert isinstance(one, Series)
            scaled = (one.features_TF - mean) / sd
            prediction = np.stack([scaled @ weights + bias for weights, bias in predict], axis=1)
            moments = scoring.by_dimension(frame_moments(prediction, one.gold_T2, one.mask_T2))
            people.setdefault(one.participant, []).append(moments)
        frames = {person: scoring.merge(parts) for person, parts in people.items()}
        folds.append(FoldScore(fold=k, scores=of_fold(FoldMoments(frames=frames, windows=frames))))
    means = scoring.over_folds(folds)
    return {key: float(means[key] or 0.0) for key in measures.headline_keys()}


def _fit(
    dataset: Dataset, train: tuple[int, ...], d: int, mean: np.ndarray | float, sd: np.ndarray | float
) -> tuple[np.ndarray, float]:
    series = [one for index in train if isinstance(one := dataset.series[index], Series)]
    rows = np.concatenate([(one.features_TF[one.mask_T2[:, d]] - mean) / sd for one in series])
    gold = np.concatenate([one.gold_T2[one.mask_T2[:, d], d] for one in series])
    if len(rows) < 2:
        return np.zeros(rows.shape[1]), float(gold.mean()) if len(gold) else 0.0
    return fit_ridge(rows, gold)


def fit_ridge(rows: np.ndarray, gold: np.ndarray) -> tuple[np.ndarray, float]:
    """Fit gold (N,) on rows (N, F): coefficients (F,) and the intercept; the penalty by cross-validation among them."""
    from sklearn.linear_model import RidgeCV

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # near-singular columns at the smallest penalties are what penalties are for
        model = RidgeCV(alphas=ALPHAS).fit(rows.astype(np.float64), gold.astype(np.float64))
    return np.asarray(model.coef_), float(model.intercept_)
