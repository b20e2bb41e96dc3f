"""A client process takes its share of the machine before it builds anything."""

import os

import pytest

from fed.executors import client_process as house
from fed.executors.client_process import ClientProcess
from fed.local_plan import LocalPlan
from fed.options import Federation
from tests.fed.toys import RECIPE, SPLITS


def test_a_house_keeps_freed_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(house, "keep_freed_memory", lambda: asked.append("kept"))
    plan = LocalPlan(recipe=RECIPE, federation=Federation(), splits=tuple(SPLITS), seed=0)

    def device() -> str:
        asked.append("device")
        return "cpu"

    assert ClientProcess([], plan, 1, device).pid() == os.getpid()
    assert asked == ["kept", "device"]
