"""Killed and resumed equals uninterrupted; damaged or foreign checkpoints are refused."""

import hashlib
import json
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from models import checkpoints
from models.checkpoints import CheckpointError
from models.sizes import NETWORKS
from models.training import FoldsInTraining
from tests.models.toys import RECIPE, recipe, toy_series, toy_splits

SERIES = toy_series()
SPLITS = toy_splits()


def after(folder: Path, epochs: int, **changes: object) -> FoldsInTraining:
    """Train so many epochs of the recipe and save."""
    folds = FoldsInTraining(SERIES, SPLITS, recipe(**changes), seed=0)
    running = folds.epochs()
    for _ in range(epochs):
        next(running)
    folds.save(folder)
    return folds


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("keep", ["last", "best"])
def test_resumed_equals_uninterrupted(tmp_path: Path, network: str, keep: str) -> None:
    chosen = recipe(network=network, keep=keep, learning_rate=0.1, epochs=6)
    whole = FoldsInTraining(SERIES, SPLITS, chosen, seed=0)
    assert len(list(whole.epochs())) == 6
    resumed = FoldsInTraining(SERIES, SPLITS, chosen, seed=0)
    for stop in (1, 3):  # killed twice
        running = resumed.epochs()
        while len(resumed.history) < stop:
            next(running)
        resumed.save(tmp_path)
        next(running)  # lost with the kill
        resumed = FoldsInTraining(SERIES, SPLITS, chosen, seed=0)
        resumed.load(tmp_path)
        assert len(resumed.history) == stop
    assert [epoch.number for epoch in resumed.epochs()] == [4, 5, 6]
    assert [replace(e, seconds=0) for e in resumed.history] == [replace(e, seconds=0) for e in whole.history]
    for k in range(3):
        assert resumed.chosen_epoch(k) == whole.chosen_epoch(k)
        mine, other = resumed.fold_state(k), whole.fold_state(k)
        assert list(mine) == list(other)
        assert all(torch.equal(mine[name], other[name]) for name in other)
        for a, b in zip(resumed.predict(k, (0, 3)), whole.predict(k, (0, 3)), strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_loaded_training_gives_back_its_curve_and_writes_the_same_bytes(tmp_path: Path) -> None:
    folds = after(tmp_path / "a", 2, keep="best")
    again = FoldsInTraining(SERIES, SPLITS, recipe(keep="best"), seed=0)
    again.load(tmp_path / "a")
    assert again.history == folds.history
    again.save(tmp_path / "b")
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert len(files) == 2
    assert files[0] == "checkpoint.json"
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.parametrize("stage", ["tensors", "json", "clean-up"])
def test_a_kill_while_saving_leaves_a_whole_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    folds = after(tmp_path, 1)
    next(folds.epochs())
    target = {"tensors": "replace", "json": "replace", "clean-up": "unlink"}[stage]
    original, calls = getattr(Path, target), []

    def killed(self: Path, *arguments: object, **options: object) -> object:
        calls.append(self)
        if stage == "json" and len(calls) == 1:
            return original(self, *arguments, **options)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, target, killed)
        with pytest.raises(KeyboardInterrupt):
            folds.save(tmp_path)
    assert len(calls) == (2 if stage == "json" else 1)
    resumed = FoldsInTraining(SERIES, SPLITS, RECIPE, seed=0)
    resumed.load(tmp_path)
    assert len(resumed.history) == (2 if stage == "clean-up" else 1)
    folds.save(tmp_path)
    resumed.load(tmp_path)
    assert len(resumed.history) == 2
    assert len(list(tmp_path.iterdir())) == 2  # what the kill left lying is swept up


def test_damage_is_refused_by_file(tmp_path: Path) -> None:
    after(tmp_path, 1)
    tensors = next(tmp_path.glob("tensors-*"))
    text = tmp_path / "checkpoint.json"
    folds = FoldsInTraining(SERIES, SPLITS, RECIPE, seed=0)
    whole, written = tensors.read_bytes(), text.read_text()
    flipped = whole[:-100] + bytes([whole[-100] ^ 1]) + whole[-99:]
    for bad in (flipped, whole[:-1], b""):
        tensors.write_bytes(bad)
        with pytest.raises(CheckpointError, match=r"tensors-\w+\.safetensors: damaged"):
            folds.load(tmp_path)
    tensors.unlink()
    with pytest.raises(CheckpointError, match="gone"):
        folds.load(tmp_path)
    tensors.write_bytes(whole)
    for bad_text in (written.replace('"number": 1', '"number": 2'), written[:-20], "", "[]", "null"):
        assert bad_text != written
        text.write_text(bad_text)
        with pytest.raises(CheckpointError, match=r"checkpoint\.json: damaged"):
            folds.load(tmp_path)
    assert folds.history == []
    text.write_text(written)
    folds.load(tmp_path)
    assert len(folds.history) == 1


def test_an_empty_folder_is_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no checkpoint"):
        FoldsInTraining(SERIES, SPLITS, RECIPE, seed=0).load(tmp_path / "absent")


def test_a_format_of_tomorrow_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "FORMAT", 2)
        after(tmp_path, 1)
    with pytest.raises(CheckpointError, match="format 2, expected 1"):
        checkpoints.read(tmp_path)


