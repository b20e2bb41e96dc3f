"""Where the clients of a federation sit: shares of a pretended GPU, through the command line, by Ray's own records."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from orchestrator.corpora.synthetic.tree import synthesize
from tests.conftest import COMMAND_SECONDS, LEFT_OPEN, ROOT, Run, read_summary
from tests.search.on_pretended_gpu import ONLY_PLACE

pytestmark = LEFT_OPEN
PEOPLE = 20
TUNE = (
    *("tune", "--method", "fl-au", "--preset", "demo", "--network", "rnn", "--folds", 2, "--epochs", 1),
    *("--set", "hidden_size=8", "--set", "sequence_length=50", "--cpus-per-client", 0.05),
)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty people of 4 s."""
    return synthesize(tmp_path_factory.mktemp("people") / "corpus", participants=PEOPLE, seconds=4.0, seed=4)


@pytest.fixture(scope="module")
def records(
    people: Path, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, Any]]:
    """What became of the command with shares of 0.2 and of 2 GPUs, and where a share of 0.05 would be put."""
    folder = tmp_path_factory.mktemp("runs")
    asked = {"0.2": (), "2": (), "0.05": (ONLY_PLACE,)}
    commands = [
        [*marks, *map(str, TUNE), "--gpus-per-client", share, "--data", str(people), "--output", str(folder / share)]
        for share, marks in asked.items()
    ]
    done = subprocess.run(
        [sys.executable, "-m", "tests.search.on_pretended_gpu", str(folder / "records"), *map(json.dumps, commands)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads((folder / "records").read_text())
    return {share: {**one, "output": folder / share} for share, one in zip(asked, found, strict=True)}


def test_at_a_fifth_of_a_gpu_five_processes_work_at_a_time(records: dict[str, dict[str, Any]]) -> None:
    record = records["0.2"]
    assert record["code"] == 0, record["errors"]
    assert "20 clients in 5 processes per trial, 0.05 CPUs and 0.2 GPUs each" in record["errors"]
    (group,) = record["groups"]  # held as long as the trial lives: none of it can have been anybody else's
    assert group[1:] == [{"CPU": 0.05, "GPU": 0.2}] * 5
    # All five were there before the first of them worked, and nobody else ever was.
    for task in ("__init__", "pid", "work"):
        assert record["at_work"][f"ClientProcess.{task}"] == 5, task
    federation = read_summary(record["output"])["federation"]
    assert (federation["clients"], federation["failures"]) == (PEOPLE, 0)


def test_at_a_twentieth_all_twenty_have_room_at_once(records: dict[str, dict[str, Any]]) -> None:
    """To start twenty processes with torch takes a minute: how they then work, tests/fed/test_ray_actors.py tells."""
    record = records["0.05"]
    assert "20 clients in 20 processes per trial, 0.05 CPUs and 0.05 GPUs each" in record["errors"]
    (group,) = record["groups"]
    assert group[1:] == [{"CPU": 0.05, "GPU": 0.05}] * PEOPLE


def test_two_gpus_are_refused_before_the_start(records: dict[str, dict[str, Any]]) -> None:
    record = records["2"]
    assert record["code"] == 2
    assert "--gpus-per-client" in record["errors"]
    assert "node 0 has 2 CPUs, 1 GPUs" in record["errors"]
    assert not record["groups"]
    assert not list(record["output"].glob("*"))


def test_clients_that_take_nothing_are_refused(people: Path, run_inside: Run, tmp_path: Path) -> None:
    for method, message in (
        ("fl-au", "--cpus-per-client: found 0"),
        ("au", "--cpus-per-client: found beside --method au"),
    ):
        words = [method if word == "fl-au" else word for word in TUNE]
        words[words.index(0.05)] = 0
        done = run_inside(*words, "--data", people, "--output", tmp_path / method, "--dry-run")
        assert done.returncode == 2, done.stderr
        assert message in done.stderr
