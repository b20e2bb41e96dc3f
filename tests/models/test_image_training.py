"""Images end to end through the folds: they learn, repeat, resume with their buffers, and see no masked frame."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models import checkpoints
from models.backbones import BACKBONES, new_backbone
from models.frames import MISSING, FrameSeries
from models.networks import build, build_for
from models.recipe import Recipe
from models.sizes import NETWORKS
from models.splits import FoldSplit
from models.training import FoldsInTraining
from models.windows import cut
from tests.models.toys import IMAGE_RECIPE, TinyBackbone, image_recipe, toy_frames, toy_splits

SERIES = toy_frames()
SPLITS = toy_splits()
COUNTER = "trunk.1.num_batches_tracked"


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setitem(BACKBONES, "resnet18", TinyBackbone)
        yield


def trained(
    chosen: Recipe = IMAGE_RECIPE, series: list[FrameSeries] = SERIES, *, seed: int = 0
) -> tuple[FoldsInTraining, list[tuple[float, ...]]]:
    folds = FoldsInTraining(series, SPLITS, chosen, seed=seed)
    losses = [epoch.train_loss + epoch.validation_loss for epoch in folds.epochs()]
    assert len(losses) == chosen.epochs
    return folds, losses


def assert_same(mine: FoldsInTraining, other: FoldsInTraining) -> None:
    for k in range(len(SPLITS)):
        a, b = mine.fold_state(k), other.fold_state(k)
        assert list(a) == list(b)
        assert all(torch.equal(a[name], b[name]) and a[name].dtype == b[name].dtype for name in b)
        for one, two in zip(mine.predict(k, (0, 3)), other.predict(k, (0, 3)), strict=True):
            np.testing.assert_array_equal(one, two)


def test_a_resnet_learns_what_colours_mean() -> None:
    split = FoldSplit(train=(0,), validation=(0,), held_out=(0,))
    chosen = image_recipe(network="bilstm", epochs=12, windows_a_step=4, learning_rate=1e-3, hidden_size=16)
    folds = FoldsInTraining(SERIES, [split], chosen, seed=0)
    epochs = list(folds.epochs())
    assert epochs[-1].train_loss[0] < 0.2 * epochs[0].train_loss[0]
    assert epochs[-1].validation_loss[0] < 0.7 * epochs[0].validation_loss[0]
    # The best of the last epochs: batch normalisation's statistics are 12 steps old, and how far they have come differs
    # between processors, whose sums are in another order.
    assert max(min(epoch.ccc_valence[0], epoch.ccc_arousal[0]) for epoch in epochs[-5:]) > 0.4
    counters = [value for name, value in folds.fold_state(0).items() if name.endswith("num_batches_tracked")]
    assert len(counters) == 20
    assert all(counter.dtype == torch.int64 and int(counter) == 12 for counter in counters)  # a step per epoch


@pytest.mark.usefixtures("tiny")
def test_what_is_learned_holds_for_people_never_seen() -> None:
    split = FoldSplit(train=(1, 2, 3, 4), validation=(0,), held_out=(0,))
    chosen = image_recipe(network="bilstm", epochs=15, hidden_size=16)
    folds = FoldsInTraining(SERIES, [split], chosen, seed=0)
    epochs = list(folds.epochs())
    assert epochs[-1].validation_loss[0] < 0.5 * epochs[0].validation_loss[0]
    assert epochs[-1].ccc_valence[0] > 0.6


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("network", NETWORKS)
def test_one_seed_repeats_and_two_differ(network: str) -> None:
    chosen = image_recipe(network=network, epochs=2)
    (first, losses), (again, repeated), (_, others) = (trained(chosen, seed=seed) for seed in (0, 0, 1))
    assert losses == repeated != others
    assert_same(first, again)


@pytest.mark.usefixtures("tiny")
def test_what_no_valid_step_shows_changes_nothing() -> None:
    hidden, shown = [], []
    for one in SERIES:
        never, missing, masked = one.frames.copy(), one.gold_T2.copy(), one.frames.copy()
        never[0] = 255
        missing[5:9] = 100.0
        hidden.append(replace(one, frames=never, gold_T2=missing))
        masked[one.index_T[20]] = 255
        shown.append(replace(one, frames=masked))
        assert (one.index_T[5:9] == MISSING).all()
        assert not (one.index_T == 0).any()
    (first, losses), (same, repeated), (_, others) = (trained(series=s) for s in (SERIES, hidden, shown))
    assert losses == repeated != others
    assert_same(first, same)


def test_missing_frames_neither_bend_statistics_nor_reach_the_recurrence() -> None:
    model = build_for(image_recipe(), num_features=512, seed=0)
    batch = cut(SERIES, 8).batch(torch.tensor([0, 1]))
    assert batch.valid_BL is not None
    assert not batch.valid_BL.all()
    buffers = []
    for rubbish in (0, 255):
        twin = build_for(image_recipe(), num_features=512, seed=0).train()
        x = batch.x_BLF.clone()
        x[~batch.valid_BL] = rubbish
        prediction = twin(x, batch.length_B, batch.valid_BL)
        buffers.append([prediction, *twin.buffers()])
    assert len(buffers[0]) == 61
    assert all(torch.equal(a, b) for a, b in zip(*buffers, strict=True))
    # The recurrence reads 0 where there is no frame.
    model.eval()
    assert model.backbone is not None
    features = torch.zeros(2, 8, 512)
    with torch.inference_mode():
        for b, t in batch.valid_BL.nonzero().tolist():
            image = batch.x_BLF[b, t].permute(2, 0, 1).float().div(255).sub(0.5).div(0.5)
            features[b, t] = model.backbone(image[None])[0]
        expected = model.head(model.recurrence(features)[0])
        found = model(batch.x_BLF, batch.length_B, batch.valid_BL)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)  # frames one by one or together


@pytest.mark.usefixtures("tiny")
def test_steps_without_any_frame_are_predicted_and_train_nothing() -> None:
    blind = [replace(SERIES[0], index_T=np.full_like(SERIES[0].index_T, MISSING)), *SERIES[1:]]
    folds = FoldsInTraining(blind, [FoldSplit(train=(1, 2), validation=(3,), held_out=(0,))], IMAGE_RECIPE, seed=0)
    assert len(list(folds.epochs())) == 3
    trace = folds.predict(0, (0,))[0]
    assert trace.shape == (30, 2)
    assert np.isfinite(trace).all()


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("keep", ["last", "best"])
@pytest.mark.parametrize("batch_norm", ["train", "frozen"])
def test_resumed_equals_uninterrupted(tmp_path: Path, keep: str, batch_norm: str) -> None:
    chosen = image_recipe(keep=keep, batch_norm=batch_norm, epochs=4)
    whole, _ = trained(chosen)
    running = FoldsInTraining(SERIES, SPLITS, chosen, seed=0)
    epochs = running.epochs()
    next(epochs)
    next(epochs)
    running.save(tmp_path)
    next(epochs)  # lost with the kill
    tensors, _ = checkpoints.read(tmp_path)
    counter = tensors[f"fold0.model.{COUNTER}"]
    assert counter.dtype == torch.int64
    assert int(counter) == (24 if batch_norm == "train" else 0)
    resumed = FoldsInTraining(SERIES, SPLITS, chosen, seed=0)
    resumed.load(tmp_path)
    assert [epoch.number for epoch in resumed.epochs()] == [3, 4]
    assert [replace(e, seconds=0) for e in resumed.history] == [replace(e, seconds=0) for e in whole.history]
    assert_same(resumed, whole)


@pytest.mark.usefixtures("tiny")
def test_frozen_batch_normalisation_keeps_its_statistics_and_learns_the_rest() -> None:
    for batch_norm, moves in (("train", True), ("frozen", False)):
        folds = FoldsInTraining(SERIES, SPLITS, image_recipe(batch_norm=batch_norm), seed=0)
        before = folds.fold_state(0)
        assert len(list(folds.epochs())) == 3
        after = folds.fold_state(0)
        for name in ("running_mean", "running_var", "num_batches_tracked"):
            assert torch.equal(before[f"trunk.1.{name}"], after[f"trunk.1.{name}"]) != moves, name
        for name in ("trunk.0.weight", "trunk.1.weight", "head.0.weight"):
            assert not torch.equal(before[name], after[name]), name


@pytest.mark.usefixtures("tiny")
def test_given_weights_start_every_fold_and_change_nothing_else(tmp_path: Path) -> None:
    weights = new_backbone("resnet18", seed=99).state_dict()
    given = FoldsInTraining(SERIES, SPLITS, IMAGE_RECIPE, seed=0, backbone_weights=weights)
    drawn = FoldsInTraining(SERIES, SPLITS, IMAGE_RECIPE, seed=0)
    for k in range(3):
        state, own = given.fold_state(k), drawn.fold_state(k)
        for name, value in own.items():
            if name.startswith("trunk."):
                assert torch.equal(state[name], weights[name.removeprefix("trunk.")]), name
            else:
                assert torch.equal(state[name], value), name
        assert not torch.equal(state["trunk.0.weight"], own["trunk.0.weight"])
    assert not torch.equal(drawn.fold_state(0)["trunk.0.weight"], drawn.fold_state(1)["trunk.0.weight"])
    assert not torch.equal(given.fold_state(0)["head.0.weight"], given.fold_state(1)["head.0.weight"])
    next(given.epochs())
    assert not torch.equal(given.fold_state(0)["trunk.0.weight"], weights["0.weight"])  # copied, not trained on
    given.save(tmp_path)
    for other in ({name: value + 1 for name, value in weights.items()}, None):
        with pytest.raises(checkpoints.CheckpointError, match="another training: trunk_weights"):
            FoldsInTraining(SERIES, SPLITS, IMAGE_RECIPE, seed=0, backbone_weights=other).load(tmp_path)
    FoldsInTraining(SERIES, SPLITS, IMAGE_RECIPE, seed=0, backbone_weights=weights).load(tmp_path)


def test_evaluation_goes_through_few_frames_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    model = build("rnn", num_features=512, hidden_size=4, num_layers=1, seed=0, backbone="resnet18").eval()
    assert model.backbone is not None
    seen: list[int] = []
    model.backbone.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    batch = cut(SERIES, 16).batch(torch.tensor([0, 1, 2]))
    found = []
    for at_once in (64, 5):
        monkeypatch.setattr("models.backbones.FRAMES_PER_PASS", at_once)
        with torch.inference_mode():
            found.append(model(batch.x_BLF, batch.length_B, batch.valid_BL))
    assert seen == [38, *[5] * 7, 3]
    torch.testing.assert_close(found[0], found[1], rtol=0, atol=1e-5)  # batches of other sizes round differently
