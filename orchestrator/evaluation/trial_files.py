"""The names of what lies in a trial's folder, and reading it; no torch, so that reports start at once."""

import hashlib
import re
import shutil
import traceback
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from orchestrator import measures
from orchestrator.errors import InputError
from orchestrator.files import json_text, parse_json, read_json, sha256_of, write_json, write_text
from orchestrator.planning.plan import Trial
from orchestrator.run_folder import (
    CHECKPOINT_FOLDER,
    CHECKSUMS_FILE,
    CLIENT_FAILURE_FILE,
    FAILURE_FILE,
    MODEL_FILE,
    PREDICTIONS_FILE,
    PROGRESS_FILE,
    RESULT_FILE,
    SET_ASIDE,
)
from orchestrator.run_records import Failure, TrialResult

WORKER_DIED = "WorkerDied"  # the kind of a failure that no exception of ours tells of
# The line of a traceback, as text, that names the exception, and the one that Tune puts before each failure.
ERROR_LINE = re.compile(r"^([A-Za-z_][\w.]*(?:Error|Exception|Exit|Interrupt|Killed|Failed)): ?(.*)$", re.MULTILINE)
TUNE_FAILURE = re.compile(r"^Failure # (\d+) \(occurred at [^)]*\)\n", re.MULTILINE)


def record_failure(
    trials_folder: Path, trial: Trial, error: BaseException | str, *, repeat: int | None = None
) -> Failure:
    """Write the failure into the trial's folder, where the failure table and the tracking find it; return the record.

    `error` is an exception, or the text that Ray has of one; `repeat` says which repeat it is of, if it is one. Never
    raises: what cannot be written whole is written without its traceback, and a record that cannot be written at all
    says why under `unwritten`.
    """
    kind, message, trace = _told(error)
    record = Failure(
        uid=trial.uid,
        network=trial.network,
        hparams=trial.hparams,
        kind=kind,
        message=message,
        traceback=trace,
        repeat=repeat,
    )
    file = trials_folder / trial.uid / FAILURE_FILE
    reason: Exception | None = None
    for attempt in (record, replace(record, traceback="")):
        try:
            write_json(file, attempt.to_json())
        except Exception as problem:
            reason = problem
        else:
            return record
    return replace(record, unwritten=f"{type(reason).__name__}: {reason}")


def _told(error: BaseException | str) -> tuple[str, str, str]:
    """Return kind, message in one line, and traceback of an exception or of the text of one."""
    if isinstance(error, str):
        return *_of_text(error), error
    try:
        lines = str(error).strip().splitlines()
        trace = "".join(traceback.format_exception(error))
        # A client's own traceback tells more than that of the server which waited for it.
        trace += str(getattr(error, "traceback", ""))
    except Exception:
        lines, trace = [], ""
    return type(error).__name__, lines[0] if lines else type(error).__name__, trace


def _of_text(text: str) -> tuple[str, str]:
    """Return kind and message of what Tune writes down: all failures of a trial, one after the other."""
    parts = TUNE_FAILURE.split(text)
    last, times = parts[-1].strip(), int(parts[-2]) if len(parts) > 1 else 1
    named = ERROR_LINE.findall(last)
    if named:
        kind, message = named[-1]
        return kind.rpartition(".")[2], message.strip() or kind
    first = last.partition("\n")[0] or "no reason is known"
    return WORKER_DIED, f"the worker process died{f' {times} times' if times > 1 else ''}: {first}"


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


def seal(folder: Path, result: TrialResult, others: Sequence[str]) -> None:
    """Write a trial's result, and before it the checksums of the result and of the `others`, which are there.

    The result is written last: if it is there, the other files are complete.
    """
    text = json_text(result.to_json())
    sums = {name: sha256_of(folder / name) for name in others}
    sums[RESULT_FILE] = hashlib.sha256(text.encode()).hexdigest()
    write_json(folder / CHECKSUMS_FILE, sums)
    write_text(folder / RESULT_FILE, text)


