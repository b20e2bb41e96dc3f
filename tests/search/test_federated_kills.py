"""A federation that is disturbed while a command runs it: it ends as an undisturbed one does, or with its exit code."""

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestrator.corpora.synthetic.tree import synthesize
from tests.conftest import LEFT_OPEN, ROOT, Run, read_summary
from tests.search.injected_faults import (
    CLIENTS,
    LOOK_SECONDS,
    MARK,
    PATIENCE_SECONDS,
    TRIAL,
    Disturbance,
    disturbed,
    marked,
    rounds,
    workers,
)

pytestmark = [pytest.mark.usefixtures("only_trials"), *LEFT_OPEN]
SEED = 3
ROUNDS = 40
LAST_STRIKE = 20  # what is left is time enough to strike in
TUNE = (
    *("tune", "--method", "fl-au", "--preset", "demo", "--network", "rnn", "--folds", 2, "--num-cpus", 2),
    *("--set", "hidden_size=8", "--set", "sequence_length=50", "--epochs", ROUNDS, "--client-actors", 2),
    "--no-log-model",
)
EQUAL = ("leaderboard.csv", "predictions.parquet", "model/model.safetensors")
CONFIGURATION = "rnn lr=0.001 h=8 L=50 x1"


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four people of 8 s."""
    return synthesize(tmp_path_factory.mktemp("people") / "corpus", participants=4, seconds=8.0, seed=4)


@pytest.fixture
def undisturbed(people: Path, run_here: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.getbasetemp() / "undisturbed-federation"
    if not output.exists():
        done = run_here(*TUNE, "--data", people, "--output", output)
        assert done.returncode == 0, done.stderr
        assert "CLIENT FAILED" not in done.stderr
    return output


def assert_equal(output: Path, undisturbed: Path) -> None:
    for name in EQUAL:
        assert (output / name).read_bytes() == (undisturbed / name).read_bytes(), name
    (trial,) = (output / "trials").iterdir()
    assert sorted(file.name for file in trial.iterdir()) == [
        "checksums.json",
        "model.safetensors",
        "predictions.safetensors",
        "result.json",
    ]
    federation = json.loads((trial / "result.json").read_text())["federation"]
    assert [one["round"] for one in federation["by_round"] if one["validation_loss"]] == list(range(1, ROUNDS + 1))


def test_killed_clients_and_a_killed_trial_change_nothing(
    undisturbed: Path, people: Path, run_inside: Run, tmp_path: Path
) -> None:
    output, chance = tmp_path / "run", random.Random(SEED)
    strikes = [(CLIENTS, 1), (CLIENTS, None), (TRIAL, 1), (CLIENTS, 1)]
    chance.shuffle(strikes)
    at = sorted(chance.sample(range(1, LAST_STRIKE), len(strikes)))

    def reached(number: int) -> Callable[[], bool]:
        return lambda: len(rounds(output)) >= number

    def harm(run: Disturbance) -> None:
        for number, (kind, how_many) in zip(at, strikes, strict=True):
            run.wait_until(reached(number))
            run.kill(kind, number=how_many)

    with disturbed(harm):
        done = run_inside(*TUNE, "--data", people, "--output", output)
    assert done.returncode == 0, done.stderr
    assert_equal(output, undisturbed)
    assert read_summary(output)["federation"]["failures"] == 0


def test_the_driver_killed_in_a_round_is_resumed_to_the_same_bytes(
    undisturbed: Path, people: Path, environment: dict[str, str], run_inside: Run, tmp_path: Path
) -> None:
    output = tmp_path / "run"
    command = [sys.executable, "-m", "orchestrator", *map(str, TUNE), "--data", str(people), "--output", str(output)]
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, cwd=ROOT, env={**environment, MARK: str(tmp_path)}, **quiet)
    number = random.Random(SEED).randrange(1, LAST_STRIKE)

    def harm(run: Disturbance) -> None:
        run.wait_until(lambda: len(rounds(output)) >= number)
        process.send_signal(signal.SIGKILL)

    with disturbed(harm):
        assert process.wait(PATIENCE_SECONDS) == -signal.SIGKILL
    assert number <= len(rounds(output)) < ROUNDS
    # At once: workers of the dead driver may still be there.
    done = run_inside("tune", "--resume", output)
    assert done.returncode == 0, done.stderr
    assert_equal(output, undisturbed)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while marked(str(tmp_path), (*TRIAL, *CLIENTS)):
        assert time.monotonic() < deadline, "workers outlive their driver"
        time.sleep(0.2)


def test_the_clients_processes_stay_for_the_next_configuration(people: Path, run_inside: Run, tmp_path: Path) -> None:
    output = tmp_path / "run"
    seen: set[int] = set()

    def watch(run: Disturbance) -> None:
        ending = set(workers(run.of, CLIENTS))  # of an earlier test, on the same Ray
        while not run.over.is_set():
            seen.update(set(workers(run.of, CLIENTS)) - ending)
            time.sleep(LOOK_SECONDS)

    two = [{"hidden_size=8": "hidden_size=8,16", ROUNDS: 3}.get(word, word) for word in TUNE]
    with disturbed(watch):
        done = run_inside(*two, "--data", people, "--output", output)
    assert done.returncode == 0, done.stderr
    assert len([*output.glob("trials/*/result.json")]) == 2
    assert len(seen) == 2, "one process for each of --client-actors"


def damage(run: Disturbance, output: Path, cache: Path) -> tuple[Path, bytes]:
    """Spoil the table of one client under a run that has begun, and make everybody read again."""
    run.wait_until(lambda: len(rounds(output)) >= 3)
    table = min(cache.glob("participants-*/*.parquet"))
    content = table.read_bytes()
    table.write_bytes(b"no table")
    run.kill(CLIENTS)
    return table, content


def assert_told_once(errors: str) -> None:
    """Client, round, fold and configuration with the full traceback, before the trial's end is reported."""
    told = errors.index(f"CLIENT FAILED in {CONFIGURATION}: client ")
    line = errors[told:].partition("\n")[0]
    assert "round " in line
    assert "fold " in line
    assert "failed, InputError: " in line
    assert errors.count("CLIENT FAILED") == 1
    end = max(errors.find("[1/1]"), errors.find(f"FAILED {CONFIGURATION}:"))
    trace = errors[told:end]
    assert "Traceback (most recent call last):" in trace
    assert "in _loaded" in trace


