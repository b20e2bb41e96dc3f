"""The first screen of a report: what each method reached, and a line for each that was not run."""

import csv
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import InputError
from orchestrator.estimators.facts import Estimate, RaterFacts
from orchestrator.report import make
from orchestrator.report.collect import Collection
from orchestrator.report.queries import command_for
from orchestrator.report.rendering import Report, as_csv, as_html, as_markdown
from orchestrator.report.search_record import Search
from orchestrator.report.tables.results import results
from tests.figures.measured import UNITS, search
from tests.old_runs import store_of, unpacked
from tests.report.page import Page
from tests.report.test_summary import with_baselines

NOT_RUN_COMMANDS = ("--method images", "--method fl", "--method fl-au")


def described(one: Search) -> Search:
    """The search with what tables ask of a plan, and the raters' ceiling."""
    assert one.summary is not None
    ceiling = Estimate(value=0.8, low=0.7, high=0.9)
    facts = RaterFacts(raters=6, people=23, ceiling=ceiling, icc_single=None, icc_mean=None, alpha=None)
    plan = {**one.plan, "corpus": {"synthetic": True, "sha256": "ab" * 32, "kind": "recola"}}
    return replace(one, plan=plan, run_id=one.plan["method"], summary=replace(one.summary, raters={"valence": facts}))


def report_of(*searches: Search, price: float | None = None) -> Report:
    collection = Collection(searches=[described(one) for one in searches], listed=[], audits=[UNITS])
    return make.compose(collection, "sqlite:///mlflow.db", price)


@pytest.fixture(autouse=True)
def _no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(make, "draw_all", lambda _: ())
    monkeypatch.setattr(make, "draw_measured", lambda *_: ())


def test_the_first_table_answers_for_each_method_that_was_run() -> None:
    page = Page(as_html(report_of(with_baselines(search("au")))))
    assert next(iter(page.tables)) == "results"
    valence, arousal = [row for row in page.tables["results"].rows if row]
    assert {key: cell.text for key, cell in valence.items()} == {
        "configuration": "Action units",
        "model": "BiGRU, described",
        "dimension": "valence",
        "ccc": "0.400 [0.100, 0.600]",
        "baseline": "ridge 0.380",
        "difference": "+0.020 [−0.050, 0.090]",
        "ceiling": "0.800",
        "privacy": "Average (identity action-units shared, in part)",
        "minutes": "30.0",
        "mib": "0.25",
    }
    assert (arousal["configuration"].text, arousal["minutes"].text) == ("", "")  # said once
    assert (arousal["ccc"].text, arousal["ceiling"].text) == ("0.300 [0.200, 0.500]", "not recorded")
    assert valence["ccc"].value == 0.4
    assert valence["difference"].value == 0.02


def test_bytes_are_a_column_where_there_is_a_federation() -> None:
    page = Page(as_html(report_of(search("au"), search("fl", federation={}))))
    rows = [row for row in page.tables["results"].rows if row]
    assert [row["sent"].text for row in rows] == ["none: no clients", "", "2.5 MB", ""]


def rows_of(report: Report) -> list[Any]:
    return [row for row in Page(as_html(report)).tables["results"].rows if row]


def test_money_is_a_column_where_there_is_a_price_also_without_an_audit() -> None:
    report = report_of(search("au", hours=0.5), search("images", hours=2.0), price=3.0)
    assert [row["money"].text for row in rows_of(report)] == ["6.0", "", "1.5", ""]
    assert "Money: hours of training at 3 per hour." in Page(as_html(report)).text
    assert "money" not in rows_of(report_of(search("au")))[0]


def test_what_was_run_and_not_attacked_has_the_command_that_would() -> None:
    said = Page(as_html(report_of(search("au"), search("images")))).text
    assert "Privacy not measured of Images: python -m orchestrator audit RUN" in said
    assert "orchestrator audit RUN" not in Page(as_html(report_of(search("au")))).text


def test_a_method_that_was_not_run_is_one_line_and_its_command_stands_once() -> None:
    report = report_of(search("au"))
    texts = {"html": Page(as_html(report)).text, "md": as_markdown(report)}
    for text in texts.values():
        for command in NOT_RUN_COMMANDS:
            assert text.replace("\\", "").count(f"orchestrator tune {command}\n") == 1, command
    page = Page(as_html(report))
    for name in ("table-1", "table-2", "table-3", "table-4", "optimism"):
        rows = [row for row in page.tables[name].rows if row]
        assert rows, name
        assert {row["method" if "method" in row else "group"].text for row in rows} <= {
            "Action Units",
            "",
            "Non-federated processing of action units or landmarks",
        }
    assert "Not run, in table-1.csv only: Raw Images; Action Units, described (BiLSTM, RNN); Federated" in page.text


