"""Scores and files of one trained configuration: what a trial's folder holds when it is done.

`result.json`, `predictions.safetensors` and `model.safetensors`; `progress.json` while a scheduler may stop it.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import safetensors.numpy
import safetensors.torch

from fed.round_records import ClientFailed, Round
from fed.rounds import FederatedFolds
from models.backends import REFERENCE
from models.trace_scores import Scored
from models.training import Epoch
from orchestrator import measures
from orchestrator.data.dataset import Dataset
from orchestrator.estimators.participants import spread
from orchestrator.estimators.sums import PersonMoments
from orchestrator.evaluation import fold_scores
from orchestrator.evaluation.trial_files import seal
from orchestrator.files import atomic, write_json
from orchestrator.measures import FoldMoments
from orchestrator.planning.cost import size_of
from orchestrator.planning.plan import Plan, Trial
from orchestrator.protocols import DIMENSIONS
from orchestrator.run_folder import (
    CHECKPOINT_FOLDER,
    FAILURE_FILE,
    MODEL_FILE,
    PREDICTIONS_FILE,
    PROGRESS_FILE,
    RESULT_FILE,
    SET_ASIDE,
)
from orchestrator.run_records import (
    CURVES,
    FINISHED,
    STOPPED,
    Curve,
    FederationRecord,
    FoldScore,
    RoundRecord,
    SecureRecord,
    TrialResult,
    sums_of,
)

# What leaves single people beside secure sums (docs/federation.md).
LEFT_APART = (
    "once: numbers of features, frames and labelled windows, names of sessions",
    "every round: loss, count, errors and moments of each person that a fold is validated on",
    "at the end: predictions and moments of each held-out recording",
)


class Trained(Protocol):
    """The K folds of one configuration, in training or trained, whatever trains them."""

    history: list[Epoch]

    def chosen_epoch(self, fold: int) -> int:
        """Return the epoch whose weights score."""

    def fold_state(self, fold: int) -> dict[str, Any]:
        """Copy the chosen weights of a fold, as tensors by name, to the CPU."""

    def score(self, fold: int, indices: Sequence[int]) -> list[Scored]:
        """Predict the series `indices` with the chosen weights, and compare with the gold standard."""


class TrialScores:
    """Scores one configuration on its held-out folds, and writes its files."""

    def __init__(  # noqa: PLR0913 - the parts of a trial, each given once
        self,
        trial: Trial,
        dataset: Dataset,
        plan: Plan,
        *,
        folder: Path,
        training: Trained,
        backend: str = REFERENCE,
        precision: str | None = None,
    ) -> None:
        """Begin now, to score a `trial` of a `plan` on a `dataset` and write into its `folder` what the `training` has.

        For the record: `backend` is what trains, `precision` what a GPU multiplies in, None of a CPU.
        """
        self.trial, self.dataset, self.plan, self.folder = trial, dataset, plan, folder
        self.training, self.backend, self.precision, self.started = training, backend, precision, _now()

    def finish(self) -> TrialResult:
        """Score the held-out folds, write result, predictions and weights, drop the checkpoint."""
        result, predictions = self._scores(status=FINISHED)
        arrays = {str(index): np.ascontiguousarray(trace) for index, trace in predictions.items()}
        # One entry: safetensors writes several in an order of chance, and equal runs leave equal bytes.
        mark = {"trial": json.dumps({"uid": self.trial.uid, "synthetic": self.dataset.synthetic})}
        with atomic(self.folder / PREDICTIONS_FILE) as partial:
            safetensors.numpy.save_file(arrays, partial, metadata=mark)
        weights = {
            f"fold_{k}.{name}": tensor.contiguous()
            for k in range(len(self.dataset.folds))
            for name, tensor in self.training.fold_state(k).items()
        }
        with atomic(self.folder / MODEL_FILE) as partial:
            safetensors.torch.save_file(weights, partial, metadata=mark)
        seal(self.folder, result, (PREDICTIONS_FILE, MODEL_FILE))
        for name in (FAILURE_FILE, PROGRESS_FILE, f"{RESULT_FILE}{SET_ASIDE}"):
            (self.folder / name).unlink(missing_ok=True)
        shutil.rmtree(self.folder / CHECKPOINT_FOLDER, ignore_errors=True)
        return result

    def write_progress(self) -> None:
        """Write the scores so far next to the checkpoint, for a scheduler that may stop this trial."""
        write_json(self.folder / PROGRESS_FILE, self._scores(status=STOPPED)[0].to_json())

    def _scores(self, *, status: str) -> tuple[TrialResult, dict[int, np.ndarray]]:
        folds: list[FoldScore] = []
        predictions: dict[int, np.ndarray] = {}
        for k, split in enumerate(self.dataset.splits):
            found = self.training.score(k, split.held_out)
            predictions |= {index: one.trace_T2 for index, one in zip(split.held_out, found, strict=True)}
            folds.append(self._fold_score(k, self._moments(split.held_out, found)))
        history = self.training.history
        backbone = self.dataset.backbone is not None
        parameters, size_mib = size_of(
            self.trial, self.dataset.num_features, backbone=backbone, head=self.plan.protocol.head
        )
        ends = measures.ends(measures.intervals([fold.people() for fold in folds])) if status == FINISHED else {}
        result = TrialResult(
            uid=self.trial.uid,
            network=self.trial.network,
            hparams=self.trial.hparams,
            status=status,
            synthetic=self.dataset.synthetic,
            protocol=self.plan.protocol.name,
            optimistic=self.plan.protocol.optimistic,
            epochs=len(history),
            training_seconds=sum(epoch.seconds for epoch in history),
            num_parameters=parameters,
            model_size_mib=size_mib,
            selection_loss=float(np.mean([fold.selection_loss or 0.0 for fold in folds])),
            scores={**fold_scores.over_folds(folds), **ends},
            folds=tuple(folds),
            curve=_curve(history, self.dataset),
            federation=_federation(self.training) if isinstance(self.training, FederatedFolds) else None,
            started=self.started,
            ended=_now(),
            repeat=self.plan.protocol.fold_draw or None,
            seed=self.plan.seed if self.plan.protocol.fold_draw else None,
            backend=self.backend,
            precision=self.precision,
        )
        return result, predictions

    def _moments(self, held_out: tuple[int, ...], found: list[Scored]) -> FoldMoments:
        """Return each held-out participant's moments over all sessions: of frames, and of window means."""
        frames: dict[str, list[PersonMoments]] = {}
        windows: dict[str, list[PersonMoments]] = {}
        for index, one in zip(held_out, found, strict=True):
            participant = self.dataset.series[index].participant
            frames.setdefault(participant, []).append(fold_scores.by_dimension(one.frames))
            windows.setdefault(participant, []).append(fold_scores.by_dimension(one.windows))
        return FoldMoments(
            frames={person: fold_scores.merge(parts) for person, parts in frames.items()},
            windows={person: fold_scores.merge(parts) for person, parts in windows.items()},
        )

    def _fold_score(self, k: int, moments: FoldMoments) -> FoldScore:
        chosen = self.training.chosen_epoch(k)
        return FoldScore(
            fold=k,
            participants=tuple(self.dataset.folds[k].held_out),
            chosen_epoch=chosen,
            selection_loss=self.training.history[chosen - 1].validation_loss[k],
            train_loss=self.training.history[chosen - 1].train_loss[k],
            scores=measures.of_fold(moments),
            moments=sums_of(moments.frames),
            window_moments=sums_of(moments.windows or {}),
        )


