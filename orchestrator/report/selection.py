"""Which of a corpus's searches are reported: the best of each method, network and protocol, field by field."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from orchestrator.protocols import PAPER_EPOCHS
from orchestrator.report.blocks import Block, blocks, epochs, same_key
from orchestrator.report.search_record import Search

EXTENT = ("epochs", "num_folds")  # fields in which a trial run differs from the search that it prepares


def select_named(searches: Sequence[Search]) -> tuple[list[Search], dict[str, str]]:
    """Return the searches that a user named: each has rows of its own, also where two agree in every field."""
    counts = Counter(same_key(one) for one in searches)
    return [replace(one, apart=counts[same_key(one)] > 1) for one in searches], {}


def select(searches: Sequence[Search]) -> tuple[list[Search], dict[str, str]]:
    """Return the searches to report, and notes by run id: why one is not reported, or what alone is of it."""
    notes: dict[str, str] = {}
    whole: list[Search] = []
    for group in _by_key(searches).values():
        for search in group:
            if (more := _more_epochs(search, group)) is None:
                whole.append(search)
            else:
                notes[_id(search)] = f"a trial run of {epochs(search):g} epochs; one of {more:g} is reported"
    chosen: list[Search] = []
    for block in blocks(whole):
        lead, own = block.lead, _networks(block)
        for search in block.searches:
            networks = sorted(network for network, run_id in own.items() if run_id == search.run_id)
            if search is lead:
                chosen.append(search)
            elif networks:
                chosen.append(search)
                notes[_id(search)] = f"for {', '.join(networks)} alone; else {_id(lead)[:8]} is better"
            else:
                notes[_id(search)] = f"{_id(lead)[:8]} is reported for this method and protocol"
    return chosen, notes


def _id(search: Search) -> str:
    return str(search.run_id)


def _by_key(searches: Sequence[Search]) -> dict[str, list[Search]]:
    groups: dict[str, list[Search]] = {}
    for search in searches:
        groups.setdefault(same_key(search, but=EXTENT), []).append(search)
    return groups


def _more_epochs(search: Search, group: Sequence[Search]) -> float | None:
    """Return the epochs of the searches beside which this one is a trial run; None if it is none.

    They have all its networks and more epochs, and it has fewer than they or the paper.
    """
    most = max(epochs(one) for one in group)
    if epochs(search) >= min(PAPER_EPOCHS, most):
        return None
    longer = {trial.network for one in group if epochs(one) > epochs(search) for trial in one.trials}
    return most if {trial.network for trial in search.trials} <= longer else None


def _networks(block: Block) -> dict[str, str | None]:
    """Return the run id of the search that stands for each network."""
    found = {network: block.best(network) for network in block.networks}
    return {network: pair[0].run_id for network, pair in found.items() if pair is not None}
