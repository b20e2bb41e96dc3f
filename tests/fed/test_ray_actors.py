"""Ray actors against the same federation in one process: the same bits, whatever dies, sleeps or is packed how."""

import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import ray
import torch
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from fed.client import Client, Description
from fed.executor import Executor, Start
from fed.executors import ray_actors as actors
from fed.executors import ray_cluster
from fed.executors.placement import ClusterTooSmall
from fed.executors.ray_actors import Pool, in_actors
from fed.executors.ray_cluster import bundles_for, check_cluster
from fed.executors.reuse import ReusedClients
from fed.local_plan import LocalPlan
from fed.messages import PartialSum, Report
from fed.options import Federation
from fed.round_records import QuorumLost
from fed.rounds import FederatedFolds
from models.backends import STACKED
from models.epochs import Evaluation
from tests.fed.stand_in import StandIn
from tests.fed.test_rounds import planted
from tests.fed.toys import SERIES, SPLITS, assert_same, federation, learning, misbehaving, trained, write
from tests.models.toys import recipe

pytestmark = [
    pytest.mark.usefixtures("pretended_gpu"),
    # Ray leaves pipes and sockets of ended workers to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

# Many times what a loaded machine takes: a test that hangs shall fail, not wait.
SECONDS = 120.0
TWO: dict[str, Any] = {"client_actors": 2, "cpus_per_client": 0.5}


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> list[Client]:
    return write(SERIES, tmp_path_factory.mktemp("people"))


def started(start: Start, pools: list[Pool]) -> Start:
    """Remember the pool that a start makes."""

    def wrapped(clients: Any, plan: LocalPlan) -> Executor:
        executor = start(clients, plan)
        pools.append(executor.run.__self__)  # type: ignore[attr-defined]
        return executor

    return wrapped


def test_actors_give_the_bits_of_one_process(clients: list[Client]) -> None:
    """One set of processes a packing, for all aggregators: starting them is what takes time."""
    for shape in (TWO, {"client_actors": 5, "cpus_per_client": 0.2}):
        pools: list[Pool] = []
        for aggregator in ("mean", "personalised"):
            settings: dict[str, Any] = {"aggregator": aggregator, "optimiser": "kept", "chosen": recipe(epochs=3)}
            distributed = federation(clients=clients, start=started(in_actors(**shape), pools), **settings)
            assert len(list(distributed.epochs())) == 3
            assert len(pools[-1]._slots) == shape["client_actors"]
            alone = federation(**settings)
            list(alone.epochs())
            assert_same(distributed, alone)
            traces = distributed.predict(0, (4, 0, 2)), alone.predict(0, (4, 0, 2))
            for mine, other in zip(*traces, strict=True):
                np.testing.assert_array_equal(mine, other)
            distributed.close()
            if shape is not TWO:
                break


def test_stacks_in_one_process_and_in_two_have_the_same_bits_also_after_a_death(clients: list[Client]) -> None:
    settings: dict[str, Any] = {"chosen": recipe(epochs=3, network="bigru", hidden_size=6), "backend": STACKED}
    alone = trained(**settings)
    for shape in (TWO, {"client_actors": 1, "cpus_per_client": 0.5}):
        pools: list[Pool] = []
        distributed = federation(clients=clients, start=started(in_actors(**shape), pools), **settings)
        rounds = distributed.epochs()
        next(rounds)
        if shape is TWO:  # its clients' next message is of several, and is sent again one by one
            os.kill(ray.get(pools[0]._slots[0].actor.pid.remote(), timeout=SECONDS), signal.SIGKILL)
        list(rounds)
        assert_same(distributed, alone)
        assert not [failure for record in distributed.rounds for failure in record.failures]
        distributed.close()


def deadly(load: Callable[[], Any], flag: Path) -> Any:
    """Read a client's series; end the process once the flag is there."""
    if flag.exists():
        os.kill(os.getpid(), signal.SIGKILL)
    return load()


def test_whoever_ends_the_process_of_a_stack_is_dropped_alone(clients: list[Client], tmp_path: Path) -> None:
    """The processes are killed after a round; one client's data then ends every process that reads them."""
    flag, culprit = tmp_path / "flag", clients[2].name
    wired = [replace(one, load=partial(deadly, one.load, flag)) if one.name == culprit else one for one in clients]
    splits = [replace(one, train=(0, 1, 2, 3), validation=(4,), held_out=(4,)) for one in SPLITS]
    settings: dict[str, Any] = {"splits": splits, "backend": STACKED, "on_client_failure": "resilient"}
    folds, pool = with_pool(wired, TWO, chosen=recipe(epochs=2), **settings)
    rounds = folds.epochs()
    next(rounds)
    flag.write_text("")
    for slot in pool._slots:
        os.kill(ray.get(slot.actor.pid.remote(), timeout=SECONDS), signal.SIGKILL)
    list(rounds)
    failed = folds.rounds[-1].failures
    assert {failure.client for failure in failed} == {culprit}
    assert all("died 3 times" in failure.reason or "in a row" in failure.reason for failure in failed)
    assert len(folds.rounds[-1].trained[0]) == 3
    folds.close()


def with_pool(clients: list[Client], shape: dict[str, Any], **settings: Any) -> tuple[FederatedFolds, Pool]:
    pools: list[Pool] = []
    folds = federation(clients=clients, start=started(in_actors(**shape), pools), **settings)
    return folds, pools[0]


def test_processes_stay_for_the_next_configuration_and_the_dead_are_replaced(clients: list[Client]) -> None:
    pools: list[Pool] = []
    keeper = ReusedClients(started(in_actors(**TWO), pools))
    pids = []
    for chosen in (recipe(epochs=2), recipe(epochs=2, network="bilstm", hidden_size=5, sequence_length=7)):
        assert_same(trained(start=keeper, clients=clients, chosen=chosen), trained(chosen=chosen))
        assert len(pools) == 1
        pids.append([ray.get(slot.actor.pid.remote(), timeout=SECONDS) for slot in pools[0]._slots])
    assert pids[0] == pids[1]
    os.kill(pids[0][0], signal.SIGKILL)
    again = trained(start=keeper, clients=clients, chosen=recipe(epochs=2))
    assert_same(again, trained(chosen=recipe(epochs=2)))
    assert ray.get(pools[0]._slots[1].actor.pid.remote(), timeout=SECONDS) == pids[0][1]
    keeper.close()
    assert [slot.actor for slot in pools[0]._slots] == [None, None]


def test_memory_does_not_grow_and_nothing_private_travels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over eight rounds; what comes back is looked at byte by byte."""
    marked, marks = planted()
    received: list[Any] = []
    real_get = ray.get

    def spy(reference: Any, **options: Any) -> Any:
        value = real_get(reference, **options)
        received.extend(value if isinstance(value, list) else [value])  # the answers of a message's jobs
        return value

    monkeypatch.setattr(ray, "get", spy)
    folds, pool = with_pool(
        write(marked, tmp_path / "data"), TWO, series=marked, chosen=recipe(epochs=8, hidden_size=96)
    )
    used = []
    for _ in folds.epochs():
        received_now = [_bytes_of(value) for value in received]
        assert received_now
        assert not any(mark in content for content in received_now for mark in marks)
        allowed = (Description, Report, Evaluation, PartialSum)
        assert {type(value) for value in received} <= set(allowed)
        received.clear()
        used.append(_object_store_bytes())
    assert folds.layout.num_bytes > 200_000
    assert max(used[2:]) <= max(used[:2]) + folds.layout.num_bytes
    assert pool._sent is not None
    traces = folds.predict(0, (0, 2))
    assert [trace.shape for trace in traces] == [(len(marked[i].valid_T), 2) for i in (0, 2)]
    folds.close()


def _bytes_of(value: Any) -> bytes:
    import pickle

    buffers: list[pickle.PickleBuffer] = []
    head = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    return head + b"".join(buffer.raw().tobytes() for buffer in buffers)


def _object_store_bytes() -> int:
    time.sleep(0.3)  # references are given back by messages
    total = ray.cluster_resources()["object_store_memory"]
    return int(total - ray.available_resources().get("object_store_memory", total))


@pytest.mark.parametrize(("aggregator", "who", "deaths"), [("mean", "P2", 1), ("median", "P2", 1), ("mean", "P1", 3)])
def test_a_killed_actor_is_replaced_and_changes_nothing(
    clients: list[Client], tmp_path: Path, aggregator: str, who: str, deaths: int
) -> None:
    """P1 dies as often as a client may, but the first time others were sent with it: whose fault is not known."""
    marker = tmp_path / "deaths"
    marker.write_text(str(deaths))
    start = learning(partial(misbehaving, "die", who, 2, str(marker)), in_actors(**TWO))
    disturbed = trained(clients=clients, start=start, aggregator=aggregator)
    assert marker.read_text() == "0"
    assert disturbed.first_failure is None
    assert_same(disturbed, trained(aggregator=aggregator))


def test_all_actors_killed_between_rounds_change_nothing(clients: list[Client]) -> None:
    folds, pool = with_pool(clients, TWO, optimiser="kept", chosen=recipe(epochs=3))
    for epoch in folds.epochs():
        if epoch.number == 2:
            for slot in pool._slots:
                os.kill(ray.get(slot.actor.pid.remote()), signal.SIGKILL)
    folds.close()
    assert_same(folds, trained(optimiser="kept", chosen=recipe(epochs=3)))


def test_a_client_that_kills_every_actor_is_dropped_by_name(clients: list[Client], tmp_path: Path) -> None:
    marker = tmp_path / "deaths"
    marker.write_text("99")
    start = learning(partial(misbehaving, "die", "P2", 1, str(marker)), in_actors(**TWO))
    folds = federation(clients=clients, start=start, on_client_failure="quorum", quorum=0.6)
    next(folds.epochs())
    (failure,) = folds.rounds[0].failed
    assert (failure.client, failure.fold) == ("P2", 1)
    assert failure.reason.startswith(f"its process died {actors.MAX_TRIES} times")
    # One death more where the answer of another client, or its job, died with the first process.
    assert 99 - int(marker.read_text()) - actors.MAX_TRIES in {0, 1}
    assert folds.rounds[0].trained == (("P1", "P3", "P5"), ("P0", "P4"))
    folds.close()


def test_a_sleeping_client_is_dropped_by_name_and_the_others_count(clients: list[Client], tmp_path: Path) -> None:
    """Six clients in two actors: the sleeper's neighbours were in time, and their sum is fetched beside it."""
    marker = tmp_path / "sleeps"
    marker.write_text("1")
    splits = [replace(SPLITS[1], train=(0, 2, 4), validation=(1,))]
    start = learning(partial(misbehaving, "sleep", "P4", 2, str(marker)), in_actors(**TWO))
    folds = federation(
        clients=clients, splits=splits, start=start, chosen=recipe(epochs=3), on_client_failure="resilient"
    )
    epochs = folds.epochs()
    next(epochs)
    folds.federation = replace(folds.federation, round_deadline_seconds=3.0)
    begun = time.monotonic()
    next(epochs)
    assert time.monotonic() - begun < 6.0 + actors.GRACE_SECONDS
    late = {one.client for one in folds.rounds[1].failures}
    assert "P4" in late
    assert {one.kind for one in folds.rounds[1].failures} == {"late"}
    assert set(folds.rounds[1].trained[0]) == {"P0", "P2", "P4"} - late != set()
    folds.federation = replace(folds.federation, round_deadline_seconds=SECONDS)
    next(epochs)
    assert folds.rounds[2].trained == (("P0", "P2", "P4"),)
    folds.close()


def test_a_client_that_raises_far_away_keeps_its_traceback(clients: list[Client]) -> None:
    start = learning(partial(misbehaving, "raise", "P2", 1, "unused"), in_actors(**TWO))
    folds = federation(clients=clients, start=start)
    with pytest.raises(QuorumLost, match="P2 failed: ValueError: the camera fell off the table"):
        next(folds.epochs())
    assert folds.first_failure is not None
    assert "in misbehaving" in folds.first_failure.traceback
    folds.close()


@pytest.mark.parametrize(("gpus", "expected"), [(0.05, 20), (0.2, 5)])
def test_twenty_clients_share_a_pretended_gpu(gpus: float, expected: int, monkeypatch: pytest.MonkeyPatch) -> None:
    shape: dict[str, Any] = {"cpus_per_client": 0.01, "gpus_per_client": gpus}
    assert check_cluster(20, **shape) == expected
    assert bundles_for(20, **shape)[1:] == [{"CPU": 0.01, "GPU": gpus}] * expected
    # Twenty processes that need not import torch: only their places matter here.
    monkeypatch.setattr(actors, "ClientProcess", StandIn)
    monkeypatch.setattr(actors, "assigned_device", print)
    people: Any = [SimpleNamespace(name=f"P{i}") for i in range(20)]
    executor = in_actors(**shape)(people, SimpleNamespace(federation=Federation()))  # type: ignore[arg-type]
    pool = executor.run.__self__  # type: ignore[attr-defined]
    assert len(pool._slots) == expected
    assert sorted(name for slot in pool._slots for name in slot.names) == sorted(one.name for one in people)
    # All are there at one time, and no further one would find room.
    assert len({ray.get(slot.actor.pid.remote()) for slot in pool._slots}) == expected
    assert ray.available_resources().get("GPU", 0.0) == pytest.approx(0.0, abs=1e-6)
    executor.close()


def test_of_secure_sums_each_client_is_its_own_process_whatever_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two CPUs twenty clients get a tenth each; a GPU's share is what was asked for, or there is no room."""
    monkeypatch.setattr(actors, "ClientProcess", StandIn)
    monkeypatch.setattr(actors, "assigned_device", print)
    people: Any = [SimpleNamespace(name=f"P{i}") for i in range(20)]
    plan: Any = SimpleNamespace(federation=Federation(secure_sum=True))
    executor = in_actors(client_actors=2, cpus_per_client=1.0)(people, plan)
    pool = executor.run.__self__  # type: ignore[attr-defined]
    assert [len(slot.names) for slot in pool._slots] == [1] * 20
    assert pool._shares == (0.1, 0.0)
    assert len({ray.get(slot.actor.pid.remote()) for slot in pool._slots}) == 20
    executor.close()
    with pytest.raises(ClusterTooSmall, match="with --secure-sum each client has its own process: 20 client processes"):
        in_actors(gpus_per_client=0.2)(people, plan)


@pytest.mark.parametrize(
    ("gpus", "assigned", "there", "expected", "capped"),
    [
        (0.25, ["3"], True, "cuda:0", [(0.25, 0)]),
        (1.0, ["3"], True, "cuda:0", []),
        (2.0, ["0", "1"], True, "cuda:0", []),
        (0.25, [], True, "cpu", []),  # visible, but somebody else's
        (0.0, ["3"], True, "cpu", []),
        (0.25, ["3"], False, "cpu", []),  # only pretended
    ],
)
def test_a_process_takes_the_device_ray_gave_it_and_no_more_memory_than_its_share(  # noqa: PLR0917
    gpus: float,
    assigned: list[str],
    there: bool,
    expected: str,
    capped: list[tuple[float, int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caps: list[tuple[float, int]] = []
    monkeypatch.setattr(ray, "get_gpu_ids", lambda: assigned)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", lambda *share: caps.append(share))
    assert ray_cluster.assigned_device(gpus) == expected
    assert caps == capped


def test_what_no_node_can_hold_is_refused_before_the_start(clients: list[Client]) -> None:
    with pytest.raises(ClusterTooSmall, match=r"needs 1 CPUs, 2 GPUs .*node 0 has 2 CPUs, 1 GPUs"):
        federation(clients=clients, start=in_actors(gpus_per_client=2.0))
    with pytest.raises(ClusterTooSmall, match=r"3 client processes x .*= 3 CPUs"):
        bundles_for(6, client_actors=3)


def inside_a_trial(clients: list[Client], shape: dict[str, Any]) -> tuple[list[float], int, list[str]]:
    """Train as a Tune trial does, in a process inside a placement group."""
    folds, pool = with_pool(clients, {**shape, "client_actors": "auto"})
    losses = [epoch.validation_loss[0] for epoch in folds.epochs()]
    group = ray.util.get_current_placement_group()
    table = ray.util.placement_group_table(group)
    assert len(table["bundles"]) == 3
    count = len(pool._slots)
    folds.close()
    refused = []
    try:
        in_actors(cpus_per_client=0.6)(clients, pool_plan())
    except ClusterTooSmall as error:
        refused.append(str(error))
    return losses, count, refused


def pool_plan() -> LocalPlan:
    return LocalPlan(recipe=recipe(), federation=federation().federation, splits=(), seed=0)


def test_inside_a_placement_group_its_bundles_hold_the_actors(clients: list[Client]) -> None:
    shape = {"cpus_per_client": 0.25}
    bundles = bundles_for(6, client_actors=2, trial_cpus=0.5, **shape)
    assert bundles == [{"CPU": 0.5}, {"CPU": 0.25}, {"CPU": 0.25}]
    group = ray.util.placement_group(bundles)
    assert group.wait(SECONDS)
    strategy = PlacementGroupSchedulingStrategy(
        group, placement_group_bundle_index=0, placement_group_capture_child_tasks=True
    )
    trial = ray.remote(num_cpus=0.5, scheduling_strategy=strategy)(inside_a_trial)
    losses, count, refused = ray.get(trial.remote(clients, shape), timeout=SECONDS)
    ray.util.remove_placement_group(group)
    assert count == 2
    assert losses == [epoch.validation_loss[0] for epoch in trained().history]
    assert len(refused) == 1
    assert "node 0 has 0.25 CPUs" in refused[0]