def _curve(history: list[Epoch], dataset: Dataset) -> Curve:
    """Return each epoch's mean over the folds, and under `<name>_sd` its spread (dividing by k - 1).

    As of scores, folds whose validation people have no labelled frame of a dimension are left out of its means, unless
    no other is there.
    """
    labelled = {
        f"ccc_{dimension}": [
            k
            for k, split in enumerate(dataset.splits)
            if any(dataset.series[index].mask_T2[:, column].any() for index in split.validation)
        ]
        for column, dimension in enumerate(DIMENSIONS)
    }
    curve: dict[str, tuple[float | None, ...]] = {}
    for key in CURVES:
        kept = labelled.get(key) or range(len(dataset.splits))
        rows = [[getattr(epoch, key)[k] for k in kept] for epoch in history]
        curve[key] = tuple(float(np.mean(row)) for row in rows)
        curve[f"{key}_{measures.SPREAD}"] = tuple(spread(row) for row in rows)
    return curve


def _federation(training: FederatedFolds) -> FederationRecord:
    """Return what the rounds took: seconds both ways, bytes, who failed (paper, section IV.D)."""
    rounds = training.rounds
    # From the rounds, which a checkpoint holds: a trial that was taken up again says the same.
    first = next((ClientFailed(one.number, bad) for one in rounds for bad in one.failures), None)
    return FederationRecord(
        rounds=len(rounds),
        clients=len({name for one in rounds for fold in one.trained for name in fold}),
        bytes_up=sum(one.bytes_up for one in rounds),
        bytes_down=sum(one.bytes_down for one in rounds),
        failures=sum(len(one.failures) for one in rounds),
        wall_seconds=sum(one.seconds for one in rounds),
        paper_seconds=training.paper_seconds,
        own_ccc_valence=_own(rounds, "own_ccc_valence"),
        own_ccc_arousal=_own(rounds, "own_ccc_arousal"),
        first_failure=None if first is None else f"{first}\n{first.traceback}".rstrip(),
        left_apart=LEFT_APART if training.federation.secure_sum else None,
        by_round=tuple(_round_record(one) for one in rounds),
    )


