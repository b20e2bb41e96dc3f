"""How long a search takes: what the estimate is made of, and how it is said."""

import dataclasses
import random
from typing import Any

import numpy as np
import pytest

from fed.options import Federation
from models import calibration
from orchestrator.data.image_options import ImageOptions
from orchestrator.planning import duration, halving
from orchestrator.planning.plan import Plan, SearchOptions
from tests.records import CORPUS, make_plan
from tune_spaces import au

FRAMES = dataclasses.replace(CORPUS, features=512)


class Recordings:
    """What an estimate reads of a data set: its frames, its folds, its clients."""

    num_frames = 1000
    folds = (None,) * 4
    clients = (None,) * 5
    backbone = None


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds of the eight trials of `make_plan`, on a machine of four cores without anything around a search."""
    chosen = [100.0, 10.0, 10.0, 10.0, 40.0, 10.0, 10.0, 10.0]
    monkeypatch.setattr(calibration, "estimate_seconds", lambda recipes, *_, **__: chosen[: len(recipes)])
    monkeypatch.setattr(duration, "num_processors", lambda: 4)
    monkeypatch.setattr(duration, "AROUND_SECONDS", 0.0)
    monkeypatch.setattr(duration, "WORKER_SECONDS", 0.0)
    return chosen


def estimated(**changes: Any) -> duration.Duration:
    recordings: Any = Recordings()
    return duration.estimate(make_plan(**changes), recordings)


def searched(**options: Any) -> duration.Duration:
    return estimated(search=SearchOptions(**options))


@pytest.mark.usefixtures("seconds")
def test_trials_run_side_by_side_and_the_longest_is_waited_for() -> None:
    found = searched()
    assert (found.at_once, found.cores, found.share) == (4, 4, 1.0)
    assert found.seconds == 100.0
    assert searched(num_cpus=2).seconds == 100.0
    assert searched(num_cpus=1).seconds == 200.0
    assert searched(cpus_per_trial=2.0).at_once == 2
    assert searched(num_cpus=99).cores == 4


@pytest.mark.usefixtures("seconds")
def test_repeats_are_added(monkeypatch: pytest.MonkeyPatch) -> None:
    found = searched(repeats=3)
    assert found.again == (100.0, 40.0, 100.0, 40.0)
    assert found.seconds == 200.0
    monkeypatch.setattr(duration, "AROUND_SECONDS", 7.0)
    monkeypatch.setattr(duration, "WORKER_SECONDS", 2.0)
    assert searched().seconds == 109.0


@pytest.mark.usefixtures("seconds")
def test_a_federation_has_all_processes_for_one_trial() -> None:
    found = estimated(federation=Federation(local_epochs=2), search=SearchOptions(cpus_per_client=0.9))
    assert found.at_once == 1
    assert found.by_trial[0] == pytest.approx(2 * 100.0 / 4)
    assert found.seconds == pytest.approx(2 * 200.0 / 4)
    alone = estimated(federation=Federation(), search=SearchOptions(client_actors=1, cpus_per_client=0.9))
    assert (alone.at_once, alone.by_trial[0]) == (4, 100.0)
    sums = estimated(federation=Federation(local_epochs=2, secure_sum=True), search=SearchOptions(cpus_per_client=0.9))
    assert sums.at_once == 1
    assert sums.by_trial[0] == pytest.approx(2 * 100.0 / 4)


@pytest.mark.usefixtures("seconds")
def test_a_scheduler_that_stops_trials_saves_epochs() -> None:
    found = searched(scheduler="asha", num_cpus=1)
    assert found.share == halving.epochs_with_halving(8, 100) / 800
    assert found.seconds == pytest.approx(200.0 * found.share)


def drawn_epochs(trials: int, epochs: int, generator: random.Random) -> int:
    """All epochs of trials that arrive one after another with losses of chance, by Ray's rule for ASHA."""
    seen: dict[int, list[float]] = {}
    total = 0
    for _ in range(trials):
        rung = min(10, epochs)
        while rung < epochs:
            earlier, score = seen.setdefault(rung, []), generator.random()
            goes_on = not earlier or score >= np.percentile(earlier, (1 - 1 / 3) * 100)
            earlier.append(score)
            if not goes_on:
                break
            rung = min(3 * rung, epochs)
        total += rung
    return total


@pytest.mark.parametrize(("trials", "epochs"), [(40, 100), (12, 20), (5, 10), (2, 100)])
def test_the_epochs_that_halving_trains(trials: int, epochs: int) -> None:
    generator = random.Random(0)
    mean = np.mean([drawn_epochs(trials, epochs, generator) for _ in range(300)])
    assert halving.epochs_with_halving(trials, epochs) == pytest.approx(mean, rel=0.05)


def most(plan: Plan) -> float:
    recordings: Any = Recordings()
    recordings.num_frames, recordings.folds = 23 * 7500, (None,) * 8
    return duration.most_seconds(plan, recordings)


def test_what_a_search_surely_does_not_exceed() -> None:
    """Measured on two cores with others at work: a BiGRU of 8 takes 10 microseconds per frame, of 8 x 512 13 ms."""
    small = {"learning_rate": (1e-3,), "hidden_size": (8,), "sequence_length": (50,), "num_layers": (1,)}
    frames = 23 * 7500 * 8 * 100
    assert most(make_plan(grid=small)) > 3 * 2 * frames * 10e-6
    large = {**small, "hidden_size": (512,), "num_layers": (8,)}
    assert most(make_plan(grid=large)) > 3 * frames * 13e-3
    assert most(make_plan(grid=au.GRID)) > 100 * duration.DAY
    images = ImageOptions(image_size=48, frame_stride=1, face_crop="none", backbone="trained", weights="none")
    seen = most(make_plan(grid={**small, "sequence_length": (4,)}, images=images, corpus=FRAMES))
    assert seen > 3 * 2 * frames * 4.9e-3
    assert most(make_plan(grid=small, search=SearchOptions(repeats=5))) > 2 * most(make_plan(grid=small))
    assert most(make_plan(grid=small, federation=Federation(local_epochs=4))) == 4 * most(
        make_plan(grid=small, federation=Federation())
    )


def test_the_demo_is_surely_below_a_day() -> None:
    recordings: Any = Recordings()
    recordings.num_frames, recordings.folds = 23 * 1500, (None,) * 8
    plan = make_plan(grid=au.DEMO_GRID)
    plan = dataclasses.replace(plan, protocol=dataclasses.replace(plan.protocol, epochs=au.DEMO_EPOCHS))
    assert 60 < duration.most_seconds(plan, recordings) < duration.DAY / 4


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "1 second"),
        (40, "40 seconds"),
        (150, "2.5 minutes"),
        (12 * 60, "12 minutes"),
        (89 * 60, "89 minutes"),
        (100 * 60, "1.7 hours"),
        (12 * 3600, "12 hours"),
        (23.9 * 3600, "24 hours"),
        (24 * 3600, "1.0 days"),
        (3.2 * 86400, "3.2 days"),
        (288 * 3600, "12 days"),
        (26_341 * 3600, "1,098 days"),
    ],
)
def test_durations_in_words(seconds: float, words: str) -> None:
    assert duration.in_words(seconds) == words
