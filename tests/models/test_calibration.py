"""Estimates follow the rules they state; the clock itself is not tested, work is counted instead."""

import itertools
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from models import calibration
from models.calibration import estimate_seconds
from models.recipe import Recipe
from tests.models.toys import recipe


@pytest.fixture
def known_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which one frame takes hidden x (1 + layers) microseconds and Adam nothing to speak of."""

    def timed(chosen: Recipe, num_features: int, seconds_budget: float) -> calibration.Timing:
        assert num_features == 40
        assert seconds_budget > 0
        frame = 1e-6 * chosen.hidden_size * (1 + chosen.num_layers)
        return calibration.Timing(training_seconds=frame, validation_seconds=frame / 4, adam_seconds=1e-20)

    monkeypatch.setattr(calibration, "_timed", timed)


@pytest.mark.usefixtures("known_clock")
def test_the_estimate_inter_and_extrapolates() -> None:
    grid = [
        recipe(network=network, hidden_size=hidden, num_layers=layers, epochs=10)
        for network, hidden, layers in itertools.product(("rnn", "bigru"), (4, 8, 100, 512, 1024), (1, 2, 8))
    ]
    found = estimate_seconds(grid, 40, 1000, 5)
    for one, seconds in zip(grid, found, strict=True):
        frames = 10 * (4 * 1000 + 1000 / 4)
        assert seconds == pytest.approx(frames * 1e-6 * one.hidden_size * (1 + one.num_layers), rel=1e-6)


def test_the_optimiser_is_paid_by_the_step(monkeypatch: pytest.MonkeyPatch) -> None:
    timing = calibration.Timing(training_seconds=1e-30, validation_seconds=1e-30, adam_seconds=1e-6)
    monkeypatch.setattr(calibration, "_timed", lambda *_: timing)
    one = recipe(network="rnn", hidden_size=4, sequence_length=50, windows_a_step=8, epochs=3)
    # 3 features: 108 parameters (by hand in test_networks), 2 folds of 1000 frames: ceil(1000 / 400) steps per epoch
    assert estimate_seconds([one], 3, 1000, 2) == [pytest.approx(3 * 3 * 108e-6)]


@pytest.fixture
def counted_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real networks do the real work, which is counted, not timed: a second is 10^9 floating-point operations."""

    def counted(action: Callable[[], object], budget: float) -> float:
        assert budget >= 0
        with FlopCounterMode(display=False) as counter:
            action()
        return (counter.get_total_flops() or 1) / 1e9  # an optimiser's step is not counted

    monkeypatch.setattr(calibration, "_typical_seconds", counted)


def test_a_real_estimate_is_positive() -> None:
    (seconds,) = estimate_seconds([recipe(hidden_size=8, sequence_length=20)], 6, 100, 2, seconds_budget=0.05)
    assert seconds > 0


def test_no_step_of_more_windows_than_the_corpus_is_timed() -> None:
    """Of a batch size of a thousand millions it would take 384 GB."""
    one = recipe(hidden_size=8, sequence_length=20)
    (seconds,) = estimate_seconds([replace(one, windows_a_step=1_000_000_000)], 6, 100, 2, seconds_budget=0.05)
    assert seconds > 0


def test_only_what_a_search_lies_between_is_timed() -> None:
    one = recipe(network="rnn", hidden_size=64, num_layers=1)
    assert calibration._timed_points([one]) == [(64, 1)]
    assert calibration._timed_points([one, replace(one, hidden_size=16)]) == [(8, 1), (64, 1)]
    deep = replace(one, hidden_size=256, num_layers=4)
    assert calibration._timed_points([deep]) == [(128, 1), (128, 2), (512, 1), (512, 2)]


def test_a_step_has_a_fixed_time_beside_that_of_its_frames() -> None:
    """Steps of 100 and of 300 frames that take 10 s and 2 s per frame, in any order of noise."""
    assert calibration._line((100, 300), (210.0, 610.0)) == pytest.approx((2.0, 10.0))
    assert calibration._line((100,), (200.0,)) == (2.0, 0.0)
    per_frame, fixed = calibration._line((100, 300), (700.0, 600.0))
    assert (per_frame, fixed) == (1.0, 300.0)
    assert calibration._line((100, 300), (10.0, 600.0)) == (2.0, 0.0)


