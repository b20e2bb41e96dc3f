"""Successive halving, asynchronous (ASHA, Li et al. 2020): which configurations go on, decided on the driver.

A trial of Tune may be a pack of configurations, so that Tune's own scheduler cannot stop one of them.
"""

from collections.abc import Callable, Sequence

import numpy as np

from orchestrator.planning.halving import REDUCTION, rungs_of
from orchestrator.run_records import TrialResult

VALIDATION_LOSS = "validation_loss"
# `(uid, epoch, mean validation loss of the folds) -> whether the configuration goes on`
GoesOn = Callable[[str, int, float], bool]


class Halving:
    """Compares each configuration at each rung with those that were there before, whoever comes first."""

    def __init__(self, epochs: int, earlier: Sequence[TrialResult]) -> None:
        """`earlier` are results of the same search: their curves take part."""
        self._losses: dict[int, dict[str, float]] = {rung: {} for rung in reversed(rungs_of(epochs))}
        for result in earlier:
            for number, loss in enumerate(result.curve[VALIDATION_LOSS], start=1):
                if loss is not None:
                    self(result.uid, number, loss)

    def __call__(self, uid: str, epoch: int, loss: float) -> bool:
        """Return whether a configuration goes on; False if its loss is not among the best third of its rung so far.

        It is compared once per rung, at the first of its epochs that is told of from the rung's on.
        """
        rung = next((rung for rung in self._losses if epoch >= rung), None)
        if rung is None or uid in self._losses[rung]:
            return True
        others = list(self._losses[rung].values())
        self._losses[rung][uid] = loss
        return not others or loss <= float(np.percentile(others, 100 / REDUCTION))
