"""A person's own CCC: as recorded, else over all their sessions' frames."""

from dataclasses import replace

import numpy as np
import pytest

from models.ccc import Moments, ccc
from orchestrator.report import predictions
from orchestrator.report.predictions import KINDS, Trace
from orchestrator.run_records import PersonScore
from tests.figures.evidence import make_search, make_summary


def trace(participant: str, session: str, gold: np.ndarray, prediction: np.ndarray, arousal: np.ndarray) -> Trace:
    values = {(dimension, kind): np.full(len(gold), np.nan) for dimension in ("valence", "arousal") for kind in KINDS}
    values |= {("valence", "gold"): gold, ("valence", "pred"): prediction}
    values |= {("arousal", "gold"): arousal, ("arousal", "pred"): prediction}
    return Trace(participant=participant, session=session, times=np.arange(len(gold), dtype=float), values=values)


def test_sessions_are_scored_together_and_frames_without_both_not_at_all() -> None:
    generator = np.random.default_rng(0)
    gold, prediction = generator.normal(size=(2, 40)), generator.normal(size=(2, 40))
    gold[1] += 2.0  # another mean: the mean of two CCCs is not the CCC of both
    holed = gold[0].copy()
    holed[:5] = np.nan
    nothing = np.full(40, np.nan)
    traces = [
        trace("P1", "1", holed, prediction[0], nothing),
        trace("P2", "", gold[1], prediction[1], gold[1]),
        trace("P1", "2", gold[1], prediction[1], nothing),
        trace("P3", "", nothing, prediction[0], nothing),
    ]
    found = predictions.own_ccc(traces)
    both = Moments.of(np.r_[prediction[0][5:], prediction[1]], np.r_[gold[0][5:], gold[1]])
    assert found["valence"] == pytest.approx({"P1": ccc(both), "P2": ccc(Moments.of(prediction[1], gold[1]))})
    assert list(found["arousal"]) == ["P2"]
    assert predictions.mean_of_dimensions(found) == pytest.approx({"P2": found["valence"]["P2"]})


def test_recorded_scores_are_those_of_scored_people() -> None:
    one = PersonScore(
        participant="P1", fold=0, scores={"ccc_valence": 0.5, "ccc_arousal": 0.1, "num_frames_valence": 10}
    )
    two = PersonScore(
        participant="P2", fold=0, scores={"ccc_valence": 0.0, "ccc_arousal": 0.3, "num_frames_valence": 0}
    )
    three = PersonScore(participant="P3", fold=0, scores={})
    whole = make_summary({})
    found = predictions.recorded_ccc(make_search([], summary=replace(whole, participants=(one, two, three))))
    assert found is not None
    assert found == {"valence": {"P1": 0.5}, "arousal": {"P1": 0.1, "P2": 0.3}}
    assert predictions.mean_of_dimensions(found) == pytest.approx({"P1": 0.3})
    for people in (None, (), (three,)):
        assert predictions.recorded_ccc(make_search([], summary=replace(whole, participants=people))) is None
    assert predictions.recorded_ccc(make_search([])) is None
