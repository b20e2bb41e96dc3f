"""The MLflow UI in front of a search of 2,160 configurations, in a real browser: seconds until a view is there.

    python benchmarks/ui_many_runs.py [--folder DIR] [--visits 5]

Needs the `dev` extra, chromium and chromedriver. The search is made up (8 folds, 10 epochs each, no training), but
written by what writes real ones; with `--folder` it is kept and taken again. Each visit starts at a blank page and ends
when the rows are in the table, or the axes of the parallel coordinates are drawn; the first, with an empty
browser cache and a server that has just started, is told apart. Bar: 3 s.
"""

import argparse
import contextlib
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from selenium.webdriver import Chrome

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from orchestrator.planning.grid import grid_points  # noqa: E402
from orchestrator.tracking.tracker import write_missing  # noqa: E402
from tests.browser.conftest import opened_browser, served  # noqa: E402
from tests.tracking.test_tracker import make_plan, make_result, make_summary  # noqa: E402
from tune_spaces import au  # noqa: E402

BAR_SECONDS = 3.0
NUM_FOLDS = 8
NUM_EPOCHS = 10
ROWS_OF_A_SCREEN = 15
# Asked ten times per second, and hence quick to answer.
ROWS = "return document.querySelectorAll(`.ag-row a[href*='/runs/']`).length"
AXES = "return [...document.querySelectorAll('svg text')].filter(one => one.textContent == 'hidden_size').length"
PATIENCE_SECONDS = 120.0


def make_search(output: Path) -> None:
    """Write the files of a finished search over the paper's grid of action units, its summary last."""
    trials: list[dict[str, Any]] = [
        {"uid": f"{number:03x}{number:09x}", "network": network, "hparams": asdict(point)}
        for number, (network, point) in enumerate(grid_points(au.NETWORKS, au.GRID))
    ]
    make_plan(output, trials=trials, title="Action units, paper grid")
    for trial in trials:
        result = make_result(output, trial["uid"], num_epochs=NUM_EPOCHS)
        one = result["folds"][0]
        folds = [one | {"fold": k, "ccc_valence": one["ccc_valence"] + k / 100} for k in range(NUM_FOLDS)]
        file = output / "trials" / trial["uid"] / "result.json"
        file.write_text(json.dumps(result | trial | {"folds": folds}))
    summary = make_summary(output)
    (output / "summary.json").write_text(json.dumps(summary | {"best": trials[0]}))


def seconds_until(browser: Chrome, address: str, shown: Callable[[], bool]) -> float:
    browser.get("about:blank")
    time.sleep(1.0)  # what the last page left behind
    start = time.perf_counter()
    browser.get(address)
    while not shown():
        if time.perf_counter() - start > PATIENCE_SECONDS:
            sys.exit(f"{address} showed nothing within {PATIENCE_SECONDS:g} s")
        time.sleep(0.1)
    return time.perf_counter() - start


def measure(store: str, log: Path, visits: int) -> None:
    found: dict[str, list[float]] = {}
    with opened_browser(recorded=False) as browser, served(store, log, os.environ) as ui:
        shown = {
            "searches": lambda: browser.execute_script(ROWS) >= 1,
            "configurations": lambda: browser.execute_script(ROWS) >= ROWS_OF_A_SCREEN,
            "charts": lambda: browser.execute_script(AXES) >= 1,
        }
        for _ in range(1 + visits):
            for name, condition in shown.items():
                found.setdefault(name, []).append(seconds_until(browser, ui.addresses[name], condition))
    print(f"load {os.getloadavg()[0]:.1f}; seconds, medians of {visits} visits after the first; bar {BAR_SECONDS:g}")
    for name, (first, *later) in found.items():
        middle = statistics.median(later)
        verdict = "met" if middle <= BAR_SECONDS else "NOT met"
        print(f"{name:15} {middle:5.2f}  from {min(later):5.2f} to {max(later):5.2f}  first {first:5.2f}  {verdict}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="where the store is kept")
    parser.add_argument("--visits", type=int, default=5)
    arguments = parser.parse_args()
    with contextlib.ExitStack() as made:
        folder = arguments.folder or Path(made.enter_context(tempfile.TemporaryDirectory()))
        store = f"sqlite:///{folder.resolve()}/mlflow.db"
        run = folder / "run"
        if not (run / "summary.json").exists():
            make_search(run)
        start = time.perf_counter()
        report = write_missing(run, store)  # also what is left of a call that was broken off
        assert report.complete, report
        print(f"{report}, {time.perf_counter() - start:.0f} s")
        measure(store, folder / "ui.log", arguments.visits)


if __name__ == "__main__":
    main()
