"""Repeats: trained like trials, taken up again, and never counted among the configurations."""

import csv
import json
import shutil
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from orchestrator.run_folder import MODEL_FILE, RESULT_FILE
from tests.conftest import LEFT_OPEN, read_summary
from tests.search.small_searches import resumed, search

pytestmark = [pytest.mark.usefixtures("here", "no_figures"), *LEFT_OPEN]

TWO_POINTS = ("hidden_size=8,16", "sequence_length=50", "num_layers=1")


def children(output: Path, uri: str) -> dict[str, str]:
    """The kind of every child run by its uid."""
    state = json.loads((output / "tracking.json").read_text())
    query = f"tags.`mlflow.parentRunId` = '{state['run_id']}'"
    runs = MlflowClient(uri).search_runs([state["experiment_id"]], query)
    return {run.data.tags["uid"]: run.data.tags["kind"] for run in runs}


def test_repeats_are_taken_up_again_and_are_no_configurations(
    small_corpus: Path, store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "run"
    changes = {"overrides": TWO_POINTS, "search": {"repeats": 3}}
    assert search(small_corpus, output, store, **changes) == 0
    summary = read_summary(output)
    (found,) = summary["repeats"]
    own, first, second = found["uids"]
    assert own == summary["best"]["uid"] == found["uid"]
    assert (found["seeds"], found["failed"]) == ([0, 1, 2], 0)
    assert summary["trials"] == {"planned": 2, "finished": 2, "failed": 0, "stopped": 0}
    rows = list(csv.DictReader((output / "leaderboard.csv").open()))
    assert [row["rank"] for row in rows if row["status"] == "finished"] == ["1", "2"]
    assert not {first, second} & {row["uid"] for row in rows}
    assert {row["rank"] for row in rows if row["status"] == "baseline"} == {""}
    assert len(rows) == 2 + 5
    results = {uid: json.loads((output / "trials" / uid / RESULT_FILE).read_text()) for uid in found["uids"]}
    assert [one.get("repeat") for one in results.values()] == [None, 1, 2]
    assert len({tuple(fold["participants"][0] for fold in one["folds"]) for one in results.values()}) > 1
    assert found["estimates"]["ccc_valence"]["by_repeat"] == [one["ccc_valence"] for one in results.values()]
    # Weights are those of what is reported.
    assert [file.parent.name for file in output.glob(f"trials/*/{MODEL_FILE}")] == [own]
    kinds = children(output, store)
    assert {uid: kinds[uid] for uid in found["uids"]} == {own: "configuration", first: "repeat", second: "repeat"}
    assert "repeats  rnn" in capsys.readouterr().out
    # A repeat that is lost is trained again, to the same bits, and nothing else is.
    before = {file: file.stat().st_mtime_ns for file in output.glob(f"trials/*/{RESULT_FILE}")}
    shutil.rmtree(output / "trials" / second)
    assert resumed(output) == 0
    after = {file: file.stat().st_mtime_ns for file in output.glob(f"trials/*/{RESULT_FILE}")}
    again = output / "trials" / second / RESULT_FILE
    assert [file for file in after if after[file] != before[file]] == [again]
    assert json.loads(again.read_text())["folds"] == results[second]["folds"]
    assert read_summary(output)["repeats"] == summary["repeats"]
