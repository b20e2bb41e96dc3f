"""Runs of earlier versions still load, resume, report, track and predict (tests/old_runs/README.md)."""

import csv
import json
import sqlite3
from pathlib import Path

import pytest

from orchestrator.evaluation.trial_files import read_results
from orchestrator.files import read_json
from orchestrator.planning.plan_file import load_plan
from orchestrator.run_folder import TRIALS_FOLDER
from tests.conftest import LEFT_OPEN, Run, read_summary
from tests.old_runs import VERSIONS, store_of, unpacked

pytestmark = [pytest.mark.usefixtures("no_figures"), *LEFT_OPEN]

# Another processor may round otherwise; what a changed rule makes of a score is far larger.
SAME_SCORE = 1e-3
SAME_PREDICTION = 1e-4


@pytest.fixture(params=VERSIONS)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return unpacked(tmp_path, request.param)


def table(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as lines:
        return list(csv.DictReader(lines))


def rows(file: Path) -> dict[str, dict[str, str]]:
    """The configurations of a leaderboard; baselines, which older ones do not have, are none."""
    return {row["uid"]: row for row in table(file) if row["uid"]}


def children(old: Path, search: str) -> dict[str, str]:
    """The store's active configurations of a search: uid -> status."""
    database = sqlite3.connect(old / "store" / "mlflow.db")
    query = """
        SELECT uid.value, runs.status FROM runs
        JOIN tags AS uid ON uid.run_uuid = runs.run_uuid AND uid.key = 'uid'
        JOIN tags AS parent ON parent.run_uuid = runs.run_uuid AND parent.key = 'mlflow.parentRunId'
        JOIN tags AS name ON name.run_uuid = parent.value AND name.key = 'name'
        WHERE name.value = ? AND runs.lifecycle_stage = 'active'
    """
    found = database.execute(query, (search,)).fetchall()
    database.close()
    assert len(found) == len(dict(found)), "a configuration is there twice"
    return dict(found)


@pytest.mark.parametrize("name", ["finished", "broken-au", "broken-fl-au"])
def test_plans_and_results_load(old: Path, name: str) -> None:
    plan = load_plan(old / name)
    uids = [trial.uid for trial in plan.trials]
    there = {file.parent.name for file in (old / name / TRIALS_FOLDER).glob("*/result.json")}
    assert there <= set(uids)
    assert {result.uid for result in read_results(old / name / TRIALS_FOLDER, uids)} == there


def test_other_versions_than_the_runs_are_said(old: Path, run_here: Run) -> None:
    plan = old / "finished" / "plan.json"
    content = json.loads(plan.read_text())
    content["versions"] |= {"torch": "1.0", "ray": "1.0"}
    plan.write_text(json.dumps(content))
    done = run_here("tune", "--resume", old / "finished")
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("resume ")]
    assert line.startswith("resume    began with torch 1.0, goes on with ")


def test_a_finished_run_resumes_to_the_same_bytes_and_trains_nothing(old: Path, run_here: Run) -> None:
    names = ("predictions.parquet", "model/model.safetensors", "curves.json")
    before = {name: (old / "finished" / name).read_bytes() for name in names}
    board = rows(old / "finished" / "leaderboard.csv")
    results = {file: file.stat().st_mtime_ns for file in old.glob("finished/trials/*/result.json")}
    assert len(results) == 4
    done = run_here("tune", "--resume", old / "finished")
    assert done.returncode == 0, done.stderr
    assert {name: (old / "finished" / name).read_bytes() for name in names} == before
    again = rows(old / "finished" / "leaderboard.csv")
    assert {uid: {key: row[key] for key in board[uid]} for uid, row in again.items()} == board
    assert {file: file.stat().st_mtime_ns for file in old.glob("finished/trials/*/result.json")} == results
    assert set(children(old, "finished").values()) == {"FINISHED"}


