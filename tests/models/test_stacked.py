"""Packs: as the reference to rounding, indifferent in every bit to their company, resumable, of one shape."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models.checkpoints import CheckpointError
from models.networks import build
from models.recipe import Recipe
from models.seeds import seed_for
from models.sizes import NETWORKS
from models.splits import FoldSplit
from models.stacks.cells import padded_batch
from models.stacks.data import StackedData
from models.stacks.epochs import Stack
from models.stacks.folds import StackedFolds
from models.stacks.network import StackedNetwork, kind_on_cpu, stack, unstack
from models.training import Epoch, FoldsInTraining, TrainingDiverged
from models.windows import cut
from tests.models.toys import NUM_FEATURES, RECIPE, image_recipe, recipe, toy_series, toy_splits

SERIES = toy_series()
SPLITS = toy_splits()
CURVES = ("train_loss", "validation_loss", "ccc_valence", "ccc_arousal")
DIVERGING = replace(RECIPE, learning_rate=1e30)


def pack(
    *recipes: Recipe, seeds: Sequence[int] | None = None, splits: Sequence[FoldSplit] = SPLITS, epochs: int = 3
) -> StackedFolds:
    chosen = [replace(one, epochs=epochs) for one in recipes]
    return StackedFolds(SERIES, splits, chosen, seeds=list(range(len(recipes))) if seeds is None else seeds)


def trained(one: StackedFolds) -> StackedFolds:
    assert list(one.epochs())
    return one


def flat(one: StackedFolds, place: int = 0) -> torch.Tensor:
    configuration = one.configurations[place]
    return torch.cat([tensor.flatten() for k in range(3) for tensor in configuration.fold_state(k).values()])


def curves(one: StackedFolds, place: int = 0) -> list[Epoch]:
    return [replace(epoch, seconds=0.0) for epoch in one.configurations[place].history]


# From hidden 16 on rows of elements are whole vectors, and an LSTM is torch's.
@pytest.mark.parametrize(("num_layers", "hidden"), [(1, 16), (2, 5)])
@pytest.mark.parametrize("network", NETWORKS)
def test_outputs_and_gradients_are_the_networks(network: str, num_layers: int, hidden: int) -> None:
    chosen = recipe(network=network, num_layers=num_layers, hidden_size=hidden)
    models = [
        build(network, num_features=NUM_FEATURES, hidden_size=hidden, num_layers=num_layers, seed=seed).double()
        for seed in range(3)
    ]
    windows = cut(SERIES, chosen.sequence_length)
    padded = (windows.length_W < windows.length).nonzero().flatten().tolist()
    assert padded, "windows of several lengths are what makes the backward direction hard"
    data = StackedData(windows, [windows], models[0].recurrence.bidirectional + 1, torch.float64)
    batch = padded_batch(4, hidden, windows.length)
    index = torch.full((3, batch), data.empty)
    index[:, :4] = torch.tensor([[0, padded[0], 2, 9], [padded[1], 4, 5, padded[2]], [7, 8, 1, 3]])
    weights = {name: value.requires_grad_() for name, value in stack([m.state_dict() for m in models], chosen).items()}
    like = torch.empty(0, dtype=torch.float64)
    network_of_all = StackedNetwork(
        chosen, 3, kind=kind_on_cpu(chosen), length=windows.length, batch=batch, training=True, like=like
    )
    generator = torch.Generator().manual_seed(0)
    for _ in range(2):  # the second call overwrites what the first left
        gathered = data.batch(index, torch.zeros(3, dtype=torch.int64))
        prediction = (
            network_of_all(weights, gathered.x_CNF, gathered.turned_R)
            .view(3, windows.length, batch, 2)
            .transpose(1, 2)[:, :4]
        )
        towards = torch.randn(prediction.shape, generator=generator, dtype=torch.float64)
        real = (torch.arange(windows.length) < windows.length_W[index[:, :4]][..., None])[..., None]
        total = (prediction * towards * real).sum()
        grads = dict(zip(weights, torch.autograd.grad(total, list(weights.values())), strict=True))
    for m, model in enumerate(models):
        chosen_windows = index[m, :4]
        answer = model(windows.features_WLF[chosen_windows].double(), windows.length_W[chosen_windows])
        difference = ((answer - prediction[m]) * real[m]).abs().max()
        assert difference < 1e-9
        expected = torch.autograd.grad((answer * towards[m] * real[m]).sum(), list(model.parameters()))
        found = unstack(grads, m, chosen)
        for (name, _), grad in zip(model.named_parameters(), expected, strict=True):
            assert (grad - found[name]).abs().max() < 1e-9, name


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"network": "rnn", "num_layers": 2, "loss": "ccc", "keep": "best"},
        {"network": "bilstm", "num_layers": 2, "keep": "best"},
        {"target": "window-mean", "order": "in-order", "windows_a_step": 3},
        {"partial_window": "drop", "hidden_size": 16},
        {"network": "rnn", "hidden_size": 24},
        {"network": "bilstm", "hidden_size": 16},
        {"network": "bilstm", "hidden_size": 24, "num_layers": 2},
    ],
    ids=lambda changes: "-".join(map(str, changes.values())) or "plain",
)
def test_a_training_is_the_references_to_rounding(changes: dict[str, object]) -> None:
    chosen = recipe(**changes)
    reference = FoldsInTraining(SERIES, SPLITS, chosen, seed=3)
    assert len(list(reference.epochs())) == chosen.epochs
    found = trained(pack(chosen, replace(chosen, learning_rate=3e-3), seeds=[3, 4])).configurations[0]
    for expected, epoch in zip(reference.history, found.history, strict=True):
        for curve in CURVES:
            # Sums in another order move a loss by its last bits, and Adam carries that on.
            np.testing.assert_allclose(getattr(epoch, curve), getattr(expected, curve), atol=1e-5, err_msg=curve)
    for k, split in enumerate(SPLITS):
        assert found.chosen_epoch(k) == reference.chosen_epoch(k)
        assert list(found.fold_state(k)) == list(reference.fold_state(k))
        for trace, expected_trace in zip(
            found.predict(k, split.held_out), reference.predict(k, split.held_out), strict=True
        ):
            np.testing.assert_allclose(trace, expected_trace, atol=1e-4)


def test_scaling_of_each_fold() -> None:
    rng = np.random.default_rng(0)
    splits = [
        replace(one, mean_F=rng.normal(size=NUM_FEATURES), sd_F=rng.uniform(0.5, 2, size=NUM_FEATURES))
        for one in SPLITS
    ]
    reference = FoldsInTraining(SERIES, splits, RECIPE, seed=0)
    list(reference.epochs())
    found = trained(pack(RECIPE, splits=splits))
    plain = trained(pack(RECIPE))
    np.testing.assert_allclose(
        found.configurations[0].history[-1].train_loss, reference.history[-1].train_loss, atol=1e-5
    )
    assert abs(plain.configurations[0].history[-1].train_loss[0] - reference.history[-1].train_loss[0]) > 1e-4


@pytest.mark.parametrize("hidden_size", [5, 8, 16])
@pytest.mark.parametrize("network", NETWORKS)
def test_no_bit_depends_on_the_company(network: str, hidden_size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = recipe(network=network, hidden_size=hidden_size)
    alone = trained(pack(chosen, epochs=2))
    company = [replace(chosen, learning_rate=rate) for rate in (1e-3, 1e30, 3e-3)]
    among = trained(pack(company[0], chosen, *company[1:], seeds=[5, 0, 6, 7], epochs=2))
    assert among.configurations[2].failure is not None
    monkeypatch.setattr("models.stacks.folds.models_per_stack", lambda _: 2)
    apart = trained(pack(chosen, *company, seeds=[0, 8, 9, 10], epochs=2))
    for other, place in ((among, 1), (apart, 0)):
        assert curves(other, place) == curves(alone)
        assert torch.equal(flat(other, place), flat(alone))


def test_the_second_fold_count_changes_no_bit_of_the_first() -> None:
    few, all_of_them = trained(pack(RECIPE, splits=SPLITS[:2])), trained(pack(RECIPE))
    for k in range(2):
        for name, value in few.configurations[0].fold_state(k).items():
            assert torch.equal(value, all_of_them.configurations[0].fold_state(k)[name])


def test_stacks_take_one_thread_and_give_the_others_back(monkeypatch: pytest.MonkeyPatch) -> None:
    before, found = torch.get_num_threads(), []
    train, predict = Stack.train, Stack.predict

    def trains(self: Stack, orders: Sequence[torch.Tensor]) -> list[tuple[float, int]]:
        found.append(torch.get_num_threads())
        return train(self, orders)

    def predicts(self: Stack, windows: Sequence[torch.Tensor], per_call: int) -> list[torch.Tensor]:
        found.append(torch.get_num_threads())
        return predict(self, windows, per_call)

    monkeypatch.setattr(Stack, "train", trains)
    monkeypatch.setattr(Stack, "predict", predicts)
    try:
        torch.set_num_threads(2)
        trained(pack(RECIPE, epochs=1))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert found == [1, 1]


def test_a_configuration_that_diverges_leaves_alone() -> None:
    one = pack(RECIPE, DIVERGING, replace(RECIPE, learning_rate=3e-3))
    told = list(one.epochs())
    assert [sorted(epoch) for epoch in told] == [[0, 1, 2], [0, 2], [0, 2]]
    failure = told[0][1]
    assert isinstance(failure, TrainingDiverged)
    with pytest.raises(TrainingDiverged) as expected:
        list(FoldsInTraining(SERIES, SPLITS, DIVERGING, seed=1).epochs())
    assert (failure.fold, failure.epoch) == (expected.value.fold, expected.value.epoch)
    assert failure.detail.endswith(" at learning rate 1e+30")
    assert one.configurations[1].failure is failure
    assert not one.configurations[1].history
    assert one.in_training == (0, 2)
    with pytest.raises(ValueError, match="configuration 1 has left the pack"):
        one.configurations[1].fold_state(0)


def test_a_pack_of_which_all_diverge_ends() -> None:
    one = pack(DIVERGING, DIVERGING)
    assert len(list(one.epochs())) == 1
    assert one.in_training == ()


def test_one_that_is_taken_out_keeps_its_history() -> None:
    one, whole = pack(RECIPE, RECIPE), trained(pack(RECIPE, RECIPE))
    next(epochs := one.epochs())
    one.leave(1)
    assert [sorted(epoch) for epoch in epochs] == [[0], [0]]
    assert len(one.configurations[1].history) == 1
    assert one.configurations[1].failure is None
    assert torch.equal(flat(one), flat(whole))


@pytest.mark.parametrize("keep", ["best", "last"])
def test_resumed_is_uninterrupted_bit_for_bit(keep: str, tmp_path: Path) -> None:
    # Large steps: the best epoch of some fold lies before the interruption.
    recipes = [recipe(keep=keep), replace(DIVERGING, keep=keep), recipe(keep=keep, learning_rate=0.5)]
    whole = trained(pack(*recipes, epochs=4))
    assert keep == "last" or any(whole.configurations[2].chosen_epoch(k) <= 2 for k in range(3))
    first = pack(*recipes, epochs=4)
    epochs = first.epochs()
    next(epochs), next(epochs)
    first.save(tmp_path)
    again = pack(*recipes, epochs=4)
    again.load(tmp_path)
    assert again.in_training == (0, 2)
    assert str(again.configurations[1].failure) == str(whole.configurations[1].failure)
    trained(again)
    for place in (0, 2):
        assert curves(again, place) == curves(whole, place)
        assert torch.equal(flat(again, place), flat(whole, place))
        assert [again.configurations[place].chosen_epoch(k) for k in range(3)] == [
            whole.configurations[place].chosen_epoch(k) for k in range(3)
        ]


@pytest.mark.parametrize("keep", ["best", "last"])
def test_a_part_of_a_pack_goes_on_from_the_packs_checkpoint(keep: str, tmp_path: Path) -> None:
    """As what is left of a pack that is divided, or of which one has ended: in another order, with other places."""
    recipes = [recipe(keep=keep), replace(DIVERGING, keep=keep), recipe(keep=keep, learning_rate=0.5)]
    whole = trained(pack(*recipes, epochs=4))
    first = pack(*recipes, epochs=4)
    next(epochs := first.epochs()), next(epochs)
    first.save(tmp_path)
    for places in ([2], [2, 0], [1, 2], [1]):
        part = pack(*(recipes[place] for place in places), seeds=places, epochs=4)
        part.load(tmp_path)
        assert [len(one.history) for one in part.configurations] == [0 if place == 1 else 2 for place in places]
        assert part.in_training == tuple(own for own, place in enumerate(places) if place != 1)
        list(part.epochs())
        for own, place in enumerate(places):
            assert curves(part, own) == curves(whole, place)
            assert str(part.configurations[own].failure) == str(whole.configurations[place].failure)
            if place != 1:
                assert torch.equal(flat(part, own), flat(whole, place))


def test_a_checkpoint_of_another_pack_is_refused(tmp_path: Path) -> None:
    pack(RECIPE, RECIPE).save(tmp_path)
    with pytest.raises(CheckpointError, match="another training: recipe of configuration 0 is"):
        pack(recipe(hidden_size=RECIPE.hidden_size + 1)).load(tmp_path)
    with pytest.raises(CheckpointError, match="seed of configuration 0 is 0, expected 7"):
        pack(RECIPE, RECIPE, seeds=[0, 7]).load(tmp_path)


def test_weights_kept_are_those_of_the_best_epoch() -> None:
    # Large steps: the last epoch is not the best one of every fold.
    chosen = recipe(keep="best", learning_rate=0.5)
    one = trained(pack(chosen, epochs=6)).configurations[0]
    early = [k for k in range(3) if one.chosen_epoch(k) < 6]
    assert early
    for k in early:
        until = trained(pack(replace(chosen, keep="last"), epochs=one.chosen_epoch(k)))
        for name, value in one.fold_state(k).items():
            assert torch.equal(value, until.configurations[0].fold_state(k)[name])


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (recipe(hidden_size=6), "hidden_size is 6, expected 5"),
        (recipe(loss="ccc"), "loss is 'ccc', expected 'mse'"),
        (image_recipe(), "found a recipe with the backbone 'resnet18'"),
    ],
)
def test_a_pack_is_of_one_shape(other: Recipe, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        StackedFolds(SERIES, SPLITS, [RECIPE, other], seeds=[0, 0])


def test_a_stack_of_no_models_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one configuration"):
        StackedFolds(SERIES, SPLITS, [], seeds=[])


def test_seeds_are_the_references() -> None:
    one = pack(RECIPE, seeds=[9])
    model = build(
        "bigru", num_features=NUM_FEATURES, hidden_size=5, num_layers=1, seed=seed_for(9, "fold", 2, "weights")
    )
    for name, value in one.configurations[0].fold_state(2).items():
        assert torch.equal(value, model.state_dict()[name])
