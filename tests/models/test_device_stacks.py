"""Stacks for a GPU, run on a CPU: the same step without a graph, and kernels by Triton's interpreter."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from models.backends import BF16, FLOAT32, STACKED, STACKED_CUDA, TF32, TRITON
from models.ccc import ccc
from models.precision import in_parts, over_frames, parts_of_frames
from models.recipe import Recipe
from models.sizes import NETWORKS
from models.stacks import fused, layers, trials
from models.stacks.cells import Tanh
from models.stacks.device import DeviceAdam, DeviceStack
from models.stacks.folds import StackedFolds
from models.training import Epoch, TrainingDiverged
from tests.models.interpreter import interpreted
from tests.models.toys import RECIPE, recipe, toy_series, toy_splits

SERIES, SPLITS = toy_series(), toy_splits()
ROOT = Path(__file__).resolve().parents[2]


def pack(backend: str, *recipes: Recipe, epochs: int = 3) -> StackedFolds:
    chosen = [replace(one, epochs=epochs) for one in recipes]
    return StackedFolds(SERIES, SPLITS, chosen, seeds=[0] * len(chosen), backend=backend)


def curves(one: StackedFolds) -> list[list[float]]:
    found = []
    for epoch in one.epochs():
        for told in epoch.values():
            assert isinstance(told, Epoch)
            found.append([*told.train_loss, *told.validation_loss, *told.ccc_valence, *told.ccc_arousal])
    return found


@pytest.mark.parametrize(
    "changes",
    [
        *({"network": network, "num_layers": 2} for network in NETWORKS),
        {"loss": "ccc"},
        {"target": "window-mean"},
        {"keep": "best", "hidden_size": 16},
        {"order": "in-order", "partial_window": "drop"},
    ],
)
def test_a_training_is_the_cpus_to_rounding(changes: dict[str, Any]) -> None:
    chosen = recipe(**changes)
    recipes = [chosen, replace(chosen, learning_rate=1e-3)]
    expected, found = pack(STACKED, *recipes), pack(STACKED_CUDA, *recipes)
    torch.testing.assert_close(curves(found), curves(expected), rtol=1e-4, atol=1e-5)
    assert found.layers.backend == STACKED_CUDA
    assert isinstance(found._stacks[0], DeviceStack)
    for place in range(2):
        for fold in range(3):
            assert found.configurations[place].chosen_epoch(fold) == expected.configurations[place].chosen_epoch(fold)
            own, other = (
                one.configurations[place].score(fold, SPLITS[fold].held_out)[0].frames[0] for one in (found, expected)
            )
            assert ccc(own) == pytest.approx(ccc(other), abs=1e-4)


def test_folds_of_unequal_size_rest_at_the_end() -> None:
    splits = [replace(SPLITS[0], train=SPLITS[0].train[:2]), *SPLITS[1:]]
    chosen = [replace(RECIPE, epochs=2)]
    both = [StackedFolds(SERIES, splits, chosen, seeds=[0], backend=one) for one in (STACKED, STACKED_CUDA)]
    expected, found = map(curves, both)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    steps = [[member.steps for member in one._members()] for one in both]
    assert steps[0] == steps[1]
    assert len(set(steps[1])) > 1


def test_a_configuration_that_diverges_leaves_alone() -> None:
    one = pack(STACKED_CUDA, RECIPE, replace(RECIPE, learning_rate=1e30))
    told = list(one.epochs())
    assert isinstance(told[0][1], TrainingDiverged) or isinstance(told[1][1], TrainingDiverged)
    assert [isinstance(epoch[0], Epoch) for epoch in told] == [True] * 3
    alone = pack(STACKED_CUDA, RECIPE)
    last = told[-1][0]
    assert isinstance(last, Epoch)
    torch.testing.assert_close(curves(alone)[-1][:3], list(last.train_loss), rtol=1e-5, atol=1e-6)


def test_resumed_is_uninterrupted(tmp_path: Path) -> None:
    whole = pack(STACKED_CUDA, RECIPE, epochs=4)
    expected = curves(whole)
    first = pack(STACKED_CUDA, RECIPE, epochs=4)
    going = first.epochs()
    next(going), next(going)
    first.save(tmp_path / "checkpoint")
    second = pack(STACKED_CUDA, RECIPE, epochs=4)
    second.load(tmp_path / "checkpoint")
    assert curves(second) == expected[2:]  # on a CPU even the bits


def test_adam_is_torchs_and_who_rests_keeps_everything() -> None:
    generator = torch.Generator().manual_seed(0)
    weights = {"a": torch.randn(3, 4, 7, generator=generator), "b": torch.randn(3, 5, generator=generator)}
    rates = (1e-2, 1e-3, 1e-2)
    alone = [[torch.nn.Parameter(value[m].clone()) for value in weights.values()] for m in range(3)]
    optimisers = [torch.optim.Adam(one, lr=rate) for one, rate in zip(alone, rates, strict=True)]
    adam = DeviceAdam(weights, rates, kernels=False)
    for models in ((0, 1, 2), (0, 2), (0, 1, 2), (1,)):
        grads = [torch.randn(value.shape, generator=generator) for value in weights.values()]
        before = {name: value.clone() for name, value in weights.items()}
        adam.step(grads, torch.tensor([float(m in models) for m in range(3)], dtype=torch.float64))
        for m in range(3):
            if m not in models:
                assert all(torch.equal(weights[name][m], before[name][m]) for name in weights)
                continue
            for parameter, grad in zip(alone[m], grads, strict=True):
                parameter.grad = grad[m].clone()
            optimisers[m].step()
    for m in range(3):
        for parameter, value in zip(alone[m], weights.values(), strict=True):
            torch.testing.assert_close(value[m], parameter.detach(), rtol=1e-5, atol=1e-7)
        assert adam.steps_of(m) == 3


# What is tried before a kernel is used, with layers that go wrong in every way a kernel can.


class Good(Tanh):
    """What a kernel would give."""


class Wrong(Tanh):
    def run_over_time(self, back_CHG: Tensor, back_bias_CG: Tensor) -> None:
        super().run_over_time(back_CHG, back_bias_CG)
        self.h_CTBH[0, -1, 0, 0] += 1.0


class Racing(Tanh):
    calls = 0

    def run_over_time(self, back_CHG: Tensor, back_bias_CG: Tensor) -> None:
        super().run_over_time(back_CHG, back_bias_CG)
        Racing.calls += 1
        if Racing.calls == trials.REPEATS - 1:
            self.h_CTBH[0, -1, 0, 0] += 1e-7


class TooLarge(Tanh):
    def run_over_time(self, back_CHG: Tensor, back_bias_CG: Tensor) -> None:  # noqa: ARG002
        raise RuntimeError("out of resource:\n shared memory")


class NotANumber(Tanh):
    def run_back(self, grad_CLBH: Tensor, back_CHG: Tensor) -> None:
        super().run_back(grad_CLBH, back_CHG)
        self.grad_CNG[0, 0, 0] = torch.nan


@pytest.fixture
def trying(monkeypatch: pytest.MonkeyPatch) -> Callable[[type[Tanh]], trials.Trial]:
    """Try a layer in place of the kernel's, repeated as on a GPU."""
    monkeypatch.setattr(trials, "why_not", lambda: None)
    monkeypatch.setattr(trials, "repeats_on", lambda _: trials.REPEATS)

    def try_it(kind: type[Tanh]) -> trials.Trial:
        class Tried(kind, fused.FusedTanh):  # type: ignore[valid-type, misc]
            precision = TF32
            run_over_time, run_back, _prepare = kind.run_over_time, kind.run_back, kind._prepare

        return trials.tried(Tried, 8, "cpu")

    return try_it


