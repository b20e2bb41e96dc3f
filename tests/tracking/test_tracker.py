"""MLflow against real stores: SQLite files, a server over HTTP, and servers that are dead or never answer."""

import contextlib
import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator import measures
from orchestrator.errors import InputError
from orchestrator.files import locked
from orchestrator.run_folder import TRACKING_LOCK
from orchestrator.run_records import CURVES
from orchestrator.tracking import client as store_client
from orchestrator.tracking import location, records, ui
from orchestrator.tracking import tracker as tracking
from orchestrator.tracking.client import connect
from tune_spaces.method import make_hparams

EXPERIMENT = "affect-au"
UIDS = ("aaa111", "bbb222", "ccc333")
STARTED = "2026-11-22T04:00:00+00:00"
HPARAMS = {"learning_rate": 1e-3, "hidden_size": 8, "sequence_length": 50, "num_layers": 1}
ENDED = "2026-11-22T04:01:40+00:00"


@pytest.fixture(autouse=True)
def _no_address_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database; made once, because that takes seconds, and then copied."""
    path = tmp_path_factory.mktemp("empty") / "mlflow.db"
    connect(f"sqlite:///{path}")
    assert path.is_file()
    return path


@pytest.fixture
def uri(empty_store: Path, tmp_path: Path) -> str:
    folder = tmp_path / "a store 100%"  # a blank and a per cent sign, which addresses treat specially
    folder.mkdir()
    shutil.copy(empty_store, folder / "mlflow.db")
    return f"sqlite:///{folder}/mlflow.db"


def make_plan(output: Path, **changes: Any) -> dict[str, Any]:
    plan: dict[str, Any] = {
        "command": "tune",
        "method": "au",
        "title": "Action units, demo grid",
        "name": "tune-au-20261122-040000",
        "started": STARTED,
        "protocol": {"name": "described", "epochs": 3, "optimistic": False, "label_decimals": None},
        "seed": 0,
        "preset": "demo",
        "corpus": {
            "kind": "recola",
            "path": "corpus",
            "sha256": "ab" * 32,
            "synthetic": True,
            "participants": 23,
        },
        "search": {"name": "grid", "grid": {"hidden_size": [8, 16]}},
        "tracking": {"tracking_uri": "sqlite:////nowhere/else.db", "experiment": EXPERIMENT},
        "versions": {"python": "3.11", "torch": "2.15"},
        "git_commit": "0123abc",
        "trials": [{"uid": uid, "network": "bigru", "hparams": {}} for uid in UIDS],
    }
    output.mkdir(parents=True, exist_ok=True)
    (output / "plan.json").write_text(json.dumps(plan | changes))
    return plan


def make_result(output: Path, uid: str, *, status: str = "finished", num_epochs: int = 3) -> dict[str, Any]:
    base = int(uid[:3], 16) / 7919  # an endless binary fraction: any rounding on the way shows
    result: dict[str, Any] = {
        "uid": uid,
        "network": "bigru",
        "hparams": HPARAMS,
        "status": status,
        "epochs": num_epochs,
        "training_seconds": 12.3 + base,
        "num_parameters": 12345,
        "model_size_mib": 0.1 + base,
        "selection_loss": base / 3,
        "folds": [
            {"fold": k, "selection_loss": base / (k + 2), "chosen_epoch": 3, "ccc_valence": -base / (k + 5)}
            | {"ccc_arousal": base / (k + 9), "participants": [f"P{k}"]}
            for k in range(2)
        ],
        "federation": None,
        "curve": {
            name: [base * number / (epoch + 1.1) for epoch in range(num_epochs)]
            for number, name in enumerate(CURVES, start=1)
        },
        "started": STARTED,
        "ended": ENDED,
    }
    scores = [name for name in measures.score_keys() if "corrected" not in name]
    result |= {name: base / (number + 3) for number, name in enumerate(scores)}
    write_trial(output, uid, "result.json", result)
    return result


def make_failure(output: Path, uid: str) -> None:
    failure = {"uid": uid, "network": "rnn", "hparams": HPARAMS, "message": "loss is NaN"}
    write_trial(output, uid, "failure.json", failure | {"traceback": "Traceback\n  line 1\nValueError: loss is NaN"})


def write_trial(output: Path, uid: str, name: str, content: dict[str, Any]) -> None:
    folder = output / "trials" / uid
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(content))


def make_summary(output: Path, status: str = "finished") -> dict[str, Any]:
    summary = {
        "status": status,
        "ccc_valence": 1 / 3,
        "ccc_arousal": 2 / 7,
        "ccc_corrected_valence": 0.1 + 0.2,
        "ccc_valence_high": 0.5 / 0.9,
        "baseline": {"ridge": {"ccc_valence": 0.2 / 0.7}},
        "training_seconds": 600.5,
        "folds": [],
        "trials": {"planned": 3, "finished": 2, "failed": 1, "stopped": 0},
        "best": {"network": "bigru", "hparams": HPARAMS, "uid": UIDS[0], "loss": 0.25},
    }
    (output / "summary.json").write_text(json.dumps(summary))
    (output / "predictions.parquet").write_bytes(b"PAR1")
    (output / "model").mkdir(exist_ok=True)
    (output / "model" / "card.json").write_text("{}")
    return summary


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """A finished search: two results, one failure, summary and artifacts."""
    folder = tmp_path / "run"
    make_plan(folder)
    for uid in UIDS[:2]:
        make_result(folder, uid)
    make_failure(folder, UIDS[2])
    make_summary(folder)
    return folder


def runs_in(uri: str, view: int = 1) -> list[Any]:
    """Every run of the experiment; view 1: not deleted, 2: deleted."""
    client = connect(uri)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    return list(client.search_runs([experiment.experiment_id], run_view_type=view, max_results=1000))


def split(runs: list[Any]) -> tuple[Any, dict[str, Any]]:
    """The one parent and its children by uid, each uid once."""
    (parent,) = [run for run in runs if run.data.tags["kind"] == "search"]
    children = [run for run in runs if run.data.tags["kind"] == "configuration"]
    assert len(children) + 1 == len(runs)
    assert {run.data.tags["mlflow.parentRunId"] for run in children} <= {parent.info.run_id}
    by_uid = {run.data.tags["uid"]: run for run in children}
    assert len(by_uid) == len(children)
    return parent, by_uid


def assert_child_equals(run: Any, result: dict[str, Any], client: Any) -> None:
    """Every number of the result is in the run, to the last bit."""
    metrics = run.data.metrics
    names = [name for name in (*measures.score_keys(), *(cost.key for cost in measures.COSTS)) if name in result]
    assert len(names) == 30
    assert {name: metrics[name] for name in names} == {name: result[name] for name in names}
    assert metrics["validation_loss"] == result["selection_loss"]
    assert metrics["training_minutes"] == result["training_seconds"] / 60
    for fold in result["folds"]:
        assert metrics[f"fold_ccc_valence_{fold['fold']}"] == fold["ccc_valence"]
        assert metrics[f"fold_ccc_arousal_{fold['fold']}"] == fold["ccc_arousal"]
        assert metrics[f"fold_validation_loss_{fold['fold']}"] == fold["selection_loss"]
    for name in CURVES:
        history = client.get_metric_history(run.info.run_id, f"epoch_{name}")
        assert [(point.step, point.value) for point in history] == list(enumerate(result["curve"][name], 1))


def read_result(output: Path, uid: str) -> dict[str, Any]:
    return dict(json.loads((output / "trials" / uid / "result.json").read_text()))


def test_a_finished_search_is_in_the_store_to_the_last_bit(output: Path, uri: str) -> None:
    report = tracking.write_missing(output, uri)
    assert report.complete, report
    assert (report.written, report.present, report.finished) == (3, 0, True)
    parent, children = split(runs_in(uri))
    client = connect(uri)
    for uid in UIDS[:2]:
        assert_child_equals(children[uid], read_result(output, uid), client)
        assert children[uid].info.status == "FINISHED"
    child = children[UIDS[0]]
    assert child.info.run_name == "bigru lr=1e-3 h=8 L=50 x1"
    assert child.data.params == {
        "network": "bigru",
        "learning_rate": "0.001",
        "hidden_size": "8",
        "sequence_length": "50",
        "num_layers": "1",
    }
    assert (child.info.end_time - child.info.start_time) == 100_000
    expected = {"method": "au", "network": "bigru", "protocol": "described", "corpus": "recola"}
    expected |= {"synthetic": "true", "git_commit": "0123abc", "version_torch": "2.15", "optimistic": "false"}
    assert expected.items() <= child.data.tags.items()
    summary = json.loads((output / "summary.json").read_text())
    assert parent.info.status == "FINISHED"
    assert parent.info.run_name == "tune-au-20261122-040000, synthetic: Action units, demo grid"
    assert "Synthetic" in parent.data.tags["mlflow.note.content"]
    assert parent.data.params["protocol_epochs"] == "3"
    assert parent.data.metrics["ccc_corrected_valence"] == summary["ccc_corrected_valence"]
    assert parent.data.metrics["trials_failed"] == 1
    assert parent.data.metrics["ccc_valence_high"] == 0.5 / 0.9
    assert parent.data.metrics["ridge_ccc_valence"] == 0.2 / 0.7
    names = {item.path for item in client.list_artifacts(parent.info.run_id)}
    assert names == {"plan.json", "summary.json", "predictions.parquet", "model"}
    local = Path(client.download_artifacts(parent.info.run_id, "model/card.json", str(output)))
    assert local.read_text() == "{}"


def test_a_federations_rounds_and_sums_are_in_the_store(output: Path, uri: str) -> None:
    """Each round at its own number, also one that was lost and done again; the sums under names of their own."""
    rounds = [
        {"round": number, "seconds": 1 / (3 + i), "trained": 7 - i, "failed": failed, "refused": refused}
        | {"bytes_up": 10**9 + i, "bytes_down": 2 * 10**9 + i, "train_loss": [0.5], "validation_loss": []}
        | {"ccc_valence": [], "ccc_arousal": []}
        for i, (number, failed, refused) in enumerate(
            [(1, [], []), (2, ["P1 (fold 0): gone", "P2 (fold 0): gone"], ["P3 (fold 1): far"]), (2, [], ["P3"])]
        )
    ]
    sums: dict[str, float] = {"rounds": 3, "clients": 7, "failures": 4, "paper_seconds": 1 / 7}
    sums |= {"bytes_up": 3 * 10**9 + 3, "bytes_down": 6 * 10**9 + 3}
    federation = {**sums, "wall_seconds": 0.78, "first_failure": "client P1", "by_round": rounds}
    write_trial(output, UIDS[0], "result.json", read_result(output, UIDS[0]) | {"federation": federation})
    summary = json.loads((output / "summary.json").read_text()) | {"federation": {**sums, "wall_seconds": 0.78}}
    (output / "summary.json").write_text(json.dumps(summary))
    assert tracking.write_missing(output, uri).complete
    parent, children = split(runs_in(uri))
    federated, other = children[UIDS[0]], children[UIDS[1]]
    for run in (parent, federated):
        assert {name: run.data.metrics[name] for name in sums} == sums
    assert not {*sums, "round_seconds"} & set(other.data.metrics)
    assert "round_seconds" not in parent.data.metrics
    client = connect(uri)
    expected: dict[str, list[float]] = {
        "seconds": [1 / 3, 1 / 4, 1 / 5],
        "clients_trained": [7, 6, 5],
        "clients_failed": [0, 2, 0],
        "clients_refused": [0, 1, 1],
        "bytes_up": [10**9, 10**9 + 1, 10**9 + 2],
        "bytes_down": [2 * 10**9, 2 * 10**9 + 1, 2 * 10**9 + 2],
    }
    for name, values in expected.items():
        history = client.get_metric_history(federated.info.run_id, f"round_{name}")
        assert [(point.step, point.value) for point in history] == list(zip((1, 2, 2), values, strict=True)), name
    assert federated.data.metrics["round_seconds"] == 1 / 5


def test_a_failed_trial_keeps_its_traceback(output: Path, uri: str) -> None:
    tracking.write_missing(output, uri)
    child = split(runs_in(uri))[1][UIDS[2]]
    assert child.info.status == "FAILED"
    assert child.data.tags["failure"] == "loss is NaN"
    text = Path(connect(uri).download_artifacts(child.info.run_id, "traceback.txt")).read_text()
    assert "line 1\nValueError" in text


def test_artifacts_lie_beside_the_database(output: Path, uri: str) -> None:
    tracking.write_missing(output, uri)
    database = location.database_path(uri)
    assert database is not None
    assert len(list((database.parent / "artifacts").rglob("summary.json"))) == 1


def test_the_same_search_twice_is_there_once(output: Path, uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow.tracking import MlflowClient

    tracking.write_missing(output, uri)
    before = [run.to_dictionary() for run in runs_in(uri)]
    for name in ("create_run", "log_artifact", "log_text", "set_terminated", "delete_run"):
        monkeypatch.setattr(MlflowClient, name, lambda *_, name=name, **__: pytest.fail(f"{name} again"))
    again = tracking.write_missing(output, uri)
    assert (again.written, again.present, again.complete) == (0, 3, True)
    assert [run.to_dictionary() for run in runs_in(uri)] == before


def test_a_lost_state_file_makes_no_second_search(output: Path, uri: str) -> None:
    first = tracking.write_missing(output, uri)
    (output / "tracking.json").unlink()
    again = tracking.write_missing(output, uri)
    assert again.run_id == first.run_id
    assert (again.written, again.present) == (0, 3)
    assert len(runs_in(uri)) == 4
    assert tracking.tracking_identity(output) == {
        "tracking_uri": uri,
        "experiment_id": first.experiment_id,
        "run_id": first.run_id,
    }


def test_a_search_resumed_under_other_versions_continues(output: Path, uri: str) -> None:
    first = tracking.write_missing(output, uri)
    make_plan(output, versions={"torch": "9.9"}, preset="paper")  # MLflow refuses to change a parameter
    again = tracking.write_missing(output, uri)
    assert (again.run_id, again.complete) == (first.run_id, True)
    parent, _ = split(runs_in(uri))
    assert parent.data.tags["version_torch"] == "9.9"
    assert parent.data.params["preset"] == "demo"


def test_a_search_that_differs_only_in_its_start_is_another(output: Path, uri: str) -> None:
    first = tracking.write_missing(output, uri)
    (output / "tracking.json").unlink()
    make_plan(output, started="2026-11-22T04:00:00.5+00:00")
    assert tracking.write_missing(output, uri).run_id != first.run_id


@pytest.mark.parametrize("call", ["log_batch", "log_text", "set_terminated", "log_artifact"])
def test_an_interrupted_write_is_completed_once(
    output: Path, uri: str, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All but the first call of a kind fail: runs are made, not filled; the next time fills the same ones."""
    from mlflow.tracking import MlflowClient

    good = getattr(MlflowClient, call)
    calls = []

    def fail(*args: Any, **kwargs: Any) -> Any:
        calls.append(args)
        if len(calls) > 1:
            raise ConnectionError("gone in the middle")
        return good(*args, **kwargs)

    monkeypatch.setattr(tracking, "FIRST_DELAY_SECONDS", 0.01)
    if call == "log_text":  # there is one failed trial: its only text fails
        calls.append(())
    with monkeypatch.context() as broken:
        broken.setattr(MlflowClient, call, fail)
        report = tracking.write_missing(output, uri)
    assert len(calls) > 1
    assert not report.complete
    assert report.problem is not None
    assert "gone in the middle" in report.problem
    assert f"python -m orchestrator track {output}" in str(report)
    report = tracking.write_missing(output, uri)
    assert report.complete
    _, children = split(runs_in(uri))
    assert sorted(children) == list(UIDS)
    client = connect(uri)
    for uid in UIDS[:2]:
        assert_child_equals(children[uid], read_result(output, uid), client)
        assert children[uid].info.status == "FINISHED"
    assert not runs_in(uri, view=2)


