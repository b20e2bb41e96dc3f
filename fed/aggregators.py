# ruff: noqa: N803, N806 - shape suffixes, by the legend below
"""From the clients' updates to the next global weights: pure functions, by name (paper, section III.B).

Integers (counters of batches) are never averaged: the largest counts. Nothing here depends on the order in which
updates arrive, nor (mean, weighted mean) on how they were summed up beforehand.
Shapes: C clients, N weights of a network, M integers.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fed.choices import AGGREGATORS
from fed.exact_sums import ExactSum, mean_of
from fed.messages import Floats, Integers, PartialSum, Update
from fed.options import Federation
from models.references import resolve

# Elements sorted at a time; a block of all clients stays in the processor's cache.
BLOCK = 8192


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ServerState:
    """What the server knows of one fold: the global network, and what belongs to it.

    `personal` are the clients' own networks if the aggregator makes such; `slots` is what the server's optimiser keeps
    from round to round, (P,) each, P trained parameters.
    """

    weights: Floats  # (N,)
    integers: Integers  # (M,)
    personal: Mapping[str, Floats] = field(default_factory=dict)  # client -> (N,)
    slots: Mapping[str, Floats] = field(default_factory=dict)


# The state before the round, the updates (or their sums, if the dictionary says that sums are enough) and the options
# -> the state with the average in the place of the weights.
Aggregate = Callable[[ServerState, Sequence[Any], Federation], ServerState]


def aggregate(state: ServerState, updates: Sequence[Update] | Sequence[PartialSum], options: Federation) -> ServerState:
    """Average updates, or sums of them, by the aggregator that was chosen."""
    assert updates, "nothing to aggregate"
    function: Aggregate = resolve(AGGREGATORS[options.aggregator].function)
    return function(state, updates, options)


def needs_sums(name: str) -> bool:
    """Return whether an aggregator is content with sums of updates."""
    return AGGREGATORS[name].sums is not None


def added(before: PartialSum | None, update: Update, aggregator: str) -> PartialSum:
    """Add one update; takes over the buffers of `before`, which must not be used again."""
    floats = ExactSum(len(update.weights)) if before is None else before.floats
    floats.add(update.weights, update.num_samples if AGGREGATORS[aggregator].sums == "samples" else 1)
    if before is None:
        return PartialSum(floats=floats, integers=update.integers.copy(), clients=(update.client,))
    return PartialSum(
        floats=floats,
        integers=np.maximum(before.integers, update.integers),
        clients=(*before.clients, update.client),
    )


def mean(state: ServerState, sums: Sequence[PartialSum], _options: Federation) -> ServerState:
    """Divide sums over disjoint clients by their total weight; each number is rounded once."""
    clients = [name for one in sums for name in one.clients]
    assert len(set(clients)) == len(clients), f"a client counts twice: {clients}"
    integers = np.asarray(np.max([one.integers for one in sums], axis=0), dtype=np.int64)
    return replace(state, weights=mean_of([one.floats for one in sums]), integers=integers)


def median(state: ServerState, updates: Sequence[Update], _options: Federation) -> ServerState:
    """Middle value of every weight; the mean of the two in the middle of an even number (Yin et al. 2018)."""
    return _trimmed(state, updates, (len(updates) - 1) // 2)


def trimmed_mean(state: ServerState, updates: Sequence[Update], options: Federation) -> ServerState:
    """Mean of every weight without the share `trim_share` of smallest and of largest values (Yin et al. 2018).

    At least one of three is left out at either end, unless the share is 0, and never all.
    """
    assert options.trim_share is not None, "a parameter of another aggregator"
    least = 1 if options.trim_share > 0 and len(updates) >= 3 else 0
    trimmed = max(round(options.trim_share * len(updates)), least)
    return _trimmed(state, updates, min(trimmed, (len(updates) - 1) // 2))


def _trimmed(state: ServerState, updates: Sequence[Update], num_trimmed: int) -> ServerState:
    ordered = by_client(updates)
    weights_N = np.empty_like(ordered[0].weights)
    for start in range(0, len(weights_N), BLOCK):
        block_CN = np.stack([update.weights[start : start + BLOCK] for update in ordered])
        block_CN.sort(axis=0, kind="stable")
        kept = ExactSum(block_CN.shape[1])
        for row_N in block_CN[num_trimmed : len(ordered) - num_trimmed]:
            kept.add(row_N)
        weights_N[start : start + BLOCK] = kept.mean()
    return replace(state, weights=weights_N, integers=largest(ordered))


def personalised(state: ServerState, updates: Sequence[Update], _options: Federation) -> ServerState:
    """Keep one global network per client, the average of all clients' by similarity to it; ours after the paper.

    The paper names "n global weights for the n local machines", "weighted averages of the local machines", and
    no weights. Here client j counts for client i by exp(-d_ij^2 / s), d the distance of their updates, s the
    median of d^2 over all pairs. Clients without an update keep their network. People who are no clients get
    the mean of all n.
    """
    ordered = by_client(updates)
    similarity_CC = _similarities(ordered, state.weights)
    own_CN = np.empty((len(ordered), len(state.weights)), dtype=np.float32)
    for start in range(0, len(state.weights), BLOCK):
        block_CN = np.stack([update.weights[start : start + BLOCK] for update in ordered]).astype(np.float64)
        # Around one of them: equal values stay what they are, to the last bit.
        own_CN[:, start : start + BLOCK] = block_CN[0] + similarity_CC @ (block_CN - block_CN[0])
    personal = {**state.personal, **{update.client: own_CN[i] for i, update in enumerate(ordered)}}
    everyone = ExactSum(len(state.weights))
    for name in sorted(personal):
        everyone.add(personal[name])
    return ServerState(weights=everyone.mean(), integers=largest(ordered), personal=dict(sorted(personal.items())))


def _similarities(ordered: Sequence[Update], origin_N: Floats) -> NDArray[np.float64]:
    """How much client j counts for client i, (C, C); rows sum to 1."""
    distance_CC = squared_distances(ordered, origin_N)
    pairs = distance_CC[np.triu_indices(len(ordered), k=1)]
    scale = float(np.median(pairs)) if len(pairs) else 0.0
    weight_CC = np.exp(-distance_CC / scale) if scale > 0 else np.ones_like(distance_CC)
    return np.asarray(weight_CC / weight_CC.sum(axis=1, keepdims=True), dtype=np.float64)


def squared_distances(ordered: Sequence[Update], origin_N: Floats) -> NDArray[np.float64]:
    """Compute the squared distances of all pairs of updates, (C, C), in float64 and in one pass.

    From products of the steps away from `origin_N`, the weights that were sent: products of the weights themselves
    would lose steps that are small beside them.
    """
    num_clients = len(ordered)
    product_CC = np.zeros((num_clients, num_clients))
    for start in range(0, len(origin_N), BLOCK):
        piece_N = origin_N[start : start + BLOCK].astype(np.float64)
        step_CN = np.stack([update.weights[start : start + BLOCK] for update in ordered]) - piece_N
        product_CC += step_CN @ step_CN.T
    squares_C = np.diagonal(product_CC)
    return np.maximum(squares_C[:, None] + squares_C[None, :] - 2.0 * product_CC, 0.0)


def by_client(updates: Sequence[Update]) -> list[Update]:
    """Sort updates into an order that does not depend on their arrival; a client must not come twice."""
    ordered = sorted(updates, key=lambda update: update.client)
    names = [update.client for update in ordered]
    assert len(set(names)) == len(names), f"a client counts twice: {names}"
    return ordered


def largest(updates: Sequence[Update]) -> Integers:
    """Return the largest value of each counter, (M,)."""
    return np.asarray(np.max([update.integers for update in updates], axis=0), dtype=np.int64)
