"""The head of the authors' uploaded code: the window flattened, no non-linearity, one output per window."""

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

from models import calibration, shapes
from models.epochs import predict
from models.networks import build_for
from models.recipe import Recipe
from models.seeds import seed_for
from models.sizes import NETWORKS, model_size_mib, num_parameters
from models.splits import FoldSplit
from models.training import FoldsInTraining
from models.windows import Series, cut
from tests.models.toys import NUM_FEATURES, recipe, toy_series, toy_splits

SERIES, SPLITS = toy_series(), toy_splits()


def authors(**changes: object) -> Recipe:
    fixed = {"head": "authors", "target": "window-mean", "partial_window": "drop", "sequence_length": 10}
    return recipe(**{**fixed, **changes})


def test_the_case_that_was_tried_has_405402_parameters() -> None:
    """BiGRU of 8 units and one layer on 25 frames of 40 action units; with the other head it has 2,592."""
    case: dict[str, Any] = {"num_features": 40, "hidden_size": 8, "num_layers": 1}
    # 2 directions of 3 gates: 8 x 40 inputs, 8 x 8 recurrent, 2 x 8 biases. Head: 25 x 16 x 1000 + 1000, 2000 + 2.
    assert 2 * 3 * (320 + 64 + 16) + 401_000 + 2_002 == 405_402
    assert num_parameters("bigru", **case, head="authors", sequence_length=25) == 405_402
    assert num_parameters("bigru", **case) == 2_592


@pytest.mark.parametrize("network", NETWORKS)
def test_sizes_and_shapes_are_those_of_the_state(network: str) -> None:
    own = authors(network=network, num_layers=2)
    model = build_for(own, num_features=6, seed=0)
    sizes = {"num_features": 6, "hidden_size": 5, "num_layers": 2, "head": "authors", "sequence_length": 10}
    assert num_parameters(network, **sizes) == sum(one.numel() for one in model.parameters())  # type: ignore[arg-type]
    state = model.state_dict()
    assert model_size_mib(network, **sizes) == sum(one.numel() for one in state.values()) * 4 / 2**20  # type: ignore[arg-type]
    expected = {name: tuple(value.shape) for name, value in state.items()}
    assert {name: shape for name, shape, _ in shapes.state_shapes(own, 6)} == expected
    assert shapes.count(own) == len(expected)


