"""One client in one secure sum, from its keys to its shares of the others' secrets (Bonawitz et al. 2017, figure 4).

Each stage is entered once, in order; only the last question may be repeated, and gets the answer that is stored. All
secrets are drawn anew for every sum and live in this object alone.
"""

import os
from collections.abc import Mapping, Sequence

from fed.secure_sums.exchange import (
    Keys,
    Masked,
    Opened,
    ProtocolError,
    Receipt,
    Shares,
    Terms,
    own_purpose,
    pair_purpose,
    seal_purpose,
    signed_keys,
    view_of_keys,
    view_of_masks,
    view_of_sum,
)
from fed.secure_sums.graph import neighbours_of, share_threshold
from fed.secure_sums.identities import Identities
from fed.secure_sums.masks import KEY_BYTES, SealBroken, add_masks, agreed, derived, digest, opened, public_of, sealed
from fed.secure_sums.ring import Ring
from fed.secure_sums.shamir import SHARE_BYTES, Random, split


class SumClient:
    """The state of one client in one sum; ProtocolError for whatever the protocol does not allow."""

    def __init__(
        self, terms: Terms, name: str, *, identities: Identities | None = None, random: Random = os.urandom
    ) -> None:
        """Draw two key pairs and the seed of the own mask."""
        if name not in terms.roster:
            raise ProtocolError(f"{name} is not in the roster")
        self.terms, self.name = terms, name
        self._identities, self._random = identities, random
        self._masking, self._sealing, self._seed = (random(KEY_BYTES) for _ in range(3))
        self._stage = "made"
        self._others: dict[str, Keys] = {}
        self._neighbours: tuple[str, ...] = ()
        self._held: dict[str, tuple[bytes, bytes]] = {}  # shares of key and of own mask, by neighbour
        self._keys_view = self._masks_view = b""
        self._sharers: tuple[str, ...] = ()
        self._signed: bytes | None = None
        self._answered: tuple[bytes, Opened] | None = None

    def keys(self) -> Keys:
        """Return the public keys, signed if there are identities."""
        self._enter("keys", after="made")
        bare = Keys(masking=public_of(self._masking), sealing=public_of(self._sealing))
        if self._identities is None:
            return bare
        signature = self._identities.signature(signed_keys(self.terms, self.name, bare))
        return Keys(masking=bare.masking, sealing=bare.sealing, signature=signature)

    def shares(self, keys: Mapping[str, Keys]) -> Shares:
        """Check everybody's keys, find the neighbours, and seal a share of both secrets for each."""
        self._enter("shares", after="keys")
        self._check_keys(keys)
        self._keys_view = view_of_keys(self.terms, keys)
        self._neighbours = neighbours_of([*keys], self._keys_view)[self.name]
        self._others = {name: keys[name] for name in self._neighbours}
        places = [self.terms.place(name) for name in self._neighbours]
        threshold = share_threshold(len(places))
        of_key, of_seed = (split(secret, places, threshold, self._random) for secret in (self._masking, self._seed))
        messages = {
            name: sealed(
                self._seal_key(self.name, name, self._others[name]),
                of_key[place] + of_seed[place],
                seal_purpose(self._keys_view, self.name, name),
            )
            for name, place in zip(self._neighbours, places, strict=True)
        }
        return Shares(sealed=messages, commitment=digest(b"seed", self._seed))

    def _check_keys(self, keys: Mapping[str, Keys]) -> None:
        own = keys.get(self.name)
        if own is None or (own.masking, own.sealing) != (public_of(self._masking), public_of(self._sealing)):
            raise ProtocolError("the list of keys has not the own ones")
        if not {*keys} <= {*self.terms.roster} or len(keys) < self.terms.least:
            raise ProtocolError(f"keys of {len(keys)} clients of the roster, at least {self.terms.least} are needed")
        if len({part for one in keys.values() for part in (one.masking, one.sealing)}) != 2 * len(keys):
            raise ProtocolError("a key is there twice")
        if self._identities is not None:
            for name, one in keys.items():
                if not self._identities.holds(name, one.signature, signed_keys(self.terms, name, one)):
                    raise ProtocolError(f"the keys of {name} are not signed by its identity")

    def _seal_key(self, sender: str, receiver: str, other: Keys) -> bytes:
        return derived(agreed(self._sealing, other.sealing), seal_purpose(self._keys_view, sender, receiver))

    def receive(self, messages: Mapping[str, bytes], sharers: Sequence[str]) -> None:
        """Open the neighbours' shares before any training; `sharers` are all who sent some."""
        self._enter("received", after="shares")
        self._sharers = tuple(sorted(sharers))
        near = [name for name in self._neighbours if name in self._sharers]
        if self.name not in self._sharers or len(self._sharers) < self.terms.least:
            raise ProtocolError(f"{len(self._sharers)} clients shared, at least {self.terms.least} are needed")
        if len(near) < share_threshold(len(self._neighbours)):
            raise ProtocolError(f"{len(near)} of {len(self._neighbours)} neighbours are left: too few to unmask")
        for name in near:
            key = self._seal_key(name, self.name, self._others[name])
            try:
                both = opened(key, messages.get(name, b""), seal_purpose(self._keys_view, name, self.name))
            except SealBroken as error:
                raise ProtocolError(f"the shares of {name} cannot be opened") from error
            self._held[name] = both[:SHARE_BYTES], both[SHARE_BYTES:]

    def masked(self, vector: Sequence[Ring], model: bytes) -> Masked:
        """Mask a vector in place; `model` is a digest of the global model that this client was sent."""
        self._enter("masked", after="received")
        shapes = [(one.dtype, one.shape) for one in vector]
        assert shapes == [(part.dtype, (part.size,)) for part in self.terms.parts], "a vector of other parts"
        self._masks_view = view_of_masks(self._keys_view, self._sharers, model)
        masks = [(derived(self._seed, own_purpose(self._masks_view, self.name)), 1)]
        for name in self._held:
            secret = agreed(self._masking, self._others[name].masking)
            key = derived(secret, pair_purpose(self._masks_view, self.name, name))
            masks.append((key, 1 if self.name < name else -1))
        add_masks(vector, masks)
        return Masked(vector=tuple(vector))

    def receipt(self, survivors: Sequence[str]) -> Receipt:
        """Sign the list of those in the sum: once, another list is refused."""
        if self._identities is None:
            raise ProtocolError("there are no identities to sign with")
        self._check_survivors(survivors)
        content = view_of_sum(self._masks_view, survivors)
        if self._signed not in (None, content):
            raise ProtocolError("a second, different list of those in the sum")
        self._signed = content
        return Receipt(signature=self._identities.signature(content))

    def unmask(self, survivors: Sequence[str], receipts: Mapping[str, Receipt]) -> Opened:
        """Return shares of the survivors' own masks and of the others' keys.

        The answer is stored before it is returned; the same question gets it again, a different one is refused.
        """
        self._check_survivors(survivors)
        asked = view_of_sum(self._masks_view, survivors)
        if self._answered is not None:
            if self._answered[0] != asked:
                raise ProtocolError("a second, different question for shares in one sum")
            return self._answered[1]
        if self._identities is not None:
            self._check_receipts(asked, survivors, receipts)
        own_masks = {name: of_seed for name, (_, of_seed) in self._held.items() if name in survivors}
        keys = {name: of_key for name, (of_key, _) in self._held.items() if name not in survivors}
        self._answered = asked, Opened(own_masks=own_masks, keys=keys)
        self._held, self._masking, self._sealing, self._seed = {}, b"", b"", b""
        return self._answered[1]

    def _check_survivors(self, survivors: Sequence[str]) -> None:
        if self._stage != "masked":
            raise ProtocolError(f"asked about the sum in stage {self._stage!r}, expected after 'masked'")
        if self.name not in survivors or not {*survivors} <= {*self._sharers}:
            raise ProtocolError("those in the sum must have shared, and this client must be one")
        if len({*survivors}) < self.terms.least:
            raise ProtocolError(f"a sum of {len({*survivors})} clients, at least {self.terms.least} are needed")

    def _check_receipts(self, asked: bytes, survivors: Sequence[str], receipts: Mapping[str, Receipt]) -> None:
        assert self._identities is not None
        if self._signed != asked:
            raise ProtocolError("another list of those in the sum than was signed")
        good = [
            name
            for name, one in receipts.items()
            if name in survivors and self._identities.holds(name, one.signature, asked)
        ]
        if len(good) < self.terms.least:
            raise ProtocolError(f"{len(good)} clients signed the list, at least {self.terms.least} are needed")

    def _enter(self, stage: str, *, after: str) -> None:
        if self._stage != after:
            raise ProtocolError(f"asked for {stage!r} in stage {self._stage!r}, expected after {after!r}")
        self._stage = stage
