"""Weights are checked before they are used, and a frozen backbone's features are those of the backbone itself."""

import hashlib
import io
import pickle
import time
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import resnet18
from torchvision.transforms import functional

from models import backbone_weights
from models.backbone_weights import WeightsError, WeightsUnavailable, digest_of, label_of, load_backbone_weights
from models.backbones import BACKBONES, features_of, frame_features, new_backbone, normalised
from models.frames import MISSING
from models.networks import build
from models.recipe import NORMALISATIONS
from models.training import FoldsInTraining
from models.windows import Series, cut
from tests.models.toys import TinyBackbone, recipe, toy_frames, toy_splits

SERIES = toy_frames(3)
BACKBONE = new_backbone("resnet18", seed=7)
STATE = {name: value.clone() for name, value in BACKBONE.state_dict().items()}


def with_last_layer(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """As torchvision's own files: the last layer in, the counters of batches missing."""
    kept = {name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}
    return {**kept, "fc.weight": torch.ones(1000, 512), "fc.bias": torch.ones(1000)}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and no network whatever a test forgets."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setattr("urllib.request.urlopen", no_network)
    return tmp_path / "hub" / "checkpoints" / "resnet18-f37072fd.pth"


def no_network(*_: object, **__: object) -> None:
    raise URLError("no route to host")


def test_names_and_shapes_are_those_of_torchvision() -> None:
    expected = {name: value.shape for name, value in resnet18().state_dict().items() if not name.startswith("fc.")}
    assert {name: value.shape for name, value in STATE.items()} == expected
    assert len(expected) == 120


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors"])
def test_a_file_gives_back_its_weights(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"mine{suffix}"
    state = with_last_layer({name: value.half() if "conv" in name else value for name, value in STATE.items()})
    save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
    found = load_backbone_weights(path)
    assert found is not None
    assert list(found) == list(STATE)
    for name, value in STATE.items():
        assert found[name].dtype == value.dtype
        assert torch.equal(found[name], value.half().float() if "conv" in name else value), name
    assert new_backbone("resnet18", weights=found).state_dict().keys() == STATE.keys()
    assert label_of(path, found) == digest_of(found) != digest_of(STATE)
    assert digest_of(dict(reversed(found.items()))) == digest_of(found)


def test_no_weights_are_no_weights() -> None:
    assert load_backbone_weights("none") is None
    assert label_of("none", None) == "none"


def test_files_that_do_not_fit_are_refused_with_the_names(tmp_path: Path) -> None:
    renamed = {name.replace("layer4", "layer5"): value for name, value in STATE.items()}
    for state, message in (
        (renamed, r"25 missing: layer4.*; 30 unexpected: layer5\.0\.conv1\.weight, .* …$"),
        (
            {**STATE, "conv1.weight": torch.ones(64, 1, 7, 7)},
            r"conv1\.weight \(64, 1, 7, 7\), expected \(64, 3, 7, 7\)",
        ),
        ({**STATE, "bn1.bias": torch.full((64,), torch.nan)}, r"1 tensors are not finite: bn1\.bias"),
        ({"state_dict": STATE}, "expected a state dictionary, names and tensors only"),
        (STATE["conv1.weight"], "expected a state dictionary"),
        (Path("x"), "it holds more than tensors"),
    ):
        torch.save(state, tmp_path / "bad.pth")
        with pytest.raises(WeightsError, match=rf"bad\.pth: .*{message}"):
            load_backbone_weights(tmp_path / "bad.pth")
    (tmp_path / "bad.safetensors").write_bytes(b"nothing of the kind")
    for name, message in (
        ("bad.safetensors", "not a file of weights"),
        ("absent.pth", "no such file"),
        ("bad.onnx", r"--weights .*bad\.onnx: expected imagenet, none, or a file that ends in \.pth"),
        ("Imagenet", "--weights Imagenet: expected imagenet"),
    ):
        with pytest.raises(WeightsError, match=message):
            load_backbone_weights(tmp_path / name if "." in name else name)


class Harmful:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("harm-was-done"),))


def test_no_code_in_a_file_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({**STATE, "more": Harmful()}, tmp_path / "harm.pth")
    with pytest.raises(WeightsError, match=r"harm\.pth"):
        load_backbone_weights(tmp_path / "harm.pth")
    assert [path.name for path in tmp_path.iterdir()] == ["harm.pth"]


