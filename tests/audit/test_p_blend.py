"""The attacker as p-Blend published it: nine statistics, a vote over 10 s, and known answers."""

import dataclasses

import numpy as np
import pytest
from sklearn.svm import LinearSVC

from orchestrator.audit import p_blend
from orchestrator.audit.identity import RANK1
from orchestrator.audit.p_blend import VOTES_RANK1, nine, p_blend_attack, voted
from orchestrator.audit.records import Attack
from orchestrator.audit.statistics import ADVANTAGE
from orchestrator.audit.verdict import EXPOSED, UNDERPOWERED
from orchestrator.audit.windows import ACROSS, WITHIN, Stream
from orchestrator.errors import InputError
from tests.audit.people import made_people


def noise(person: str, level: float, *, session: str = "", seconds: float = 100.0, hz: float = 4.0) -> Stream:
    generator = np.random.default_rng([*f"{person}/{session}".encode()])
    time = np.arange(round(seconds * hz)) / hz
    values = level + generator.normal(size=(len(time), 3))
    valid = np.ones(len(time), dtype=bool)
    return Stream(participant=person, session=session, time=time, values=values.astype(np.float32), valid=valid)


def attack(streams: list[Stream], seed: int = 0) -> Attack:
    return p_blend_attack(
        streams, source="action-units", variant="shared p-blend", threat="Somebody knows them.", seed=seed
    )


def test_nine_statistics_of_a_window() -> None:
    """0 1 3 0: velocities 1 2 -3, accelerations 1 -5."""
    found = np.concatenate(nine(np.array([[0.0], [1.0], [3.0], [0.0]])))
    assert found == pytest.approx([1.0, 0.0, 3.0, 0.5, np.sqrt(1.5), 2.0, 0.0, 3.0, -2.0])


def test_nine_windows_vote_and_of_a_tie_the_first_in_time_wins() -> None:
    places = np.arange(10)
    names = ["a", "a", "a", "a", "b", "b", "b", "b", "b", "c"]
    assert voted(names, places) == ["b", "b"]
    assert voted(["c", "a", "b", "b", "a", "c"], np.arange(6)) == ["c"]
    assert voted(["b", "a"], np.arange(2)) == ["b"]
    assert voted(["a", "b", "b"], np.array([0, 30, 31])) == ["a", "b", "b"]  # no window within 10 s: no vote


def test_windows_have_2_s_and_begin_1_s_apart() -> None:
    found = attack([noise("P0", 0.0), noise("P1", 9.0)])
    # Of 99.75 s 39.9 are enrolled and 39.9 the probe: 38 windows of each of two people, and 30 votes.
    assert found.settings["enrolment_windows"] == found.settings["probe_windows"] == 2 * 38
    assert found.settings["votes"] == 2 * 30
    assert (found.settings["window_seconds"], found.settings["vote_seconds"]) == (2.0, 10.0)
    assert "margin 1, C 1" in str(found.settings["attacker"])


def test_people_who_differ_in_one_number_are_recognised() -> None:
    found = attack([noise(f"P{number}", 5.0 * number) for number in range(8)])
    assert found.name == "identity action-units shared p-blend"
    assert (found.main.name, found.main.value, found.main.chance) == (VOTES_RANK1, 1.0, 1 / 8)
    assert found.verdict == EXPOSED
    assert found.settings["parted"] == WITHIN
    assert any(note.startswith("enrolment and probe are of one recording") for note in found.notes)
    assert all(own[VOTES_RANK1] == 1.0 for own in found.per_person.values())


def test_the_record_says_how_many_were_left_out() -> None:
    found = attack([noise("P0", 0.0), noise("P1", 9.0), noise("P2", 5.0, seconds=3.0)])
    assert found.people == 2
    assert "left out, without valid windows to enrol and to recognise them in: 1 of 3 people" in found.notes


def test_people_who_do_not_differ_are_at_chance() -> None:
    found = attack([noise(f"P{number}", 0.0, seconds=200.0) for number in range(6)])
    assert found.main.lower is not None
    assert found.main.upper is not None
    assert found.main.lower < 1 / 6 < found.main.upper
    assert found.verdict == UNDERPOWERED
    assert "6 people: the interval allows both a leak and none" in found.notes


def test_a_vote_knows_more_than_a_window() -> None:
    found = attack(made_people(0.5))
    advantage, windows = found.statistic(ADVANTAGE), found.statistic(RANK1)
    assert advantage is not None
    assert windows is not None
    assert windows.value is not None
    assert found.main.value is not None
    assert found.main.value > windows.value > 1 / 8
    assert advantage.value == pytest.approx((found.main.value - 1 / 8) / (1 - 1 / 8))


def test_with_several_sessions_the_first_is_enrolled() -> None:
    """Levels change places in the second session: whoever was enrolled there, too, would be recognised."""
    levels = {"a": {"P0": 0.0, "P1": 9.0}, "b": {"P0": 9.0, "P1": 0.0}}
    found = attack(
        [noise(person, level, session=name) for name, own in levels.items() for person, level in own.items()]
    )
    assert found.settings["parted"] == ACROSS
    assert found.main.value == 0.0
    assert not any(note.startswith("enrolment and probe") for note in found.notes)


def test_the_probe_decides_no_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def scaled(known: np.ndarray, asked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        seen.append((len(known), len(asked)))
        return known, asked

    monkeypatch.setattr(p_blend, "standardised", scaled)
    attack([noise("P0", 0.0, session=one) for one in ("a", "b", "c")] + [noise("P1", 9.0, session=one) for one in "ab"])
    assert seen == [(2 * 98, 3 * 98)]


def test_the_same_seed_gives_the_same_record() -> None:
    people = made_people(0.5, count=4, seconds=80.0)
    assert attack(people, seed=2) == attack(people, seed=2)


def test_nothing_but_the_seed_decides_the_order_of_the_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    class Svm(LinearSVC):  # type: ignore[misc]
        def fit(self, *given: object) -> "Svm":
            seen.append((self.random_state, self.multi_class, self.C))
            return super().fit(*given)  # type: ignore[no-any-return]

    monkeypatch.setattr("sklearn.svm.LinearSVC", Svm)
    for seed in (2, 2, 3):
        attack([noise("P0", 0.0), noise("P1", 9.0)], seed=seed)
    assert seen[0] == seen[1] != seen[2]
    assert None not in seen[0]
    assert seen[0][1:] == ("crammer_singer", 1.0)


def test_people_without_a_valid_window_are_left_out_and_one_person_is_refused() -> None:
    gone = noise("P2", 0.0)
    gone = dataclasses.replace(gone, valid=gone.time > 50.0)
    found = attack([noise("P0", 0.0), noise("P1", 9.0), gone])
    assert set(found.per_person) == {"P0", "P1"}
    message = r"the audit of action-units by p-blend: found 1 person with a valid window of 2 s .*; expected at least 2"
    with pytest.raises(InputError, match=message):
        attack([noise("P0", 0.0), gone])
