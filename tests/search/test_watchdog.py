"""When a silent trial is spoken of and ended, and how long a cluster that is too small is waited for."""

import pytest

from orchestrator.search.watchdog import Listener, Patience, Shortage, Silence

PATIENCE = Patience(factor=10.0, least_seconds=60.0, first_seconds=600.0, kill_factor=2.0)


class Clock:
    """A clock that goes as it is told, in steps that a driver that is awake makes."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def after(listener: Listener, clock: Clock, seconds: float) -> list[Silence]:
    """Everything that is said in so many seconds of looking once a second."""
    said = []
    for _ in range(round(seconds)):
        clock.now += 1.0
        said += listener.silent()
    return said


@pytest.fixture
def clock() -> Clock:
    return Clock()


def asked_for_nothing(uid: str) -> float | None:
    raise AssertionError(f"{uid} is not to be estimated yet")


def test_a_trial_is_spoken_of_after_ten_times_its_own_pace_and_ended_after_twice_that(clock: Clock) -> None:
    listener = Listener(PATIENCE, asked_for_nothing, clock)
    listener.began("a")
    for pause in (5, 12, 3):
        assert not after(listener, clock, pause)
        listener.heard("a")
    said = after(listener, clock, 240)
    assert [(one.seconds, one.limit, one.kill) for one in said] == [
        (120.0, 120.0, False),
        (180.0, 120.0, False),
        (240.0, 120.0, True),
    ]
    assert not after(listener, clock, 119), "it is begun anew"


def test_a_quick_trial_has_a_minute(clock: Clock) -> None:
    listener = Listener(PATIENCE, asked_for_nothing, clock)
    listener.began("a")
    after(listener, clock, 1)
    listener.heard("a")
    assert [one.seconds for one in after(listener, clock, 61)] == [60.0]
    listener.heard("a")
    assert not after(listener, clock, 59)
    listener.ended("a")
    assert not after(listener, clock, 1000)


def test_before_the_first_report_the_estimate_counts_and_is_asked_for_only_then(clock: Clock) -> None:
    asked: list[str] = []

    def estimate(uid: str) -> float | None:
        asked.append(uid)
        return {"slow": 100.0, "quick": 1.0, "unknown": None}[uid]

    listener = Listener(PATIENCE, estimate, clock)
    for uid in ("slow", "quick", "unknown"):
        listener.expect(uid)
    assert not after(listener, clock, 599)
    assert not asked
    said = after(listener, clock, 1600)
    assert sorted(asked) == ["quick", "slow", "unknown"], "once each"
    first = {uid: next(one.seconds for one in said if one.uid == uid) for uid in asked}
    assert first == {"slow": 1000.0, "quick": 600.0, "unknown": 600.0}
    assert [(one.uid, one.seconds) for one in said if one.kill] == [("quick", 1200.0), ("slow", 2000.0)]


def test_in_a_federation_it_is_only_said(clock: Clock) -> None:
    listener = Listener(Patience(may_kill=False), asked_for_nothing, clock)
    listener.began("a")
    after(listener, clock, 2)
    listener.heard("a")
    said = after(listener, clock, 3600)
    assert len(said) == 1 + (3600 - 60) // 30
    assert not any(one.kill for one in said)
    assert {one.kill_at for one in said} == {None}


def test_a_driver_that_was_stopped_itself_blames_nobody(clock: Clock) -> None:
    listener = Listener(PATIENCE, asked_for_nothing, clock)
    listener.began("a")
    after(listener, clock, 2)
    listener.heard("a")
    clock.now += 8 * 3600.0
    assert not listener.silent()
    assert not after(listener, clock, 50)


def test_a_shortage_is_told_at_once_and_each_minute_and_waited_for_so_long(clock: Clock) -> None:
    shortage = Shortage(150.0, clock=clock)
    assert shortage.look(None) is None
    assert shortage.look("1 CPUs") == "waiting for resources: 1 CPUs; waits another 150 s (--wait-for-resources)"
    said = []
    for _ in range(149):
        clock.now += 1.0
        said.append(shortage.look("1 CPUs"))
    assert [line for line in said if line] == [
        "waiting for resources: 1 CPUs; waits another 90 s (--wait-for-resources)",
        "waiting for resources: 1 CPUs; waits another 30 s (--wait-for-resources)",
    ]
    over = [shortage.over]
    clock.now += 1.0
    over.append(shortage.over)
    assert shortage.look(None) == "resources are there again"
    over.append(shortage.over)
    assert over == [False, True, False]
