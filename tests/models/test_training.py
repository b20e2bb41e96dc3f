"""Folds in lock-step: repeatable, independent of one another, indifferent to what is masked, and learning."""

import itertools
import pickle
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from models.ccc import Moments, ccc, frame_moments
from models.epochs import evaluate, new_adam, predict, train_one_epoch
from models.networks import build
from models.recipe import Recipe
from models.sizes import NETWORKS
from models.splits import FoldSplit
from models.training import Epoch, FoldsInTraining, TrainingDiverged
from models.windows import Series, cut
from tests.models.toys import NUM_FEATURES, RECIPE, recipe, toy_series, toy_splits

SERIES = toy_series()
SPLITS = toy_splits()


def trained(
    chosen: Recipe = RECIPE,
    *,
    seed: int = 0,
    series: Sequence[Series] = SERIES,
    splits: Sequence[FoldSplit] = SPLITS,
) -> FoldsInTraining:
    folds = FoldsInTraining(series, splits, chosen, seed=seed)
    assert len(list(folds.epochs())) == chosen.epochs
    return folds


def flat(folds: FoldsInTraining, fold: int) -> torch.Tensor:
    return torch.cat([tensor.flatten() for tensor in folds.fold_state(fold).values()])


def without_seconds(epochs: Sequence[Epoch]) -> list[Epoch]:
    assert epochs
    return [replace(epoch, seconds=0.0) for epoch in epochs]


@pytest.mark.parametrize("network", NETWORKS)
def test_one_seed_repeats_and_two_differ(network: str) -> None:
    first, again, other = (trained(recipe(network=network), seed=seed) for seed in (0, 0, 1))
    assert without_seconds(first.history) == without_seconds(again.history)
    for k in range(3):
        assert torch.equal(flat(first, k), flat(again, k))
        assert not torch.equal(flat(first, k), flat(other, k))


def test_folds_start_from_weights_of_their_own() -> None:
    untrained = FoldsInTraining(SERIES, SPLITS, RECIPE, seed=0)
    assert untrained.chosen_epoch(0) == 0
    assert not torch.isclose(flat(untrained, 0), flat(untrained, 1)).all()


def test_the_global_generator_is_neither_read_nor_moved() -> None:
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    first = trained()
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(6)
    assert torch.equal(flat(trained(), 0), flat(first, 0))


def test_a_fold_does_not_depend_on_the_others() -> None:
    together = trained()
    others_changed = trained(splits=[SPLITS[0], replace(SPLITS[1], train=(0,)), replace(SPLITS[2], train=(1,))])
    assert torch.equal(flat(together, 0), flat(others_changed, 0))
    assert not torch.equal(flat(together, 1), flat(others_changed, 1))
    assert not torch.equal(flat(together, 0), flat(together, 1))
    alone = trained(splits=SPLITS[:1])
    assert torch.equal(flat(together, 0), flat(alone, 0))


@pytest.mark.parametrize("loss", ["mse", "ccc"])
@pytest.mark.parametrize("target", ["frame", "window-mean"])
def test_masked_labels_do_not_reach_the_weights(loss: str, target: str) -> None:
    chosen = recipe(loss=loss, target=target, epochs=2)
    changed = [replace(one, gold_T2=one.gold_T2.copy()) for one in SERIES]
    for one in changed:
        assert not one.valid_T[5:9].any()
        one.gold_T2[5:9] = 100.0
    moved = [replace(one, gold_T2=one.gold_T2.copy()) for one in SERIES]
    for one in moved:
        one.gold_T2[40] = 0.9
    first, same, different = (trained(chosen, series=s) for s in (SERIES, changed, moved))
    assert without_seconds(first.history) == without_seconds(same.history)
    for k in range(3):
        assert torch.equal(flat(first, k), flat(same, k))
        assert not torch.equal(flat(first, k), flat(different, k))


def test_held_out_people_do_not_reach_the_weights() -> None:
    split = FoldSplit(train=(0, 1), validation=(2,), held_out=(3,))
    first = trained(splits=[split])
    changed = [*SERIES[:2], *(replace(one, features_TF=-one.features_TF) for one in SERIES[2:])]
    second = trained(splits=[split], series=changed)
    assert torch.equal(flat(first, 0), flat(second, 0))
    assert first.history[-1].validation_loss != second.history[-1].validation_loss
    assert first.history[-1].train_loss == second.history[-1].train_loss


