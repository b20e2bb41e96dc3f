"""How many processes, on which resources, with whom in them."""

from typing import Any

import pytest

from fed.executors.placement import (
    ClusterTooSmall,
    bundles,
    in_words,
    num_actors,
    packed,
    separate_share,
    shortfall,
    span,
)

GPU_NODE = {"CPU": 4.0, "GPU": 1.0, "memory": 16.0 * 2**30}


@pytest.mark.parametrize(
    ("gpus", "cpus", "expected"), [(0.05, 0.2, 20), (0.2, 0.2, 5), (0.1, 1.0, 4), (0.3, 0.0, 3), (1.0, 1.0, 1)]
)
def test_as_many_as_there_is_room_for(gpus: float, cpus: float, expected: int) -> None:
    assert num_actors([GPU_NODE], 20, cpus_per_client=cpus, gpus_per_client=gpus) == expected


def test_never_more_than_clients_and_exactly_what_was_asked_for() -> None:
    assert num_actors([GPU_NODE], 3) == 3
    assert num_actors([GPU_NODE], 20, client_actors=2) == 2
    assert num_actors([GPU_NODE], 2, client_actors=5, cpus_per_client=0.1) == 2


def test_nodes_do_not_lend_to_one_another() -> None:
    halves = [{"CPU": 1.5}, {"CPU": 1.5}]
    assert num_actors(halves, 20) == 2
    with pytest.raises(ClusterTooSmall):
        num_actors(halves, 20, cpus_per_client=2.0)


def test_memory_and_the_servers_share_count() -> None:
    assert num_actors([GPU_NODE], 20, cpus_per_client=0.1, memory_mib=4096) == 4
    assert num_actors([GPU_NODE], 20, trial_cpus=1.0) == 3
    assert num_actors([{"CPU": 1.0}, {"CPU": 2.0}], 20, trial_cpus=1.0) == 2
    with pytest.raises(ClusterTooSmall, match="beside 2 CPUs for the server"):
        num_actors([{"CPU": 2.0}], 20, trial_cpus=2.0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"gpus_per_client": 2.0},
            r"needs 1 CPUs, 2 GPUs and 600 MiB; no node can hold one .*node 0 has 4 CPUs, 1 GPUs",
        ),
        ({"client_actors": 5}, r"5 client processes x \(1 CPUs.*= 5 CPUs and 0 GPUs.*there is room for 4"),
    ],
)
def test_refusals_show_the_arithmetic(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ClusterTooSmall, match=message):
        num_actors([GPU_NODE], 20, **settings)
    with pytest.raises(ClusterTooSmall, match="nothing is reserved for clients"):
        num_actors([], 20)


@pytest.mark.parametrize(
    "settings", [{"client_actors": 0}, {"client_actors": "many"}, {"cpus_per_client": -1.0}, {"gpus_per_client": -0.1}]
)
def test_numbers_without_sense_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"expected|must be"):
        num_actors([GPU_NODE], 20, **settings)


def test_bundles_begin_with_the_servers() -> None:
    found = bundles(2, cpus_per_client=0.5, gpus_per_client=0.25, trial_cpus=1.0)
    assert found == [{"CPU": 1.0}, {"CPU": 0.5, "GPU": 0.25}, {"CPU": 0.5, "GPU": 0.25}]
    assert bundles(1, cpus_per_client=1.0, gpus_per_client=0.0, trial_cpus=1.0)[1] == {"CPU": 1.0}
    with pytest.raises(ValueError, match="trial_cpus must be positive"):
        bundles(1, cpus_per_client=1.0, gpus_per_client=0.0, trial_cpus=0.0)


def test_the_longest_sit_apart() -> None:
    seconds = {"a": 1.0, "b": 9.0, "c": 4.0, "d": 5.0, "e": 1.0}
    hands = packed(seconds, 2)
    assert hands == [["b", "a"], ["d", "c", "e"]]
    assert span(seconds, hands) == 10.0
    assert packed(dict.fromkeys("abcd", 1.0), 2) == [["a", "c"], ["b", "d"]]


def test_what_is_missing_is_what_no_node_can_hold_whole() -> None:
    trial = bundles(2, cpus_per_client=0.9, gpus_per_client=0.0, trial_cpus=0.1)
    assert shortfall(trial, [{"CPU": 1.0}, {"CPU": 0.9}]) == {}
    assert shortfall(trial, [{"CPU": 1.0}]) == {"CPU": 0.9}
    assert shortfall(trial, [{"CPU": 0.6}, {"CPU": 0.6}, {"CPU": 0.6}]) == {"CPU": 1.8}, "none holds a whole one"
    assert shortfall(trial, []) == {"CPU": pytest.approx(1.9)}
    assert shortfall([{"CPU": 1.0}, {"CPU": 1.0, "GPU": 1.0}], [{"CPU": 1.0, "GPU": 1.0}, {"CPU": 1.0}]) == {}
    assert shortfall([{"CPU": 0.05}] * 20, [{"CPU": 1.0}]) == {}, "twenty shares of a twentieth are one"
    assert in_words({"CPU": 0.5, "GPU": 1.0, "memory": 1e9}) == "0.5 CPUs, 1 GPUs"


@pytest.mark.parametrize(
    ("nodes", "clients", "most", "share"),
    [
        ([{"CPU": 2.0}], 20, 0.9, 0.09),
        ([{"CPU": 32.0}], 20, 0.9, 0.9),
        ([{"CPU": 2.0}], 6, 1.0, 0.25),
        ([{"CPU": 1.0}, {"CPU": 1.0}], 4, 1.0, 0.3333),
    ],
)
def test_the_share_of_a_process_per_client_is_the_largest_that_fits(
    nodes: list[dict[str, float]], clients: int, most: float, share: float
) -> None:
    found = separate_share(nodes, clients, most_cpus=most, trial_cpus=0.1)
    assert num_actors(nodes, clients, client_actors=clients, cpus_per_client=found, trial_cpus=0.1) == clients
    assert found == pytest.approx(share, abs=1e-3)
    larger = [most / part for part in range(1, 100) if most / part > found + 1e-3]
    for one in larger:
        with pytest.raises(ClusterTooSmall):
            num_actors(nodes, clients, client_actors=clients, cpus_per_client=one, trial_cpus=0.1)


def test_a_process_per_client_that_finds_no_room_is_refused_with_the_arithmetic() -> None:
    small = [{"CPU": 2.0, "memory": 3.0 * 2**30}]
    with pytest.raises(ClusterTooSmall, match=r"with --secure-sum each client .*20 client processes x .* room for 5"):
        separate_share(small, 20, most_cpus=0.9)
    with pytest.raises(ClusterTooSmall, match="20 client processes"):
        separate_share([GPU_NODE], 20, most_cpus=0.9, gpus_per_client=0.1)
