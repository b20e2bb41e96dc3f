"""How long a search takes on a machine like this: its trainings, what a scheduler saves of them, what is around."""

from collections.abc import Sequence
from dataclasses import dataclass

from models.backends import speed_of
from models.gpus import num_gpus
from models.references import resolve
from orchestrator.data.dataset import Dataset
from orchestrator.planning import gpu_duration
from orchestrator.planning.cost import planned_size
from orchestrator.planning.packs import backend_of
from orchestrator.planning.plan import SERVER_CPUS, Plan, Trial
from orchestrator.planning.recipe import make_recipe
from orchestrator.planning.strategies import SCHEDULERS
from orchestrator.process.processors import num_processors

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
# Of a search besides its trainings, measured on two cores without other load: Ray's start and the baselines before,
# figures, export and tracking after them; and of each worker process the import of torch and Ray.
AROUND_SECONDS = 20.0
WORKER_SECONDS = 5.0

# What nothing on a machine of today costs more than; ours, a tenfold of what was measured: seconds per frame and layer
# of training, of which small networks have most; per frame and weight; per step of an optimiser, and of a step per
# weight; and per frame and pixel of a trained ResNet18, whose weights cost by the step alone.
MOST_PER_LAYER, MOST_PER_WEIGHT = 1e-4, 1e-9
MOST_PER_STEP, MOST_PER_STEP_AND_WEIGHT = 1e-2, 4e-8
MOST_PER_PIXEL = 3e-5


@dataclass(frozen=True, slots=True, kw_only=True)
class Duration:
    """The estimate of a search: seconds by the clock, and what they are made of.

    `by_trial` are the seconds of each planned trial alone, all folds and epochs; `again` those of the repeats; `share`
    is what the scheduler lets run of all epochs, from 0 to 1; `at_once` trials are trained side by side on `cores`.
    """

    seconds: float
    by_trial: tuple[float, ...]
    again: tuple[float, ...]
    share: float
    at_once: int
    cores: int


def estimate(plan: Plan, dataset: Dataset) -> Duration:
    """Estimate a plan's search by a calibration of at most a few seconds; no cluster is considered.

    On GPUs by what packs took on another one; what was not measured there is calibrated as on processors.
    """
    trials = plan.trials[: plan.num_planned]
    seconds = seconds_by_trial(plan, dataset, trials)
    cores = num_cores(plan)
    processes, most_at_once = _room(plan, dataset, cores)
    seconds = [one / processes for one in seconds]
    at_once = max(1, min(most_at_once, len(trials)))
    share = share_of_epochs(plan)
    again = seconds_of_repeats(plan, trials, seconds)
    training = side_by_side([one * share for one in seconds], at_once) + side_by_side(again, at_once)
    return Duration(
        seconds=AROUND_SECONDS + WORKER_SECONDS + training,
        by_trial=tuple(seconds),
        again=tuple(again),
        share=share,
        at_once=at_once,
        cores=cores,
    )


def seconds_by_trial(plan: Plan, dataset: Dataset, trials: Sequence[Trial]) -> list[float]:
    """Return the seconds of each trial on one worker, all folds and epochs: the one place where back ends differ."""
    from models.calibration import estimate_seconds

    if plan.search.gpus_per_trial:
        on_gpu = gpu_duration.seconds_by_trial(plan, dataset, trials)
        if on_gpu is not None:
            return on_gpu
    recipes = [make_recipe(trial, plan.protocol, dataset.backbone) for trial in trials]
    rounds = plan.federation.local_epochs if plan.federation is not None else 1
    threads = max(1, int(plan.search.cpus_per_trial))  # as the workers have
    found = estimate_seconds(recipes, plan.corpus.features, dataset.num_frames, len(dataset.folds), threads=threads)
    speeds = [speed_of(backend_of(trial, plan), recipe) for trial, recipe in zip(trials, recipes, strict=True)]
    return [seconds * rounds / speed for seconds, speed in zip(found, speeds, strict=True)]


