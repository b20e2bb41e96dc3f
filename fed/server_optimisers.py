# ruff: noqa: N803, N806 - shape suffixes, by the legend below
"""From the average of the clients' networks to the next global weights (Reddi et al. 2021, Algorithm 2).

"Adaptive Federated Optimization", arXiv:2003.00295. The change d is the average less the weights that were sent; the
publication corrects no moment for its start, and neither do we. Shapes: P trained parameters; counters and statistics
of batch normalisation are never optimised, the average's count.
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from fed.messages import Floats
from fed.options import Federation

Doubles = NDArray[np.float64]
Slots = Mapping[str, Floats]  # what an optimiser keeps from round to round, each (P,); {} before the first
# Weights before (P,), their average (P,), slots, options -> weights after (P,), slots. Computed in float64.
Optimise = Callable[[Floats, Floats, Slots, Federation], tuple[Floats, Slots]]

LARGEST = float(np.finfo(np.float32).max)


def fedavg(_before_P: Floats, average_P: Floats, slots: Slots, _options: Federation) -> tuple[Floats, Slots]:
    """Take the average as it is, to the last bit."""
    return average_P, slots


def fedavgm(before_P: Floats, average_P: Floats, slots: Slots, options: Federation) -> tuple[Floats, Slots]:
    """Momentum: m = beta1 m + d, w = w + eta m (Hsu et al. 2019, arXiv:1909.06335)."""
    moment_P = _number(options.server_momentum) * _slot(slots, "momentum", before_P) + _change(before_P, average_P)
    return _stepped(before_P, moment_P, options), {"momentum": _stored(moment_P)}


def fedadam(before_P: Floats, average_P: Floats, slots: Slots, options: Federation) -> tuple[Floats, Slots]:
    """Adam: v = beta2 v + (1 - beta2) d^2."""
    beta2 = _number(options.server_beta2)
    return _adaptive(before_P, average_P, slots, options, lambda v_P, d2_P: beta2 * v_P + (1 - beta2) * d2_P)


def fedyogi(before_P: Floats, average_P: Floats, slots: Slots, options: Federation) -> tuple[Floats, Slots]:
    """Yogi: v = v - (1 - beta2) d^2 sign(v - d^2)."""
    beta2 = _number(options.server_beta2)
    return _adaptive(
        before_P, average_P, slots, options, lambda v_P, d2_P: v_P - (1 - beta2) * d2_P * np.sign(v_P - d2_P)
    )


def _adaptive(
    before_P: Floats,
    average_P: Floats,
    slots: Slots,
    options: Federation,
    second: Callable[[Doubles, Doubles], Doubles],
) -> tuple[Floats, Slots]:
    """m = beta1 m + (1 - beta1) d, w = w + eta m / (sqrt(v) + tau); v begins at tau^2, the least that is allowed."""
    beta1, tau = _number(options.server_momentum), _number(options.server_tau)
    change_P = _change(before_P, average_P)
    first_P = beta1 * _slot(slots, "first", before_P) + (1 - beta1) * change_P
    second_P = second(_slot(slots, "second", before_P, tau * tau), change_P * change_P)
    after_P = _stepped(before_P, first_P / (np.sqrt(second_P) + tau), options)
    return after_P, {"first": _stored(first_P), "second": _stored(second_P)}


def _number(value: float | None) -> float:
    assert value is not None, "a parameter of another server optimiser"
    return value


def _change(before_P: Floats, average_P: Floats) -> Doubles:
    return average_P.astype(np.float64) - before_P


def _slot(slots: Slots, name: str, like_P: Floats, start: float = 0.0) -> Doubles:
    return slots[name].astype(np.float64) if name in slots else np.full(len(like_P), start)


def _stepped(before_P: Floats, step_P: Doubles, options: Federation) -> Floats:
    return _stored(before_P + _number(options.server_learning_rate) * step_P)


def _stored(values_P: Doubles) -> Floats:
    """Round once to what a checkpoint holds, so that a resumed training goes on with the same bits; never infinite."""
    return np.clip(values_P, -LARGEST, LARGEST).astype(np.float32)
