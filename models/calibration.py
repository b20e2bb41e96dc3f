"""Estimate of the training time on this machine from a few timed steps, for a dry run.

A step takes (a fixed time) + (frames x time per frame) + (time of Adam); both times are linear in layers and a power
law between the timed hidden sizes; a backbone adds its own time per frame. Only arithmetic is timed: no process start,
no disk. On one thread the processor's time is read, not the clock: what else runs on the machine changes little of it.
"""

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn

from models.backbones import FRAMES_PER_PASS, features_of, new_backbone
from models.losses import loss_of
from models.networks import AffectNetwork, build
from models.recipe import Recipe
from models.sizes import BACKBONE_FEATURES, BACKBONE_PARAMETERS, DEFAULT_HEAD, network_of, num_parameters

# Ours: the smallest hidden size of the grid, the last that stays in a core's cache, one beyond and the largest; only
# those that a search lies between are timed. Each has the lengths of its timed windows, two for the fixed time of a
# step; the largest has one, as its fixed time is nothing beside the rest.
TIMED_LENGTHS = {8: (16, 64), 64: (16, 48), 128: (8, 24), 512: (4,)}
HIDDEN_SIZES = tuple(TIMED_LENGTHS)
VALIDATION_WINDOWS = 32
SECONDS_BUDGET = 0.6  # for all points of `estimate_seconds` together
# Of a real step what is not timed: gathering a batch, torch's bookkeeping around Adam and the loss. Ours, measured.
STEP_SECONDS = 1.5e-4

# Ours: images are timed at no more than this size (beyond it time goes with the area), so many pixels at once, which
# one core takes through ResNet18 and back in about a second.
TIMED_IMAGE_SIZE = 224
TIMED_PIXELS = 400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Seconds per frame in training without the optimiser and in validation, per parameter of Adam, and per step."""

    training_seconds: float
    validation_seconds: float
    adam_seconds: float
    step_seconds: float = 0.0


def estimate_seconds(  # noqa: PLR0913 - what decides a time
    recipes: Sequence[Recipe],
    num_features: int,
    num_frames: int,
    num_folds: int,
    *,
    seconds_budget: float = SECONDS_BUDGET,
    threads: int | None = None,
) -> list[float]:
    """Estimate the seconds of each recipe on one worker, all folds, all epochs.

    `threads` is what the worker has; None: what this process has.
    `num_frames` is that of the corpus; each fold trains on its share and validates on the rest. A recipe with a
    backbone trains it too, and its `num_features` is what the backbone puts out, 512; timing that takes a few seconds
    more for every size of images and of steps.
    """
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads or before)
        return _estimated(recipes, num_features, num_frames, num_folds, seconds_budget)
    finally:
        torch.set_num_threads(before)


def _estimated(
    recipes: Sequence[Recipe], num_features: int, num_frames: int, num_folds: int, seconds_budget: float
) -> list[float]:
    # No step has more windows than the corpus: of a larger batch size the memory might not be there.
    recipes = [
        replace(one, windows_a_step=min(one.windows_a_step, max(1, num_frames // one.sequence_length)))
        for one in recipes
    ]
    groups = sorted({_group(recipe) for recipe in recipes})
    assert all(r.backbone is None for r in recipes) or num_features == BACKBONE_FEATURES, num_features
    wanted = {group: _timed_points([one for one in recipes if _group(one) == group]) for group in groups}
    points = max(1, sum(map(len, wanted.values())))
    timings: dict[tuple[str, int, str], dict[tuple[int, int], Timing]] = {}
    for group in groups:
        model = next(recipe for recipe in recipes if _group(recipe) == group)
        timings[group] = {
            (hidden, layers): _timed(
                replace(model, hidden_size=hidden, num_layers=layers), num_features, seconds_budget / points
            )
            for hidden, layers in wanted[group]
        }
    backbones: dict[tuple[str, int, int], Timing] = {}
    for recipe in recipes:
        if recipe.backbone is not None and _backbone_key(recipe) not in backbones:
            backbones[_backbone_key(recipe)] = _timed_backbone(*_backbone_key(recipe), seconds_budget / points)
    return [
        _seconds(recipe, timings[_group(recipe)], num_features, num_frames, num_folds)
        + (
            _backbone_seconds(recipe, backbones[_backbone_key(recipe)], num_frames, num_folds)
            if recipe.backbone
            else 0.0
        )
        for recipe in recipes
    ]


def _group(recipe: Recipe) -> tuple[str, int, str]:
    """Network, windows per step and head: what is timed apart."""
    return recipe.network, recipe.windows_a_step, recipe.head


def _timed_points(recipes: Sequence[Recipe]) -> list[tuple[int, int]]:
    """Return which hidden sizes and layers are timed for these recipes: no more than their estimates read."""
    hidden = sorted({size for recipe in recipes for size in _around(recipe.hidden_size)})
    layers = (1, 2) if any(recipe.num_layers > 1 for recipe in recipes) else (1,)
    return [(size, number) for size in hidden for number in layers]


def _around(hidden_size: int) -> tuple[int, ...]:
    """Return the timed hidden sizes from which that of another is computed; a timed one stands for itself."""
    if hidden_size in HIDDEN_SIZES:
        return (hidden_size,)
    right = next((i for i, size in enumerate(HIDDEN_SIZES) if i and size >= hidden_size), len(HIDDEN_SIZES) - 1)
    return HIDDEN_SIZES[right - 1], HIDDEN_SIZES[right]


def _backbone_key(recipe: Recipe) -> tuple[str, int, int]:
    """Name, size of the images and frames of a timed step: what decides a backbone's time."""
    assert recipe.backbone is not None
    most = _at_once(recipe.image_size)
    return recipe.backbone, recipe.image_size, min(recipe.windows_a_step * recipe.sequence_length, most)


