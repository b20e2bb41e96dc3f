import dataclasses
import io
import logging
from pathlib import Path

import pytest

from fed.options import Federation
from orchestrator.evaluation.trial_files import tidy
from orchestrator.files import write_json
from orchestrator.run_folder import CHECKPOINT_FOLDER, CLIENT_FAILURE_FILE, FAILURE_FILE, MODEL_FILE, RESULT_FILE
from orchestrator.search.failures import first_failure_told
from orchestrator.search.progress import SILENT_SECONDS, Observer
from tests.records import make_plan, make_result


def leave(folder: Path, uid: str, losses: list[float]) -> None:
    (folder / uid).mkdir()
    write_json(folder / uid / RESULT_FILE, make_result(uid, losses, [0.25, 0.35]).to_json())
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


def test_a_finished_configuration_is_a_line_in_minutes(observer: Observer, tmp_path: Path) -> None:
    uid = observer.plan.trials[0].uid
    leave(tmp_path, uid, [0.5, 0.7])
    changed = dataclasses.replace(make_result(uid, [0.5, 0.7], [0.25, 0.35]), training_seconds=150.0)
    write_json(tmp_path / uid / RESULT_FILE, changed.to_json())
    observer.started(uid)
    observer.ended(uid)
    assert isinstance(observer.stream, io.StringIO)
    (line,) = [line for line in observer.stream.getvalue().splitlines() if line.startswith("[1/8] ")]
    assert " finished: loss 0.6000, " in line
    assert line.endswith(" 2.5 min")


def test_after_a_minute_without_a_word_the_state_is_shown_again(observer: Observer) -> None:
    assert isinstance(observer.stream, io.StringIO)
    observer.look()
    assert observer.stream.getvalue() == ""
    observer.last_line -= SILENT_SECONDS
    observer.look()
    assert observer.stream.getvalue().startswith("trials 0 done, 0 running")
    observer.look()
    assert observer.stream.getvalue().count("trials 0 done") == 1


FAILURE = "client P2, round 1, fold 0: failed, ValueError: gone\nTraceback\n  in load\nValueError: gone\n"


def test_the_first_failed_client_is_shown_at_once_in_full_once_a_run(tmp_path: Path) -> None:
    observer = Observer(make_plan(federation=Federation()), tmp_path, [], lambda: None)
    observer.live, observer.stream = None, io.StringIO()
    first, second = (trial.uid for trial in observer.plan.trials[:2])
    for uid in (first, second):
        observer.started(uid)
        (tmp_path / uid).mkdir()

    def look() -> str:
        observer.last_look = float("-inf")
        observer.look()
        assert isinstance(observer.stream, io.StringIO)
        return observer.stream.getvalue()

    assert look() == ""
    (tmp_path / first / CLIENT_FAILURE_FILE).write_text(FAILURE)
    shown = "CLIENT FAILED in rnn lr=0.001 h=8 L=50 x1: " + FAILURE
    assert look() == look() == shown
    (tmp_path / second / CLIENT_FAILURE_FILE).write_text(FAILURE)
    assert look() == shown + "CLIENT FAILED in rnn lr=0.001 h=8 L=50 x2: " + FAILURE.partition("\n")[0] + "\n"
    observer.died(first, RuntimeError("quorum lost"))
    told = look()
    assert told.endswith("FAILED rnn lr=0.001 h=8 L=50 x1: quorum lost\n")
    assert told.count("ValueError: gone") == 3  # twice in the full one, once in the line


def test_what_a_federation_logs_is_whole_in_the_trials_folder(tmp_path: Path) -> None:
    with first_failure_told(tmp_path / "one"):
        logging.getLogger("fed.rounds").error("%s\n%s", "client P2", "Traceback")
        file = tmp_path / "one" / CLIENT_FAILURE_FILE
        assert file.read_text() == "client P2\nTraceback\n"
    logging.getLogger("fed.rounds").error("client P3")
    assert file.read_text() == "client P2\nTraceback\n"


def test_a_run_that_goes_on_begins_without_what_the_last_one_left(tmp_path: Path) -> None:
    for uid in ("finished", "failed"):
        (tmp_path / uid / CHECKPOINT_FOLDER).mkdir(parents=True)
        for name in (FAILURE_FILE, CLIENT_FAILURE_FILE, f".{RESULT_FILE}.x1y2z3"):
            (tmp_path / uid / name).write_text("old")
    (tmp_path / "finished" / RESULT_FILE).write_text("{}")
    tidy(tmp_path, ["finished", "failed", "never begun"])
    assert sorted(file.name for file in (tmp_path / "finished").iterdir()) == sorted(
        [FAILURE_FILE, CLIENT_FAILURE_FILE, RESULT_FILE]
    )
    assert [file.name for file in (tmp_path / "failed").iterdir()] == [CHECKPOINT_FOLDER]


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
