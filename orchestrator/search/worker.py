"""The Tune actor that trains: one pack of trials after the other in one process, each from its own folder."""

import contextlib
import time
import traceback
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from ray import tune

from fed.executors.ray_actors import in_actors
from fed.executors.ray_cluster import assigned_device
from fed.executors.reuse import ReusedClients
from models.allocator import keep_freed_memory
from models.backends import REFERENCE
from models.references import resolve
from models.training import Epoch, TrainingDiverged
from orchestrator.data.dataset import Dataset
from orchestrator.evaluation.trial_files import has_ended, record_failure
from orchestrator.planning.packs import backend_of
from orchestrator.planning.plan import Plan, SearchOptions
from orchestrator.planning.repeats import repeat_of
from orchestrator.planning.strategies import SCHEDULERS
from orchestrator.search.endings import unwritable
from orchestrator.search.failures import first_failure_told
from orchestrator.search.halving import VALIDATION_LOSS
from orchestrator.search.pack_config import PackConfig, pack_folder
from orchestrator.search.pack_run import PackRun
from orchestrator.search.repeats import data_of_trial
from orchestrator.search.trial import Told, TrialRun

PLACEMENT_GRACE_SECONDS = 60.0
Report = dict[str, Any]  # what a worker reports to Tune, and is configured with
REPORT_SECONDS = 2.0  # a trial reports at most so often: Tune strains at many small results


