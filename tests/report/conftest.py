"""Two stores that the product's own commands wrote: searches of synthetic people, and a deliberately odd experiment."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from orchestrator.tracking import tracker
from tests.conftest import StartRay
from tests.corpora.writers import content, write_table
from tests.report.made_runs import make_three_corpora
from tests.search.small_searches import search
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
def synthetic_store(small_corpus: Path, ray_cluster: StartRay, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Action units by two protocols and both levels at once, on six synthetic people; images were never run."""
    ray_cluster()
    folder = tmp_path_factory.mktemp("synthetic-store")
    uri = f"sqlite:///{folder}/mlflow.db"
    outputs = {}
    for name, method, networks, protocol, points in (
        ("units", "au", ("rnn", "bigru"), "described", ONE_POINT),
        ("strict", "au", ("rnn",), "strict", TWO_POINTS),
        ("both", "fl-au", ("rnn",), "described", ONE_POINT),
    ):
        outputs[name] = folder / name
        changes = {"method": method, "networks": networks, "protocol": protocol, "overrides": points}
        code = search(small_corpus, outputs[name], uri, **changes)
        assert code == 0
    return Store(uri=uri, outputs=outputs)


@pytest.fixture(scope="session")
def odd_store(ray_cluster: StartRay, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Real (not synthetic) recordings of people with hostile names, a search that failed, and one that never ended."""
    ray_cluster()
    folder = tmp_path_factory.mktemp("odd-store")
    uri = f"sqlite:///{folder}/mlflow.db"
    people = [content(name, num_rows=120, seed=seed) for seed, name in enumerate((NASTY, FORMULA, "P3"))]
    corpus = write_table(folder / f"{NASTY}.csv", people)
    outputs = {"odd": folder / NASTY, "failed": folder / "failed", "broken-off": folder / "broken-off"}
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