def test_the_checkpoint_of_another_training_is_refused(tmp_path: Path) -> None:
    after(tmp_path, 1)
    scaled = [replace(s, mean_F=(0.0,) * 6, sd_F=(1.0,) * 6) for s in SPLITS]
    others = {
        "recipe": FoldsInTraining(SERIES, SPLITS, recipe(learning_rate=1e-3), seed=0),
        "seed": FoldsInTraining(SERIES, SPLITS, RECIPE, seed=1),
        "splits": FoldsInTraining(SERIES, scaled, RECIPE, seed=0),
        "series": FoldsInTraining([*SERIES[:5], replace(SERIES[5], session="2")], SPLITS, RECIPE, seed=0),
    }
    for name, other in others.items():
        with pytest.raises(ValueError, match=f"another training: {name} "):
            other.load(tmp_path)


def test_a_half_done_epoch_is_not_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folds = FoldsInTraining(SERIES, SPLITS, RECIPE, seed=0)

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("models.training.evaluate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        next(folds.epochs())
    with pytest.raises(AssertionError, match="half done"):
        folds.save(tmp_path)


def test_the_json_is_readable(tmp_path: Path) -> None:
    folds = after(tmp_path, 2)
    content = json.loads((tmp_path / "checkpoint.json").read_text())["content"]
    assert content["training"]["recipe"]["network"] == "bigru"
    assert [epoch["validation_loss"] for epoch in content["curve"]] == [
        list(epoch.validation_loss) for epoch in folds.history
    ]


def spoilt(folder: Path, **changes: object) -> None:
    """Change the text of a checkpoint and give it the checksum that belongs to it."""
    path = folder / "checkpoint.json"
    body = {key: value for key, value in json.loads(path.read_text()).items() if key != "sha256"}
    body = {key: value for key, value in {**body, **changes}.items() if value is not None}
    text = json.dumps(body, sort_keys=True).encode()
    path.write_text(json.dumps({"sha256": hashlib.sha256(text).hexdigest(), **body}))


NO_CONTENT: tuple[object, ...] = ({}, [], 3, {"training": {}}, {"training": {}, "curve": 4})


@pytest.mark.parametrize(
    "changes",
    [
        *({key: None} for key in ("format", "tensors", "tensors_sha256", "content")),
        *({"content": content} for content in NO_CONTENT),
        *({"tensors": name} for name in ("inner", "../../x", "../outside.safetensors", "/etc/passwd", 7, "")),
        {"format": [1]},
        {"tensors_sha256": 12},
    ],
    ids=str,
)
def test_a_right_checksum_does_not_make_a_checkpoint(tmp_path: Path, changes: dict[str, object]) -> None:
    folder = tmp_path / "run" / "checkpoint"
    after(folder, 1)
    (folder / "inner").mkdir()
    (tensors,) = folder.glob("tensors-*")
    (tmp_path / "run" / "outside.safetensors").write_bytes(tensors.read_bytes())
    spoilt(folder, **changes)
    with pytest.raises(CheckpointError, match=r"damaged|format|another training"):
        FoldsInTraining(SERIES, SPLITS, RECIPE, seed=0).load(folder)


@pytest.mark.parametrize("content", ["training", "curve"])
def test_a_checkpoint_without_a_part_of_its_content_is_refused(tmp_path: Path, content: str) -> None:
    after(tmp_path, 1)
    whole = json.loads((tmp_path / "checkpoint.json").read_text())["content"]
    spoilt(tmp_path, content={key: value for key, value in whole.items() if key != content})
    with pytest.raises(CheckpointError, match="incomplete"):
        FoldsInTraining(SERIES, SPLITS, RECIPE, seed=0).load(tmp_path)


def test_tensors_of_another_network_under_right_sums_are_refused(tmp_path: Path) -> None:
    after(tmp_path, 1)
    save_file({"fold0.model.nothing": torch.zeros(2)}, tmp_path / "t")
    digest = hashlib.sha256((tmp_path / "t").read_bytes()).hexdigest()
    (tmp_path / "t").rename(tmp_path / f"tensors-{digest[:16]}.safetensors")
    spoilt(tmp_path, tensors=f"tensors-{digest[:16]}.safetensors", tensors_sha256=digest)
    with pytest.raises(CheckpointError, match="incomplete"):
        FoldsInTraining(SERIES, SPLITS, RECIPE, seed=0).load(tmp_path)


def test_what_is_no_folder_or_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder" / "checkpoint.json").mkdir(parents=True)
    deep = tmp_path / "deep" / "checkpoint.json"
    deep.parent.mkdir()
    deep.write_text("[" * 200_000 + "]" * 200_000)
    wide = tmp_path / "wide" / "checkpoint.json"
    wide.parent.mkdir()
    wide.write_text('{"sha256": "", "content": ' + '{"a":' * 100_000 + "1" + "}" * 100_001)
    for name in ("file", "folder", "deep", "wide"):
        with pytest.raises(CheckpointError):
            checkpoints.read(tmp_path / name)


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("mount"), reason="mounts a small disk")
def test_a_full_disk_leaves_the_checkpoint_before_and_nothing_half(tmp_path: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", tmp_path], check=True)
    try:
        checkpoints.write(tmp_path, {"a": torch.zeros(1000)}, {"epoch": 1})
        before = sorted(path.name for path in tmp_path.iterdir())
        with pytest.raises((OSError, SafetensorError), match="No space left"):
            checkpoints.write(tmp_path, {"a": torch.zeros(20_000)}, {"epoch": 2})
        assert sorted(path.name for path in tmp_path.iterdir()) == before
        assert checkpoints.read(tmp_path)[1] == {"epoch": 1}
    finally:
        subprocess.run(["umount", tmp_path], check=True)
