"""What an attacker has of recordings: pictures, embeddings, and a model's inside and answers."""

from pathlib import Path

import numpy as np
import pytest
import torch

from orchestrator.audit.identity_tasks import identity_tasks, image_options
from orchestrator.audit.streams import PIXEL_SIDE, _small, embedding_streams, model_streams, pixel_streams
from orchestrator.audit.subject import Subject
from orchestrator.corpora.readers import open_corpus
from orchestrator.corpora.synthetic.tree import synthesize
from orchestrator.data.image_options import ImageOptions
from orchestrator.inference.predict import Wishes, predict, read_input
from orchestrator.inference.saved_model import SavedModel, open_model
from orchestrator.protocols import DESCRIBED
from tests.inference.conftest import Make
from tune_spaces.method import HParams

IMAGES = ImageOptions(image_size=48, frame_stride=10, face_crop="none", backbone="trained", weights="none")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three people of 6 s."""
    return synthesize(tmp_path_factory.mktemp("streams") / "corpus", participants=3, seconds=6.0, seed=4)


def subject(data: Path, model: SavedModel | None, images: ImageOptions | None = None) -> Subject:
    return Subject(
        corpus=open_corpus(data),
        method="au" if images is None else "images",
        protocol=DESCRIBED if model is None else model.protocol,
        network="bigru",
        hparams=HParams(learning_rate=1e-3, hidden_size=6, sequence_length=20, num_layers=2),
        seed=0,
        images=images,
        model=model,
    )


def test_a_models_answers_are_its_predictions_and_come_of_its_inside(make_model: Make, data: Path) -> None:
    model = open_model(str(make_model(data)))
    corpus = open_corpus(data)
    hidden, traces = model_streams(model, corpus.recordings)
    given = read_input(model, data / "RECOLA-Video-features")
    expected = predict(model, given, Wishes(fold=0, overlap=0.0))
    by_person = {one.participant: one for one in expected.traces}
    for inside, trace in zip(hidden, traces, strict=True):
        own = by_person[trace.participant].prediction
        assert inside.values.shape[1] == 12  # 6 units in both directions
        assert np.array_equal(trace.valid, np.isfinite(own).all(axis=1))
        assert trace.valid.sum() > 100
        assert np.allclose(trace.values[trace.valid], own[trace.valid], atol=1e-5)
        with torch.inference_mode():
            again = model.network(0).head(torch.from_numpy(inside.values)).numpy()
        assert np.allclose(again[trace.valid], trace.values[trace.valid], atol=1e-5)


def test_pictures_are_means_of_blocks() -> None:
    frames = np.zeros((2, 40, 40, 3), np.uint8)
    frames[1, :, 20:] = 255
    found = _small(frames, np.array([1, -1, 0])).reshape(3, PIXEL_SIDE, PIXEL_SIDE)
    assert found[0, :, :8].max() == 0.0
    assert found[0, :, 8:].min() == 1.0
    assert found[1:].max() == 0.0


def test_a_few_frames_a_second_are_looked_at(faces: Path) -> None:
    recordings = open_corpus(faces).recordings
    pixels, features = pixel_streams(recordings, IMAGES), embedding_streams(recordings, IMAGES, None)
    for one, other, recording in zip(pixels, features, recordings, strict=True):
        assert one.values.shape == (13, PIXEL_SIDE**2)  # 2 a second, of 6 s at 25 Hz: every 12th
        assert other.values.shape == (13, 512)
        assert np.array_equal(one.time, recording.time[::12])
        assert one.valid.any()
        assert 0.05 < one.values[one.valid].mean() < 0.95
        assert np.ptp(other.values[other.valid], axis=1).min() > 0.0


def test_which_attacks_a_subject_allows(make_model: Make, data: Path, faces: Path) -> None:
    tasks, skipped = identity_tasks(subject(data, None))
    assert skipped["identity pixels"] == "the data have no videos"
    assert skipped["identity traces"] == "needs a run's model"
    assert [one.names[0].split()[-1] for one in tasks] == ["shared", "units", "dynamics", "z-scores", "z-scores-whole"]
    assert image_options(subject(data, None)).image_size == 64
    model = open_model(str(make_model(faces, images=IMAGES)))
    names = [name for task in identity_tasks(subject(faces, model, IMAGES))[0] for name in task.names]
    for wanted in ("pixels", "embeddings untrained", "embeddings trained", "hidden-states", "traces"):
        assert f"identity {wanted}" in names
    hidden, traces = model_streams(model, open_corpus(faces).recordings)
    assert hidden[0].values.shape == (15, 12)  # every tenth of 150 frames
    assert traces[0].values.shape == (15, 2)
    assert hidden[0].valid.any()
    trained = next(one for one in identity_tasks(subject(faces, model, IMAGES))[0] if "trained" in one.names[0].split())
    again = identity_tasks(subject(faces, None, IMAGES))[0]
    assert trained.digest not in {one.digest for one in again}