def test_windows_without_labels_take_no_step() -> None:
    blank = replace(SERIES[1], gold_T2=np.full_like(SERIES[1].gold_T2, np.nan))
    split = FoldSplit(train=(0,), validation=(2,), held_out=(2,))
    series = [SERIES[0], blank, SERIES[2]]
    without, beside = (trained(series=series, splits=[s]) for s in (split, replace(split, train=(0, 1))))
    assert torch.equal(flat(without, 0), flat(beside, 0))
    windows = cut(series, 16)
    found = []
    for index in (windows.of_series((0,)), windows.of_series((0, 1))):
        model = build("rnn", num_features=NUM_FEATURES, hidden_size=5, num_layers=1, seed=0)
        chosen = recipe(order="in-order", windows_a_step=1)
        train_one_epoch(model, new_adam(model, 1e-2), windows, index, chosen, torch.Generator())
        found.append(model.state_dict())
    assert len(found[0]) == 8
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])


@pytest.mark.parametrize("network", NETWORKS)
def test_learning_beats_chance(network: str) -> None:
    folds = trained(recipe(network=network, epochs=15))
    for k, split in enumerate(SPLITS):
        losses = [epoch.train_loss[k] for epoch in folds.history]
        assert losses[-1] < 0.5 * losses[0]
        labels = np.concatenate([SERIES[i].gold_T2[SERIES[i].mask_T2] for i in split.validation])
        assert folds.history[-1].validation_loss[k] < 0.5 * labels.var()
        assert min(folds.history[-1].ccc_valence[k], folds.history[-1].ccc_arousal[k]) > 0.6


def test_the_curve_is_what_the_predictions_say() -> None:
    folds = trained()
    for k, split in enumerate(SPLITS):
        traces = folds.predict(k, split.validation)
        assert [trace.dtype for trace in traces] == [np.dtype(np.float32)] * 2
        pairs = [
            frame_moments(trace, SERIES[i].gold_T2, SERIES[i].mask_T2)
            for trace, i in zip(traces, split.validation, strict=True)
        ]
        valence, arousal = (sum(column, Moments.zero()) for column in zip(*pairs, strict=True))
        last = folds.history[-1]
        # Predictions are equal; moments are summed in another order.
        assert last.ccc_valence[k] == pytest.approx(ccc(valence), abs=1e-12)
        assert last.ccc_arousal[k] == pytest.approx(ccc(arousal), abs=1e-12)
        squares = np.concatenate(
            [
                np.square(trace - SERIES[i].gold_T2)[SERIES[i].mask_T2]
                for trace, i in zip(traces, split.validation, strict=True)
            ]
        )
        assert last.validation_loss[k] == pytest.approx(float(squares.mean()), rel=1e-5)  # float32 sums


def test_an_epoch_is_so_many_steps_of_adam_in_order() -> None:
    chosen = recipe(order="in-order", epochs=1)
    windows = cut(SERIES[:2], chosen.sequence_length)
    model, twin = (build("bigru", num_features=NUM_FEATURES, hidden_size=5, num_layers=1, seed=3) for _ in range(2))
    index = windows.of_series((0, 1))
    loss_sum, count = train_one_epoch(model, new_adam(model, 1e-2), windows, index, chosen, torch.Generator())
    adam = torch.optim.Adam(twin.parameters(), lr=1e-2)
    expected_sum = 0.0
    for start in range(0, len(index), chosen.windows_a_step):
        rows = slice(start, start + chosen.windows_a_step)
        prediction = twin(windows.features_WLF[rows], windows.length_W[rows])
        mask = windows.mask_WL2[rows]
        squares = (prediction - windows.gold_WL2[rows])[mask].square()
        adam.zero_grad()
        squares.mean().backward()
        adam.step()
        expected_sum += float(squares.detach().sum())
    assert count == int(windows.mask_WL2.sum())
    assert loss_sum == pytest.approx(expected_sum, rel=1e-5)
    for mine, other in zip(model.parameters(), twin.parameters(), strict=True):
        # Adam turns rounding of tiny gradients into parts of a step of 1e-2.
        torch.testing.assert_close(mine, other, rtol=0, atol=1e-4)


