"""A client's update as numbers of a ring, and the sum of all as the round's mean: what secure sums are sums of.

Parts, in this order: statistics of normalisations (64 bits), training loss x windows, windows, seconds (64 bits each),
trained weights (32 bits if their bound allows). Weights and statistics are differences from the global model. Counters
of batches are no sum and are left out. Shapes: N floating-point numbers of a network, P of them trained, R = N - P.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fed.choices import AGGREGATORS
from fed.messages import Floats, Integers, Update
from fed.options import Federation
from fed.secure_sums.masks import digest
from fed.secure_sums.ring import (
    COARSEST,
    SCALAR_BOUND,
    STATISTIC_BOUND,
    Part,
    Ring,
    mean,
    part,
    quantised,
)
from fed.updates import gathered

STATISTICS, LOSS, WINDOWS, SECONDS, WEIGHTS = "statistics", "loss", "windows", "seconds", "weights"
# Steps of losses and seconds may be longer than those of weights; ours.
COARSEST_SCALAR = -10


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where the trained parameters lie among the floats (N,), and where the rest."""

    trained: tuple[slice, ...]
    rest: tuple[slice, ...]

    @classmethod
    def of(cls, trained: Sequence[slice], num_floats: int) -> "Places":
        """Return the gaps of sorted, disjoint slices as well."""
        rest, at = [], 0
        for place in (*trained, slice(num_floats, num_floats)):
            if place.start > at:
                rest.append(slice(at, place.start))
            at = place.stop
        return cls(trained=tuple(trained), rest=tuple(rest))


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What a vector of a fold's round holds, and where it comes from and goes to."""

    places: Places
    parts: tuple[Part, ...]
    by_windows: bool  # a client counts by its windows, else once

    @classmethod
    def of(cls, places: Places, federation: Federation, num_clients: int, max_windows: int) -> "Form":
        """Return the form for a roster, the same for clients and server; RingError if no ring holds it."""
        assert federation.secure_bound is not None, "a federation without secure sums"
        by_windows = AGGREGATORS[federation.aggregator].sums == "samples"
        weight = max_windows if by_windows else 1
        sizes = [sum(one.stop - one.start for one in found) for found in (places.rest, places.trained)]
        kinds = (
            (STATISTICS, sizes[0], STATISTIC_BOUND, weight, 64, COARSEST),
            (LOSS, 1, SCALAR_BOUND, max_windows, 64, COARSEST_SCALAR),
            (WINDOWS, 1, float(max_windows), 1, 64, COARSEST_SCALAR),
            (SECONDS, 1, SCALAR_BOUND, 1, 64, COARSEST_SCALAR),
            (WEIGHTS, sizes[1], federation.secure_bound, weight, 32, COARSEST),
        )
        parts = [
            part(
                name,
                size,
                bound=bound,
                num_clients=num_clients,
                max_weight=largest,
                weighted=largest > 1,
                least_bits=bits,
                coarsest=coarsest,
            )
            for name, size, bound, largest, bits, coarsest in kinds
        ]
        return cls(places=places, parts=tuple(parts), by_windows=by_windows)


def model_digest(weights: Floats, integers: Integers) -> bytes:
    """Return a digest of the global model that a client was sent, (N,) and (M,)."""
    return digest(b"model", *(one.reshape(-1).view(np.uint8).data for one in (weights, integers)))


def encoded(update: Update, weights: Floats, form: Form) -> list[Ring]:
    """Return an update as a vector; OutOfBound if a number is too far from `weights` (N,), which were sent."""
    places, count = form.places, update.num_samples

    def moved(one: Part, where: Sequence[slice]) -> Ring:
        return quantised(one, gathered(update.weights, where), count, gathered(weights, where))

    statistics, loss, windows, seconds, trained = form.parts
    return [
        moved(statistics, places.rest),
        quantised(loss, np.array([update.train_loss]), count),
        quantised(windows, np.array([count]), 1),
        quantised(seconds, np.array([min(update.seconds, SCALAR_BOUND)]), 1),
        moved(trained, places.trained),
    ]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Summed:
    """What the server learns of a fold's round: the mean of the survivors' weights (N,), and sums."""

    weights: Floats
    windows: int
    train_loss: float  # mean, weighted by windows
    seconds: float


def decoded(total: Sequence[Ring], weights: Floats, form: Form, num_clients: int) -> Summed:
    """Undo `encoded` for the sum of `num_clients` vectors; means are rounded to float32 once."""
    statistics, loss, windows, seconds, trained = zip(form.parts, total, strict=True)
    num_windows = round(mean(*windows, 1)[0])
    found = weights.copy()
    for one, where in ((statistics, form.places.rest), (trained, form.places.trained)):
        moved, at = mean(*one, num_windows if form.by_windows else num_clients), 0
        for place in where:
            size = place.stop - place.start
            found[place] = weights[place] + moved[at : at + size]  # in float64, rounded as it is stored
            at += size
    return Summed(
        weights=found,
        windows=num_windows,
        train_loss=float(mean(*loss, num_windows)[0]),
        seconds=float(mean(*seconds, 1)[0]),
    )
