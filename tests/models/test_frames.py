"""Images are cut as features are, read window by window, never written, and turned into floats exactly."""

import hashlib
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torchvision.transforms import functional

from models.backbones import BACKBONES, normalised
from models.epochs import new_adam, predict, train_one_epoch
from models.frames import MISSING, FrameSeries
from models.networks import build_for
from models.recipe import NORMALISATIONS, normalisation_of
from models.training import FoldsInTraining
from models.windows import Series, cut, merge
from tests.models.toys import IMAGE_SIZE, TinyBackbone, image_recipe, recipe, toy_frames, toy_series, toy_splits

SERIES = toy_frames()


class Spy(np.ndarray[Any, Any]):
    """Frames that write down how many of them are asked for."""

    asked: list[int]

    @classmethod
    def on(cls, frames: np.ndarray[Any, Any]) -> "Spy":
        spy = frames.view(cls)
        spy.asked = []
        return spy

    def __getitem__(self, rows: Any) -> np.ndarray[Any, Any]:
        self.asked.append(len(np.atleast_1d(np.arange(len(self))[rows])))
        found: np.ndarray[Any, Any] = np.asarray(self)[rows]
        return found


def test_a_series_travels_as_the_path_of_its_map(tmp_path: Path) -> None:
    one = SERIES[2]
    np.save(tmp_path / "frames.npy", one.frames)
    mapped = np.load(tmp_path / "frames.npy", mmap_mode="r")
    raw = np.memmap(tmp_path / "frames.npy", dtype=np.uint8, mode="r", offset=mapped.offset, shape=mapped.shape)
    for frames in (mapped, raw):
        text = pickle.dumps(replace(one, frames=frames))
        assert len(text) < 0.05 * one.frames.nbytes
        copy = pickle.loads(text)
        assert isinstance(copy.frames, np.memmap)
        assert not copy.frames.flags.writeable
        for name in ("participant", "session"):
            assert getattr(copy, name) == getattr(one, name)
        for name in ("frames", "index_T", "gold_T2"):
            np.testing.assert_array_equal(getattr(copy, name), getattr(one, name))
    # What is no whole, unchangeable map travels with its pixels.
    changed = np.load(tmp_path / "frames.npy", mmap_mode="c")
    changed[:] = 7
    few = replace(one, index_T=np.zeros_like(one.index_T))
    for frames in (mapped[3:], changed, one.frames):
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(replace(few, frames=frames))).frames, frames)


def as_features(one: FrameSeries) -> Series:
    return Series(
        participant=one.participant,
        session=one.session,
        features_TF=np.zeros((len(one.index_T), 1), dtype=np.float32),
        valid_T=one.valid_T,
        gold_T2=one.gold_T2,
    )


@pytest.mark.parametrize("partial", ["pad", "drop"])
def test_images_are_cut_where_features_are(partial: str) -> None:
    images, features = cut(SERIES, 8, partial=partial), cut([as_features(one) for one in SERIES], 8, partial=partial)
    assert images.num_frames == features.num_frames
    for name in ("gold_WL2", "mask_WL2", "valid_WL", "length_W", "series_W", "start_W"):
        assert torch.equal(getattr(images, name), getattr(features, name)), name
    assert not images.mask_WL2[0, 5:8].any()
    assert (images.length, images.num_features, images.image_size) == (8, 512, IMAGE_SIZE)
    assert features.image_size is None
    index = images.of_series((1, 2))
    traces = merge(images.gold_WL2[index], images, index, (1, 2))
    assert [len(trace) for trace in traces] == [35, 40]


def test_a_batch_holds_the_frames_of_its_windows() -> None:
    windows = cut(SERIES, 8)
    index = torch.randperm(len(windows.length_W), generator=torch.Generator().manual_seed(0))[:7]
    batch = windows.batch(index)
    assert batch.x_BLF.dtype == torch.uint8
    assert batch.x_BLF.shape == (7, 8, IMAGE_SIZE, IMAGE_SIZE, 3)
    assert batch.valid_BL is not None
    assert 0 < int((~batch.valid_BL).sum()) < 7 * 8
    for row, window in enumerate(index.tolist()):
        one = SERIES[int(windows.series_W[window])]
        for step in range(8):
            time = int(windows.start_W[window]) + step
            shown = one.index_T[time] if step < int(windows.length_W[window]) else MISSING
            assert bool(batch.valid_BL[row, step]) == (shown != MISSING)
            expected = one.frames[shown] if shown != MISSING else np.zeros((IMAGE_SIZE, IMAGE_SIZE, 3))
            np.testing.assert_array_equal(batch.x_BLF[row, step].numpy(), expected)


