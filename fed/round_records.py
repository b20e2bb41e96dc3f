"""The record of a round, and the errors that end a federation (paper, section IV.D: training time)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fed.messages import REFUSED, Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class SecureFold:
    """The ledger of one fold's secure sum: how many are in it, who was lost in which stage, and bytes by stage.

    `bits` are those of the rings, by part; bytes are the true sizes of what was sent, the model's among those down.
    """

    fold: int
    survivors: int
    bits: Mapping[str, int]
    dropped: Mapping[str, tuple[str, ...]]
    bytes_down: Mapping[str, int]
    bytes_up: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One round (from 1) of all folds; tuples have one element a fold, `failures` one a client that gave nothing.

    A round that lost its quorum has no losses and no scores. Bytes are those that clients would receive and send
    over a network: weights down to everybody who trains or evaluates, updates up from those who trained.
    `client_seconds` sums the time that a fold's clients trained. `own_*` score each client's own network on the
    last fifth of its own recordings, and are empty unless the aggregator is personal. `secure` has what secure sums
    took, by fold, and is empty without them.
    """

    number: int
    seconds: float
    client_seconds: tuple[float, ...]
    trained: tuple[tuple[str, ...], ...]
    failures: tuple[Failure, ...]
    bytes_down: int
    bytes_up: int
    train_loss: tuple[float, ...] = ()
    validation_loss: tuple[float, ...] = ()
    ccc_valence: tuple[float, ...] = ()
    ccc_arousal: tuple[float, ...] = ()
    own_ccc_valence: tuple[float, ...] = ()
    own_ccc_arousal: tuple[float, ...] = ()
    secure: tuple["SecureFold", ...] = ()

    @property
    def refused(self) -> tuple[Failure, ...]:
        """Those whose update did not pass the gate."""
        return tuple(one for one in self.failures if one.kind == REFUSED)

    @property
    def failed(self) -> tuple[Failure, ...]:
        """Those that died, raised or were late."""
        return tuple(one for one in self.failures if one.kind != REFUSED)


def round_from(fields: Mapping[str, Any]) -> Round:
    """Read a round back from JSON."""
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
    values["trained"] = tuple(tuple(names) for names in values["trained"])
    values["failures"] = tuple(Failure(**one) for one in values["failures"])
    secure = [{**one, "dropped": {k: tuple(v) for k, v in one["dropped"].items()}} for one in values.get("secure", ())]
    values["secure"] = tuple(SecureFold(**one) for one in secure)
    return Round(**values)  # type: ignore[arg-type]  # the checksum vouches for the types


def paper_seconds(rounds: Sequence[Round], num_clients: Sequence[int]) -> float:
    """Training time as the paper counts it: the clients' times summed, divided by their number, over all folds.

    "total training time by the number of participants to represent synchronous local processing", section IV.D.
    """
    return sum(
        seconds / clients for one in rounds for seconds, clients in zip(one.client_seconds, num_clients, strict=True)
    )


class ClientFailed(RuntimeError):  # noqa: N818 - it names what happened, as StopIteration does
    """A client gave nothing; `traceback` is its full one where it raised."""

    def __init__(self, number: int, failure: Failure) -> None:
        """Keep client, round and reason; both arguments survive a pickle."""
        super().__init__(number, failure)
        self.round = number
        self.failure = failure
        self.traceback = failure.traceback

    def __str__(self) -> str:
        """Return who, when and why, in one line."""
        one = self.failure
        return f"client {one.client}, round {self.round}, fold {one.fold}: {one.kind}, {one.reason}"


class QuorumLost(RuntimeError):  # noqa: N818 - as above
    """Too few clients were left in a round; the global weights stayed what they were before it."""

    def __init__(self, number: int, fold: int, num_left: int, num_needed: int, failures: Sequence[Failure]) -> None:
        """Keep what the record of the failed trial needs; all arguments survive a pickle."""
        super().__init__(number, fold, num_left, num_needed, tuple(failures))
        self.round = number
        self.fold = fold
        self.num_left = num_left
        self.num_needed = num_needed
        self.failures = tuple(failures)

    def __str__(self) -> str:
        """Return what was missing, and every missing client with its reason."""
        missing = "; ".join(f"{one.client} {one.kind}: {one.reason}" for one in self.failures)
        return (
            f"round {self.round}, fold {self.fold}: quorum lost, {self.num_left} clients left and "
            f"{self.num_needed} needed ({missing})"
        )
