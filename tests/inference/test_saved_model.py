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
    from orchestrator.corpora.gold_standard import gold_standard
    from orchestrator.corpora.readers import open_corpus

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


def hparams(**changes: Any) -> dict[str, Any]:
    return {"learning_rate": 1e-3, "hidden_size": 6, "sequence_length": 20, "num_layers": 2, **changes}


FRAMES = {"image_size": 48, "frame_stride": 3, "face_crop": "none", "backbone": "trained", "weights": "none"}
BACKBONE = {"label": "none", "normalisation": "half"}
NO_NUMBERS: tuple[object, ...] = ("8", None, True, [6], {}, float("nan"), -1)
NO_DIGESTS: tuple[object, ...] = (12, True, [], "0" * 63, "0" * 64)
LIES: dict[str, dict[str, Any]] = {
    **{f"hidden_size {value}": {"hparams": hparams(hidden_size=value)} for value in (10**6, 20_000, 10**9, 10**400)},
    **{f"num_layers {value}": {"hparams": hparams(num_layers=value)} for value in (100_000, 999, 0, -3)},
    **{
        f"{key} {value!r}": {"hparams": hparams(**{key: value})}
        for key in ("hidden_size", "num_layers", "sequence_length", "learning_rate")
        for value in NO_NUMBERS
    },
    "sequence_length huge": {"hparams": hparams(sequence_length=10**12)},
    "hidden_size 6.0": {"hparams": hparams(hidden_size=6.0)},
    "hparams a list": {"hparams": [1, 2]},
    "hparams text": {"hparams": "none"},
    "hparams more": {"hparams": hparams(dropout=1)},
    **{f"weights_sha256 {value!r}": {"weights_sha256": value} for value in NO_DIGESTS},
    "a million features": {"features": ["f"] * 10**6},
    "features text": {"features": "AU01"},
    "folds a number": {"folds": 10**6},
    "a million folds": {"folds": [{"held_out": []}] * 10**6, "scaling": {"kind": "none", "folds": [None] * 10**6}},
    "scaling by nothing": {"protocol": "train"},
    "an unknown scaling": {"protocol": "sideways"},
    "labels text": {"labels": [{"mean": ["a", "b"], "sd": [1, 1]}] * FOLDS},
    "hz text": {"hz": "fast"},
    "synthetic text": {"synthetic": "no"},
    "protocol a list": {"protocol": []},
    **{
        f"{key} {value!r}": {"images": {**FRAMES, key: value}, "trunk": BACKBONE}
        for key, value in (
            *(("image_size", one) for one in (10**9, 10**5, 0, -48, "48", True, 48.0)),
            *(("frame_stride", one) for one in (0, "3", 10**12)),
            *(("face_crop", 3), ("backbone", "x"), ("weights", 7)),
        )
    },
    "images without a backbone": {"images": FRAMES, "trunk": None},
    "a backbone that is not in the weights": {"images": FRAMES, "trunk": BACKBONE},
}


