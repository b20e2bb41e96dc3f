"""Searches that train in the test's own process, without Ray: for tests of what a search leaves behind.

A worker's start takes five times as long as it then trains here. Its class, the observer and all that is written are
the product's; Ray, Tune and client processes are left out, and are tested in this folder, in fed/ and in faults/.
"""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ray import tune as ray_tune

from fed.executors.in_process import in_process
from fed.executors.reuse import ReusedClients
from orchestrator.data.dataset import Dataset
from orchestrator.planning.plan import Plan
from orchestrator.planning.strategies import SEARCHES
from orchestrator.run_records import TrialResult
from orchestrator.search import cluster, tune, worker
from orchestrator.search.pack_config import PackConfig
from orchestrator.search.watch import Watch


@contextlib.contextmanager
def trained_here() -> Iterator[None]:
    """Let every search of this process train in it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cluster, "ray_session", lambda *_, **__: contextlib.nullcontext(cluster.Session()))
        patch.setattr(cluster, "check_storage", lambda *_: None)
        patch.setattr(tune, "reserved", reserved)
        patch.setattr(tune, "_run", run)
        patch.setattr(worker, "_clients", lambda _options: ReusedClients(in_process))
        patch.setattr(ray_tune, "with_parameters", lambda _trainable, **parameters: parameters)
        patch.setattr(ray_tune, "with_resources", lambda parameters, _resources: parameters)
        yield


def reserved(plan: Plan, _dataset: Dataset) -> Any:
    """Return what a trial would reserve; a federation's clients are one process."""
    return {"CPU": 1} if plan.federation is None else ray_tune.PlacementGroupFactory([{"CPU": 0.1}, {"CPU": 0.9}])


class Worker(worker.TrialTrainable):
    """The worker without the files that Tune gives it."""

    def __init__(self) -> None:
        """Leave everything to `setup`."""


def run(
    plan: Plan,
    trainable: dict[str, Any],
    _scratch: Path,
    _earlier: Sequence[TrialResult],
    packs: Sequence[PackConfig],
    watch: Watch,
    end: float | None,
) -> None:
    """Train `packs` one after the other, and inform the `watch` as Tune does; in place of orchestrator.search.tune's.

    `plan`, `packs`, `watch` and `end` are the product's; `trainable` holds what the worker has; Tune's folder
    `_scratch` and the results `_earlier`, which schedulers ask for, are not used. AssertionError if it needs Tune.
    """
    assert end is None, "a budget of time needs Tune"
    assert SEARCHES[plan.search.search].propose is None, "a search that asks for points needs Tune"
    one = Worker()
    for number, pack in enumerate(packs):
        trial = SimpleNamespace(config=pack.to_tune(), last_result={})
        if number:
            one.reset_config(trial.config)
        else:
            one.setup(trial.config, **trainable)
        watch.on_trial_start(trial=trial)
        while not trial.last_result.get("done") and watch.ending is None:
            trial.last_result = one.step()
            assert not trial.last_result.get("compared"), "a scheduler that compares configurations needs Tune"
            watch.on_trial_result(result=trial.last_result)
            if watch.observer is not None:
                watch.observer.look()
        if watch.ending is not None:
            break
        watch.on_trial_complete(trial=trial)
    if packs:
        one.cleanup()
