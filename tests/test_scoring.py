import numpy as np
import pytest

from models.ccc import Moments
from orchestrator import scoring
from orchestrator.measures import FoldMoments, PersonMoments, fold_keys, of_fold
from orchestrator.run_records import FoldScore


def moments_of(generator: np.random.Generator, size: int, *, slope: float) -> PersonMoments:
    gold = generator.normal(size=size)
    noisy = slope * gold + generator.normal(size=size)
    return {"valence": Moments.of(noisy, gold), "arousal": Moments.of(gold, gold)}


def test_a_person_without_spread_has_no_ccc_and_does_not_lower_the_mean() -> None:
    constant = {d: Moments.of(np.full(3, 0.5), np.full(3, 0.2)) for d in ("valence", "arousal")}
    perfect = {d: Moments.of(np.arange(4.0), np.arange(4.0)) for d in ("valence", "arousal")}
    people = {"A": constant, "B": perfect}
    scores = of_fold(FoldMoments(frames=people, windows=people))
    assert scores["ccc_participant_valence"] == pytest.approx(1.0)
    assert scores["num_frames_valence"] == 7
    assert 0 < scores["ccc_valence"] < 1


def test_folds_average_and_spread_and_empty_folds_are_left_out() -> None:
    def fold(value: float, frames: int) -> FoldScore:
        scores = {**dict.fromkeys(fold_keys(), value), "num_frames_valence": frames, "num_frames_arousal": 5}
        return FoldScore(fold=0, scores=scores)

    means = scoring.over_folds([fold(0.2, 5), fold(0.6, 5), fold(0.0, 0)])
    assert means["ccc_valence"] == pytest.approx(0.4)
    assert means["ccc_valence_sd"] == pytest.approx(0.2)
    assert means["ccc_arousal"] == pytest.approx(0.8 / 3)


def test_bootstrap_interval_covers_the_score_narrows_with_people_and_repeats() -> None:
    generator = np.random.default_rng(0)

    def folds(people: int) -> list[dict[str, PersonMoments]]:
        return [
            {f"P{k}-{p}": moments_of(generator, 50, slope=generator.uniform(0, 2)) for p in range(people)}
            for k in range(4)
        ]

    few, many = folds(2), folds(30)
    narrow, wide = scoring.bootstrap(many, seed=1), scoring.bootstrap(few, seed=1)
    scored = [FoldScore(fold=0, scores=of_fold(FoldMoments(frames=fold, windows=fold))) for fold in few]
    point = scoring.over_folds(scored)["ccc_valence"]
    assert wide["ccc_valence_low"] < point < wide["ccc_valence_high"]
    width = {name: one["ccc_valence_high"] - one["ccc_valence_low"] for name, one in (("n", narrow), ("w", wide))}
    assert width["n"] < width["w"]
    assert scoring.bootstrap(few, seed=1) == wide != scoring.bootstrap(few, seed=2)
    assert wide["ccc_arousal_low"] == pytest.approx(1.0)


def test_bootstrap_of_one_person_and_of_nothing_scored_is_defined() -> None:
    empty = {d: Moments.zero() for d in ("valence", "arousal")}
    interval = scoring.bootstrap([{"A": empty}, {"B": empty}], seed=0)
    assert all(np.isfinite(value) for value in interval.values())
