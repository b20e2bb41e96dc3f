"""The names of what lies in a trial's folder, and reading it; no torch, so that reports start at once."""

import shutil
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from orchestrator.files import read_json, write_json
from orchestrator.plan import Trial, to_record

TRIALS_FOLDER = "trials"
RESULT_FILE = "result.json"
PROGRESS_FILE = "progress.json"
FAILURE_FILE = "failure.json"
CLIENT_FAILURE_FILE = "client-failure.txt"  # the first of a federation, written while the trial goes on
PREDICTIONS_FILE = "predictions.safetensors"
MODEL_FILE = "model.safetensors"
CHECKPOINT_FOLDER = "checkpoint"


def record_failure(trials_folder: Path, trial: Trial, error: BaseException) -> None:
    """Leave the failure in the trial's folder, where the failure table and the tracking find it."""
    folder = trials_folder / trial.uid
    folder.mkdir(parents=True, exist_ok=True)
    trace = "".join(traceback.format_exception(error))
    # A client's own traceback tells more than that of the server which waited for it.
    trace += str(getattr(error, "traceback", ""))
    lines = str(error).strip().splitlines() or [type(error).__name__]
    record = {**to_record(trial), "kind": type(error).__name__, "message": lines[0], "traceback": trace}
    write_json(folder / FAILURE_FILE, record)


def tidy(trials_folder: Path, uids: Sequence[str]) -> None:
    """Drop what a run that was broken off left and this one has no use for, before anything trains.

    Failures of trials that will be taken up again: a failure is one of this run. Checkpoints of those that have their
    result, and files that were never finished.
    """
    for folder in (trials_folder / uid for uid in uids):
        if (folder / RESULT_FILE).is_file():
            shutil.rmtree(folder / CHECKPOINT_FOLDER, ignore_errors=True)
        else:
            for name in (FAILURE_FILE, CLIENT_FAILURE_FILE):
                (folder / name).unlink(missing_ok=True)
        for file in folder.glob(f".{RESULT_FILE}.*"):
            file.unlink(missing_ok=True)


def read_results(trials_folder: Path, uids: Sequence[str]) -> list[dict[str, Any]]:
    """Read the results there are, in the order of `uids`."""
    return [read_json(file) for uid in uids if (file := trials_folder / uid / RESULT_FILE).is_file()]


def read_failures(trials_folder: Path, uids: Sequence[str]) -> list[dict[str, Any]]:
    """Read the failures of trials that have no result, in the order of `uids`."""
    return [
        read_json(file)
        for uid in uids
        if (file := trials_folder / uid / FAILURE_FILE).is_file() and not (trials_folder / uid / RESULT_FILE).is_file()
    ]