def _at_once(image_size: int) -> int:
    """Frames to time at once; beyond FRAMES_PER_PASS the time a frame hardly falls."""
    return min(FRAMES_PER_PASS, max(1, TIMED_PIXELS // min(image_size, TIMED_IMAGE_SIZE) ** 2))


def _backbone_seconds(recipe: Recipe, timing: Timing, num_frames: int, num_folds: int) -> float:
    trained = num_frames * (num_folds - 1)
    steps = math.ceil(trained / (recipe.sequence_length * recipe.windows_a_step))
    an_epoch = (
        trained * timing.training_seconds
        + num_frames * timing.validation_seconds
        + steps * timing.adam_seconds * BACKBONE_PARAMETERS
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

    def of_layers(read: Callable[[Timing], float]) -> float:
        one = _between(recipe.hidden_size, timing, 1, read)
        if recipe.num_layers == 1:
            return one
        two = _between(recipe.hidden_size, timing, 2, read)
        return one + (recipe.num_layers - 1) * min(max(two - one, one / 2), most * one)

    trained = num_frames * (num_folds - 1)
    steps = math.ceil(trained / (recipe.sequence_length * recipe.windows_a_step))
    adam = _between(recipe.hidden_size, timing, min(2, recipe.num_layers), lambda t: t.adam_seconds)
    an_epoch = (
        trained * of_layers(lambda t: t.training_seconds)
        + num_frames * of_layers(lambda t: t.validation_seconds)
        + steps * (of_layers(lambda t: t.step_seconds) + adam * _parameters(recipe, num_features))
    )
    return recipe.epochs * an_epoch


def _between(
    hidden_size: int,
    timing: dict[tuple[int, int], Timing],
    layers: int,
    read: Callable[[Timing], float],
) -> float:
    """Interpolate a power law between the timed hidden sizes, and continue the last one beyond them."""
    around = _around(hidden_size)
    values = [read(timing[size, layers]) for size in around]
    if len(values) == 1 or min(values) <= 0:
        return max(values)
    share = math.log(hidden_size / around[0]) / math.log(around[1] / around[0])
    return float(values[0] * (values[1] / values[0]) ** share)


def _timed(recipe: Recipe, num_features: int, seconds_budget: float) -> Timing:
    """Time steps of windows of one length or two; the second tells what of a step does not grow with its frames.

    A head on whole windows is another network at another length: its steps are of one.
    """
    lengths = TIMED_LENGTHS[recipe.hidden_size]
    if recipe.head != DEFAULT_HEAD:
        lengths = lengths[:1]
    recipe = replace(recipe, sequence_length=lengths[0])
    model = build(
        recipe.network,
        num_features=num_features,
        hidden_size=recipe.hidden_size,
        num_layers=recipe.num_layers,
        seed=0,
        head=recipe.head,
        sequence_length=recipe.sequence_length,
    )
    generator = torch.Generator().manual_seed(0)
    budget = seconds_budget / 3
    batch, loss = recipe.windows_a_step, loss_of(recipe.loss)
    windows = [torch.randn(batch, length, num_features, generator=generator) for length in lengths]
    many_BLF = torch.randn(VALIDATION_WINDOWS, lengths[0], num_features, generator=generator)
    steps = [_typical_seconds(partial(_step, model, loss, x_BLF), budget / len(lengths)) for x_BLF in windows]
    training_seconds, step_seconds = _line([batch * length for length in lengths], steps)
    looked = VALIDATION_WINDOWS * lengths[0]
    return Timing(
        training_seconds=training_seconds,
        adam_seconds=_typical_seconds(_adam_of(model), budget) / _parameters(recipe, num_features),
        validation_seconds=_typical_seconds(partial(_look, model, many_BLF), budget) / looked,
        step_seconds=step_seconds + STEP_SECONDS,
    )


def _line(frames: Sequence[int], seconds: Sequence[float]) -> tuple[float, float]:
    """Return the time per frame and the fixed time of steps with so many frames, both at least 0; of one step 0."""
    if len(frames) == 1:
        return seconds[0] / frames[0], 0.0
    # Noise may make the longer windows the cheaper ones: a frame costs at least half of the mean, at most all of it.
    mean = seconds[1] / frames[1]
    per_frame = min(max((seconds[1] - seconds[0]) / (frames[1] - frames[0]), mean / 2), mean)
    return per_frame, max(0.0, seconds[1] - per_frame * frames[1])


def _adam_of(model: nn.Module) -> Callable[[], object]:
    """Return a step of Adam on a model's weights by torch's kernel alone.

    torch.optim.Adam imports torch's compiler when it is made, 1.5 s of which a dry run would have nothing.
    """
    weights = [weight.detach().clone() for weight in model.parameters()]
    gradients, first, second = ([torch.full_like(weight, 1e-3) for weight in weights] for _ in range(3))
    numbers = [torch.ones(()) for _ in weights]
    options = {"lr": 1e-6, "beta1": 0.9, "beta2": 0.999, "weight_decay": 0.0, "eps": 1e-8}
    return partial(
        torch._fused_adam_, weights, gradients, first, second, [], numbers, amsgrad=False, maximize=False, **options
    )


def _timed_backbone(name: str, image_size: int, frames_a_step: int, seconds_budget: float) -> Timing:
    """Time a backbone alone on images of noise; those above TIMED_IMAGE_SIZE by the area."""
    backbone, size = new_backbone(name, seed=0), min(image_size, TIMED_IMAGE_SIZE)
    generator = torch.Generator().manual_seed(0)
    looked = _at_once(image_size)
    x_NSSC, many_NSSC = (
        torch.randint(256, (n, size, size, 3), dtype=torch.uint8, generator=generator) for n in (frames_a_step, looked)
    )
    budget = seconds_budget / 3
    step = _typical_seconds(partial(_backbone_step, backbone, x_NSSC), budget)
    adam_seconds = _typical_seconds(_adam_of(backbone), budget) / BACKBONE_PARAMETERS
    backbone.eval()
    look = _typical_seconds(partial(_backbone_look, backbone, many_NSSC), budget)
    area = (image_size / size) ** 2
    return Timing(
        training_seconds=area * step / frames_a_step,
        adam_seconds=adam_seconds,
        validation_seconds=area * look / looked,
    )


def _backbone_step(backbone: nn.Module, x_NSSC: Tensor) -> None:
    backbone.zero_grad()
    features_of(backbone, x_NSSC, "half").square().mean().backward()  # type: ignore[no-untyped-call]  # torch leaves it unannotated


def _backbone_look(backbone: nn.Module, x_NSSC: Tensor) -> None:
    with torch.inference_mode():
        features_of(backbone, x_NSSC, "half")


def _step(model: AffectNetwork, loss: Callable[[Tensor, Tensor, Tensor], Tensor], x_BLF: Tensor) -> None:
    model.zero_grad()
    prediction_BL2 = model(x_BLF)
    gold_BL2 = torch.zeros_like(prediction_BL2)
    loss(prediction_BL2, gold_BL2, torch.ones_like(gold_BL2, dtype=torch.bool)).backward()  # type: ignore[no-untyped-call]  # torch leaves it unannotated


def _look(model: AffectNetwork, x_BLF: Tensor) -> None:
    with torch.inference_mode():
        model(x_BLF)


def _typical_seconds(action: Callable[[], object], budget: float) -> float:
    """Median time of the runs that fit the budget, after one that only warms up."""
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    action()
    runs: list[float] = []
    while not runs or sum(runs) < budget:
        start = clock()
        action()
        runs.append(clock() - start)
    return statistics.median(runs)


def _parameters(recipe: Recipe, num_features: int) -> int:
    return num_parameters(
        recipe.network,
        num_features=num_features,
        hidden_size=recipe.hidden_size,
        num_layers=recipe.num_layers,
        head=recipe.head,
        sequence_length=recipe.sequence_length,
    )
