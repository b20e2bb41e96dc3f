"""A model of defended features: prediction defends what it is given, a growing table is refused, a card is checked."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from orchestrator.corpora.synthetic.tree import synthesize
from orchestrator.errors import InputError
from orchestrator.files import read_json, write_json
from orchestrator.inference.live import Following, follow
from orchestrator.inference.predict import Wishes, predict, read_input
from orchestrator.inference.saved_model import open_model
from orchestrator.protocols import DESCRIBED
from tests.inference.conftest import Make


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three people of 6 s."""
    return synthesize(tmp_path_factory.mktemp("defended") / "corpus", participants=3, seconds=6.0, seed=4)


def test_prediction_defends_what_it_is_given(make_model: Make, data: Path) -> None:
    traces = []
    for number, defence in enumerate((None, "drop=pose+flow,quantise=2")):
        protocol = dataclasses.replace(DESCRIBED, defence=defence)
        model = open_model(str(make_model(data, protocol=protocol, name=f"model-{number}")))
        given = read_input(model, data / "RECOLA-Video-features" / "P16.arff")
        if defence is None:
            assert model.num_features == 40
            predicted = predict(model, given, Wishes(fold=0))
            undefended = dataclasses.replace(model, protocol=dataclasses.replace(protocol, defence="quantise=2"))
            changed = predict(undefended, given, Wishes(fold=0))
            traces += [predicted.traces[0].prediction, changed.traces[0].prediction]
        else:
            assert model.num_features == 30
            assert "Yaw" not in model.card["features"]
            assert len(given.recordings[0].features[0]) == 30
    assert not np.allclose(traces[0], traces[1], equal_nan=True)


def test_a_growing_table_is_refused_where_the_whole_recording_is_needed(make_model: Make, data: Path) -> None:
    model = open_model(str(make_model(data, protocol=dataclasses.replace(DESCRIBED, defence="low-pass=1"))))
    wanted = Following(fold=None, look_ahead_seconds=None, idle_seconds=1.0, scaling_from=None, device="cpu")
    with pytest.raises(InputError, match=r"--follow: found a model of features after low-pass=1, which needs"):
        follow(model, data / "P16.csv", wanted)


def test_a_card_with_a_strange_defence_is_damaged(make_model: Make, data: Path) -> None:
    folder = make_model(data)
    card = read_json(folder / "card.json")
    for strange in ("fog=1", 5, "noise"):
        write_json(folder / "card.json", {**card, "protocol": {**card["protocol"], "defence": strange}})
        with pytest.raises(InputError, match="a damaged card"):
            open_model(str(folder))