def test_a_file_that_unpacks_to_far_more_than_a_backbone_is_not_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(6):
            archive.writestr(f"archive/data/{number}", b"\0" * (100 << 20))
    assert (tmp_path / "bomb.pth").stat().st_size < 1 << 20
    for name in ("large.pth", "large.safetensors"):
        with (tmp_path / name).open("wb") as file:
            file.truncate(1 << 40)
    for name in ("bomb.pth", "large.pth", "large.safetensors"):
        with pytest.raises(WeightsError, match="bytes, expected at most 536,870,912"):
            load_backbone_weights(tmp_path / name)


def test_without_a_network_the_user_is_told_what_to_do(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = []

    def unreachable(url: str, *, timeout: float) -> None:
        limits.append(timeout)
        assert url == "https://download.pytorch.org/models/resnet18-f37072fd.pth"
        raise URLError("no route to host")

    monkeypatch.setattr("urllib.request.urlopen", unreachable)
    with pytest.raises(WeightsUnavailable) as caught:
        load_backbone_weights("imagenet")
    assert limits == [10.0]
    assert isinstance(caught.value, ValueError)
    text = str(pickle.loads(pickle.dumps(caught.value)))
    for expected in (
        str(hub),
        "https://download.pytorch.org",
        "no route to host",
        "--weights FOLDER/resnet18-",
        "--weights none",
    ):
        assert expected in text
    assert list(hub.parent.iterdir()) == []


def test_a_slow_or_broken_download_ends_and_leaves_nothing(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Trickle(io.BytesIO):
        def read(self, _: int | None = -1) -> bytes:
            time.sleep(0.02)
            return b"x"

    for answer, message in ((Trickle(), "TimeoutError"), (io.BytesIO(b"half of it"), "not the file")):
        monkeypatch.setattr("urllib.request.urlopen", lambda *_, answer=answer, **__: answer)
        monkeypatch.setattr(backbone_weights, "DOWNLOAD_SECONDS", 0.1)
        with pytest.raises(WeightsUnavailable, match=message):
            load_backbone_weights("imagenet")
        assert list(hub.parent.iterdir()) == []


def test_imagenet_is_fetched_once_and_checked(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = io.BytesIO()
    torch.save(with_last_layer(STATE), buffer)
    sha256 = hashlib.sha256(buffer.getvalue()).hexdigest()
    monkeypatch.setattr(backbone_weights, "IMAGENET_SHA256", sha256[:8])
    monkeypatch.setattr("urllib.request.urlopen", lambda *_, **__: io.BytesIO(buffer.getvalue()))
    fetched = load_backbone_weights("imagenet")
    assert hub.is_file()
    monkeypatch.setattr("urllib.request.urlopen", no_network)
    cached = load_backbone_weights("imagenet")
    assert fetched is not None
    assert cached is not None
    assert digest_of(fetched) == digest_of(cached) == digest_of(STATE)
    assert label_of("imagenet", cached) == "imagenet"
    hub.write_bytes(hub.read_bytes()[:-1])
    with pytest.raises(WeightsError, match=rf"damaged, its SHA-256 begins with .*{sha256[:8]}; remove"):
        load_backbone_weights("imagenet")


@pytest.fixture
def whole_backbone() -> torch.nn.Module:
    """With statistics unlike the initial ones, as after training."""
    backbone = new_backbone("resnet18", weights=STATE).train()
    with torch.no_grad():
        backbone(torch.rand(8, 3, 40, 40, generator=torch.Generator().manual_seed(0)))
    return backbone


@pytest.mark.parametrize("normalisation", NORMALISATIONS)
def test_frozen_features_are_the_backbones_own(whole_backbone: torch.nn.Module, normalisation: str) -> None:
    one = SERIES[0]
    before = {name: value.clone() for name, value in whole_backbone.state_dict().items()}
    found = frame_features(whole_backbone, one.frames, one.index_T, normalisation=normalisation, batch=7)
    assert found.shape == (30, 512)
    assert found.dtype == np.float32
    assert all(torch.equal(value, before[name]) for name, value in whole_backbone.state_dict().items())
    assert int(before["bn1.num_batches_tracked"]) == 1
    theirs = resnet18()
    theirs.fc = torch.nn.Identity()
    theirs.load_state_dict(before)
    theirs.eval()
    shown = [int(row) for row in one.index_T if row != MISSING]
    images = torch.stack(
        [functional.normalize(functional.to_tensor(one.frames[r]), *NORMALISATIONS[normalisation]) for r in shown]
    )
    with torch.no_grad():
        expected = theirs(images).numpy()
    np.testing.assert_allclose(found[one.valid_T], expected, rtol=0, atol=1e-5)  # batches of 7 and of 26
    assert expected.std() > 0.01
    assert not found[~one.valid_T].any()
    np.testing.assert_array_equal(found[10], found[11])  # one frame, shown twice
    assert not frame_features(whole_backbone, one.frames, np.full(4, MISSING)).any()


def test_a_frozen_backbone_before_a_network_equals_its_features_in_it(whole_backbone: torch.nn.Module) -> None:
    whole = build("bilstm", num_features=512, hidden_size=5, num_layers=1, seed=3, backbone="resnet18")
    assert whole.backbone is not None
    whole.backbone.load_state_dict(whole_backbone.state_dict())
    rest = build("bilstm", num_features=512, hidden_size=5, num_layers=1, seed=9)
    rest.load_state_dict({name: v for name, v in whole.state_dict().items() if not name.startswith("trunk.")})
    series = [frozen(one, whole_backbone) for one in SERIES]
    images, features = cut(SERIES, 8), cut(series, 8)
    for index in (torch.tensor([0, 1, 2, 3]), torch.tensor([3])):  # the last is padded
        found, expected = (
            model.eval()(batch.x_BLF, batch.length_B, batch.valid_BL)
            for model, batch in ((whole, images.batch(index)), (rest, features.batch(index)))
        )
        real = images.valid_WL[index]
        torch.testing.assert_close(found[real], expected[real], rtol=0, atol=1e-5)  # batches of frames differ


def frozen(one: Any, backbone: torch.nn.Module) -> Series:
    return Series(
        participant=one.participant,
        session=one.session,
        features_TF=frame_features(backbone, one.frames, one.index_T),
        valid_T=one.valid_T,
        gold_T2=one.gold_T2,
    )


def test_frozen_training_is_that_of_features(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BACKBONES, "resnet18", TinyBackbone)
    series = [frozen(one, new_backbone("resnet18", seed=2)) for one in SERIES]
    chosen = recipe(sequence_length=8, epochs=8)
    assert chosen.backbone is None
    folds = FoldsInTraining(series, toy_splits(3, 3), chosen, seed=0)
    epochs = list(folds.epochs())
    for k in range(3):
        assert epochs[-1].train_loss[k] < 0.5 * epochs[0].train_loss[k]
        assert not any(name.startswith("trunk") for name in folds.fold_state(k))
    noise = [replace(one, features_TF=np.zeros_like(one.features_TF)) for one in series]
    blind = list(FoldsInTraining(noise, toy_splits(3, 3), chosen, seed=0).epochs())
    assert all(blind[-1].train_loss[k] > 1.5 * epochs[-1].train_loss[k] for k in range(3))


def test_seeds_decide_a_drawn_backbone_alone() -> None:
    before = torch.random.get_rng_state()
    assert digest_of(new_backbone("resnet18", seed=7).state_dict()) == digest_of(STATE)
    assert digest_of(new_backbone("resnet18", seed=8).state_dict()) != digest_of(STATE)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("size", [33, 48, 112])
def test_the_layout_in_memory_changes_no_more_than_rounding(size: int) -> None:
    plain = resnet18()
    plain.fc = torch.nn.Identity()
    plain.load_state_dict(STATE)
    ours = new_backbone("resnet18", weights=STATE)
    images = torch.randint(256, (3, size, size, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(size))
    for mode in (False, True):
        found, expected = features_of(ours.train(mode), images, "half"), plain.train(mode)(normalised(images, "half"))
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    found.square().sum().backward()
    expected.square().sum().backward()
    for (name, mine), theirs in zip(ours.named_parameters(), plain.parameters(), strict=True):
        distance = (mine.grad - theirs.grad).norm() / theirs.grad.norm()
        assert distance < 1e-4, name
    for buffer, other in zip(ours.buffers(), plain.buffers(), strict=True):
        torch.testing.assert_close(buffer, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("size", "first_plain"), [(48, 3), (112, 4), (320, 5)])
def test_small_maps_are_laid_out_plainly(size: int, first_plain: int) -> None:
    backbone, layouts = new_backbone("resnet18", weights=STATE).eval(), []
    for number in range(1, 5):
        backbone.get_submodule(f"layer{number}").register_forward_pre_hook(
            lambda _module, given: layouts.append(given[0].is_contiguous(memory_format=torch.channels_last))
        )
    with torch.inference_mode():
        features_of(backbone, torch.zeros(1, size, size, 3, dtype=torch.uint8), "half")
    assert layouts == [number < first_plain for number in range(1, 5)]
