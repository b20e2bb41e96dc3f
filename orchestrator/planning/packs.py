"""Which trials are trained together: packs of one shape, in the order of the plan.

A pack shares network, hidden size, layers and sequence length, so that its models can be stacked (`models.stacks`).
Nothing forms packs yet: a search trains one configuration per trial.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from models.backends import AUTO, models_per_stack
from orchestrator.planning.plan import Trial
from orchestrator.planning.recipe import make_recipe
from orchestrator.protocols import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """Trials of one shape, by uid, in the order of the plan."""

    uids: tuple[str, ...]


def form_packs(
    trials: Sequence[Trial], protocol: Protocol, *, size: str | int = AUTO, workers: int = 1
) -> tuple[Pack, ...]:
    """Form packs of at most `size` trials; with "auto" of as many as pay, and no fewer packs than workers can take.

    Trials of a pack differ in their learning rate only. Packs come in the order of their first trials, and equal plans
    give equal packs. ValueError: a size below 1.
    """
    if size != AUTO and (not isinstance(size, int) or size < 1):
        raise ValueError(f"a pack has at least 1 trial, or their number is {AUTO!r}: found {size!r}")
    shapes: dict[object, list[Trial]] = {}
    for trial in trials:
        shapes.setdefault((trial.network, replace(trial.hparams, learning_rate=1.0)), []).append(trial)
    most = math.ceil(len(trials) / max(1, workers))
    first = {trial.uid: place for place, trial in enumerate(trials)}
    packs: list[Pack] = []
    for alike in shapes.values():
        number = size if isinstance(size, int) else min(most, _that_pay(alike[0], protocol))
        uids = [trial.uid for trial in alike]
        packs += [Pack(uids=tuple(uids[at : at + number])) for at in range(0, len(uids), number)]
    return tuple(sorted(packs, key=lambda pack: first[pack.uids[0]]))


def _that_pay(trial: Trial, protocol: Protocol) -> int:
    """Return how many trials of this shape, with all their folds, fill one stack."""
    return max(1, models_per_stack(make_recipe(trial, protocol, None)) // protocol.num_folds)
