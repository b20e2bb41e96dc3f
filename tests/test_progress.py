import io
from pathlib import Path

import pytest

from orchestrator.files import write_json
from orchestrator.progress import Observer
from orchestrator.trial_files import FAILURE_FILE, MODEL_FILE, RESULT_FILE
from tests.records import make_plan, make_result


def leave(folder: Path, uid: str, losses: list[float]) -> None:
    (folder / uid).mkdir()
    write_json(folder / uid / RESULT_FILE, {**make_result(uid, losses, [0.25, 0.35]), "network": "rnn"})
    (folder / uid / MODEL_FILE).write_bytes(b"weights")


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def observer(tmp_path: Path, told: list[str]) -> Observer:
    one = Observer(make_plan(), tmp_path, [], lambda: told.append("changed"))
    one.live, one.stream = None, io.StringIO()
    return one


def test_status_counts_done_running_left_best_and_time(observer: Observer, tmp_path: Path, told: list[str]) -> None:
    first, second, third = (trial.uid for trial in observer.plan.trials[:3])
    observer.started(first)
    observer.started(second)
    assert "trials 0 done, 2 running, 6 left" in observer.status()
    assert "time left unknown" in observer.status()
    observer.advanced({"uid": first, "epoch": 50, "trained": 50})
    assert "time left about" in observer.status()
    leave(tmp_path, first, [0.5, 0.7])
    observer.ended(first)
    assert "trials 1 done, 1 running, 6 left" in observer.status()
    assert "best CCC valence 0.300" in observer.status()
    assert told == ["changed"]
    observer.died(third, RuntimeError("gone for good"))
    assert "1 FAILED" in observer.status()
    assert (tmp_path / third / FAILURE_FILE).is_file()
    assert isinstance(observer.stream, io.StringIO)
    assert "RuntimeError: gone for good" in observer.stream.getvalue()


def test_epochs_of_an_earlier_run_are_not_this_runs_speed(observer: Observer) -> None:
    uid = observer.plan.trials[0].uid
    observer.started(uid)
    observer.advanced({"uid": uid, "epoch": 91, "trained": 1})
    assert observer.ticks[-1][1] == 1
    assert observer.running[uid] == 91


def test_only_the_best_keeps_its_weights(observer: Observer, tmp_path: Path) -> None:
    worse, better = (trial.uid for trial in observer.plan.trials[:2])
    for uid, loss in ((worse, 0.5), (better, 0.4)):
        leave(tmp_path, uid, [loss, loss])
        observer.ended(uid)
    assert not (tmp_path / worse / MODEL_FILE).exists()
    assert (tmp_path / better / MODEL_FILE).exists()
