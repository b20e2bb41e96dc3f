"""Reading a store: pages, curves, the records of configurations."""

import json
from pathlib import Path

import pytest

from orchestrator.report.collect import collect
from orchestrator.tracking import reader
from orchestrator.tracking.reader import StoreReader
from tests.conftest import LEFT_OPEN
from tests.report.conftest import Store

pytestmark = LEFT_OPEN


def test_configurations_are_those_of_their_results(
    synthetic_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when they come page by page."""
    monkeypatch.setattr(reader, "RUNS_PER_PAGE", 1)
    searches = collect(StoreReader(synthetic_store.uri, tmp_path), (), ()).searches
    (search,) = [one for one in searches if one.plan["method"] == "au" and one.plan["protocol"]["name"] == "described"]
    results = {}
    for path in (synthetic_store.outputs["units"] / "trials").glob("*/result.json"):
        result = json.loads(path.read_text())
        results[result["uid"]] = result
    assert len(results) == len(search.trials) == 2
    for trial in search.trials:
        result = results[trial.uid]
        for key in (
            "network",
            "hparams",
            "status",
            "selection_loss",
            "ccc_valence",
            "ccc_arousal_sd",
            "model_size_mib",
        ):
            assert trial.to_json()[key] == result[key], key
        assert isinstance(trial.hparams.hidden_size, int)
        for mine, theirs in zip(trial.folds, result["folds"], strict=True):
            assert (mine.chosen_epoch, mine.selection_loss) == (theirs["chosen_epoch"], theirs["selection_loss"])
            assert mine.scores == {key: theirs[key] for key in ("ccc_valence", "ccc_arousal")}
    # Only the best of each network has its curve: from curves.json where the search wrote one, else from the metrics.
    with_curves = [trial for trial in search.trials if trial.curve]
    assert {trial.network for trial in with_curves} == {"rnn", "bigru"}
    for trial in with_curves:
        assert {"train_loss", "validation_loss", "ccc_valence", "ccc_arousal"} <= set(trial.curve)
        for name, values in trial.curve.items():
            assert list(values) == results[trial.uid]["curve"][name]
