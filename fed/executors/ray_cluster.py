"""What clients need of a Ray cluster, and whether it has it; the arithmetic is in placement.py."""

from collections.abc import Mapping, Sequence

import ray

from fed.executors.placement import PROCESS_MIB, bundles, num_actors, shortfall


def check_cluster(  # noqa: PLR0913 - the terms of the arithmetic
    num_clients: int,
    *,
    client_actors: int | str = "auto",
    cpus_per_client: float = 1.0,
    gpus_per_client: float = 0.0,
    trial_cpus: float = 0.0,
    memory_mib: float = PROCESS_MIB,
) -> int:
    """How many actors a trial will have on this cluster; ClusterTooSmall (a ValueError) shows the arithmetic."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return num_actors(
        nodes,
        num_clients,
        client_actors=client_actors,
        cpus_per_client=cpus_per_client,
        gpus_per_client=gpus_per_client,
        trial_cpus=trial_cpus,
        memory_mib=memory_mib,
    )


def bundles_for(
    num_clients: int,
    *,
    client_actors: int | str = "auto",
    cpus_per_client: float = 1.0,
    gpus_per_client: float = 0.0,
    trial_cpus: float = 1.0,
) -> list[dict[str, float]]:
    """Bundles that a Tune trial must reserve, its own share first; ClusterTooSmall where they cannot be had."""
    number = check_cluster(
        num_clients,
        client_actors=client_actors,
        cpus_per_client=cpus_per_client,
        gpus_per_client=gpus_per_client,
        trial_cpus=trial_cpus,
    )
    return bundles(number, cpus_per_client=cpus_per_client, gpus_per_client=gpus_per_client, trial_cpus=trial_cpus)


def lacks_room(wanted: Sequence[Mapping[str, float]]) -> bool:
    """Return whether the living nodes cannot hold what is reserved: a node died, and others may come."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return bool(shortfall(wanted, nodes))
