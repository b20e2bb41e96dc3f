# ruff: noqa: N803, N806 - shape suffixes, by the legend below
"""Averages that a minority of clients cannot move far, whatever they send through the gate.

The geometric median, Multi-Krum, and the mean of changes that were cut to one length; by name in `fed.choices`.
Shapes: C clients, N weights of a network.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fed.aggregators import BLOCK, ServerState, by_client, largest, squared_distances
from fed.exact_sums import ExactSum
from fed.messages import Floats, Update
from fed.options import Federation, FederationError

Doubles = NDArray[np.float64]

# Ours, in units of the median distance of two different updates. Nearer to an update than SMOOTHING its pull no longer
# grows (Pillutla et al. 2022 have such a constant in the units of the weights); iterations end when one moves the point
# by less than TOLERANCE, or after MAX_ITERATIONS, which only updates in very special positions need.
SMOOTHING = 1e-9
TOLERANCE = 1e-10
MAX_ITERATIONS = 10_000
# Ours: Multi-Krum guards against one attacker of so many clients if no number is given.
CLIENTS_PER_ATTACKER = 5


def geometric_median(state: ServerState, updates: Sequence[Update], _options: Federation) -> ServerState:
    """Return the point with the least sum of distances to the updates, by Weiszfeld's iteration.

    Smoothed as by Pillutla et al. 2022 (Robust Aggregation for Federated Learning, arXiv:1912.13445), but iterated
    until it converges; every client counts alike. Less than half of the clients cannot move it without bound.
    """
    ordered = by_client(updates)
    share_C = weiszfeld(squared_distances(ordered, state.weights))
    weights_N = np.empty_like(state.weights)
    for start in range(0, len(weights_N), BLOCK):
        block_CN = np.stack([update.weights[start : start + BLOCK] for update in ordered]).astype(np.float64)
        # Computed in float64 and rounded once: values that all share stay what they are, to the last bit.
        weights_N[start : start + BLOCK] = share_C @ block_CN
    return replace(state, weights=weights_N, integers=largest(ordered))


def weiszfeld(square_CC: Doubles) -> Doubles:
    """Compute with which share each point enters the geometric median, (C,), from their squared distances (C, C).

    All iterates are weighted means of the points, so they need no coordinates: the squared distance of such a mean to
    point i is the weighted mean of that point's squared distances, less half of the weighted mean over all pairs.
    """
    num_points = len(square_CC)
    share_C = np.full(num_points, 1.0 / num_points)
    apart = square_CC[np.triu_indices(num_points, k=1)]
    if not apart.any():
        return share_C
    scale = float(np.sqrt(np.median(apart[apart > 0])))
    for _ in range(MAX_ITERATIONS):
        mean_C = square_CC @ share_C
        distance_C = np.sqrt(np.maximum(mean_C - 0.5 * float(share_C @ mean_C), 0.0))
        pull_C = 1.0 / np.maximum(distance_C, SMOOTHING * scale)
        next_C = pull_C / pull_C.sum()
        move_C = next_C - share_C
        share_C = next_C
        if -0.5 * float(move_C @ square_CC @ move_C) <= (TOLERANCE * scale) ** 2:
            break
    return share_C


def multi_krum(state: ServerState, updates: Sequence[Update], options: Federation) -> ServerState:
    """Average the updates that lie closest to most others, exactly (Blanchard et al. 2017, arXiv:1703.02757).

    With n updates and f attackers an update's score is the sum of its n - f - 2 smallest squared distances to others;
    the m with the smallest scores are averaged, of equal scores those that come first by name. FederationError unless
    n >= 2 f + 3 and m <= n - f.
    """
    ordered = by_client(updates)
    num_attackers, num_kept = krum_figures(options, len(ordered))
    square_CC = squared_distances(ordered, state.weights)
    np.fill_diagonal(square_CC, np.inf)
    nearest_CC = np.sort(square_CC, axis=1)[:, : len(ordered) - num_attackers - 2]
    chosen = np.argsort(nearest_CC.sum(axis=1), kind="stable")[:num_kept]
    total = ExactSum(len(state.weights))
    for index in chosen.tolist():
        total.add(ordered[index].weights)
    return replace(state, weights=total.mean(), integers=largest(ordered))


def krum_figures(options: Federation, num_updates: int) -> tuple[int, int]:
    """Return how many of the updates may be attackers' and how many are averaged, f and m.

    FederationError, with the figures, unless n >= 2 f + 3 and m <= n - f.
    """
    given = options.krum_attackers
    f = num_updates // CLIENTS_PER_ATTACKER if given is None else given
    if num_updates < 2 * f + 3:
        found = f"{f} of {num_updates} clients that train"
        most = (num_updates - 3) // 2
        fewer = f", or at most {most} of {num_updates}" if most >= 0 else ""
        raise FederationError("krum_attackers", found, f"at least 2 x {f} + 3 = {2 * f + 3} clients{fewer}")
    m = num_updates - f if options.krum_kept is None else options.krum_kept
    if m > num_updates - f:
        found = f"{m} of {num_updates} clients that train, of whom {f} may attack"
        raise FederationError("krum_kept", found, f"at most {num_updates} - {f} = {num_updates - f}")
    return f, m


def check_krum(options: Federation, num_updates: int) -> None:
    """FederationError, with the figures, if Multi-Krum cannot aggregate so few updates."""
    krum_figures(options, num_updates)


def norm_clipped_mean(state: ServerState, updates: Sequence[Update], options: Federation) -> ServerState:
    """Average the updates after each change of the weights that were sent is cut to the length `clip_norm`.

    Cut by a bound that is given: Sun et al. 2019 (Can You Really Backdoor Federated Learning?, arXiv:1911.07963). None:
    by the median length of the round, a quantile of Andrew et al. 2021 (arXiv:1905.03871), taken anew every round and
    without their privacy. It bounds an attacker's length, not the direction: f of n move the average by f / n of the
    bound at most. Changes that are not too long enter as they are, so the result is the mean if nobody is cut.
    """
    ordered = by_client(updates)
    lengths = [_length(update.weights, state.weights) for update in ordered]
    bound = float(np.median(lengths)) if options.clip_norm is None else options.clip_norm
    weights_N = np.empty_like(state.weights)
    for start in range(0, len(weights_N), BLOCK):
        before_N = state.weights[start : start + BLOCK].astype(np.float64)
        total = ExactSum(len(before_N))
        for update, length in zip(ordered, lengths, strict=True):
            piece_N: Floats = update.weights[start : start + BLOCK]
            if length > bound:
                piece_N = (before_N + (bound / length) * (piece_N - before_N)).astype(np.float32)
            total.add(piece_N)
        weights_N[start : start + BLOCK] = total.mean()
    return replace(state, weights=weights_N, integers=largest(ordered))


def _length(weights_N: Floats, origin_N: Floats) -> float:
    """Compute the Euclidean distance of two buffers in float64."""
    square = 0.0
    for start in range(0, len(origin_N), BLOCK):
        step_N = weights_N[start : start + BLOCK] - origin_N[start : start + BLOCK].astype(np.float64)
        square += float(step_N @ step_N)
    return float(np.sqrt(square))
