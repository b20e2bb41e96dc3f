"""A client process takes its share of the machine before it builds anything."""

import os

import pytest

from fed import house
from fed.client import LocalPlan
from fed.house import House
from fed.options import Federation
from tests.fed.toys import RECIPE, SPLITS


def test_a_house_keeps_freed_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(house, "keep_freed_memory", lambda: asked.append("kept"))
    plan = LocalPlan(recipe=RECIPE, federation=Federation(), splits=tuple(SPLITS), seed=0)
    assert House([], plan, 1, lambda: asked.append("device") or "cpu").pid() == os.getpid()
    assert asked == ["kept", "device"]
