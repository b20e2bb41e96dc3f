"""Federated learning of k folds in lock-step, one round at a time (paper, sections III.B and IV.D).

The same interface as `models.training.FoldsInTraining`: a round is an epoch.
Shapes: K folds, T frames of a recording, 2 = valence and arousal.
"""

import json
import logging
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from fed import secure_round
from fed.aggregators import ServerState
from fed.checkpoint import identity, load, save
from fed.client import Client
from fed.cohort import Cohort, described
from fed.executor import Start
from fed.federated_round import Broadcast, Setting, Trained, evaluate, train
from fed.fewest import check_clients, fewest_updates
from fed.local_plan import LocalPlan
from fed.messages import Call, ClientState, Failure
from fed.options import Federation
from fed.round_records import ClientFailed, QuorumLost, Round, paper_seconds
from fed.scores import pooled
from fed.secure_sums.graph import least_survivors
from fed.updates import Layout, flatten, trained_places, unflatten
from models.backends import REFERENCE
from models.ccc import ccc
from models.epochs import Evaluation
from models.losses import loss_of, target_of
from models.recipe import Recipe
from models.splits import FoldSplit
from models.trace_scores import Scored
from models.training import Epoch, TrainingDiverged, chosen_epoch

_LOG = logging.getLogger(__name__)