def test_shorter_windows_pay_more_fixed_times(monkeypatch: pytest.MonkeyPatch) -> None:
    timing = calibration.Timing(training_seconds=0.0, validation_seconds=0.0, adam_seconds=0.0, step_seconds=0.5)
    monkeypatch.setattr(calibration, "_timed", lambda *_: timing)
    grid = [recipe(network="rnn", hidden_size=8, sequence_length=length, epochs=1) for length in (50, 100)]
    assert grid[0].windows_a_step == 4
    # All folds together train on 3,000 frames: steps of 200 and of 400, a begun one counts
    assert estimate_seconds(grid, 40, 1000, 4) == [pytest.approx(15 * 0.5), pytest.approx(8 * 0.5)]


def test_the_time_of_several_runs_is_their_median(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([0.0, 1.0, 1.0, 10.0, 10.0, 12.0])
    monkeypatch.setattr(time, "process_time", lambda: next(times))
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    assert calibration._typical_seconds(lambda: None, 12.0) == 2.0


def test_the_threads_are_the_workers_while_it_is_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_num_threads()
    seen = []
    timing = calibration.Timing(training_seconds=1.0, validation_seconds=1.0, adam_seconds=1.0)

    def timed(*_: object) -> calibration.Timing:
        seen.append(torch.get_num_threads())
        return timing

    monkeypatch.setattr(calibration, "_timed", timed)
    estimate_seconds([recipe(network="rnn", hidden_size=8)], 40, 1000, 4, threads=before + 1)
    assert seen == [before + 1]
    assert torch.get_num_threads() == before


@pytest.mark.usefixtures("counted_work")
def test_more_layers_are_estimated_dearer() -> None:
    one = recipe(hidden_size=8, sequence_length=20)
    small, large = estimate_seconds([one, replace(one, num_layers=6)], 6, 1000, 3, seconds_budget=0.1)
    assert 0 < 2 * small < large


def test_a_backbone_is_paid_by_the_frame_and_by_the_step(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def timed_backbone(name: str, image_size: int, frames_a_step: int, seconds_budget: float) -> calibration.Timing:
        asked.append((name, image_size, frames_a_step))
        assert seconds_budget > 0
        return calibration.Timing(training_seconds=1e-3, validation_seconds=2e-4, adam_seconds=1e-9)

    nothing = calibration.Timing(training_seconds=1e-30, validation_seconds=1e-30, adam_seconds=1e-30)
    monkeypatch.setattr(calibration, "_timed", lambda *_: nothing)
    monkeypatch.setattr(calibration, "_timed_backbone", timed_backbone)
    one = recipe(network="rnn", sequence_length=4, windows_a_step=8, epochs=3, backbone="resnet18", image_size=48)
    grid = [one, replace(one, learning_rate=0.5), replace(one, sequence_length=32), replace(one, image_size=224)]
    found = estimate_seconds(grid, 512, 1000, 5)
    # 4000 frames trained on and 1000 looked at an epoch; 32 or 256 frames per step, 125 or 16 steps
    expected = [3 * (4000 * 1e-3 + 1000 * 2e-4 + steps * 11_176_512e-9) for steps in (125, 125, 16, 125)]
    assert found == pytest.approx(expected, rel=1e-9)
    assert asked == [("resnet18", 48, 32), ("resnet18", 48, 64), ("resnet18", 224, 7)]


@pytest.mark.usefixtures("counted_work")
def test_a_real_backbone_is_dearer_the_larger_its_images() -> None:
    one = recipe(network="rnn", hidden_size=8, sequence_length=4, windows_a_step=1, backbone="resnet18", image_size=36)
    small, large = (
        calibration._timed_backbone(*calibration._backbone_key(r), 0.01) for r in (one, replace(one, image_size=112))
    )
    assert 2 * small.validation_seconds < small.training_seconds < large.training_seconds / 5
    # 3.63 x 10^9 operations a frame of 224 x 224 (He et al., 2016: 1.8 x 10^9 multiply-adds); above by the area.
    frozen = {size: calibration._timed_backbone("resnet18", size, 1, 0.0).validation_seconds for size in (224, 448)}
    assert frozen == {224: pytest.approx(3.63, rel=0.01), 448: pytest.approx(4 * 3.63, rel=0.01)}
    with pytest.raises(AssertionError, match="40"):
        estimate_seconds([one], 40, 1000, 5)
