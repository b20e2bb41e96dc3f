"""What a server and its clients say to each other in one secure sum: the terms, and four or five rounds of messages.

Keys go up; shares go up, sealed for their receivers, and are routed down; masked vectors go up; with identities the
receipts of who is in the sum; shares of the masks' secrets go up. `num_bytes` is what a network would carry.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from fed.secure_sums.graph import least_survivors
from fed.secure_sums.masks import digest
from fed.secure_sums.ring import Part, Ring

Stage = Literal["keys", "shares", "masked", "receipts", "unmask"]
STAGES: tuple[Stage, ...] = ("keys", "shares", "masked", "receipts", "unmask")


class ProtocolError(ValueError):
    """A question or an answer that the protocol does not allow; nothing secret is in its text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What all clients of one sum must agree on; the roster is sorted, `run` is any text of the run."""

    run: bytes
    number: int  # of the round
    fold: int
    roster: tuple[str, ...]
    parts: tuple[Part, ...]

    def __post_init__(self) -> None:
        """Refuse a roster that is not sorted, has a name twice, or is too small (ProtocolError)."""
        if list(self.roster) != sorted({*self.roster}):
            raise ProtocolError("the roster must be sorted and have each name once")
        if len(self.roster) < self.least:
            raise ProtocolError(
                f"a roster of {len(self.roster)}: a sum of fewer than {self.least} clients tells too much"
            )

    @property
    def least(self) -> int:
        """Clients that a sum must have."""
        return least_survivors(len(self.roster))

    @property
    def address(self) -> bytes:
        """A digest of all terms."""
        names = [name.encode() for name in self.roster]
        numbers = f"{self.number} {self.fold} {self.parts}".encode()
        return digest(b"affect-orchestrator secure sum 1", self.run, numbers, *names)

    @property
    def num_bytes(self) -> int:
        """Bytes of a masked vector."""
        return sum(one.num_bytes for one in self.parts)

    def place(self, name: str) -> int:
        """Return a client's place in the roster, from 1: where its share of any secret is taken."""
        return self.roster.index(name) + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """A client's two fresh public keys of 32 bytes, for masks and for sealed shares; signed if it has an identity."""

    masking: bytes
    sealing: bytes
    signature: bytes = b""

    @property
    def num_bytes(self) -> int:
        """Bytes on the way."""
        return len(self.masking) + len(self.sealing) + len(self.signature)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """A client's shares, sealed for each neighbour, and a digest of the seed of its own mask."""

    sealed: Mapping[str, bytes]
    commitment: bytes

    @property
    def num_bytes(self) -> int:
        """Bytes on the way."""
        return len(self.commitment) + sum(map(len, self.sealed.values()))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Masked:
    """A client's vector with its masks: one array per part, of which nothing can be read."""

    vector: tuple[Ring, ...]

    @property
    def num_bytes(self) -> int:
        """Bytes on the way."""
        return sum(one.nbytes for one in self.vector)


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A client's signature below the list of those in the sum."""

    signature: bytes

    @property
    def num_bytes(self) -> int:
        """Bytes on the way."""
        return len(self.signature)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A client's shares: of a neighbour's own mask if it is in the sum, else of its key; never both of one."""

    own_masks: Mapping[str, bytes]
    keys: Mapping[str, bytes]

    @property
    def num_bytes(self) -> int:
        """Bytes on the way."""
        return sum(map(len, [*self.own_masks.values(), *self.keys.values()]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What the server asks of one client in a stage; only the fields of the stage are filled."""

    terms: Terms
    keys: Mapping[str, Keys]
    sealed: Mapping[str, bytes]  # by sender
    names: tuple[str, ...]  # who shared (masked); who is in the sum (receipts, unmask)
    receipts: Mapping[str, Receipt]
    max_weight: int

    @property
    def num_bytes(self) -> int:
        """Bytes on the way, the terms' names included."""
        names = [*self.terms.roster, *self.names]
        of_keys = sum(one.num_bytes for one in self.keys.values())
        receipts = sum(one.num_bytes for one in self.receipts.values())
        return of_keys + receipts + sum(map(len, self.sealed.values())) + sum(len(name.encode()) for name in names)


def question(  # noqa: PLR0913 - the fields
    terms: Terms,
    *,
    keys: Mapping[str, Keys] | None = None,
    sealed: Mapping[str, bytes] | None = None,
    names: Sequence[str] = (),
    receipts: Mapping[str, Receipt] | None = None,
    max_weight: int = 1,
) -> Question:
    """Make a question; what is not given is empty."""
    return Question(
        terms=terms,
        keys=keys or {},
        sealed=sealed or {},
        names=tuple(names),
        receipts=receipts or {},
        max_weight=max_weight,
    )


def view_of_keys(terms: Terms, keys: Mapping[str, Keys]) -> bytes:
    """Return a digest of the terms and of every key: the seed of the graph, and a part of all later purposes."""
    listed = [part for name in sorted(keys) for part in (name.encode(), keys[name].masking, keys[name].sealing)]
    return digest(b"keys", terms.address, *listed)


def view_of_masks(keys_view: bytes, sharers: Sequence[str], model: bytes) -> bytes:
    """Return a digest of all that two clients must agree on, or masks do not cancel: also the model they were sent."""
    return digest(b"masks", keys_view, model, *(name.encode() for name in sorted(sharers)))


def view_of_sum(masks_view: bytes, survivors: Sequence[str]) -> bytes:
    """Return what receipts are signed over."""
    return digest(b"sum", masks_view, *(name.encode() for name in sorted(survivors)))


def signed_keys(terms: Terms, name: str, keys: Keys) -> bytes:
    """Return what a client signs when it sends its keys."""
    return digest(b"identity", terms.address, name.encode(), keys.masking, keys.sealing)


def pair_purpose(view: bytes, one: str, other: str) -> bytes:
    """Return the purpose of the mask of two clients, the same from either side."""
    return digest(b"pair", view, *(name.encode() for name in sorted((one, other))))


def own_purpose(view: bytes, name: str) -> bytes:
    """Return the purpose of a client's own mask."""
    return digest(b"own", view, name.encode())


def seal_purpose(view: bytes, sender: str, receiver: str) -> bytes:
    """Return the purpose of the sealed shares of one client for another."""
    return digest(b"seal", view, sender.encode(), receiver.encode())
