"""How a federation trains and which failures it tolerates; plain facts, for plans without torch (paper, section III.B).

The choices (AGGREGATORS, SERVER_OPTIMISERS ...) and the fields of `Federation` with their `About` are read by the
command line, the checks, the documents and the tests.
"""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

ABOUT = "about"  # metadata of a field: an `About`
# Metadata as of hyper-parameters, read by whoever makes uids: a field that is newer than the first uids, and the value
# that a federation had before the field could be chosen, if that is not the default.
LATER_KEY, BEFORE_KEY = "later", "before"

# Ours: the trimmed mean leaves out this share of the values at either end, and at least one of three.
TRIM_SHARE = 0.1
# Reddi et al. 2021 (arXiv:2003.00295): the values of their experiments.
SERVER_MOMENTUM = 0.9
SERVER_BETA2 = 0.99
SERVER_TAU = 1e-3
# Their server learning rates are tuned per task. Ours: within their grid for the adaptive ones; and 1, with which
# fedavgm without momentum is fedavg.
ADAPTIVE_LEARNING_RATE = 1e-2
MOMENTUM_LEARNING_RATE = 1.0
# Ours: the paper says nothing of clients that fail.
QUORUM = 0.8
# Ours: nothing waits for ever; a round of raw images on a slow machine takes hours, not a day.
ROUND_DEADLINE_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregator:
    """One way from the clients' updates to their average; `function` is a `fed.aggregators.Aggregate`."""

    function: str  # `module:name`, imported when a round needs it
    help: str
    # It needs only sums of updates, which are formed where the clients are; each counts 1 ("clients") or its number of
    # labelled windows ("samples"). None: it sees every single update.
    sums: str | None = None
    personal: bool = False  # each client has a network of its own
    # `module:name` of a function of the options and a number of updates, which raises FederationError if they are too
    # few; None: one is enough.
    check: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptimiser:
    """One way from the average to the next global weights; `function` is a `fed.server_optimisers.Optimise`."""

    function: str
    help: str


AGGREGATORS: dict[str, Aggregator] = {
    "mean": Aggregator(
        function="fed.aggregators:mean",
        sums="clients",
        help="the paper's: plain mean over clients, whatever their size",
    ),
    "weighted-mean": Aggregator(
        function="fed.aggregators:mean",
        sums="samples",
        help="by numbers of labelled windows (FedAvg: McMahan et al. 2017)",
    ),
    "median": Aggregator(function="fed.aggregators:median", help="the middle value of every weight (Yin et al. 2018)"),
    "trimmed-mean": Aggregator(
        function="fed.aggregators:trimmed_mean",
        help="mean of every weight without the smallest and largest values (Yin et al. 2018)",
    ),
    "geometric-median": Aggregator(
        function="fed.robust:geometric_median",
        help="the point with the least sum of distances to the clients' networks (Pillutla et al. 2022)",
    ),
    "multi-krum": Aggregator(
        function="fed.robust:multi_krum",
        check="fed.robust:check_krum",
        help="mean of the networks that lie closest to most others (Blanchard et al. 2017)",
    ),
    "norm-clipped-mean": Aggregator(
        function="fed.robust:norm_clipped_mean",
        help="mean after every client's change is cut to one length (Sun et al. 2019)",
    ),
    "personalised": Aggregator(
        function="fed.aggregators:personalised",
        personal=True,
        help="a network per client, the average of all by similarity; the paper's remark on n global models",
    ),
}

SERVER_OPTIMISERS: dict[str, ServerOptimiser] = {
    "fedavg": ServerOptimiser(
        function="fed.server_optimisers:fedavg", help="the average is the next network: the paper's"
    ),
    "fedadam": ServerOptimiser(function="fed.server_optimisers:fedadam", help="Adam on the averaged change"),
    "fedyogi": ServerOptimiser(
        function="fed.server_optimisers:fedyogi", help="as fedadam, with a second moment that changes by less"
    ),
    "fedavgm": ServerOptimiser(
        function="fed.server_optimisers:fedavgm", help="momentum on the averaged change (Hsu et al. 2019)"
    ),
}

