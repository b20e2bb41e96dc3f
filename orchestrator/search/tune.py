"""Ray Tune: one Tune trial a configuration, its folds in lock-step inside it.

Tune schedules and stops; what a trial knows and leaves behind lies in the trial's own folder (trial.py), so a run
continues after any kill without reading a pickle.
"""

import contextlib
import dataclasses
import random
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from ray import tune

from fed.executors.placement import ClusterTooSmall
from fed.executors.ray_actors import assigned_device, bundles_for, in_actors
from fed.executors.reuse import ReusedClients
from models.memory import keep_freed_memory
from models.seeds import seed_for
from models.training import Epoch
from orchestrator.dataset import Dataset
from orchestrator.errors import InputError
from orchestrator.interrupts import asked_to_end
from orchestrator.plan import SERVER_CPUS, Plan, SearchOptions, relative_cost
from orchestrator.recipe import make_recipe
from orchestrator.run_records import TrialResult
from orchestrator.search import watchdog
from orchestrator.search.endings import unwritable
from orchestrator.search.failures import first_failure_told
from orchestrator.search.optuna_search import OptunaGenerations, StopSearch
from orchestrator.search.progress import Observer
from orchestrator.search.trial import TrialRun
from orchestrator.search.watch import VALIDATION_LOSS, WORKER_DEATHS, Ender, Halving, InOrder, Watch
from orchestrator.search.watchdog import Listener, Patience, Shortage
from orchestrator.trial_files import (
    read_failures,
    read_results,
    record_failure,
    seal_progress,
    tidy,
)

PLACEMENT_GRACE_SECONDS = 60.0
REPORT_SECONDS = 2.0  # a trial reports at most so often: Tune strains at many small results


class TrialTrainable(tune.Trainable):  # type: ignore[misc]
    """A Tune actor that works through trials; a failing trial is written down, it does not end the actor."""

    def setup(self, config: dict[str, Any], dataset: Dataset, plan: Plan, trials_folder: str) -> None:
        """Take the first trial; the data set comes from the object store as read-only views."""
        torch.set_num_threads(max(1, int(plan.search.cpus_per_trial)))
        keep_freed_memory()
        self.dataset, self.plan, self.trials_folder = dataset, plan, Path(trials_folder)
        self.trials = {trial.uid: trial for trial in plan.trials}
        # A federation's clients outlive a trial: this process keeps its placement group, too.
        self.clients = _clients(plan.search)
        self._take(config["uid"])

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take the next trial without a new process."""
        self._leave()
        self._take(new_config["uid"])
        return True

    def cleanup(self) -> None:
        """Give back what the last trial holds, and the clients' processes."""
        self._leave()
        with contextlib.suppress(Exception):
            self.clients.close()

    def _leave(self) -> None:
        with contextlib.suppress(Exception):  # what cannot be closed keeps no other trial from its turn
            if self.run:
                self.run.close()

    def _take(self, uid: str) -> None:
        self.uid = uid
        self.run: TrialRun | None = None
        self.epochs: Iterator[Epoch] = iter(())
        self.last: dict[str, Any] = {"uid": uid, "epoch": 0, "trained": 0}

    def step(self) -> dict[str, Any]:
        """Train for a while and report the last epoch; the last report of a trial says `done`."""
        try:
            with first_failure_told(self.trials_folder / self.uid):
                return self._advance()
        except Exception as error:
            return {**self.last, **self._failed(error), "failed": True, "done": True}

    def _failed(self, error: Exception) -> dict[str, Any]:
        """Leave a record of the failure and begin afresh; return what the driver must be told of it."""
        told: dict[str, Any] = {}
        if unwritable(error):
            # No fault of the configuration: not its failure, and its checkpoint stays.
            told["unwritable"] = _text(error)
        else:
            record = record_failure(self.trials_folder, self.trials[self.uid], error)
            if record.unwritten is not None:
                told = {"unrecorded": record.to_json(), "unwritable": record.unwritten}
        self.cleanup()
        return told

    def _advance(self) -> dict[str, Any]:
        if self.run is None:
            self.run = TrialRun(
                self.trials[self.uid],
                self.dataset,
                self.plan,
                folder=self.trials_folder / self.uid,
                device=assigned_device(0.0 if self.plan.federation else self.plan.search.gpus_per_trial),
                start=self.clients,
            )
            self.epochs = self.run.epochs()
        every_epoch = self.plan.search.scheduler != "fifo"
        begun = time.monotonic()
        for epoch in self.epochs:
            self.last = {
                "uid": self.uid,
                "epoch": epoch.number,
                "trained": epoch.number - self.run.taken_up,
                VALIDATION_LOSS: _mean(epoch.validation_loss),
                "ccc_valence": _mean(epoch.ccc_valence),
                "ccc_arousal": _mean(epoch.ccc_arousal),
            }
            if every_epoch and epoch.number < self.plan.protocol.epochs:
                self.run.write_progress()
                return dict(self.last)
            if time.monotonic() - begun >= REPORT_SECONDS and epoch.number < self.plan.protocol.epochs:
                return dict(self.last)
        self.run.finish()
        self.run.close()
        return {**self.last, "done": True}


