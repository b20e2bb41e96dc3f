"""Processors are those of the process: of a batch job or a container fewer than of the machine."""

import os
import subprocess
import sys
from typing import Any

import pytest
import ray

from orchestrator.errors import InputError
from orchestrator.planning.plan import SearchOptions
from orchestrator.process.processors import num_processors
from orchestrator.search import cluster

pytestmark = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity")
ASK = (
    "import os; os.sched_setaffinity(0, {{{}}});"
    " from orchestrator.process.processors import num_processors; print(num_processors())"
)


def test_they_are_those_of_the_affinity() -> None:
    """In a process of its own, as `taskset` and batch systems start them."""
    one = min(os.sched_getaffinity(0))
    done = subprocess.run(
        [sys.executable, "-c", ASK.format(one)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "1\n"
    assert num_processors() == len(os.sched_getaffinity(0))


@pytest.mark.parametrize(("asked", "expected"), [(None, 3), (2, 2)])
def test_a_local_ray_has_as_many_unless_told(asked: int | None, expected: int, monkeypatch: pytest.MonkeyPatch) -> None:
    started: dict[str, Any] = {}

    def init(**options: Any) -> None:
        started.update(options)
        raise RuntimeError("far enough")

    monkeypatch.setattr(cluster, "num_processors", lambda: 3)
    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with pytest.raises(InputError, match="far enough"), cluster.ray_session(SearchOptions(num_cpus=asked)):
        pass
    assert started["num_cpus"] == expected
