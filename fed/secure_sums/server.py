"""The server of one secure sum: routes, adds masked vectors up, and takes the masks off the sum of the survivors.

It holds one vector, whatever the number of clients. ProtocolError if the sum cannot be had: nothing is known then.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fed.secure_sums.exchange import (
    Keys,
    Masked,
    Opened,
    ProtocolError,
    Question,
    Receipt,
    Shares,
    Terms,
    own_purpose,
    pair_purpose,
    question,
    view_of_keys,
    view_of_masks,
)
from fed.secure_sums.graph import neighbours_of, share_threshold
from fed.secure_sums.masks import add_masks, agreed, derived, digest, public_of
from fed.secure_sums.ring import Ring, add, zeros
from fed.secure_sums.shamir import combined


@dataclass(slots=True, kw_only=True, eq=False)
class SumServer:
    """The server's state of one sum; `model` is a digest of the global model that was sent to all."""

    terms: Terms
    model: bytes
    max_weight: int = 1
    keys: dict[str, Keys] = field(default_factory=dict)
    shares: dict[str, Shares] = field(default_factory=dict)
    survivors: tuple[str, ...] = ()
    receipts: dict[str, Receipt] = field(default_factory=dict)
    opened: dict[str, Opened] = field(default_factory=dict)
    total: list[Ring] = field(default_factory=list)

    def ask_for_keys(self) -> dict[str, Question]:
        """Ask everybody of the roster."""
        return dict.fromkeys(self.terms.roster, question(self.terms, max_weight=self.max_weight))

    def ask_for_shares(self) -> dict[str, Question]:
        """Send all keys to all who sent one; none if too few did."""
        return dict.fromkeys(self._enough(sorted(self.keys)), question(self.terms, keys=self.keys))

    def ask_for_masked(self) -> dict[str, Question]:
        """Route the sealed shares; none if too few came."""
        sharers = self._enough(sorted(self.shares))
        return {
            name: question(
                self.terms,
                sealed={sender: one.sealed[name] for sender, one in self.shares.items() if name in one.sealed},
                names=sharers,
                max_weight=self.max_weight,
            )
            for name in sharers
        }

    def add(self, name: str, masked: Masked) -> None:
        """Add a client's vector; it is not kept."""
        if name not in self.shares or name in self.survivors:
            raise ProtocolError(f"a vector of {name}, who shared nothing or sent one before")
        if not self.total:
            self.total = zeros(self.terms.parts)
        for total, part in zip(self.total, masked.vector, strict=True):
            add(total, part)
        self.survivors = tuple(sorted((*self.survivors, name)))

    def ask_for_receipts(self) -> dict[str, Question]:
        """Show everybody in the sum who is in it; none if they are too few."""
        return dict.fromkeys(self._enough(self.survivors), question(self.terms, names=self.survivors))

    def ask_for_opened(self) -> dict[str, Question]:
        """Ask for the shares of all secrets that the sum needs; none if too few are in it."""
        asked = question(self.terms, names=self.survivors, receipts=self.receipts)
        return dict.fromkeys(self._enough(self.survivors), asked)

    def _enough(self, names: list[str] | tuple[str, ...]) -> tuple[str, ...]:
        return tuple(names) if len(names) >= self.terms.least else ()

    def unmasked(self) -> list[Ring]:
        """Take all masks off: the exact sum of the survivors by part; ProtocolError without enough shares."""
        if not self._enough(self.survivors):
            raise ProtocolError(f"a sum of {len(self.survivors)} clients, at least {self.terms.least} are needed")
        view = view_of_keys(self.terms, self.keys)
        graph = neighbours_of([*self.keys], view)
        masks_view = view_of_masks(view, [*self.shares], self.model)
        masks: list[tuple[bytes, int]] = []
        for name in self.survivors:
            seed = self._secret(name, graph[name], {who: one.own_masks for who, one in self.opened.items()})
            if digest(b"seed", seed) != self.shares[name].commitment:
                raise ProtocolError(f"the shares of {name} give another mask than it promised")
            masks.append((derived(seed, own_purpose(masks_view, name)), -1))
        for name in sorted({*self.shares} - {*self.survivors}):
            left = [other for other in graph[name] if other in self.survivors]
            if left:
                masks += self._masks_of_lost(name, left, graph[name], masks_view)
        add_masks(self.total, masks)
        return self.total

    def _masks_of_lost(
        self, name: str, left: list[str], neighbours: tuple[str, ...], view: bytes
    ) -> list[tuple[bytes, int]]:
        """Return what the survivors masked for a client that is not in the sum."""
        key = self._secret(name, neighbours, {who: one.keys for who, one in self.opened.items()})
        if public_of(key) != self.keys[name].masking:
            raise ProtocolError(f"the shares of {name} give another key than it sent")
        found = []
        for other in left:
            of_pair = derived(agreed(key, self.keys[other].masking), pair_purpose(view, name, other))
            found.append((of_pair, -1 if other < name else 1))
        return found

    def _secret(self, name: str, neighbours: tuple[str, ...], answers: Mapping[str, Mapping[str, bytes]]) -> bytes:
        shares = {self.terms.place(who): of_all[name] for who, of_all in answers.items() if name in of_all}
        needed = share_threshold(len(neighbours))
        if len(shares) < needed:
            raise ProtocolError(f"{len(shares)} shares of the masks of {name}, {needed} are needed")
        try:
            return combined(shares, needed)
        except ValueError as error:
            raise ProtocolError(f"the shares of {name} fit no secret") from error