def seal_progress(folder: Path) -> None:
    """Make the last scores of a trial that a scheduler stopped its result; it has no predictions and no weights."""
    seal(folder, TrialResult.from_json(read_json(folder / PROGRESS_FILE), folder / PROGRESS_FILE), ())
    (folder / PROGRESS_FILE).unlink()
    shutil.rmtree(folder / CHECKPOINT_FOLDER, ignore_errors=True)


def read_result(folder: Path) -> TrialResult:
    """Read a trial's result; InputError if it is damaged or another trial's. Those of older runs have no checksum."""
    file = folder / RESULT_FILE
    try:
        content = file.read_bytes()
    except OSError as error:
        raise InputError.of(str(file), found=error.strerror or str(error), expected="a readable file") from error
    _check_sum(folder, RESULT_FILE, content)
    result = TrialResult.from_json(parse_json(content, file), file)
    lacking = [key for key in measures.headline_keys() if result.scores.get(key) is None]
    if lacking:
        raise InputError.of(f"{file}: {lacking[0]}", found="nothing", expected="a trial's result, with its scores")
    if result.uid != folder.name:
        raise InputError.of(str(file), found=f"the result of trial {result.uid}", expected=folder.name)
    return result


def read_artefact(folder: Path, name: str) -> bytes:
    """Read a file that a finished trial left next to its result; InputError if it is gone or damaged."""
    try:
        content = (folder / name).read_bytes()
    except OSError as error:
        where = str(folder / name)
        raise InputError.of(where, found=error.strerror or str(error), expected="the file of a trial") from error
    _check_sum(folder, name, content)
    return content


def lost(folder: Path) -> str | None:
    """Return what of a finished trial's predictions and weights is gone or damaged; None if both are whole."""
    from safetensors import SafetensorError, deserialize

    for name in (PREDICTIONS_FILE, MODEL_FILE):
        try:
            # Of an older run, without checksums, its form is all there is to check.
            deserialize(read_artefact(folder, name))  # type: ignore[no-untyped-call]
        except (InputError, SafetensorError) as error:
            return f"{folder / name}: {error}" if isinstance(error, SafetensorError) else str(error)
    return None


def _check_sum(folder: Path, name: str, content: bytes) -> None:
    sums_file = folder / CHECKSUMS_FILE
    if not sums_file.is_file():
        return  # an older run's
    stated = read_json(sums_file).get(name)
    found = hashlib.sha256(content).hexdigest()
    if found != stated:
        expected = f"{str(stated)[:12]} as in {CHECKSUMS_FILE}"
        raise InputError.of(str(folder / name), found=f"damaged contents (sha256 {found[:12]})", expected=expected)


def set_aside(folder: Path) -> None:
    """Set a result aside, so that its trial is trained again; the old file is kept under another name."""
    (folder / RESULT_FILE).replace(folder / f"{RESULT_FILE}{SET_ASIDE}")
    for name in (CHECKSUMS_FILE, PREDICTIONS_FILE, MODEL_FILE):
        (folder / name).unlink(missing_ok=True)


def set_aside_damaged(trials_folder: Path, uids: Sequence[str]) -> dict[str, str]:
    """Set every damaged result aside; return why, by uid."""
    found = {}
    for folder in (trials_folder / uid for uid in uids):
        if (folder / RESULT_FILE).exists():
            try:
                read_result(folder)
            except InputError as error:
                found[folder.name] = str(error)
                set_aside(folder)
    return found


def has_ended(folder: Path) -> bool:
    """Return whether a trial has its result or its failure."""
    return (folder / RESULT_FILE).is_file() or (folder / FAILURE_FILE).is_file()


def read_results(trials_folder: Path, uids: Sequence[str]) -> list[TrialResult]:
    """Read the results there are, in the order of `uids`; InputError for one that is damaged."""
    folders = (trials_folder / uid for uid in uids)
    return [read_result(folder) for folder in folders if (folder / RESULT_FILE).is_file()]


def read_failures(trials_folder: Path, uids: Sequence[str]) -> list[Failure]:
    """Read the failures of trials that have no result, in the order of `uids`."""
    return [
        Failure.from_json(read_json(file), file)
        for uid in uids
        if (file := trials_folder / uid / FAILURE_FILE).is_file() and not (trials_folder / uid / RESULT_FILE).is_file()
    ]
