"""Workers that are really stopped: they are spoken of, ended, and their trials taken up from the checkpoint."""

import contextlib
import json
import os
import signal
import time
from pathlib import Path

import pytest

from orchestrator.run_folder import FAILURE_FILE
from orchestrator.search import watchdog
from orchestrator.search.watch import WORKER_DEATHS
from orchestrator.search.watchdog import Patience
from tests.conftest import LEFT_OPEN, Run
from tests.search.injected_faults import (
    LOOK_SECONDS,
    PATIENCE_SECONDS,
    TRIAL,
    Disturbance,
    checkpoints,
    disturbed,
    workers,
)

pytestmark = [pytest.mark.usefixtures("only_trials"), *LEFT_OPEN]
# A report comes every two seconds at least, on a loaded machine a little later.
IMPATIENT = Patience(factor=1.0, least_seconds=6.0, first_seconds=30.0, kill_factor=1.2)
TUNE = (
    *("tune", "--method", "au", "--preset", "demo", "--network", "rnn", "--folds", 2, "--epochs", 30),
    *("--set", "hidden_size=8", "--set", "sequence_length=50", "--checkpoint-seconds", 0, "--no-log-model"),
)


def stop(run: Disturbance, kind: tuple[str, ...]) -> list[int]:
    """Stop all workers of a kind; gives their processes."""
    run.wait_until(lambda: workers(run.of, kind))
    found = workers(run.of, kind)
    for process in found:
        os.kill(process, signal.SIGSTOP)
    return found


def is_gone(process: int) -> bool:
    with contextlib.suppress(OSError):
        return (Path(f"/proc/{process}/stat").read_text()).rpartition(")")[2].split()[0] in "ZX"
    return True


def test_a_stopped_worker_is_ended_and_its_trial_taken_up(
    small_corpus: Path, run_inside: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdog, "PATIENCE", IMPATIENT)
    output = tmp_path / "run"

    def harm(run: Disturbance) -> None:
        run.wait_until(lambda: checkpoints(output))
        (process,) = stop(run, TRIAL)
        run.wait_until(lambda: is_gone(process))

    with disturbed(harm):
        done = run_inside(*TUNE, "--data", small_corpus, "--output", output)
    assert done.returncode == 0, done.stderr
    assert "rnn lr=0.001 h=8 L=50 x1: no report for " in done.stderr
    assert "its process is ended and the trial taken up from its checkpoint" in done.stderr


def test_a_worker_that_hangs_each_time_before_it_answers_is_one_failed_trial(
    small_corpus: Path, run_inside: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdog, "PATIENCE", Patience(first_seconds=2.0, kill_factor=1.0))
    output = tmp_path / "run"
    stopped: list[int] = []

    def harm(run: Disturbance) -> None:
        while not run.over.is_set():
            for process in workers(run.of, TRIAL):
                if process not in stopped:
                    os.kill(process, signal.SIGSTOP)
                    stopped.append(process)
            time.sleep(LOOK_SECONDS)

    with disturbed(harm):
        done = run_inside(*TUNE, "--data", small_corpus, "--output", output)
    assert done.returncode == 1, done.stderr
    (failure,) = output.glob(f"trials/*/{FAILURE_FILE}")
    record = json.loads(failure.read_text())
    assert record["kind"] == "WorkerHung"
    assert record["message"].startswith(f"it hung: {1 + WORKER_DEATHS} times")
    end = time.monotonic() + PATIENCE_SECONDS
    while not all(is_gone(process) for process in stopped):  # one that was killed just now is still ending
        assert time.monotonic() < end, "a worker that was ended is still there"
        time.sleep(LOOK_SECONDS)
