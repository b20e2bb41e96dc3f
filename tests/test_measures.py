"""A measure is one entry and one function: a toy one is found everywhere that a measure is read or written."""

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator import measures
from orchestrator.evaluation.leaderboard import leaderboard_csv
from orchestrator.evaluation.trial_files import read_results
from orchestrator.measures import FoldMoments, Measure
from orchestrator.planning.plan_file import load_plan
from orchestrator.report.collect import collect
from orchestrator.report.tables import searches
from orchestrator.run_folder import SUMMARY_FILE
from orchestrator.tracking import tracker
from orchestrator.tracking import views as tracking_views
from orchestrator.tracking.reader import StoreReader
from tests import golden
from tests.conftest import ROOT

OUTPUTS = ROOT / "docs" / "outputs.md"


def bias(fold: FoldMoments, dimension: str) -> float:
    """How far predictions lie above the gold standard on average."""
    moments = fold.pooled(dimension)
    return (moments.sum_x - moments.sum_y) / moments.n


TOY = Measure(
    key="bias",
    title="Bias",
    meaning="mean of prediction minus gold standard",
    level="frame",
    better=None,
    of_fold=bias,
    over_folds=("mean", "sd"),
    headline=True,
    of_person=lambda moments: (moments.sum_x - moments.sum_y) / moments.n,
    column="bias",
    heading="bias",
)
KEYS = ("bias_valence", "bias_arousal")


def test_a_toy_measure_is_found_everywhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(measures, "MEASURES", (*measures.MEASURES, TOY))
    output = golden.run("au", tmp_path)
    summary = json.loads((output / SUMMARY_FILE).read_text())
    # Computed, averaged over the folds, kept per person.
    (first, *_) = results = read_results(output / "trials", [trial.uid for trial in load_plan(output).trials])
    for key in KEYS:
        sums = first.folds[0].people().frames
        moments = [of_person[key.removeprefix("bias_")] for of_person in sums.values()]
        whole = sum(moments[1:], moments[0])
        assert first.folds[0].scores[key] == pytest.approx((whole.sum_x - whole.sum_y) / whole.n)
        biases: list[Any] = [fold.scores[key] for fold in first.folds]
        assert first.scores[key] == pytest.approx(sum(biases) / 3)
        assert summary[key] == first.scores[key]
        assert summary[f"{key}_sd"] == first.scores[f"{key}_sd"]
        assert summary[f"{key}_sd"] > 0
        assert len({one[key] for one in summary["participants"]}) == 6
    assert set(KEYS) < set(leaderboard_csv(load_plan(output), results).partition("\n")[0].split(","))
    # Into MLflow and back.
    uri = f"sqlite:///{tmp_path}/store/mlflow.db"
    assert tracker.write_missing(output, uri).complete
    folder = tmp_path / "read"
    folder.mkdir()
    collection = collect(StoreReader(uri, folder), [], [])
    (search,) = collection.searches
    back = next(trial for trial in search.trials if trial.uid == first.uid)
    for key in KEYS:
        assert back.scores[key] == first.scores[key]
        assert [fold.scores[key] for fold in back.folds] == [fold.scores[key] for fold in first.folds]
        assert search.summary is not None
        assert search.summary.scores[key] == first.scores[key]
    # The report's table, the UI's columns, the documentation.
    table = searches.measures([search])
    place = [column.key for column in table.columns].index("bias")
    shown = [row.cells[place].value for row in table.rows]
    assert shown[:2] == [first.scores[key] for key in KEYS]
    # The baselines have it as well.
    assert search.summary is not None
    assert shown[2:] == [scores[key] for scores in search.summary.baseline.values() for key in KEYS]
    assert len(shown) == 2 * (1 + 5)
    views = json.loads(tracking_views.experiment_tags()["mlflow.sharedViewState.searches"])
    assert {f"metrics.`{key}`" for key in KEYS} < set(views["selectedColumns"])
    assert "| `bias_*`, `bias_*_sd` | frame | mean of prediction minus gold standard;" in measures.documentation()


def test_the_documentation_has_the_measures_of_the_table() -> None:
    assert measures.documentation() in OUTPUTS.read_text()


def test_every_measure_has_a_place_and_keys_of_its_own() -> None:
    keys = [*measures.fold_keys(), *measures.score_keys()]
    both = set(measures.fold_keys()) & set(measures.score_keys())
    assert len(keys) == len(set(keys)) + len(both)
    assert {measure.level for measure in measures.MEASURES} == {"frame", "window", "participant"}
    assert all(measure.better in ("higher", "lower", None) for measure in measures.MEASURES)
    assert all(measures.measure_of(one.difference_to) for one in measures.MEASURES if one.difference_to)
