"""The word of Table III: which attacks count, the worst verdict, and what reads `not measured`."""

import dataclasses
from pathlib import Path

import pytest
from click.testing import CliRunner

from orchestrator.audit.level import CONFIGURATIONS, level
from orchestrator.audit.records import Attack, Audit, Statistic
from orchestrator.audit.verdict import EXPOSED, NOT_SHOWN, PARTLY, UNDERPOWERED
from orchestrator.cli import cli
from orchestrator.report.configuration_points import points
from orchestrator.report.own_options import SECURE
from orchestrator.report.queries import method_name
from orchestrator.report.tables.efficiency import table_3
from orchestrator.report.tables.privacy import QUANTITY, privacy
from orchestrator.tracking.reader import StoreReader
from tests.old_runs import store_of, unpacked

BY_TITLE = {one.title: one for one in CONFIGURATIONS}


def attack(attack: str, source: str, verdict: str, variant: str = "", value: float = 0.5) -> Attack:
    main = Statistic(name="rank-1", unit="", value=value, lower=value - 0.1, upper=value + 0.1, chance=0.1)
    return Attack(attack=attack, source=source, variant=variant, threat="", main=main, people=23, verdict=verdict)


def audit(method: str, *attacks: Attack, secure: bool = False) -> Audit:
    subject = {"method": method, "secure_sum": "yes" if secure else None}
    return Audit(subject=subject, seed=0, synthetic=True, participants=23, attacks=attacks)


MEMBER = attack("membership", "model", NOT_SHOWN, "lira")


@pytest.mark.parametrize(
    ("verdicts", "word"),
    [
        ((NOT_SHOWN, NOT_SHOWN), "High"),
        ((NOT_SHOWN, UNDERPOWERED), UNDERPOWERED),
        ((PARTLY, UNDERPOWERED), "Average"),
        ((PARTLY, NOT_SHOWN), "Average"),
        ((EXPOSED, NOT_SHOWN), "Low"),
        ((UNDERPOWERED, EXPOSED), "Low"),
    ],
)
def test_the_worst_verdict_decides(verdicts: tuple[str, str], word: str) -> None:
    made = audit(
        "au",
        attack("identity", "action-units", verdicts[0], "shared"),
        attack("membership", "model", verdicts[1], "rmia"),
    )
    found = level(BY_TITLE["Action units"], [made])
    assert found.word == word
    assert not found.missing


def test_only_what_leaves_a_person_counts() -> None:
    others = [
        attack("identity", source, EXPOSED, variant)
        for source, variant in (("hidden-states", ""), ("traces", ""), ("action-units", "z-scores-whole"))
    ]
    found = level(
        BY_TITLE["Action units"], [audit("au", *others, attack("identity", "action-units", PARTLY, "shared"))]
    )
    assert found.word == "Average"
    assert found.missing == ("membership model",)
    updates = attack("linkability", "update", EXPOSED)
    secure = audit("fl", updates, attack("sum-membership", "sum", NOT_SHOWN, "1 round"), MEMBER, secure=True)
    assert level(BY_TITLE["Federated images, secure sums"], [secure]).word == "High"
    assert level(BY_TITLE["Federated images"], [secure]).word is None


def test_a_published_attacker_counts_where_it_was_made_and_an_attribute_never() -> None:
    own, member = attack("identity", "action-units", NOT_SHOWN, "shared"), MEMBER
    published = attack("identity", "action-units", PARTLY, "shared p-blend")
    beside = (
        attack("identity", "action-units", EXPOSED, "all p-blend"),
        attack("attribute", "action-units", EXPOSED, "sex"),
    )
    alone, both = (
        level(BY_TITLE["Action units"], [audit("au", own, member, *more)]) for more in (beside, (published, *beside))
    )
    assert (alone.word, alone.missing) == ("High", ())
    assert (both.word, both.missing, both.decisive) == ("Average", (), published)


def test_a_verdict_of_nothing_is_no_measurement() -> None:
    empty = dataclasses.replace(MEMBER, verdict="not measured")
    assert level(BY_TITLE["Images"], [audit("images", empty)]).word is None


