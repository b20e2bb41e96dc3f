"""Who masks with whom: all with all in a small roster, else a random regular graph (Bell et al. 2020, section 3.2)."""

import random
from collections.abc import Sequence

# Ours: what a roster has at least and at most. In between as many as it takes for any third of it to be lost: with 8
# neighbours, of whom 5 must answer, a loss of any 3 is survived, of 4 in 20 in five of six draws, of 6 in one of ten.
LEAST_NEIGHBOURS, MOST_NEIGHBOURS = 8, 16
# At least this share of the roster must survive.
LEAST_SHARE = (2, 3)
# Ours: of a sum of two each of the two knows the other's number.
LEAST_SURVIVORS = 3


def neighbours_of(roster: Sequence[str], seed: bytes) -> dict[str, tuple[str, ...]]:
    """Return each client's neighbours, sorted; everybody sees the same graph, and whoever adds a key changes it.

    A permutation drawn from `seed` on a circle, each joined to the nearest `num_neighbours`: a Harary graph.
    """
    names, degree = sorted(roster), num_neighbours(len(roster))
    if degree == len(names) - 1:
        return {name: tuple(other for other in names if other != name) for name in names}
    circle = names[:]
    random.Random(seed).shuffle(circle)
    reach = [step for step in range(-(degree // 2), degree // 2 + 1) if step]
    near = {
        name: tuple(sorted(circle[(place + step) % len(circle)] for step in reach)) for place, name in enumerate(circle)
    }
    return {name: near[name] for name in names}


def num_neighbours(num_clients: int) -> int:
    """Return how many neighbours each client of a roster has.

    Above half of k must answer, so any l may be lost if k is 2 (l + 1): that for a third up to MOST_NEIGHBOURS.
    """
    most_lost = num_clients - least_survivors(num_clients)
    return min(num_clients - 1, max(LEAST_NEIGHBOURS, min(2 * (most_lost + 1), MOST_NEIGHBOURS)))


def share_threshold(num_neighbours: int) -> int:
    """Return how many neighbours must answer for a client: above half, so nobody collects both kinds of shares."""
    return num_neighbours // 2 + 1


def least_survivors(num_clients: int) -> int:
    """Return how many clients of a roster must be in a sum: two thirds, and LEAST_SURVIVORS."""
    above, below = LEAST_SHARE
    return max(-(-num_clients * above // below), LEAST_SURVIVORS)
