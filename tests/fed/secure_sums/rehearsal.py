"""One secure sum without any executor, of which clients can be lost at every stage; secrets from fixed seeds."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fed.secure_sums.client import SumClient
from fed.secure_sums.exchange import Terms
from fed.secure_sums.identities import Identities
from fed.secure_sums.masks import digest
from fed.secure_sums.ring import Part, Ring, add, part, quantised, zeros
from fed.secure_sums.server import SumServer

MODEL = digest(b"the global model")


def names(number: int) -> list[str]:
    return [f"P{i:02}" for i in range(number)]


def parts(number: int, size: int = 40, max_weight: int = 1) -> tuple[Part, ...]:
    """64 bits before 32, as in a round."""
    shared: dict[str, Any] = {"num_clients": number, "max_weight": max_weight}
    return (
        part("statistics", 5, bound=1000.0, least_bits=64, **shared),
        part("weights", size, bound=8.0, **shared),
    )


def terms(clients: int = 6, **changes: Any) -> Terms:
    given = {"run": b"run", "number": 1, "fold": 0, "roster": tuple(names(clients)), "parts": parts(clients)}
    return Terms(**{**given, **changes})


def seeded(seed: int) -> Callable[[int], bytes]:
    return random.Random(seed).randbytes


def vector_of(name: str, asked: Terms, weight: int = 1) -> list[Ring]:
    """Quantised numbers that differ from client to client."""
    generator = np.random.default_rng(int(name[1:]))
    return [quantised(one, generator.uniform(-one.bound, one.bound, one.size), weight) for one in asked.parts]


def plain_sum(who: Sequence[str], asked: Terms) -> list[Ring]:
    total = zeros(asked.parts)
    for name in who:
        for one, other in zip(total, vector_of(name, asked), strict=True):
            add(one, other)
    return total


@dataclass
class Rehearsal:
    """Runs a sum; `lost[stage]` give no answer in that stage nor later."""

    terms: Terms
    lost: Mapping[str, Sequence[str]] = field(default_factory=dict)
    models: Mapping[str, bytes] = field(default_factory=dict)  # another than MODEL
    identities: Mapping[str, Identities] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.server = SumServer(terms=self.terms, model=MODEL)
        self.clients = {
            name: SumClient(self.terms, name, identities=self.identities.get(name), random=seeded(i))
            for i, name in enumerate(self.terms.roster)
        }
        self.gone: set[str] = set()
        self.received: list[bytes] = []  # bytes of what clients sent, in their order

    def _left(self, stage: str, asked: Mapping[str, Any]) -> list[tuple[str, Any]]:
        self.gone |= {*self.lost.get(stage, ())}
        return [(name, question) for name, question in asked.items() if name not in self.gone]

    def run(self, until: str = "end") -> list[Ring]:
        """Run up to before a stage, or to the end: the sum."""
        stages = {
            "keys": self._keys,
            "shares": self._shares,
            "masked": self._masked,
            **({"receipts": self._receipts} if self.identities else {}),
            "unmask": self._unmask,
        }
        for stage, go in stages.items():
            if stage == until:
                return []
            go(stage)
        return self.server.unmasked()

    def _keys(self, stage: str) -> None:
        for name, _ in self._left(stage, self.server.ask_for_keys()):
            self.server.keys[name] = self.clients[name].keys()

    def _shares(self, stage: str) -> None:
        for name, question in self._left(stage, self.server.ask_for_shares()):
            self.server.shares[name] = self.clients[name].shares(question.keys)
            self.received += self.server.shares[name].sealed.values()

    def _masked(self, stage: str) -> None:
        for name, question in self._left(stage, self.server.ask_for_masked()):
            self.clients[name].receive(question.sealed, question.names)
            masked = self.clients[name].masked(vector_of(name, self.terms), self.models.get(name, MODEL))
            self.received += [one.tobytes() for one in masked.vector]
            self.server.add(name, masked)

    def _receipts(self, stage: str) -> None:
        for name, question in self._left(stage, self.server.ask_for_receipts()):
            self.server.receipts[name] = self.clients[name].receipt(question.names)

    def _unmask(self, stage: str) -> None:
        for name, question in self._left(stage, self.server.ask_for_opened()):
            self.server.opened[name] = self.clients[name].unmask(question.names, question.receipts)
