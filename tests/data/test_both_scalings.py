"""`--scaling both`: z-scores, and beside them the person's own means and deviations."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from models.splits import scaled
from models.windows import Series, cut
from orchestrator.data.dataset import Dataset, make_dataset
from orchestrator.errors import Gather
from orchestrator.planning.plan import SearchOptions
from orchestrator.planning.request import DataOptions, Request, decide
from orchestrator.protocols import DESCRIBED, STRICT
from tests.data.test_dataset import make_corpus

BOTH = dataclasses.replace(DESCRIBED, num_folds=3, scaling="both")


def of_features(dataset: Dataset) -> list[Series]:
    return [one for one in dataset.local_series() if isinstance(one, Series)]


def columns_of(dataset: Dataset, person: str) -> np.ndarray:
    """A person's valid frames as the network of the fold that holds them out sees them (T, 12)."""
    indices = [index for index, one in enumerate(dataset.series) if one.participant == person]
    (fold,) = [k for k, split in enumerate(dataset.splits) if indices[0] in split.held_out]
    windows = cut(of_features(dataset), 10)
    view = scaled(windows, fold, dataset.splits[fold])
    index = windows.of_series(indices)
    batch = view.batch(index)
    return batch.x_BLF[view.valid_WL[index]].numpy()


def test_a_frame_has_its_z_scores_and_the_persons_means_and_deviations_over_the_training_people() -> None:
    """Means and deviations of person i are 10 i + (i + 1) m and (i + 1) s: on one scale in training, beyond outside."""
    corpus = make_corpus(sessions=("1", "2"))
    dataset = make_dataset(corpus, BOTH, seed=0)
    plain = make_dataset(corpus, dataclasses.replace(BOTH, scaling="participant"), seed=0)
    assert dataset.num_features == 12
    for fold in dataset.folds:
        own = {
            person: np.concatenate([r.features[r.valid] for r in corpus.recordings if r.participant == person])
            for person in corpus.participants
        }
        for part in (np.mean, np.std):
            of_train = np.stack([part(own[person], axis=0) for person in fold.train])
            for person in fold.held_out:
                found = columns_of(dataset, person)[:, 4:8] if part is np.mean else columns_of(dataset, person)[:, 8:]
                expected = (part(own[person], axis=0) - of_train.mean(axis=0)) / of_train.std(axis=0)
                assert found == pytest.approx(np.broadcast_to(expected, found.shape), rel=1e-4, abs=1e-4)
        for person in fold.held_out:
            z = np.concatenate(
                [one.features_TF[one.valid_T] for one in of_features(plain) if one.participant == person]
            )
            assert columns_of(dataset, person)[:, :4] == pytest.approx(z, abs=1e-6)


def test_invalid_frames_and_people_without_a_valid_one_are_zero_and_weigh_nothing() -> None:
    corpus = make_corpus()
    blind = dataclasses.replace(
        corpus.recordings[5], features=np.full((40, 4), np.nan, np.float32), valid=np.zeros(40, dtype=bool)
    )
    dataset = make_dataset(dataclasses.replace(corpus, recordings=(*corpus.recordings[:5], blind)), BOTH, seed=0)
    for one in of_features(dataset):
        assert not one.features_TF[~one.valid_T].any()
    for split in dataset.splits:
        seen = [i for i in split.train if i != 5]
        rows = np.stack([of_features(dataset)[i].features_TF[0] for i in seen])
        assert split.mean_F is not None
        assert np.asarray(split.mean_F)[4:] == pytest.approx(rows[:, 4:].mean(axis=0), rel=1e-5)
        assert not np.asarray(split.mean_F)[:4].any()


def test_a_column_that_never_moves_has_deviation_0_and_does_not_divide() -> None:
    corpus = make_corpus()
    still = [
        dataclasses.replace(
            one, features=np.concatenate([one.features[:, :3], np.full((40, 1), 0.1)], 1, dtype=np.float32)
        )
        for one in corpus.recordings
    ]
    dataset = make_dataset(dataclasses.replace(corpus, recordings=tuple(still)), BOTH, seed=0)
    for one in of_features(dataset):
        assert not one.features_TF[:, 11].any()
        assert one.features_TF[one.valid_T][:, 7] == pytest.approx(0.1)
    assert all(np.asarray(split.sd_F)[[7, 11]].tolist() == [1.0, 1.0] for split in dataset.splits)


def decided(**changes: Any) -> list[str]:
    """What is wrong with a request for `--scaling both`."""
    request = Request(
        command="tune",
        preset="demo",
        networks=(),
        overrides=(),
        point=None,
        protocol_changes={"scaling": "both"},
        data=DataOptions(path=None, corpus=None),
        seed=0,
        search=SearchOptions(log_model=False),
        output=None,
        tracking_uri=None,
        **{"method": "au", "protocol": "described", **changes},
    )
    gather = Gather()
    assert decide(request, gather).protocol.scaling == "both"
    return [str(problem) for problem in gather.problems]


def test_both_is_for_features_of_people_who_meet() -> None:
    assert decided() == []
    for method, words in (("fl-au", "in a federation"), ("fl", "in a federation"), ("images", "a method on features")):
        (line,) = decided(method=method)
        assert line.startswith("--scaling: found both, beside --method " + method), line
        assert words in line
    (line,) = decided(protocol=STRICT.name)
    assert line.startswith("--scaling: found both, which measures the held-out people"), line
