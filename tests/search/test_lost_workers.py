"""A worker that dies on its way from one trial to the next: Tune gives the next trial up, the search does not."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ray import tune as ray_tune

from orchestrator.files import read_json, write_json
from orchestrator.run_folder import FAILURE_FILE, RESULT_FILE
from orchestrator.search import tune
from orchestrator.search.progress import Observer
from orchestrator.search.schedulers import Halving
from orchestrator.search.watch import WORKER_DEATHS, WORKER_DIED, Watch
from tests.records import make_plan, make_result

PLAN = make_plan()
UIDS = [trial.uid for trial in PLAN.trials]


def finish(folder: Path, uid: str) -> None:
    write_json(folder / uid / RESULT_FILE, make_result(uid, [0.5, 0.7], [0.25, 0.35]).to_json())


@pytest.fixture
def search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[int]]:
    """Search with Tune's place taken; gives how many results there were before each attempt."""

    def run(attempt: Callable[[int], list[str]]) -> list[int]:
        before: list[int] = []

        def taken(_plan: Any, _trainable: Any, _scratch: Any, earlier: Any, *_: Any) -> list[str]:
            before.append(len(earlier))
            return attempt(len(before))

        monkeypatch.setattr(tune, "_run", taken)
        monkeypatch.setattr(ray_tune, "with_parameters", lambda trainable, **_: trainable)
        observer = Observer(PLAN, tmp_path, [], lambda: None)
        places = {"trials_folder": tmp_path, "scratch": tmp_path / "ray"}
        assert not tune.search(PLAN, None, **places, earlier=[], observer=observer)  # type: ignore[arg-type]
        return before

    return run


def test_a_lost_trial_is_run_again(search: Callable[..., list[int]], tmp_path: Path) -> None:
    def attempt(number: int) -> list[str]:
        for uid in UIDS[1:] if number == 1 else UIDS[:1]:
            finish(tmp_path, uid)
        return UIDS[:1] if number == 1 else []

    assert search(attempt) == [0, len(UIDS) - 1]
    assert not list(tmp_path.glob(f"*/{FAILURE_FILE}"))


def test_a_trial_that_is_lost_each_time_has_failed(search: Callable[..., list[int]], tmp_path: Path) -> None:
    def attempt(_: int) -> list[str]:
        for uid in UIDS[1:]:
            finish(tmp_path, uid)
        return UIDS[:1]

    assert len(search(attempt)) == 1 + WORKER_DEATHS
    assert read_json(tmp_path / UIDS[0] / FAILURE_FILE)["message"] == WORKER_DIED


def test_a_search_that_was_broken_off_is_not_begun_again(search: Callable[..., list[int]]) -> None:
    assert search(lambda _: UIDS[:1]) == [0]


def test_only_what_tune_gave_up_too_early_counts_as_lost(tmp_path: Path) -> None:
    observer = Observer(PLAN, tmp_path, [], lambda: None)
    watch = Watch(observer)
    for uid, deaths in zip(UIDS, (1, 1 + WORKER_DEATHS), strict=False):
        trial = SimpleNamespace(config={"uid": uid}, num_failures=deaths, get_error=lambda: None)
        watch.on_trial_error(trial=trial)
    assert watch.lost == UIDS[:1]
    assert observer.failed == {UIDS[1]}


def test_no_handler_of_tunes_events_raises_and_each_fault_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that fails in each of them, and a trial's folder that cannot be read."""

    def broken() -> None:
        raise OSError("the store is gone")

    observer = Observer(PLAN, tmp_path, [], broken)
    told: list[str] = []
    monkeypatch.setattr(observer, "_say", told.append)
    watch = Watch(observer)
    trial = SimpleNamespace(config={"uid": UIDS[0]}, num_failures=1 + WORKER_DEATHS, get_error=lambda: "gone")
    (tmp_path / UIDS[0]).mkdir()
    (tmp_path / UIDS[0] / RESULT_FILE).write_bytes(b"\xff{")
    for _ in range(3):
        watch.on_trial_start(trial=SimpleNamespace(config={}))
        watch.on_trial_result(result={})
        watch.on_trial_complete(trial=trial)
        watch.on_trial_error(trial=trial)
    assert watch.ending is None
    assert observer.failed == {UIDS[0]}
    assert len([line for line in told if line.startswith("while trial ")]) == 4


def test_a_stopped_trial_whose_scores_are_gone_is_a_failed_one(tmp_path: Path) -> None:
    observer = Observer(PLAN, tmp_path, [], lambda: None)
    halving = Halving(Watch(observer), 100, [], lambda uid: (tmp_path / uid / "progress.json").unlink())
    decisions = []
    for uid, loss in zip(UIDS, (0.1, 0.2, 0.3, 0.9), strict=False):
        trial = SimpleNamespace(trial_id=uid, config={"uid": uid})
        halving.on_trial_add(None, trial)
        decisions.append(halving.on_trial_result(None, trial, {"epoch": 10, "validation_loss": loss}))
    assert decisions[-1] == "STOP"
    assert read_json(tmp_path / UIDS[3] / FAILURE_FILE)["kind"] == "FileNotFoundError"
