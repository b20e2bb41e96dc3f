"""Estimate of the training time on this machine from a few timed steps, for a dry run.

A step takes (frames x time per frame) + (time of Adam); the time per frame is linear in layers and a power
law between the timed hidden sizes; a trunk adds its own time per frame. Only arithmetic is
timed: no process start, no disk.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn

from models.epochs import new_adam
from models.losses import loss_of
from models.networks import AffectNetwork, build
from models.recipe import Recipe
from models.sizes import TRUNK_FEATURES, TRUNK_PARAMETERS, network_of, num_parameters
from models.trunks import FRAMES_PER_PASS, features_of, new_trunk

# Ours: the smallest hidden size of the grid, one in the middle and the largest, each with the length of its timed
# windows: short for the largest (the time a frame hardly depends on it).
TIMED_LENGTHS = {8: 16, 64: 16, 512: 8}
HIDDEN_SIZES = tuple(TIMED_LENGTHS)
VALIDATION_WINDOWS = 32
SECONDS_BUDGET = 0.3  # for all points of `estimate_seconds` together

# Ours: images are timed at no more than this size (beyond it time goes with the area), so many pixels at once, which
# one core takes through ResNet18 and back in about a second.
TIMED_IMAGE_SIZE = 224
TIMED_PIXELS = 400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Seconds a frame in training without the optimiser and in validation; seconds per parameter of Adam."""

    training_seconds: float
    validation_seconds: float
    adam_seconds: float


def estimate_seconds(
    recipes: Sequence[Recipe],
    num_features: int,
    num_frames: int,
    num_folds: int,
    *,
    seconds_budget: float = SECONDS_BUDGET,
) -> list[float]:
    """Estimate the seconds of each recipe on one worker with this process's threads: all folds, all epochs.

    `num_frames` is that of the corpus; each fold trains on its share and validates on the rest. A recipe with a
    trunk trains it too, and its `num_features` is what the trunk puts out, 512; timing that takes a few seconds
    more for every size of images and of steps.
    """
    groups = sorted({_group(recipe) for recipe in recipes})
    assert all(r.trunk is None for r in recipes) or num_features == TRUNK_FEATURES, num_features
    points = len(groups) * len(HIDDEN_SIZES) * 2
    timings: dict[tuple[str, int, str], dict[tuple[int, int], Timing]] = {}
    for group in groups:
        model = next(recipe for recipe in recipes if _group(recipe) == group)
        timings[group] = {
            (hidden, layers): _timed(
                replace(model, hidden_size=hidden, num_layers=layers, sequence_length=TIMED_LENGTHS[hidden]),
                num_features,
                seconds_budget / points,
            )
            for hidden in HIDDEN_SIZES
            for layers in (1, 2)
        }
    trunks: dict[tuple[str, int, int], Timing] = {}
    for recipe in recipes:
        if recipe.trunk is not None and _trunk_key(recipe) not in trunks:
            trunks[_trunk_key(recipe)] = _timed_trunk(*_trunk_key(recipe), seconds_budget / points)
    return [
        _seconds(recipe, timings[_group(recipe)], num_features, num_frames, num_folds)
        + (_trunk_seconds(recipe, trunks[_trunk_key(recipe)], num_frames, num_folds) if recipe.trunk else 0.0)
        for recipe in recipes
    ]


def _group(recipe: Recipe) -> tuple[str, int, str]:
    """Network, windows per step and head: what is timed apart."""
    return recipe.network, recipe.windows_a_step, recipe.head


def _trunk_key(recipe: Recipe) -> tuple[str, int, int]:
    """Name, size of the images and frames of a timed step: what decides a trunk's time."""
    assert recipe.trunk is not None
    most = _at_once(recipe.image_size)
    return recipe.trunk, recipe.image_size, min(recipe.windows_a_step * recipe.sequence_length, most)


