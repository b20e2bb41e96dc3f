"""One configuration of a pack, with the interface of `models.training.FoldsInTraining` for scores and weights.

Shapes: T frames of a recording, 2 = valence and arousal.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from models.epochs import predict
from models.networks import build_for
from models.precision import modules_in
from models.recipe import Recipe
from models.trace_scores import Scored
from models.trace_scores import scored as scored_trace
from models.training import Epoch, TrainingDiverged
from models.windows import Series, Windows, merge

if TYPE_CHECKING:
    from models.stacks.folds import StackedFolds


class StackedConfiguration:
    """History, chosen weights and predictions of one configuration's K folds.

    `failure` says why it left its pack; None if it has not, or was taken out.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - its pack hands it all that it has
        self,
        pack: StackedFolds,
        place: int,
        recipe: Recipe,
        seed: int,
        series: Sequence[Series],
        windows: Sequence[Windows],
    ) -> None:
        """Belong to a pack, at a place of it; `windows` are each fold's, as it scales them."""
        self.place, self.recipe, self.seed = place, recipe, seed
        self.history: list[Epoch] = []
        self.failure: TrainingDiverged | None = None
        self.best: list[dict[str, Tensor]] = []  # of keep="best", from the first epoch on
        self._pack, self._series, self._windows = pack, tuple(series), windows

    @property
    def num_folds(self) -> int:
        """K."""
        return len(self._windows)

    def keep(self, epoch: Epoch) -> None:
        """Add an epoch that has ended, and copy the weights of the folds for which it is the best so far."""
        self.history.append(epoch)
        if self.recipe.keep == "best":
            for k in range(self.num_folds):
                if self.chosen_epoch(k) == epoch.number:
                    state = self._pack.state(self.place, k)
                    self.best[k : k + 1] = [state]

    def chosen_epoch(self, fold: int) -> int:
        """Return the epoch whose weights score: the last, or the first of least validation loss."""
        if self.recipe.keep == "last" or not self.history:
            return len(self.history)
        losses = [epoch.validation_loss[fold] for epoch in self.history]
        return losses.index(min(losses)) + 1

    def fold_state(self, fold: int) -> dict[str, Tensor]:
        """Copy the chosen weights of a fold to the CPU; ValueError if the configuration has left the pack."""
        if self.best:
            return {name: tensor.clone() for name, tensor in self.best[fold].items()}
        return self._pack.state(self.place, fold)

    def predict(self, fold: int, indices: Sequence[int]) -> list[NDArray[np.float32]]:
        """Predict traces (T, 2) of the series `indices` with the chosen weights; NaN where no window lies."""
        windows = self._windows[fold]
        model = build_for(self.recipe, num_features=windows.num_features, seed=0)
        model.load_state_dict(self.fold_state(fold))
        model.to(windows.features_WLF.device)
        index_W = windows.of_series(indices)
        with modules_in(self._pack.precision):
            prediction_WL2 = predict(model, windows, index_W)
        return merge(prediction_WL2, windows, index_W, indices)

    def score(self, fold: int, indices: Sequence[int]) -> list[Scored]:
        """Predict as `predict` does, and compare with the gold standard."""
        length = self.recipe.sequence_length
        traces = self.predict(fold, indices)
        return [scored_trace(trace, self._series[i], length) for i, trace in zip(indices, traces, strict=True)]