@pytest.mark.parametrize(
    ("kind", "refusal"),
    [
        (Good, None),
        (Wrong, "off by "),
        (Racing, "20 runs gave different bits"),
        (TooLarge, "RuntimeError: out of resource: shared memory"),
        (NotANumber, "20 runs gave different bits"),
    ],
)
def test_a_kernel_is_tried_before_it_is_trusted(
    kind: type[Tanh], refusal: str | None, trying: Callable[[type[Tanh]], trials.Trial]
) -> None:
    found = trying(kind)
    if refusal is None:
        assert found.refusal is None
        assert max(found.errors) == 0.0
    else:
        assert found.refusal is not None
        assert found.refusal.startswith(refusal)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_triton_is_left_with_a_word() -> None:
    one = pack(TRITON, RECIPE, epochs=1)
    assert one.layers.backend == STACKED_CUDA
    assert one.layers.note is not None
    assert one.layers.note.startswith("triton does not run bigru of 5 units here: t")  # there is, or: triton is not
    assert curves(one) == curves(pack(STACKED_CUDA, RECIPE, epochs=1))


def test_operands_are_rounded_in_bf16_only() -> None:
    for precision, half in ((FLOAT32, False), (TF32, False), (BF16, True)):
        made = layers.layers_for(RECIPE, STACKED_CUDA, precision=precision, device="cpu")
        assert getattr(made.kind, "half") is half  # noqa: B009 - of a class, which the type does not say
    assert [fused.padded(hidden) for hidden in (5, 8, 16, 17, 64, 100, 512)] == [16, 16, 16, 32, 64, 128, 512]


def test_few_squares_of_many_frames_are_divided() -> None:
    assert parts_of_frames(24, 16000, 40, 128) == 8
    assert parts_of_frames(24, 16000, 128, 128) == 4
    assert parts_of_frames(24, 16001, 128, 128) == 1, "in equal parts only"
    assert parts_of_frames(24, 2040, 128, 128) == 1, "too few frames"
    assert parts_of_frames(48, 16000, 256, 384) == 1, "squares enough"
    left, right = (torch.randn(3, 64, size, generator=torch.Generator().manual_seed(size)) for size in (5, 7))
    expected = left.transpose(1, 2) @ right
    for parts in (1, 2, 8):
        assert torch.allclose(in_parts(left, right, parts, half=False), expected, atol=1e-5)
    assert torch.equal(over_frames(left, right, half=False), torch.bmm(left.transpose(1, 2), right))


def small(errors: list[float], bound: float) -> bool:
    """Whether there are errors, and all below a bound: `max` passes over what is not a number."""
    return len(errors) > 0 and all(error < bound for error in errors)


def test_kernels_by_tritons_interpreter() -> None:
    found = interpreted("interpreted_kernels")
    assert sorted(found["layers"]) == sorted(NETWORKS)
    for network, errors in found["layers"].items():
        assert small(errors, 1e-5), network
        assert found["backend"][network] == TRITON
        assert small(found["curves"][network], 1e-4), network
    assert sorted(found["teams"]) == [
        "bigru 20 (2, False)", "bigru 40 (2, True)", "bilstm 20 (2, False)", "rnn 50 (2, False)",
    ]  # fmt: skip
    for told, errors in found["teams"].items():
        assert small(errors, 1e-5), told
        assert small(found["small"][told], 1e-5), told
    assert small(found["adam"], 1e-6)
    assert found["resting"] == [0.0, 0.0]