CLIENT_OPTIMISERS = {"fresh": "Adam begins anew in every round", "kept": "each client keeps its Adam's moments"}
BATCH_NORMS = {
    "mean": "averaged like all other layers",
    "local": "each client keeps its own (FedBN: Li et al. 2021); people who are no clients get the mean",
    "frozen": "the statistics stay what they began with",
}
FAILURE_POLICIES = {
    "strict": "a round needs every client",
    "quorum": "a round needs the share `quorum` of a fold's clients",
    "resilient": "a round needs one client",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What the command line, the checks and the documents say of one field of `Federation`."""

    help: str = ""
    option: str = ""  # of the command line, if it is not `--name-of-the-field`
    known: Mapping[str, Any] | None = None  # the names to choose from
    least: float = 0
    above: bool = False  # `least` itself is no value
    most: float = math.inf
    below: bool = False  # `most` itself is no value
    # A parameter of some choices of another field, by name with the value it has there if none is given; None: what
    # the choice makes of it depends on the round.
    of: str = ""
    defaults: Mapping[str, float | None] = field(default_factory=dict)

    @property
    def allowed(self) -> str:
        """Return the numbers that are allowed, in words."""
        least = f"over {self.least:g}" if self.above else f"at least {self.least:g}"
        most = "" if math.isinf(self.most) else f" and {'under' if self.below else 'at most'} {self.most:g}"
        return least + most

    def allows(self, value: float) -> bool:
        """Return whether a number is one of them."""
        under = value < self.most if self.below else value <= self.most
        return math.isfinite(value) and under and (value > self.least if self.above else value >= self.least)


def _about(default: Any, *, later: bool = False, before: Any = None, **about: Any) -> Any:
    newer = {LATER_KEY: True, BEFORE_KEY: before} if later else {}
    return field(default=default, metadata={ABOUT: About(**about), **newer})


class FederationError(ValueError):
    """A choice that cannot be: the field's name, what was found, and what was expected."""

    def __init__(self, name: str, found: str, expected: str) -> None:
        """Keep the three; they survive a pickle."""
        super().__init__(name, found, expected)
        self.name, self.found, self.expected = name, found, expected

    def __str__(self) -> str:
        """Return what is wrong, in one line."""
        return f"{self.name}: found {self.found}; expected {self.expected}"


_ADAPTIVE = ("fedadam", "fedyogi")


@dataclass(frozen=True, slots=True, kw_only=True)
class Federation:
    """The choices of a federation; the defaults are the paper's where it has any.

    A parameter of a choice (`trim_share` of the trimmed mean) is None beside other choices, and otherwise has a value:
    the given one, or the default that its `About` has for that choice. A new field has `later=True`, so that the uids
    of earlier federations stay.
    """

    aggregator: str = _about("mean", known=AGGREGATORS, help="For federated methods; the paper's: mean.")
    local_epochs: int = _about(1, least=1, help="Epochs a client trains in a round.")
    proximal: float = _about(0.0, help="FedProx's mu; 0 is off.")  # Li et al. 2020
    optimiser: str = _about("fresh", known=CLIENT_OPTIMISERS, option="--client-optimiser", help="Adam each round.")
    batch_norm: str = _about("mean", known=BATCH_NORMS, help="What becomes of batch normalisation.")
    on_client_failure: str = _about("strict", known=FAILURE_POLICIES)
    quorum: float = _about(QUORUM, above=True, most=1, help="Share of clients a round needs.")
    round_deadline_seconds: float = _about(  # for a round of all folds together
        ROUND_DEADLINE_SECONDS, above=True, option="--round-deadline", help="Seconds a round may take."
    )
    server_optimiser: str = _about(
        "fedavg", later=True, before="fedavg", known=SERVER_OPTIMISERS, help="What makes weights of the average."
    )
    server_learning_rate: float | None = _about(
        None,
        later=True,
        above=True,
        of="server_optimiser",
        defaults={**dict.fromkeys(_ADAPTIVE, ADAPTIVE_LEARNING_RATE), "fedavgm": MOMENTUM_LEARNING_RATE},
        help="Of the server's optimiser.",
    )
    server_momentum: float | None = _about(
        None,
        later=True,
        most=1,
        below=True,
        of="server_optimiser",
        defaults=dict.fromkeys((*_ADAPTIVE, "fedavgm"), SERVER_MOMENTUM),
        help="Decay of the averaged change, beta1.",
    )
    server_beta2: float | None = _about(
        None,
        later=True,
        most=1,
        below=True,
        of="server_optimiser",
        defaults=dict.fromkeys(_ADAPTIVE, SERVER_BETA2),
        help="Decay of its square.",
    )
    server_tau: float | None = _about(
        None,
        later=True,
        above=True,
        of="server_optimiser",
        defaults=dict.fromkeys(_ADAPTIVE, SERVER_TAU),
        help="Added to the root of that square.",
    )
    trim_share: float | None = _about(
        None,
        later=True,
        before=TRIM_SHARE,
        most=0.5,
        below=True,
        of="aggregator",
        defaults={"trimmed-mean": TRIM_SHARE},
        help="Left out at either end.",
    )
    krum_attackers: int | None = _about(
        None,
        later=True,
        of="aggregator",
        defaults={"multi-krum": None},
        help="How many may attack; a fifth if left out.",
    )
    krum_kept: int | None = _about(
        None,
        later=True,
        least=1,
        of="aggregator",
        defaults={"multi-krum": None},
        help="How many are averaged; all but the attackers if left out.",
    )
    clip_norm: float | None = _about(
        None,
        later=True,
        above=True,
        of="aggregator",
        defaults={"norm-clipped-mean": None},
        help="Longest change of a client; each round's median if left out.",
    )

    def __post_init__(self) -> None:
        """Fill in the parameters of what was chosen; FederationError for unknown names and impossible numbers."""
        for name, about in abouts().items():
            if about.known is not None and getattr(self, name) not in about.known:
                found, expected = repr(getattr(self, name)), f"one of {', '.join(about.known)}"
                raise FederationError(name, found, expected)
        for name, about in abouts().items():
            value = self._parameter(name, about)
            if about.known is None and value is not None and not about.allows(value):
                raise FederationError(name, f"{value}", about.allowed)
            if value is not None and is_whole(name) and value != int(value):
                raise FederationError(name, f"{value}", f"a whole number, {about.allowed}")
        if AGGREGATORS[self.aggregator].personal and self.server_optimiser != "fedavg":
            # Each client's network would need an optimiser of its own, which the publication does not have.
            found = f"{self.server_optimiser} beside personal networks ({self.aggregator})"
            raise FederationError("server_optimiser", found, "fedavg")

    def _parameter(self, name: str, about: About) -> Any:
        """Return a field's value, which for a parameter that was left out is the default of the choice."""
        value = getattr(self, name)
        if not about.of:
            return value
        choice = getattr(self, about.of)
        if choice not in about.defaults:
            if value is None:
                return None
            found = f"{value} beside {option_of(about.of)} {choice}"
            raise FederationError(name, found, f"it with {' or '.join(about.defaults)} only")
        if value is None:
            value = about.defaults[choice]
            object.__setattr__(self, name, value)
        return value

    @property
    def stackable(self) -> bool:
        """Whether several clients' networks can be trained as one stack: Adam begins anew, and nothing pulls back."""
        return self.optimiser == "fresh" and not self.proximal

    def needed(self, num_clients: int) -> int:
        """Clients of a fold without which a round does not count."""
        if self.on_client_failure == "strict":
            return num_clients
        if self.on_client_failure == "resilient":
            return min(1, num_clients)
        # The tolerance: 0.8 of 5 clients are 4, whatever binary fractions make of it.
        return max(1, math.ceil(self.quorum * num_clients - 1e-9))

    def to_dict(self) -> dict[str, str | int | float | None]:
        """Return the fields for JSON, in the order of their declaration; later ones if they have another value."""
        metadata = {one.name: one.metadata for one in dataclasses.fields(self)}
        return {
            name: value
            for name, value in asdict(self).items()
            if not (metadata[name].get(LATER_KEY) and value in (None, metadata[name][BEFORE_KEY]))
        }


def abouts() -> dict[str, About]:
    """Return what is said of each field of `Federation`, in their order."""
    return {one.name: one.metadata[ABOUT] for one in dataclasses.fields(Federation)}


def option_of(name: str) -> str:
    """Return the command line's option of a field."""
    return abouts()[name].option or f"--{name.replace('_', '-')}"


WHOLE = (int, "int", int | None)


def is_whole(name: str) -> bool:
    """Return whether a field holds whole numbers."""
    return any(one.name == name and one.type in WHOLE for one in dataclasses.fields(Federation))
