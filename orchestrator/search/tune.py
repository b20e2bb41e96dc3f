"""Ray Tune: one Tune trial per pack of configurations, which trains their folds in lock-step.

Tune schedules and stops trials. A trial's state and results are in its own folder (trial.py), so a run continues
after any kill without reading a pickle.
"""

import contextlib
import dataclasses
import itertools
import random
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from ray import tune

from fed.executors.placement import ClusterTooSmall
from fed.executors.ray_cluster import bundles_for, share_of_each
from models.references import resolve
from models.seeds import seed_for
from orchestrator.data.dataset import Dataset
from orchestrator.errors import InputError
from orchestrator.evaluation.trial_files import (
    read_failures,
    read_results,
    seal_progress,
    tidy,
)
from orchestrator.planning.cost import relative_cost
from orchestrator.planning.packs import packs_left
from orchestrator.planning.plan import SERVER_CPUS, Plan
from orchestrator.planning.recipe import make_recipe
from orchestrator.planning.strategies import SCHEDULERS, SEARCHES
from orchestrator.process.interrupts import asked_to_end, handlers_kept
from orchestrator.run_folder import PACKS_FOLDER
from orchestrator.run_records import TrialResult
from orchestrator.search import watchdog
from orchestrator.search.pack_config import PACK_KEY, PackConfig
from orchestrator.search.progress import Observer
from orchestrator.search.schedulers import Comparing
from orchestrator.search.watch import WORKER_DEATHS, Ender, Watch
from orchestrator.search.watchdog import Listener, Patience, Shortage
from orchestrator.search.worker import TrialTrainable


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
    """Run every trial of the plan that has no result yet; True if the time budget ended it.

    `dataset` serves all of them. `earlier` are the results of a run that was broken off. What came of each trial lies
    in its folder in `trials_folder`; a failure that could not be written there, in `observer.unrecorded`. Tune's own
    files go to `scratch`. `patience` says how long a silent trial is waited for. SearchEnded if it makes no sense to go
    on now: StorageFull, ResourcesMissing.
    """
    uids = [trial.uid for trial in plan.trials]
    resources = reserved(plan, dataset) if len(earlier) < plan.num_planned else None
    tidy(trials_folder, uids)
    if resources is None:
        return False
    bundles = [resources] if plan.federation is None else list(resources.bundles)
    if plan.federation is not None:
        observer.placed(len(dataset.clients), len(bundles) - 1, bundles[-1].get("CPU", 0.0))
    trainable = tune.with_resources(
        tune.with_parameters(TrialTrainable, dataset=dataset, plan=plan, trials_folder=str(trials_folder)),
        resources,
    )
    end = time.monotonic() + plan.search.hours * 3600 if plan.search.hours else None
    watches = _watches(plan, dataset, observer, bundles, patience)
    packs = [PackConfig(uids=pack) for pack in packs_left(plan, uids[: plan.num_planned])]
    deaths = 0
    for attempt in itertools.count():
        watch = watches()
        _run(plan, trainable, scratch / f"tune-{attempt}", earlier, _left(packs, observer), watch, end)
        if watch.ending is not None:
            raise watch.ending
        if asked_to_end():
            raise KeyboardInterrupt
        earlier = read_results(trials_folder, uids)
        deaths += bool(watch.lost)
        if deaths > WORKER_DEATHS:
            for pack in watch.lost:
                watch.gave_up(pack, watch.reason(pack.uid))
        again = {uid for pack in [*watch.broken, *watch.lost] for uid in observer.unended(pack.uids)}
        num_ended = len(earlier) + len(read_failures(trials_folder, uids)) + len(observer.unrecorded)
        if not again or num_ended + len(again) < plan.num_planned:  # nothing to mend, or broken off
            break
        packs = _divided(packs, watch.broken, observer)
    if num_ended >= plan.num_planned:
        shutil.rmtree(trials_folder.parent / PACKS_FOLDER, ignore_errors=True)
    return end is not None and time.monotonic() >= end


def _left(packs: Sequence[PackConfig], observer: Observer) -> list[PackConfig]:
    """Return the packs with what of them is left to train."""
    parts = [dataclasses.replace(pack, uids=tuple(observer.unended(pack.uids))) for pack in packs]
    return [part for part in parts if part.uids]


