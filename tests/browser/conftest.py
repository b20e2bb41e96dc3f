"""A real browser, headless, and the product's own UI in front of a store with a real search."""

import contextlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

from tests.conftest import ROOT

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
INSTALL = "install them, for instance: sudo apt-get install -y chromium chromium-driver"
PAGE_SECONDS = 60
UI_SECONDS = 120


def program(*names: str) -> str:
    """Return the first of the programs that there is; the tests fail, and are never skipped, where there is none."""
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        pytest.fail(f"no {' or '.join(names)} on the PATH: {INSTALL}", pytrace=False)
    return found


@pytest.fixture(scope="session")
def browser() -> Iterator[Chrome]:
    """The browser of all tests."""
    with opened_browser() as started:
        yield started


@contextlib.contextmanager
def opened_browser(*, recorded: bool = True) -> Iterator[Chrome]:
    """Chromium as the system has it: nothing is fetched; its traffic and console are recorded, which takes time."""
    options = ChromeOptions()
    options.binary_location = program(*CHROMIUM)
    driver = program("chromedriver")
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        flags = ["headless=new", "no-sandbox", "disable-dev-shm-usage", "disable-gpu", "window-size=1700,1100"]
        flags += ["no-proxy-server", "disable-background-networking", "hide-scrollbars", f"user-data-dir={profile}"]
        for flag in flags:
            options.add_argument(f"--{flag}")
        if recorded:
            options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        started = Chrome(options=options, service=Service(driver))
        started.set_page_load_timeout(PAGE_SECONDS)
        yield started
        started.quit()


@pytest.fixture(scope="session")
def searched(finished_search: Path) -> Path:
    """The directory of a finished search of four configurations, recorded in a store of its own beside it."""
    return finished_search


@dataclass(frozen=True, slots=True, kw_only=True)
class Ui:
    """A served store: what `ui` printed, and its addresses by what they show."""

    output: str
    addresses: dict[str, str]


@pytest.fixture(scope="session")
def ui(searched: Path, environment: dict[str, str]) -> Iterator[Ui]:
    """The store of that search, served."""
    with served(f"sqlite:///{searched.parent}/mlflow.db", searched.parent / "ui.log", environment) as found:
        yield found


@contextlib.contextmanager
def served(store: str, log: Path, environment: Mapping[str, str]) -> Iterator[Ui]:
    """`python -m orchestrator ui` for a store on a free port, ended by its own process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    command = [sys.executable, "-m", "orchestrator", "ui", "--port", port, "--tracking-uri", store]
    with log.open("w") as sink:
        process = subprocess.Popen(
            command, cwd=ROOT, env={**environment, "PYTHONUNBUFFERED": "1"}, stdout=sink, stderr=subprocess.STDOUT
        )
    try:
        yield _wait_for_addresses(process, log)
    finally:
        process.terminate()
        process.wait(60)


def _wait_for_addresses(process: "subprocess.Popen[bytes]", log: Path) -> Ui:
    deadline = time.monotonic() + UI_SECONDS
    while True:
        text = log.read_text()
        words = [line.split() for line in text.splitlines() if line.startswith("  ")]
        addresses = {pair[0]: pair[1] for pair in words if len(pair) == 2 and pair[1].startswith("http://")}
        if "charts" in addresses:
            return Ui(output=text, addresses=addresses)
        assert process.poll() is None, text
        assert time.monotonic() < deadline, text
        time.sleep(0.2)
