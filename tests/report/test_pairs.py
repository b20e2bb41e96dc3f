"""Paired comparison over participants: known answers, and who is compared with whom."""

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orchestrator.report.collect import collect
from orchestrator.report.search_record import Search
from orchestrator.report.tables import method_comparison
from orchestrator.tracking.reader import StoreReader
from tests.conftest import LEFT_OPEN
from tests.report.conftest import Store

pytestmark = LEFT_OPEN


@pytest.fixture(scope="module")
def searches(synthetic_store: Store, tmp_path_factory: pytest.TempPathFactory) -> list[Search]:
    reader = StoreReader(synthetic_store.uri, tmp_path_factory.mktemp("downloads"))
    found = list(collect(reader, (), ()).searches)
    assert [(one.plan["method"], one.plan["protocol"]["name"]) for one in found] == [
        ("au", "described"),
        ("au", "strict"),
        ("fl-au", "described"),
    ]
    return found


def test_wilcoxon_by_hand_and_the_interval_around_the_mean() -> None:
    """All of six people are better: the exact two-sided p is 2 / 2^6."""
    differences = np.array([0.1, 0.2, 0.31, 0.15, 0.05, 0.4])
    found = method_comparison.compare(differences, "test")
    assert found.p_value == pytest.approx(2 / 2**6)
    assert found.mean == pytest.approx(differences.mean())
    assert found.num_people == 6
    assert min(differences) < found.low < found.mean < found.high < max(differences)
    # The bootstrap's spread of a mean is that of the people over the root of their number.
    every = [np.mean(draw) for draw in itertools.product(differences, repeat=6)]
    assert (found.low, found.high) == pytest.approx(np.percentile(every, (2.5, 97.5)), abs=0.01)


def test_the_draws_are_seeded() -> None:
    differences = np.random.default_rng(0).normal(size=23)
    assert method_comparison.compare(differences, "a") == method_comparison.compare(differences, "a")
    assert method_comparison.compare(differences, "a").low != method_comparison.compare(differences, "b").low
    assert method_comparison.compare(np.zeros(4), "a").p_value == 1.0


def test_holm_by_hand() -> None:
    assert method_comparison.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert method_comparison.holm([0.6, 0.9]) == [1.0, 1.0]
    assert method_comparison.holm([]) == []


def test_predictions_give_the_scores_of_the_summary(searches: list[Search]) -> None:
    """Older searches have no `participants`; their predictions do as well, to the float32 of the file."""
    first = searches[0]
    assert first.summary is not None
    older = dataclasses.replace(first, summary=dataclasses.replace(first.summary, participants=None))
    kept, computed = method_comparison.participant_scores(first), method_comparison.participant_scores(older)
    assert kept is not None
    assert computed is not None
    for dimension in ("valence", "arousal"):
        assert len(kept[dimension]) == 6
        assert computed[dimension] == pytest.approx(dict(kept[dimension]), abs=1e-5)


def test_a_federation_is_compared_by_its_summary_alone(searches: list[Search]) -> None:
    federated = searches[2]
    assert federated.summary is not None
    assert method_comparison.participant_scores(federated) is not None
    without = dataclasses.replace(federated, summary=dataclasses.replace(federated.summary, participants=None))
    assert method_comparison.participant_scores(without) is None  # its labels stayed with the participants
    table = method_comparison.comparisons([searches[0], without])
    assert (
        "the participants' scores of Action units, federated learning are not recorded" in table.rows[0].cells[-1].text
    )


def test_pairs_are_of_one_protocol_and_of_the_people_both_have(searches: list[Search]) -> None:
    table = method_comparison.comparisons(searches)
    assert len(table.rows) == 2  # au - fl-au, described; strict has no partner
    first, second = searches[0], searches[2]
    assert first.summary is not None
    assert second.summary is not None
    assert first.summary.participants is not None
    assert second.summary.participants is not None
    others = second.summary.participants[1:]
    other: dict[str, Any] = {one.participant: one.scores["ccc_valence"] for one in others}
    fewer = dataclasses.replace(second, summary=dataclasses.replace(second.summary, participants=others))
    row = method_comparison.comparisons([first, fewer]).rows[0]
    own: dict[str, Any] = {one.participant: one.scores["ccc_valence"] for one in first.summary.participants}
    assert row.cells[3].value == len(other) == 5
    assert row.cells[4].value == pytest.approx(np.mean([own[person] - other[person] for person in other]))


@pytest.mark.parametrize(
    ("part", "changes", "reason"),
    [
        ("corpus", {"sha256": "f" * 64}, "different corpora"),
        ("protocol", {"gold": "ewe"}, "the protocols differ in gold"),
        ("protocol", {"num_folds": 8, "label_delay_seconds": 2.0}, "num_folds, label_delay_seconds"),
    ],
)
def test_what_is_not_alike_is_not_compared(
    searches: list[Search], part: str, changes: dict[str, object], reason: str, tmp_path: Path
) -> None:
    del tmp_path
    first, second = searches[0], searches[2]
    changed = dataclasses.replace(second, plan={**second.plan, part: {**second.plan[part], **changes}})
    row = method_comparison.comparisons([first, changed]).rows[0]
    assert reason in row.cells[-1].text
    assert all(cell.value is None for cell in row.cells)
