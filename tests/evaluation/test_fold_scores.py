from dataclasses import replace

import numpy as np
import pytest

from models.ccc import Moments
from orchestrator.estimators.sums import PersonMoments
from orchestrator.evaluation import fold_scores
from orchestrator.measures import FoldMoments, ends, fold_keys, intervals, of_fold, of_person
from orchestrator.protocols import DIMENSIONS
from orchestrator.run_records import FoldScore


def moments_of(generator: np.random.Generator, size: int, *, slope: float) -> PersonMoments:
    gold = generator.normal(size=size)
    noisy = slope * gold + generator.normal(size=size)
    return {"valence": Moments.of(noisy, gold), "arousal": Moments.of(gold, gold)}


def test_a_person_without_spread_has_no_ccc_and_does_not_lower_the_mean() -> None:
    constant = {d: Moments.of(np.full(3, 0.5), np.full(3, 0.2)) for d in DIMENSIONS}
    perfect = {d: Moments.of(np.arange(4.0), np.arange(4.0)) for d in ("valence", "arousal")}
    people = {"A": constant, "B": perfect}
    scores = of_fold(FoldMoments(frames=people, windows=people))
    assert scores["ccc_participant_valence"] == pytest.approx(1.0)
    assert scores["num_frames_valence"] == 7
    pooled = scores["ccc_valence"]
    assert pooled is not None
    assert 0 < pooled < 1


def test_folds_average_and_spread_and_empty_folds_are_left_out() -> None:
    def fold(value: float, frames: int) -> FoldScore:
        scores = {**dict.fromkeys(fold_keys(), value), "num_frames_valence": frames, "num_frames_arousal": 5}
        return FoldScore(fold=0, scores=scores)

    means = fold_scores.over_folds([fold(0.2, 5), fold(0.6, 5), fold(0.0, 0)])
    assert means["ccc_valence"] == pytest.approx(0.4)
    assert means["ccc_valence_sd"] == pytest.approx(0.2 * 2**0.5)  # dividing by k - 1
    assert means["ccc_arousal"] == pytest.approx(0.8 / 3)


def test_a_constant_prediction_counts_0_and_a_constant_gold_standard_is_left_out() -> None:
    flat = {d: Moments.of(np.full(4, 0.2), np.arange(4.0)) for d in DIMENSIONS}
    unreachable = {d: Moments.of(np.arange(4.0), np.full(4, 0.2)) for d in DIMENSIONS}
    perfect = {d: Moments.of(np.arange(4.0), np.arange(4.0)) for d in DIMENSIONS}
    people = {"A": flat, "B": unreachable, "C": perfect}
    assert of_fold(FoldMoments(frames=people, windows=people))["ccc_participant_valence"] == pytest.approx(0.5)
    nobody = {"B": unreachable}
    scores = of_fold(FoldMoments(frames=nobody, windows=nobody))
    assert scores["ccc_participant_valence"] is None
    assert of_person(flat)["ccc_valence"] == 0.0
    assert of_person(unreachable)["ccc_valence"] is None
    means = fold_scores.over_folds([FoldScore(fold=0, scores=scores)])
    assert means["ccc_participant_valence"] is None
    assert means["ccc_valence_sd"] is None


def test_a_fold_without_a_frame_of_a_dimension_has_no_score_of_it() -> None:
    """An error of 0 would read as a perfect prediction."""
    person = {"valence": Moments.zero(), "arousal": Moments.of(np.arange(4.0), np.arange(4.0))}
    scores = of_fold(FoldMoments(frames={"A": person}, windows={"A": person}))
    found = {key: value for key, value in scores.items() if key.endswith("_valence")}
    assert found == {**dict.fromkeys(found), "constant_valence": True, "num_frames_valence": 0}
    assert scores["ccc_arousal"] == pytest.approx(1.0)
    assert scores["mse_arousal"] == 0.0


def folds_of(generator: np.random.Generator, people: int) -> list[FoldMoments]:
    made = [
        {f"P{k}-{p}": moments_of(generator, 50, slope=generator.uniform(0, 2)) for p in range(people)} for k in range(4)
    ]
    return [FoldMoments(frames=fold, windows=fold) for fold in made]


def test_intervals_hold_the_score_and_narrow_with_people() -> None:
    generator = np.random.default_rng(0)
    few, many = folds_of(generator, 2), folds_of(generator, 30)
    for folds in (few, many):
        point = fold_scores.over_folds([FoldScore(fold=k, scores=of_fold(fold)) for k, fold in enumerate(folds)])
        found = intervals(folds)
        for measure in ("ccc", "ccc_window", "ccc_participant"):
            one = found[f"{measure}_valence"]
            assert one.estimate == pytest.approx(point[f"{measure}_valence"])
            assert one.low < one.estimate < one.high
            assert ends(found)[f"{measure}_valence_low"] == one.low
    wide, narrow = (intervals(folds)["ccc_valence"] for folds in (few, many))
    assert narrow.high - narrow.low < (wide.high - wide.low) / 2
    assert wide.conservative
    assert not narrow.conservative


def test_results_without_window_moments_have_no_interval_of_the_window_ccc() -> None:
    folds = [replace(fold, windows=None) for fold in folds_of(np.random.default_rng(1), 3)]
    assert set(intervals(folds)) == {f"{name}_{d}" for name in ("ccc", "ccc_participant") for d in DIMENSIONS}


def test_one_person_and_nothing_scored_have_no_interval() -> None:
    empty = {d: Moments.zero() for d in DIMENSIONS}
    nothing = [FoldMoments(frames={name: empty}, windows={name: empty}) for name in ("A", "B")]
    assert intervals(nothing) == {}
    one = folds_of(np.random.default_rng(2), 1)[:1]
    assert intervals(one) == {}


def test_where_no_fold_has_a_label_lists_show_zero_and_the_rest_is_unknown() -> None:
    scores = {**dict.fromkeys(fold_keys(), 0.5), "num_frames_valence": 0, "num_frames_arousal": 5}
    means = fold_scores.over_folds([FoldScore(fold=0, scores=scores)])
    assert means["ccc_valence"] == 0.0
    assert means["ccc_arousal"] == 0.5
    for key in ("pearson_valence", "mse_valence", "mae_valence", "ccc_participant_valence"):
        assert means[key] is None, key


def test_moments_add_up_by_dimension() -> None:
    generator = np.random.default_rng(0)
    x, y, z = generator.normal(size=(3, 12))
    parts = [
        fold_scores.by_dimension((Moments.of(x[p], y[p]), Moments.of(x[p], z[p]))) for p in np.split(np.arange(12), 3)
    ]
    whole = fold_scores.merge(parts)
    assert whole["valence"].to_list() == pytest.approx(Moments.of(x, y).to_list())
    assert whole["arousal"].to_list() == pytest.approx(Moments.of(x, z).to_list())
    assert fold_scores.merge([])["valence"] == Moments.zero()