def _own(rounds: list[Round], key: str) -> float | None:
    """Average over the folds the score of the clients' own networks after the last round; None without such."""
    values = getattr(rounds[-1], key) if rounds else ()
    return float(np.mean(values)) if values else None


def _round_record(one: Round) -> RoundRecord:
    return RoundRecord(
        round=one.number,
        seconds=one.seconds,
        trained=sum(len(names) for names in one.trained),
        failed=tuple(f"{bad.client} (fold {bad.fold}): {bad.reason}" for bad in one.failed),
        refused=tuple(f"{bad.client} (fold {bad.fold}): {bad.reason}" for bad in one.refused),
        bytes_down=one.bytes_down,
        bytes_up=one.bytes_up,
        train_loss=tuple(one.train_loss),
        validation_loss=tuple(one.validation_loss),
        ccc_valence=tuple(one.ccc_valence),
        ccc_arousal=tuple(one.ccc_arousal),
        own_ccc_valence=tuple(one.own_ccc_valence),
        own_ccc_arousal=tuple(one.own_ccc_arousal),
        secure=_secure_record(one) if one.secure else None,
    )


def _secure_record(one: Round) -> SecureRecord:
    def by_stage(counts: list[Mapping[str, int]]) -> dict[str, int]:
        stages = dict.fromkeys(stage for of_fold in counts for stage in of_fold)
        return {stage: sum(of_fold.get(stage, 0) for of_fold in counts) for stage in stages}

    return SecureRecord(
        survivors=tuple(fold.survivors for fold in one.secure),
        lost=tuple(
            f"{name} (fold {fold.fold}, {stage})"
            for fold in one.secure
            for stage, names in fold.dropped.items()
            for name in names
        ),
        bits=dict(one.secure[0].bits),
        bytes_down=by_stage([fold.bytes_down for fold in one.secure]),
        bytes_up=by_stage([fold.bytes_up for fold in one.secure]),
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
