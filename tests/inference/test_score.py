"""A saved model on labelled people: scores by hand, who is left out, what is refused, what is written."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from models.ccc import Moments, ccc
from orchestrator.api import Run
from orchestrator.corpora.gold_standard import gold_standard
from orchestrator.corpora.readers import open_corpus
from orchestrator.corpora.synthetic.tree import synthesize
from orchestrator.errors import InputError
from orchestrator.inference import predict
from orchestrator.inference.predict import Wishes
from orchestrator.inference.saved_model import open_model
from orchestrator.inference.score import Scored, read_labelled, score
from orchestrator.inference.score_output import table
from tests.conftest import LEFT_OPEN
from tests.conftest import Run as RunCommand
from tests.corpora.tool_files import OPENFACE_2, openface_clock, write_labels, write_tool
from tests.inference.conftest import Make


def scored(folder: Path, data: Path, *, include_seen: bool = False) -> Scored:
    model = open_model(str(folder))
    return score(model, read_labelled(model, data), Wishes(overlap=0.5), include_seen=include_seen)


@pytest.fixture(scope="session")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine people, of whom six have the names of the small corpus."""
    return synthesize(tmp_path_factory.mktemp("strangers") / "corpus", participants=9, seconds=8.0, seed=11)


def test_new_people_are_scored_by_what_predict_says_of_them(
    small_corpus: Path, strangers: Path, make_model: Make
) -> None:
    folder = make_model(small_corpus)
    model, corpus = open_model(str(folder)), open_corpus(strangers)
    known = set(open_corpus(small_corpus).participants)
    found = scored(folder, strangers)
    assert set(found.left_out) == known
    assert [one.participant for one in found.people] == [p for p in corpus.participants if p not in known]
    assert len(found.people) == 3
    given = predict.read_input(model, strangers)
    traces = {one.participant: one.prediction for one in predict.predict(model, given, Wishes(overlap=0.5)).traces}
    own, total = {}, Moments.zero()
    for one in corpus.recordings:
        if one.participant in known:
            continue
        gold = gold_standard(one.ratings, model.protocol.gold, decimals=model.protocol.label_decimals)[:, 1]
        there = np.isfinite(gold) & np.isfinite(traces[one.participant][:, 1])
        moments = Moments.of(traces[one.participant][there, 1], gold[there])
        own[one.participant], total = ccc(moments), total + moments
    for person in found.people:
        assert person.ccc["arousal"] == pytest.approx(own[person.participant], abs=1e-9)
        assert not person.seen
    pooled, mean = found.pooled["arousal"], found.of_people["arousal"]
    assert pooled is not None
    assert mean is not None
    assert pooled.value == pytest.approx(ccc(total), abs=1e-9)
    assert pooled.interval is not None
    assert pooled.interval.low < pooled.value < pooled.interval.high
    assert mean.value == pytest.approx(np.mean(list(own.values())), abs=1e-9)
    assert any("mean of 2 fold models" in line for line in found.lines)
    (line,) = [line for line in found.lines if line.startswith("seen ")]
    assert "6 seen in training" in line


def test_seen_people_are_scored_only_on_demand(small_corpus: Path, make_model: Make) -> None:
    folder = make_model(small_corpus)
    with pytest.raises(InputError, match=r"6 participants, all seen in training: .*--include-seen"):
        scored(folder, small_corpus)
    found = scored(folder, small_corpus, include_seen=True)
    assert len(found.people) == 6
    assert all(one.seen for one in found.people)
    assert not found.left_out
    assert "(seen)" in table(found)
    assert max(map(len, table(found).splitlines())) <= 80


def test_another_tool_s_features_are_refused_by_name(make_model: Make, tmp_path: Path) -> None:
    for seed, name in enumerate("ABC"):
        write_tool(tmp_path / "own" / "features" / f"{name}.csv", OPENFACE_2, openface_clock(), seed=seed)
        write_labels(tmp_path / "own", name)
    folder = make_model(tmp_path / "own")
    few = tuple(name for name in OPENFACE_2 if name not in ("AU07_r", "pose_Rx"))
    for seed, name in enumerate("DE"):
        write_tool(tmp_path / "few" / "features" / f"{name}.csv", few, openface_clock(), seed=seed)
        write_labels(tmp_path / "few", name)
    with pytest.raises(InputError, match=r"no feature .*AU07.*; expected the \d+ features"):
        scored(folder, tmp_path / "few")


def test_columns_in_another_order_score_alike(make_model: Make, tmp_path: Path) -> None:
    turned = (*[one for one in OPENFACE_2 if "AU" not in one], *[one for one in OPENFACE_2 if "AU" in one][::-1])
    for seed, name in enumerate("ABC"):
        write_tool(tmp_path / "own" / "features" / f"{name}.csv", OPENFACE_2, openface_clock(), seed=seed)
        write_labels(tmp_path / "own", name)
    folder = make_model(tmp_path / "own")
    model = open_model(str(folder))
    for seed, name in enumerate("DE"):
        write_tool(tmp_path / "new" / "features" / f"{name}.csv", turned, openface_clock(), seed=seed)
        write_labels(tmp_path / "new", name)
    read = read_labelled(model, tmp_path / "new")
    assert list(read.feature_names) == model.card["features"]
    given = predict.read_input(model, tmp_path / "new")
    for one, other in zip(read.recordings, given.recordings, strict=True):
        np.testing.assert_array_equal(one.features, other.features)


class TestCommand:
    pytestmark = LEFT_OPEN

    def test_the_folder_has_the_scores_the_people_and_a_figure(
        self, small_corpus: Path, strangers: Path, make_model: Make, run_here: RunCommand, tmp_path: Path
    ) -> None:
        folder, output = make_model(small_corpus), tmp_path / "out"
        words = ("score", "--model", folder, "--data", strangers, "--device", "cpu")
        done = run_here(*words, "--output", output)
        assert done.returncode == 0, done.stderr
        assert "SYNTHETIC" in done.stderr
        content = json.loads((output / "scores.json").read_text())
        assert len(content["seen_in_training"]["left_out"]) == 6
        assert content["participants"] == 3
        one = content["scores"]["valence"]["ccc"]
        assert f"{one['value']:.3f} [{one['low']:.3f}, {one['high']:.3f}]" in done.stdout
        people = list(csv.DictReader((output / "people.csv").read_text().splitlines()))
        assert [row["seen"] for row in people] == ["false"] * 3
        rows = list(csv.DictReader((output / "predictions.csv").read_text().splitlines()))
        assert len(rows) == 3 * 200
        assert "nan" not in (output / "predictions.csv").read_text().lower()
        assert sum(bool(row["valence"] and row["valence_gold"]) for row in rows) == one_sum(people, "frames_valence")
        assert (output / "people.svg").read_text().count("<path") > 3
        again = run_here(*words, "--output", output)
        assert again.returncode == 2
        assert "not empty" in again.stderr
        shutil.rmtree(output)


def one_sum(rows: list[dict[str, str]], key: str) -> int:
    return sum(int(row[key]) for row in rows)


def test_python_has_the_people_and_the_scores(small_corpus: Path, strangers: Path, make_model: Make) -> None:
    folder = make_model(small_corpus)
    people = Run(folder=folder, model=str(folder)).score(strangers, device="cpu")
    found = scored(folder, strangers)
    assert list(people["ccc_valence"]) == [one.ccc["valence"] for one in found.people]
    pooled = found.pooled["valence"]
    assert pooled is not None
    assert pooled.interval is not None
    assert people.attrs["scores"]["scores"]["valence"]["ccc"]["low"] == pooled.interval.low
    assert not people["seen"].any()
