"""What is reported against the baselines: paired over people, in summary, leaderboard and console."""

import csv
import dataclasses
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fed.options import Federation
from models.ccc import Moments, ccc
from orchestrator import measures
from orchestrator.commands.console import print_report
from orchestrator.estimators.paired import compare, holm
from orchestrator.evaluation.comparisons import against_baselines
from orchestrator.evaluation.fold_scores import over_folds
from orchestrator.evaluation.leaderboard import columns, leaderboard_csv
from orchestrator.evaluation.person_moments import scored_people
from orchestrator.evaluation.person_records import ScoredPeople
from orchestrator.evaluation.results import Outcome, selected_on_reported
from orchestrator.evaluation.search_baselines import BaselineScore
from orchestrator.files import json_text, parse_json
from orchestrator.measures import FoldMoments
from orchestrator.protocols import DESCRIBED, DIMENSIONS, PUBLISHED, STRICT
from orchestrator.run_records import Summary, TrialResult, sums_of
from tests.records import make_plan, make_result

PEOPLE = (("A", "B", "C"), ("D", "E"), ("F", "G"))
NAMES = ("mean", "ridge", "boosting-person")


def moments(seed: int, noise: float) -> list[FoldMoments]:
    generator, folds = np.random.default_rng(seed), []
    for people in PEOPLE:
        frames, windows = {}, {}
        for person in people:
            gold = np.random.default_rng(ord(person)).normal(size=(2, 40))
            traces = gold + noise * generator.normal(size=(2, 40))
            frames[person] = {d: Moments.of(x, y) for d, x, y in zip(DIMENSIONS, traces, gold, strict=True)}
            windows[person] = {d: Moments.of(x[:8], y[:8]) for d, x, y in zip(DIMENSIONS, traces, gold, strict=True)}
        folds.append(FoldMoments(frames=frames, windows=windows))
    return folds


def result(uid: str, seed: int, *, losses: tuple[float, ...] = (1.0, 1.0, 1.0), network: str = "rnn") -> TrialResult:
    base = make_result(uid, list(losses), [0.5] * 3)
    folds = [
        dataclasses.replace(
            fold,
            participants=tuple(own.frames),
            scores=measures.of_fold(own),
            moments=sums_of(own.frames),
            window_moments=sums_of(own.windows or {}),
        )
        for fold, own in zip(base.folds, moments(seed, 0.5), strict=True)
    ]
    return dataclasses.replace(base, folds=tuple(folds), scores=over_folds(folds), network=network)


def baseline(seed: int, **scores: float) -> BaselineScore:
    return BaselineScore(scores=scores, folds=moments(seed, 0.8))


def of(folds: list[FoldMoments], dimension: str) -> list[dict[str, Moments]]:
    return [{person: own[dimension] for person, own in fold.frames.items()} for fold in folds]


BASELINES: Mapping[str, BaselineScore | None] = {
    "mean": baseline(7),
    "ridge": baseline(8),
    "ridge-windows": None,
    "boosting-person": baseline(9),
}


def test_the_differences_are_those_of_the_reported_people_and_corrected_for_all() -> None:
    found = against_baselines([result("b", 2, losses=(2.0, 2.0, 2.0)), result("a", 1)], BASELINES, DESCRIBED)
    assert list(found) == ["ridge", "boosting-person"]  # a constant is no rival, and one was left out
    expected = {
        (name, dimension): compare(of(moments(1, 0.5), dimension), of(moments(seed, 0.8), dimension))
        for name, seed in (("ridge", 8), ("boosting-person", 9))
        for dimension in DIMENSIONS
    }
    corrected = holm([one.p_value for one in expected.values() if one is not None])
    for ((name, dimension), one), p_holm in zip(expected.items(), corrected, strict=True):
        assert one is not None
        made = found[name][dimension]
        assert (made.value, made.low, made.high) == (one.reported.estimate, one.reported.low, one.reported.high)
        assert (made.p, made.p_holm, made.people) == (one.p_value, p_holm, 7)
        assert one.of_people is not None
        assert (made.of_people, made.p_of_people) == (one.of_people.estimate, one.p_value_of_people)
        own = [
            np.mean([ccc(sum(fold.values(), Moments.zero())) for fold in of(parts, dimension)])
            for parts in (moments(1, 0.5), moments({"ridge": 8}.get(name, 9), 0.8))
        ]
        assert made.value == pytest.approx(own[0] - own[1])
    assert against_baselines([], BASELINES, DESCRIBED) == {}


def test_each_difference_has_its_own_number_of_people() -> None:
    """G's labels never vary: part of the CCC of a fold, and without a CCC of their own."""
    flat = sums_of({"G": dict.fromkeys(DIMENSIONS, Moments.of(np.arange(40.0), np.full(40, 0.5)))})
    base = result("a", 1)
    last = dataclasses.replace(base.folds[2], moments={**(base.folds[2].moments or {}), **flat})
    found = against_baselines([dataclasses.replace(base, folds=(*base.folds[:2], last))], BASELINES, DESCRIBED)
    assert {(one.people, one.people_of_people) for own in found.values() for one in own.values()} == {(7, 6)}


def test_a_summary_without_that_number_is_read() -> None:
    """One of before it was recorded."""
    difference = against_baselines([result("a", 1)], BASELINES, DESCRIBED)["ridge"]["valence"]
    raw = Summary(status="finished", best=None, against_baselines={"ridge": {"valence": difference}}).to_json()
    old = {
        key: value for key, value in raw["against_baselines"]["ridge"]["valence"].items() if key != "people_of_people"
    }
    read = Summary.from_json(raw | {"against_baselines": {"ridge": {"valence": old}}}, "summary.json")
    assert read.against_baselines is not None
    assert read.against_baselines["ridge"]["valence"] == dataclasses.replace(difference, people_of_people=None)
    assert difference.people_of_people == 7


