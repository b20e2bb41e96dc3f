"""Estimates follow the rules they state; the clock itself is not tested."""

import itertools
from dataclasses import replace

import pytest

from models import calibration
from models.calibration import calibrate, estimate_seconds
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
    # 3 features: 108 parameters (by hand in test_networks), 2 folds of 1000 frames: ceil(1000 / 400) steps an epoch
    assert estimate_seconds([one], 3, 1000, 2) == [pytest.approx(3 * 3 * 108e-6)]


def test_a_real_calibration_is_positive_and_short() -> None:
    one = recipe(hidden_size=8, sequence_length=20)
    assert 1e-8 < calibrate(one, 6, seconds_budget=0.05) < 1e-2
    small, large = estimate_seconds([one, replace(one, num_layers=6)], 6, 1000, 3, seconds_budget=0.1)
    assert 0 < small < large
