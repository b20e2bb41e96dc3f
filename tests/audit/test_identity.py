"""Who is this: windows and their statistics, attackers chosen on the enrolment, and the dial of the embedded corpus."""

import dataclasses
import math

import numpy as np
import pytest

from orchestrator.audit.attackers import CHANCE_SHARE, at_temperature, calibrated, recognise
from orchestrator.audit.identity import BITS, PROBE_RANK1, RANK1, ErrorRate, identity_attack
from orchestrator.audit.statistics import ADVANTAGE
from orchestrator.audit.verdict import EXPOSED, UNDERPOWERED
from orchestrator.audit.windows import ACROSS, WITHIN, Stream, Windows, make_task
from orchestrator.errors import InputError
from tests.audit.people import made_people


def stream(person="P1", session="", seconds=100.0, hz=2.0, values=None):
    time = np.arange(round(seconds * hz)) / hz
    columns = time[:, None] if values is None else values
    valid = np.ones(len(time), dtype=bool)
    return Stream(participant=person, session=session, time=time, values=np.asarray(columns, np.float32), valid=valid)


def attack(streams, **how):
    return identity_attack(streams, source="action-units", threat="Somebody knows them.", seed=0, **how)


def noise(person, *, seconds=100.0, level=0.0, seed=0):
    generator = np.random.default_rng([seed, sum(person.encode())])
    return stream(person, seconds=seconds, values=level + generator.normal(size=(round(seconds * 2), 3)))


def test_enrolment_gap_and_probe_lie_in_the_first_the_next_and_the_last_part():
    """The one channel is the time itself, so that each window's least and largest value say where it lies."""
    task = make_task([stream("P1"), stream("P2")])
    least, largest = task.enrolled.rows_WF[:, 2], task.enrolled.rows_WF[:, 3]
    span = 99.5
    assert task.parted == WITHIN
    assert task.window_seconds == 10.0
    assert least.min() == 0.0
    assert largest.max() <= 0.4 * span
    assert task.probe.rows_WF[:, 2].min() >= 0.6 * span
    assert np.allclose(largest - least, 9.5, atol=0.51)
    half = task.enrolled.half_W
    assert largest[half == 0].max() <= 0.2 * span + 0.5 <= least[half == 1].min() + 1.0
    assert set(half) == {0, 1}


def test_with_several_sessions_the_first_is_enrolled():
    streams = [
        stream(person, session, values=np.full((200, 1), level))
        for person in ("P1", "P2")
        for session, level in (("b", 2.0), ("a", 1.0))
    ]
    task = make_task(streams)
    assert task.parted == ACROSS
    assert set(task.enrolled.rows_WF[:, 0]) == {1.0}
    assert set(task.probe.rows_WF[:, 0]) == {2.0}


def test_statistics_of_a_window():
    values = np.tile([[0.0, 5.0], [1.0, 5.0], [3.0, 5.0], [0.0, 5.0]], (50, 1))
    row = make_task([stream("P1", values=values), stream("P2", values=values)]).enrolled.rows_WF[0].reshape(-1, 2)
    assert row[:, 1].tolist() == [5.0, 0.0, 5.0, 5.0, 5.0, 0.0, 0.0, 0.0]
    mean, sd, least, largest, median, speed, _, acceleration = row[:, 0]
    assert (mean, least, largest, median) == (1.0, 0.0, 3.0, 0.5)
    assert sd == pytest.approx(math.sqrt(1.5))
    assert speed == pytest.approx((5 * (1 + 2 + 3 + 0) - 0) / 19)
    assert acceleration == pytest.approx((5 * 1 + 5 * 5 + 4 * 3 + 4 * 1) / 18)


def test_dynamics_do_not_know_a_constant():
    before, after = (
        make_task(people, statistics="dynamics").enrolled.rows_WF
        for people in (
            [noise("P1"), noise("P2")],
            [noise("P1", level=4.0), noise("P2", level=-3.0)],
        )
    )
    assert np.allclose(before, after, atol=1e-5)


def test_own_scale_makes_each_part_of_mean_0_and_deviation_1():
    task = make_task([noise("P1", level=4.0), noise("P2", level=-3.0)], own_scale=True)
    for part in (task.enrolled, task.probe):
        assert np.abs(part.rows_WF[:, :3]).max() < 1.0
        assert part.rows_WF[:, 3:6].mean() == pytest.approx(1.0, abs=0.15)
    jump = noise("P1", level=4.0)
    values = jump.values + np.where(jump.time[:, None] > 0.2 * 99.5, 100.0, 0.0).astype(np.float32)
    task = make_task([dataclasses.replace(jump, values=values), noise("P2")], own_scale=True)
    assert np.abs(task.enrolled.rows_WF[:, :3]).mean() < 0.5  # each half by itself; else 1


def test_invalid_steps_are_left_out_and_people_without_enough_of_them():
    broken = noise("P3")
    broken = dataclasses.replace(broken, valid=broken.time > 50.0)
    holes = noise("P1")
    valid = holes.valid.copy()
    valid[::3] = False
    wild = np.where(valid[:, None], holes.values, 1e6).astype(np.float32)
    task = make_task([dataclasses.replace(holes, valid=valid, values=wild), noise("P2"), broken])
    assert task.people == ("P1", "P2")
    assert task.enrolled.rows_WF.max() < 100.0


