"""From a corpus to what the networks learn from: gold standard, scaling, folds. Pure; nothing here is trained.

Shapes: T frames of a recording, F features, 2 = valence and arousal.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.training import FoldSplit
from models.windows import Series
from orchestrator.corpora.recording import Corpus, Recording
from orchestrator.errors import InputError
from orchestrator.folds import Fold, make_folds
from orchestrator.gold_standard import delayed, gold_standard
from orchestrator.protocols import INNER_SHARE, Protocol

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """Series in the corpus's order with their folds; one copy of it serves every trial of a search."""

    series: tuple[Series, ...]
    times: tuple[NDArray[np.float64], ...]  # seconds, one array (T,) a series
    feature_names: tuple[str, ...]
    synthetic: bool
    folds: tuple[Fold, ...]
    splits: tuple[FoldSplit, ...]  # the folds as indices into `series`, with the training people's statistics

    @property
    def num_frames(self) -> int:
        """Frames of all recordings together."""
        return sum(len(series.valid_T) for series in self.series)


def make_dataset(corpus: Corpus, protocol: Protocol, *, seed: int) -> Dataset:
    """Apply a protocol to a corpus; InputError where no labelled frame or too few participants are left."""
    inner_share = INNER_SHARE if protocol.epoch_choice == "best-on-inner" else 0.0
    folds = make_folds(corpus.participants, protocol.num_folds, inner_share=inner_share, seed=seed)
    scaled = _scale_participants(corpus.recordings) if protocol.scaling == "participant" else None
    series = tuple(
        Series(
            participant=recording.participant,
            session=recording.session,
            features_TF=_without_invalid(scaled[index] if scaled else recording.features, recording.valid),
            valid_T=recording.valid,
            gold_T2=_gold(recording, protocol),
        )
        for index, recording in enumerate(corpus.recordings)
    )
    if not any(one.mask_T2.any() for one in series):
        raise InputError.of(
            str(corpus.path),
            found="no valid frame with a label",
            expected="labels that meet the features in time",
        )
    return Dataset(
        series=series,
        times=tuple(recording.time for recording in corpus.recordings),
        feature_names=corpus.feature_names,
        synthetic=corpus.synthetic,
        folds=folds,
        splits=tuple(_split(fold, series, with_statistics=protocol.scaling == "train") for fold in folds),
    )


def _gold(recording: Recording, protocol: Protocol) -> Floats:
    ratings = recording.ratings
    if protocol.label_delay_seconds:
        ratings = delayed(ratings, recording.time, protocol.label_delay_seconds)
    return gold_standard(ratings, protocol.gold, decimals=protocol.label_decimals)


def _without_invalid(features: Floats, valid: NDArray[np.bool_]) -> Floats:
    return np.where(valid[:, None], np.nan_to_num(features, nan=0.0, posinf=0.0, neginf=0.0), 0.0).astype(np.float32)


def _scale_participants(recordings: Sequence[Recording]) -> list[Floats]:
    """Standardise each participant by the mean and spread over all of that person's valid frames."""
    statistics = {
        person: _mean_and_sd([one for one in recordings if one.participant == person])
        for person in {recording.participant for recording in recordings}
    }
    scaled = []
    for recording in recordings:
        mean, sd = statistics[recording.participant]
        scaled.append(((recording.features - mean) / sd).astype(np.float32))
    return scaled


def _mean_and_sd(recordings: Sequence[Recording]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return _statistics([recording.features[recording.valid] for recording in recordings])


def _statistics(blocks: Sequence[Floats]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rows = np.concatenate(blocks).astype(np.float64)
    rows = np.nan_to_num(rows, nan=0.0)
    if not len(rows):
        return np.zeros(rows.shape[1]), np.ones(rows.shape[1])
    mean, sd = rows.mean(axis=0), rows.std(axis=0)
    # A column that never moves tells nothing; dividing by 1 leaves it at zero instead of blowing up its rounding.
    still = sd <= 1e-7 * np.maximum(np.abs(mean), 1.0)
    return mean, np.where(still, 1.0, sd)


def _split(fold: Fold, series: Sequence[Series], *, with_statistics: bool) -> FoldSplit:
    def indices(people: Sequence[str]) -> tuple[int, ...]:
        return tuple(index for index, one in enumerate(series) if one.participant in people)

    train = indices(fold.train)
    mean = sd = None
    if with_statistics:
        mean, sd = _statistics([series[index].features_TF[series[index].valid_T] for index in train])
    return FoldSplit(
        train=train,
        validation=indices(fold.inner or fold.held_out),
        held_out=indices(fold.held_out),
        mean_F=None if mean is None else mean.astype(np.float32),
        sd_F=None if sd is None else sd.astype(np.float32),
    )
