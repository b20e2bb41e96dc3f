"""Which epoch is kept: that of the least loss, or by the authors' rule that loss and both errors improve together."""

from dataclasses import asdict

import numpy as np
import pytest
import torch

from fed.scores import pooled
from models.ccc import Moments
from models.epochs import Evaluation
from models.training import Epoch, FoldsInTraining, chosen_epoch, epoch_from
from tests.models.toys import recipe, toy_series, toy_splits

SERIES, SPLITS = toy_series(), toy_splits()


def history(*rows: tuple[float, float, float]) -> list[Epoch]:
    """Epochs of two folds, of which the second has (loss, error of valence, error of arousal)."""
    return [
        Epoch(
            number=number,
            train_loss=(1.0, 1.0),
            validation_loss=(1.0, loss),
            ccc_valence=(0.0, 0.0),
            ccc_arousal=(0.0, 0.0),
            seconds=0.0,
            mae_valence=(1.0, valence),
            mae_arousal=(1.0, arousal),
        )
        for number, (loss, valence, arousal) in enumerate(rows, 1)
    ]


@pytest.mark.parametrize(
    ("rows", "together", "least_loss"),
    [
        # The second improves in all three; the third not in valence, the fourth not in arousal, the fifth in all.
        ([(5, 5, 5), (4, 4, 4), (3, 4, 3), (2, 3, 4), (1, 3, 3)], 5, 5),
        # The third has the least loss and a worse valence; the fourth improves on the second, which is kept.
        ([(5, 5, 5), (4, 4, 4), (1, 4.5, 3), (3, 3, 3)], 4, 3),
        # Equal is no improvement, and without one the first stays.
        ([(5, 5, 5), (5, 4, 4), (4, 5, 4), (4, 4, 6)], 1, 3),
        # A dimension without labels has errors of 0.
        ([(5, 5, 0), (4, 4, 0), (4.5, 3, 0)], 2, 2),
    ],
)
def test_the_authors_rule(rows: list[tuple[float, float, float]], together: int, least_loss: int) -> None:
    epochs = history(*rows)
    assert chosen_epoch(epochs, 1, "best-together") == together
    assert chosen_epoch(epochs, 1, "best") == least_loss
    assert chosen_epoch(epochs, 1, "last") == len(rows)
    assert chosen_epoch(epochs, 0, "best-together") == 1
    assert chosen_epoch([], 1, "best-together") == 0


def test_the_weights_kept_are_those_of_the_chosen_epoch() -> None:
    """Of a training in which the two rules choose otherwise, compared with trainings that end there."""
    chosen = recipe(keep="best-together", epochs=8, learning_rate=0.3, order="in-order")
    folds = FoldsInTraining(SERIES, SPLITS, chosen, seed=3)
    list(folds.epochs())
    numbers = [folds.chosen_epoch(k) for k in range(3)]
    assert numbers != [chosen_epoch(folds.history, k, "best") for k in range(3)]
    for k, number in enumerate(numbers):
        short = FoldsInTraining(SERIES, SPLITS, recipe(**{**fields(), "epochs": number}), seed=3)
        list(short.epochs())
        expected = short.fold_state(k)
        assert all(torch.equal(value, expected[name]) for name, value in folds.fold_state(k).items())


def fields() -> dict[str, object]:
    return {"keep": "last", "learning_rate": 0.3, "order": "in-order"}


@pytest.mark.parametrize("target", ["frame", "window-mean"])
def test_errors_are_of_what_the_loss_compares(target: str) -> None:
    chosen = recipe(keep="best-together", target=target, partial_window="drop", epochs=1)
    folds = FoldsInTraining(SERIES, SPLITS, chosen, seed=0)
    (epoch,) = folds.epochs()
    errors: tuple[list[float], list[float]] = ([], [])
    for index in SPLITS[1].validation:
        series, (trace,) = SERIES[index], folds.predict(1, [index])
        gold = np.where(series.mask_T2, series.gold_T2, np.nan)
        for start in range(0, len(trace) // 16 * 16, 16):
            for d in range(2):
                kept = np.isfinite(gold[start : start + 16, d])
                pair = [one[start : start + 16, d][kept] for one in (trace, gold)]
                if target == "window-mean":
                    pair = [one.mean(keepdims=True) for one in pair] if kept.any() else [one[:0] for one in pair]
                errors[d].extend(np.abs(pair[0] - pair[1]).tolist())
    assert epoch.mae_valence[1] == pytest.approx(np.mean(errors[0]), rel=1e-5)
    assert epoch.mae_arousal[1] == pytest.approx(np.mean(errors[1]), rel=1e-5)


def test_a_checkpoint_without_errors_is_taken_up() -> None:
    """Epochs of before they were measured, beside new ones."""
    (epoch,) = history((1, 2, 3))
    raw = {name: value for name, value in asdict(epoch).items() if not name.startswith("mae")}
    assert epoch_from(raw).mae_valence == ()
    assert chosen_epoch([epoch_from(raw), *history((0.5, 2, 3))], 1, "best") == 2


def test_errors_of_people_are_pooled_by_what_each_compared() -> None:
    """3 elements of .1 and 1 of .5 in valence: .2; 2 of .3 in arousal, where the second person has none."""
    people = [
        Evaluation(loss=0.0, count=5, valence=Moments.zero(), arousal=Moments.zero(), errors=((0.1, 3), (0.3, 2))),
        Evaluation(loss=0.0, count=1, valence=Moments.zero(), arousal=Moments.zero(), errors=((0.5, 1), (0.0, 0))),
    ]
    valence, arousal = pooled(people).errors
    assert valence[0] == pytest.approx(0.2, abs=1e-15)
    assert valence[1] == 4
    assert arousal == (0.3, 2)
    assert pooled(people[:1]) == people[0]
