"""How a federation trains and which failures it tolerates; plain facts, for plans without torch (paper, section III.B).

The fields of `Federation` with their `About`, and the choices of fed/choices.py, are read by the command line, the
checks, the documents and the tests.
"""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from fed.choices import AGGREGATORS, BATCH_NORMS, CLIENT_OPTIMISERS, FAILURE_POLICIES, SERVER_OPTIMISERS

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
# Ours, as Flower's default clipping range: Adam moves a weight by about its learning rate in a step, which is 0.001 at
# most in the grids, so 8,000 steps in one direction fit.
SECURE_BOUND = 8.0
# Ours: the paper says nothing of clients that fail.
QUORUM = 0.8
# Ours: nothing waits for ever; a round of raw images on a slow machine takes hours, not a day.
ROUND_DEADLINE_SECONDS = 86_400.0


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
    defaults: Mapping[Any, float | None] = field(default_factory=dict)

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
    optimiser: str = _about(
        "fresh",
        known=CLIENT_OPTIMISERS,
        option="--client-optimiser",
        help="Of each client: a new Adam in every round, or its own kept.",
    )
    batch_norm: str = _about("mean", known=BATCH_NORMS, help="What becomes of batch normalisation.")
    on_client_failure: str = _about(
        "strict", known=FAILURE_POLICIES, help="How many clients a round needs: all, --quorum of them, or one."
    )
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

    secure_sum: bool = _about(
        False, later=True, before=False, help="The server learns sums over clients only, of fixed-point numbers."
    )
    secure_bound: float | None = _about(
        None,
        later=True,
        above=True,
        of="secure_sum",
        defaults={True: SECURE_BOUND},
        help="How far a weight may move in a round.",
    )

    def __post_init__(self) -> None:
        """Fill in the parameters of what was chosen; FederationError for unknown names and impossible numbers."""
        if not isinstance(self.secure_sum, bool):
            raise FederationError("secure_sum", f"{self.secure_sum!r}", "true or false")
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
        self._check_secure_sum()

    def _check_secure_sum(self) -> None:
        """Refuse beside secure sums what needs a single client's update, or hands its state to the server."""
        if not self.secure_sum:
            return
        if AGGREGATORS[self.aggregator].sums is None:
            sums = " or ".join(name for name, one in AGGREGATORS.items() if one.sums)
            raise FederationError(
                "secure_sum", f"beside {option_of('aggregator')} {self.aggregator}, which needs single updates", sums
            )
        for name, chosen, instead in (("optimiser", "kept", "fresh"), ("batch_norm", "local", "mean or frozen")):
            if getattr(self, name) == chosen:
                found = f"beside {option_of(name)} {chosen}, whose state goes to the server"
                raise FederationError("secure_sum", found, f"{option_of(name)} {instead}")

    def _parameter(self, name: str, about: About) -> Any:
        """Return a field's value, which for a parameter that was left out is the default of the choice."""
        value = getattr(self, name)
        if not about.of:
            return value
        choice = getattr(self, about.of)
        if choice not in about.defaults:
            if value is None:
                return None
            if isinstance(choice, bool):
                raise FederationError(name, f"{value} without {option_of(about.of)}", "both or neither")
            found = f"{value} beside {option_of(about.of)} {choice}"
            raise FederationError(name, found, f"it with {' or '.join(about.defaults)} only")
        if value is None:
            value = about.defaults[choice]
            object.__setattr__(self, name, value)
        return value

    @property
    def stackable(self) -> bool:
        """Whether several clients' networks can be trained as one stack: Adam begins anew, nothing pulls back.

        With secure sums each client is a process of its own.
        """
        return self.optimiser == "fresh" and not self.proximal and not self.secure_sum

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


def is_flag(name: str) -> bool:
    """Return whether a field is given by its option alone, without a value."""
    return any(one.name == name and one.type in (bool, "bool") for one in dataclasses.fields(Federation))


WHOLE = (int, "int", int | None)


def is_whole(name: str) -> bool:
    """Return whether a field holds whole numbers."""
    return any(one.name == name and one.type in WHOLE for one in dataclasses.fields(Federation))
