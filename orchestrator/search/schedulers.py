"""The scheduler that Ray Tune gets: trials in order, and of each report who of the trial's configurations goes on."""

from collections.abc import Callable
from typing import Any

from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from orchestrator.search.halving import VALIDATION_LOSS, GoesOn
from orchestrator.search.watch import Watch


class Comparing(FIFOScheduler):  # type: ignore[misc]
    """Every configuration to its end, or until `goes_on` says no; shows the watch Tune's controller."""

    def __init__(self, watch: Watch, goes_on: GoesOn | None, leave: Callable[[str], None]) -> None:
        """`leave` makes a result of the scores so far of a configuration that is stopped."""
        super().__init__()
        self.watch, self.goes_on, self.leave = watch, goes_on, leave

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        """See the class."""
        self.watch.controller = tune_controller
        super().on_trial_add(tune_controller, trial)

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:  # noqa: ARG002
        """Decide on each configuration of a trial; the trial stops when none of it goes on.

        One that is stopped has then a result, or is a failed one if it cannot have one.
        """
        if self.goes_on is None or not result.get("compared"):
            return str(TrialScheduler.CONTINUE)
        members = result["members"]
        stopped = [one["uid"] for one in members if not self._goes_on(one)]
        if stopped and len(stopped) < len(members) and not self._taken_out(trial, stopped):
            return str(TrialScheduler.CONTINUE)
        for uid in stopped:
            self._leave(uid)
        return str(TrialScheduler.STOP if stopped and len(stopped) == len(members) else TrialScheduler.CONTINUE)

    def _goes_on(self, member: dict[str, Any]) -> bool:
        assert self.goes_on is not None
        try:
            return self.goes_on(member["uid"], member["epoch"], member[VALIDATION_LOSS])
        except Exception as error:
            self.watch.complain("while a trial was compared", error)
            return True

    def _taken_out(self, trial: Any, uids: list[str]) -> bool:
        """Take configurations out of a pack, before its worker is asked for the next epoch: calls keep their order."""
        try:
            # Nothing waits for the answer: whoever is not taken out has a result all the same, and trains for nothing.
            self.watch.actor_of(trial).leave.remote(uids)
        except Exception as error:
            self.watch.complain("while a configuration was taken out of its pack", error)
            return False
        return True

    def _leave(self, uid: str) -> None:
        try:
            self.leave(uid)
        except Exception as error:
            self.watch.complain("while a trial was stopped", error)
            if self.watch.observer and not self.watch.ending:
                self.watch.observer.died(uid, error)
                return
        self.watch.ended(uid)