def _divided(packs: Sequence[PackConfig], broken: Sequence[PackConfig], observer: Observer) -> list[PackConfig]:
    """Return the packs with two halves in the place of each that failed as a whole."""
    divided = [half for pack in broken for half in pack.divided(observer.unended(pack.uids))]
    gone = {uid for pack in broken for uid in pack.uids}
    return [*(pack for pack in packs if not gone & set(pack.uids)), *divided]


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
    """Estimate the seconds of one epoch of a trial on its share of a CPU; None if that fails."""
    from models.calibration import estimate_seconds

    trial = next(one for one in plan.trials if one.uid == uid)
    recipe = dataclasses.replace(make_recipe(trial, plan.protocol, dataset.backbone), epochs=1)
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
    packs: Sequence[PackConfig],
    watch: Watch,
    end: float | None,
) -> None:
    """Train `packs` of the plan in Tune; what it gave up too early, and what failed as a whole, is in the `watch` then.

    `trainable` is the class that Tune starts with its resources; Tune's files go to `scratch`; `earlier` are results
    that schedulers and searches know; `end` is the time by the monotonic clock at which to stop, None: never.
    """
    space, algorithm, samples = _space(plan, packs, earlier, watch)
    if samples == 0:
        return
    assert watch.observer is not None
    strategy = SCHEDULERS[plan.search.scheduler]
    goes_on = None if strategy.make is None else resolve(strategy.make)(plan.protocol.epochs, earlier)
    tuner = tune.Tuner(
        trainable,
        param_space=space,
        tune_config=tune.TuneConfig(
            search_alg=algorithm,
            scheduler=Comparing(watch, goes_on, partial(_leave_stopped, watch.observer.trials_folder)),
            num_samples=samples,
            time_budget_s=None if end is None else max(1.0, end - time.monotonic()),
            reuse_actors=True,
            trial_dirname_creator=lambda trial: PackConfig.of(trial.config).uid,
            trial_name_creator=lambda trial: PackConfig.of(trial.config).uid,
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
        with contextlib.redirect_stdout(sys.stderr), handlers_kept():
            tuner.fit()
    except Exception as error:
        # Tune keeps notes of its own, under the output folder.
        if not watch.end_if_unwritable(error):
            raise


def _leave_stopped(trials_folder: Path, uid: str) -> None:
    """Make a result of the scores so far of a trial that the scheduler stops."""
    seal_progress(trials_folder / uid)


def reserved(plan: Plan, dataset: Dataset) -> Any:
    """Return what a trial reserves; a federation's clients are reserved with it, or it would wait for ever.

    InputError if the clients find no room; it shows the arithmetic.
    """
    options = plan.search
    if plan.federation is None:
        return {"CPU": options.cpus_per_trial, "GPU": options.gpus_per_trial}
    number, shares = len(dataset.clients), {"gpus_per_client": options.gpus_per_client, "trial_cpus": SERVER_CPUS}
    cpus, actors = options.cpus_per_client, options.client_actors
    try:
        if plan.federation.secure_sum:
            cpus, actors = share_of_each(number, cpus_per_client=cpus, **shares), number
        bundles = bundles_for(number, client_actors=actors, cpus_per_client=cpus, **shares)
    except ClusterTooSmall as error:
        raise InputError.of(
            "--gpus-per-client, --cpus-per-client",
            found=str(error),
            expected="room for all: smaller shares, or a machine or cluster with more CPUs, GPUs or memory",
        ) from error
    return tune.PlacementGroupFactory(bundles)


def _space(
    plan: Plan, packs: Sequence[PackConfig], earlier: Sequence[TrialResult], watch: Watch
) -> tuple[dict[str, Any], Any, int]:
    propose = SEARCHES[plan.search.search].propose
    if propose is not None:
        return {}, resolve(propose)(plan, earlier, watch.complain), plan.num_planned
    left = list(packs)
    if plan.search.hours:
        # Any order of cost would leave one end of the grid unseen when the time is up.
        random.Random(seed_for(plan.seed, "launch-order")).shuffle(left)
    else:
        # The longest first: nobody waits at the end for one long trial that began last.
        costs = {trial.uid: relative_cost(plan, trial) for trial in plan.trials}
        left.sort(key=lambda pack: -sum(costs[uid] for uid in pack.uids))
    return {PACK_KEY: tune.grid_search([pack.to_tune()[PACK_KEY] for pack in left])}, None, 1 if left else 0