def test_a_client_that_cannot_go_on_is_told_at_once_and_the_resumed_run_is_the_same(
    undisturbed: Path, people: Path, run_inside: Run, tmp_path: Path
) -> None:
    output, cache = tmp_path / "run", tmp_path / "cache"
    spoilt = []
    with disturbed(lambda run: spoilt.append(damage(run, output, cache))):
        own = {"AFFECT_ORCHESTRATOR_CACHE": str(cache)}
        done = run_inside(*TUNE, "--data", people, "--output", output, env=own)
    assert done.returncode == 3, done.stderr
    assert_told_once(done.stderr)
    assert "quorum lost" in done.stdout
    table, content = spoilt[0]
    done = run_inside("tune", "--resume", output, env=own)  # which writes the table anew
    assert table.read_bytes() == content
    assert done.returncode == 0, done.stderr
    assert "CLIENT FAILED" not in done.stderr
    assert_equal(output, undisturbed)
    (result,) = output.glob("trials/*/result.json")
    federation = json.loads(result.read_text())["federation"]
    assert federation["failures"] > 0
    assert "InputError" in federation["first_failure"]


def test_a_resilient_run_goes_on_and_tells_who_failed(people: Path, run_inside: Run, tmp_path: Path) -> None:
    output, cache = tmp_path / "run", tmp_path / "cache"

    def harm(run: Disturbance) -> None:
        table, content = damage(run, output, cache)
        run.wait_until(lambda: any(one["failures"] for one in rounds(output)))
        table.write_bytes(content)

    with disturbed(harm):
        own = {"AFFECT_ORCHESTRATOR_CACHE": str(cache)}
        resilient = ("--on-client-failure", "resilient")
        done = run_inside(*TUNE, *resilient, "--data", people, "--output", output, env=own)
    assert done.returncode == 0, done.stderr
    assert_told_once(done.stderr)
    summary = read_summary(output)["federation"]
    assert summary["failures"] > 0
    assert summary["rounds"] == ROUNDS
