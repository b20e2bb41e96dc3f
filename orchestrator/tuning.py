"""Ray Tune: one Tune trial a configuration, its folds in lock-step inside it. The only importer of ray here.

Tune schedules and stops; what a trial knows and leaves behind lies in the trial's own folder (trial.py), so a run
continues after any kill without reading a pickle.
"""

import contextlib
import random
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, TrialScheduler

from fed.actors import assigned_device, bundles_for, in_actors
from fed.keeping import Keeper
from fed.placement import ClusterTooSmall
from models.memory import keep_freed_memory
from models.seeds import seed_for
from models.training import Epoch
from orchestrator.dataset import Dataset
from orchestrator.errors import InputError
from orchestrator.first_failure import first_failure_told
from orchestrator.plan import SERVER_CPUS, Plan, SearchOptions, relative_cost
from orchestrator.progress import Observer
from orchestrator.searchers import OptunaGenerations, StopSearch
from orchestrator.trial import TrialRun
from orchestrator.trial_files import (
    CHECKPOINT_FOLDER,
    PROGRESS_FILE,
    RESULT_FILE,
    read_failures,
    read_results,
    record_failure,
    tidy,
)

REPORT_SECONDS = 2.0  # a trial reports at most so often: Tune strains at many small results
ASHA_GRACE_EPOCHS = 10  # ours: nobody is stopped before
ASHA_REDUCTION = 3  # ours: one in three goes on at each rung
WORKER_DEATHS = 2  # a trial whose process dies is taken up again from its checkpoint so many times
WORKER_DIED = "the worker process died"
VALIDATION_LOSS = "validation_loss"


class TrialTrainable(tune.Trainable):  # type: ignore[misc]
    """A Tune actor that works through trials; a failing trial is written down, it does not end the actor."""

    def setup(self, config: dict[str, Any], dataset: Dataset, plan: Plan, trials_folder: str) -> None:
        """Take the first trial; the data set comes from the object store as read-only views."""
        import torch

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
        self.clients.close()

    def _leave(self) -> None:
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
            record_failure(self.trials_folder, self.trials[self.uid], error)
            self.cleanup()  # whatever it was, the next trial begins afresh
            return {**self.last, "failed": True, "done": True}

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


def _clients(options: SearchOptions) -> Keeper:
    """Say how a federation's clients are held: by Ray actors in the trial's own placement group."""
    return Keeper(
        in_actors(
            client_actors=options.client_actors,
            cpus_per_client=options.cpus_per_client,
            gpus_per_client=options.gpus_per_client,
        )
    )


def _mean(values: Sequence[float]) -> float:
    return float(sum(values) / len(values))


class _Watch(tune.Callback):  # type: ignore[misc]
    """Passes Tune's events to the driver's observer."""

    def __init__(self, observer: Observer | None) -> None:
        self.observer = observer
        self.lost: list[str] = []  # given up by Tune without the tries it owes them

    def __reduce__(self) -> tuple[Any, ...]:
        # Tune writes its callbacks to disk; ours hold threads and terminals, and nothing ever reads them back.
        return _Watch, (None,)

    def on_step_end(self, **_info: Any) -> None:
        if self.observer:
            self.observer.look()

    def on_trial_start(self, *, trial: Any, **_info: Any) -> None:
        if self.observer:
            self.observer.started(trial.config["uid"])

    def on_trial_result(self, *, result: dict[str, Any], **_info: Any) -> None:
        if self.observer:
            self.observer.advanced(result)

    def on_trial_complete(self, *, trial: Any, **_info: Any) -> None:
        if self.observer:
            self.observer.ended(trial.config["uid"])

    def on_trial_error(self, *, trial: Any, **_info: Any) -> None:
        if self.observer and trial.num_failures <= WORKER_DEATHS:
            # It died on its way from one trial to the next, where Tune does not try again.
            self.lost.append(trial.config["uid"])
        elif self.observer:
            # The trial's process died (out of memory, a lost node) more often than it is taken up again.
            self.observer.died(trial.config["uid"], trial.get_error() or RuntimeError(WORKER_DIED))


class _Halving(ASHAScheduler):  # type: ignore[misc]
    """ASHA that leaves a result behind for each trial it stops, and knows those of earlier runs."""

    def __init__(self, plan: Plan, trials_folder: Path, earlier: Sequence[Mapping[str, Any]]) -> None:
        epochs = plan.protocol.epochs
        super().__init__(
            time_attr="epoch",
            metric=VALIDATION_LOSS,
            mode="min",
            max_t=max(epochs, 1),
            grace_period=min(ASHA_GRACE_EPOCHS, epochs),
            reduction_factor=ASHA_REDUCTION,
            stop_last_trials=False,
        )
        self.trials_folder = trials_folder
        for result in earlier:
            self._replay(result)

    def _replay(self, result: Mapping[str, Any]) -> None:
        shadow = _Shadow(str(result["uid"]))
        self.on_trial_add(None, shadow)
        for number, loss in enumerate(result["curve"][VALIDATION_LOSS], start=1):
            super().on_trial_result(None, shadow, {"epoch": number, VALIDATION_LOSS: loss})

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        decision = str(super().on_trial_result(tune_controller, trial, result))
        if decision == TrialScheduler.STOP:
            folder = self.trials_folder / trial.config["uid"]
            (folder / PROGRESS_FILE).replace(folder / RESULT_FILE)
            shutil.rmtree(folder / CHECKPOINT_FOLDER, ignore_errors=True)
        return decision


