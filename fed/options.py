"""How a federation trains and what it puts up with; data only, for plans without torch (paper, section III.B)."""

import math
from dataclasses import asdict, dataclass

AGGREGATOR_NAMES = ("mean", "weighted-mean", "median", "trimmed-mean", "personalised")
OPTIMISERS = ("fresh", "kept")
BATCH_NORMS = ("mean", "local", "frozen")
FAILURE_POLICIES = ("strict", "quorum", "resilient")

# Ours: the paper says nothing of clients that fail.
QUORUM = 0.8
# Ours: nothing waits for ever; a round of raw images on a slow machine takes hours, not a day.
ROUND_DEADLINE_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Federation:
    """The choices of a federation; the defaults are the paper's where it has any.

    `aggregator`: a key of `fed.aggregators.AGGREGATORS`. `local_epochs`: epochs a client trains in a round.
    `proximal`: FedProx's mu, 0 for none (Li et al. 2020). `optimiser`: a client's Adam starts "fresh" every
    round or is "kept". `batch_norm`: layers of batch normalisation are averaged like all others ("mean"), stay
    each client's own ("local", FedBN: Li et al. 2021; people who are no clients get the mean), or run on the
    statistics they began with ("frozen").

    `on_client_failure`: "strict" wants every client of every round, "quorum" the share `quorum` of a fold's
    clients, "resilient" one. `round_deadline_seconds` is for a round of all folds together.
    """

    aggregator: str = "mean"
    local_epochs: int = 1
    proximal: float = 0.0
    optimiser: str = "fresh"
    batch_norm: str = "mean"
    on_client_failure: str = "strict"
    quorum: float = QUORUM
    round_deadline_seconds: float = ROUND_DEADLINE_SECONDS

    def __post_init__(self) -> None:
        """Refuse unknown names and impossible numbers (ValueError)."""
        for name, known in (
            ("aggregator", AGGREGATOR_NAMES),
            ("optimiser", OPTIMISERS),
            ("batch_norm", BATCH_NORMS),
            ("on_client_failure", FAILURE_POLICIES),
        ):
            if getattr(self, name) not in known:
                raise ValueError(f"unknown {name} {getattr(self, name)!r}: expected one of {', '.join(known)}")
        if self.local_epochs < 1:
            raise ValueError(f"local_epochs must be at least 1, found {self.local_epochs}")
        if not (self.proximal >= 0 and math.isfinite(self.proximal)):
            raise ValueError(f"proximal must be 0 or positive, found {self.proximal}")
        if not 0 < self.quorum <= 1:
            raise ValueError(f"quorum must be over 0 and at most 1, found {self.quorum}")
        if not (self.round_deadline_seconds > 0 and math.isfinite(self.round_deadline_seconds)):
            raise ValueError(f"round_deadline_seconds must be positive, found {self.round_deadline_seconds}")

    def needed(self, num_clients: int) -> int:
        """Clients of a fold without which a round does not count."""
        if self.on_client_failure == "strict":
            return num_clients
        if self.on_client_failure == "resilient":
            return min(1, num_clients)
        # The tolerance: 0.8 of 5 clients are 4, whatever binary fractions make of it.
        return max(1, math.ceil(self.quorum * num_clients - 1e-9))

    def to_dict(self) -> dict[str, str | int | float]:
        """Return the fields for JSON, in the order of their declaration."""
        return asdict(self)
