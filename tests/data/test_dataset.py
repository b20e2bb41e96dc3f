import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from models.windows import Series
from orchestrator.corpora.read_options import BEFORE
from orchestrator.corpora.recording import Corpus, Recording
from orchestrator.data.dataset import Dataset, make_dataset
from orchestrator.data.image_options import ImageOptions
from orchestrator.errors import InputError
from orchestrator.evaluation.search_baselines import measure, scored
from orchestrator.protocols import DESCRIBED, STRICT


def ridge(dataset: Dataset) -> Mapping[str, float]:
    return dict(scored(measure(dataset), dataset, window_length=20, partial_window="pad").shown()["ridge"])


def series_of(dataset: Dataset) -> list[Series]:
    found = [one for one in dataset.series if isinstance(one, Series)]
    assert len(found) == len(dataset.series) > 0
    return found


THREE_FOLDS = dataclasses.replace(DESCRIBED, num_folds=3)


def make_corpus(people: int = 6, *, frames: int = 40, sessions: tuple[str, ...] = ("",)) -> Corpus:
    """People whose valence is their first feature after taking away each one's own offset."""
    generator = np.random.default_rng(0)
    recordings = []
    for person in range(people):
        for session in sessions:
            latent = generator.uniform(-0.8, 0.8, size=(frames, 2))
            features = np.concatenate([latent, generator.normal(size=(frames, 2))], axis=1) * (person + 1) + 10 * person
            valid = np.ones(frames, dtype=bool)
            valid[3] = False
            features[3] = np.nan
            recordings.append(
                Recording(
                    participant=f"P{person}",
                    session=session,
                    time=np.arange(frames) / 25.0,
                    features=features.astype(np.float32),
                    valid=valid,
                    raters=("A", "B"),
                    ratings=np.stack([latent - 0.1, latent + 0.1], axis=1).astype(np.float32),
                )
            )
    return Corpus(
        kind="table",
        path=Path("made.csv"),
        synthetic=True,
        feature_names=("a", "b", "c", "d"),
        hz=25.0,
        recordings=tuple(recordings),
        sha256="0" * 64,
    )


def test_participant_scaling_uses_all_sessions_of_a_person_and_valid_frames_only() -> None:
    dataset = make_dataset(make_corpus(sessions=("1", "2")), THREE_FOLDS, seed=0)
    for person in {series.participant for series in dataset.series}:
        rows = np.concatenate([one.features_TF[one.valid_T] for one in series_of(dataset) if one.participant == person])
        assert rows.mean(axis=0) == pytest.approx(0, abs=1e-5)
        assert rows.std(axis=0) == pytest.approx(1, abs=1e-5)
    assert all((one.features_TF[~one.valid_T] == 0).all() for one in series_of(dataset))


def test_folds_go_by_participant_whatever_the_sessions() -> None:
    dataset = make_dataset(make_corpus(sessions=("1", "2")), THREE_FOLDS, seed=0)
    for split in dataset.splits:
        people = [{dataset.series[index].participant for index in part} for part in (split.train, split.held_out)]
        assert not people[0] & people[1]
        assert len(split.train) + len(split.held_out) == 12
        assert split.validation == split.held_out


def test_strict_takes_statistics_from_training_people_and_validates_on_inner_ones() -> None:
    strict = dataclasses.replace(STRICT, num_folds=3)
    corpus = make_corpus()
    dataset = make_dataset(corpus, strict, seed=0)
    for fold, split in zip(dataset.folds, dataset.splits, strict=True):
        of_train = np.concatenate(
            [one.features[one.valid] for one in corpus.recordings if one.participant in fold.train]
        )
        assert split.mean_F == pytest.approx(of_train.mean(axis=0), rel=1e-5)
        assert split.sd_F == pytest.approx(of_train.std(axis=0), rel=1e-5)
        validating = {dataset.series[index].participant for index in split.validation}
        assert validating == set(fold.inner)


def test_a_column_that_never_moves_becomes_zero_not_noise() -> None:
    corpus = make_corpus()
    still = [
        dataclasses.replace(
            one, features=np.concatenate([one.features[:, :3], np.full((40, 1), 0.1, np.float32)], axis=1)
        )
        for one in corpus.recordings
    ]
    dataset = make_dataset(dataclasses.replace(corpus, recordings=tuple(still)), THREE_FOLDS, seed=0)
    assert all(np.abs(one.features_TF[:, 3]).max() < 1e-6 for one in series_of(dataset))


def test_gold_is_the_mean_of_the_raters_moved_by_the_delay() -> None:
    corpus = make_corpus()
    dataset = make_dataset(corpus, THREE_FOLDS, seed=0)
    valid = corpus.recordings[0].valid
    expected = corpus.recordings[0].ratings.mean(axis=1)
    assert series_of(dataset)[0].gold_T2[valid] == pytest.approx(expected[valid], abs=1e-6)
    assert np.isnan(series_of(dataset)[0].gold_T2[~valid]).all()
    moved = make_dataset(corpus, dataclasses.replace(THREE_FOLDS, label_delay_seconds=0.4), seed=0)
    assert series_of(moved)[0].gold_T2[:-10][valid[:-10]] == pytest.approx(expected[10:][valid[:-10]], abs=1e-6)
    assert np.isnan(series_of(moved)[0].gold_T2[-10:]).all()


