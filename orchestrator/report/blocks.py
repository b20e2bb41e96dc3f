"""Searches of one method that agree in protocol and options: which stands for a network, and which for all."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields

from orchestrator.protocols import OF_OLDER_PLANS, Protocol
from orchestrator.report.own_options import options_key
from orchestrator.report.queries import (
    PREFERRED_PROTOCOLS,
    NetworkBest,
    best_of,
    best_of_network,
    changes,
    ended_by_itself,
    of_method,
)
from orchestrator.report.search_record import Search

_UNDECISIVE = {one.name for one in fields(Protocol) if not one.metadata.get("decides", True)}


def protocol_fields(search: Search) -> dict[str, object]:
    """Return the fields that decide a result; those that an older plan does not have, as it was run."""
    known = {**OF_OLDER_PLANS, **search.plan["protocol"]}
    return {key: value for key, value in known.items() if key not in _UNDECISIVE}


def same_key(search: Search, *, but: Iterable[str] = ()) -> str:
    """Return what two searches of one method, equal protocol fields and options share; without the fields in `but`."""
    found = {key: value for key, value in protocol_fields(search).items() if key not in set(but)}
    return json.dumps([search.plan["method"], found, options_key(search)], sort_keys=True, default=str)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One or more searches of equal protocol fields and options, which together are a block of rows."""

    searches: Sequence[Search]

    @property
    def lead(self) -> Search:
        """The search of the least validation loss; one that ended by itself goes before one that did not."""
        return max(self.searches, key=lambda one: _rank(one, best_of(one).loss))

    @property
    def protocol(self) -> str:
        """The protocol's name."""
        return str(self.lead.plan["protocol"]["name"])

    @property
    def networks(self) -> list[str]:
        """The networks that were searched, in alphabetical order."""
        return sorted({trial.network for one in self.searches for trial in one.trials})

    def best(self, network: str) -> tuple[Search, NetworkBest] | None:
        """Return the search that has a network's best configuration, and it; None if no search has the network."""
        found = [(one, best) for one in self.searches if (best := best_of_network(one, network)) is not None]
        return max(found, key=lambda pair: _rank(pair[0], pair[1].trial.selection_loss), default=None)


def _rank(search: Search, loss: float) -> tuple[bool, float, bool, str]:
    """Order searches, the best last: ended by itself, least loss, a whole search, the latest."""
    plan = search.plan
    return ended_by_itself(search), -loss, plan.get("command") != "evaluate", str(plan.get("started"))


def blocks(searches: Sequence[Search]) -> list[Block]:
    """Return the blocks in the order of the searches; searches that were named one by one are not put together."""
    groups: dict[str, list[Search]] = {}
    for search in searches:
        own = f" {search.run_id}" if search.apart else ""
        groups.setdefault(same_key(search) + own, []).append(search)
    return [Block(searches=group) for group in groups.values()]


def leads(searches: Sequence[Search]) -> list[Search]:
    """Return the search that stands for each block."""
    return [block.lead for block in blocks(searches)]


def headline(searches: Sequence[Search], method: str) -> Search | None:
    """Return the one search that stands for a method.

    `described` goes before `published` before `strict`, and of one of them the search with the fewest changed fields.
    """

    def place(search: Search) -> tuple[int, int, float]:
        name = str(search.plan["protocol"]["name"])
        known = PREFERRED_PROTOCOLS.index(name) if name in PREFERRED_PROTOCOLS else len(PREFERRED_PROTOCOLS)
        return known, len(changes(search)), -epochs(search)

    return min(leads(of_method(searches, method)), key=place, default=None)


def epochs(search: Search) -> float:
    """Return the epochs of a search's protocol; 0 where its plan does not say."""
    found: Mapping[str, object] = search.plan["protocol"]
    value = found.get("epochs")
    return float(value) if isinstance(value, int | float) else 0.0
