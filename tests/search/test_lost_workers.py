"""A worker that dies on its way from one trial to the next: Tune gives the next trial up, the search does not."""

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ray import tune as ray_tune
from ray.tune.schedulers import ASHAScheduler

from orchestrator.files import read_json, write_json
from orchestrator.planning.halving import rungs_of
from orchestrator.run_folder import FAILURE_FILE, RESULT_FILE
from orchestrator.search import tune
from orchestrator.search.halving import Halving
from orchestrator.search.pack_config import PackConfig
from orchestrator.search.progress import Observer
from orchestrator.search.schedulers import Comparing
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

        def taken(*given: Any) -> None:
            earlier, watch = given[3], given[5]
            before.append(len(earlier))
            watch.lost += [PackConfig(uids=(uid,)) for uid in attempt(len(before))]

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
    assert watch.lost == [PackConfig(uids=(UIDS[0],))]
    assert observer.failed == {UIDS[1]}


def test_what_trains_with_less_than_was_asked_for_is_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    observer = Observer(PLAN, tmp_path, [], lambda: None)
    told: list[str] = []
    monkeypatch.setattr(observer, "_say", told.append)
    watch = Watch(observer)
    for note in ("no triton", None, "no triton", "another"):
        report = {"uid": UIDS[0], "unrecorded": [], "members": [], "ended": []}
        watch.on_trial_result(result=report if note is None else {**report, "note": note})
    assert told == ["no triton", "another"]


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
    leave = lambda uid: (tmp_path / uid / "progress.json").unlink()  # noqa: E731
    scheduler = Comparing(Watch(observer), Halving(100, []), leave)
    decisions = []
    for uid, loss in zip(UIDS, (0.1, 0.2, 0.3, 0.9), strict=False):
        member = {"uid": uid, "epoch": 10, "validation_loss": loss}
        told = {"compared": True, "members": [member]}
        decisions.append(scheduler.on_trial_result(None, SimpleNamespace(config={"uid": uid}), told))
    assert decisions[-1] == "STOP"
    assert read_json(tmp_path / UIDS[3] / FAILURE_FILE)["kind"] == "FileNotFoundError"


@pytest.mark.parametrize("seed", range(20))
def test_halving_decides_as_tunes_does(seed: int) -> None:
    """Trials that come by in any order, with any losses, each at its own epochs."""
    generator = random.Random(seed)
    halving = Halving(100, [])
    tunes = ASHAScheduler(
        time_attr="epoch", metric="loss", mode="min", max_t=100, grace_period=10, reduction_factor=3,
        stop_last_trials=False,
    )  # fmt: skip
    trials = {uid: SimpleNamespace(trial_id=uid) for uid in "abcdefghijkl"}
    epochs = dict.fromkeys(trials, 0)
    for trial in trials.values():
        tunes.on_trial_add(None, trial)
    stopped = 0
    while epochs:
        uid = generator.choice([*epochs])
        epochs[uid] += generator.randint(1, 4)
        loss = round(generator.random(), 2)
        expected = tunes.on_trial_result(None, trials[uid], {"epoch": epochs[uid], "loss": loss}) == "CONTINUE"
        assert halving(uid, epochs[uid], loss) == expected
        stopped += not expected
        if not expected or epochs[uid] >= 96:
            del epochs[uid]
    assert stopped


def test_earlier_results_take_part_in_the_halving() -> None:
    earlier = make_result(UIDS[0], [0.1], [0.0])
    curve = {**earlier.curve, "validation_loss": tuple(0.1 for _ in range(100))}
    halving = Halving(100, [replace(earlier, curve=curve)])
    assert not halving(UIDS[1], 10, 0.2)
    assert Halving(100, [])(UIDS[1], 10, 0.2)
    assert rungs_of(100) == (10, 30, 90)
    assert rungs_of(4) == (4,)


def member(uid: str, loss: float, epoch: int = 10) -> dict[str, Any]:
    return {"uid": uid, "epoch": epoch, "validation_loss": loss}


def test_one_of_a_pack_is_stopped_and_leaves_it(tmp_path: Path) -> None:
    """The worker is told; the pack goes on until its last configuration is stopped."""
    watch = Watch(Observer(PLAN, tmp_path, [], lambda: None))
    told: list[list[str]] = []
    actor = SimpleNamespace(leave=SimpleNamespace(remote=told.append))
    left: list[str] = []
    trial = SimpleNamespace(config={"pack": {"uids": UIDS[:3]}}, temporary_state=SimpleNamespace(ray_actor=actor))
    scheduler = Comparing(watch, lambda _uid, _epoch, loss: loss < 0.5, left.append)
    members = [member(UIDS[0], 0.1), member(UIDS[1], 0.9), member(UIDS[2], 0.7)]
    assert scheduler.on_trial_result(None, trial, {"members": members}) == "CONTINUE"
    assert not left
    assert scheduler.on_trial_result(None, trial, {"compared": True, "members": members}) == "CONTINUE"
    assert told == [UIDS[1:3]]
    assert left == UIDS[1:3]
    assert scheduler.on_trial_result(None, trial, {"compared": True, "members": [member(UIDS[0], 0.9)]}) == "STOP"
    assert left == [UIDS[1], UIDS[2], UIDS[0]]
    assert len(told) == 1  # whose actor ends needs not be told


def test_a_pack_that_dies_too_often_is_divided_until_its_culprit_is_alone(tmp_path: Path, monkeypatch: Any) -> None:
    """Attempts: the pack of all; its halves; the quarters of the half with the culprit."""
    plan = replace(PLAN, packs=(tuple(UIDS),))
    culprit, seen = UIDS[2], []

    def taken(*given: Any) -> None:
        packs, watch = given[4], given[5]
        seen.append([pack.uids for pack in packs])
        for pack in packs:
            if culprit in pack.uids:
                watch.gave_up(pack, "killed: out of memory")
            else:
                for uid in pack.uids:
                    finish(tmp_path, uid)

    monkeypatch.setattr(tune, "_run", taken)
    monkeypatch.setattr(ray_tune, "with_parameters", lambda trainable, **_: trainable)
    observer = Observer(plan, tmp_path, [], lambda: None)
    places = {"trials_folder": tmp_path, "scratch": tmp_path / "ray"}
    assert not tune.search(plan, None, **places, earlier=[], observer=observer)  # type: ignore[arg-type]
    middle = len(UIDS) // 2
    assert seen[0] == [tuple(UIDS)]
    assert seen[1] == [tuple(UIDS[:middle]), tuple(UIDS[middle:])]
    assert all(len(pack) < middle + 1 for pack in seen[2])
    assert observer.failed == {culprit}
    assert all((tmp_path / uid / RESULT_FILE).is_file() for uid in UIDS if uid != culprit)
    assert read_json(tmp_path / culprit / FAILURE_FILE)["message"] == f"{WORKER_DIED}: killed: out of memory"
