"""One run from a plan to its summary and exit code; starting and resuming are the same."""

import contextlib
import dataclasses
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from orchestrator import baseline, exit_codes, results, summary
from orchestrator.dataset import Dataset
from orchestrator.errors import doing
from orchestrator.files import write_json
from orchestrator.json_records import newer_keys
from orchestrator.launch import Launch
from orchestrator.plan import Plan, describe
from orchestrator.plan_file import save_plan
from orchestrator.report import figure_files
from orchestrator.report.evidence import FailedTrial, Search
from orchestrator.results import Outcome
from orchestrator.run_folder import (
    PLAN_FILE,
    PREDICTIONS_TABLE,
    RESULT_FILE,
    SCRATCH_FOLDER,
    SUMMARY_FILE,
    TRIALS_FOLDER,
    Claim,
    emptied,
    trials_folder,
)
from orchestrator.run_records import Summary
from orchestrator.search import repair
from orchestrator.search.endings import SearchEnded, StorageFull, folder_of, unwritable
from orchestrator.search.progress import Observer
from orchestrator.tracking.tracker import Tracker, tracking_identity
from orchestrator.trial_files import read_failures, read_results, set_aside_damaged

CLIENTS_LOST = ("QuorumLost", "ClientFailed")  # fed.round_records: in a round, or before the first
# What can end a search early; also words of summary.json.
INTERRUPTED = "interrupted"
OUT_OF_TIME = "out of time"
TRACKING_OPEN_SECONDS = 30.0
TRACKING_CLOSE_SECONDS = 60.0
TRACKING_LOST_SECONDS = 2.0  # if Ray has died


def execute(launch: Launch) -> int:
    """Run what the plan has left, write all outputs and print the report; returns the exit code.

    The caller holds the launch's claim, as a context. InputError where the run cannot begin: the claim of a new run
    then leaves nothing. SearchEnded where it cannot go on, as with a full disk: what is there is kept.
    """
    assert launch.claim is not None, "a dry run is not executed"
    return _execute(launch.plan, launch.dataset, launch.output, launch.claim)


def _execute(plan: Plan, dataset: Dataset, output: Path, claim: Claim) -> int:
    if plan.search.address:
        # A head started by hand asks for its token; Ray sends none unasked, and reads this only when it is imported.
        os.environ.setdefault("RAY_AUTH_MODE", "token")
    from orchestrator.search import cluster, tune

    uids = [trial.uid for trial in plan.trials]
    with cluster.ray_session(plan.search, output) as session, _faults_of_storage(output):
        folder = trials_folder(output, _shared(plan))
        spoilt = set_aside_damaged(folder, uids)
        if len(read_results(folder, uids)) < plan.num_planned:
            tune.reserved(plan, dataset)  # refused before anything is tracked
        cluster.check_storage(folder, plan.search)
        scratch = emptied(output / SCRATCH_FOLDER)
        claim.keep()
        tracker = Tracker(output, plan.tracking["tracking_uri"], plan.tracking["experiment"])
        session.closing.append(lambda: tracker.close(TRACKING_LOST_SECONDS))
        tracker.start()
        observer = Observer(plan, folder, read_results(folder, uids), tracker.changed)
        _say_newer(observer)
        conclude = partial(_conclude, plan, dataset, output, observer, tracker, baseline.ridge(dataset))
        ended: SearchEnded | None = None
        try:
            end = _search(plan, dataset, scratch, spoilt, observer)
        except SearchEnded as error:
            end, ended = INTERRUPTED, error
        except Exception:
            # What the run has so far is summed up all the same; the first error is the one to tell.
            with contextlib.suppress(Exception):
                conclude(INTERRUPTED)
            raise
        try:
            content, outcome, remarks = conclude(end)
        except Exception:
            if ended is None:
                raise
            raise ended from None  # a full disk, for one, takes no summary either
        shutil.rmtree(output / SCRATCH_FOLDER, ignore_errors=True)
    summary.print_report(plan, content, outcome)
    print("\n".join(remarks))
    if ended is not None:
        print(f"error: {ended}", file=sys.stderr)
    _print_end(output, content.status)
    return _exit_code(content.status, outcome) if ended is None else ended.exit_code


def _say_newer(observer: Observer) -> None:
    """Say which keys of the results there are a newer version wrote: they are kept and not used."""
    keys = sorted({key for result in observer.results.values() for key in newer_keys(result)})
    if keys:
        observer.say(f"{RESULT_FILE}: keys of a newer version, kept and not used: {', '.join(keys)}")


