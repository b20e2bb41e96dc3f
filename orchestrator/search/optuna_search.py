"""Sequential search over the grid's points by Optuna, in generations, so that it repeats and resumes exactly.

All points of a generation are asked for at once and those of one shape are trained together; their results are given
to Optuna in the order of the questions, whichever trial ends first; so the number of workers does not change which
points are tried. Resuming repeats the same questions and answers them from the stored results.
"""

import dataclasses
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from models.seeds import seed_for
from orchestrator.errors import InputError
from orchestrator.planning.packs import form_packs
from orchestrator.planning.plan import Plan
from orchestrator.process.extras import install_command
from orchestrator.run_records import TrialResult
from orchestrator.search.halving import VALIDATION_LOSS
from orchestrator.search.pack_config import PackConfig
from tune_spaces.method import HParams, make_hparams

GENERATION = 8  # ours: points asked for at once
MAX_REPEATS = 10  # asks in a row that only repeat known points before an unseen one is drawn by chance


class StopSearch(Exception):  # noqa: N818 - it is a signal, not an error
    """Every point that the search wants has been handed out."""


class OptunaGenerations:
    """Hands out uids of the plan's points; a worker asks by its trial id and tells the validation loss."""

    def __init__(self, plan: Plan, earlier: Mapping[str, TrialResult]) -> None:
        """Start a study over the plan's points; InputError if the extra `optuna` is not installed."""
        try:
            import optuna
        except ImportError as error:
            raise InputError.of(
                "--search",
                found="optuna, which is not installed",
                expected=install_command("optuna"),
            ) from error
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.optuna = optuna
        sampler = optuna.samplers.TPESampler(seed=seed_for(plan.seed, "optuna") % 2**32, n_startup_trials=GENERATION)
        self.study = optuna.create_study(direction="minimize", sampler=sampler)
        self.plan = plan
        self.points = {(trial.network, trial.hparams): trial.uid for trial in plan.trials}
        self.choices = {
            "network": sorted({trial.network for trial in plan.trials}),
            **{
                one.name: sorted({getattr(trial.hparams, one.name) for trial in plan.trials})
                for one in dataclasses.fields(HParams)
            },
        }
        self.left = plan.num_planned
        self.known: dict[str, float | None] = {
            uid: result.curve["validation_loss"][-1] for uid, result in earlier.items()
        }
        self.generation: list[tuple[Any, str]] = []
        self.waiting: list[tuple[str, ...]] = []  # packs
        self.asked: dict[str, tuple[str, ...]] = {}  # by Tune's id of a trial
        self.seen: set[str] = set()
        self.by_chance = list(self.points.items())
        random.Random(seed_for(plan.seed, "optuna", "by-chance")).shuffle(self.by_chance)

    def ask(self, trial_id: str) -> tuple[str, ...] | None:
        """Return the uids to train next; None while a generation is still being trained; StopSearch at the end."""
        while not self.waiting:
            if any(uid not in self.known for _, uid in self.generation):
                return None
            self._tell_generation()
            if not self.left:
                raise StopSearch
            self._ask_generation()
        uids = self.waiting.pop(0)
        self.asked[trial_id] = uids
        return uids

    def tell(self, trial_id: str, losses: Mapping[str, float]) -> None:
        """Record the validation losses of a trial's configurations; those without one failed."""
        for uid in self.asked.pop(trial_id, ()):
            self.known[uid] = losses.get(uid)

    def divide(self, trial_id: str) -> None:
        """Hand out again in halves, next, a pack that failed as a whole."""
        uids = self.asked.pop(trial_id)
        self.waiting[:0] = [half.uids for half in PackConfig(uids=uids).divided(uids)]

    def _tell_generation(self) -> None:
        for question, uid in self.generation:
            loss = self.known[uid]
            if loss is None:
                self.study.tell(question, state=self.optuna.trial.TrialState.FAIL)
            else:
                self.study.tell(question, loss)
        self.generation = []

    def _ask_generation(self) -> None:
        repeats = 0
        while len(self.generation) < GENERATION and self.left:
            if repeats >= MAX_REPEATS:
                # The sampler sticks to what it knows; every planned trial is still owed an unseen point.
                self.study.enqueue_trial(self._unseen())
            question = self.study.ask()
            values = {key: question.suggest_categorical(key, options) for key, options in self.choices.items()}
            uid = self.points.get((values.pop("network"), make_hparams(values)))
            if uid is None or uid in self.seen:
                # A refused point, or one already handed out: it has no second answer.
                self.study.tell(question, state=self.optuna.trial.TrialState.FAIL)
                repeats += 1
                continue
            repeats = 0
            self.seen.add(uid)
            self.left -= 1
            self.generation.append((question, uid))
        self.waiting = self._packs([uid for _, uid in self.generation if uid not in self.known])

    def _packs(self, uids: Sequence[str]) -> list[tuple[str, ...]]:
        return [*form_packs(self.plan, [trial for trial in self.plan.trials if trial.uid in uids])]

    def _unseen(self) -> dict[str, str | float]:
        (network, hparams), _ = next(point for point in self.by_chance if point[1] not in self.seen)
        return {"network": network, **dataclasses.asdict(hparams)}


def searcher(plan: Plan, earlier: Sequence[TrialResult], complain: Callable[[str, Exception], None]) -> Any:
    """Return the search over a plan's points as a Tune searcher that goes on from earlier results."""
    return as_ray_searcher(OptunaGenerations(plan, {result.uid: result for result in earlier}), complain)


def as_ray_searcher(generations: OptunaGenerations, complain: Callable[[str, Exception], None] | None = None) -> Any:
    """Return the search as a Tune searcher; what goes wrong in it ends no trial, and goes to `complain`."""
    from ray.tune.search import Searcher

    class Adapter(Searcher):  # type: ignore[misc]
        def __init__(self, **settings: Any) -> None:
            super().__init__(**settings)
            self.losses: dict[str, dict[str, float]] = {}  # by Tune's id of a trial, by uid

        def suggest(self, trial_id: str) -> Any:
            try:
                uids = generations.ask(trial_id)
            except StopSearch:
                return Searcher.FINISHED
            except Exception as error:
                if complain is None:
                    raise
                complain("Optuna suggests nothing further", error)
                return Searcher.FINISHED
            return PackConfig(uids=uids).to_tune() if uids else None

        def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
            """Remember the last losses: who is stopped early, or has ended before the others, is in no later report."""
            losses = self.losses.setdefault(trial_id, {})
            losses |= {one["uid"]: one[VALIDATION_LOSS] for one in result["members"] if VALIDATION_LOSS in one}
            for uid in result["failed"]:
                losses.pop(uid, None)

        def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
            try:
                if result and not error:
                    self.on_trial_result(trial_id, result)
                losses = self.losses.pop(trial_id, {})
                if (error or not result or result.get("broken")) and len(generations.asked.get(trial_id, ())) > 1:
                    generations.divide(trial_id)
                else:
                    generations.tell(trial_id, {} if error else losses)
            except Exception as problem:
                if complain is None:
                    raise
                complain("while Optuna was told a result", problem)

        def save(self, checkpoint_path: str) -> None:
            """Nothing to save: the trials' own results are the state."""

        def restore(self, checkpoint_path: str) -> None:
            """See `save`."""

    return Adapter(metric=VALIDATION_LOSS, mode="min")
