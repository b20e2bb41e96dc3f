"""Names, shapes and types of a network's state by arithmetic, to check a file before a network is built."""

from collections.abc import Iterator
from functools import lru_cache

import torch

from models.backbones import BACKBONES
from models.recipe import ON_DISK, Recipe
from models.sizes import DEFAULT_HEAD, NUM_DIMENSIONS, head_sizes, network_of

Shape = tuple[int, ...]


def count(recipe: Recipe) -> int:
    """Count the tensors of a network's state."""
    cell = network_of(recipe.network)
    return 4 * cell.directions * recipe.num_layers + 4 + len(_of_backbone(recipe.backbone))


def state_shapes(recipe: Recipe, num_features: int) -> Iterator[tuple[str, Shape, str]]:
    """Yield name, shape and type (as safetensors names it) of each tensor of `AffectNetwork.state_dict()`."""
    for name, shape, kind in _of_backbone(recipe.backbone):
        yield f"{ON_DISK['backbone']}.{name}", shape, kind
    cell, hidden = network_of(recipe.network), recipe.hidden_size
    rows, width = cell.gates * hidden, cell.directions * hidden
    for layer in range(recipe.num_layers):
        inputs = width if layer else num_features
        for suffix in ("", "_reverse")[: cell.directions]:
            for name, shape in (
                ("weight_ih", (rows, inputs)),
                ("weight_hh", (rows, hidden)),
                ("bias_ih", (rows,)),
                ("bias_hh", (rows,)),
            ):
                yield f"recurrence.{name}_l{layer}{suffix}", shape, "F32"
    inputs, neurons = head_sizes(recipe.head, width, recipe.sequence_length)
    # The place of each layer in the head: behind it comes a ReLU, or before it the window is flattened.
    first, second = (0, 2) if recipe.head == DEFAULT_HEAD else (1, 2)
    yield f"head.{first}.weight", (neurons, inputs), "F32"
    yield f"head.{first}.bias", (neurons,), "F32"
    yield f"head.{second}.weight", (NUM_DIMENSIONS, neurons), "F32"
    yield f"head.{second}.bias", (NUM_DIMENSIONS,), "F32"


@lru_cache
def _of_backbone(backbone: str | None) -> tuple[tuple[str, Shape, str], ...]:
    if backbone is None:
        return ()
    with torch.device("meta"):
        state = BACKBONES[backbone]().state_dict()
    kinds = {torch.float32: "F32", torch.int64: "I64"}
    return tuple((name, tuple(value.shape), kinds[value.dtype]) for name, value in state.items())
