"""Which trials are trained together: packs of one shape, in the order of the plan; and by which back end.

A pack shares network, hidden size, layers and sequence length, so that its models can be stacked (`models.stacks`).
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import replace

from models.backends import (
    MOST_MODELS_ON_GPU,
    ON_GPU,
    REFERENCE,
    STACKED,
    STACKS,
    choose,
    is_stackable,
    models_per_stack,
)
from models.gpus import num_gpus
from orchestrator.errors import InputError
from orchestrator.planning.plan import Packs, Plan, SearchOptions, Trial
from orchestrator.planning.recipe import make_recipe
from orchestrator.process.processors import num_processors


def backend_of(trial: Trial, plan: Plan) -> str:
    """Return which code trains the folds of a trial, or the clients of a federation; none of them is `auto`.

    It depends neither on the trial's pack nor on the machine, so that a configuration has the same bits in every run.
    """
    options, recipe = plan.search, make_recipe(trial, plan.protocol)
    if _has_trained_backbone(plan) or (plan.federation is not None and not plan.federation.stackable):
        return REFERENCE
    cpus, gpus = options.cpus_per_trial, options.gpus_per_trial
    if plan.federation is not None:
        cpus, gpus = options.cpus_per_client, options.gpus_per_client
    threads, device = max(1, int(cpus)), "cuda" if gpus else "cpu"
    clients = plan.federation is not None
    models = plan.protocol.num_folds
    return choose(options.backend, recipe, models=models, threads=threads, device=device, clients=clients)


def check_backend(plan: Plan) -> None:
    """Refuse stacks of what they cannot train, or without the device they are for; InputError naming it."""
    backend = plan.search.backend
    if backend not in STACKS:
        return
    if backend in ON_GPU and not plan.search.gpus_per_trial:
        expected = f"{STACKED} without a GPU, or --gpus-per-trial above 0"
        if plan.federation is not None:
            expected = f"{STACKED} or {REFERENCE} for the clients of a federation"
        raise InputError.of("--backend", found=f"{backend} without a GPU", expected=expected)
    if backend == STACKED and plan.search.gpus_per_trial and plan.federation is None:
        expected = f"{' or '.join(ON_GPU)} on a GPU, or --gpus-per-trial 0"
        raise InputError.of("--backend", found=f"{STACKED} with --gpus-per-trial", expected=expected)
    found = None
    if plan.federation is not None and not plan.federation.stackable:
        found = "secure sums, or clients that keep their optimiser or have a proximal term"
    if _has_trained_backbone(plan):
        found = "frames with a trained backbone"
    elif not is_stackable(make_recipe(plan.trials[0], plan.protocol)):  # they differ in no choice of the protocol
        protocol = plan.protocol
        found = f"loss {protocol.loss}, head {protocol.head}, the best epoch by {protocol.best_by}"
    if found is not None:
        raise InputError.of("--backend", found=f"{backend} with {found}", expected="auto or reference, which train it")


def _has_trained_backbone(plan: Plan) -> bool:
    return plan.images is not None and plan.images.backbone != "frozen"


def form_packs(plan: Plan, trials: Sequence[Trial]) -> Packs:
    """Return the packs' uids: of at most `--pack` trials; with "auto" of as many as pay.

    And no fewer packs than workers can take at once, as far as they are known. Trials of a pack differ in their
    learning rate only; what the reference trains is alone, and so is a federation, whose stacks are its clients. Packs
    come in the order of their first trials, and equal plans give equal packs.
    """
    shapes: dict[object, list[Trial]] = {}
    for trial in trials:
        alone = plan.federation is not None or backend_of(trial, plan) == REFERENCE
        shape = trial.uid if alone else (trial.network, replace(trial.hparams, learning_rate=1.0))
        shapes.setdefault(shape, []).append(trial)
    most = math.ceil(len(trials) / _workers(plan.search))
    first = {trial.uid: place for place, trial in enumerate(trials)}
    packs: list[tuple[str, ...]] = []
    for alike in shapes.values():
        pack = plan.search.pack
        size = pack if isinstance(pack, int) else max(1, min(most, _that_pay(alike[0], plan)))
        uids = [trial.uid for trial in alike]
        packs += [tuple(uids[at : at + size]) for at in range(0, len(uids), size)]
    return tuple(sorted(packs, key=lambda pack: first[pack[0]]))


def packs_left(plan: Plan, left: Collection[str]) -> Packs:
    """Return the plan's packs of the trials that are left, and each that is in none alone."""
    known = {uid for pack in plan.packs for uid in pack}
    parts = [tuple(uid for uid in pack if uid in left) for pack in plan.packs]
    alone = [(trial.uid,) for trial in plan.trials if trial.uid in left and trial.uid not in known]
    return tuple(part for part in (*parts, *alone) if part)


def _workers(options: SearchOptions) -> int:
    """Return how many trials this machine trains at once; of a cluster nothing is known when the plan is made: 1."""
    if options.address is not None:
        return 1
    if options.gpus_per_trial:
        return max(1, int(num_gpus() / options.gpus_per_trial))
    return max(1, int((options.num_cpus or num_processors()) / options.cpus_per_trial))


def has_free_processor(plan: Plan) -> bool:
    """Whether this machine has a processor that no trial takes; of a cluster nothing is known."""
    options = plan.search
    if options.address is not None:
        return False
    return num_processors() - _workers(options) * options.cpus_per_trial >= 1


def _that_pay(trial: Trial, plan: Plan) -> int:
    """Return how many trials of this shape, with all their folds, fill one stack."""
    recipe = make_recipe(trial, plan.protocol)
    models = MOST_MODELS_ON_GPU if backend_of(trial, plan) in ON_GPU else models_per_stack(recipe)
    return models // plan.protocol.num_folds