def _clients(options: SearchOptions) -> ReusedClients:
    """Say how a federation's clients are held: by Ray actors in the trial's own placement group."""
    return ReusedClients(
        in_actors(
            client_actors=options.client_actors,
            cpus_per_client=options.cpus_per_client,
            gpus_per_client=options.gpus_per_client,
            # The driver says what is missing and ends the search first.
            wait_seconds=options.wait_for_resources + PLACEMENT_GRACE_SECONDS,
        )
    )


def _text(error: BaseException) -> str:
    """Return an error with what it came from, as one text: the exception itself may not survive the way."""
    return "".join(traceback.format_exception(error))


def _mean(values: Sequence[float]) -> float:
    return float(sum(values) / len(values))


def search(  # noqa: PLR0913 - the parts of a search, each given once
    plan: Plan,
    dataset: Dataset,
    *,
    trials_folder: Path,
    scratch: Path,
    earlier: Sequence[TrialResult],
    observer: Observer,
    patience: Patience | None = None,
) -> bool:
    """Run every trial of the plan that has no result yet; True where the time budget ended it.

    `earlier` are the results of a run that was broken off. What came of each trial lies in its folder; a failure that
    could not be written there, in `observer.unrecorded`. `patience` says how long a silent trial is waited for.
    SearchEnded where it makes no sense to go on now: StorageFull, ResourcesMissing.
    """
    uids = [trial.uid for trial in plan.trials]
    resources = reserved(plan, dataset) if len(earlier) < plan.num_planned else None
    tidy(trials_folder, uids)
    if resources is None:
        return False
    bundles = [resources] if plan.federation is None else list(resources.bundles)
    if plan.federation is not None:
        observer.placed(len(dataset.clients), len(bundles) - 1)
    trainable = tune.with_resources(
        tune.with_parameters(TrialTrainable, dataset=dataset, plan=plan, trials_folder=str(trials_folder)),
        resources,
    )
    end = time.monotonic() + plan.search.hours * 3600 if plan.search.hours else None
    watches = _watches(plan, dataset, observer, bundles, patience)
    for attempt in range(1 + WORKER_DEATHS):
        failed = {failure.uid for failure in read_failures(trials_folder, uids)} | observer.unrecorded.keys()
        watch = watches()
        lost = _run(plan, trainable, scratch / f"tune-{attempt}", earlier, failed, watch, end) or watch.lost
        if watch.ending is not None:
            raise watch.ending
        if asked_to_end():
            raise KeyboardInterrupt
        earlier = read_results(trials_folder, uids)
        num_ended = len(earlier) + len(read_failures(trials_folder, uids)) + len(observer.unrecorded)
        if not lost or num_ended + len(lost) < plan.num_planned:  # nothing to mend, or broken off
            break
    else:
        for uid in lost:
            observer.died(uid, watch.reason(uid))
    return end is not None and time.monotonic() >= end


def _watches(
    plan: Plan,
    dataset: Dataset,
    observer: Observer,
    bundles: Sequence[Mapping[str, float]],
    patience: Patience | None,
) -> Callable[[], Watch]:
    """Return what makes a watch for each of Tune's runs; they share what has been missing and who has hung."""
    options = plan.search
    waits = patience or watchdog.PATIENCE
    if plan.federation is not None:
        waits = dataclasses.replace(waits, may_kill=False)
    shortage, hung = Shortage(options.wait_for_resources), Counter[str]()
    storage = "--storage" if options.storage else "--output", observer.trials_folder

    def make() -> Watch:
        listener = Listener(waits, lambda uid: _epoch_seconds(plan, dataset, uid))
        return Watch(observer, bundles=bundles, storage=storage, listener=listener, shortage=shortage, hung=hung)

    return make


def _epoch_seconds(plan: Plan, dataset: Dataset, uid: str) -> float | None:
    """Estimate the seconds of one epoch of a trial on its share of a CPU; None where that fails."""
    from models.calibration import estimate_seconds

    trial = next(one for one in plan.trials if one.uid == uid)
    recipe = dataclasses.replace(make_recipe(trial, plan.protocol, dataset.trunk), epochs=1)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(max(1, int(plan.search.cpus_per_trial)))  # as the workers have
        (seconds,) = estimate_seconds([recipe], plan.corpus.features, dataset.num_frames, len(dataset.folds))
    except Exception:
        return None
    finally:
        torch.set_num_threads(threads)
    rounds = plan.federation.local_epochs if plan.federation is not None else 1
    return seconds * rounds / min(1.0, plan.search.cpus_per_trial)


