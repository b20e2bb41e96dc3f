"""Which code runs a stack's recurrent layers: by the back end, the device, and what the device turns out to bear."""

from dataclasses import dataclass

from models.backends import BF16, STACKED, STACKED_CUDA, TRITON
from models.recipe import Recipe
from models.stacks.cells import Gru, Tanh
from models.stacks.fused import fused, why_not
from models.stacks.lstm import SmallLstm
from models.stacks.network import Kind, kind_on_cpu
from models.stacks.teams import in_teams
from models.stacks.trials import tried

STEPWISE = {"rnn": Tanh, "bigru": Gru, "bilstm": SmallLstm}


@dataclass(frozen=True, slots=True, kw_only=True)
class Layers:
    """What makes a stack's layers, the back end that this is, and whether Adam is a kernel; `note` says why it is less
    than was asked for, None if it is not.
    """

    kind: Kind
    backend: str
    kernels: bool
    note: str | None = None


def layers_for(recipe: Recipe, backend: str, *, precision: str, device: str) -> Layers:
    """Choose the layers of a stack on a device; what `triton` cannot do there is left to `stacked-cuda`."""
    if backend == STACKED:
        return Layers(kind=kind_on_cpu(recipe), backend=STACKED, kernels=False)
    stepwise = type("Half", (STEPWISE[recipe.network],), {"half": precision == BF16})
    if backend == STACKED_CUDA:
        return Layers(kind=stepwise, backend=STACKED_CUDA, kernels=False)
    assert backend == TRITON, backend
    why = []
    for kind in (fused(recipe.network, precision), in_teams(recipe.network, precision)):
        trial = tried(kind, recipe.hidden_size, device)
        if trial.refusal is None:
            return Layers(kind=kind, backend=TRITON, kernels=True)
        why.append(trial.refusal)
    note = f"triton does not run {recipe.network} of {recipe.hidden_size} units here: {'; '.join(dict.fromkeys(why))}"
    return Layers(kind=stepwise, backend=STACKED_CUDA, kernels=why_not() is None, note=note)
