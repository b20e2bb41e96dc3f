"""One run from a plan to its summary and exit code; starting and resuming are the same."""

import contextlib
import fcntl
import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from orchestrator import baseline, exit_codes, summary
from orchestrator.dataset import Dataset
from orchestrator.errors import InputError
from orchestrator.files import write_json
from orchestrator.plan import Plan
from orchestrator.progress import Observer
from orchestrator.results import Outcome
from orchestrator.tracking import Tracker, tracking_identity
from orchestrator.trial_files import TRIALS_FOLDER, read_failures, read_results

LOCK_FILE = ".lock"
SCRATCH_FOLDER = "ray"  # what Tune itself writes; nothing of it is needed to resume
TRACKING_OPEN_SECONDS = 30.0
TRACKING_CLOSE_SECONDS = 60.0


def execute(plan: Plan, dataset: Dataset, output: Path) -> int:
    """Run what the plan has left, write all outputs and print the report; returns the exit code."""
    if plan.search.address:
        # A head started by hand asks for its token; Ray sends none unasked, and reads this only when it is imported.
        os.environ.setdefault("RAY_AUTH_MODE", "token")
    from orchestrator import tuning

    uids = [trial.uid for trial in plan.trials]
    with _locked(output), tuning.ray_session(plan.search):
        trials_folder = _trials_folder(plan, output)
        tuning.check_storage(trials_folder, plan.search)
        tracker = Tracker(output, plan.tracking["tracking_uri"], plan.tracking["experiment"])
        tracker.start()
        earlier = read_results(trials_folder, uids)
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
        ridge = baseline.ridge(dataset)
        content = summary.build(plan, outcome, status=status, tracking=identity, ridge=ridge)
        write_json(output / summary.SUMMARY_FILE, content)
        report = tracker.close(TRACKING_CLOSE_SECONDS)
        shutil.rmtree(output / SCRATCH_FOLDER, ignore_errors=True)
    summary.print_report(plan, content, outcome)
    print(report)
    _print_end(output, status)
    if status == "interrupted":
        return exit_codes.INTERRUPTED
    return exit_codes.SOME_FAILED if outcome.failures else exit_codes.FINISHED


def _status(interrupted: bool, unfinished: int, num_failed: int) -> str:
    if interrupted:
        return "interrupted"
    if unfinished > 0:
        return "out of time"
    return "some trials failed" if num_failed else "finished"


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
    with (output / LOCK_FILE).open("w") as file:
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
    if plan.search.storage and not folder.exists():
        shared = Path(plan.search.storage) / plan.name / TRIALS_FOLDER
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
