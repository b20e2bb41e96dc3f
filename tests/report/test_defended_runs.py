"""Runs with a defence of features beside those without: whose privacy stands beside whose accuracy, at what price."""

from dataclasses import replace
from typing import Any

import pytest

from orchestrator.audit.level import CONFIGURATIONS, level
from orchestrator.audit.verdict import EXPOSED, PARTLY
from orchestrator.report.configuration_points import Point, points
from orchestrator.report.search_record import Search
from orchestrator.report.tables.efficiency import table_3
from orchestrator.report.tables.privacy_price import privacy_price
from orchestrator.report.tables.results import results
from orchestrator.run_records import PersonScore
from tests.figures.measured import attack, audit, search

NOISE = "noise=2"
BARE = audit("au", attack("action-units", 0.8, 0.9, 1.0, EXPOSED))
DEFENDED = audit("au", attack("action-units", 0.3, 0.4, 0.5, PARTLY), defence=NOISE)


def defended(one: Search) -> Search:
    return replace(one, plan={**one.plan, "protocol": {**one.plan["protocol"], "defence": NOISE}})


def with_people(one: Search, **own: float) -> Search:
    assert one.summary is not None
    people = tuple(
        PersonScore(participant=name, fold=0, scores={"ccc_valence": value, "ccc_arousal": value / 2})
        for name, value in own.items()
    )
    return replace(one, summary=replace(one.summary, participants=people))


def by_title(found: list[Point]) -> dict[str, Point]:
    return {one.title: one for one in found if not one.unknown}


def test_an_audit_behind_a_defence_says_nothing_of_runs_without_one() -> None:
    units = next(one for one in CONFIGURATIONS if one.method == "au")
    audits = [DEFENDED, BARE]  # the latest first
    assert level(units, audits).word == "Low"
    assert level(units, audits, NOISE).word == "Average"
    assert level(units, [DEFENDED]).word is None


def test_a_defence_is_a_configuration_of_its_own() -> None:
    plain, noisy = search("au"), defended(search("au", ccc_valence=0.2))
    found = by_title(points([plain, noisy], [DEFENDED, BARE]))
    assert {title: (one.level.word, one.search) for title, one in found.items()} == {
        "Action units": ("Low", plain),
        "Action units, noise=2": ("Average", noisy),
    }
    rows = [[cell.text for cell in row.cells] for row in results(list(found.values()), [plain, noisy]).rows]
    assert [(row[0], row[7].split()[0]) for row in rows[::2]] == [
        ("Action units", "Low"),
        ("Action units, noise=2", "Average"),
    ]
    words = {row.cells[1].text: row.cells[2].text for row in table_3([plain, noisy], {}, list(found.values())).rows}
    assert words["Data privacy level"].startswith("Low")
    assert words["Data privacy level, with defence noise=2"].startswith("Average")


def test_a_defence_that_was_only_audited_has_no_accuracy() -> None:
    found = by_title(points([search("au")], [DEFENDED]))
    assert found["Action units"].level.word is None
    assert found["Action units, noise=2"].search is None


def test_the_audit_of_the_reported_model_goes_before_a_later_one_of_another() -> None:
    one = search("au")
    assert one.summary is not None
    assert one.summary.best is not None
    own = audit("au", attack("action-units", 0.3, 0.4, 0.5, PARTLY), model=one.summary.best.uid)
    later = audit("au", attack("action-units", 0.8, 0.9, 1.0, EXPOSED), model="another")
    assert by_title(points([one], [later, own]))["Action units"].level.word == "Average"
    assert by_title(points([one], [later]))["Action units"].level.word == "Low"


def test_the_price_is_the_mean_difference_of_the_peoples_own_ccc() -> None:
    better = with_people(search("au"), P1=0.5, P2=0.7, P3=0.6)
    worse = with_people(search("fl", federation={}), P1=0.3, P2=0.4, P3=0.5, P4=0.9)
    table = privacy_price(points([better, worse], []))
    assert table is not None
    rows: list[dict[str, Any]] = [
        dict(zip([one.key for one in table.columns], row.cells, strict=True)) for row in table.rows
    ]
    assert [row["compared"].text for row in rows] == ["Action units \N{MINUS SIGN} Federated images"] * 2
    assert [row["difference"].value for row in rows] == [pytest.approx(0.2), pytest.approx(0.1)]
    assert [row["people"].value for row in rows] == [3, 3]
    # All three differences have one sign: 2 of 8 choices of signs are as far from 0; twice that by Holm.
    assert rows[0]["p_holm"].value == pytest.approx(0.5)


def test_a_p_of_a_price_is_never_nothing() -> None:
    """Twenty people who all lose: 2 of 2^20 choices of signs are as far from 0."""
    better = with_people(search("au"), **{f"P{number}": 0.5 + number / 100 for number in range(20)})
    worse = with_people(search("fl", federation={}), **{f"P{number}": 0.3 for number in range(20)})
    table = privacy_price(points([better, worse], []))
    assert table is not None
    (p,) = {row.cells[[one.key for one in table.columns].index("p_holm")] for row in table.rows}
    assert p.text == "<0.0001"
    assert p.value == pytest.approx(2 * 2 / 2**20)


def test_one_configuration_has_no_price() -> None:
    assert privacy_price(points([search("au")], [BARE])) is None


def test_what_cannot_be_compared_says_why() -> None:
    one, other = search("au"), search("fl", federation={})
    other = replace(other, plan={**other.plan, "protocol": {**other.plan["protocol"], "num_folds": 3}})
    table = privacy_price(points([one, other], []))
    assert table is not None
    assert "not compared: the protocols differ in num_folds" in table.rows[0].cells[-1].text
