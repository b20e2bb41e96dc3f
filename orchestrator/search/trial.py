"""Training of one trial by the reference, or as a federation: yields epochs, writes checkpoints, scores it at the end.

A trial's folder holds `checkpoint/` while it runs; what it holds when it is done: trial_scores.py.
"""

from collections.abc import Iterator
from pathlib import Path

from fed.executor import Start
from fed.rounds import FederatedFolds
from models.training import Epoch, FoldsInTraining, TrainingDiverged
from orchestrator.corpora.cache import remove
from orchestrator.data.dataset import Dataset
from orchestrator.planning.packs import backend_of
from orchestrator.planning.plan import Plan, Trial
from orchestrator.planning.recipe import make_recipe
from orchestrator.run_folder import CHECKPOINT_FOLDER
from orchestrator.run_records import TrialResult
from orchestrator.search.checkpoint_pace import CheckpointPace
from orchestrator.search.trial_scores import TrialScores

Told = dict[str, Epoch | TrainingDiverged]  # what an epoch brought, by the uid of a configuration


def start_training(  # noqa: PLR0913 - the parts of a trial, each given once
    trial: Trial, dataset: Dataset, plan: Plan, *, checkpoint: Path, device: str, start: Start
) -> FoldsInTraining | FederatedFolds:
    """Build the networks of all folds: trained here, or as federations by the executor that `start` makes."""
    recipe = make_recipe(trial, plan.protocol, dataset.backbone)
    weights = dataset.backbone.weights if dataset.backbone and not dataset.backbone.frozen else None
    if plan.federation is None:
        return FoldsInTraining(
            dataset.local_series(),
            dataset.splits,
            recipe,
            seed=plan.seed,
            device=device,
            backbone_weights=weights,
            precision=plan.search.precision,
        )
    return FederatedFolds(
        dataset.clients,
        [series.participant for series in dataset.series],
        dataset.splits,
        recipe,
        plan.federation,
        seed=plan.seed,
        start=start,
        checkpoint=checkpoint,
        backbone_weights=weights,
        backend=backend_of(trial, plan),
        identities=None if plan.search.identities is None else Path(plan.search.identities),
    )


class TrialRun:
    """One configuration on all folds, resumable at any epoch from its own folder."""

    def __init__(  # noqa: PLR0913 - the parts of a trial, each given once
        self,
        trial: Trial,
        dataset: Dataset,
        plan: Plan,
        *,
        folder: Path,
        device: str = "cpu",
        start: Start,
    ) -> None:
        """Build the networks, or take them up from the folder's checkpoint."""
        self.trial, self.plan, self.folder = trial, plan, folder
        folder.mkdir(parents=True, exist_ok=True)
        checkpoint = folder / CHECKPOINT_FOLDER
        self.training = start_training(trial, dataset, plan, checkpoint=checkpoint, device=device, start=start)
        if checkpoint.exists():
            try:
                self.training.load(checkpoint)
            except Exception:
                # Killed while it wrote its first, or damaged somehow: from the beginning the result is the same.
                remove(checkpoint)
                self.close()
                self.training = start_training(trial, dataset, plan, checkpoint=checkpoint, device=device, start=start)
        self.taken_up = len(self.training.history)  # epochs that an earlier run had trained
        backend = backend_of(trial, plan)
        on_gpu = isinstance(self.training, FoldsInTraining) and device != "cpu"
        precision = plan.search.precision if on_gpu else None
        scores = TrialScores(
            trial, dataset, plan, folder=folder, training=self.training, backend=backend, precision=precision
        )
        self.scores = {trial.uid: scores}

    def close(self) -> None:
        """Release a federation's processes."""
        if isinstance(self.training, FederatedFolds):
            self.training.close()

    def epochs(self) -> Iterator[Told]:
        """Yield the epochs that are left; the state is on disk every `checkpoint_seconds`, and never costs much.

        A training that diverges raises: nothing of it can go on.
        """
        pace = CheckpointPace(self.plan.search.checkpoint_seconds)
        for epoch in self.training.epochs():
            yield {self.trial.uid: epoch}
            if isinstance(self.training, FoldsInTraining):  # a federation saves itself after every round
                pace.save_if_due(lambda: self.training.save(self.folder / CHECKPOINT_FOLDER))

    def finish(self) -> TrialResult:
        """Write result, predictions and weights, drop the checkpoint."""
        return self.scores[self.trial.uid].finish()