@pytest.mark.parametrize("name", ["broken-au", "broken-fl-au"])
def test_a_broken_off_run_goes_on_from_its_checkpoint(old: Path, name: str, run_here: Run) -> None:
    (checkpoint,) = (old / name).glob("trials/*/checkpoint/checkpoint.json")
    content = json.loads(checkpoint.read_text())["content"]
    earlier = content["rounds"] if "rounds" in content else content["curve"]
    done = run_here("tune", "--resume", old / name)
    assert done.returncode == 0, done.stderr
    found, expected = rows(old / name / "leaderboard.csv"), rows(old / "resumed" / f"{name}.csv")
    assert found.keys() == expected.keys()
    for uid, row in expected.items():
        for key in ("selection_loss", "ccc_valence", "ccc_arousal"):
            assert float(found[uid][key]) == pytest.approx(float(row[key]), abs=SAME_SCORE), key
    # Taken up, not begun anew: the epochs of the checkpoint are those of the result, to the last digit.
    result = read_json(old / name / "trials" / checkpoint.parent.parent.name / "result.json")
    if "rounds" in content:
        assert [one["train_loss"] for one in result["federation"]["by_round"]][: len(earlier)] == [
            one["train_loss"] for one in earlier
        ]
    else:
        means = [sum(one["train_loss"]) / len(one["train_loss"]) for one in earlier]
        assert result["curve"]["train_loss"][: len(earlier)] == pytest.approx(means, abs=1e-15)
        assert len(result["curve"]["train_loss"]) > len(earlier) > 0
    assert read_summary(old / name)["status"] == "finished"
    assert children(old, name) == dict.fromkeys(expected, "FINISHED")


def test_its_model_predicts_what_it_predicted(old: Path, run_here: Run) -> None:
    done = run_here(
        "predict", "--model", old / "finished", "--input", old / "corpus.parquet", "--output", old / "new.csv"
    )
    assert done.returncode == 0, done.stderr
    pairs = list(zip(table(old / "new.csv"), table(old / "predicted.csv"), strict=True))
    assert len(pairs) == 1200
    for found, expected in pairs:
        assert (found["participant"], found["time"]) == (expected["participant"], expected["time"])
        for dimension in ("valence", "arousal"):
            if expected[dimension]:
                assert float(found[dimension]) == pytest.approx(float(expected[dimension]), abs=SAME_PREDICTION)
            else:
                assert not found[dimension]


def test_its_store_is_reported_and_its_model_is_fetched(old: Path, run_here: Run) -> None:
    done = run_here("report", "--tracking-uri", store_of(old), "--output", old / "new-report")
    assert done.returncode == 0, done.stderr
    best = read_summary(old / "finished")
    cells = {(row["method"], row["network"]): row for row in table(old / "new-report" / "table-2.csv")}
    for dimension in ("valence", "arousal"):
        assert float(cells["Action Units", "BiGRU"][f"{dimension}_ours"]) == best[f"ccc_{dimension}"]
    earlier = {(row["method"], row["network"]): row for row in table(old / "report" / "table-2.csv")}
    assert cells.keys() >= earlier.keys()
    assert cells["Action Units", "BiGRU"]["valence_ours"] == earlier["Action Units", "BiGRU"]["valence_ours"]
    run_id = read_json(old / "finished" / "tracking.json")["run_id"]
    words = ("export", "--model", run_id, "--tracking-uri", store_of(old), "--format", "pt2")
    done = run_here(*words, "--output", old / "model.pt2")
    assert done.returncode == 0, done.stderr


def test_track_adds_nothing_to_its_store_and_fills_an_empty_one(old: Path, run_here: Run) -> None:
    done = run_here("track", old / "finished")
    assert done.returncode == 0, done.stderr
    assert "0 configurations written, 4 there before" in done.stdout
    done = run_here("track", old / "finished", "--tracking-uri", f"sqlite:///{old}/other.db")
    assert done.returncode == 0, done.stderr
    assert "4 configurations written, 0 there before" in done.stdout