def test_frames_are_read_by_the_window_and_only_when_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BACKBONES, "resnet18", TinyBackbone)
    spies = [Spy.on(one.frames) for one in SERIES]
    windows = cut([replace(one, frames=spy) for one, spy in zip(SERIES, spies, strict=True)], 8)
    chosen = image_recipe()
    model = build_for(chosen, num_features=512, seed=0)
    held = sum(getattr(windows, name).nbytes for name in windows.__slots__ if "_W" in name)
    assert held < sum(one.frames.nbytes for one in SERIES) / 100
    assert [spy.asked for spy in spies] == [[]] * 6
    windows.batch(torch.tensor([1, 3]))
    assert [spy.asked for spy in spies] == [[7, 6], *[[]] * 5]
    for spy in spies:
        spy.asked.clear()
    seen: list[int] = []
    assert model.backbone is not None
    model.backbone.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    index = windows.of_series((0, 2))
    train_one_epoch(model, new_adam(model, 1e-3), windows, index, chosen, torch.Generator())
    predict(model, windows, index)
    for number, spy in enumerate(spies):
        assert sum(spy.asked) == (2 * int(SERIES[number].valid_T.sum()) if number in (0, 2) else 0)
        assert all(count <= 8 for count in spy.asked)
    assert sum(seen) == sum(sum(spy.asked) for spy in spies)  # the backbone sees what was read


def test_a_read_only_memory_map_trains_silently_and_stays_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(BACKBONES, "resnet18", TinyBackbone)
    mapped = []
    for one in SERIES:
        file = tmp_path / f"{one.participant}.npy"
        np.save(file, one.frames)
        mapped.append(replace(one, frames=np.load(file, mmap_mode="r")))
        for array in (mapped[-1].index_T, mapped[-1].gold_T2):
            array.setflags(write=False)
    before = [hashlib.sha256(file.read_bytes()).digest() for file in sorted(tmp_path.iterdir())]
    found, expected = (FoldsInTraining(s, toy_splits(), image_recipe(epochs=1), seed=0) for s in (mapped, SERIES))
    assert [e.train_loss for e in found.epochs()] == [e.train_loss for e in expected.epochs()]
    assert [hashlib.sha256(file.read_bytes()).digest() for file in sorted(tmp_path.iterdir())] == before
    for one in SERIES:
        one.index_T.setflags(write=True)
        one.gold_T2.setflags(write=True)


@pytest.mark.parametrize("normalisation", NORMALISATIONS)
def test_bytes_become_the_floats_of_torchvision(normalisation: str) -> None:
    image = np.random.default_rng(0).permutation(np.repeat(np.arange(256, dtype=np.uint8), 3 * 16))
    image = image.reshape(64, 64, 3)
    found = normalised(torch.from_numpy(image)[None], normalisation)
    expected = functional.normalize(functional.to_tensor(image), *NORMALISATIONS[normalisation])
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(found[0], expected)


def test_the_normalisations_are_those_of_their_sources() -> None:
    from torchvision.models import ResNet18_Weights

    preset = ResNet18_Weights.IMAGENET1K_V1.transforms()
    assert NORMALISATIONS["imagenet"] == (tuple(preset.mean), tuple(preset.std))
    ends = normalised(torch.tensor([0, 255], dtype=torch.uint8)[:, None, None, None].expand(2, 1, 1, 3), "half")
    assert ends.flatten().tolist() == [-1.0] * 3 + [1.0] * 3  # (x - 0.5) / 0.5
    assert [normalisation_of(kind) for kind in ("imagenet", "none", "a/file.pth")] == ["imagenet", "half", "half"]