def test_a_run_whose_creation_was_not_acknowledged_is_found(
    output: Path, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server made the run but its answer was lost: the next attempt finds it by its tags."""
    from mlflow.tracking import MlflowClient

    good = MlflowClient.create_run
    lost: list[str] = []

    def make_and_lose(*args: Any, **kwargs: Any) -> Any:
        run = good(*args, **kwargs)
        if len(lost) < 2:
            lost.append(run.info.run_id)
            raise ConnectionError("answer lost")
        return run

    monkeypatch.setattr(tracking, "FIRST_DELAY_SECONDS", 0.01)
    monkeypatch.setattr(MlflowClient, "create_run", make_and_lose)
    tracking.write_missing(output, uri)
    assert tracking.write_missing(output, uri).complete
    assert len(lost) == 2
    parent, children = split(runs_in(uri))
    assert set(lost) <= {parent.info.run_id, *(run.info.run_id for run in children.values())}


def test_a_duplicate_that_came_late_is_removed(output: Path, uri: str) -> None:
    tracking.write_missing(output, uri)
    client = connect(uri)
    child = split(runs_in(uri))[1][UIDS[0]]
    tags = {key: value for key, value in child.data.tags.items() if key != "mlflow.runName"}
    client.create_run(child.info.experiment_id, tags=tags)
    assert tracking.write_missing(output, uri).complete
    assert split(runs_in(uri))[1][UIDS[0]].info.run_id == child.info.run_id
    assert len(runs_in(uri, view=2)) == 1


def test_a_trial_taken_up_again_shows_only_its_last_end(output: Path, uri: str) -> None:
    make_result(output, UIDS[0], status="stopped", num_epochs=1)
    tracking.write_missing(output, uri)
    assert split(runs_in(uri))[1][UIDS[0]].info.status == "KILLED"
    result = make_result(output, UIDS[0])
    assert tracking.write_missing(output, uri).written == 1
    child = split(runs_in(uri))[1][UIDS[0]]
    assert child.info.status == "FINISHED"
    assert_child_equals(child, result, connect(uri))


def test_a_broken_trial_file_is_named_and_keeps_no_other_back(output: Path, uri: str) -> None:
    (output / "trials" / UIDS[0] / "result.json").write_text("{")
    report = tracking.write_missing(output, uri)
    assert report.missing == (UIDS[0],)
    assert report.written == 2
    assert report.finished
    assert report.problem is not None
    assert UIDS[0] in report.problem


def test_damaged_results_are_not_written_and_keep_no_other_back(output: Path, uri: str) -> None:
    """No result is written with a NaN, nor under another trial's name; two in a row are no failing store."""
    result = make_result(output, UIDS[0])
    result["curve"]["train_loss"] = [0.5, float("nan"), 0.25]
    write_trial(output, UIDS[0], "result.json", result)
    write_trial(output, UIDS[1], "result.json", make_result(output, UIDS[1]) | {"uid": UIDS[0]})
    report = tracking.write_missing(output, uri)
    assert report.missing == UIDS[:2]
    assert (report.written, report.finished) == (1, True)
    assert report.problem is not None
    assert f"{UIDS[0]}/result.json: found NaN; expected JSON, finite numbers" in report.problem
    assert UIDS[0] in report.problem
    assert list(split(runs_in(uri))[1]) == [UIDS[2]]
    make_result(output, UIDS[0])
    assert "the result of 'aaa111'" in str(tracking.write_missing(output, uri).problem)
    make_result(output, UIDS[1])
    assert tracking.write_missing(output, uri).complete


def test_a_long_curve_needs_more_than_one_call(output: Path, uri: str) -> None:
    result = make_result(output, UIDS[0], num_epochs=300)  # 1,200 points: above MLflow's limit of 1,000
    assert tracking.write_missing(output, uri).complete
    assert_child_equals(split(runs_in(uri))[1][UIDS[0]], result, connect(uri))


def test_live_follows_a_search_and_a_resumed_one_continues_it(tmp_path: Path, uri: str) -> None:
    output = tmp_path / "run"
    make_plan(output)
    tracker = tracking.Tracker(output, uri, EXPERIMENT)
    tracker.start()
    make_result(output, UIDS[0])
    tracker.changed()
    first = tracker.close(30.0)
    assert (first.written, first.complete, first.finished) == (1, True, False)
    parent, children = split(runs_in(uri))
    assert parent.info.status == "RUNNING"
    assert list(children) == [UIDS[0]]

    tracker = tracking.Tracker(output, uri, EXPERIMENT)
    tracker.start()
    make_result(output, UIDS[1])
    make_failure(output, UIDS[2])
    tracker.changed()
    make_summary(output)
    last = tracker.close(30.0)
    assert (last.written, last.present, last.complete, last.finished) == (2, 1, True, True)
    assert last.run_id == first.run_id
    assert tracker.problem is None
    assert split(runs_in(uri))[0].info.status == "FINISHED"


def test_an_earlier_summary_does_not_end_a_search_that_goes_on(output: Path, uri: str) -> None:
    make_summary(output, status="interrupted")
    tracking.write_missing(output, uri)
    assert split(runs_in(uri))[0].info.status == "KILLED"
    tracker = tracking.Tracker(output, uri, EXPERIMENT)
    tracker.start()
    until = time.monotonic() + 20.0
    while (status := split(runs_in(uri))[0].info.status) != "RUNNING" and time.monotonic() < until:
        time.sleep(0.05)
    make_summary(output)
    assert tracker.close(30.0).finished
    assert (status, split(runs_in(uri))[0].info.status) == ("RUNNING", "FINISHED")


def test_a_search_taken_up_again_after_its_end_is_running(output: Path, uri: str) -> None:
    tracking.write_missing(output, uri)
    (output / "summary.json").unlink()
    tracking.write_missing(output, uri)
    assert split(runs_in(uri))[0].info.status == "RUNNING"
    make_summary(output, status="failed")
    tracking.write_missing(output, uri)
    assert split(runs_in(uri))[0].info.status == "FAILED"


@contextlib.contextmanager
def closed_port() -> Iterator[int]:
    with socket.socket() as taken:  # bound, never listening: connections are refused, nobody else gets it
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@contextlib.contextmanager
def silent_port() -> Iterator[int]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(16)
        yield listening.getsockname()[1]


# One that refuses is given up before the deadline; one that hangs, at the deadline.
@pytest.mark.parametrize(("server", "seconds"), [(closed_port, (60.0, 20.0)), (silent_port, (2.5, 4.0))])
def test_a_server_that_fails_costs_a_bounded_time_and_loses_nothing(
    output: Path,
    uri: str,
    server: Any,
    seconds: tuple[float, float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deadline_seconds, within_seconds = seconds
    # The hanging thread is to end with the test.
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "4")
    with server() as port:
        tracker = tracking.Tracker(output, f"http://user:secret@127.0.0.1:{port}", EXPERIMENT)
        before = time.monotonic()
        tracker.start()
        for _ in range(100):
            tracker.changed()
        assert time.monotonic() - before < 1.0
        report = tracker.close(deadline_seconds)
        assert time.monotonic() - before < within_seconds
        assert report.missing == UIDS
        assert not report.complete
        assert report.problem is not None
        assert f"track {output}" in str(report)
        assert "secret" not in str(report)
        # The same process writes elsewhere at once, though the old thread may still hang.
        good = tracking.write_missing(output, uri)
        assert (good.written, good.complete, good.finished) == (3, True, True)
        tracker._thread.join(10.0)
        assert not tracker._thread.is_alive()
        assert tracking.tracking_identity(output) == {
            "tracking_uri": uri,
            "experiment_id": good.experiment_id,
            "run_id": good.run_id,
        }
    assert len(runs_in(uri)) == 4


def test_a_writer_that_was_given_up_writes_nothing_more(
    output: Path, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call that returns long after the end of the search is the last one of its writer."""
    from mlflow.tracking import MlflowClient

    good = MlflowClient.set_terminated
    reached, go_on = threading.Event(), threading.Event()

    def wait_and_do(*args: Any, **kwargs: Any) -> Any:
        reached.set()
        assert go_on.wait(20.0)
        return good(*args, **kwargs)

    monkeypatch.setattr(MlflowClient, "set_terminated", wait_and_do)
    tracker = tracking.Tracker(output, uri, EXPERIMENT)
    tracker.start()
    assert reached.wait(20.0)
    assert tracker.close(0.1).missing == UIDS
    (output / "tracking.json").unlink()
    go_on.set()
    tracker._thread.join(10.0)
    assert not tracker._thread.is_alive()
    assert not (output / "tracking.json").exists()
    assert [run.info.status for run in split(runs_in(uri))[1].values()] == ["FINISHED"]


def test_a_directory_that_is_being_written_has_one_writer(output: Path, uri: str) -> None:
    with locked(output / TRACKING_LOCK, wait_seconds=1.0):
        report = tracking.write_missing(output, uri)
    assert report.missing == UIDS
    assert report.problem is not None
    assert "held by another process" in report.problem


def test_two_searches_may_create_the_same_database(tmp_path: Path) -> None:
    """In two processes and with two threads each, as near to at once as can be."""
    uri = f"sqlite:///{tmp_path}/new/mlflow.db"
    outputs = [tmp_path / f"run{number}" for number in range(3)]
    for number, folder in enumerate(outputs):
        make_plan(folder, name=f"run{number}")
        make_result(folder, UIDS[0])
    code = f"""
import sys
from pathlib import Path
from orchestrator.tracking.tracker import Tracker
tracker = Tracker(Path({str(outputs[0])!r}), {uri!r}, {EXPERIMENT!r})
tracker.start()
report = tracker.close(60.0)
assert report.complete, report
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=-1, stderr=-1, text=True) as other:
        trackers = [tracking.Tracker(folder, uri, EXPERIMENT) for folder in outputs[1:]]
        for tracker in trackers:
            tracker.start()
        for tracker in trackers:
            assert tracker.close(60.0).complete
        printed = other.communicate(timeout=60)
    assert other.returncode == 0, printed
    assert printed == ("", ""), "MLflow spoils the driver's display"
    runs = runs_in(uri)
    assert sorted(run.data.tags["kind"] for run in runs) == ["configuration"] * 3 + ["search"] * 3
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["mlflow.db", "mlflow.db.lock"]


def test_a_database_appears_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = tmp_path / "mlflow.db"

    def stop_half_way(uri: str) -> None:
        Path(uri.removeprefix("sqlite:///")).write_bytes(b"half a database")
        raise KeyboardInterrupt

    monkeypatch.setattr(store_client, "_quiet_mlflow", lambda: stop_half_way)
    with pytest.raises(KeyboardInterrupt):
        connect(f"sqlite:///{database}")
    assert [path.name for path in tmp_path.iterdir()] == ["mlflow.db.lock"]


def test_mlflow_keeps_quiet(uri: str) -> None:
    connect(uri)
    for name in ("mlflow.store.db.utils", "alembic.runtime.migration", "urllib3.connectionpool"):
        assert not logging.getLogger(name).isEnabledFor(logging.ERROR)
    # Asked of the environment: under pytest MLflow's own answer is always "disabled".
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert ui.ui_environment(uri)["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert ui.ui_environment(uri)["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"


def test_a_directory_without_a_plan_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no plan\.json"):
        tracking.write_missing(tmp_path)
    (tmp_path / "plan.json").write_text("[]")
    with pytest.raises(InputError, match=r"plan\.json.*list.*object"):
        tracking.write_missing(tmp_path)


def test_addresses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkout = Path(tracking.__file__).resolve().parents[2]
    assert location.resolve_tracking_uri() == f"sqlite:///{checkout}/mlflow/mlflow.db"
    monkeypatch.chdir(tmp_path)
    assert location.resolve_tracking_uri("sqlite:///a.db") == f"sqlite:///{tmp_path}/a.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://server:5000")
    assert location.resolve_tracking_uri() == "http://server:5000"
    assert location.resolve_tracking_uri("sqlite:////x/a.db") == "sqlite:////x/a.db"
    monkeypatch.setattr(location, "__file__", str(tmp_path / "site-packages" / "orchestrator" / "tracking" / "x.py"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    expected = f"sqlite:///{tmp_path}/data/affect-orchestrator/mlflow.db"
    assert location.default_tracking_uri() == expected
    for wrong in ("mlruns", "file:///tmp/mlruns", "sqlite:///:memory:", "sqlite:///", "ftp://x"):
        with pytest.raises(InputError, match="--tracking-uri: found"):
            location.resolve_tracking_uri(wrong)


@pytest.mark.parametrize(
    ("hparams", "expected"),
    [
        ((5e-4, 256, 1000, 1), "rnn lr=5e-4 h=256 L=1000 x1"),
        ((0.01, 8, 50, 5), "rnn lr=0.01 h=8 L=50 x5"),
        ((1.25e-5, 8, 50, 1), "rnn lr=1.25e-5 h=8 L=50 x1"),
    ],
)
def test_run_names_are_for_people(hparams: tuple[float, ...], expected: str) -> None:
    assert records.run_name("rnn", make_hparams(dict(zip(HPARAMS, hparams, strict=True)))) == expected


def test_the_folder_mlflow_has_no_python() -> None:
    folder = Path(tracking.__file__).resolve().parents[2] / "mlflow"
    assert {"README.md", "compose.yaml", "serve.sh"} <= {path.name for path in folder.iterdir()}
    assert not list(folder.rglob("*.py"))
    subprocess.run(["sh", "-n", str(folder / "serve.sh")], check=True)


def test_the_ui_refuses_what_it_cannot_show(uri: str, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"--port: found 127.0.0.1:{port}"):
            ui.serve_ui(uri, port)
    with pytest.raises(InputError, match="no database at"):
        ui.serve_ui(f"sqlite:///{tmp_path}/none.db", 0)
    assert not (tmp_path / "none.db").exists()
    with pytest.raises(InputError, match="this is a server"):
        ui.serve_ui("http://server:5000")


def post(address: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    data = json.dumps(body).encode()
    request = urllib.request.Request(f"{address}/api/2.0/mlflow/{path}", data, {"Content-Type": "application/json"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=20) as answer:
        return dict(json.load(answer))


@contextlib.contextmanager
def ui_process(uri: str) -> Iterator[str]:
    """`serve_ui` in a process of its own, as the command line runs it; ends as Ctrl-C would end it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    code = f"from orchestrator.tracking.ui import serve_ui; raise SystemExit(serve_ui({uri!r}, {port}))"
    # A shell's background job, and what it starts, ignores Ctrl-C; here it has to arrive.
    code = f"import signal; signal.signal(signal.SIGINT, signal.default_int_handler); {code}"
    with subprocess.Popen([sys.executable, "-c", code], stdout=-1, stderr=subprocess.DEVNULL) as process:
        watchdog = threading.Timer(100, process.kill)
        watchdog.start()
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith(b"MLflow UI: "):
                    break
            else:
                pytest.fail("the UI did not start")
            yield f"http://127.0.0.1:{port}"
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0
            with socket.socket() as probe:  # whatever served is gone
                assert probe.connect_ex(("127.0.0.1", port)) != 0
        finally:
            watchdog.cancel()
            process.terminate()


def test_over_http_the_ui_shows_what_was_written_and_takes_more(output: Path, uri: str, tmp_path: Path) -> None:
    written = tracking.write_missing(output, uri)
    with ui_process(uri) as address:
        body = {
            "experiment_ids": [written.experiment_id],
            "filter": f"tags.`mlflow.parentRunId` = '{written.run_id}'",
            "order_by": ["metrics.ccc_valence DESC"],
        }
        children = post(address, "runs/search", body)["runs"]
        results = [read_result(output, uid) for uid in UIDS[:2]]
        best_first = sorted(results, key=lambda result: -result["ccc_valence"])
        shown = [{item["key"]: item["value"] for item in run["data"].get("metrics", [])} for run in children]
        assert len(shown) == 3
        for metrics, result in zip(shown, best_first, strict=False):  # the failed one has none and comes last
            assert metrics["ccc_valence"] == result["ccc_valence"]
            assert metrics["validation_loss"] == result["selection_loss"]
        # The same server is a tracking server for another search.
        other = tmp_path / "other"
        make_plan(other, name="other")
        make_result(other, UIDS[0])
        make_failure(other, UIDS[1])
        make_summary(other)
        report = tracking.write_missing(other, address)
        assert report.complete, report
        assert report.finished
        assert tracking.write_missing(other, address).written == 0
    runs = [run for run in runs_in(uri) if run.data.tags["method"] == "au"]
    assert len(runs) == 7
    ours = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == report.run_id]
    by_uid = {run.data.tags["uid"]: run for run in ours}
    assert_child_equals(by_uid[UIDS[0]], read_result(other, UIDS[0]), connect(uri))


def test_importing_the_module_imports_no_mlflow() -> None:
    code = "import sys, orchestrator.tracking.tracker; assert 'mlflow.tracking' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONWARNINGS": "error"})


def test_an_experiment_has_its_views_also_an_old_one(output: Path, uri: str) -> None:
    client = connect(uri)
    client.create_experiment(EXPERIMENT)  # as an earlier version made it, or somebody by hand
    assert tracking.write_missing(output, uri).complete
    tags = client.get_experiment_by_name(EXPERIMENT).tags
    assert tags["mlflow.experimentKind"] == "custom_model_development"
    assert "Each **search** is a run" in tags["mlflow.note.content"]
    runs = client.search_runs([client.get_experiment_by_name(EXPERIMENT).experiment_id])
    assert {run.data.tags["recordings"] for run in runs} == {"corpus (synthetic)"}
    parent = next(run for run in runs if run.data.tags["kind"] == "search")
    name = "tune-au-20261122-040000, synthetic: "
    assert str(parent.info.run_name).startswith(name), "MLflow's table shows the beginning of a name only"
    views = {name: json.loads(tags[f"mlflow.sharedViewState.{name}"]) for name in ("searches", "configurations")}
    known = {"metrics.`ccc_valence`", "metrics.`ccc_arousal`", "metrics.`training_minutes`", "metrics.`model_size_mib`"}
    known |= {"tags.`recordings`", "params.`network`"}
    assert all(known <= set(view["selectedColumns"]) for view in views.values())
    assert views["configurations"]["orderByKey"] == "metrics.`ccc_valence`"
    assert max(len(value) for value in tags.values()) < 5000  # MLflow's limit for an experiment's tag
