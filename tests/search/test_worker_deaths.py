"""A worker process that is really killed, again and again: one failed trial among finished ones; resumed, it ends."""

import json
from pathlib import Path

import pytest

from orchestrator.run_folder import FAILURE_FILE, RESULT_FILE
from orchestrator.search.watch import WORKER_DEATHS
from tests.conftest import LEFT_OPEN, Run, read_summary
from tests.search.injected_faults import TRIAL, Disturbance, disturbed

pytestmark = [pytest.mark.usefixtures("only_trials"), *LEFT_OPEN]
# One at a time on the tests' Ray of two CPUs, the larger first.
TUNE = (
    *("tune", "--method", "au", "--preset", "demo", "--network", "rnn", "--folds", 2, "--epochs", 30),
    *("--set", "hidden_size=8,16", "--set", "sequence_length=50", "--cpus-per-trial", 2),
    *("--checkpoint-seconds", 0, "--no-log-model"),
)


def kill_the_first_trial(run: Disturbance, output: Path, times: int) -> None:
    """Kill the worker of the trial that begins first, each time after it has written a checkpoint of its own."""
    run.wait_until(lambda: [*output.glob("trials/*/checkpoint/checkpoint.json")])
    (checkpoint,) = output.glob("trials/*/checkpoint/checkpoint.json")
    written = [0]
    for _ in range(times):
        run.wait_until(lambda: checkpoint.is_file() and checkpoint.stat().st_mtime_ns > written[-1])
        run.kill(TRIAL)
        written.append(checkpoint.stat().st_mtime_ns)


def test_a_trial_whose_worker_dies_three_times_is_one_failed_trial(
    small_corpus: Path, run_inside: Run, tmp_path: Path
) -> None:
    output = tmp_path / "run"
    with disturbed(lambda run: kill_the_first_trial(run, output, 1 + WORKER_DEATHS)):
        done = run_inside(*TUNE, "--data", small_corpus, "--output", output)
    assert done.returncode == 1, done.stderr
    assert "FAILED rnn lr=0.001 h=16 L=50 x1: the worker process died 3 times: The actor died" in done.stderr
    summary = read_summary(output)
    assert summary["status"] == "some trials failed"
    (failure,) = output.glob(f"trials/*/{FAILURE_FILE}")
    record = json.loads(failure.read_text())
    assert record["kind"] == "WorkerDied"
    assert "Failure # 3" in record["traceback"]
    assert len([*output.glob(f"trials/*/{RESULT_FILE}")]) == 1
    again = run_inside("tune", "--resume", output)
    assert again.returncode == 0, again.stderr
    assert read_summary(output)["status"] == "finished"
    assert not failure.exists()


def test_a_failure_that_cannot_be_written_counts_all_the_same(
    small_corpus: Path, run_inside: Run, tmp_path: Path
) -> None:
    """Where the first trial's folder was there is a file, in mid-run: neither checkpoint nor failure can be written."""
    output = tmp_path / "run"

    def harm(run: Disturbance) -> None:
        run.wait_until(lambda: [*output.glob("trials/*/checkpoint/checkpoint.json")])
        (folder,) = output.glob("trials/*")
        folder.rename(tmp_path / "moved")
        folder.write_text("in the way")

    with disturbed(harm):
        done = run_inside(*TUNE, "--data", small_corpus, "--output", output)
    assert done.returncode == 1, done.stderr
    assert "FAILED rnn lr=0.001 h=16 L=50 x1: " in done.stderr
    assert read_summary(output)["trials"] == {"planned": 2, "finished": 1, "failed": 1, "stopped": 0}