def test_the_record_says_how_many_were_left_out():
    few = dataclasses.replace(noise("P3"), valid=noise("P3").time > 50.0)
    found = attack([noise("P1"), noise("P2", level=3.0), few])
    assert found.people == 2
    assert "left out, without valid windows to enrol and to recognise them in: 1 of 3 people" in found.notes
    assert not any("left out" in note for note in attack([noise("P1"), noise("P2")]).notes)


def test_one_person_is_refused():
    with pytest.raises(InputError, match=r"the audit of action-units: found 1 person .*; expected at least 2"):
        attack([noise("P1")])


def test_the_attacker_is_chosen_and_calibrated_without_the_probe():
    task = make_task(made_people(0.6, count=4, seconds=100.0))
    shuffled = np.random.default_rng(0).permutation(task.probe.person_W)
    other = Windows(rows_WF=task.probe.rows_WF[::-1] * 3.0, person_W=shuffled, half_W=task.probe.half_W)
    first, second = (recognise(task.enrolled, probe, num_people=4, seed=0) for probe in (task.probe, other))
    assert first.attacker == second.attacker
    assert first.temperature == second.temperature
    assert first.enrolment_rank1 == second.enrolment_rank1
    assert first.enrolment_rank1[first.attacker] == max(first.enrolment_rank1.values())


def test_answers_that_are_right_by_luck_become_chance():
    generator = np.random.default_rng(0)
    raw, truth = 10.0 * generator.normal(size=(400, 5)), generator.integers(0, 5, 400)
    temperature, loss = calibrated(raw, truth)
    assert temperature > 30.0
    assert loss == pytest.approx(math.log(5), abs=0.02)


def test_answers_that_are_always_right_become_as_certain_as_any_may_be():
    truth = np.arange(40) % 4
    raw = np.where(truth[:, None] == np.arange(4), 0.0, -5.0)
    temperature, loss = calibrated(raw, truth)
    assert temperature < 0.5
    assert loss == pytest.approx(-math.log(1 - CHANCE_SHARE + CHANCE_SHARE / 4), abs=1e-3)
    assert np.exp(at_temperature(raw, 2.0)).sum(axis=1) == pytest.approx(1.0)


def test_equal_error_rates_in_closed_form():
    truth, everybody = np.array([0, 1]), np.array([0, 1])
    for own, expected in ((0.9, 0.0), (0.1, 1.0), (0.5, 0.5)):
        log = np.log(np.array([[own, 1 - own], [1 - own, own]]))
        assert ErrorRate(log, truth)(everybody) == pytest.approx(expected)


def test_a_person_who_is_drawn_twice_counts_twice():
    """P0 is always taken for P1, P1 always recognised, in windows that are many more than P0's."""
    log = np.log(np.array([[0.2, 0.8]] + [[0.1, 0.9]] * 9))
    truth = np.array([0] + [1] * 9)
    once, twice, never = (ErrorRate(log, truth)(np.array(drawn)) for drawn in ([0, 1], [0, 0, 1], [1, 1]))
    assert once == pytest.approx(0.5)
    assert twice == pytest.approx(2 / 3)
    assert never == 0.0


def test_people_who_do_not_differ_are_at_chance():
    found = attack([noise(f"P{number}", seconds=300.0) for number in range(6)])
    assert found.verdict == UNDERPOWERED
    assert found.main.lower < 1 / 6 < found.main.upper
    assert found.statistic(BITS).value == pytest.approx(0.0, abs=0.15)
    assert "6 people: the interval allows both a leak and none" in found.notes


def test_people_who_differ_in_one_number_are_recognised():
    found = attack([noise(f"P{number}", level=3.0 * number) for number in range(8)])
    assert found.verdict == EXPOSED
    assert found.main.value == 1.0
    assert found.main.lower == pytest.approx(0.6756, abs=1e-4)
    assert found.statistic(BITS).value == pytest.approx(math.log2(8), abs=0.12)
    assert set(found.per_person) == {f"P{number}" for number in range(8)}
    assert all(own[RANK1] == 1.0 for own in found.per_person.values())


def test_the_dial_of_identity_moves_the_advantage_from_none_to_nearly_all():
    found = [attack(made_people(identity)) for identity in (0.0, 0.5, 1.0)]
    advantages = [one.statistic(ADVANTAGE).value for one in found]
    assert advantages == sorted(advantages)
    assert abs(advantages[0]) < 0.15
    assert 0.3 < advantages[1] < 0.8
    assert advantages[2] > 0.9
    assert found[0].statistic(BITS).value < 0.2
    assert found[2].statistic(BITS).value > 2.5
    assert found[2].statistic(PROBE_RANK1).value == 1.0
    rank1 = found[1].main.value
    assert advantages[1] == pytest.approx((rank1 - 1 / 8) / (1 - 1 / 8))
    assert found[0].verdict == UNDERPOWERED
    assert found[2].verdict == EXPOSED


def test_the_same_seed_gives_the_same_record():
    people = made_people(0.5, count=4, seconds=80.0)
    assert attack(people) == attack(people)
