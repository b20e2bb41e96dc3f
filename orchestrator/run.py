"""One run from a plan to its summary and exit code; starting and resuming are the same."""

import contextlib
import dataclasses
import fcntl
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from orchestrator import baseline, exit_codes, results, summary
from orchestrator.dataset import Dataset
from orchestrator.errors import InputError
from orchestrator.files import write_json
from orchestrator.plan import PLAN_FILE, Plan
from orchestrator.prediction_table import PREDICTIONS_TABLE
from orchestrator.progress import Observer
from orchestrator.report import figure_files
from orchestrator.report.evidence import Search
from orchestrator.results import Outcome
from orchestrator.tracking import Tracker, tracking_identity
from orchestrator.trial_files import TRIALS_FOLDER, read_failures, read_results

CLIENTS_LOST = ("QuorumLost", "ClientFailed")  # fed.records: in a round, or before the first
LOCK_FILE = ".lock"
SCRATCH_FOLDER = "ray"  # what Tune itself writes; nothing of it is needed to resume
TRACKING_OPEN_SECONDS = 30.0
TRACKING_CLOSE_SECONDS = 60.0


def execute(plan: Plan, dataset: Dataset, output: Path, *, fresh: bool = False) -> int:
    """Run what the plan has left, write all outputs and print the report; returns the exit code.

    InputError where the run cannot begin. The directory of a `fresh` run is then free again; that of a resumed one
    keeps its plan, also while somebody else is working in it.
    """
    try:
        return _execute(plan, dataset, output)
    except InputError:
        if fresh:
            for name in (PLAN_FILE, LOCK_FILE):
                (output / name).unlink(missing_ok=True)
        raise


def _execute(plan: Plan, dataset: Dataset, output: Path) -> int:
    if plan.search.address:
        # A head started by hand asks for its token; Ray sends none unasked, and reads this only when it is imported.
        os.environ.setdefault("RAY_AUTH_MODE", "token")
    from orchestrator import cluster, tuning

    uids = [trial.uid for trial in plan.trials]
    with _locked(output), cluster.ray_session(plan.search):
        if len(read_results(output / TRIALS_FOLDER, uids)) < plan.num_planned:
            tuning.reserved(plan, dataset)  # refused before anything is written or tracked
        trials_folder = _trials_folder(plan, output)
        cluster.check_storage(trials_folder, plan.search)
        tracker = Tracker(output, plan.tracking["tracking_uri"], plan.tracking["experiment"])
        tracker.start()
        earlier = read_results(trials_folder, uids)
        ridge = baseline.ridge(dataset)
        spent = interrupted = False
        try:
            with Observer(plan, trials_folder, earlier, tracker.changed) as observer:
                observer.prune()
                spent = tuning.search(
                    plan,
                    dataset,
                    trials_folder=trials_folder,
                    scratch=_empty(output / SCRATCH_FOLDER),
                    earlier=earlier,
                    observer=observer,
                )
        except KeyboardInterrupt:
            interrupted = True
        outcome = Outcome(results=read_results(trials_folder, uids), failures=read_failures(trials_folder, uids))
        unfinished = plan.num_planned - len(outcome.results) - len(outcome.failures)
        status = _status(interrupted or (unfinished > 0 and not spent), unfinished, len(outcome.failures))
        summary.write_outputs(plan, dataset, output, trials_folder, outcome.results)
        identity = _wait_for_identity(output, tracker) or {"tracking_uri": plan.tracking["tracking_uri"]}
        content = summary.build(plan, dataset, outcome, status=status, tracking=identity, ridge=ridge)
        write_json(output / summary.SUMMARY_FILE, content)
        figure_files.write(_as_evidence(plan, content, outcome, output), output, draw=not interrupted)
        remark = _export_model(plan, output, outcome, status)
        report = tracker.close(TRACKING_CLOSE_SECONDS)
        shutil.rmtree(output / SCRATCH_FOLDER, ignore_errors=True)
    summary.print_report(plan, content, outcome)
    print("\n".join(filter(None, (remark, str(report)))))
    _print_end(output, status)
    if status == "interrupted" or (status == "out of time" and not outcome.results):
        return exit_codes.INTERRUPTED
    if any(failure["kind"] in CLIENTS_LOST for failure in outcome.failures):
        return exit_codes.QUORUM_LOST
    return exit_codes.SOME_FAILED if outcome.failures else exit_codes.FINISHED


def _as_evidence(plan: Plan, content: dict[str, Any], outcome: Outcome, output: Path) -> Search:
    """Return the search as a report sees it."""
    predictions = output / PREDICTIONS_TABLE
    return Search(
        plan=dataclasses.asdict(plan),
        summary=content,
        trials=outcome.results,
        failures=outcome.failures,
        predictions=predictions if predictions.is_file() else None,
    )


def _status(interrupted: bool, unfinished: int, num_failed: int) -> str:
    if interrupted:
        return "interrupted"
    if unfinished > 0:
        return "out of time"
    return "some trials failed" if num_failed else "finished"


def _export_model(plan: Plan, output: Path, outcome: Outcome, status: str) -> str | None:
    """Export the best model of a search that has ended; return a line where that failed."""
    best = results.ranking(outcome.results)[:1]
    if not plan.search.log_model or not best or status not in ("finished", "some trials failed"):
        return None
    from orchestrator.inference.logged import export_best

    return export_best(output, best[0])


def _wait_for_identity(output: Path, tracker: Tracker) -> dict[str, str] | None:
    """Return the parent run's ids; a store that is still being made gets a moment, a failing one does not."""
    deadline = time.monotonic() + TRACKING_OPEN_SECONDS
    while (identity := tracking_identity(output)) is None and not tracker.problem and time.monotonic() < deadline:
        time.sleep(0.1)
    return identity


def _print_end(output: Path, status: str) -> None:
    if status in ("interrupted", "out of time"):
        print(f"{status}: continue with  python -m orchestrator tune --resume {output}", file=sys.stderr)
    print(f"written to {output}")


@contextlib.contextmanager
def _locked(output: Path) -> Iterator[None]:
    """Hold the directory for this process; the lock dies with the process, however that ends."""
    try:
        file = (output / LOCK_FILE).open("w")
    except OSError as error:
        raise InputError.of(str(output), found=error.strerror or error, expected="a directory to write in") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise InputError.of(
                str(output),
                found="a run that is still going on in it",
                expected="a directory nobody works in",
            ) from error
        yield


def _trials_folder(plan: Plan, output: Path) -> Path:
    """Return the folder of the trials; with `--storage` it lies there and a link in the output leads to it."""
    folder = output / TRIALS_FOLDER
    if folder.is_symlink() and not folder.exists():
        raise InputError.of(str(folder), found=f"a link to {folder.readlink()}, which is gone", expected="the trials")
    if plan.search.storage and not folder.exists():
        # Two runs of one name keep apart by when they began.
        shared = Path(plan.search.storage) / f"{plan.name}-{re.sub(r'[^0-9]', '', plan.started)}" / TRIALS_FOLDER
        try:
            shared.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError.of(
                "--storage",
                found=f"{shared}: {error.strerror or error}",
                expected="a folder that can be written",
            ) from error
        folder.symlink_to(shared.resolve())
    folder.mkdir(exist_ok=True)
    return folder.resolve()


def _empty(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder.resolve()