@pytest.mark.parametrize("lie", LIES)
def test_a_card_that_lies_is_refused_before_anything_is_built(
    lie: str, small_corpus: Path, make_model: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_model(small_corpus)
    card = json.loads((folder / "card.json").read_text())
    changes = LIES[lie]
    if isinstance(changes.get("protocol"), str):
        changes = {"protocol": {**card["protocol"], "scaling": changes["protocol"]}}
    change(folder, **changes)

    def built(*_: object, **__: object) -> None:
        raise AssertionError("built from a card that lies")

    monkeypatch.setattr("orchestrator.inference.saved_model.build_for", built)
    with pytest.raises(InputError) as caught:
        open_model(str(folder))
    (problem,) = caught.value.problems
    assert str(folder) in problem.where
    assert len(str(problem)) < 500
    assert "\n" not in str(problem)


@pytest.mark.parametrize("scaling", ["train", "both"])
def test_a_scaling_by_the_training_people_needs_their_statistics(
    scaling: str, small_corpus: Path, make_model: Make
) -> None:
    folder = make_model(small_corpus, scaling=scaling)
    change(folder, scaling={"kind": scaling, "folds": [None] * FOLDS})
    with pytest.raises(InputError, match="scaling by the training people without their statistics"):
        open_model(str(folder))


def test_files_that_would_fill_the_memory_are_refused(small_corpus: Path, make_model: Make) -> None:
    folder = make_model(small_corpus)
    card, weights = folder / "card.json", folder / "model.safetensors"
    whole, bytes_of_weights = card.read_text(), weights.read_bytes()
    length = int.from_bytes(bytes_of_weights[:8], "little")
    for text in (
        "[" * 200_000 + "]" * 200_000,
        '{"a":' * 200_000,
        '{"format": ' + "1" * 10_000 + "}",
        '{"format": NaN}',
    ):
        card.write_text(text)
        with pytest.raises(InputError, match=r"card\.json"):
            open_model(str(folder))
    with card.open("wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(InputError, match=r"card\.json: found 1,073,741,824 bytes"):
        open_model(str(folder))
    card.write_text(whole)
    change(folder, weights_sha256=None)
    for head in (b"[" * length, (10**15).to_bytes(8, "little"), b"{}" + b" " * (length - 2)):
        weights.write_bytes(
            (bytes_of_weights[:8] if len(head) == length else b"") + head + bytes_of_weights[8 + length :]
        )
        with pytest.raises(InputError, match=r"damaged file|tensors"):
            open_model(str(folder))
    big = 64 << 20  # a head as long as the file has no need of
    with weights.open("wb") as file:
        file.write(big.to_bytes(8, "little"))
        file.truncate(big + 100)
    with pytest.raises(InputError, match="a head of 67,108,864 bytes"):
        open_model(str(folder))


def test_a_sparse_file_of_the_right_shapes_is_weighed_before_it_is_read(small_corpus: Path, make_model: Make) -> None:
    folder = make_model(small_corpus, network="rnn")
    hidden, features = 900_000, len(json.loads((folder / "card.json").read_text())["features"])
    change(folder, hparams=hparams(hidden_size=hidden, num_layers=1), weights_sha256=None)
    shapes = {"recurrence.weight_ih_l0": [hidden, features], "recurrence.weight_hh_l0": [hidden, hidden]}
    shapes |= {"recurrence.bias_ih_l0": [hidden], "recurrence.bias_hh_l0": [hidden], "head.0.weight": [10, hidden]}
    shapes |= {"head.0.bias": [10], "head.2.weight": [2, 10], "head.2.bias": [2]}
    head, at = {}, 0
    for fold in range(FOLDS):
        for name, shape in shapes.items():
            end = at + 4 * int(np.prod(shape))
            head[f"fold_{fold}.{name}"] = {"dtype": "F32", "shape": shape, "data_offsets": [at, end]}
            at = end
    content = json.dumps(head).encode()
    with (folder / "model.safetensors").open("wb") as file:
        file.write(len(content).to_bytes(8, "little") + content)
        file.truncate(8 + len(content) + at)
    with pytest.raises(InputError, match=r"weights of [\d,.]+ GiB; expected at most half of this machine's"):
        open_model(str(folder))


def test_weights_that_are_not_numbers_are_refused(small_corpus: Path, make_model: Make) -> None:
    import safetensors.torch

    folder = make_model(small_corpus)
    weights = safetensors.torch.load_file(folder / "model.safetensors")
    weights["fold_1.head.2.bias"][0] = float("nan")
    safetensors.torch.save_file(weights, folder / "model.safetensors")
    change(folder, weights_sha256=None)
    with pytest.raises(InputError, match=r"fold_1\.head\.2\.bias with NaN"):
        open_model(str(folder))


def test_an_old_card_without_a_checksum_is_taken_if_its_shapes_fit(small_corpus: Path, make_model: Make) -> None:
    folder = make_model(small_corpus)
    card = json.loads((folder / "card.json").read_text())
    del card["weights_sha256"]
    (folder / "card.json").write_text(json.dumps(card))
    assert open_model(str(folder)).num_folds == FOLDS