def test_orders_differ_between_epochs_only_when_shuffled() -> None:
    def sums(order: str) -> list[float]:
        windows = cut(SERIES[:2], RECIPE.sequence_length)
        found = []
        for seed in (1, 1, 2):
            model = build("rnn", num_features=NUM_FEATURES, hidden_size=5, num_layers=1, seed=0)
            generator = torch.Generator().manual_seed(seed)
            chosen = recipe(order=order)
            index = windows.of_series((0, 1))
            found.append(train_one_epoch(model, new_adam(model, 1e-2), windows, index, chosen, generator)[0])
        return found

    shuffled, in_order = sums("shuffled"), sums("in-order")
    assert shuffled[0] == shuffled[1] != shuffled[2]
    assert in_order[0] == in_order[1] == in_order[2] != shuffled[0]


def test_every_fold_and_epoch_draws_its_own_order(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds = []

    def spy(*arguments: Any) -> tuple[float, int]:
        seeds.append(arguments[-1].initial_seed())
        return train_one_epoch(*arguments)

    monkeypatch.setattr("models.training.train_one_epoch", spy)
    trained()
    assert len(seeds) == len(set(seeds)) == 3 * 3


def test_scaling_on_the_fly_equals_scaled_series() -> None:
    mean = tuple(0.1 * (i + 1) for i in range(NUM_FEATURES))
    sd = tuple(1.0 + 0.5 * i for i in range(NUM_FEATURES))
    beforehand = []
    for one in SERIES:
        features = (one.features_TF - np.asarray(mean, np.float32)) / np.asarray(sd, np.float32)
        features[~one.valid_T] = 0
        beforehand.append(replace(one, features_TF=features.astype(np.float32)))
    split = replace(SPLITS[0], mean_F=mean, sd_F=np.array(sd))
    on_the_fly, expected, plain = (
        trained(series=beforehand if given else SERIES, splits=[split if scaled else SPLITS[0]])
        for given, scaled in ((False, True), (True, False), (False, False))
    )
    torch.testing.assert_close(flat(on_the_fly, 0), flat(expected, 0), rtol=0, atol=1e-4)
    assert not torch.isclose(flat(plain, 0), flat(expected, 0), atol=1e-3).all()
    np.testing.assert_allclose(on_the_fly.predict(0, (3,))[0], expected.predict(0, (3,))[0], atol=1e-4)


def test_the_best_epoch_is_kept() -> None:
    # A learning rate at which the validation loss does not fall steadily.
    chosen = recipe(keep="best", learning_rate=0.3, epochs=8)
    folds = FoldsInTraining(SERIES, SPLITS, chosen, seed=0)
    states = [[flat_of(folds, k) for k in range(3)] for _ in folds.epochs()]
    best = [int(np.argmin([epoch.validation_loss[k] for epoch in folds.history])) for k in range(3)]
    assert any(epoch < 7 for epoch in best)
    for k, split in enumerate(SPLITS):
        assert folds.chosen_epoch(k) == best[k] + 1
        assert torch.equal(flat(folds, k), states[best[k]][k])
        windows = cut(SERIES, chosen.sequence_length)
        model = build("bigru", num_features=NUM_FEATURES, hidden_size=5, num_layers=1, seed=9)
        model.load_state_dict(folds.fold_state(k))
        found = evaluate(model, windows, windows.of_series(split.validation), chosen)
        assert found.loss == folds.history[best[k]].validation_loss[k]
        expected = predict(model, windows, windows.of_series([0]))
        np.testing.assert_array_equal(folds.predict(k, [0])[0][:16], expected[0].numpy())
    last = trained(replace(chosen, keep="last"))
    assert [last.chosen_epoch(k) for k in range(3)] == [8, 8, 8]
    assert torch.equal(flat(last, 0), states[7][0])


def test_of_equal_losses_the_first_epoch_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """The weights move on, the validation loss does not."""
    monkeypatch.setattr("models.training.evaluate", lambda *given: replace(evaluate(*given), loss=0.25))
    folds = FoldsInTraining(SERIES, SPLITS, recipe(keep="best", epochs=4), seed=0)
    states = [[flat_of(folds, k) for k in range(3)] for _ in folds.epochs()]
    for k in range(3):
        assert folds.chosen_epoch(k) == 1
        assert torch.equal(flat(folds, k), states[0][k])
        assert not torch.equal(states[0][k], states[3][k])


def flat_of(folds: FoldsInTraining, fold: int) -> torch.Tensor:
    """The current weights, whatever is kept."""
    return torch.cat([tensor.detach().clone().flatten() for tensor in folds._models[fold].state_dict().values()])


def test_evaluation_does_not_depend_on_its_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    windows = cut(SERIES, 16)
    model = build("bilstm", num_features=NUM_FEATURES, hidden_size=5, num_layers=1, seed=0)
    for loss, target in itertools.product(("mse", "ccc"), ("frame", "window-mean")):
        found = []
        for frames in (16, 70, 100_000):
            monkeypatch.setattr("models.epochs.FRAMES_PER_BATCH", frames)
            index = windows.of_series((1, 4))
            found.append(evaluate(model, windows, index, recipe(loss=loss, target=target)))
        assert found[0].count == found[2].count > 0
        for one in found[:2]:
            assert one.loss == pytest.approx(found[2].loss, rel=1e-5)
            assert ccc(one.valence) == pytest.approx(ccc(found[2].valence), abs=1e-5)


def test_divergence_names_fold_and_epoch_and_survives_a_pickle() -> None:
    wild = replace(SERIES[2], gold_T2=SERIES[2].gold_T2 * np.float32(1e38))  # its square is no float32
    split = FoldSplit(train=(0,), validation=(1,), held_out=(1,))
    series = [SERIES[0], SERIES[1], wild]
    folds = FoldsInTraining(series, [split, replace(split, train=(2,))], RECIPE, seed=0)
    with pytest.raises(TrainingDiverged, match=r"fold 1, epoch 1: training diverged, training loss is") as caught:
        list(folds.epochs())
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (copy.fold, copy.epoch, str(copy)) == (1, 1, str(caught.value))


def test_folds_without_windows_are_refused_by_number() -> None:
    unlabelled = replace(SERIES[0], gold_T2=np.full_like(SERIES[0].gold_T2, np.nan))
    series = [unlabelled, *SERIES[1:]]
    split = FoldSplit(train=(1,), validation=(2,), held_out=(2,))
    with pytest.raises(ValueError, match="fold 1: no labelled window of 16 frames to train on in its 1 series"):
        FoldsInTraining(series, [split, replace(split, train=(0,))], RECIPE, seed=0)
    with pytest.raises(ValueError, match="fold 0: no labelled window of 100 frames to validate on"):
        FoldsInTraining(
            SERIES,
            [FoldSplit(train=(5,), validation=(0,), held_out=(0,))],
            recipe(sequence_length=100, partial_window="drop"),
            seed=0,
        )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network": "gru"}, "'gru'.*bigru"),
        ({"loss": "mae"}, "'mae'.*mse"),
        ({"target": "window"}, "'window'.*window-mean"),
        ({"partial_window": "wrap"}, "'wrap'.*pad, drop"),
        ({"order": "random"}, "'random'.*shuffled"),
        ({"keep": "all"}, "'all'.*last, best"),
        ({"epochs": 0}, "epochs must be at least 1, found 0"),
        ({"learning_rate": float("nan")}, "learning_rate must be positive"),
    ],
)
def test_recipes_that_cannot_be_trained_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FoldsInTraining(SERIES, SPLITS, recipe(**changes), seed=0)


@pytest.mark.parametrize(
    ("mean", "sd", "message"),
    [
        ((0.0,) * NUM_FEATURES, None, "both"),
        ((0.0,), (1.0,), f"expected {NUM_FEATURES}"),
        ((0.0,) * NUM_FEATURES, (0.0,) * NUM_FEATURES, "positive"),
    ],
)
def test_unusable_scaling_is_refused(mean: tuple[float, ...], sd: tuple[float, ...] | None, message: str) -> None:
    with pytest.raises(ValueError, match=f"fold 0: .*{message}"):
        FoldsInTraining(SERIES, [replace(SPLITS[0], mean_F=mean, sd_F=sd)], RECIPE, seed=0)


def test_dropped_frames_are_not_predicted() -> None:
    folds = trained(recipe(partial_window="drop", epochs=1))
    trace = folds.predict(0, (0,))[0]
    assert trace.shape == (70, 2)
    np.testing.assert_array_equal(np.isnan(trace[:, 0]), np.arange(70) >= 64)