def _run(  # noqa: PLR0913, PLR0917 - as above
    plan: Plan,
    trainable: Any,
    scratch: Path,
    earlier: Sequence[TrialResult],
    failed: set[str],
    watch: Watch,
    end: float | None,
) -> list[str]:
    """Let Tune run what is left; gives the trials that it gave up without the tries it owes them."""
    done = {result.uid for result in earlier}
    space, algorithm, samples = _space(plan, done | failed, earlier, watch)
    if samples == 0:
        return []
    assert watch.observer is not None
    leave = partial(_leave_stopped, watch.observer.trials_folder)
    halving = plan.search.scheduler == "asha"
    tuner = tune.Tuner(
        trainable,
        param_space=space,
        tune_config=tune.TuneConfig(
            search_alg=algorithm,
            scheduler=Halving(watch, plan.protocol.epochs, earlier, leave) if halving else InOrder(watch),
            num_samples=samples,
            time_budget_s=None if end is None else max(1.0, end - time.monotonic()),
            reuse_actors=True,
            trial_dirname_creator=lambda trial: str(trial.config["uid"]),
            trial_name_creator=lambda trial: str(trial.config["uid"]),
        ),
        run_config=tune.RunConfig(
            name=scratch.name,
            storage_path=str(scratch.parent),
            verbose=0,
            callbacks=[watch],
            stop=Ender(watch),
            failure_config=tune.FailureConfig(max_failures=WORKER_DEATHS),
            checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),
        ),
    )
    try:
        with contextlib.redirect_stdout(sys.stderr):
            tuner.fit()
    except Exception as error:
        # Tune keeps notes of its own, under the output folder.
        if not watch.end_if_unwritable(error):
            raise
    return watch.lost


def _leave_stopped(trials_folder: Path, uid: str) -> None:
    """Make a result of the scores so far of a trial that the scheduler stops."""
    seal_progress(trials_folder / uid)


def reserved(plan: Plan, dataset: Dataset) -> Any:
    """Return what a trial reserves; a federation's clients are reserved with it, or it would wait for ever.

    InputError where the clients find no room; it shows the arithmetic.
    """
    options = plan.search
    if plan.federation is None:
        return {"CPU": options.cpus_per_trial, "GPU": options.gpus_per_trial}
    try:
        bundles = bundles_for(
            len(dataset.clients),
            client_actors=options.client_actors,
            cpus_per_client=options.cpus_per_client,
            gpus_per_client=options.gpus_per_client,
            trial_cpus=SERVER_CPUS,
        )
    except ClusterTooSmall as error:
        raise InputError.of("--gpus-per-client, --cpus-per-client", found=str(error), expected="room for it") from error
    return tune.PlacementGroupFactory(bundles)


def _space(plan: Plan, done: set[str], earlier: Sequence[TrialResult], watch: Watch) -> tuple[dict[str, Any], Any, int]:
    if plan.search.search == "optuna":
        searcher = OptunaGenerations(plan, {result.uid: result for result in earlier})
        return {}, _as_ray_searcher(searcher, watch), plan.num_planned
    left = [trial for trial in plan.trials[: plan.num_planned] if trial.uid not in done]
    if plan.search.hours:
        # Any order of cost would leave one end of the grid unseen when the time is up.
        random.Random(seed_for(plan.seed, "launch-order")).shuffle(left)
    else:
        # The longest first: nobody waits at the end for one long trial that began last.
        left.sort(key=lambda trial: -relative_cost(plan, trial))
    return {"uid": tune.grid_search([trial.uid for trial in left])}, None, 1 if left else 0


def _as_ray_searcher(generations: OptunaGenerations, watch: Watch | None = None) -> Any:
    """Give the search its Tune interface; what goes wrong in it ends no trial that runs, and is said by `watch`."""
    from ray.tune.search import Searcher

    class Adapter(Searcher):  # type: ignore[misc]
        def suggest(self, trial_id: str) -> Any:
            try:
                uid = generations.ask(trial_id)
            except StopSearch:
                return Searcher.FINISHED
            except Exception as error:
                if watch is None:
                    raise
                watch.complain("Optuna suggests nothing further", error)
                return Searcher.FINISHED
            return {"uid": uid} if uid else None

        def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
            failed = error or not result or result.get("failed", False)
            try:
                generations.tell(trial_id, None if failed or not result else result.get(VALIDATION_LOSS))
            except Exception as problem:
                if watch is None:
                    raise
                watch.complain("while Optuna was told a result", problem)

        def save(self, checkpoint_path: str) -> None:
            """Nothing to save: the trials' own results are the state."""

        def restore(self, checkpoint_path: str) -> None:
            """See `save`."""

    return Adapter(metric=VALIDATION_LOSS, mode="min")