def test_frames_that_do_not_fit_are_refused_by_participant() -> None:
    good = SERIES[0]
    for changes, message in (
        ({"frames": good.frames.astype(np.float32)}, r"float32.*expected uint8 \(N, S, S, 3\)"),
        ({"frames": good.frames[:, :-1]}, r"\(31, 35, 36, 3\), expected"),
        ({"frames": good.frames[..., :1]}, r"36, 1\), expected"),
        ({"frames": good.frames[:-1]}, r"to 30, expected -1 to 29, the last of 30 frames"),
        ({"index_T": good.index_T - 2}, "index from -3"),
        ({"index_T": good.index_T.astype(np.float64)}, "expected int64"),
        ({"gold_T2": good.gold_T2[:-1]}, r"gold \(29, 2\), expected \(30, 2\)"),
    ):
        with pytest.raises(ValueError, match=rf"participant P0 session ''.*{message}"):
            replace(good, **changes)


def test_series_that_do_not_go_together_are_refused() -> None:
    small = replace(SERIES[1], frames=SERIES[1].frames[:, :34, :34])
    with pytest.raises(ValueError, match=r"36 \(participant P0\), 34 \(participant P1\)"):
        cut([SERIES[0], small], 8)
    with pytest.raises(ValueError, match=r"1 series of images and 6 of features"):
        cut([SERIES[0], *toy_series()], 8)
    splits = toy_splits()
    for series, chosen, message in (
        (SERIES, image_recipe(image_size=48), "images of 36 pixels, the recipe expects images of 48 pixels"),
        (SERIES, recipe(), "images of 36 pixels, the recipe expects features"),
        (toy_series(), image_recipe(), "features, the recipe expects images of 36 pixels"),
    ):
        with pytest.raises(ValueError, match=message):
            FoldsInTraining(series, splits, chosen, seed=0)
    scaled = replace(splits[0], mean_F=(0.0,) * 512, sd_F=(1.0,) * 512)
    with pytest.raises(ValueError, match="fold 0: images are normalised by the recipe"):
        FoldsInTraining(SERIES, [scaled], image_recipe(), seed=0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"backbone": "vgg"}, "'vgg'.*resnet18"),
        ({"image_size": 32}, "at least 33 pixels, found 32"),
        ({"normalisation": "none"}, "'none'.*imagenet, half"),
        ({"batch_norm": "mean"}, "'mean'.*train, frozen"),
    ],
)
def test_recipes_for_images_that_cannot_be_trained_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        image_recipe(**changes)


def test_recipes_say_of_images_only_what_concerns_them() -> None:
    assert list(recipe().to_dict())[-1] == "keep"
    assert {"trunk": "resnet18", "image_size": 36, "normalisation": "half"}.items() <= image_recipe().to_dict().items()


def test_frames_on_a_device_and_read_ahead_are_those_read_window_by_window() -> None:
    windows = cut(SERIES, 8)
    assert windows.rows is not None
    indices = torch.split(torch.randperm(len(windows.length_W), generator=torch.Generator().manual_seed(0)), 3)
    expected = [windows.batch(index_B) for index_B in indices]
    assert any(not bool(batch.valid_BL.all()) for batch in expected if batch.valid_BL is not None), "some are missing"
    resident = replace(windows, rows=windows.rows.resident_on("cpu"))
    series = [one.frames.copy() for one in SERIES]
    for found in ([resident.batch(index_B) for index_B in indices], list(windows.batches_ahead(indices))):
        for own, other in zip(found, expected, strict=True):
            for name in ("x_BLF", "length_B", "gold_BL2", "mask_BL2", "valid_BL"):
                assert torch.equal(getattr(own, name), getattr(other, name)), name
    assert all(np.array_equal(before, one.frames) for before, one in zip(series, SERIES, strict=True))
    assert list(windows.batches_ahead([])) == []


def test_one_batch_at_most_is_read_ahead_and_what_fails_there_is_raised_here() -> None:
    frames = Spy.on(SERIES[0].frames)
    windows = cut([replace(SERIES[0], frames=frames)], 4)
    going = windows.batches_ahead(torch.arange(4).split(1))
    next(going)
    going.close()
    assert len(frames.asked) <= 2
    broken = replace(SERIES[0], frames=SERIES[0].frames)
    windows = cut([broken], 4)
    assert windows.rows is not None
    windows = replace(windows, rows=replace(windows.rows, frames=(SERIES[0].frames[:1],)))
    with pytest.raises(IndexError):
        list(windows.batches_ahead(torch.arange(4).split(1)))