def test_strict_compares_each_folds_own_choice() -> None:
    first, second = result("a", 1, losses=(1.0, 2.0, 1.0)), result("b", 2, losses=(2.0, 1.0, 2.0), network="bigru")
    mixed = [moments(1, 0.5)[0], moments(2, 0.5)[1], moments(1, 0.5)[2]]
    found = against_baselines([first, second], {"ridge": BASELINES["ridge"]}, STRICT)
    expected = compare(of(mixed, "valence"), of(moments(8, 0.8), "valence"))
    assert expected is not None
    assert found["ridge"]["valence"].value == expected.reported.estimate
    people = scored_people(make_plan(protocol=STRICT), [first, second], BASELINES)
    assert people.reported is not None
    assert [fold.frames() for fold in people.reported] == [fold.frames for fold in mixed]
    assert [fold.frames() for fold in people.networks["bigru"]] == [fold.frames for fold in moments(2, 0.5)]


@pytest.mark.parametrize(
    ("protocol", "finished", "expected"),
    [(DESCRIBED, 1, False), (DESCRIBED, 2, True), (PUBLISHED, 1, True), (STRICT, 5, False)],
)
def test_whether_the_reported_people_chose(protocol: Any, finished: int, expected: bool) -> None:
    assert selected_on_reported(finished, protocol.epoch_choice) is expected


def test_moments_are_of_each_networks_best_and_come_back_from_their_file() -> None:
    found = [result("a", 1), result("b", 2, losses=(0.5, 0.5, 0.5)), result("c", 3, network="bigru")]
    people = scored_people(make_plan(), found, BASELINES)
    assert people.reported is None
    assert {name: folds[1].frames() for name, folds in people.networks.items()} == {
        "bigru": moments(3, 0.5)[1].frames,
        "rnn": moments(2, 0.5)[1].frames,
    }
    assert list(people.baselines) == list(NAMES)
    assert people.baselines["ridge"][2].window_moments == sums_of(moments(8, 0.8)[2].windows or {})
    text = json_text(people.to_json())
    assert ScoredPeople.from_json(parse_json(text.encode(), Path("moments.json")), "moments.json") == people


def test_no_sum_of_a_federation_is_in_its_moments() -> None:
    people = scored_people(make_plan(federation=Federation()), [result("a", 1)], {"ridge": None})
    assert people.baselines == {}
    for fold, own in zip(people.networks["rnn"], moments(1, 0.5), strict=True):
        assert fold.moments is None
        assert fold.window_moments is None
        assert fold.own == {
            person: {d: ccc(one) for d, one in of_person.items()} for person, of_person in own.frames.items()
        }


SCORES = {
    "ridge": {
        "ccc_valence": 0.9,
        "ccc_valence_sd": 0.1,
        "ccc_arousal": 0.8,
        "ccc_valence_low": 0.7,
        "ccc_valence_high": 0.95,
    },
    "ridge-windows": {},
}


def test_the_leaderboard_ends_with_the_baselines_which_are_never_best() -> None:
    rows = list(csv.DictReader(io.StringIO(leaderboard_csv(make_plan(), [result("a", 1), result("b", 2)], SCORES))))
    assert [row["rank"] for row in rows] == ["1", "2", ""]
    ridge = rows[-1]
    assert (ridge["network"], ridge["status"], ridge["uid"], ridge["hidden_size"]) == ("ridge", "baseline", "", "")
    assert (ridge["ccc_valence"], ridge["ccc_valence_low"], ridge["ccc_window_arousal"]) == ("0.9", "0.7", "")
    assert rows[0]["status"] == "finished"
    assert columns()[:3] == ["rank", "uid", "network"]
    assert columns()[-10:][:2] == ["ccc_valence_low", "ccc_valence_high"]
    assert "None" not in leaderboard_csv(make_plan(), [result("a", 1)], SCORES)


def test_the_leaderboard_has_the_stopped_ones_by_how_far_they_came() -> None:
    ends = {"a": (10, 0.25), "b": (10, 0.125), "c": (30, 0.5)}  # epochs, loss
    stopped = [
        dataclasses.replace(result(uid, 1), status="stopped", epochs=epochs, selection_loss=loss)
        for uid, (epochs, loss) in ends.items()
    ]
    rows = list(csv.DictReader(io.StringIO(leaderboard_csv(make_plan(), [*stopped, result("d", 2)]))))
    assert [(row["rank"], row["uid"]) for row in rows] == [("1", "d"), ("2", "c"), ("3", "b"), ("4", "a")]


def test_the_console_marks_baselines(capsys: pytest.CaptureFixture[str]) -> None:
    found = [result("a", 1), result("b", 2)]
    shown = {name: {"ccc_valence": 0.25, "ccc_arousal": 0.75} for name in ("ridge", "boosting-person")}
    print_report(
        make_plan(), Summary(status="finished", best=None, baseline=shown), Outcome(results=found, failures=())
    )
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line for line in lines if "(baseline)" in line] == [
        ["ridge", "(baseline)", "0.250", "0.750"],
        ["boosting-person", "(baseline)", "0.250", "0.750"],
    ]
    assert [line[0] for line in lines if "lr=0.001" in line] == ["1", "2"]
