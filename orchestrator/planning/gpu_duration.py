"""How long a search takes on GPUs like the one that was measured (`models.gpus`)."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from models import gpus as measured
from models.backends import is_stackable
from orchestrator.data.dataset import Dataset
from orchestrator.planning.plan import Plan, Trial
from orchestrator.planning.recipe import make_recipe

NUMBERS = (1, 8, 64)  # of GPUs, that a dry run names


def seconds_by_trial(plan: Plan, dataset: Dataset, trials: Sequence[Trial]) -> list[float] | None:
    """Return each trial's share of its pack on one GPU, all folds and epochs; None for what was not measured.

    Measured are recurrent networks on features: no images, no federation.
    """
    networks = {trial.network for trial in trials}
    if plan.images is not None or plan.federation is not None or not networks <= measured.MS_PER_STEP.keys():
        return None
    if not all(is_stackable(make_recipe(trial, plan.protocol)) for trial in trials):
        return None
    folds, protocol = len(dataset.folds), plan.protocol
    shapes = [(trial.network, replace(trial.hparams, learning_rate=1.0)) for trial in trials]
    alike = Counter(shapes)
    frames = dataset.num_frames * (folds - 1) // folds
    return [
        protocol.epochs
        * measured.seconds_of_epoch(
            trial.network,
            trial.hparams.hidden_size,
            trial.hparams.sequence_length,
            trial.hparams.num_layers,
            models=alike[shape] * folds,
            frames=frames,
            windows_a_step=protocol.windows_a_step,
        )
        / alike[shape]
        for trial, shape in zip(trials, shapes, strict=True)
    ]


def in_words(plan: Plan, dataset: Dataset, trials: Sequence[Trial]) -> list[str]:
    """Return the line of a dry run on GPUs; none for what was not measured."""
    from orchestrator.planning import duration

    seconds = seconds_by_trial(plan, dataset, trials)
    if seconds is None:
        return []
    each = [duration.in_words(duration.side_by_side(seconds, number)) for number in NUMBERS]
    told = ", ".join(f"{text} on {number}" for text, number in zip(each, NUMBERS, strict=True))
    return [
        f"on GPUs         training {told} {measured.DEVICE}, by packs measured {measured.DATE}, not on this machine"
    ]
