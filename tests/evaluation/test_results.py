import zlib
from dataclasses import replace

import numpy as np
import pytest

from models.ccc import Moments, mse
from orchestrator import measures
from orchestrator.evaluation import results
from orchestrator.protocols import DESCRIBED, DIMENSIONS, PUBLISHED, STRICT
from orchestrator.run_records import TrialResult, sums_of
from tests.records import make_fold, make_result

# Fold by fold: `a` looks best on folds 1 and 2, `b` on fold 0.
A = make_result("a", [0.9, 0.1, 0.1], [0.1, 0.2, 0.3])
B = make_result("b", [0.1, 0.5, 0.6], [0.4, 0.5, 0.6])
STOPPED = make_result("c", [0.0, 0.0, 0.0], [0.9, 0.9, 0.9], status="stopped")


def test_least_mean_loss_is_first_and_stopped_trials_are_not_ranked() -> None:
    assert [result.uid for result in results.ranking([B, STOPPED, A])] == ["a", "b"]


def test_of_the_stopped_ones_the_latest_is_first_then_the_least_loss_then_the_uid() -> None:
    ends = {"z": (30, 0.9), "y": (10, 0.2), "b": (10, 0.3), "a": (10, 0.3), "c": (None, 0.1)}  # epochs, loss
    stopped = [
        replace(make_result(uid, [loss], [0.0], status="stopped"), epochs=epochs)
        for uid, (epochs, loss) in ends.items()
    ]
    assert [one.uid for one in results.stopped_ranking([*stopped, A])] == ["z", "y", "a", "b", "c"]


def test_ties_are_settled_by_uid() -> None:
    first, second = make_result("x", [0.5, 0.5], [0.0, 0.0]), make_result("y", [0.5, 0.5], [0.0, 0.0])
    assert results.ranking([second, first])[0].uid == "x"


def people_result(uid: str, quality: float, *, folds: int = 4) -> TrialResult:
    """A configuration whose predictions follow the gold standard so well, for two people per fold."""
    generator = np.random.default_rng(zlib.crc32(uid.encode()))
    made = []
    for k in range(folds):
        people = {}
        for person in range(2):
            gold = np.random.default_rng([k, person]).normal(size=(40, 2))
            noisy = quality * gold + generator.normal(size=gold.shape)
            people[f"P{k}-{person}"] = {d: Moments.of(noisy[:, i], gold[:, i]) for i, d in enumerate(DIMENSIONS)}
        sums = sums_of(people)
        loss = float(np.mean([mse(own[d]) for own in people.values() for d in DIMENSIONS]))
        made.append(replace(make_fold(k, loss=loss, score=0.5), moments=sums, window_moments=sums))
    loss = float(np.mean([fold.selection_loss for fold in made]))
    return replace(make_result(uid, [loss], [0.5]), selection_loss=loss, folds=tuple(made))


def test_the_score_of_the_chosen_one_is_corrected_where_something_was_chosen() -> None:
    several = [people_result(f"c{number}", 0.8) for number in range(12)]
    corrected = results.corrected(several, DESCRIBED, seed=0)
    assert set(corrected) == {"ccc_corrected_valence", "ccc_corrected_arousal"}
    scores, intervals = results.reported_scores(several, DESCRIBED, seed=0)
    assert scores["ccc_corrected_valence"] == corrected["ccc_corrected_valence"].estimate
    assert intervals["ccc_corrected_valence"].method == "BBC-CV over people"
    # Equally good ones: the best of twelve is lucky, the correction takes that away.
    assert corrected["ccc_corrected_valence"].estimate < intervals["ccc_valence"].estimate
    assert results.corrected(several, DESCRIBED, seed=0) == corrected != results.corrected(several, DESCRIBED, seed=1)


def test_there_is_no_correction_where_nothing_was_selected_or_the_reported_folds_chose() -> None:
    several = [people_result(f"c{number}", 0.8) for number in range(3)]
    assert results.corrected(several[:1], DESCRIBED, seed=0) == {}
    assert results.corrected(several, PUBLISHED, seed=0) == {}
    assert results.corrected(several, STRICT, seed=0) == {}
    assert results.corrected([], DESCRIBED, seed=0) == {}


def test_strict_chooses_by_each_folds_own_inner_loss_and_reports_that() -> None:
    chosen = [result.uid for result in results.reported_by_fold([A, B], STRICT)]
    assert chosen == ["b", "a", "a"]
    assert results.reported_scores([A, B], STRICT, seed=0)[0]["ccc_arousal"] == pytest.approx((0.4 + 0.2 + 0.3) / 3)


def test_described_reports_the_best_configuration_on_all_folds() -> None:
    assert [result.uid for result in results.reported_by_fold([A, B], DESCRIBED)] == ["a", "a", "a"]


def test_only_what_can_still_be_reported_is_kept() -> None:
    assert results.worth_keeping([A, B, STOPPED], DESCRIBED) == {"a"}
    assert results.worth_keeping([A, B, STOPPED], STRICT) == {"a", "b"}
    assert results.worth_keeping([], DESCRIBED) == set()


def test_a_single_configuration_is_reported_on_all_its_folds() -> None:
    assert results.reported_by_fold([B], DESCRIBED) == [B, B, B]
    assert results.reported_by_fold([STOPPED], DESCRIBED) == results.reported_by_fold([], STRICT) == []
    assert results.reported_scores([], DESCRIBED, seed=0) == ({}, {})


def test_people_are_reported_by_the_configuration_of_their_fold() -> None:
    one, two = people_result("one", 0.9), people_result("two", 0.2)
    # `two` has the least inner loss in the second fold alone.
    folds = [replace(fold, selection_loss=0.0 if k == 1 else 9.0) for k, fold in enumerate(two.folds)]
    two = replace(two, folds=tuple(folds), selection_loss=7.0)
    found = results.reported_people([one, two], STRICT)
    assert [(person.participant, person.fold) for person in found] == [
        (f"P{k}-{p}", k) for k in range(4) for p in range(2)
    ]
    assert found[2].scores == measures.of_person(two.folds[1].people().frames["P1-0"])
    assert found[0].scores == measures.of_person(one.folds[0].people().frames["P0-0"])


def test_the_best_of_each_network_by_name() -> None:
    gru = [replace(make_result(uid, [loss], [0.0]), network="gru") for uid, loss in (("u", 0.5), ("v", 0.4))]
    best = results.best_of_networks([*gru, A, B])
    assert {network: one.uid for network, one in best.items()} == {"gru": "v", "rnn": "a"}
    assert list(best) == ["gru", "rnn"]