class _Shadow:
    """Stands in for a trial of an earlier run: ASHA asks for nothing but its id."""

    def __init__(self, trial_id: str) -> None:
        self.trial_id = trial_id


def search(  # noqa: PLR0913 - the parts of a search, each given once
    plan: Plan,
    dataset: Dataset,
    *,
    trials_folder: Path,
    scratch: Path,
    earlier: Sequence[Mapping[str, Any]],
    observer: Observer,
) -> bool:
    """Run every trial of the plan that has no result yet; True where the time budget ended it.

    `earlier` are the results of a run that was broken off. What came of each trial lies in its folder.
    """
    uids = [trial.uid for trial in plan.trials]
    resources = reserved(plan, dataset) if len(earlier) < plan.num_planned else None
    tidy(trials_folder, uids)
    if resources is None:
        return False
    if plan.federation is not None:
        observer.placed(len(dataset.clients), len(resources.bundles) - 1)
    trainable = tune.with_resources(
        tune.with_parameters(TrialTrainable, dataset=dataset, plan=plan, trials_folder=str(trials_folder)),
        resources,
    )
    end = time.monotonic() + plan.search.hours * 3600 if plan.search.hours else None
    for attempt in range(1 + WORKER_DEATHS):
        failed = {str(failure["uid"]) for failure in read_failures(trials_folder, uids)}
        lost = _run(plan, trainable, scratch / f"tune-{attempt}", earlier, failed, observer, end)
        earlier = read_results(trials_folder, uids)
        num_ended = len(earlier) + len(read_failures(trials_folder, uids))
        if not lost or num_ended + len(lost) < plan.num_planned:  # nothing to mend, or broken off
            break
    else:
        for uid in lost:
            observer.died(uid, RuntimeError(WORKER_DIED))
    return end is not None and time.monotonic() >= end


def _run(  # noqa: PLR0913, PLR0917 - as above
    plan: Plan,
    trainable: Any,
    scratch: Path,
    earlier: Sequence[Mapping[str, Any]],
    failed: set[str],
    observer: Observer,
    end: float | None,
) -> list[str]:
    """Let Tune run what is left; gives the trials that it gave up without the tries it owes them."""
    done = {str(result["uid"]) for result in earlier}
    space, algorithm, samples = _space(plan, done | failed, earlier)
    if samples == 0:
        return []
    watch = _Watch(observer)
    trials_folder = observer.trials_folder
    tuner = tune.Tuner(
        trainable,
        param_space=space,
        tune_config=tune.TuneConfig(
            search_alg=algorithm,
            scheduler=_Halving(plan, trials_folder, earlier) if plan.search.scheduler == "asha" else FIFOScheduler(),
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
            failure_config=tune.FailureConfig(max_failures=WORKER_DEATHS),
            checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),
        ),
    )
    with contextlib.redirect_stdout(sys.stderr):
        tuner.fit()
    return watch.lost


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


def _space(plan: Plan, done: set[str], earlier: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Any], Any, int]:
    if plan.search.search == "optuna":
        searcher = OptunaGenerations(plan, {str(result["uid"]): result for result in earlier})
        return {}, _as_ray_searcher(searcher), plan.num_planned
    left = [trial for trial in plan.trials[: plan.num_planned] if trial.uid not in done]
    if plan.search.hours:
        # Any order of cost would leave one end of the grid unseen when the time is up.
        random.Random(seed_for(plan.seed, "launch-order")).shuffle(left)
    else:
        # The longest first: nobody waits at the end for one long trial that began last.
        left.sort(key=lambda trial: -relative_cost(plan, trial))
    return {"uid": tune.grid_search([trial.uid for trial in left])}, None, 1 if left else 0


def _as_ray_searcher(generations: OptunaGenerations) -> Any:
    """Give the search its Tune interface."""
    from ray.tune.search import Searcher

    class Adapter(Searcher):  # type: ignore[misc]
        def suggest(self, trial_id: str) -> Any:
            try:
                uid = generations.ask(trial_id)
            except StopSearch:
                return Searcher.FINISHED
            return {"uid": uid} if uid else None

        def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
            failed = error or not result or result.get("failed", False)
            generations.tell(trial_id, None if failed or not result else result.get(VALIDATION_LOSS))

        def save(self, checkpoint_path: str) -> None:
            """Nothing to save: the trials' own results are the state."""

        def restore(self, checkpoint_path: str) -> None:
            """See `save`."""

    return Adapter(metric=VALIDATION_LOSS, mode="min")
