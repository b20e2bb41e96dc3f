"""Running a small search in this process, on the tests' shared Ray."""

from pathlib import Path
from typing import Any

from orchestrator.commands.console import present
from orchestrator.planning import launch
from orchestrator.planning.plan import SearchOptions
from orchestrator.planning.request import DataOptions, Request
from orchestrator.search.run import execute
from tune_spaces.method import HParams

FAST = {"epochs": 2, "num_folds": 3}
FOUR_POINTS = ("hidden_size=8,16", "sequence_length=50,100", "num_layers=1")


def make_request(data: Path, output: Path, store: str, **changes: Any) -> Request:
    fields: dict[str, Any] = {
        "command": "tune",
        "method": "au",
        "preset": "demo",
        "networks": ("rnn",),
        "overrides": FOUR_POINTS,
        "point": None,
        "protocol": "described",
        "protocol_changes": {**FAST, **changes.pop("protocol_changes", {})},
        "data": DataOptions(path=data, corpus=None),
        "seed": 0,
        # Seconds a search: whether the model is logged is tested on its own.
        "search": SearchOptions(**{"log_model": False, **changes.pop("search", {})}),
        "output": output,
        "tracking_uri": store,
    }
    return Request(**{**fields, **changes})


def search(data: Path, output: Path, store: str, **changes: Any) -> int:
    ready = launch.prepare(make_request(data, output, store, **changes), claim=True)
    return executed(ready)


def executed(ready: launch.Launch) -> int:
    assert ready.claim is not None
    with ready.claim:
        return present(execute(ready))


def resumed(output: Path) -> int:
    return executed(launch.resume(output))


POINT = HParams(learning_rate=1e-3, hidden_size=8, sequence_length=50, num_layers=1)