def _at_once(image_size: int) -> int:
    """Frames to time at once; beyond FRAMES_PER_PASS the time a frame hardly falls."""
    return min(FRAMES_PER_PASS, max(1, TIMED_PIXELS // min(image_size, TIMED_IMAGE_SIZE) ** 2))


def _trunk_seconds(recipe: Recipe, timing: Timing, num_frames: int, num_folds: int) -> float:
    trained = num_frames * (num_folds - 1)
    steps = math.ceil(trained / (recipe.sequence_length * recipe.windows_a_step))
    an_epoch = (
        trained * timing.training_seconds
        + num_frames * timing.validation_seconds
        + steps * timing.adam_seconds * TRUNK_PARAMETERS
    )
    return recipe.epochs * an_epoch


def _seconds(
    recipe: Recipe,
    timing: dict[tuple[int, int], Timing],
    num_features: int,
    num_frames: int,
    num_folds: int,
) -> float:
    # A further layer has more inputs than the first; noise in two short times would be multiplied by the layers.
    inputs = network_of(recipe.network).directions * recipe.hidden_size
    most = max(1.0, (inputs + recipe.hidden_size) / (num_features + recipe.hidden_size))

    def a_frame(read: Callable[[Timing], float]) -> float:
        one, two = (_between(recipe.hidden_size, timing, layers, read) for layers in (1, 2))
        return one + (recipe.num_layers - 1) * min(max(two - one, one / 2), most * one)

    trained = num_frames * (num_folds - 1)
    steps = math.ceil(trained / (recipe.sequence_length * recipe.windows_a_step))
    adam = _between(recipe.hidden_size, timing, 2, lambda t: t.adam_seconds)
    an_epoch = (
        trained * a_frame(lambda t: t.training_seconds)
        + num_frames * a_frame(lambda t: t.validation_seconds)
        + steps * adam * _parameters(recipe, num_features)
    )
    return recipe.epochs * an_epoch


def _between(
    hidden_size: int,
    timing: dict[tuple[int, int], Timing],
    layers: int,
    read: Callable[[Timing], float],
) -> float:
    """Interpolate a power law between the timed hidden sizes, and continue the last one beyond them."""
    right = next((i for i, size in enumerate(HIDDEN_SIZES) if i and size >= hidden_size), len(HIDDEN_SIZES) - 1)
    low, high = HIDDEN_SIZES[right - 1], HIDDEN_SIZES[right]
    share = math.log(hidden_size / low) / math.log(high / low)
    start, end = read(timing[low, layers]), read(timing[high, layers])
    return float(start * (end / start) ** share)


def _timed(recipe: Recipe, num_features: int, seconds_budget: float) -> Timing:
    model = build(
        recipe.network,
        num_features=num_features,
        hidden_size=recipe.hidden_size,
        num_layers=recipe.num_layers,
        seed=0,
        head=recipe.head,
        sequence_length=recipe.sequence_length,
    )
    adam = new_adam(model, recipe.learning_rate)
    generator = torch.Generator().manual_seed(0)
    length = recipe.sequence_length
    x_BLF = torch.randn(recipe.windows_a_step, length, num_features, generator=generator)
    many_BLF = torch.randn(VALIDATION_WINDOWS, length, num_features, generator=generator)
    budget = seconds_budget / 3
    step = _least_seconds(partial(_step, model, loss_of(recipe.loss), x_BLF), budget)
    return Timing(
        training_seconds=step / (recipe.windows_a_step * length),
        adam_seconds=_least_seconds(adam.step, budget) / _parameters(recipe, num_features),
        validation_seconds=_least_seconds(partial(_look, model, many_BLF), budget) / (VALIDATION_WINDOWS * length),
    )


def _timed_trunk(name: str, image_size: int, frames_a_step: int, seconds_budget: float) -> Timing:
    """Time a trunk alone on images of noise; those above TIMED_IMAGE_SIZE by the area."""
    trunk, size = new_trunk(name, seed=0), min(image_size, TIMED_IMAGE_SIZE)
    adam = torch.optim.Adam(trunk.parameters(), lr=1e-6, fused=True)
    generator = torch.Generator().manual_seed(0)
    looked = _at_once(image_size)
    x_NSSC, many_NSSC = (
        torch.randint(256, (n, size, size, 3), dtype=torch.uint8, generator=generator) for n in (frames_a_step, looked)
    )
    budget = seconds_budget / 3
    step = _least_seconds(partial(_trunk_step, trunk, x_NSSC), budget)
    adam_seconds = _least_seconds(adam.step, budget) / TRUNK_PARAMETERS
    trunk.eval()
    look = _least_seconds(partial(_trunk_look, trunk, many_NSSC), budget)
    area = (image_size / size) ** 2
    return Timing(
        training_seconds=area * step / frames_a_step,
        adam_seconds=adam_seconds,
        validation_seconds=area * look / looked,
    )


def _trunk_step(trunk: nn.Module, x_NSSC: Tensor) -> None:
    trunk.zero_grad()
    features_of(trunk, x_NSSC, "half").square().mean().backward()  # type: ignore[no-untyped-call]  # torch leaves it unannotated


def _trunk_look(trunk: nn.Module, x_NSSC: Tensor) -> None:
    with torch.inference_mode():
        features_of(trunk, x_NSSC, "half")


def _step(model: AffectNetwork, loss: Callable[[Tensor, Tensor, Tensor], Tensor], x_BLF: Tensor) -> None:
    model.zero_grad()
    prediction_BL2 = model(x_BLF)
    gold_BL2 = torch.zeros_like(prediction_BL2)
    loss(prediction_BL2, gold_BL2, torch.ones_like(gold_BL2, dtype=torch.bool)).backward()  # type: ignore[no-untyped-call]  # torch leaves it unannotated


def _look(model: AffectNetwork, x_BLF: Tensor) -> None:
    with torch.inference_mode():
        model(x_BLF)


def _least_seconds(action: Callable[[], object], budget: float) -> float:
    """Least time of the runs that fit the budget, after one that only warms up."""
    action()
    least, spent = math.inf, 0.0
    while spent < budget or least == math.inf:
        start = time.perf_counter()
        action()
        seconds = time.perf_counter() - start
        least, spent = min(least, seconds), spent + seconds
    return least


def _parameters(recipe: Recipe, num_features: int) -> int:
    return num_parameters(
        recipe.network,
        num_features=num_features,
        hidden_size=recipe.hidden_size,
        num_layers=recipe.num_layers,
        head=recipe.head,
        sequence_length=recipe.sequence_length,
    )
