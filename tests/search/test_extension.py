"""A finished search that gets another value: what was done stays byte by byte, and the whole is that of one search."""

import json
from pathlib import Path
from typing import Any

import pytest

import orchestrator
from orchestrator.run_folder import PLAN_FILE, RESULT_FILE, TRACKING_STATE, TRIALS_FOLDER
from tests.conftest import LEFT_OPEN, Run, read_summary
from tests.search.small_searches import FOUR_POINTS, search

pytestmark = [pytest.mark.usefixtures("here", "no_figures"), *LEFT_OPEN]


def results(output: Path) -> dict[str, bytes]:
    return {file.parent.name: file.read_bytes() for file in output.glob(f"{TRIALS_FOLDER}/*/{RESULT_FILE}")}


def children(output: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((output / TRACKING_STATE).read_text())
    return content


def test_an_extended_search_is_the_search_that_had_all_from_the_beginning(
    run_here: Run, small_corpus: Path, finished_search: Path, tmp_path: Path, store: str
) -> None:
    part, whole = tmp_path / "part", finished_search
    fewer = ("hidden_size=8", *FOUR_POINTS[1:])
    assert search(small_corpus, part, store, overrides=fewer) == 0
    before, told = results(part), children(part)
    dry = run_here("tune", "--extend", part, "--set", "hidden_size=16", "--dry-run")
    assert f"extends   {part}: 2 configurations there, 2 to come" in dry.stdout
    plan = (part / PLAN_FILE).read_bytes()
    done = run_here("tune", "--extend", part, "--set", "hidden_size=16")
    assert done.returncode == 0, done.stderr
    assert (part / PLAN_FILE).read_bytes() != plan
    after = results(part)
    assert len(after) == 4
    assert {uid: after[uid] for uid in before} == before
    assert (part / "leaderboard.csv").read_bytes() == (whole / "leaderboard.csv").read_bytes()
    assert read_summary(part)["trials"] == {"planned": 4, "finished": 4, "failed": 0, "stopped": 0}
    assert (part / "predictions.parquet").read_bytes() == (whole / "predictions.parquet").read_bytes()
    found = children(part)
    assert found["run_id"] == told["run_id"]
    assert found["children"].items() > told["children"].items()
    assert found["children"].keys() == after.keys()
    assert "2 configurations written, 2 there before" in done.stdout
    assert "0 configurations written, 4 there before" in run_here("track", part).stdout
    refused = run_here("tune", "--extend", part, "--epochs", "3")
    assert refused.returncode == 2
    assert "--extend: found beside --epochs; expected --set, --network, --trials, --hours" in refused.stderr
    more = orchestrator.load_run(part).extend(set={"hidden_size": [8, 24]})
    assert len(results(more.folder)) == 6
    assert {uid: results(part)[uid] for uid in after} == after
