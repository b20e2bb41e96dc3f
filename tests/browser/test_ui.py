"""The MLflow UI in a real browser: searches, configurations with useful columns, charts, and the figures."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from orchestrator.tracking.ui import DEFAULT_UI_HOST
from tests.browser.conftest import PAGE_SECONDS, Ui
from tests.conftest import LEFT_OPEN, SAID

pytestmark = LEFT_OPEN
CONFIGURATIONS = (
    "rnn lr=1e-3 h=8 L=50 x1",
    "rnn lr=1e-3 h=8 L=100 x1",
    "rnn lr=1e-3 h=16 L=50 x1",
    "rnn lr=1e-3 h=16 L=100 x1",
)
COLUMNS = ("recordings", "ccc_valence", "ccc_arousal", "training_minutes", "model_size_mib", "network")
# As the eye reads: the table keeps its cells in another order. What is right of the window is not there.
TEXTS = """
const place = one => one.getBoundingClientRect();
return [...document.querySelectorAll(arguments[0])]
    .sort((a, b) => place(a).top - place(b).top || place(a).left - place(b).left)
    .map(one => one.textContent.trim());
"""
IMAGES = "return [...document.images].filter(one => one.src.startsWith('blob:')).map(one => one.naturalWidth)"


def wait_for(browser: Chrome, found: Callable[[], Any], what: str) -> Any:
    return WebDriverWait(browser, PAGE_SECONDS, poll_frequency=0.2).until(lambda _: found(), what)


def texts(browser: Chrome, selector: str) -> list[str]:
    found: list[str] = browser.execute_script(TEXTS, selector)
    return found


def run_names(browser: Chrome) -> list[str]:
    return [text for text in texts(browser, ".ag-row a[href*='/runs/']") if text]


def axes_are_drawn(browser: Chrome) -> bool:
    # The library draws its axes as SVG text; a line per configuration on a canvas.
    labels = "[data-testid='experiment-view-compare-runs-card'] svg text, svg.parcoords text, .parcoords text"
    return "hidden_size" in "".join(texts(browser, labels))


def test_the_addresses_are_of_this_machine(ui: Ui) -> None:
    assert "affect-au:" in ui.output
    assert set(ui.addresses) == {"searches", "configurations", "charts"}
    assert all(address.startswith(f"http://{DEFAULT_UI_HOST}:") for address in ui.addresses.values())


def test_the_search_is_listed_and_opens_to_its_configurations(browser: Chrome, ui: Ui) -> None:
    browser.get(ui.addresses["searches"])
    (name,) = wait_for(browser, lambda: run_names(browser), "the search's row")
    assert name.startswith("run, synthetic: Action units, trained centrally")
    assert set(COLUMNS) <= set(texts(browser, ".ag-header-cell"))
    assert "Each search is a run" in browser.find_element(By.TAG_NAME, "body").text
    wait_for(browser, lambda: browser.find_elements(By.CSS_SELECTOR, ".ag-row .ag-cell button"), "its triangle")
    browser.find_elements(By.CSS_SELECTOR, ".ag-row .ag-cell button")[0].click()
    wait_for(browser, lambda: len(run_names(browser)) == 1 + len(CONFIGURATIONS), "the configurations below it")
    assert set(run_names(browser)[1:]) == set(CONFIGURATIONS)


def test_the_configurations_come_by_ccc_with_their_columns(browser: Chrome, ui: Ui, searched: Path) -> None:
    browser.get(ui.addresses["configurations"])
    wait_for(browser, lambda: len(run_names(browser)) == len(CONFIGURATIONS), "four rows")
    shown = [text for text in texts(browser, ".ag-header-cell") if text in COLUMNS]
    assert shown == list(COLUMNS)
    files = [json.loads(path.read_text()) for path in searched.glob("trials/*/result.json")]
    best = sorted((one["ccc_valence"] for one in files), reverse=True)
    cells = [float(text) for text in texts(browser, ".ag-row .ag-cell[col-id='metrics.`ccc_valence`']")]
    assert cells == pytest.approx(best, abs=1e-6)


def test_charts_are_drawn(browser: Chrome, ui: Ui) -> None:
    browser.get(ui.addresses["charts"])
    wait_for(browser, lambda: "Parallel Coordinates" in browser.find_element(By.TAG_NAME, "body").text, "the card")
    wait_for(browser, lambda: axes_are_drawn(browser), "the parallel coordinates' axes")


@pytest.mark.parametrize("name", ["au-traces", "au-parallel", "trade-off"])
def test_the_figures_are_shown(browser: Chrome, ui: Ui, searched: Path, name: str) -> None:
    run_id = json.loads((searched / "tracking.json").read_text())["run_id"]
    page = ui.addresses["searches"].partition("?")[0]
    browser.get(f"{page}/{run_id}/artifacts/figures/{name}.svg")
    widths = wait_for(browser, lambda: [width for width in browser.execute_script(IMAGES) if width], f"{name}.svg")
    assert all(width > 200 for width in widths)
    assert f"{name}.svg" in browser.find_element(By.TAG_NAME, "body").text


def test_the_run_left_what_the_page_shows(searched: Path) -> None:
    complaints = [line for line in (searched.parent / SAID).read_text().splitlines() if line.startswith("figure")]
    assert complaints == []  # a figure that could not be drawn costs a search nothing but this line
    drawn = {path.name for path in (searched / "figures").iterdir()}
    assert {"au-traces.svg", "au-plane.svg", "au-learning.svg", "au-parallel.svg", "trade-off.svg"} <= drawn
    curves = json.loads((searched / "curves.json").read_text())
    assert set(curves) == {"rnn"}
    result = json.loads((searched / "trials" / curves["rnn"]["uid"] / "result.json").read_text())
    assert curves["rnn"]["curve"] == result["curve"]
    stored = {path.name for path in searched.parent.joinpath("artifacts").rglob("*.*")}
    assert drawn | {"curves.json"} <= stored
