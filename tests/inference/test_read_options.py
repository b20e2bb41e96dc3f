"""What decides a reading is in the plan, used again by whoever resumes, and in the card for who predicts."""

import json
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.windows import Series
from orchestrator.commands.preview import announce
from orchestrator.corpora.read_options import BEFORE, RULES, ReadOptions
from orchestrator.errors import InputError
from orchestrator.evaluation import fusion, model_card
from orchestrator.inference import predict
from orchestrator.inference.predict import Wishes
from orchestrator.inference.saved_model import open_model
from orchestrator.planning.launch import Launch, prepare, reopen
from orchestrator.planning.plan_file import load_plan
from orchestrator.planning.request import DataOptions
from tests.conftest import LEFT_OPEN
from tests.corpora.writers import content, three_people, write_folder
from tests.records import make_result
from tests.search.small_searches import make_request

pytestmark = LEFT_OPEN

Make = Callable[..., Path]
OPTIONS = ReadOptions(participant_pattern=r"(?P<participant>P\d)(?P<session>[ab])", label_range=(-2.0, 2.0))
SMALL = ("hidden_size=4", "sequence_length=10", "num_layers=1")


def prepared(own: Path, output: Path, store: str, *, method: str = "au", **data: Any) -> Launch:
    options = DataOptions(path=own, corpus=None, **data)
    request = make_request(own, output, store, method=method, overrides=SMALL)
    protocol = {**request.protocol_changes, "num_folds": 2}
    return prepare(replace(request, data=options, protocol_changes=protocol), claim=True)


def edited(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    raw = json.loads((folder / "plan.json").read_text())
    change(raw)
    (folder / "plan.json").write_text(json.dumps(raw))


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "own", [content(name, raters=("a", "b")) for name in ("P1a", "P1b", "P2a", "P3a")])


