"""One pool of new people: how often the interval of the pooled CCC holds its mean over simulated corpora."""

import numpy as np
import pytest

from models.ccc import Moments, ccc
from orchestrator.estimators.new_people import PoolScore, participant_score, pooled_score

CORPORA, FRAMES = 400, 40


@pytest.mark.parametrize("num_people", [4, 15])
def test_the_interval_of_the_pooled_ccc_covers_its_mean(num_people: int) -> None:
    random = np.random.default_rng(num_people)
    found = []
    for _ in range(CORPORA):
        level, gain, off = random.normal((0.0, 0.5, 0.0), (0.5, 0.25, 0.2), size=(num_people, 3)).T[:, :, None]
        gold = level + random.normal(0.0, 0.5, size=(num_people, FRAMES))
        said = gain * gold + off + random.normal(0.0, 0.2, size=gold.shape)
        found.append(pooled_score({f"P{n}": Moments.of(said[n], gold[n]) for n in range(num_people)}))
    ends = [one.interval for one in found if one is not None and one.interval is not None]
    mean = np.mean([one.estimate for one in ends])
    covered = np.mean([one.low <= mean <= one.high for one in ends])
    assert len(ends) == CORPORA
    assert 0.91 < covered < 0.98


def test_one_person_has_a_score_without_an_interval() -> None:
    moments, constant = Moments.of(np.arange(5.0), np.arange(5.0) + 1), Moments.of(np.arange(5.0), np.ones(5))
    alone = PoolScore(value=ccc(moments), people=1, interval=None)
    assert pooled_score({"P1": moments}) == alone
    assert pooled_score({"P1": moments, "P2": Moments.zero()}) == alone
    assert participant_score({"P1": moments, "P2": constant}) == alone
    assert participant_score({"P2": constant}) is None
    assert pooled_score({"P1": Moments.zero()}) is None
