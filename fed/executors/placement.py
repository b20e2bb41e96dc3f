"""How many processes to start, which clients each one holds, and the resources to reserve. Arithmetic only, no Ray."""

import math
from collections.abc import Mapping, Sequence

# Ours: a Python process with torch, before any network or data.
PROCESS_MIB = 600.0
# Ray counts resources in ten-thousandths: 20 times 0.05 is one, whatever binary fractions make of it.
GRAIN = 1e-4
# Ours: the smallest share of a CPU of a client that has a process of its own; they take turns then.
LEAST_SHARE = 0.01

Nodes = Sequence[Mapping[str, float]]  # each node's resources as Ray names them: CPU, GPU, memory (bytes)


class ClusterTooSmall(ValueError):  # noqa: N818 - it names what is the matter
    """No node, or not all of them together, can hold what the clients need; shows the arithmetic."""


def processes_that_fit(
    node: Mapping[str, float], *, cpus_per_client: float, gpus_per_client: float, memory_mib: float = PROCESS_MIB
) -> int:
    """How many client processes one node can hold at a time; a node that tells no memory is taken to have enough."""
    fits = [
        int(node.get(key, 0.0) / wanted + GRAIN)
        for key, wanted in (("CPU", cpus_per_client), ("GPU", gpus_per_client))
        if wanted > 0
    ]
    if "memory" in node and memory_mib > 0:
        fits.append(int(node["memory"] / 2**20 / memory_mib))
    return min(fits) if fits else 1_000_000


def num_actors(  # noqa: PLR0913 - the terms of the arithmetic
    nodes: Nodes,
    num_clients: int,
    *,
    client_actors: int | str = "auto",
    cpus_per_client: float = 1.0,
    gpus_per_client: float = 0.0,
    trial_cpus: float = 0.0,
    memory_mib: float = PROCESS_MIB,
) -> int:
    """Processes for `num_clients` clients on `nodes`: "auto" is one per client, or as many as there is room for.

    `client_actors` is a number or "auto". Each process takes `cpus_per_client`, `gpus_per_client` (fractions allowed)
    and about `memory_mib` MiB. `trial_cpus` are kept free on one node for the server. ClusterTooSmall (a ValueError) if
    not one process, or not the number asked for, finds room. ValueError: numbers that make no sense.
    """
    if cpus_per_client < 0 or gpus_per_client < 0 or num_clients < 1:
        raise ValueError(
            f"{num_clients} clients with {cpus_per_client:g} CPUs and {gpus_per_client:g} GPUs each: "
            "expected at least one client, and no negative share"
        )
    if client_actors != "auto" and (not isinstance(client_actors, int) or client_actors < 1):
        raise ValueError(f"client_actors must be 'auto' or at least 1, found {client_actors!r}")
    needs = {"cpus_per_client": cpus_per_client, "gpus_per_client": gpus_per_client, "memory_mib": memory_mib}
    room = _room(nodes, trial_cpus, **needs)
    each = f"{cpus_per_client:g} CPUs, {gpus_per_client:g} GPUs and {memory_mib:g} MiB"
    if room == 0:
        raise ClusterTooSmall(
            f"a client process needs {each}; no node can hold one beside {trial_cpus:g} CPUs for the server: "
            + _listed(nodes)
        )
    if client_actors == "auto":
        return min(num_clients, room)
    wanted = min(int(client_actors), num_clients)
    if wanted > room:
        raise ClusterTooSmall(
            f"{wanted} client processes x ({each}) = {wanted * cpus_per_client:g} CPUs and "
            f"{wanted * gpus_per_client:g} GPUs, beside {trial_cpus:g} CPUs for the server; "
            f"there is room for {room}: {_listed(nodes)}"
        )
    return wanted