@pytest.mark.parametrize("method", ["au", "fl-au"])
def test_the_units_chosen_are_in_the_plan_and_said_first(
    method: str, own: Path, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AFFECT_ORCHESTRATOR_CACHE", str(tmp_path / "cache"))
    launch = prepared(own, tmp_path / "run", store, method=method)
    plan = load_plan(tmp_path / "run")
    assert plan.corpus.feature_names == ("AU01", "AU12")
    assert plan.features == ()
    assert reopen(plan).feature_names == ("AU01", "AU12")
    lines = announce(launch.plan, launch.dataset).splitlines()
    assert "features  2 of 3 taken, action units: AU01, AU12; left out, --features takes them: Yaw" in lines[:4], lines
    if method == "fl-au":
        series = [one for client in launch.dataset.clients for one in client.load()]
        assert {isinstance(one, Series) and one.features_TF.shape[1] for one in series} == {2}


def test_a_plan_without_a_list_means_all_features_and_old_rules(own: Path, store: str, tmp_path: Path) -> None:
    """As a run of before there was a choice: everything, counters too, names by the last underscore."""
    for path in (own / "features").iterdir():
        head, *rows = path.read_text().splitlines()
        lines = [f"Unnamed: 0,{head}", *(f"{index},{row}" for index, row in enumerate(rows))]
        path.write_text("\n".join(lines) + "\n")
    launch = prepared(own, tmp_path / "run", store, features=("*",), options=BEFORE)
    assert launch.dataset.feature_names == ("Unnamed: 0", "AU01", "AU12", "Yaw")

    def as_before(raw: dict[str, Any]) -> None:
        del raw["corpus"]["options"], raw["corpus"]["feature_names"]

    edited(tmp_path / "run", as_before)
    plan = load_plan(tmp_path / "run")
    assert (plan.corpus.options, plan.corpus.feature_names) == (BEFORE, ())
    again = reopen(plan)
    assert again.feature_names == ("Unnamed: 0", "AU01", "AU12", "Yaw")
    assert [one.participant for one in again.series] == ["P1a", "P1b", "P2a", "P3a"]


def test_options_of_reading_are_kept_and_used_again(own: Path, store: str, tmp_path: Path) -> None:
    launch = prepared(own, tmp_path / "run", store, options=OPTIONS)
    plan = load_plan(tmp_path / "run")
    assert plan.corpus.options == OPTIONS
    again = reopen(plan)
    assert [one.participant for one in again.series] == ["P1", "P1", "P2", "P3"]
    np.testing.assert_array_equal(again.local_series()[0].gold_T2, launch.dataset.local_series()[0].gold_T2)
    edited(tmp_path / "run", lambda raw: raw["corpus"]["options"].update(label_range=None))
    with pytest.raises(InputError, match="results of two corpora do not mix"):
        reopen(load_plan(tmp_path / "run"))


def test_what_differs_is_said(own: Path, store: str, tmp_path: Path) -> None:
    prepared(own, tmp_path / "run", store)
    for path in own.rglob("P3a.csv"):
        path.unlink()
    with pytest.raises(InputError, match=r"recordings without P3a; expected .* results of two corpora do not mix"):
        reopen(load_plan(tmp_path / "run"))


def test_the_card_keeps_them(own: Path, store: str, tmp_path: Path) -> None:
    launch = prepared(own, tmp_path / "run", store, options=OPTIONS)
    card = model_card.build(launch.plan, launch.dataset, make_result("a" * 12, [0.1], [0.5]), weights_sha256="0" * 64)
    assert card["corpus"]["options"] == {**card["corpus"]["options"], "rules": RULES, "label_range": (-2.0, 2.0)}
    assert card["features"] == ["AU01", "AU12"]


def changed_card(folder: Path, **options: object) -> Path:
    card = json.loads((folder / "card.json").read_text())
    card["corpus"]["options"] = options or None
    (folder / "card.json").write_text(json.dumps(card))
    return folder


def test_predict_reads_names_as_training_did(make_model: Make, tmp_path: Path) -> None:
    data = write_folder(tmp_path / "own", three_people(num_rows=60))
    folder = changed_card(make_model(data), rules=RULES, participant_pattern=r"^(P\d+)", label_range=[1, 9], raters=[])
    model = open_model(str(folder))
    (tmp_path / "features" / "P16-again.csv").parent.mkdir()
    path = tmp_path / "features" / "P16-again.csv"
    path.write_text((data / "features" / "P16.csv").read_text())
    done = predict.predict(model, predict.read_input(model, path), Wishes())
    assert [one.participant for one in done.traces] == ["P16"]
    assert "models    P16: of the corpus, each predicted by a fold that never saw them" in done.lines
    assert "labels    were from 1 to 9 in training and mapped: predictions are from -1 to 1" in done.lines
    other = predict.read_input(model, path, participant_pattern=r"again")
    assert [one.participant for one in other.recordings] == ["again"]
    before = open_model(str(changed_card(folder)))
    assert before.read_options == BEFORE
    assert predict.read_input(before, path).recordings[0].participant == "P16-again"


def test_people_of_an_old_card_are_known_in_both_unicode_forms(make_model: Make, tmp_path: Path) -> None:
    names = [unicodedata.normalize("NFC", name) for name in ("Jürgen", "Zoë")]
    folder = make_model(write_folder(tmp_path / "own", [content(name, num_rows=60) for name in names]))
    card = json.loads((folder / "card.json").read_text())
    for fold in card["folds"]:
        fold["held_out"] = [unicodedata.normalize("NFD", name) for name in fold["held_out"]]
    (folder / "card.json").write_text(json.dumps(card, ensure_ascii=False))
    model = open_model(str(folder))
    assert [model.folds_for(name) for name in names] == [(0,), (1,)]
    assert model.folds_for(unicodedata.normalize("NFD", names[1])) == (1,)


@pytest.mark.parametrize(
    "options",
    [{"rules": "2"}, {"participant_pattern": "("}, {"label_range": [9, 1]}, {"raters": [1]}, {"unheard": 1}, [1]],
)
def test_a_card_with_options_that_are_none_is_refused(options: object, make_model: Make, tmp_path: Path) -> None:
    folder = make_model(write_folder(tmp_path / "own", three_people(num_rows=60)))
    card = json.loads((folder / "card.json").read_text())
    card["corpus"]["options"] = options
    (folder / "card.json").write_text(json.dumps(card))
    with pytest.raises(InputError, match="a damaged card"):
        open_model(str(folder))


def test_fusion_knows_people_in_both_unicode_forms(tmp_path: Path) -> None:
    name = unicodedata.normalize("NFC", "Zoë")
    found = []
    for form in ("NFC", "NFD"):
        path = tmp_path / f"{form}.csv"
        row = f"{unicodedata.normalize(form, name)},,0.0,0.1,0.2"
        path.write_text(f"participant,session,time,valence,arousal\n{row}\n")
        found += [fusion._read(path)[0].keys()]
    assert found == [{(name, "")}, {(name, "")}]
