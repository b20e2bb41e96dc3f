"""Which code trains: one model after another, or several as one stack, on a CPU or on a GPU; as it was measured.

`reference`: torch.nn's modules. `stacked`: a stack on a CPU. `stacked-cuda`: a stack on a GPU, a step as a CUDA graph.
`triton`: the same, with recurrences in one launch each where they fit on the chip. Figures: `benchmarks/packs.py`,
`benchmarks/gpu.py`, docs/benchmarks.md.
"""

import math

from models.recipe import Recipe
from models.sizes import DEFAULT_HEAD, network_of

REFERENCE, STACKED, AUTO = "reference", "stacked", "auto"
STACKED_CUDA, TRITON = "stacked-cuda", "triton"
BACKENDS = (AUTO, REFERENCE, STACKED, STACKED_CUDA, TRITON)
ON_GPU = (STACKED_CUDA, TRITON)
STACKS = (STACKED, *ON_GPU)

# What a GPU multiplies in (`models.precision`); by default what cuDNN takes, since the paper says nothing.
FLOAT32, TF32, BF16 = "float32", "tf32", "bf16"
PRECISIONS = (TF32, FLOAT32, BF16)
DEFAULT_PRECISION = TF32

# What stacks can do of a recipe: losses that have a form by model in models.losses, rules for the epoch that scores.
STACKED_LOSSES = ("mse", "ccc")
STACKED_KEEP = ("last", "best")

# Measured: the recurrent weights that all cells of a stack read at every step must stay in a core's second cache
# (2 MiB on the machine measured) together with what the step writes.
STACK_WEIGHT_BYTES = 1 << 20
# Ours: what a stack may hold for its backward pass; long sequences and many layers leave room for few models.
STACK_MEMORY_BYTES = 256 << 20
# Measured: beyond, a stack gains nothing.
MOST_MODELS = 24
# Ours, of a GPU: 132 cells of a bidirectional network fill an H100's 132 multiprocessors.
MOST_MODELS_ON_GPU = 66
# Ours: the share of a GPU's free memory that a stack's training step may take, and what one call of a prediction may.
STEP_SHARE, CALL_BYTES = 0.5, 2 << 30
# Measured on one thread: from this hidden size on a stack gains nothing; networks that are not here gain at all sizes.
NO_GAIN_FROM = {"bilstm": 16}

# Measured, one thread (docs/benchmarks.md): how many times as fast a stack trains, by hidden size. For estimates only.
SPEED = {
    "rnn": {8: 3.2, 16: 3.5, 64: 2.3, 128: 1.8, 256: 1.3, 512: 1.1},
    "bigru": {8: 3.7, 16: 3.1, 64: 1.7, 128: 1.5, 256: 1.3, 512: 1.1},
    "bilstm": {8: 1.15, 16: 1.0, 64: 0.95},
}


def models_per_stack(recipe: Recipe) -> int:
    """Return how many models of this shape pay in one stack on a CPU; it changes no bit of any."""
    cell = network_of(recipe.network)
    weights = 4 * cell.directions * cell.gates * recipe.hidden_size**2
    memory = _bytes_of_step(recipe)
    return max(1, min(MOST_MODELS, STACK_WEIGHT_BYTES // weights, STACK_MEMORY_BYTES // memory))


def models_per_device_stack(recipe: Recipe, *, free_bytes: int) -> int:
    """Return how many models of this shape one stack takes on a GPU with so much free memory."""
    cell = network_of(recipe.network)
    width = cell.directions * recipe.hidden_size
    weights = 4 * recipe.num_layers * cell.gates * width * (width + recipe.hidden_size)
    # With gradients, both moments of Adam and a copy of what is recorded.
    return max(1, min(MOST_MODELS_ON_GPU, int(STEP_SHARE * free_bytes) // (_bytes_of_step(recipe) + 5 * weights)))


def frames_per_device_call(recipe: Recipe, *, models: int) -> int:
    """Return how many frames per model one call of a prediction takes on a GPU."""
    cell = network_of(recipe.network)
    return max(1, CALL_BYTES // (4 * models * cell.directions * recipe.hidden_size * (2 * cell.gates + 3)))


def _bytes_of_step(recipe: Recipe) -> int:
    """Return what one model's training step holds: every layer's inputs, gates and states, and one backward pass."""
    cell = network_of(recipe.network)
    kept = recipe.num_layers * (3 * cell.gates + 5) + cell.gates + 2
    return 4 * cell.directions * recipe.hidden_size * recipe.windows_a_step * recipe.sequence_length * kept


def is_stackable(recipe: Recipe) -> bool:
    """Return whether models of a recipe can be trained as one stack."""
    plain = recipe.backbone is None and recipe.head == DEFAULT_HEAD
    return plain and recipe.loss in STACKED_LOSSES and recipe.keep in STACKED_KEEP


def choose(  # noqa: PLR0913 - what decides
    backend: str, recipe: Recipe, *, models: int, threads: int = 1, device: str = "cpu", clients: bool = False
) -> str:
    """Return what trains so many models of a shape, none of which is `auto`; ValueError for an unknown `backend`.

    `auto` takes stacks only where they were measured to be faster: on one thread of a CPU, or on a GPU, without a
    backbone. The `clients` of a federation gain at every size on a CPU, since a stack is one message instead of many;
    on a GPU they share its fractions and are trained one by one.
    """
    if backend not in BACKENDS:
        raise ValueError(f"unknown backend {backend!r}: expected one of {', '.join(BACKENDS)}")
    if backend != AUTO:
        return backend
    if device != "cpu":
        return TRITON if is_stackable(recipe) and not clients else REFERENCE
    measured = is_stackable(recipe) and threads == 1
    gains = models > 1 and (clients or recipe.hidden_size < NO_GAIN_FROM.get(recipe.network, recipe.hidden_size + 1))
    return STACKED if measured and gains else REFERENCE


def speed_of(backend: str, recipe: Recipe) -> float:
    """Return how many times as fast as the reference a back end trains a recipe, about: between what was measured."""
    measured = SPEED.get(recipe.network)
    if backend not in STACKS or measured is None:
        return 1.0
    sizes = sorted(measured)
    size = min(max(recipe.hidden_size, sizes[0]), sizes[-1])
    right = next(i for i, one in enumerate(sizes) if i and one >= size)
    low, high = sizes[right - 1], sizes[right]
    share = math.log(size / low) / math.log(high / low)
    return measured[low] + share * (measured[high] - measured[low])
