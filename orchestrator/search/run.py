"""One run, from its plan to its outcome. A new run and a resumed one take the same path."""

import contextlib
import dataclasses
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from orchestrator.data.dataset import Dataset, as_columns
from orchestrator.errors import doing
from orchestrator.evaluation.search_baselines import Measured, measure
from orchestrator.evaluation.trial_files import read_results, set_aside_damaged
from orchestrator.json_records import newer_keys
from orchestrator.planning.launch import Launch
from orchestrator.planning.packs import has_free_processor
from orchestrator.planning.plan import Plan
from orchestrator.planning.strategies import SEARCHES
from orchestrator.process.background import Beside
from orchestrator.run_folder import (
    RESULT_FILE,
    SCRATCH_FOLDER,
    SUMMARY_FILE,
    TRIALS_FOLDER,
    Claim,
    emptied,
    trials_folder,
)
from orchestrator.search import repair, repeats
from orchestrator.search.conclude import INTERRUPTED, OUT_OF_TIME, RunOutcome, conclude
from orchestrator.search.display import Phases
from orchestrator.search.endings import SearchEnded, StorageFull, folder_of, unwritable
from orchestrator.search.progress import Observer
from orchestrator.search.wall_clock import WallClock
from orchestrator.tracking.tracker import Tracker

MEASURING = "measuring the baselines"
TRACKING_LOST_SECONDS = 2.0  # if Ray has died


def execute(launch: Launch, phases: Phases | None = None) -> RunOutcome:
    """Run what the plan has left and write all outputs; prints nothing but the search's progress.

    `phases` says what is done beside the trainings; None: in a notebook only.

    The caller holds the launch's claim, as a context. InputError if the run cannot begin: the claim of a new run
    then leaves nothing. SearchEnded if it cannot go on and nothing could be written: what is there is kept.
    """
    assert launch.claim is not None, "a dry run is not executed"
    phases = phases or Phases(lines=False)
    try:
        return _execute(launch, launch.claim, phases)
    finally:
        phases.close()


def _execute(launch: Launch, claim: Claim, phases: Phases) -> RunOutcome:
    plan, dataset, output = launch.plan, launch.dataset, launch.output
    phases("starting Ray ..." if plan.search.address is None else f"connecting to Ray at {plan.search.address} ...")
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
        clock = WallClock(output, launch.begun, new=not any(folder.iterdir()))
        clock.save()
        tracker = Tracker(output, plan.tracking["tracking_uri"], plan.tracking["experiment"])
        session.closing.append(lambda: tracker.close(TRACKING_LOST_SECONDS))
        tracker.start()
        observer = Observer(plan, folder, read_results(folder, uids), _both(tracker.changed, clock.save))
        observer.live = phases.notebook or observer.live  # two lines of a cell would write over one another
        _say_newer(observer)
        measuring = _baselines(plan, dataset, observer, phases)

        def conclude_run(end: str | None) -> RunOutcome:
            baselines = measuring.result(lambda: phases("waiting for the baselines ..."))
            return conclude(plan, dataset, output, observer, tracker, baselines, clock, phases, end)

        left = plan.num_planned - len(observer.results)
        if not left:
            clock.hold(output / SUMMARY_FILE)
        if left:
            phases(f"starting to train {left} configuration{'s' if left > 1 else ''} ...")
        ended: SearchEnded | None = None
        try:
            end = _search(plan, dataset, scratch, spoilt, observer)
        except SearchEnded as error:
            end, ended = INTERRUPTED, error
        except Exception:
            # What the run has so far is summed up all the same; the first error is the one to tell.
            with contextlib.suppress(Exception):
                conclude_run(INTERRUPTED)
            raise
        try:
            outcome = conclude_run(end)
        except Exception:
            if ended is None:
                raise
            raise ended from None  # a full disk, for one, takes no summary either
        clock.save()
        shutil.rmtree(output / SCRATCH_FOLDER, ignore_errors=True)
    return dataclasses.replace(outcome, ended=ended or outcome.ended)


def _baselines(plan: Plan, dataset: Dataset, observer: Observer, phases: Phases) -> Beside[Measured]:
    """Measure the baselines, beside the trainings if a processor is free for it: no training takes longer by it."""

    def measured() -> Measured:
        with doing(MEASURING):
            return measure(columns, show=observer.say)

    with doing(MEASURING, phases):
        columns = as_columns(dataset, plan.protocol, show=observer.say)
    beside = Beside(measured)
    if not has_free_processor(plan):
        beside.result()
    return beside


def _both(first: Callable[[], object], second: Callable[[], object]) -> Callable[[], None]:
    def call() -> None:
        first()
        second()

    return call


def _say_newer(observer: Observer) -> None:
    """Print which keys of the results there a newer version wrote: they are kept and not used."""
    keys = sorted({key for result in observer.results.values() for key in newer_keys(result)})
    if keys:
        observer.say(f"{RESULT_FILE}: keys of a newer version, kept and not used: {', '.join(keys)}")


def _search(plan: Plan, dataset: Dataset, scratch: Path, spoilt: Mapping[str, str], observer: Observer) -> str | None:
    """Train what is left, and again what is lost; return what ended it early: the user, the time, or nothing."""
    from orchestrator.search import tune

    folder = observer.trials_folder
    end = time.monotonic() + plan.search.hours * 3600 if plan.search.hours else None
    places: dict[str, Any] = {"trials_folder": folder, "scratch": scratch, "observer": observer}
    try:
        with doing("training"), observer:
            observer.spoilt(spoilt)
            observer.prune()
            if SEARCHES[plan.search.search].propose:  # which would choose another point in the place of a lost one
                repair.train_again(plan, dataset, spoilt, **places)
            earlier = read_results(folder, [trial.uid for trial in plan.trials])
            if tune.search(plan, dataset, earlier=earlier, **places):
                return OUT_OF_TIME
            repair.complete(plan, dataset, **places)
        if repeats.train(plan, dataset, observer=observer, scratch=scratch, end=end):
            return OUT_OF_TIME
    except KeyboardInterrupt:
        return INTERRUPTED
    return None


def _shared(plan: Plan) -> Callable[[], Path] | None:
    """Return what names the trials' folder of a run with `--storage`."""
    if not plan.search.storage:
        return None
    # Two runs of one name keep apart by when they began.
    name = f"{plan.name}-{re.sub(r'[^0-9]', '', plan.started)}"
    return lambda: Path(str(plan.search.storage)) / name / TRIALS_FOLDER


@contextlib.contextmanager
def _faults_of_storage(output: Path) -> Iterator[None]:
    """Convert a full disk, or a folder that is gone, into a line that names the folder and says how to continue."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        reason = unwritable(error) or (error.strerror if isinstance(error, OSError) and error.filename else None)
        if reason is None:
            raise
        raise StorageFull("--output", folder_of(error, output), reason) from error
