"""Two stores that the product's own commands wrote: searches of synthetic people, and a deliberately odd experiment."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from orchestrator.tracking import tracker
from tests.conftest import made_once, without_figures
from tests.corpora.writers import content, write_table
from tests.report.made_runs import make_three_corpora
from tests.search.small_searches import search
from tests.search.trained_here import trained_here
from tests.tracking.test_tracker import make_failure, make_plan, write_trial

NASTY = "<img src=x onerror=alert(1)>"
FORMULA = "=HYPERLINK(0)|<script>alert(1)</script>`*"
ONE_POINT = ("hidden_size=8", "sequence_length=50", "num_layers=1")
TWO_POINTS = ("hidden_size=8,16", *ONE_POINT[1:])


@dataclass(frozen=True, kw_only=True)
class Store:
    """An MLflow store and the directories of its searches, by name."""

    uri: str
    outputs: dict[str, Path]


@pytest.fixture(scope="session")
def synthetic_store(small_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Action units by two protocols and both levels at once, on six synthetic people; images were never run."""
    searches = {
        "units": {"method": "au", "networks": ("rnn", "bigru"), "protocol": "described", "overrides": ONE_POINT},
        "strict": {"method": "au", "networks": ("rnn",), "protocol": "strict", "overrides": TWO_POINTS},
        "both": {"method": "fl-au", "networks": ("rnn",), "protocol": "described", "overrides": ONE_POINT},
    }

    def make(folder: Path) -> None:
        with trained_here(), without_figures():
            for name, changes in searches.items():
                assert search(small_corpus, folder / name, f"sqlite:///{folder}/mlflow.db", **changes) == 0

    folder = made_once(tmp_path_factory, "synthetic-store", make)
    return Store(uri=f"sqlite:///{folder}/mlflow.db", outputs={name: folder / name for name in searches})


@pytest.fixture(scope="session")
def odd_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Real (not synthetic) recordings of people with hostile names, a search that failed, and one that never ended."""
    folder = tmp_path_factory.mktemp("odd-store")
    uri = f"sqlite:///{folder}/mlflow.db"
    people = [content(name, num_rows=120, seed=seed) for seed, name in enumerate((NASTY, FORMULA, "P3"))]
    corpus = write_table(folder / f"{NASTY}.csv", people)
    outputs = {"odd": folder / NASTY, "failed": folder / "failed", "broken-off": folder / "broken-off"}
    with trained_here(), without_figures():
        assert search(corpus, outputs["odd"], uri, overrides=ONE_POINT) == 0
    trial = json.loads(next((outputs["odd"] / "trials").glob("*/result.json")).read_text())
    failure = {"uid": "abc123", "network": trial["network"], "hparams": trial["hparams"], "message": FORMULA}
    write_trial(outputs["odd"], "abc123", "failure.json", failure | {"traceback": FORMULA})
    make_plan(outputs["failed"], started="2030-01-01T00:00:00+00:00", title=FORMULA, name="failed")
    make_failure(outputs["failed"], "aaa111")
    trials = {"planned": 3, "finished": 0, "failed": 1}
    ended: dict[str, Any] = {"status": "failed", "best": None, "folds": [], "trials": trials}
    (outputs["failed"] / "summary.json").write_text(json.dumps(ended))
    make_plan(outputs["broken-off"], started="2031-01-01T00:00:00+00:00", name="broken-off")
    for output in outputs.values():
        assert tracker.write_missing(output, uri).problem is None
    return Store(uri=uri, outputs=outputs)


@pytest.fixture(scope="session")
def three_corpora(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a store that holds three corpora; made without training."""
    folder = tmp_path_factory.mktemp("three-corpora")
    uri = f"sqlite:///{folder}/mlflow.db"
    make_three_corpora(folder, uri)
    return uri
