"""Who masks with whom: all with all in a small roster, else a random regular graph (Bell et al. 2020, section 3.2)."""

import random
from collections.abc import Sequence

# Ours: with 20 clients, of whom a third may be lost, and shares for 5 of 8.
NUM_NEIGHBOURS = 8
# At least this share of the roster must survive.
LEAST_SHARE = (2, 3)
# Ours: of a sum of two each of the two knows the other's number.
LEAST_SURVIVORS = 3


def neighbours_of(roster: Sequence[str], seed: bytes) -> dict[str, tuple[str, ...]]:
    """Return each client's neighbours, sorted; everybody sees the same graph, and whoever adds a key changes it.

    A permutation drawn from `seed` on a circle, each joined to the nearest `NUM_NEIGHBOURS`: a Harary graph.
    """
    names = sorted(roster)
    if len(names) <= NUM_NEIGHBOURS + 1:
        return {name: tuple(other for other in names if other != name) for name in names}
    circle = names[:]
    random.Random(seed).shuffle(circle)
    reach = [step for step in range(-(NUM_NEIGHBOURS // 2), NUM_NEIGHBOURS // 2 + 1) if step]
    near = {
        name: tuple(sorted(circle[(place + step) % len(circle)] for step in reach)) for place, name in enumerate(circle)
    }
    return {name: near[name] for name in names}


def share_threshold(num_neighbours: int) -> int:
    """Return how many neighbours must answer for a client: above half, so nobody collects both kinds of shares."""
    return num_neighbours // 2 + 1


def least_survivors(num_clients: int) -> int:
    """Return how many clients of a roster must be in a sum: two thirds, and LEAST_SURVIVORS."""
    above, below = LEAST_SHARE
    return max(-(-num_clients * above // below), LEAST_SURVIVORS)