def test_labels_that_miss_every_frame_are_refused() -> None:
    corpus = make_corpus()
    blank = [dataclasses.replace(one, ratings=np.full_like(one.ratings, np.nan)) for one in corpus.recordings]
    with pytest.raises(InputError, match="no valid frame with a label"):
        make_dataset(dataclasses.replace(corpus, recordings=tuple(blank)), THREE_FOLDS, seed=0)


def test_a_delay_that_takes_every_label_names_itself_and_the_longest_recording() -> None:
    said = "--label-delay: found 2000, with which no valid frame has a label; expected seconds, fewer than the 1.56 of"
    with pytest.raises(InputError, match=said):
        make_dataset(make_corpus(), dataclasses.replace(THREE_FOLDS, label_delay_seconds=2000.0), seed=0)


def test_a_dimension_without_labels_is_refused_but_in_a_run_of_before() -> None:
    corpus = make_corpus()
    blank = []
    for one in corpus.recordings:
        ratings = one.ratings.copy()
        ratings[:, :, 0] = np.nan
        blank.append(dataclasses.replace(one, ratings=ratings))
    corpus = dataclasses.replace(corpus, recordings=tuple(blank))
    with pytest.raises(InputError, match="no valid frame with a valence label"):
        make_dataset(corpus, THREE_FOLDS, seed=0)
    make_dataset(dataclasses.replace(corpus, options=BEFORE), THREE_FOLDS, seed=0)


def test_ridge_finds_a_linear_law_on_unseen_people_and_never_sees_them() -> None:
    scores = ridge(make_dataset(make_corpus(), THREE_FOLDS, seed=0))
    assert scores["ccc_valence"] > 0.9
    shuffled = make_corpus()
    generator = np.random.default_rng(1)
    noise = [
        dataclasses.replace(one, features=generator.normal(size=one.features.shape).astype(np.float32))
        for one in shuffled.recordings
    ]
    nothing = ridge(make_dataset(dataclasses.replace(shuffled, recordings=tuple(noise)), THREE_FOLDS, seed=0))
    assert abs(nothing["ccc_valence"]) < 0.3


def test_ridge_learns_from_the_other_people_alone() -> None:
    """Valence follows a feature up in three people and down in three: those who are held out contradict the others.

    A fit on everybody finds no slope and scores about 0, one on the held-out people alone scores about 0.6.
    """
    corpus = make_corpus()
    turned = [
        dataclasses.replace(one, features=one.features * np.float32(sign))
        for one, sign in zip(corpus.recordings, (1, 1, -1, -1, 1, -1), strict=True)
    ]
    scores = ridge(make_dataset(dataclasses.replace(corpus, recordings=tuple(turned)), THREE_FOLDS, seed=0))
    assert scores["ccc_valence"] < -0.3


def test_a_bridged_gap_goes_in_and_stays_outside_the_score() -> None:
    corpus = make_corpus()
    bridged = []
    for one in corpus.recordings:
        features = one.features.copy()
        features[3] = (features[2] + features[4]) / 2
        bridged.append(dataclasses.replace(one, features=features))
    dataset = make_dataset(dataclasses.replace(corpus, recordings=tuple(bridged)), THREE_FOLDS, seed=0)
    first = series_of(dataset)[0]
    between = (first.features_TF[2] + first.features_TF[4]) / 2
    assert first.features_TF[3] == pytest.approx(between, abs=1e-5)
    assert first.valid_T[3]
    assert not first.mask_T2[3].any()


def test_lengths_that_leave_a_fold_without_a_window_are_refused_with_the_reason() -> None:
    dataset = make_dataset(make_corpus(), THREE_FOLDS, seed=0)
    assert dataset.refusal(40, partial_window="drop") is None
    assert dataset.refusal(41, partial_window="pad") == "sequence_length 41 is longer than any recording (40 frames)"
    corpus = make_corpus()
    short = [
        dataclasses.replace(
            one,
            time=one.time[:20],
            features=one.features[:20],
            valid=one.valid[:20],
            ratings=one.ratings[:20],
        )
        if number < 2
        else one
        for number, one in enumerate(corpus.recordings)
    ]
    dataset = make_dataset(dataclasses.replace(corpus, recordings=tuple(short)), THREE_FOLDS, seed=0)
    assert dataset.refusal(30, partial_window="pad") is None
    reason = "sequence_length 30: fold 0 has no labelled whole window to validate on"
    assert dataset.refusal(30, partial_window="drop") == reason


def test_folds_without_a_dimensions_labels_are_told() -> None:
    corpus = make_corpus()
    lacking = []
    for one in corpus.recordings:
        ratings = one.ratings.copy()
        if one.participant in ("P0", "P1"):
            ratings[:, :, 0] = np.nan
        lacking.append(dataclasses.replace(one, ratings=ratings))
    dataset = make_dataset(dataclasses.replace(corpus, recordings=tuple(lacking)), THREE_FOLDS, seed=0)
    assert dataset.unlabelled() == ["fold 0    has no valence label to score"]
    assert make_dataset(corpus, THREE_FOLDS, seed=0).unlabelled() == []


def test_missing_videos_are_named_before_weights_are_looked_for() -> None:
    images = ImageOptions(image_size=48, frame_stride=1, face_crop="none", backbone="frozen", weights="nowhere.pth")
    with pytest.raises(InputError) as caught:
        make_dataset(make_corpus(), THREE_FOLDS, seed=0, images=images)
    assert [one.found for one in caught.value.problems] == ["no video"] * 6