class TrialTrainable(tune.Trainable):  # type: ignore[misc]
    """A Tune actor that works through packs of trials; a failing trial is written down, it does not end the actor.

    A report has `members`, the configurations in training; `ended`, those that have ended since the last, and which of
    them `failed`; `compared`, if the scheduler is to decide on the members; `broken`, why a pack of several cannot go
    on as a whole; `note`, if what trains is less than was asked for.
    """

    def setup(self, config: Report, dataset: Dataset, plan: Plan, trials_folder: str) -> None:
        """Start the first pack; the data set comes from the object store as read-only views."""
        torch.set_num_threads(max(1, int(plan.search.cpus_per_trial)))
        keep_freed_memory()
        self.dataset, self.plan, self.trials_folder = dataset, plan, Path(trials_folder)
        self.trials = {trial.uid: trial for trial in plan.trials}
        strategy = SCHEDULERS[plan.search.scheduler]
        epochs = plan.protocol.epochs
        self.compared: Collection[int] = ()
        if strategy.stops:
            named = strategy.epochs_compared
            self.compared = range(1, epochs) if named is None else resolve(named)(epochs)
        # A federation's clients outlive a trial: this process keeps its placement group, too.
        self.clients = _clients(plan.search)
        self._take(config)

    def reset_config(self, new_config: Report) -> bool:
        """Start the next pack without a new process."""
        self._leave()
        self._take(new_config)
        return True

    def cleanup(self) -> None:
        """Release what the last pack holds, and the clients' processes."""
        self._leave()
        with contextlib.suppress(Exception):
            self.clients.close()

    def leave(self, uids: Sequence[str]) -> None:
        """Take configurations out of a pack: the driver has stopped them."""
        assert isinstance(self.run, PackRun)
        for uid in uids:
            self.run.leave(uid)
            self.members.pop(uid, None)

    def _leave(self) -> None:
        with contextlib.suppress(Exception):  # what cannot be closed keeps no other trial from its turn
            if isinstance(self.run, TrialRun):
                self.run.close()

    def _take(self, config: Report) -> None:
        self.pack = PackConfig.of(config)
        self.run: TrialRun | PackRun | None = None
        self.epochs: Iterator[Told] = iter(())
        self.members: dict[str, Report] = {}

    def step(self) -> Report:
        """Train for a while and report; the last report of a pack says `done`."""
        report: Report = {"uid": self.pack.uid, "ended": [], "failed": [], "unrecorded": []}
        try:
            with first_failure_told(self.trials_folder / self.pack.uid):
                self._advance(report)
        except Exception as error:
            self._fail(report, error)
        report["members"] = [dict(one) for one in self.members.values()]
        if isinstance(self.run, PackRun) and self.run.training.layers.note:
            report["note"] = self.run.training.layers.note
        return report

    def _fail(self, report: Report, error: Exception) -> None:
        """Say what a pack failed by: of several nobody knows yet whose fault it is; a single one's failure it is."""
        report["done"] = True
        if unwritable(error):
            # No fault of the configurations: not their failure, and the checkpoint stays.
            report["unwritable"] = _text(error)
        elif len(self.members) > 1:
            report["broken"] = _text(error)
        else:
            for uid in self.members or [self.pack.uid]:
                self._record(report, uid, error)
        self.cleanup()

    def _record(self, report: Report, uid: str, error: Exception) -> None:
        """Leave a record of a configuration's failure; in the report only what the driver has to write itself."""
        record = record_failure(self.trials_folder, self.trials[uid], error, repeat=repeat_of(self.plan, uid))
        if record.unwritten is not None:
            report["unrecorded"].append(record.to_json())
            report["unwritable"] = record.unwritten
        report["ended"].append(uid)
        report["failed"].append(uid)

    def _advance(self, report: Report) -> None:
        if self.run is None and not self._begin():
            report["done"] = True  # a process that died had ended them all
            return
        assert self.run is not None
        begun, last = time.monotonic(), self.plan.protocol.epochs
        for told in self.epochs:
            first = self.run.taken_up > 0 and all(one["trained"] == 0 for one in self.members.values())
            for uid, epoch in told.items():
                self._note(report, uid, epoch)
            number = max((one["epoch"] for one in self.members.values()), default=last)
            if not self.members:
                break
            if self.compared and number < last and (first or number in self.compared):
                # Also the first of those that were taken up: nobody remembers their last comparison.
                for uid in self.members:
                    self.run.scores[uid].write_progress()
                report["compared"] = True
                return
            if report["ended"] or (time.monotonic() - begun >= REPORT_SECONDS and number < last):
                return
        for uid in [*self.members]:
            self._finish(report, uid)
        self.run.close()
        report["done"] = True

    def _begin(self) -> bool:
        """Build what is left of the pack, or take it up; False if nothing is."""
        left = [uid for uid in self.pack.uids if not has_ended(self.trials_folder / uid)]
        if not left:
            return False
        self.members = {uid: {"uid": uid, "epoch": 0, "trained": 0} for uid in left}
        trials = [self.trials[uid] for uid in left]
        plan, dataset = data_of_trial(self.plan, self.dataset, trials[0])
        device = assigned_device(0.0 if plan.federation else plan.search.gpus_per_trial)
        if plan.federation is not None or backend_of(trials[0], plan) == REFERENCE:
            folder = self.trials_folder / left[0]
            self.run = TrialRun(trials[0], dataset, plan, folder=folder, device=device, start=self.clients)
        else:
            self.run = PackRun(
                trials,
                dataset,
                plan,
                trials_folder=self.trials_folder,
                checkpoint=pack_folder(self.trials_folder, self.pack.uids),
                earlier=[pack_folder(self.trials_folder, uids) for uids in self.pack.earlier],
                device=device,
            )
        self.epochs = self.run.epochs()
        return True

    def _note(self, report: Report, uid: str, epoch: Epoch | TrainingDiverged) -> None:
        """Note an epoch of a configuration, or that it has failed."""
        if isinstance(epoch, TrainingDiverged):
            self.members.pop(uid, None)
            self._record(report, uid, epoch)
            return
        assert self.run is not None
        self.members[uid] = {
            "uid": uid,
            "epoch": epoch.number,
            "trained": epoch.number - self.run.taken_up,
            VALIDATION_LOSS: _mean(epoch.validation_loss),
            "ccc_valence": _mean(epoch.ccc_valence),
            "ccc_arousal": _mean(epoch.ccc_arousal),
        }

    def _finish(self, report: Report, uid: str) -> None:
        """Score a configuration; what fails there is its own failure, if there is room to write it down."""
        assert self.run is not None
        try:
            self.run.scores[uid].finish()
        except Exception as error:
            if unwritable(error) or len(self.members) == 1:
                raise
            self.members.pop(uid)
            self._record(report, uid, error)
        else:
            report["ended"].append(uid)


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
