"""Training of a pack: configurations of one shape with all their folds as stacks (`models.stacks`).

A pack's folder holds its checkpoint while it runs. What came of each configuration lies in the configuration's own
folder, as if it had been trained alone: trial_scores.py.
"""

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from models.backends import STACKED
from models.checkpoints import CheckpointError
from models.stacks.folds import StackedFolds
from models.windows import Series
from orchestrator.corpora.cache import remove
from orchestrator.data.dataset import Dataset
from orchestrator.planning.packs import backend_of
from orchestrator.planning.plan import Plan, Trial
from orchestrator.planning.recipe import make_recipe
from orchestrator.search.checkpoint_pace import CheckpointPace
from orchestrator.search.trial import Told
from orchestrator.search.trial_scores import TrialScores


class PackRun:
    """Configurations on all folds, resumable at any epoch from a checkpoint of theirs or of a pack they were in."""

    def __init__(  # noqa: PLR0913 - the parts of a pack, each given once
        self,
        trials: Sequence[Trial],
        dataset: Dataset,
        plan: Plan,
        *,
        trials_folder: Path,
        checkpoint: Path,
        earlier: Sequence[Path] = (),
        device: str = "cpu",
    ) -> None:
        """Build the networks, or take them up from `checkpoint`, or from the first of the `earlier` packs' that fits.

        `plan` is what all the `trials` are trained by; `dataset` as for a single trial, of features. Results go to the
        trials' folders in `trials_folder`; the stacks are trained on `device`.
        """
        self.trials, self.dataset, self.plan, self.checkpoint = tuple(trials), dataset, plan, checkpoint
        self.device = device
        asked = backend_of(trials[0], plan)
        # Without a GPU that torch can use, as where Ray has counted one, what is for it is left.
        self.backend = STACKED if device == "cpu" else asked
        for trial in trials:
            (trials_folder / trial.uid).mkdir(parents=True, exist_ok=True)
        self.training = self._taken_up([checkpoint, *earlier])
        self.taken_up = self.training.epochs_done
        precision = None if device == "cpu" else self.training.precision
        self.scores = {
            trial.uid: TrialScores(
                trial,
                dataset,
                plan,
                folder=trials_folder / trial.uid,
                training=configuration,
                backend=self.training.layers.backend,
                precision=precision,
            )
            for trial, configuration in zip(trials, self.training.configurations, strict=True)
        }

    def _new(self) -> StackedFolds:
        recipes = [make_recipe(trial, self.plan.protocol, self.dataset.backbone) for trial in self.trials]
        seeds = [self.plan.seed] * len(recipes)
        series = [one for one in self.dataset.local_series() if isinstance(one, Series)]  # a pack is of features
        return StackedFolds(
            series,
            self.dataset.splits,
            recipes,
            seeds=seeds,
            device=self.device,
            backend=self.backend,
            precision=self.plan.search.precision,
        )

    def _taken_up(self, folders: Sequence[Path]) -> StackedFolds:
        """Return the training, from the first checkpoint that can be read: from the beginning the result is the same.

        One of its own that cannot be read is removed: killed while it was written first, or damaged somehow.
        """
        training = self._new()
        for folder in filter(Path.exists, folders):
            try:
                training.load(folder)
            except (CheckpointError, OSError):
                if folder == self.checkpoint:
                    remove(folder)
                training = self._new()
            else:
                break
        return training

    def epochs(self) -> Iterator[Told]:
        """Yield the epochs that are left, by uid; the state is on disk every `checkpoint_seconds`.

        A configuration that diverges is told of once and has left; the others go on.
        """
        pace = CheckpointPace(self.plan.search.checkpoint_seconds)
        before = [(one, own.failure) for one, own in zip(self.trials, self.training.configurations, strict=True)]
        diverged: Told = {trial.uid: failure for trial, failure in before if failure is not None}
        if diverged:  # in an earlier process
            yield diverged
        for epoch in self.training.epochs():
            yield {self.trials[place].uid: one for place, one in epoch.items()}
            pace.save_if_due(lambda: self.training.save(self.checkpoint))

    def leave(self, uid: str) -> None:
        """Take a configuration out, between two epochs; its progress was written before."""
        places = {trial.uid: place for place, trial in enumerate(self.trials)}
        self.training.leave(places[uid])

    def close(self) -> None:
        """Drop the checkpoint; only when all configurations have ended."""
        shutil.rmtree(self.checkpoint, ignore_errors=True)
        with contextlib.suppress(OSError):  # another pack's is in it
            self.checkpoint.parent.rmdir()
