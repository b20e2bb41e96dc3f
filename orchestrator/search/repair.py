"""Finds finished trials whose predictions or weights are lost although the run reports them: these are trained again.

Weights of trials that are not reported are deleted on purpose during a search. They are needed only if the better
trials are lost and cannot be trained again.
"""

import dataclasses
from collections.abc import Collection
from pathlib import Path
from typing import Any

from orchestrator.data.dataset import Dataset
from orchestrator.evaluation.results import worth_keeping
from orchestrator.evaluation.trial_files import lost, read_failures, read_results, set_aside
from orchestrator.planning.plan import Plan


def complete(plan: Plan, dataset: Dataset, *, trials_folder: Path, **places: Any) -> None:
    """Train each trial that is reported and has lost its files; what then is reported is looked at again.

    Every trial is trained again at most once: one that fails now is a failed trial, and the next best is reported.
    """
    uids = [trial.uid for trial in plan.trials]
    tried: set[str] = set()
    while True:
        found = read_results(trials_folder, uids)
        if len(found) + len(read_failures(trials_folder, uids)) < plan.num_planned:
            return  # broken off: resuming looks again
        needed = worth_keeping(found, plan.protocol) - tried
        lacking = {uid: why for uid in uids if uid in needed and (why := lost(trials_folder / uid))}
        if not lacking:
            return
        tried |= lacking.keys()
        places["observer"].spoilt(lacking)
        for uid in lacking:
            set_aside(trials_folder / uid)
        train_again(plan, dataset, lacking, trials_folder=trials_folder, **places)


def train_again(plan: Plan, dataset: Dataset, uids: Collection[str], **places: Any) -> None:
    """Train just these trials, whatever the search would choose."""
    if not uids:
        return
    from orchestrator.search import tune

    trials = tuple(trial for trial in plan.trials if trial.uid in uids)
    search = dataclasses.replace(plan.search, search="grid", scheduler="fifo", max_trials=None, hours=None)
    tune.search(dataclasses.replace(plan, trials=trials, search=search), dataset, earlier=(), **places)
