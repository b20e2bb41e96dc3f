"""Runs commands on a Ray of two CPUs that believes in one GPU, and writes down where Ray put what they started.

`python -m tests.search.on_pretended_gpu OUT [WORDS OF A COMMAND AS JSON]...`, in a process of its own: it ends its Ray.
A command that begins with ONLY_PLACE reserves what its trials would and starts none.
"""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import ray
from click.testing import CliRunner

from orchestrator.cli import cli
from orchestrator.search import tune
from tests.search.injected_faults import PATIENCE_SECONDS

ONLY_PLACE = "only place"


def only_placed(_plan: Any, trainable: Any, *_: Any) -> list[str]:
    """Take the place of Tune: reserve a trial's bundles all at once, and give them back."""
    group = trainable.default_resource_request({}).to_placement_group()
    assert group.wait(PATIENCE_SECONDS)
    ray.util.remove_placement_group(group)
    return []


def groups(known: Iterable[str] = ()) -> dict[str, list[dict[str, float]]]:
    """The bundles of every placement group there was beside those known, removed ones too, by its name in Ray."""
    return {
        name: [
            {key: share for key, share in bundle.items() if key in {"CPU", "GPU"}}
            for _, bundle in sorted(group["bundles"].items())
        ]
        for name, group in ray.util.placement_group_table().items()
        if name not in known
    }


def at_work() -> dict[str, int]:
    """Processes by the round's task they did, as Ray's own record of tasks has them."""
    found: dict[str, set[Any]] = {}
    for event in ray.timeline():
        if event.get("cat", "").startswith("task::"):
            found.setdefault(event["cat"].removeprefix("task::"), set()).add((event["pid"], event["tid"]))
    return {name: len(processes) for name, processes in found.items()}


def main() -> None:
    """Run the commands one after the other."""
    ray.init(
        address="local",
        num_cpus=2,
        num_gpus=1,
        _memory=32 * 2**30,  # pretended too: what is free in truth changes, and with it how many find room
        object_store_memory=300 * 2**20,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
    )
    records = []
    for words in map(json.loads, sys.argv[2:]):
        before = groups()
        with pytest.MonkeyPatch.context() as patch:
            if words[0] == ONLY_PLACE:
                patch.setattr(tune, "_run", only_placed)
            result = CliRunner().invoke(cli, [word for word in words if word != ONLY_PLACE])
        records.append(
            {
                "code": result.exit_code,
                "errors": result.stderr,
                "groups": [*groups(before).values()],
                "at_work": at_work(),
            }
        )
    Path(sys.argv[1]).write_text(json.dumps(records))
    ray.shutdown()


if __name__ == "__main__":
    main()
