"""Training the repeats of what a search reports: like trials in its folder, so that `--resume` goes on."""

import dataclasses
import time
from pathlib import Path

from orchestrator.data.dataset import Dataset, redrawn
from orchestrator.errors import InputError, doing
from orchestrator.evaluation.repeats import plan_of_repeats
from orchestrator.evaluation.trial_files import read_failures, read_results, set_aside_damaged
from orchestrator.planning.fold_clients import refusal
from orchestrator.planning.plan import Plan, Trial
from orchestrator.planning.repeats import plan_of_trial
from orchestrator.search.progress import Observer


def data_of_trial(plan: Plan, dataset: Dataset, trial: Trial) -> tuple[Plan, Dataset]:
    """Return what a trial of a search is trained by and on: a repeat has its own seed and folds.

    InputError if a fold of that draw cannot be trained with the trial's windows.
    """
    own = plan_of_trial(plan, trial.uid)
    if own is plan:
        return plan, dataset
    drawn = redrawn(dataset, own.protocol, seed=own.seed)
    why_not = refusal(drawn, own.protocol, own.federation, trial.hparams.sequence_length)
    if why_not:
        found = f"in repeat {own.protocol.fold_draw}, {why_not}"
        raise InputError.of("--repeats", found=found, expected="folds that can be trained in every draw")
    return own, drawn


def train(plan: Plan, dataset: Dataset, *, observer: Observer, scratch: Path, end: float | None) -> bool:
    """Train the repeats that have no result yet; True if the time was up before all had ended.

    `observer` has followed the search itself; `end` is the moment, of `time.monotonic`, at which the time is up.
    """
    from orchestrator.search import tune

    folder = observer.trials_folder
    planned = [trial.uid for trial in plan.trials]
    found = read_results(folder, planned)
    repeated = plan_of_repeats(plan, found)
    ended = len(found) + len(read_failures(folder, planned)) + len(observer.unrecorded)
    if repeated is None or ended < plan.num_planned:  # broken off: what is reported is not known yet
        return False
    uids = [trial.uid for trial in repeated.trials]
    spoilt = set_aside_damaged(folder, uids)
    there = read_results(folder, uids)
    if len(there) == len(uids):
        return False
    left = None if end is None else end - time.monotonic()
    if left is not None and left <= 0:
        return True
    hours = None if left is None else left / 3600
    repeated = dataclasses.replace(repeated, search=dataclasses.replace(repeated.search, hours=hours))
    own = Observer(repeated, folder, there, observer.changed, keeps_weights=False)
    own.say(f"repeats: {len(uids) - len(there)} trainings of what is reported, by other seeds and draws of the folds")
    with doing("training the repeats"), own:
        own.spoilt(spoilt)
        try:
            return tune.search(
                repeated, dataset, trials_folder=folder, scratch=scratch / "repeats", earlier=there, observer=own
            )
        finally:
            observer.unrecorded |= own.unrecorded