def num_cores(plan: Plan) -> int:
    """Return the processors of this machine that the search may use."""
    cores = num_processors()
    return min(plan.search.num_cpus or cores, cores)


def _room(plan: Plan, dataset: Dataset, cores: int) -> tuple[int, int]:
    """Return how many processes train one trial side by side, and how many trials there is room for."""
    options = plan.search
    if plan.federation is None:
        places = int(cores / options.cpus_per_trial)
        if options.gpus_per_trial and num_gpus():
            places = min(places, int(num_gpus() / options.gpus_per_trial))
        return 1, places
    each = options.cpus_per_client or 1.0
    if plan.federation.secure_sum:  # every client has a process of its own, and they share what there is
        number = len(dataset.clients)
        return max(1, min(number, round(cores - SERVER_CPUS))), max(1, int(cores / (SERVER_CPUS + number * each)))
    fitting = max(1, int((cores - SERVER_CPUS) / each))
    processes = fitting if options.client_actors == "auto" else min(fitting, int(options.client_actors))
    processes = max(1, min(processes, len(dataset.clients)))
    return processes, int(cores / (SERVER_CPUS + processes * each))


def share_of_epochs(plan: Plan) -> float:
    """Return the share of all epochs that the scheduler lets run."""
    epochs = SCHEDULERS[plan.search.scheduler].epochs
    trained = plan.num_planned * plan.protocol.epochs
    return 1.0 if epochs is None else float(resolve(epochs)(plan.num_planned, plan.protocol.epochs)) / trained


def seconds_of_repeats(plan: Plan, trials: Sequence[Trial], seconds: Sequence[float]) -> list[float]:
    """Return how long each repeat may take: of the longest configuration of a network, as the best is not known yet."""
    longest: dict[str, float] = {}
    for trial, own in zip(trials, seconds, strict=True):
        longest[trial.network] = max(longest.get(trial.network, 0.0), own)
    return [*longest.values()] * (plan.search.repeats - 1)


def side_by_side(seconds: Sequence[float], at_once: int) -> float:
    """Return when the last is done if the longest begin first and each process takes the next."""
    free = [0.0] * at_once
    for one in sorted(seconds, reverse=True):
        free[free.index(min(free))] += one
    return max(free)


def most_seconds(plan: Plan, dataset: Dataset) -> float:
    """Return what the search surely does not exceed, one trial after another, without a calibration.

    From the frames trained on, layers, weights, optimiser steps and pixels alone, at the costs that stand above.
    """
    frames = dataset.num_frames * len(dataset.folds) * plan.protocol.epochs
    frames *= plan.federation.local_epochs if plan.federation is not None else 1
    pixels = plan.images.image_size**2 if plan.images is not None and plan.images.backbone == "trained" else 0
    seconds = []
    for trial in plan.trials[: plan.num_planned]:
        weights = planned_size(plan, trial)[0]
        a_frame = MOST_PER_LAYER * trial.hparams.num_layers + MOST_PER_PIXEL * pixels
        a_frame += 0.0 if pixels else MOST_PER_WEIGHT * weights
        a_step = MOST_PER_STEP + MOST_PER_STEP_AND_WEIGHT * weights
        frames_per_step = trial.hparams.sequence_length * plan.protocol.windows_a_step
        seconds.append(frames * (a_frame + a_step / frames_per_step))
    return sum(seconds) + plan.search.repeats * max(seconds) * len({trial.network for trial in plan.trials})


def in_words(seconds: float) -> str:
    """Return a duration as people say it: `40 seconds`, `1.8 minutes`, `12 hours`, `3.2 days`."""
    if seconds < 100:
        whole = max(1, round(seconds))
        return f"{whole} second{'s' if whole != 1 else ''}"
    units = ((MINUTE, "minutes", 100 * MINUTE), (HOUR, "hours", DAY), (DAY, "days", float("inf")))
    unit, name = next((unit, name) for unit, name, below in units if seconds < below)
    number = seconds / unit
    return f"{number:.1f} {name}" if number < 10 else f"{round(number):,} {name}"
