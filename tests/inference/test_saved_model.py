"""A saved model's folder: what is in it decides, and what was changed is found."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orchestrator.errors import InputError
from orchestrator.inference.saved_model import open_model
from tests.inference.conftest import FOLDS, Make


def change(folder: Path, **changes: Any) -> None:
    path = folder / "card.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_stranger_is_predicted_by_all_folds_and_a_person_of_the_corpus_by_the_one_that_never_saw_them(
    small_corpus: Path, make_model: Make
) -> None:
    model = open_model(str(make_model(small_corpus)))
    held_out = [fold["held_out"] for fold in model.card["folds"]]
    assert len(held_out) == FOLDS
    for fold, people in enumerate(held_out):
        assert people
        assert all(model.folds_for(person) == (fold,) for person in people)
    assert model.folds_for("a stranger") == (0, 1)
    assert model.folds_for(held_out[0][0], 1) == (1,)


def test_the_card_has_what_prediction_needs(small_corpus: Path, make_model: Make) -> None:
    from orchestrator.corpora.opening import open_corpus
    from orchestrator.gold_standard import gold_standard

    card = open_model(str(make_model(small_corpus, scaling="train"))).card
    assert card["hz"] == 25.0
    train = set(card["folds"][1]["held_out"])  # of two folds each trains on the other's people
    gold = [
        gold_standard(one.ratings, "mean")[one.valid]
        for one in open_corpus(small_corpus).recordings
        if one.participant in train
    ]
    expected = np.nanmean(np.concatenate(gold).astype(np.float64), axis=0)
    np.testing.assert_allclose(card["labels"][0]["mean"], expected, atol=1e-6)
    assert card["labels"][0] != card["labels"][1]


DAMAGES = {
    "weights cut off": lambda f: (f / "model.safetensors").write_bytes((f / "model.safetensors").read_bytes()[:-8]),
    "weights changed": lambda f: (f / "model.safetensors").write_bytes(
        (f / "model.safetensors").read_bytes()[:-1] + b"x"
    ),
    "a pickle for weights": lambda f: (f / "model.safetensors").write_bytes(pickle.dumps({"a": 1})),
    "no weights": lambda f: (f / "model.safetensors").unlink(),
    "another format": lambda f: change(f, format=2),
    "no JSON": lambda f: (f / "card.json").write_text("{"),
    "a list": lambda f: (f / "card.json").write_text("[]"),
    "no network": lambda f: change(f, network=None),
    "an unknown network": lambda f: change(f, network="transformer"),
    "no folds": lambda f: change(f, folds=[]),
    "a scaling that does not fit": lambda f: change(
        f, scaling={"kind": "train", "folds": [{"mean": [0], "sd": [1]}] * 2}
    ),
    "features that are numbers": lambda f: change(f, features=[1, 2]),
    "images that are none": lambda f: change(f, images={"image_size": 48}),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_one_clear_error(damage: str, small_corpus: Path, make_model: Make) -> None:
    folder = make_model(small_corpus)
    open_model(str(folder))
    DAMAGES[damage](folder)
    with pytest.raises(InputError) as caught:
        open_model(str(folder))
    (problem,) = caught.value.problems
    assert str(folder) in problem.where


def test_weights_that_do_not_fit_the_card_are_named(small_corpus: Path, make_model: Make) -> None:
    folder = make_model(small_corpus)
    card = json.loads((folder / "card.json").read_text())
    change(folder, hparams={**card["hparams"], "hidden_size": 7})
    with pytest.raises(InputError, match=r"fold 0: .* of shape .*expected .*as the card says"):
        open_model(str(folder))


def test_a_run_s_folder_will_do_and_nothing_will_not(small_corpus: Path, make_model: Make, tmp_path: Path) -> None:
    make_model(small_corpus)
    assert open_model(str(tmp_path)).folder == tmp_path / "model"
    with pytest.raises(InputError, match="--model"):
        open_model(str(tmp_path / "nowhere"))
