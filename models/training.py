"""The k folds of a configuration, advanced in lock-step, one epoch at a time (paper, section IV.D).

Shapes: K folds, T frames of a recording, F features, 2 = valence and arousal.
"""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models import checkpoints
from models.backbone_weights import digest_of
from models.backends import DEFAULT_PRECISION
from models.ccc import ccc
from models.epochs import (
    Evaluation,
    evaluate,
    new_adam,
    predict,
    train_one_epoch,
)
from models.frames import FrameSeries
from models.losses import loss_of, target_of
from models.networks import AffectNetwork, build_for
from models.precision import modules_in, on
from models.recipe import ON_DISK, WEIGHTS_NONE, Recipe
from models.seeds import seed_for
from models.splits import FoldSplit, check_images, labelled_windows, scaled, split_identity
from models.trace_scores import Scored
from models.trace_scores import scored as scored_trace
from models.windows import Series, cut, merge


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """One epoch (from 1) of all folds; CCC is pooled over the frames of a fold's validation series."""

    number: int
    train_loss: tuple[float, ...]
    validation_loss: tuple[float, ...]
    ccc_valence: tuple[float, ...]
    ccc_arousal: tuple[float, ...]
    seconds: float
    # Mean absolute error of what the loss compares; without a rule that asks for it not measured: 0, or none.
    mae_valence: tuple[float, ...] = ()
    mae_arousal: tuple[float, ...] = ()


def chosen_epoch(history: Sequence[Epoch], fold: int, keep: str) -> int:
    """Return the epoch (from 1) whose weights score by `Recipe.keep`; 0 before the first.

    "last"; "best": the first of least validation loss; "best-together", the rule of the authors' code: the last one
    whose loss and mean absolute errors of valence and of arousal were all less than those of the one kept before. An
    error of 0, as of a dimension without labels, holds nothing up.
    """
    if keep == "last" or not history:
        return len(history)
    if keep == "best":
        losses = [epoch.validation_loss[fold] for epoch in history]
        return losses.index(min(losses)) + 1
    best = history[0]
    for epoch in history[1:]:
        errors = [(getattr(epoch, name)[fold], getattr(best, name)[fold]) for name in ("mae_valence", "mae_arousal")]
        if epoch.validation_loss[fold] < best.validation_loss[fold] and all(a < b or a == 0.0 for a, b in errors):
            best = epoch
    return best.number


class TrainingDiverged(ArithmeticError):  # noqa: N818 - it names what happened, as StopIteration does
    """The loss of a fold is no longer a number."""

    def __init__(self, fold: int, epoch: int, detail: str) -> None:
        """Keep the place for the record of the failed trial; all three arguments survive a pickle."""
        super().__init__(fold, epoch, detail)
        self.fold = fold
        self.epoch = epoch
        self.detail = detail

    def __str__(self) -> str:
        """Return where and what."""
        return f"fold {self.fold}, epoch {self.epoch}: training diverged, {self.detail}"


