"""Repeats in MLflow: runs of their own kind, which neither a report nor a count takes for configurations."""

import json
from pathlib import Path

from orchestrator.report.collect import collect
from orchestrator.tracking import records, tracker
from orchestrator.tracking.reader import StoreReader
from tests.conftest import LEFT_OPEN
from tests.report.made_runs import make_run
from tests.tracking.test_tracker import make_failure, make_result, write_trial

pytestmark = LEFT_OPEN
REPEAT, FAILED = "0e1001", "0e1002"


def with_repeats(folder: Path) -> Path:
    """A search of two configurations, a repeat that is far better than both, and one that failed."""
    output = make_run(folder, {"rnn": (0.30, 0.35)})
    result = make_result(output, REPEAT) | {"network": "rnn", "selection_loss": 0.01, "repeat": 1, "seed": 1}
    write_trial(output, REPEAT, "result.json", result)
    make_failure(output, FAILED)
    file = output / "trials" / FAILED / "failure.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"repeat": 2}))
    return output


def test_a_repeats_run_says_that_it_is_one(tmp_path: Path) -> None:
    output = with_repeats(tmp_path / "run")
    plan = records.read_plan(output)
    found = {uid: records.trial_record(plan, path) for uid, path in records.trial_files(output).items()}
    kinds = {uid: (one.tags["kind"], one.tags.get("repeat"), one.status) for uid, one in found.items()}
    assert kinds.pop(REPEAT) == ("repeat", "1", "FINISHED")
    assert kinds.pop(FAILED) == ("repeat", "2", "FAILED")
    assert set(kinds.values()) == {("configuration", None, "FINISHED")}
    assert found[REPEAT].name.endswith(" (repeat 1)")


def test_a_repeat_is_tracked_and_is_no_configuration_of_the_search(tmp_path: Path) -> None:
    output, uri = with_repeats(tmp_path / "run"), f"sqlite:///{tmp_path}/mlflow.db"
    report = tracker.write_missing(output, uri)
    assert report.complete
    assert "2 configurations written, 0 there before, and 2 repeats" in str(report)
    assert "0 configurations written, 2 there before, and 2 repeats" in str(tracker.write_missing(output, uri))
    (search,) = collect(StoreReader(uri, tmp_path / "downloads"), (), ()).searches
    assert len(search.trials) == 2
    assert REPEAT not in {trial.uid for trial in search.trials}
    assert not search.failures
