"""The Tune actor that trains: one trial after the other in one process, each from its own folder."""

import contextlib
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from ray import tune

from fed.executors.ray_actors import assigned_device, in_actors
from fed.executors.reuse import ReusedClients
from models.allocator import keep_freed_memory
from models.training import Epoch
from orchestrator.data.dataset import Dataset
from orchestrator.evaluation.trial_files import record_failure
from orchestrator.planning.plan import Plan, SearchOptions
from orchestrator.planning.repeats import repeat_of
from orchestrator.planning.strategies import SCHEDULERS
from orchestrator.search.endings import unwritable
from orchestrator.search.failures import first_failure_told
from orchestrator.search.repeats import data_of_trial
from orchestrator.search.schedulers import VALIDATION_LOSS
from orchestrator.search.trial import TrialRun

PLACEMENT_GRACE_SECONDS = 60.0
Told = dict[str, Any]  # what a worker reports to Tune, and is configured with
REPORT_SECONDS = 2.0  # a trial reports at most so often: Tune strains at many small results


class TrialTrainable(tune.Trainable):  # type: ignore[misc]
    """A Tune actor that works through trials; a failing trial is written down, it does not end the actor."""

    def setup(self, config: Told, dataset: Dataset, plan: Plan, trials_folder: str) -> None:
        """Start the first trial; the data set comes from the object store as read-only views."""
        torch.set_num_threads(max(1, int(plan.search.cpus_per_trial)))
        keep_freed_memory()
        self.dataset, self.plan, self.trials_folder = dataset, plan, Path(trials_folder)
        self.trials = {trial.uid: trial for trial in plan.trials}
        # A federation's clients outlive a trial: this process keeps its placement group, too.
        self.clients = _clients(plan.search)
        self._take(config["uid"])

    def reset_config(self, new_config: Told) -> bool:
        """Start the next trial without a new process."""
        self._leave()
        self._take(new_config["uid"])
        return True

    def cleanup(self) -> None:
        """Release what the last trial holds, and the clients' processes."""
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
        self.last: Told = {"uid": uid, "epoch": 0, "trained": 0}

    def step(self) -> Told:
        """Train for a while and report the last epoch; the last report of a trial says `done`."""
        try:
            with first_failure_told(self.trials_folder / self.uid):
                return self._advance()
        except Exception as error:
            return {**self.last, **self._failed(error), "failed": True, "done": True}

    def _failed(self, error: Exception) -> Told:
        """Leave a record of the failure and begin afresh; return what the driver must be told of it."""
        told: Told = {}
        if unwritable(error):
            # No fault of the configuration: not its failure, and its checkpoint stays.
            told["unwritable"] = _text(error)
        else:
            repeat = repeat_of(self.plan, self.uid)
            record = record_failure(self.trials_folder, self.trials[self.uid], error, repeat=repeat)
            if record.unwritten is not None:
                told = {"unrecorded": record.to_json(), "unwritable": record.unwritten}
        self.cleanup()
        return told

    def _advance(self) -> Told:
        if self.run is None:
            trial = self.trials[self.uid]
            plan, dataset = data_of_trial(self.plan, self.dataset, trial)
            self.run = TrialRun(
                trial,
                dataset,
                plan,
                folder=self.trials_folder / self.uid,
                device=assigned_device(0.0 if self.plan.federation else self.plan.search.gpus_per_trial),
                start=self.clients,
            )
            self.epochs = self.run.epochs()
        every_epoch = SCHEDULERS[self.plan.search.scheduler].stops
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
    """Return how a federation's clients are held: by Ray actors in the trial's own placement group."""
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
