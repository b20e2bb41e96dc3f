"""`report --summary`: one page for people who decide, its numbers, its words, and where it may be written."""

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from orchestrator.audit.level import LEVEL_RULE
from orchestrator.cli import cli
from orchestrator.estimators.facts import PairedDifference
from orchestrator.report.collect import Collection
from orchestrator.report.rendering import BANNER, as_html
from orchestrator.report.search_record import Search
from orchestrator.report.summary_page import FILE_NAME, USE, compose, page_path
from tests.figures.measured import UNITS, attack, audit, search
from tests.old_runs import store_of, unpacked
from tests.report.page import Page

APART = PairedDifference(
    value=0.02, low=-0.05, high=0.09, p=0.5, p_holm=0.5, of_people=None, p_of_people=None, people=23
)


def shown(*searches: Search, price: float | None = None) -> Page:
    updates = audit("fl", attack("update", 0.3, 0.4, 0.5, kind="linkability"))
    made = Collection(searches=searches, listed=[], audits=[UNITS, updates])
    return Page(as_html(compose(made, price)))


def with_baselines(one: Search) -> Search:
    assert one.summary is not None
    scores = {"ridge": {"ccc_valence": 0.38, "ccc_arousal": 0.1}, "mean": {"ccc_valence": 0.9, "ccc_arousal": 0.9}}
    apart = {"ridge": {"valence": APART}}
    return replace(one, summary=replace(one.summary, baseline=scores, against_baselines=apart))


def words(page: Page, configuration: str) -> dict[str, str]:
    rows = [row for row in page.tables["summary"].rows if row]
    (own,) = [row for row in rows if row["configuration"].text == configuration]
    return {key: cell.text for key, cell in own.items() if key not in ("configuration", "leaves", "model")}


def test_a_row_says_how_accurate_how_private_and_at_what_cost() -> None:
    page = shown(with_baselines(search("au")), search("fl", federation={}, hours=2.0), price=3.0)
    assert words(page, "Action units") == {
        "valence": "0.400 [0.100, 0.600]",
        "valence_baseline": "ridge 0.380, +0.020 [−0.050, 0.090]",
        "arousal": "0.300 [0.200, 0.500]",
        "arousal_baseline": "ridge 0.100",
        "privacy": "Average, measured in part: without membership model",
        "advantage": "0.300 [0.200, 0.400] identity action-units shared",
        "minutes": "30.0",
        "mib": "0.25",
        "sent": "none: no clients",
        "money": "1.5",
    }
    federated = words(page, "Federated images")
    assert (federated["sent"], federated["money"]) == ("2.5 MB", "6.0")
    assert federated["valence_baseline"] == "no baseline recorded"


def test_what_was_not_run_is_not_measured() -> None:
    page = shown(search("au"), search("images"))
    listed = {row["configuration"].text for row in page.tables["summary"].rows if row}
    assert listed == {"Images", "Action units", "Federated images"}, "what nobody ran or attacked is one line"
    assert "Not run and not measured: Federated images, secure sums, Federated action units." in page.text
    images = words(page, "Images")
    assert (images["privacy"], images["advantage"]) == ("not measured", "not measured")
    assert images["valence"] == "0.400 [0.100, 0.600]"
    assert "money" not in images


def test_the_page_has_rule_use_banner_and_figure_and_no_footnotes() -> None:
    page = shown(search("au"))
    assert all(one in page.text for one in (LEVEL_RULE, USE, BANNER))
    assert "Contradictions" not in page.text
    assert [one["id"] for tag, one in page.tags if tag == "figure"] == ["figure-measured-privacy"]
    sources = [one["src"] for tag, one in page.tags if tag == "img"]
    assert all(one.startswith("data:image/svg+xml;base64,") for one in sources)
    real = search("images")
    real = replace(real, plan={**real.plan, "corpus": {"synthetic": False}})
    bare = Page(as_html(compose(Collection(searches=[real], listed=[]))))
    assert BANNER not in bare.text
    assert "no configuration has both" in bare.text


@pytest.mark.parametrize(
    ("given", "file"),
    [("a.html", "a.html"), ("a", f"a/{FILE_NAME}"), ("a.d", f"a.d/{FILE_NAME}"), ("x.HTML", "x.HTML")],
)
def test_a_name_in_html_is_a_file_and_another_a_folder(given: str, file: str) -> None:
    assert page_path(Path(given)) == Path(file)


def test_the_command_writes_one_page_and_replaces_it_only_by_force(tmp_path: Path) -> None:
    store = ("--tracking-uri", store_of(unpacked(tmp_path / "old")))

    def run(*arguments: object) -> tuple[int, str]:
        done = CliRunner().invoke(cli, ["report", *store, *map(str, arguments)])
        return done.exit_code, " ".join(done.output.split())

    target = tmp_path / "page"
    code, said = run("--summary", target)
    assert code == 0, said
    assert [path.name for path in target.iterdir()] == [FILE_NAME]
    assert words(Page((target / FILE_NAME).read_text()), "Action units")["privacy"] == "not measured"
    assert said.endswith("summary.html")
    code, said = run("--summary", target)
    assert code == 2
    assert "--summary" in said
    assert "--force" in said
    assert run("--summary", target, "--force")[0] == 0
    code, said = run("--summary", target, "--output", tmp_path / "report")
    assert code == 2
    assert "beside --output" in said
    code, said = run("--summary", tmp_path / "other", "--price-per-hour", "0")
    assert code == 2
    assert "--price-per-hour" in said
