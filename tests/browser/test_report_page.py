"""The report in a real browser: fetches nothing, shows tables and pictures, prints well, runs no markup."""

import base64
import dataclasses
import itertools
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest
from selenium.common.exceptions import NoAlertPresentException
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from orchestrator.protocols import DESCRIBED, PUBLISHED
from orchestrator.report import make, rendering
from orchestrator.report.collect import Collection
from orchestrator.report.paper import NETWORKS
from orchestrator.report.queries import methods
from orchestrator.tracking.tracker import write_missing
from tests.conftest import LEFT_OPEN, Run
from tests.figures.evidence import make_search, make_summary, make_trial

pytestmark = LEFT_OPEN
NASTY = "<img src=x onerror=alert(1)>"
PIXELS_PER_MM = 96 / 25.4  # CSS
A4_POINTS = (595, 842)
PAGE_MM, MARGIN_MM, COLUMN_MM = 210.0, 14.0, 88.0
PRINTED = {"media": "print"}
SCREEN = {"width": round((PAGE_MM - 2 * MARGIN_MM) * PIXELS_PER_MM), "height": 1000, "deviceScaleFactor": 1}
TABLES = """
return [...document.querySelectorAll('table')].map(table => ({
    widths: [...table.getClientRects()].map(one => one.width),
    rows: table.rows.length,
}));
"""
FIGURES = """
return [...document.querySelectorAll('.pictures figure, .pictures img')].map(one => {
    const box = one.getBoundingClientRect();
    return [one.tagName, box.left, box.width];
});
"""
NARROW_SCREEN = 1200  # pixels: a laptop's browser
WIDTHS = """
return [
    ['page', document.documentElement.clientWidth, document.documentElement.scrollWidth],
    ...[...document.querySelectorAll('.scroll')].map(one => [one.ariaLabel, one.clientWidth, one.scrollWidth]),
    ...[...document.querySelectorAll('table')].map(one =>
        [one.dataset.table, document.querySelector('main').clientWidth, one.scrollWidth]),
];
"""
# Words that stand on more lines than they have parts to break at: they were broken inside.
BROKEN = r"""
return [...document.querySelectorAll('td, th')].flatMap(cell => {
    const walker = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT), found = [];
    for (let node = walker.nextNode(); node; node = walker.nextNode())
        for (const one of node.data.matchAll(/[\p{L}\d.]+/gu)) {
            const range = document.createRange();
            range.setStart(node, one.index);
            range.setEnd(node, one.index + one[0].length);
            if (new Set([...range.getClientRects()].map(box => Math.round(box.top))).size > 1) found.push(one[0]);
        }
    return found;
});
"""
PICTURES = "return [...document.images].map(one => one.complete && one.naturalWidth)"


