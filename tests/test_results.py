from dataclasses import replace

import pytest

from orchestrator import results
from orchestrator.protocols import DESCRIBED, STRICT
from tests.records import make_result

# Fold by fold: `a` looks best on folds 1 and 2, `b` on fold 0.
A = make_result("a", [0.9, 0.1, 0.1], [0.1, 0.2, 0.3])
B = make_result("b", [0.1, 0.5, 0.6], [0.4, 0.5, 0.6])
STOPPED = make_result("c", [0.0, 0.0, 0.0], [0.9, 0.9, 0.9], status="stopped")


def test_least_mean_loss_is_first_and_stopped_trials_are_not_ranked() -> None:
    assert [result.uid for result in results.ranking([B, STOPPED, A])] == ["a", "b"]


def test_ties_are_settled_by_uid() -> None:
    first, second = make_result("x", [0.5, 0.5], [0.0, 0.0]), make_result("y", [0.5, 0.5], [0.0, 0.0])
    assert results.ranking([second, first])[0].uid == "x"


def test_correction_chooses_for_each_fold_by_the_other_folds() -> None:
    chosen = [result.uid for result in results.chosen_by_fold([A, B], DESCRIBED)]
    # Others' loss of a: .1 .5 .5; of b: .55 .35 .3
    assert chosen == ["a", "b", "b"]
    assert results.corrected([A, B], DESCRIBED)["ccc_corrected_valence"] == pytest.approx((0.1 + 0.5 + 0.6) / 3)


def test_strict_chooses_by_each_folds_own_inner_loss_and_reports_that() -> None:
    chosen = [result.uid for result in results.reported_by_fold([A, B], STRICT)]
    assert chosen == ["b", "a", "a"]
    assert results.reported_scores([A, B], STRICT, seed=0)["ccc_arousal"] == pytest.approx((0.4 + 0.2 + 0.3) / 3)


def test_described_reports_the_best_configuration_on_all_folds() -> None:
    assert [result.uid for result in results.reported_by_fold([A, B], DESCRIBED)] == ["a", "a", "a"]


def test_only_what_can_still_be_reported_is_kept() -> None:
    assert results.worth_keeping([A, B, STOPPED], DESCRIBED) == {"a"}
    assert results.worth_keeping([A, B, STOPPED], STRICT) == {"a", "b"}
    assert results.worth_keeping([], DESCRIBED) == set()


def test_folds_without_scored_frames_are_left_out_of_the_corrected_score_too() -> None:
    empty = make_result("e", [0.1, 0.1, 0.1], [0.0, 0.6, 0.8])
    first = replace(empty.folds[0], scores={**empty.folds[0].scores, "num_frames_valence": 0})
    empty = replace(empty, folds=(first, *empty.folds[1:]))
    assert results.corrected([empty], DESCRIBED)["ccc_corrected_valence"] == pytest.approx(0.7)
    assert results.corrected([empty], DESCRIBED)["ccc_corrected_arousal"] == pytest.approx(1.4 / 3)