def test_the_output_is_two_matrices_of_the_flattened_window() -> None:
    """Frame after frame, hidden values within; in numpy."""
    model = build_for(authors(network="rnn"), num_features=NUM_FEATURES, seed=3)
    x = torch.randn(3, 10, NUM_FEATURES, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        hidden = model.recurrence(x)[0].numpy().reshape(3, 50)
        w, b, v, c = (model.head[place].state_dict()[name].numpy() for place in (1, 2) for name in ("weight", "bias"))
        found = model(x).numpy()
    expected = (hidden @ w.T + b) @ v.T + c
    assert found.shape == (3, 10, 2)
    for frame in range(10):
        np.testing.assert_allclose(found[:, frame], expected, atol=1e-6)


def test_windows_of_another_length_are_refused() -> None:
    model = build_for(authors(), num_features=NUM_FEATURES, seed=0)
    with pytest.raises(ValueError, match="whole windows of 10 frames, found 9 frames"):
        model(torch.zeros(2, 9, NUM_FEATURES))
    with pytest.raises(ValueError, match="found partial windows"):
        model(torch.zeros(2, 10, NUM_FEATURES), torch.tensor([10, 7]))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"head": "authors"}, "head authors, one output per window, beside target frame"),
        ({"head": "authors", "target": "window-mean"}, "partial windows that are not dropped"),
        ({"loss": "ccc-window", "target": "window-mean"}, "loss ccc-window.*beside target window-mean"),
        ({"head": "theirs"}, "unknown head 'theirs': expected one of frame, authors"),
    ],
)
def test_what_does_not_go_with_it_is_refused(changes: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        recipe(**changes)


def test_checkpoints_of_the_default_head_do_not_name_it() -> None:
    assert "head" not in recipe().to_dict()
    assert authors().to_dict()["head"] == "authors"


def test_it_learns_and_predicts_a_value_per_window_and_none_for_the_rest() -> None:
    """Its loss is the squared error of window means, as the published code's."""
    folds = FoldsInTraining(SERIES, SPLITS, authors(epochs=2), seed=0)
    history = list(folds.epochs())
    assert sum(history[-1].train_loss) < 0.9 * sum(history[0].train_loss)
    (trace,) = folds.predict(0, [0])  # 70 frames
    assert np.isfinite(trace[:70]).all()
    assert (trace[:70].reshape(7, 10, 2) == trace[:70].reshape(7, 10, 2)[:, :1]).all()
    assert len(set(trace[::10, 0].tolist())) == 7
    (longer,) = folds.predict(0, [1])  # 83
    assert np.isnan(longer[80:]).all()
    assert not np.isnan(longer[:80]).any()
    losses = []
    for index in SPLITS[0].validation:
        series, (own,) = SERIES[index], folds.predict(0, [index])
        for start in range(0, len(own) // 10 * 10, 10):
            gold = np.where(series.mask_T2, series.gold_T2, np.nan)[start : start + 10]
            for d in range(2):
                labelled = np.isfinite(gold[:, d])
                losses += [(own[start, d] - gold[labelled, d].mean()) ** 2] if labelled.any() else []
    assert history[-1].validation_loss[0] == pytest.approx(np.mean(losses), rel=1e-5)


def test_windows_that_overlap_are_predicted_each() -> None:
    model = build_for(authors(), num_features=NUM_FEATURES, seed=0)
    windows = cut(SERIES[:1], 10, partial="drop", step=5)
    every = windows.of_series([0])
    found = predict(model, windows, every)
    assert found.shape == (13, 10, 2)
    with torch.no_grad():
        assert torch.allclose(found[4], model(windows.batch(every[4:5]).x_BLF)[0], atol=1e-6)


def test_the_estimate_of_a_dry_run_counts_the_head(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where only Adam takes time, a microsecond per parameter and step: 7 folds of 20,000 frames in steps of 2,000."""
    timing = calibration.Timing(training_seconds=0.0, validation_seconds=0.0, adam_seconds=1e-6)
    monkeypatch.setattr(calibration, "_timed", lambda *_: timing)
    monkeypatch.setattr(calibration, "_between", lambda *given: given[-1](timing))
    ours = authors(network="rnn", hidden_size=8, sequence_length=2000, windows_a_step=1, epochs=1)
    plain = dataclasses.replace(ours, head="frame")
    heavy, light = calibration.estimate_seconds([ours, plain], 40, 20_000, 8)
    recurrent = 8 * (40 + 8 + 2)
    assert heavy == pytest.approx(70e-6 * (recurrent + 16_001_000 + 2_002))
    assert light == pytest.approx(70e-6 * (recurrent + 90 + 22))


def test_training_is_that_of_the_published_code() -> None:
    """In plain torch: a window is a step, in order; squared error to the window's mean label; the rest is left out."""
    rng = np.random.default_rng(0)
    series = [
        Series(
            participant=f"P{number}",
            session="",
            features_TF=rng.normal(size=(47, NUM_FEATURES)).astype(np.float32),
            valid_T=np.ones(47, dtype=np.bool_),
            gold_T2=rng.uniform(-1, 1, (47, 2)).astype(np.float32),
        )
        for number in range(3)
    ]
    own = authors(windows_a_step=1, order="in-order", epochs=3, learning_rate=1e-3)
    folds = FoldsInTraining(series, [FoldSplit(train=(0, 2), validation=(1,), held_out=(1,))], own, seed=0)
    history = list(folds.epochs())
    seeded = build_for(own, num_features=NUM_FEATURES, seed=seed_for(0, "fold", 0, "weights"))
    gru, first, second = seeded.recurrence, seeded.head[1], seeded.head[2]
    adam = torch.optim.Adam([*gru.parameters(), *first.parameters(), *second.parameters()], lr=1e-3)

    def outputs(one: Series) -> list[tuple[torch.Tensor, torch.Tensor]]:
        windows = [(one.features_TF[start : start + 10], one.gold_T2[start : start + 10]) for start in range(0, 40, 10)]
        return [
            (second(first(gru(torch.from_numpy(x)[None])[0].flatten())), torch.from_numpy(y.mean(axis=0)))
            for x, y in windows
        ]

    for _ in range(3):
        for one in (series[0], series[2]):
            for number in range(4):
                loss = torch.nn.functional.mse_loss(*outputs(one)[number])
                adam.zero_grad()
                loss.backward()
                adam.step()
    with torch.no_grad():
        expected = [pair[0].numpy() for pair in outputs(series[1])]
        mean_loss = np.mean([float(torch.nn.functional.mse_loss(*pair)) for pair in outputs(series[1])])
    (trace,) = folds.predict(0, [1])
    np.testing.assert_allclose(trace[:40:10], expected, atol=2e-5)
    assert np.isnan(trace[40:]).all()
    assert history[-1].validation_loss[0] == pytest.approx(mean_loss, rel=1e-4)
