"""How few updates an aggregator can work with: asked when a run is planned, when it starts, and in every round.

Free of numpy until an aggregator that has such a condition is asked.
"""

from fed.choices import AGGREGATORS
from fed.options import Federation, FederationError
from models.references import resolve


def check_clients(options: Federation, num_clients: int) -> None:
    """FederationError, with the figures, if the aggregator cannot work with so few clients of a fold."""
    check = AGGREGATORS[options.aggregator].check
    if check is not None:
        resolve(check)(options, num_clients)


def are_enough(options: Federation, num_updates: int) -> bool:
    """Return whether the aggregator can work with so many updates."""
    if num_updates == 0:
        return False
    try:
        check_clients(options, num_updates)
    except FederationError:
        return False
    return True


def fewest_updates(options: Federation, num_clients: int) -> int:
    """Return how many of a fold's clients the aggregator needs at least; all, if they are not enough either."""
    return next((number for number in range(1, num_clients) if are_enough(options, number)), num_clients)
