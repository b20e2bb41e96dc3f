"""Schedulers: every trial runs to its end, or only those that are best so far (ASHA, Li et al., 2020)."""

from collections.abc import Callable, Sequence
from typing import Any

from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, TrialScheduler

from orchestrator.run_records import TrialResult
from orchestrator.search.watch import Watch

VALIDATION_LOSS = "validation_loss"
ASHA_GRACE_EPOCHS = 10  # ours: nobody is stopped before
ASHA_REDUCTION = 3  # ours: one in three goes on at each rung


class InOrder(FIFOScheduler):  # type: ignore[misc]
    """Every trial to its end; shows the watch Tune's controller."""

    def __init__(self, watch: Watch, *_: object) -> None:
        """Store the watch that is told of each decision; the rest of what schedulers get is not needed."""
        super().__init__()
        self.watch = watch

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        """See the class."""
        self.watch.controller = tune_controller
        super().on_trial_add(tune_controller, trial)


class Halving(ASHAScheduler):  # type: ignore[misc]
    """ASHA that leaves a result behind for each trial it stops, and knows those of earlier runs."""

    def __init__(self, watch: Watch, epochs: int, earlier: Sequence[TrialResult], leave: Callable[[str], None]) -> None:
        """`leave` makes a result of the scores so far of a trial that is stopped."""
        super().__init__(
            time_attr="epoch",
            metric=VALIDATION_LOSS,
            mode="min",
            max_t=max(epochs, 1),
            grace_period=min(ASHA_GRACE_EPOCHS, epochs),
            reduction_factor=ASHA_REDUCTION,
            stop_last_trials=False,
        )
        self.watch, self.leave = watch, leave
        for result in earlier:
            self._replay(result)

    def _replay(self, result: TrialResult) -> None:
        shadow = _Shadow(result.uid)
        super().on_trial_add(None, shadow)
        for number, loss in enumerate(result.curve[VALIDATION_LOSS], start=1):
            super().on_trial_result(None, shadow, {"epoch": number, VALIDATION_LOSS: loss})

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        """See `InOrder`."""
        self.watch.controller = tune_controller
        super().on_trial_add(tune_controller, trial)

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Decide on a trial; one that is stopped has then a result, or is a failed one if it cannot have one."""
        uid = str(trial.config["uid"])
        try:
            decision = str(super().on_trial_result(tune_controller, trial, result))
        except Exception as error:
            self.watch.complain("while a trial was compared", error)
            return str(TrialScheduler.CONTINUE)
        if decision == TrialScheduler.STOP:
            try:
                self.leave(uid)
            except Exception as error:
                self.watch.complain("while a trial was stopped", error)
                if self.watch.observer and not self.watch.ending:
                    self.watch.observer.died(uid, error)
        return decision


class _Shadow:
    """Stands in for a trial of an earlier run: ASHA asks for nothing but its id."""

    def __init__(self, trial_id: str) -> None:
        self.trial_id = trial_id
