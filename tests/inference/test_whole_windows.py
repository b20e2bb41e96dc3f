"""Models whose head takes whole windows (`--head authors`): what they predict, and what they cannot be used for."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from orchestrator.corpora.readers import open_corpus
from orchestrator.data.series import make_series
from orchestrator.errors import InputError
from orchestrator.evaluation import model_card
from orchestrator.inference.export import export
from orchestrator.inference.live import Following, follow
from orchestrator.inference.predict import Predicted, Wishes, predict, read_input
from orchestrator.inference.saved_model import SavedModel, open_model
from orchestrator.protocols import PUBLISHED
from tests.inference.conftest import LENGTH, Make

AUTHORS = dataclasses.replace(PUBLISHED, head="authors", group_by="dyad")
NUM_FRAMES = 600  # of each recording of the small corpus


@pytest.fixture
def model(small_corpus: Path, make_model: Make, monkeypatch: pytest.MonkeyPatch) -> SavedModel:
    people = open_corpus(small_corpus).participants
    monkeypatch.setattr("orchestrator.data.dataset.groups_of", lambda *_: tuple((person,) for person in people))
    return open_model(str(make_model(small_corpus, protocol=AUTHORS)))


def predicted(model: SavedModel, source: Path, overlap: float) -> Predicted:
    return predict(model, read_input(model, source), Wishes(overlap=overlap))


def outputs(model: SavedModel, source: Path, starts: range) -> np.ndarray:
    """What the network of the first recording's fold says of the windows that begin at these frames: (W, 2)."""
    import torch

    recordings = open_corpus(source).recordings
    (series, *_) = make_series(recordings, model.protocol, None)
    (fold,) = model.folds_for(recordings[0].participant)
    with torch.no_grad():
        windows = np.stack([series.features_TF[start : start + LENGTH] for start in starts])  # type: ignore[union-attr]
        found: np.ndarray = model.network(fold)(torch.from_numpy(windows))[:, 0].numpy()
    return found


def first_rows(corpus: Path, folder: Path, count: int) -> Path:
    """Write the first rows of the first person's features."""
    file = min((corpus / "RECOLA-Video-features").glob("*.arff"))
    lines = file.read_text().splitlines(keepends=True)
    begin = next(number for number, line in enumerate(lines) if line.lower().startswith("@data"))
    rows = [line for line in lines[begin + 1 :] if line.strip()][:count]
    short = folder / file.name
    short.write_text("".join([*lines[: begin + 1], *rows]))
    return short


def test_without_overlap_a_window_has_one_value(small_corpus: Path, model: SavedModel) -> None:
    found = predicted(model, small_corpus, 0.0)
    expected = np.repeat(outputs(model, small_corpus, range(0, NUM_FRAMES, LENGTH)), LENGTH, axis=0)
    trace = found.traces[0].prediction
    seen = np.isfinite(trace[:, 0])
    assert seen.mean() > 0.9
    np.testing.assert_allclose(trace[seen], expected[seen], atol=1e-6)
    assert f"head      one output per window of {LENGTH} frames, which all of them share" in found.lines
    assert any(line.startswith("overlap   0") for line in found.lines)


def test_windows_that_overlap_are_joined_smoothly_to_the_last_frame(small_corpus: Path, model: SavedModel) -> None:
    """Of two windows that overlap by half, weights that fall to their inner ends; the last frame has only one."""
    found = predicted(model, small_corpus, 0.5)
    trace = found.traces[0].prediction
    values = outputs(model, small_corpus, range(0, NUM_FRAMES - LENGTH + 1, LENGTH // 2))
    seen = np.isfinite(trace[:, 0])
    assert seen[-1]
    np.testing.assert_allclose(trace[-1], values[-1], atol=1e-6)
    # Frame 13 is the 14th of 20 in the first window, and the 4th in the second: weights 20 - 13 and 3 + 1.
    assert seen[13]
    np.testing.assert_allclose(trace[13], (7 * values[0] + 4 * values[1]) / 11, atol=1e-6)
    assert not any(line.startswith("overlap") for line in found.lines)


def test_a_recording_that_fills_no_window_is_refused_by_name(
    small_corpus: Path, model: SavedModel, tmp_path: Path
) -> None:
    short = first_rows(small_corpus, tmp_path, 11)
    with pytest.raises(InputError, match=rf"{short.stem}: found 11 frames; expected at least {LENGTH} frames"):
        predicted(model, short, 0.0)


def test_what_fills_no_window_has_a_prediction_with_overlap_only(
    small_corpus: Path, model: SavedModel, tmp_path: Path
) -> None:
    source = first_rows(small_corpus, tmp_path, LENGTH + 11)
    assert np.isnan(predicted(model, source, 0.0).traces[0].prediction[LENGTH:]).all()
    trace = predicted(model, source, 0.5).traces[0].prediction
    assert np.isfinite(trace[-1]).all()


def test_frames_one_by_one_and_other_programs_are_refused(model: SavedModel, tmp_path: Path) -> None:
    following = Following(fold=None, look_ahead_seconds=None, idle_seconds=1.0, scaling_from=None, device="cpu")
    words = f"found a model with the head authors, one output per {LENGTH} frames; expected a model with a head per"
    with pytest.raises(InputError, match=f"--follow: {words}"):
        follow(model, tmp_path / "growing.csv", following)
    with pytest.raises(InputError, match=f"export: {words}"):
        export(model, "pt2", tmp_path / "model.pt2")
    assert not (tmp_path / "model.pt2").exists()


def test_the_card_names_head_and_groups(model: SavedModel) -> None:
    text = model_card.as_text(model.card)
    assert "- Head: that of the authors' code: the whole window into 1000 neurons" in text
    assert "- Folds: people of one dyad are in one fold" in text
    assert model.card["protocol"]["group_by"] == "dyad"
    plain = {**model.card, "protocol": {**model.card["protocol"], "head": "frame"}}
    assert "- Head: 10 neurons, ReLU and 2 outputs per frame" in model_card.as_text(plain)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("head", "theirs", "protocol's head 'theirs', expected one of frame, authors"),
        ("best_by", 3, "protocol's best_by 3, expected one of loss, loss-and-mae"),
        ("label_shift", "some", "protocol's label_shift 'some', expected one of nearest, whole-frames"),
        ("label_rounding", None, "protocol's label_rounding None, expected one of float32, float64"),
        ("group_by", 3, "protocol's group_by 3, expected a word"),
        ("target", "frame", "head authors, one output per window, beside target frame"),
    ],
)
def test_a_card_with_unknown_choices_is_damaged(model: SavedModel, field: str, value: object, words: str) -> None:
    path = model.folder / "card.json"
    card = json.loads(path.read_text())
    path.write_text(json.dumps({**card, "protocol": {**card["protocol"], field: value}}))
    with pytest.raises(InputError, match=rf"card\.json: found a damaged card \(ValueError: {words}"):
        open_model(str(model.folder))


def test_a_card_of_before_has_the_head_per_frame(small_corpus: Path, make_model: Make) -> None:
    folder = make_model(small_corpus, protocol=PUBLISHED)
    path = folder / "card.json"
    card = json.loads(path.read_text())
    newer = ("head", "best_by", "label_rounding", "label_shift", "group_by")
    path.write_text(json.dumps({**card, "protocol": {k: v for k, v in card["protocol"].items() if k not in newer}}))
    model = open_model(str(folder))
    assert model.recipe.head == "frame"
    assert model.recipe.keep == "best"
    assert not model.whole_windows
