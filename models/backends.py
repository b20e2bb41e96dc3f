"""Which code trains: `reference`, one model after another, or `stacked`, several as one; measured on CPUs.

Figures: `benchmarks/packs.py`, docs/benchmarks.md.
"""

from models.recipe import Recipe
from models.sizes import network_of

REFERENCE, STACKED, AUTO = "reference", "stacked", "auto"
BACKENDS = (AUTO, REFERENCE, STACKED)

# Measured: the recurrent weights that all cells of a stack read at every step must stay in a core's second cache
# (2 MiB on the machine measured) together with what the step writes.
STACK_BYTES = 1 << 20
# Measured: beyond, a stack gains nothing and its memory grows.
MOST_MODELS = 24


def models_per_stack(recipe: Recipe) -> int:
    """Return how many models of this shape pay in one stack; it changes no bit of any."""
    facts = network_of(recipe.network)
    one = 4 * facts.directions * facts.gates * recipe.hidden_size**2
    return max(1, min(MOST_MODELS, STACK_BYTES // one))


def choose(backend: str, recipe: Recipe, *, models: int, threads: int = 1, device: str = "cpu") -> str:
    """Return `reference` or `stacked` for so many models of a shape; ValueError for an unknown `backend`."""
    if backend not in BACKENDS:
        raise ValueError(f"unknown backend {backend!r}: expected one of {', '.join(BACKENDS)}")
    if backend != AUTO:
        return backend
    network_of(recipe.network)
    return STACKED if recipe.trunk is None and models > 1 and threads == 1 and device == "cpu" else REFERENCE