def separate_share(  # noqa: PLR0913 - the terms of the arithmetic
    nodes: Nodes,
    num_clients: int,
    *,
    most_cpus: float,
    gpus_per_client: float = 0.0,
    trial_cpus: float = 0.0,
    memory_mib: float = PROCESS_MIB,
) -> float:
    """Return the largest share of CPUs with which each client has a process of its own: `most_cpus`, half of it, ...

    ClusterTooSmall shows the arithmetic of the smallest share, LEAST_SHARE, if even that finds no room.
    """
    needs = {"gpus_per_client": gpus_per_client, "memory_mib": memory_mib}
    parts = int(most_cpus / LEAST_SHARE) or 1
    for cpus in [*(math.floor(most_cpus / part / GRAIN + 1e-6) * GRAIN for part in range(1, parts)), LEAST_SHARE]:
        if _room(nodes, trial_cpus, cpus_per_client=cpus, **needs) >= num_clients:
            return round(cpus, 4)
    smallest = min(most_cpus, LEAST_SHARE)
    try:
        num_actors(
            nodes, num_clients, client_actors=num_clients, cpus_per_client=smallest, trial_cpus=trial_cpus, **needs
        )
    except ClusterTooSmall as error:
        raise ClusterTooSmall(f"with --secure-sum each client has its own process: {error}") from error
    return smallest


def _room(nodes: Nodes, trial_cpus: float, **needs: float) -> int:
    """Most processes on all nodes, the server on the node where it displaces the fewest."""
    plain = [processes_that_fit(node, **needs) for node in nodes]
    if trial_cpus <= 0:
        return sum(plain)
    beside = [
        sum(plain) - plain[i] + processes_that_fit({**node, "CPU": node.get("CPU", 0.0) - trial_cpus}, **needs)
        for i, node in enumerate(nodes)
        if node.get("CPU", 0.0) >= trial_cpus
    ]
    return max(beside, default=0)


def _listed(nodes: Nodes) -> str:
    if not nodes:
        return "nothing is reserved for clients"
    return "; ".join(
        f"node {i} has {node.get('CPU', 0.0):g} CPUs, {node.get('GPU', 0.0):g} GPUs"
        + (f", {node['memory'] / 2**20:.0f} MiB" if "memory" in node else "")
        for i, node in enumerate(nodes)
    )


def bundles(
    num_processes: int, *, cpus_per_client: float, gpus_per_client: float, trial_cpus: float
) -> list[dict[str, float]]:
    """What a placement group must hold: the server's share first, then one bundle a client process."""
    if trial_cpus <= 0:
        raise ValueError(f"trial_cpus must be positive, found {trial_cpus:g}: Tune leaves an empty bundle out")
    one = {key: share for key, share in (("CPU", cpus_per_client), ("GPU", gpus_per_client)) if share > 0}
    return [{"CPU": trial_cpus}, *(dict(one) for _ in range(num_processes))]


def shortfall(wanted: Sequence[Mapping[str, float]], nodes: Nodes) -> dict[str, float]:
    """Return how much of each resource is missing to hold all bundles at once, each whole on one node; {} if none.

    The largest bundles are laid first, each where it fits tightest. One that fits nowhere counts with all it wants.
    """
    left = [dict(node) for node in nodes]
    missing: dict[str, float] = {}
    for bundle in sorted(wanted, key=lambda one: (-one.get("GPU", 0.0), -sum(one.values()))):
        fitting = [node for node in left if all(node.get(key, 0.0) + GRAIN >= share for key, share in bundle.items())]
        if not fitting:
            for key, share in bundle.items():
                missing[key] = missing.get(key, 0.0) + share
            continue
        tightest = min(fitting, key=lambda node: (node.get("GPU", 0.0), node.get("CPU", 0.0)))
        for key, share in bundle.items():
            tightest[key] = tightest.get(key, 0.0) - share
    return missing


def in_words(resources: Mapping[str, float]) -> str:
    """Return resources as `1.9 CPUs, 0.5 GPUs`; memory, which is counted in bytes, and the like are left out."""
    named = [f"{resources[key]:g} {key}s" for key in ("CPU", "GPU") if resources.get(key)]
    return ", ".join(named) or "0 CPUs"


def packed(seconds: Mapping[str, float], num_processes: int) -> list[list[str]]:
    """Deal clients out to processes, the longest first and each to the least loaded (Graham's rule).

    Ties go by the order of the mapping; every process gets its clients longest first.
    """
    loads = [0.0] * num_processes
    hands: list[list[str]] = [[] for _ in range(num_processes)]
    for name in sorted(seconds, key=lambda name: -seconds[name]):
        place = min(range(num_processes), key=lambda i: (loads[i], len(hands[i])))
        hands[place].append(name)
        loads[place] += seconds[name]
    return hands


def span(seconds: Mapping[str, float], hands: Sequence[Sequence[str]]) -> float:
    """Seconds until the last process is done."""
    return max(sum(seconds[name] for name in hand) for hand in hands)