@pytest.mark.parametrize("said", [{"synthetic": False}, {"synthetic": True, "embedded": None}])
def test_frames_of_somebodys_recordings_need_videos(said: dict[str, bool | None]) -> None:
    """Made recordings that a search was given are not those that it makes without --data."""
    one = described(search("au"))
    corpus = {**one.plan["corpus"], "path": "mine.parquet", **said}
    remarks = results((), [replace(one, plan={**one.plan, "corpus": corpus})]).remarks
    needed = " --data mine.parquet (needs a video of each recording)"
    assert {line.split(":")[0]: line.endswith(needed) for line in remarks} == {
        "Raw Images": True,
        "Federated Learning": True,
        "Action units, federated learning": False,
    }
    assert not any("video" in line for line in results((), [one]).remarks)


def test_what_would_be_run_has_the_recordings_and_labels_of_what_was() -> None:
    """Else its people are others, or its labels, and the report says that they cannot be compared."""
    one = described(search("au"))
    options = {"rules": 2, "participant_pattern": "(.+)", "label_range": [1.0, 9.0], "raters": ["Anna*", "Ben"]}
    corpus = {**one.plan["corpus"], "synthetic": False, "path": "mine", "options": options}
    corpus |= {"frame_rate": 29.97, "time_unit": {"annotations": "ms"}}
    protocol = {**one.plan["protocol"], "gold": "ewe", "label_delay_seconds": 1.5, "num_folds": 5, "epochs": 3}
    made = replace(one, plan={**one.plan, "corpus": corpus, "protocol": protocol})
    read = "--frame-rate 29.97 --time-unit annotations=ms --participant-pattern '(.+)' --label-range 1,9"
    wanted = f"--data mine {read} --raters 'Anna*' --raters Ben --gold ewe --label-delay 1.5 --folds 5"
    assert command_for("fl-au", [made]).endswith(f"--method fl-au {wanted}")
    assert command_for("au", [made], protocol="strict").endswith(f"--protocol strict {wanted}")
    assert command_for("fl-au", [described(search("au"))]).endswith("--method fl-au")


def test_files_have_the_papers_numbers_of_what_was_not_run_and_every_cell() -> None:
    report = report_of(search("au"))
    by_name = {table.name: as_csv(table) for table in report.tables}
    lines = [line for line in by_name["table-2"].splitlines() if line.startswith("Raw Images")]
    assert len(lines) == 3
    assert all("not run" in line for line in lines)
    assert "0.476" in by_name["table-2"]  # Table II, BiLSTM on raw images
    assert [line.split(",")[0] for line in by_name["results"].splitlines()[1:]] == ["Action units"] * 2


def test_results_have_their_intervals_and_the_baselines_name_in_the_file() -> None:
    one = with_baselines(described(search("au")))
    (table,) = [one for one in report_of(one).tables if one.name == "results"]
    rows = [*csv.DictReader(io.StringIO(as_csv(table)))]
    shown = {column.key: cell.text for column, cell in zip(table.columns, table.rows[0].cells, strict=True)}
    first = rows[0]
    for key in ("ccc", "difference"):
        low, high = float(first[f"{key}_low"]), float(first[f"{key}_high"])
        assert low < float(first[key]) < high
        assert f"[{low:.3f}, {high:.3f}]".replace("-", "−") in shown[key]
    assert shown["baseline"] == f"{first['baseline_name']} {float(first['baseline']):.3f}"


def test_the_figures_of_a_report_are_files_that_the_page_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    uri, output = store_of(unpacked(tmp_path / "old")), tmp_path / "report"
    make.make_report(uri, (), (), output)
    page = Page((output / "report.html").read_text(encoding="utf-8"))
    named = {one["href"] for tag, one in page.tags if tag == "a" and one.get("href", "").startswith("figures/")}
    written = {f"figures/{path.name}" for path in (output / "figures").iterdir()}
    assert named == written
    assert {name.rpartition(".")[2] for name in written} == {"svg", "pdf", "png"}
    assert "figures/by-method.png" in written
    markdown = (output / "report.md").read_text(encoding="utf-8")
    assert all(f"]({name})" in markdown for name in written)
    assert next(one["id"] for tag, one in page.tags if tag == "figure") == "figure-by-method"
    # A report is replaced as a whole; a folder with a figure of somebody else is left alone.
    (output / "figures" / "au-old.svg").write_text("of an earlier report")
    make.make_report(uri, (), (), output, force=True)
    assert {f"figures/{path.name}" for path in (output / "figures").iterdir()} == written
    (output / "figures" / "thesis.docx").write_text("mine")
    with pytest.raises(InputError, match="is not empty"):
        make.make_report(uri, (), (), output, force=True)
    assert (output / "figures" / "thesis.docx").exists()
