"""The search of a night: what it draws, how it walks it, and what options take its place."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from orchestrator.commands import options as opt
from orchestrator.errors import Gather
from orchestrator.planning.grid import choose_spread, grid_points
from orchestrator.planning.plan import SearchOptions
from orchestrator.planning.request import DataOptions, Decided, Request, decide
from tests.records import make_plan
from tests.search.small_searches import POINT
from tune_spaces.catalogue import find_method, method_names
from tune_spaces.method import STANDARD_CONFIGURATIONS

ALL_OPEN = frozenset(opt.PRESET_FIELDS)


def decided(**changes: Any) -> Decided:
    """The choices of a request with recordings of the user's, in which no option says how it is walked."""
    fields: dict[str, Any] = {
        "command": "tune",
        "method": "au",
        "preset": None,
        "networks": (),
        "overrides": (),
        "point": None,
        "protocol": "described",
        "protocol_changes": {},
        "data": DataOptions(path=Path("recordings"), corpus=None),
        "seed": 0,
        "search": SearchOptions(),
        "output": None,
        "tracking_uri": None,
        "left_open": ALL_OPEN,
    }
    gather = Gather()
    found = decide(Request(**{**fields, **changes}), gather)
    gather.settle()
    return found


def walked(found: Decided) -> tuple[str, str, int | None]:
    return found.search.search, found.search.scheduler, found.search.max_trials


def test_the_preset_is_standard_with_recordings_and_demo_without() -> None:
    assert decided().preset_name == "standard"
    assert decided(data=DataOptions(path=None, corpus=None)).preset_name == "demo"
    assert decided(preset="paper").preset_name == "paper"
    assert len(decided(preset="paper").points) == 2160


def test_how_the_presets_are_walked() -> None:
    assert walked(decided()) == ("spread", "asha", STANDARD_CONFIGURATIONS)
    for preset in ("paper", "demo"):
        assert walked(decided(preset=preset)) == ("grid", "fifo", None)


def test_strictly_every_trial_runs_to_its_end() -> None:
    assert walked(decided(protocol="strict")) == ("spread", "fifo", STANDARD_CONFIGURATIONS)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"scheduler": "fifo"}, ("spread", "fifo", STANDARD_CONFIGURATIONS)),
        ({"max_trials": 7}, ("spread", "asha", 7)),
        ({"search": "optuna"}, ("optuna", "asha", STANDARD_CONFIGURATIONS)),
        ({"search": "grid"}, ("grid", "asha", None)),  # every point: the first of a grid are no choice
        ({"search": "grid", "max_trials": 7}, ("grid", "asha", 7)),
    ],
)
def test_options_win_over_the_preset(given: dict[str, Any], expected: tuple[str, str, int | None]) -> None:
    found = decided(search=SearchOptions(**given), left_open=ALL_OPEN - given.keys())
    assert walked(found) == expected


def test_values_that_are_set_win_over_the_presets() -> None:
    found = decided(overrides=("hidden_size=512", "num_layers=8"))
    assert {(hparams.hidden_size, hparams.num_layers) for _, hparams in found.points} == {(512, 8)}
    assert {hparams.learning_rate for _, hparams in found.points} == {1e-3, 1e-4, 1e-5}


def test_one_configuration_is_evaluated_as_the_paper_trains_it() -> None:
    """Neither the preset's frames nor its scheduler: `evaluate` has no search."""
    found = decided(command="evaluate", method="images", point=POINT, networks=("rnn",))
    assert walked(found) == ("grid", "fifo", None)
    assert found.images is not None
    assert (found.images.backbone, found.images.frame_stride, found.images.weights) == ("trained", 1, "imagenet")


@pytest.mark.parametrize("name", method_names())
def test_a_standard_search_is_a_part_of_the_papers_grid(name: str) -> None:
    method = find_method(name)
    paper, standard = (method.presets[one] for one in ("paper", "standard"))
    assert standard.networks == paper.networks
    points = set(grid_points(standard.networks, standard.grid))
    assert points < set(grid_points(paper.networks, paper.grid))
    assert len(points) > 5 * STANDARD_CONFIGURATIONS


def test_a_draw_is_spread_over_the_networks_without_repetition_by_the_seed() -> None:
    trials = make_plan(grid={**dict.fromkeys(("learning_rate",), (1e-3, 1e-4, 1e-5)), **GRID}).trials
    drawn, again, other = (choose_spread(trials, 9, seed) for seed in (3, 3, 4))
    assert drawn == again != other
    assert Counter(trial.network for trial in drawn) == {"rnn": 5, "bigru": 4}
    assert len({trial.uid for trial in drawn}) == 9
    assert set(drawn) < set(trials)
    assert set(choose_spread(trials, None, 3)) == set(choose_spread(trials, 999, 3)) == set(trials)


GRID = {"hidden_size": (8, 16), "sequence_length": (50, 100), "num_layers": (1, 2)}


def test_where_a_network_has_few_points_the_others_fill_up() -> None:
    trials = make_plan().trials  # four of each network
    few = [trial for trial in trials if trial.network == "rnn"][:1] + [t for t in trials if t.network == "bigru"]
    assert Counter(trial.network for trial in choose_spread(few, 4, 0)) == {"rnn": 1, "bigru": 3}
