"""Outputs written after the search: summary, tables, model and figures, on disk and in MLflow."""

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from orchestrator.data.backbone_features import Show
from orchestrator.data.dataset import Dataset
from orchestrator.errors import doing
from orchestrator.evaluation import results, search_baselines, summary
from orchestrator.evaluation.repeats import plan_of_repeats
from orchestrator.evaluation.results import Outcome
from orchestrator.evaluation.search_baselines import Measured, Scored
from orchestrator.evaluation.trial_files import read_failures, read_results
from orchestrator.files import write_json
from orchestrator.planning.plan import Plan
from orchestrator.planning.plan_file import save_plan
from orchestrator.report.figures import files
from orchestrator.report.search_record import FailedTrial, Search
from orchestrator.run_folder import PLAN_FILE, PREDICTIONS_TABLE, SUMMARY_FILE
from orchestrator.run_records import Summary
from orchestrator.search.endings import SearchEnded, StorageFull, unwritable
from orchestrator.search.progress import Observer
from orchestrator.search.wall_clock import WallClock
from orchestrator.tracking.tracker import Tracker, tracking_identity
from tune_spaces.method import describe

# What can end a search early; also words of summary.json.
INTERRUPTED = "interrupted"
OUT_OF_TIME = "out of time"
TRACKING_OPEN_SECONDS = 30.0
TRACKING_CLOSE_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOutcome:
    """What came of a run; `remarks` are lines for people, `ended` says why it could not go on."""

    plan: Plan
    output: Path
    summary: Summary
    trials: Outcome
    remarks: tuple[str, ...] = ()
    ended: SearchEnded | None = None


def conclude(  # noqa: PLR0913, PLR0917 - what a run leaves, each given once
    plan: Plan,
    dataset: Dataset,
    output: Path,
    observer: Observer,
    tracker: Tracker,
    baselines: Measured,
    clock: WallClock,
    show: Show,
    end: str | None,
) -> RunOutcome:
    """Write everything that a run leaves; `end` is what ended it early: the user, the time, or None.

    `plan` and `dataset` are the search's, `output` its folder; `observer` knows what became of each trial and `tracker`
    what is recorded; `baselines` are those of the same folds; `clock` counts the run's time. `show` takes a line when
    something begins.
    """
    folder = observer.trials_folder
    with doing("writing the results", show):
        outcome = _outcome(plan, observer)
        scored = _baselines(plan, dataset, baselines, outcome)
        status = _status(plan, outcome, end)
        written = summary.write_outputs(plan, dataset, output, folder, outcome.results, scored)
        remarks = [*_plan_again(plan, output), *written]
        identity = _wait_for_identity(output, tracker) or {"tracking_uri": plan.tracking["tracking_uri"]}
        content = summary.build(plan, dataset, outcome, status=status, tracking=identity, baselines=scored)
        content = _timed(content, output, clock)
    if end != INTERRUPTED:
        show("drawing the figures ...")
    export = _export_of_best(plan, output, outcome, status, show)
    problems: list[str | None] = []
    missing = files.write(
        as_evidence(plan, content, outcome, output),
        output,
        draw=end != INTERRUPTED,
        beside=export and (lambda: problems.append(export())),  # each takes seconds, on a core of its own
    )
    lost = [*filter(None, problems), *missing]
    remarks += lost
    full = next(filter(None, map(unwritable, lost)), None)
    content = _timed(content, output, clock)
    show("writing to MLflow ...")
    remarks += [str(tracker.close(TRACKING_CLOSE_SECONDS))]
    return RunOutcome(
        plan=plan,
        output=output,
        summary=content,
        trials=outcome,
        remarks=tuple(remarks),
        ended=None if full is None else StorageFull("--output", output, full),
    )


def _timed(content: Summary, output: Path, clock: WallClock) -> Summary:
    """Write the summary with the time so far: before the figures, which may fail, and when only MLflow is left."""
    content = dataclasses.replace(content, wall_seconds=clock.seconds())
    write_json(output / SUMMARY_FILE, content.to_json())
    return content


def _baselines(plan: Plan, dataset: Dataset, baselines: Measured, outcome: Outcome) -> Scored:
    """Score the baselines by windows as long as those of the best configuration."""
    best = results.ranking(outcome.results)[:1] or plan.trials[:1]
    length = best[0].hparams.sequence_length
    return search_baselines.scored(
        baselines, dataset, window_length=length, partial_window=plan.protocol.partial_window
    )


def _outcome(plan: Plan, observer: Observer) -> Outcome:
    """Read what the trials left, and the repeats of those that are reported."""
    folder, uids, unrecorded = observer.trials_folder, [trial.uid for trial in plan.trials], observer.unrecorded
    found = read_results(folder, uids)
    repeated = plan_of_repeats(plan, found)
    again = [trial.uid for trial in repeated.trials] if repeated else []
    return Outcome(
        results=found,
        failures=[*read_failures(folder, uids), *(one for uid, one in unrecorded.items() if uid in uids)],
        repeats=read_results(folder, again),
        failed_repeats=[*read_failures(folder, again), *(one for uid, one in unrecorded.items() if uid in again)],
    )


def _plan_again(plan: Plan, output: Path) -> list[str]:
    """Write a plan that has disappeared: without it there is no resuming and no tracking. Return a line if it had."""
    if (output / PLAN_FILE).is_file():
        return []
    save_plan(plan, output)
    return [f"{output / PLAN_FILE} had disappeared while the run went on, and was written again"]


def as_evidence(plan: Plan, content: Summary, outcome: Outcome, output: Path) -> Search:
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
    repeated = plan_of_repeats(plan, outcome.results)
    if repeated is not None:
        unfinished += repeated.num_planned - len(outcome.repeats) - len(outcome.failed_repeats)
    if end == INTERRUPTED or (unfinished > 0 and end is None):
        return INTERRUPTED
    if unfinished > 0:
        return OUT_OF_TIME
    return "some trials failed" if outcome.failures or outcome.failed_repeats else "finished"


def _export_of_best(
    plan: Plan, output: Path, outcome: Outcome, status: str, show: Show
) -> Callable[[], str | None] | None:
    """Return what exports the best model of a search that has ended, and returns a line where that failed."""
    best = results.ranking(outcome.results)[:1]
    if not plan.search.log_model or not best or status not in ("finished", "some trials failed"):
        return None

    def export() -> str | None:
        show("exporting the model ...")
        from orchestrator.inference.export_best import export_best

        return export_best(output, best[0])

    return export


def _wait_for_identity(output: Path, tracker: Tracker) -> dict[str, str] | None:
    """Return the parent run's ids; waits while a store is being made, but not for one that fails."""
    deadline = time.monotonic() + TRACKING_OPEN_SECONDS
    while (identity := tracking_identity(output)) is None and not tracker.problem and time.monotonic() < deadline:
        time.sleep(0.1)
    return identity