class FoldsInTraining:
    """K models of one recipe on K splits of the same series; equal seeds give equal bits on a CPU.

    A fold's randomness comes from (seed, fold, epoch) alone: it depends neither on the other folds nor on
    where a resumed training was interrupted.
    """

    def __init__(  # noqa: PLR0913 - everything a training depends on
        self,
        series: Sequence[Series | FrameSeries],
        splits: Sequence[FoldSplit],
        recipe: Recipe,
        *,
        seed: int,
        device: str = "cpu",
        backbone_weights: Mapping[str, Tensor] | None = None,
        precision: str = DEFAULT_PRECISION,
    ) -> None:
        """Cut the windows once for all folds; initialise the models, their backbones from `backbone_weights` if given.

        One on each of the `splits`, by chance from `seed`. `device` trains; `precision` is how a GPU multiplies.
        ValueError: unknown names in the recipe, an unusable scaling, a fold that has no labelled window to train
        or to validate on, or series that are not what the recipe says: images of its size, or features.
        """
        loss_of(recipe.loss), target_of(recipe.target)
        assert recipe.backbone is not None or backbone_weights is None, (
            "weights for a backbone that the recipe does not have"
        )
        self.recipe = recipe
        self.seed = seed
        self.device = device
        self.precision = on(device, precision)
        self._backbone_weights = backbone_weights
        self.history: list[Epoch] = []
        self._series = tuple(series)
        self._windows = cut(series, recipe.sequence_length, partial=recipe.partial_window).to(device)
        check_images(self._windows, recipe)
        self._train = [labelled_windows(self._windows, k, "train", s.train) for k, s in enumerate(splits)]
        self._validation = [labelled_windows(self._windows, k, "validate", s.validation) for k, s in enumerate(splits)]
        self._scaled = [scaled(self._windows, k, s) for k, s in enumerate(splits)]
        self._models = [self._new_model(k) for k in range(len(splits))]
        self._adams = [new_adam(model, recipe.learning_rate) for model in self._models]
        self._best = [_copy_of(model) for model in self._models] if recipe.keep != "last" else []
        self._mid_epoch = False
        self._identity = identity_of(series, splits, recipe, seed)
        if recipe.backbone is not None:
            self._identity[ON_DISK["backbone_weights"]] = (
                WEIGHTS_NONE if backbone_weights is None else digest_of(backbone_weights)
            )

    @property
    def num_folds(self) -> int:
        """K."""
        return len(self._models)

    def epochs(self) -> Iterator[Epoch]:
        """Train on from the current state and yield each epoch as it ends, until the recipe's last.

        TrainingDiverged when a fold's loss is not finite.
        """
        while len(self.history) < self.recipe.epochs:
            number = len(self.history) + 1
            start = time.perf_counter()
            self._mid_epoch = True
            with modules_in(self.precision):
                train_loss = tuple(self._train_fold(k, number) for k in range(self.num_folds))
                validated = [self._validate_fold(k, number) for k in range(self.num_folds)]
            self.history.append(
                Epoch(
                    number=number,
                    train_loss=train_loss,
                    validation_loss=tuple(one.loss for one in validated),
                    ccc_valence=tuple(ccc(one.valence) for one in validated),
                    ccc_arousal=tuple(ccc(one.arousal) for one in validated),
                    seconds=time.perf_counter() - start,
                    mae_valence=tuple(one.errors[0][0] for one in validated),
                    mae_arousal=tuple(one.errors[1][0] for one in validated),
                )
            )
            self._keep_best(number)
            self._mid_epoch = False
            yield self.history[-1]

    def chosen_epoch(self, fold: int) -> int:
        """Return the epoch whose weights score, by the recipe's `keep`."""
        return chosen_epoch(self.history, fold, self.recipe.keep)

    def fold_state(self, fold: int) -> dict[str, Tensor]:
        """Copy the chosen weights of a fold to the CPU."""
        if self.recipe.keep != "last":
            return {name: tensor.clone() for name, tensor in self._best[fold].items()}
        return _copy_of(self._models[fold])

    def predict(self, fold: int, indices: Sequence[int]) -> list[NDArray[np.float32]]:
        """Predict traces (T, 2) of the series `indices` with the chosen weights; NaN where no window lies."""
        model = self._models[fold]
        if self.recipe.keep != "last":
            model = self._new_model(fold)
            model.load_state_dict(self._best[fold])
        index_W = self._windows.of_series(indices)
        with modules_in(self.precision):
            prediction_WL2 = predict(model, self._scaled[fold], index_W)
        return merge(prediction_WL2, self._windows, index_W, indices)

    def score(self, fold: int, indices: Sequence[int]) -> list[Scored]:
        """Predict as `predict` does, and compare with the gold standard."""
        length = self.recipe.sequence_length
        traces = self.predict(fold, indices)
        return [scored_trace(trace, self._series[i], length) for i, trace in zip(indices, traces, strict=True)]

    def save(self, folder: Path) -> None:
        """Write all state into one checkpoint, atomically; between epochs only, not after a failed one."""
        assert not self._mid_epoch, "an epoch was left half done: its weights fit no curve"
        tensors: dict[str, Tensor] = {}
        for k, (model, adam) in enumerate(zip(self._models, self._adams, strict=True)):
            tensors |= {f"fold{k}.model.{name}": value for name, value in model.state_dict().items()}
            for number, state in adam.state_dict()["state"].items():
                tensors |= {f"fold{k}.adam.{number}.{name}": value for name, value in state.items()}
            if self.recipe.keep != "last":
                tensors |= {f"fold{k}.best.{name}": value for name, value in self._best[k].items()}
        content = {"training": self._identity, "curve": [asdict(epoch) for epoch in self.history]}
        checkpoints.write(folder, tensors, content)

    def load(self, folder: Path) -> None:
        """Continue from a checkpoint of the same training.

        CheckpointError (a ValueError): nothing there, damaged, or of another recipe, seed, split or data.
        """
        tensors, content = checkpoints.read(folder)
        with checkpoints.taken_up(folder):
            self._take_up(folder, tensors, content)

    def _take_up(self, folder: Path, tensors: dict[str, Tensor], content: Mapping[str, Any]) -> None:
        for name, expected in self._identity.items():
            found = content["training"].get(name)
            if found != expected:
                raise checkpoints.CheckpointError(
                    f"{folder}: checkpoint of another training: {name} is {found!r}, expected {expected!r}"
                )
        for k, (model, adam) in enumerate(zip(self._models, self._adams, strict=True)):
            model.load_state_dict(_under(tensors, f"fold{k}.model."))
            state: dict[int, dict[str, Tensor]] = {}
            for name, value in _under(tensors, f"fold{k}.adam.").items():
                number, field = name.split(".")
                state.setdefault(int(number), {})[field] = value
            adam.load_state_dict({**adam.state_dict(), "state": state})
            if self.recipe.keep != "last":
                self._best[k] = _under(tensors, f"fold{k}.best.")
        self.history = [epoch_from(fields) for fields in content["curve"]]

    def _new_model(self, fold: int) -> AffectNetwork:
        model = build_for(
            self.recipe,
            num_features=self._windows.num_features,
            seed=seed_for(self.seed, "fold", fold, "weights"),
            backbone_weights=self._backbone_weights,
        )
        return model.to(self.device)

    def _train_fold(self, fold: int, number: int) -> float:
        generator = torch.Generator().manual_seed(seed_for(self.seed, "fold", fold, "epoch", number))
        loss_sum, count = train_one_epoch(
            self._models[fold],
            self._adams[fold],
            self._scaled[fold],
            self._train[fold],
            self.recipe,
            generator,
        )
        self._check(loss_sum, fold, number, "training")
        return loss_sum / count

    def _validate_fold(self, fold: int, number: int) -> Evaluation:
        found = evaluate(self._models[fold], self._scaled[fold], self._validation[fold], self.recipe)
        self._check(found.loss, fold, number, "validation")
        return found

    def _check(self, loss: float, fold: int, number: int, which: str) -> None:
        if not math.isfinite(loss):
            raise TrainingDiverged(
                fold, number, f"{which} loss is {loss} at learning rate {self.recipe.learning_rate:g}"
            )

    def _keep_best(self, number: int) -> None:
        if self.recipe.keep != "last":
            for k, model in enumerate(self._models):
                if self.chosen_epoch(k) == number:
                    self._best[k] = _copy_of(model)


def identity_of(
    series: Sequence[Series | FrameSeries], splits: Sequence[FoldSplit], recipe: Recipe, seed: int
) -> dict[str, object]:
    """What must agree for a checkpoint to be continued, as JSON gives it back."""
    return {
        "recipe": recipe.to_dict(),
        "seed": seed,
        "splits": [split_identity(split) for split in splits],
        "series": [[s.participant, s.session, *_shape_of(s)] for s in series],
    }


def _shape_of(series: Series | FrameSeries) -> list[int]:
    if isinstance(series, Series):
        return list(series.features_TF.shape)
    return [len(series.index_T), *series.frames.shape]


def _copy_of(model: AffectNetwork) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def epoch_from(fields: Mapping[str, object]) -> Epoch:
    """Read an epoch back from a checkpoint's JSON."""
    lists = {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
    return Epoch(**lists)  # type: ignore[arg-type]  # the checksum vouches for the types