def _search(plan: Plan, dataset: Dataset, scratch: Path, spoilt: Mapping[str, str], observer: Observer) -> str | None:
    """Train what is left, and again what is lost; return what ended it early: the user, the time, or nothing."""
    from orchestrator.search import tune

    folder = observer.trials_folder
    places: dict[str, Any] = {"trials_folder": folder, "scratch": scratch, "observer": observer}
    try:
        with doing("training"), observer:
            observer.spoilt(spoilt)
            observer.prune()
            if plan.search.search == "optuna":  # which would choose another point in the place of a lost one
                repair.train_again(plan, dataset, spoilt, **places)
            earlier = read_results(folder, [trial.uid for trial in plan.trials])
            if tune.search(plan, dataset, earlier=earlier, **places):
                return OUT_OF_TIME
            repair.complete(plan, dataset, **places)
    except KeyboardInterrupt:
        return INTERRUPTED
    return None


def _conclude(  # noqa: PLR0913, PLR0917 - what a run leaves, each given once
    plan: Plan,
    dataset: Dataset,
    output: Path,
    observer: Observer,
    tracker: Tracker,
    ridge: Mapping[str, float],
    end: str | None,
) -> tuple[Summary, Outcome, list[str]]:
    """Write everything that a run leaves; return its summary, what came of it, and lines for people."""
    folder, uids = observer.trials_folder, [trial.uid for trial in plan.trials]
    with doing("writing the results"):
        failures = [*read_failures(folder, uids), *observer.unrecorded.values()]
        outcome = Outcome(results=read_results(folder, uids), failures=failures)
        status = _status(plan, outcome, end)
        remarks = [*_plan_again(plan, output), *summary.write_outputs(plan, dataset, output, folder, outcome.results)]
        identity = _wait_for_identity(output, tracker) or {"tracking_uri": plan.tracking["tracking_uri"]}
        content = summary.build(plan, dataset, outcome, status=status, tracking=identity, ridge=ridge)
        write_json(output / SUMMARY_FILE, content.to_json())
    figure_files.write(_as_evidence(plan, content, outcome, output), output, draw=end != INTERRUPTED)
    remarks += filter(None, [_export_model(plan, output, outcome, status)])
    return content, outcome, [*remarks, str(tracker.close(TRACKING_CLOSE_SECONDS))]


def _exit_code(status: str, outcome: Outcome) -> int:
    if status == INTERRUPTED or (status == OUT_OF_TIME and not outcome.results):
        return exit_codes.INTERRUPTED
    if any(failure.kind in CLIENTS_LOST for failure in outcome.failures):
        return exit_codes.QUORUM_LOST
    return exit_codes.SOME_FAILED if outcome.failures else exit_codes.FINISHED


def _plan_again(plan: Plan, output: Path) -> list[str]:
    """Write a plan that has disappeared: without it there is no resuming and no tracking. Return a line if it had."""
    if (output / PLAN_FILE).is_file():
        return []
    save_plan(plan, output)
    return [f"{output / PLAN_FILE} had disappeared while the run went on, and was written again"]


def _shared(plan: Plan) -> Callable[[], Path] | None:
    """Return what names the trials' folder of a run with `--storage`."""
    if not plan.search.storage:
        return None
    # Two runs of one name keep apart by when they began.
    name = f"{plan.name}-{re.sub(r'[^0-9]', '', plan.started)}"
    return lambda: Path(str(plan.search.storage)) / name / TRIALS_FOLDER


@contextlib.contextmanager
def _faults_of_storage(output: Path) -> Iterator[None]:
    """Turn a full disk, or a folder that is gone, into a line that names the folder and says how to go on."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        reason = unwritable(error) or (error.strerror if isinstance(error, OSError) and error.filename else None)
        if reason is None:
            raise
        raise StorageFull("--output", folder_of(error, output), reason) from error


def _as_evidence(plan: Plan, content: Summary, outcome: Outcome, output: Path) -> Search:
    """Return the search as a report sees it."""
    predictions = output / PREDICTIONS_TABLE
    return Search(
        plan=dataclasses.asdict(plan),
        summary=content,
        trials=outcome.results,
        failures=[
            FailedTrial(name=f"{one.network} {describe(one.hparams)}", message=one.message) for one in outcome.failures
        ],
        predictions=predictions if predictions.is_file() else None,
    )


def _status(plan: Plan, outcome: Outcome, end: str | None) -> str:
    unfinished = plan.num_planned - len(outcome.results) - len(outcome.failures)
    if end == INTERRUPTED or (unfinished > 0 and end is None):
        return INTERRUPTED
    if unfinished > 0:
        return OUT_OF_TIME
    return "some trials failed" if outcome.failures else "finished"


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
    if status in (INTERRUPTED, OUT_OF_TIME):
        print(f"{status}: continue with  python -m orchestrator tune --resume {output}", file=sys.stderr)
    print(f"written to {output}")