def test_the_latest_record_of_an_attack_counts() -> None:
    new = audit("au", attack("identity", "action-units", NOT_SHOWN, "shared"))
    old = audit("au", attack("identity", "action-units", EXPOSED, "shared"), MEMBER)
    found = level(BY_TITLE["Action units"], [new, old])
    assert found.word == "High"
    assert [one.name for one in found.attacks] == ["identity action-units shared", "membership model lira"]


def test_table_3_says_the_word_and_what_was_not_measured() -> None:
    audits = [
        audit("au", attack("identity", "action-units", PARTLY, "shared"), MEMBER),
        audit("fl", attack("sum-membership", "sum", EXPOSED, "1 round"), secure=True),
    ]
    methods = [method_name(one) for one in ("images", "au", "fl", "fl-au")]
    rows = [row.cells for row in table_3([], {}, points([], audits)).rows if row.cells[1].text.startswith(QUANTITY)]
    assert [(row[0].text, row[1].text.removeprefix(QUANTITY), row[2].text, row[3].text) for row in rows] == [
        (methods[0], "", "not measured", "Low"),
        (methods[1], "", "Average (identity action-units shared)", "Average"),
        (methods[2], "", "not measured", "High"),
        (
            methods[2],
            f", with {SECURE}",
            "Low (sum-membership sum 1 round, measured in part)",
            "–",
        ),
        (methods[3], "", "not measured", "–"),
    ]
    both = audit("fl-au", MEMBER, secure=True)
    words = [
        row.cells[2].text for row in table_3([], {}, points([], [both])).rows if row.cells[1].text.startswith(QUANTITY)
    ]
    assert words == ["not measured"] * 5 + ["High (membership model lira, measured in part)"]
    assert "the worst verdict decides" in table_3([], {}, points([], audits)).caption


def test_the_table_of_privacy_has_a_block_for_each_configuration() -> None:
    assert privacy(points([], [])) is None
    made = [audit("au", attack("identity", "action-units", PARTLY, "shared", value=0.4), MEMBER)]
    table = privacy(points([], made))
    assert table is not None
    texts = [[cell.text for cell in row.cells] for row in table.rows]
    assert [row[0] for row in texts if row[3].startswith("membership")] == [
        one.title for one in CONFIGURATIONS if one.always
    ]
    assert texts[2][2:] == [
        "Average",
        "identity action-units shared",
        "rank-1",
        "0.400",
        "0.300",
        "0.500",
        "0.100",
        "23",
        PARTLY,
    ]
    assert texts[0][2] == "not measured"
    assert table.synthetic


def test_a_report_reads_the_audits_of_its_corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.audit.attackers.TREES", 5)
    monkeypatch.setenv("AFFECT_ORCHESTRATOR_CACHE", str(tmp_path / "cache"))
    old = unpacked(tmp_path / "old")

    def run(*arguments: object) -> None:
        done = CliRunner().invoke(cli, [*map(str, arguments)])
        assert done.exit_code == 0, done.output

    def configurations() -> int:
        reader = StoreReader(store_of(old), tmp_path)
        known = reader.experiments([])
        return sum(len(reader.configurations(one, known)) for one in reader.searches(known))

    before = configurations()
    run("audit", old / "finished", "--question", "identity", "--tracking-uri", store_of(old))
    assert configurations() == before > 0
    price = ("--price-per-hour", "2.5")
    run("report", "--tracking-uri", store_of(old), "--output", tmp_path / "report", *price)
    lines = (tmp_path / "report" / "privacy.csv").read_text().splitlines()
    (own,) = [line for line in lines if "identity action-units shared" in line]
    assert own.startswith("Action units,")
    assert "membership model" in "".join(lines)
    page = (tmp_path / "report" / "report.md").read_text()
    assert "identity action-units shared, measured in part" in page
    html = (tmp_path / "report" / "report.html").read_text()
    assert "figure-measured-privacy" in html
    assert "training hours at 2.5 per hour" in html