@pytest.fixture(scope="module")
def odd(searched: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The search again, of a person with a hostile name, with a hostile title and a failure; in its own store."""
    folder = tmp_path_factory.mktemp("odd")
    output = folder / "run"
    shutil.copytree(searched, output)
    (output / "tracking.json").unlink()
    person = json.loads((output / "summary.json").read_text())["folds"][0]["participants"][0]
    for path in (output / "summary.json", *output.glob("trials/*/result.json")):
        path.write_text(path.read_text().replace(json.dumps(person), json.dumps(NASTY)))
    plan = json.loads((output / "plan.json").read_text())
    (output / "plan.json").write_text(json.dumps(plan | {"title": NASTY, "name": NASTY}))
    table = pyarrow.parquet.read_table(output / "predictions.parquet")
    names = pa.array([NASTY if name == person else name for name in table.column("participant").to_pylist()])
    pyarrow.parquet.write_table(table.set_column(0, "participant", names), output / "predictions.parquet")
    failed = output / "trials" / "abc123"
    failed.mkdir()
    failure = {"uid": "abc123", "network": NASTY, "hparams": plan["trials"][0]["hparams"], "kind": "ValueError"}
    (failed / "failure.json").write_text(json.dumps(failure | {"message": NASTY, "traceback": NASTY}))
    assert write_missing(output, f"sqlite:///{folder}/mlflow.db").complete
    return output


@pytest.fixture(scope="module", params=["searched", "odd"])
def page(request: pytest.FixtureRequest, run_command: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    search: Path = request.getfixturevalue(request.param)
    folder = tmp_path_factory.mktemp(f"report-{request.param}-") / "written"
    store = f"sqlite:///{search.parent}/mlflow.db"
    done = run_command("report", "--tracking-uri", store, "--output", folder)
    assert done.returncode == 0, done.stderr
    return folder / "report.html"


@pytest.fixture
def empty(browser: Chrome) -> Iterator[Chrome]:
    browser.get("about:blank")
    browser.get_log("browser")
    browser.get_log("performance")
    yield browser
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.fixture
def opened(empty: Chrome, page: Path) -> Chrome:
    empty.get(page.as_uri())
    return empty


def requests(browser: Chrome) -> list[str]:
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [one["params"]["request"]["url"] for one in messages if one["method"] == "Network.requestWillBeSent"]
    return [address for address in sent if not address.startswith("data:")]


def test_the_page_opens_quietly_and_fetches_nothing(opened: Chrome, page: Path) -> None:
    assert opened.get_log("browser") == []
    assert requests(opened) == [page.as_uri()]
    with pytest.raises(NoAlertPresentException):
        _ = opened.switch_to.alert.text
    assert opened.find_elements(By.CSS_SELECTOR, "script, [onerror], img:not([src^='data:'])") == []


def test_tables_and_pictures_are_there(opened: Chrome) -> None:
    tables: list[dict[str, Any]] = opened.execute_script(TABLES)
    assert len(tables) >= 4
    assert all(table["rows"] > 1 for table in tables)
    pictures: list[int] = opened.execute_script(PICTURES)
    assert len(pictures) >= 6
    assert all(width > 200 for width in pictures)


def test_nothing_scrolls_sideways_on_a_narrow_screen(opened: Chrome) -> None:
    check_widths(opened)


def test_neither_does_it_with_the_widest_numbers(empty: Chrome, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text(rendering.as_html(make.compose(full_collection(), "sqlite:///mlflow.db")))
    empty.get((tmp_path / "report.html").as_uri())
    check_widths(empty)
    assert "not run" not in empty.find_element(By.ID, "table-1").text


def check_widths(browser: Chrome) -> None:
    narrow = {**SCREEN, "width": NARROW_SCREEN, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", narrow)
    widths: list[list[Any]] = browser.execute_script(WIDTHS)
    assert widths[0] == ["page", NARROW_SCREEN, NARROW_SCREEN]
    assert len(widths) >= 1 + 2 * 7
    assert [(name, needed) for name, room, needed in widths if needed > room] == []
    cells = browser.find_elements(By.CSS_SELECTOR, "[data-table='table-1'] thead tr:last-child th")
    assert [cell.text for cell in cells] == ["ours", "paper", "difference"] * 4


def full_collection() -> Collection:
    """Every method and network under two changed protocols, with numbers as long as the paper's grids have them."""
    rows = [("learning_rate", 0.0051), ("hidden_size", 1024), ("sequence_length", 2000), ("num_layers", 16)]
    people = {f"P{n}": (n / 30, -n / 30) for n in range(23)}
    searches = []
    for method, protocol in itertools.product(methods(), (PUBLISHED, DESCRIBED)):
        trials = [
            make_trial(f"{method}-{network}", {"network": network, **dict(rows)}, -0.123, 0.456) for network in NETWORKS
        ]
        fields = dataclasses.asdict(dataclasses.replace(protocol, epochs=100, label_delay_seconds=2.4))
        search = make_search(trials, summary=make_summary(people, trials[0]))
        corpus = {"synthetic": True, "sha256": "ab" * 32, "kind": "recola"}
        plan = {**search.plan, "method": method, "protocol": fields, "corpus": corpus}
        searches.append(dataclasses.replace(search, plan=plan, run_id=f"{method}-{protocol.name}"))
    return Collection(searches=searches, listed=[])


def test_no_word_is_broken_on_paper(empty: Chrome, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text(rendering.as_html(make.compose(full_collection(), "sqlite:///mlflow.db")))
    empty.execute_cdp_cmd("Emulation.setEmulatedMedia", PRINTED)
    empty.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {**SCREEN, "mobile": False})
    empty.get((tmp_path / "report.html").as_uri())
    assert empty.execute_script(BROKEN) == []


def test_hostile_names_are_text(opened: Chrome, page: Path) -> None:
    """As markup the name would not be in the text; the pictures say it again for who cannot see them."""
    escaped = "&lt;img src=x onerror=alert(1)&gt;" in page.read_text()
    assert (NASTY in opened.execute_script("return document.body.textContent")) == escaped
    assert NASTY not in page.read_text()
    assert escaped == ("odd" in page.parent.parent.name)


def test_tables_print_one_below_the_other_and_figures_in_two_columns_of_paper_width(opened: Chrome) -> None:
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", PRINTED)
    opened.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {**SCREEN, "mobile": False})
    pictures = opened.find_element(By.CLASS_NAME, "pictures")
    assert pictures.value_of_css_property("column-count") == "2"
    column = COLUMN_MM * PIXELS_PER_MM
    tables = opened.execute_script(TABLES)
    assert tables
    assert all(len(table["widths"]) == 1 for table in tables)  # none is split over columns
    assert max(table["widths"][0] for table in tables) <= SCREEN["width"] + 1
    figures: list[tuple[str, float, float]] = opened.execute_script(FIGURES)
    assert {tag for tag, _, _ in figures} == {"FIGURE", "IMG"}
    assert max(width for _, _, width in figures) <= column + 1
    assert {round(left / PIXELS_PER_MM) for tag, left, _ in figures if tag == "FIGURE"} == {
        0,
        round(PAGE_MM - 2 * MARGIN_MM - COLUMN_MM),
    }
    printed = opened.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})
    pdf = base64.b64decode(printed["data"])
    sizes = re.findall(rb"/MediaBox \[\s*0 0 ([\d.]+) ([\d.]+)\s*\]", pdf)
    assert len(sizes) >= 2
    assert {(round(float(width)), round(float(height))) for width, height in sizes} == {A4_POINTS}
