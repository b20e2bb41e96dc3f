"""Paired comparison over participants: known answers, and who is compared with whom."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orchestrator.report.collect import collect
from orchestrator.report.person_scores import of_reported
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


def test_predictions_give_the_scores_of_the_summary(searches: list[Search]) -> None:
    """Older searches have no `participants`; their predictions do as well, to the float32 of the file."""
    first = searches[0]
    assert first.summary is not None
    before = dataclasses.replace(first.summary, participants=None)
    older = dataclasses.replace(first, summary=before, people=None)
    kept, computed = of_reported(first), of_reported(older)
    assert kept is not None
    assert kept.folds is not None
    assert computed is not None
    assert computed.folds is not None
    recorded = {one.participant: one.scores for one in first.summary.participants or ()}
    for dimension in ("valence", "arousal"):
        own = {person: scores[f"ccc_{dimension}"] for person, scores in recorded.items()}
        assert len(own) == 6
        assert kept.own[dimension] == pytest.approx(own, abs=1e-12)
        assert computed.own[dimension] == pytest.approx(own, abs=1e-5)
        assert [list(fold) for fold in computed.folds[dimension]] == [list(fold) for fold in kept.folds[dimension]]
        for fold, other in zip(kept.folds[dimension], computed.folds[dimension], strict=True):
            for person, moments in fold.items():
                assert other[person].to_list() == pytest.approx(moments.to_list(), rel=1e-4, abs=1e-3)


def test_a_federation_is_compared_by_its_summary_alone(searches: list[Search]) -> None:
    federated = searches[2]
    assert federated.summary is not None
    people = of_reported(federated)
    assert people is not None
    assert people.folds is None  # nobody's sums leave the run's folder
    assert len(people.own["valence"]) == 6
    summary = dataclasses.replace(federated.summary, participants=None)
    without = dataclasses.replace(federated, summary=summary, people=None)
    assert of_reported(without) is None  # its labels stayed with the participants
    table = method_comparison.comparisons([searches[0], without])
    assert (
        "the participants' scores of Action units, federated learning are not recorded" in table.rows[0].cells[-1].text
    )


def test_pairs_are_of_one_protocol_and_of_the_people_both_have(searches: list[Search]) -> None:
    table = method_comparison.comparisons(searches)
    words = list(dict.fromkeys(row.cells[0].text for row in table.rows))
    assert words[:2] == [
        "Action Units − Action units, federated learning",
        "Action Units, BiGRU − Action Units, RNN",
    ]
    # Strict has no partner, and as `described` its four baselines.
    names = [f"Action Units − {name}" for name in ("ridge", "ridge-windows", "ridge-person", "boosting-person")]
    assert words[2:] == names
    assert len(table.rows) == 2 * (2 + 2 * 4)
    first, second = searches[0], searches[2]
    assert first.summary is not None
    assert second.summary is not None
    assert first.summary.participants is not None
    assert second.summary.participants is not None
    others = second.summary.participants[1:]
    other: dict[str, Any] = {one.participant: one.scores["ccc_valence"] for one in others}
    summary = dataclasses.replace(second.summary, participants=others)
    fewer = dataclasses.replace(second, summary=summary, people=None)
    row = method_comparison.comparisons([first, fewer]).rows[0]
    own: dict[str, Any] = {one.participant: one.scores["ccc_valence"] for one in first.summary.participants}
    assert row.cells[3].value is None  # without the sums of one of the two there is no CCC of folds
    assert row.cells[9].value == len(other) == 5
    assert row.cells[10].value == pytest.approx(np.mean([own[person] - other[person] for person in other]))


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
