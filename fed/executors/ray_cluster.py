"""What clients need of a Ray cluster, and whether it has it; the arithmetic is in placement.py."""

from collections.abc import Mapping, Sequence

import ray
import torch

from fed.executors.placement import PROCESS_MIB, bundles, num_actors, separate_share, shortfall


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


def share_of_each(
    num_clients: int, *, cpus_per_client: float, gpus_per_client: float = 0.0, trial_cpus: float = 0.0
) -> float:
    """Return the share of CPUs with which each client has a process of its own on this cluster; ClusterTooSmall."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return separate_share(
        nodes, num_clients, most_cpus=cpus_per_client, gpus_per_client=gpus_per_client, trial_cpus=trial_cpus
    )


def lacks_room(wanted: Sequence[Mapping[str, float]]) -> bool:
    """Return whether the living nodes cannot hold what is reserved: a node died, and others may come."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return bool(shortfall(wanted, nodes))


def assigned_device(gpus: float) -> str:
    """Return the device Ray gave this process, its memory capped to the share.

    Fractions of a GPU schedule but do not cap memory; and a process without a GPU may well see everybody's.
    """
    if gpus <= 0 or not ray.get_gpu_ids() or not torch.cuda.is_available():
        return "cpu"
    if gpus < 1:
        torch.cuda.set_per_process_memory_fraction(gpus, 0)
    return "cuda:0"
