"""In which order trials are handed to Tune: the longest first, or mixed if the time may run out."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ray import tune as ray_tune

from orchestrator.files import write_json
from orchestrator.planning.cost import relative_cost
from orchestrator.planning.plan import Plan, SearchOptions
from orchestrator.run_folder import RESULT_FILE
from orchestrator.run_records import TrialResult
from orchestrator.search import tune
from orchestrator.search.progress import Observer
from tests.records import make_plan, make_result

Handed = Callable[..., list[str]]
LONGEST_FIRST = [  # counted by hand: a layer costs more than all of these weights, then the weights decide
    ("bigru", 16, 2),
    ("bigru", 8, 2),
    ("rnn", 16, 2),
    ("rnn", 8, 2),
    ("bigru", 16, 1),
    ("bigru", 8, 1),
    ("rnn", 16, 1),
    ("rnn", 8, 1),
]


@pytest.fixture
def handed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Handed:
    """Search with Tune's place taken; gives the uids in the order in which Tune would begin them."""

    def run(plan: Plan, *, done: list[TrialResult] | None = None) -> list[str]:
        found: list[list[str]] = []

        class Taken:
            def __init__(self, _trainable: Any, *, param_space: dict[str, Any], **_: Any) -> None:
                found.append([pack["uids"][0] for pack in param_space["pack"]["grid_search"]])

            def fit(self) -> None:
                """Train nothing."""

        monkeypatch.setattr(ray_tune, "Tuner", Taken)
        monkeypatch.setattr(ray_tune, "with_parameters", lambda trainable, **_: trainable)
        observer = Observer(plan, tmp_path, [], lambda: None)
        places = {"trials_folder": tmp_path, "scratch": tmp_path / "ray"}
        for result in done or []:
            write_json(tmp_path / result.uid / RESULT_FILE, result.to_json())
        tune.search(plan, None, **places, earlier=done or [], observer=observer)  # type: ignore[arg-type]
        return found[0]

    return run


def points_of(plan: Plan, uids: list[str]) -> list[tuple[str, int, int]]:
    trials = {trial.uid: trial for trial in plan.trials}
    return [(trials[uid].network, trials[uid].hparams.hidden_size, trials[uid].hparams.num_layers) for uid in uids]


def test_the_longest_trial_begins_first(handed: Handed) -> None:
    plan = make_plan()
    assert points_of(plan, handed(plan)) == LONGEST_FIRST
    done = make_result(plan.trials[-1].uid, [0.5], [0.5])
    assert points_of(plan, handed(plan, done=[done])) == LONGEST_FIRST[1:]


def test_equally_long_trials_begin_in_the_order_of_the_plan(handed: Handed) -> None:
    plan = make_plan(grid={"learning_rate": (1e-3, 1e-4, 1e-2), "hidden_size": (8,), "sequence_length": (50, 10),
                           "num_layers": (1,)})  # fmt: skip
    ours = [trial.uid for trial in plan.trials]
    assert handed(plan) == [*ours[6:], *ours[:6]]


def test_with_hours_the_order_is_mixed_by_seed(handed: Handed) -> None:
    timed = SearchOptions(hours=1.0)
    first, again, other = (handed(make_plan(search=timed, seed=seed)) for seed in (0, 0, 1))
    assert first == again != other
    for order in (first, other):
        assert sorted(order) == sorted(trial.uid for trial in make_plan().trials)
        points = points_of(make_plan(), order)
        assert points not in (LONGEST_FIRST, LONGEST_FIRST[::-1], points_of(make_plan(), sorted(order)))
        assert {layers for _, _, layers in points[:4]} == {1, 2}, "half of the time would see one end of the grid"


def test_packs_are_begun_by_all_that_is_in_them(handed: Handed) -> None:
    """Two small configurations of one shape cost more than one that is larger than each."""
    plan = make_plan(grid={"learning_rate": (1e-3, 1e-4), "hidden_size": (8, 16), "sequence_length": (50,),
                           "num_layers": (1,)})  # fmt: skip
    shapes = [trial.uid for trial in plan.trials if (trial.network, trial.hparams.hidden_size) == ("rnn", 8)]
    alone = [trial.uid for trial in plan.trials if trial.uid not in shapes]
    assert handed(plan)[-2:] == shapes
    assert handed(dataclasses.replace(plan, packs=(tuple(shapes),))) == [shapes[0], *alone_by_cost(plan, alone)]


def alone_by_cost(plan: Plan, uids: list[str]) -> list[str]:
    trials = {trial.uid: trial for trial in plan.trials}
    return sorted(uids, key=lambda uid: -relative_cost(plan, trials[uid]))