class FederatedFolds:
    """K federations of one recipe, as many rounds as the recipe has epochs; equal seeds give equal bits on a CPU.

    Randomness comes from (seed, fold, client, round) alone, sums are exact: the result depends neither on the
    executor and its packing, nor on the order of arrival, nor on where a resumed training was interrupted.
    """

    def __init__(  # noqa: PLR0913 - everything a federation depends on
        self,
        clients: Sequence[Client],
        participants: Sequence[str],
        splits: Sequence[FoldSplit],
        recipe: Recipe,
        federation: Federation | None = None,
        *,
        seed: int,
        start: Start,
        checkpoint: Path | None = None,
        backbone_weights: Mapping[str, Tensor] | None = None,
        backend: str = REFERENCE,
        identities: Path | None = None,
    ) -> None:
        """Start the executor and let every client read its data.

        `participants[i]` owns series i of the splits; a client's recipe gives its series in that order. `federation`:
        the choices beside the `recipe`, by default the paper's. `seed` and `backbone_weights` decide the first network.
        `start` decides where the clients run: there are two in fed/executors/. `backend` and `identities` as in
        `LocalPlan`. With `checkpoint`, a folder, the state is saved there after every round. ValueError: unknown names,
        a participant without a client, series that do not fit the recipe, a fold that has no labelled window to train
        or to validate on, or too few clients for the aggregator. ClientFailed: a client cannot read its data.
        """
        loss_of(recipe.loss), target_of(recipe.target)
        self.recipe = recipe
        self.federation = federation or Federation()
        self.seed = seed
        self.history: list[Epoch] = []
        self.rounds: list[Round] = []
        self.first_failure: ClientFailed | None = None
        self._checkpoint = checkpoint
        self._plan = LocalPlan(
            recipe=recipe,
            federation=self.federation,
            splits=tuple(splits),
            seed=seed,
            backbone_weights=backbone_weights,
            backend=backend,
            identities=identities,
        )
        self._cohort = Cohort.of(clients, participants, splits)
        for fold in range(self.num_folds):
            check_clients(self.federation, len(self._cohort.training(fold)))
        self._executor = start(clients, self._plan)
        try:
            self._descriptions = described(self._executor, self._cohort, self.federation.round_deadline_seconds)
            self._cohort.check_folds(self._descriptions, recipe.sequence_length)
            self._states, self.layout, self._trained = self._first_states()
            self._identity = identity(self._plan, self._cohort, self._descriptions, self.layout)
            if self.federation.secure_sum:
                secure_round.check(self._setting())
        except BaseException:
            self._executor.close()
            raise
        self._best = list(self._states) if recipe.keep != "last" else []
        self._client_states: dict[tuple[int, str], ClientState] = {}
        self._broadcast = Broadcast.of(self._states)

    @property
    def num_folds(self) -> int:
        """K."""
        return len(self._cohort.splits)

    @property
    def paper_seconds(self) -> float:
        """Training time so far as the paper counts it (section IV.D); the epochs' own seconds are measured."""
        return paper_seconds(self.rounds, [len(self._cohort.training(k)) for k in range(self.num_folds)])

    def close(self) -> None:
        """Release the executor's processes and memory; nothing can be trained or predicted afterwards."""
        self._executor.close()

    def epochs(self) -> Iterator[Epoch]:
        """Train on from the current state and yield each round as it ends, until the recipe's last epoch.

        QuorumLost when a fold has too few clients left: the state is that before the round, and saved if a
        checkpoint folder was given. TrainingDiverged when a validation loss is not finite.
        """
        while len(self.history) < self.recipe.epochs:
            epoch = self._round(len(self.history) + 1)
            self._save_if_asked()
            yield epoch

    def chosen_epoch(self, fold: int) -> int:
        """Return the round whose weights score, by the recipe's `keep`."""
        return chosen_epoch(self.history, fold, self.recipe.keep)

    def fold_state(self, fold: int) -> dict[str, Tensor]:
        """Copy the chosen global weights of a fold."""
        chosen = self._chosen(fold)
        return unflatten(chosen.weights, chosen.integers, self.layout)

    def predict(self, fold: int, indices: Sequence[int]) -> list[NDArray[np.float32]]:
        """Predict traces (T, 2) of the series `indices` with the chosen weights; NaN where no window lies."""
        return [one.trace_T2 for one in self.score(fold, indices)]

    def score(self, fold: int, indices: Sequence[int]) -> list[Scored]:
        """Predict the series `indices` with the chosen weights and score them, in the process that holds the labels.

        ClientFailed when a participant's process cannot be had.
        """
        chosen = self._chosen(fold)
        jobs = self._cohort.jobs(fold, indices)
        call = Call(
            kind="score",
            number=len(self.history),
            jobs=tuple(replace(job, row=0) for job in jobs),
            deadline_seconds=self.federation.round_deadline_seconds,
            weights=chosen.weights[None],
            integers=chosen.integers[None],
        )
        found: dict[int, Scored] = {}
        for answer in self._executor.run(call):
            for failure in answer.failures:
                raise ClientFailed(len(self.history), failure)
            for job in jobs:
                of_job = zip(job.series, answer.values[job.client], strict=True)
                found |= {self._cohort.index_of(job.client, place): one for place, one in of_job}
        return [found[index] for index in indices]

    def save(self, folder: Path) -> None:
        """Write all state into one checkpoint, atomically; at any time, always as of the end of a round."""
        save(
            folder,
            identity=self._identity,
            clients=self._cohort.names,
            states=self._states,
            best=self._best,
            client_states=self._client_states,
            history=self.history,
            rounds=self.rounds,
        )

    def load(self, folder: Path) -> None:
        """Continue from a checkpoint of the same federation.

        CheckpointError (a ValueError): nothing there, damaged, or of another recipe, federation, seed, split or
        data.
        """
        found = load(folder, identity=self._identity, clients=self._cohort.names)
        self._states, self._best = list(found.states), list(found.best)
        self._client_states = dict(found.client_states)
        self.history, self.rounds = list(found.history), list(found.rounds)
        self._broadcast = Broadcast.of(self._states)

    def _chosen(self, fold: int) -> ServerState:
        return self._best[fold] if self.recipe.keep != "last" else self._states[fold]

    def _first_states(self) -> tuple[list[ServerState], Layout, tuple[slice, ...]]:
        num_features = next(iter(self._descriptions.values())).num_features
        networks = [self._plan.new_model(num_features, fold) for fold in range(self.num_folds)]
        layout = Layout.of(networks[0].state_dict())
        states = []
        for network in networks:
            weights, integers = flatten(network.state_dict(), layout)
            states.append(ServerState(weights=weights, integers=integers))
        return states, layout, trained_places(networks[0], layout)

    def _setting(self) -> Setting:
        return Setting(
            executor=self._executor,
            cohort=self._cohort,
            federation=self.federation,
            layout=self.layout,
            trained=self._trained,
            descriptions=self._descriptions,
            run=json.dumps(self._identity, sort_keys=True).encode(),
            receipts=self._plan.identities is not None,
        )

    def _round(self, number: int) -> Epoch:
        start = time.perf_counter()
        setting = self._setting()
        by_fold: dict[int, Trained] = {}
        for one in self._trained_folds(setting, number):
            by_fold[one.fold] = one
            self._show_first(number, one.failures)
        trained = [by_fold[k] for k in range(self.num_folds)]
        record = self._record(number, trained)
        self._demand([one.failures for one in trained], [len(one.clients) for one in trained], record, start)
        states = [one.state for one in trained]
        broadcast = Broadcast.of(states)
        # A client's own network is evaluated with what it has just kept: of one round before it would be another.
        client_states = self._client_states | {
            (one.fold, report.client): report.state
            for one in trained
            for report in one.reports
            if report.state is not None
        }
        found = evaluate(setting, number, broadcast, client_states)
        evaluated = [found[k] for k in range(self.num_folds)]
        failures = [one.failures for one in evaluated]
        self._show_first(number, sum(failures, ()))
        record = replace(record, failures=record.failures + sum(failures, ()))
        self._demand(failures, [len(one.validation) for one in evaluated], record, start, training=False)
        validated = [pooled(one.validation) for one in evaluated]
        for fold, score in enumerate(validated):
            if not math.isfinite(score.loss):
                raise TrainingDiverged(fold, number, f"validation loss is {score.loss}")
        # From here on nothing fails: the round counts as a whole or not at all.
        self._states, self._broadcast, self._client_states = states, broadcast, client_states
        own = [pooled(one.own) for one in evaluated if one.own]
        self._append(record, validated, own, time.perf_counter() - start)
        return self.history[-1]

    def _trained_folds(self, setting: Setting, number: int) -> Iterator[Trained]:
        if not self.federation.secure_sum:
            return train(setting, number, self._states, self._broadcast, self._client_states)
        return secure_round.train(setting, number, self._states, self._broadcast)

    def _append(
        self, record: Round, validated: Sequence[Evaluation], own: Sequence[Evaluation], seconds: float
    ) -> None:
        record = replace(
            record,
            seconds=seconds,
            validation_loss=tuple(one.loss for one in validated),
            ccc_valence=tuple(ccc(one.valence) for one in validated),
            ccc_arousal=tuple(ccc(one.arousal) for one in validated),
            own_ccc_valence=tuple(ccc(one.valence) for one in own),
            own_ccc_arousal=tuple(ccc(one.arousal) for one in own),
        )
        self.rounds.append(record)
        self.history.append(
            Epoch(
                number=record.number,
                train_loss=record.train_loss,
                validation_loss=record.validation_loss,
                ccc_valence=record.ccc_valence,
                ccc_arousal=record.ccc_arousal,
                seconds=seconds,
                mae_valence=tuple(one.errors[0][0] for one in validated),
                mae_arousal=tuple(one.errors[1][0] for one in validated),
            )
        )
        for fold in range(len(self._best)):
            if self.chosen_epoch(fold) == record.number:
                self._best[fold] = self._states[fold]

    def _record(self, number: int, trained: Sequence[Trained]) -> Round:
        secure = tuple(one.secure for one in trained if one.secure is not None)
        asked = sum(len(self._cohort.validation(k)) for k in range(self.num_folds))
        if not secure:
            asked += sum(len(self._cohort.training(k)) for k in range(self.num_folds))
        num_up = sum(one.num_vectors for one in trained)
        return Round(
            number=number,
            seconds=0.0,
            client_seconds=tuple(one.seconds for one in trained),
            trained=tuple(one.clients for one in trained),
            failures=sum((one.failures for one in trained), ()),
            bytes_down=asked * self.layout.num_bytes + sum(sum(one.bytes_down.values()) for one in secure),
            bytes_up=num_up * self.layout.num_bytes + sum(sum(one.bytes_up.values()) for one in secure),
            train_loss=tuple(one.train_loss for one in trained),
            secure=secure,
        )

    def _demand(
        self,
        failures: Sequence[Sequence[Failure]],
        left: Sequence[int],
        record: Round,
        start: float,
        *,
        training: bool = True,
    ) -> None:
        """Raise QuorumLost for the first fold with too few clients, after the record and the checkpoint."""
        for fold, num_left in enumerate(left):
            asked = self._cohort.training(fold) if training else self._cohort.validation(fold)
            needed = self.federation.needed(len(asked))
            if training:
                needed = max(needed, fewest_updates(self.federation, len(asked)))
            if training and self.federation.secure_sum:
                needed = max(needed, least_survivors(len(asked)))
            if num_left < needed:
                self.rounds.append(replace(record, seconds=time.perf_counter() - start, train_loss=()))
                self._save_if_asked()
                raise QuorumLost(record.number, fold, num_left, needed, failures[fold]) from self.first_failure

    def _show_first(self, number: int, failures: Sequence[Failure]) -> None:
        for failure in failures:
            if self.first_failure is None:
                self.first_failure = ClientFailed(number, failure)
                _LOG.error("%s\n%s", self.first_failure, failure.traceback)

    def _save_if_asked(self) -> None:
        if self._checkpoint is not None:
            self.save(self._checkpoint)
