"""Exported models give the same numbers, whatever the number of windows and frames, or are not written."""

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from models.exportable import ExportableNetwork
from models.networks import build
from orchestrator.data.image_options import ImageOptions
from orchestrator.errors import InputError
from orchestrator.evaluation.use_statement import STATEMENT
from orchestrator.inference import export
from orchestrator.inference.saved_model import SavedModel, open_model
from tests.inference.conftest import Make

IMAGES = ImageOptions(image_size=40, frame_stride=5, face_crop="none", backbone="trained", weights="none")
TOLERANCE = 1e-5


def run_pt2(path: Path, x: torch.Tensor) -> np.ndarray:
    with torch.no_grad():
        return np.asarray(torch.export.load(path).module()(x))


def run_onnx(path: Path, x: torch.Tensor) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {session.get_inputs()[0].name: x.numpy()})[0])


RUN = {"pt2": run_pt2, "onnx": run_onnx}


@pytest.mark.parametrize("network", ["rnn", "bigru", "bilstm"])
def test_the_exportable_form_computes_the_same(network: str) -> None:
    models = [build(network, num_features=5, hidden_size=4, num_layers=3, seed=seed).eval() for seed in range(3)]
    x = torch.randn(4, 9, 5, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = torch.stack([model(x) for model in models]).mean(0)
        found = ExportableNetwork(models)(x)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)
    assert (models[0](x) - expected).abs().max() > 1e-3  # the mean is of different models


@pytest.mark.parametrize(
    ("network", "scaling"), [("rnn", "none"), ("bigru", "participant"), ("bigru", "both"), ("bilstm", "train")]
)
def test_features(network: str, scaling: str, small_corpus: Path, make_model: Make, tmp_path: Path) -> None:
    model = open_model(str(make_model(small_corpus, network=network, scaling=scaling)))
    for kind, run in RUN.items():
        path = tmp_path / f"m.{kind}"
        export.export(model, kind, path)
        check_card(path, model)
        for windows, frames in ((7, 3), (1, 40)):  # neither traced nor compared on
            x = torch.randn(windows, frames, model.num_features, generator=torch.Generator().manual_seed(frames))
            expected = export.original(model, (0, 1), x).numpy()
            assert run(path, x).shape == (windows, frames, 2)
            np.testing.assert_allclose(run(path, x), expected, atol=TOLERANCE, rtol=0)
    if network != "rnn":
        return
    one = export.export(model, "pt2", tmp_path / "one.pt2", fold=1)
    assert one.models_text == "fold 1"
    expected = export.original(model, (1,), x).numpy()
    np.testing.assert_allclose(run_pt2(tmp_path / "one.pt2", x), expected, atol=TOLERANCE, rtol=0)
    assert np.abs(expected - export.original(model, (0, 1), x).numpy()).max() > 1e-3


@pytest.mark.parametrize(("kind", "backbone"), [("onnx", "trained"), ("pt2", "frozen")])
def test_images(kind: str, backbone: str, faces: Path, make_model: Make, tmp_path: Path) -> None:
    images = ImageOptions(**{**{name: getattr(IMAGES, name) for name in IMAGES.__slots__}, "backbone": backbone})
    model = open_model(str(make_model(faces, network="bigru", images=images, scaling="none")))
    path = tmp_path / f"m.{kind}"
    done = export.export(model, kind, path, fold=0)
    assert done.shape == (None, None, 3, 40, 40)
    generator = torch.Generator().manual_seed(3)
    x = torch.randint(0, 256, (4, 3, 3, 40, 40), generator=generator, dtype=torch.uint8)
    # Against the network as it is trained, on bytes in its own order of the axes.
    if backbone == "trained":
        with torch.inference_mode():
            expected = model.network(0)(x.permute(0, 1, 3, 4, 2).contiguous()).numpy()
    else:
        expected = export.original(model, (0,), x).numpy()
    np.testing.assert_allclose(RUN[kind](path, x), expected, atol=TOLERANCE, rtol=0)


def check_card(path: Path, model: SavedModel) -> None:
    """The card travels in the file."""
    if path.suffix == ".pt2":
        extra = {export.CARD_JSON: ""}
        torch.export.load(path, extra_files=extra)
        found = json.loads(extra[export.CARD_JSON])
    else:
        (entry,) = [one for one in onnx.load(path).metadata_props if one.key == export.CARD_KEY]
        found = json.loads(entry.value)
    assert found["card"] == dict(model.card)
    assert found["use_statement"] == STATEMENT
    assert found["folds"] == [0, 1]
    width = 120 if model.protocol.scaling == "both" else 40
    assert found["input"].startswith(f"float32 (windows, frames, {width})")


def test_what_differs_is_not_written(
    small_corpus: Path, make_model: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = open_model(str(make_model(small_corpus)))
    original = export.original
    monkeypatch.setattr(export, "original", lambda *arguments: original(*arguments) + 2e-5)
    with pytest.raises(InputError, match="at most 1e-05 from the original"):
        export.export(model, "pt2", tmp_path / "m.pt2")
    assert not (tmp_path / "m.pt2").exists()
    with pytest.raises(InputError, match=r"ends in \.onnx"):
        export.export(model, "onnx", tmp_path / "m.pt2")
