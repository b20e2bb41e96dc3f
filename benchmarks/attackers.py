# ruff: noqa: N803, N806 - shape suffixes, by the legend below
"""What attackers among the clients send instead of their updates, for tests and `benchmarks/attacks.py`.

They work together and know the honest updates of the round, as the publications assume. Label flipping is no entry:
there an attacker trains honestly on labels of the other sign. Shapes: N weights of a network.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fed.messages import Floats, Update
from fed.updates import MAX_DISTANCE, MAX_SAMPLES

Doubles = NDArray[np.float64]
# The honest updates, those that the attackers' own training made, the weights that were sent (N,), and chance -> what
# the attackers send, in their order.
Send = Callable[[Sequence[Update], Sequence[Update], Floats, np.random.Generator], list[Update]]

NO_ATTACK, LABEL_FLIP = "none", "label flip"
NOISE_STEPS = 10.0  # ours: length of Gaussian noise, in lengths of an honest step
LARGE_DEVIATION = 1.5  # ours: standard deviations, far more than the publication's bound allows 4 of 20
NEARLY = 0.99  # of the gate's bound


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """One way to attack; `refused` is in the gate's reason if it does not let such an update pass."""

    send: Send
    help: str
    refused: str | None = None


def _moved(own: Sequence[Update], weights: Sequence[Doubles]) -> list[Update]:
    return [replace(one, weights=row.astype(np.float32)) for one, row in zip(own, weights, strict=True)]


def _steps(updates: Sequence[Update], origin_N: Floats) -> list[Doubles]:
    return [one.weights.astype(np.float64) - origin_N for one in updates]


def sign_flip(
    _honest: Sequence[Update], own: Sequence[Update], origin_N: Floats, _: np.random.Generator
) -> list[Update]:
    """Step back as far as the own training stepped forth."""
    return _moved(own, [origin_N - step_N for step_N in _steps(own, origin_N)])


def huge_weight(
    honest: Sequence[Update], own: Sequence[Update], origin_N: Floats, chance: np.random.Generator
) -> list[Update]:
    """Flip the sign, and claim as many samples as the gate lets pass."""
    return [replace(one, num_samples=MAX_SAMPLES) for one in sign_flip(honest, own, origin_N, chance)]


def times(factor: float) -> Send:
    """Multiply the own step."""

    def send(
        _honest: Sequence[Update], own: Sequence[Update], origin_N: Floats, _: np.random.Generator
    ) -> list[Update]:
        return _moved(own, [origin_N + factor * step_N for step_N in _steps(own, origin_N)])

    return send


def to_the_gate(
    _honest: Sequence[Update], own: Sequence[Update], origin_N: Floats, _: np.random.Generator
) -> list[Update]:
    """Step back as far as the gate allows."""
    reach = NEARLY * MAX_DISTANCE * max(float(np.linalg.norm(origin_N)), 1.0)
    return _moved(own, [origin_N - reach * _direction(step_N) for step_N in _steps(own, origin_N)])


def _direction(step_N: Doubles) -> Doubles:
    """Scale a step to length 1; one that leads nowhere to that of all weights alike."""
    length = float(np.linalg.norm(step_N))
    return step_N / length if length > 0 else np.full(len(step_N), 1 / np.sqrt(len(step_N)))


def gaussian(
    honest: Sequence[Update], own: Sequence[Update], origin_N: Floats, chance: np.random.Generator
) -> list[Update]:
    """Send noise around the weights that were sent, each attacker its own."""
    length = NOISE_STEPS * float(np.median([np.linalg.norm(step_N) for step_N in _steps(honest, origin_N)]))
    spread = length / np.sqrt(len(origin_N))
    return _moved(own, [origin_N + chance.normal(0.0, spread, len(origin_N)) for _ in own])


def inner_product(epsilon: float) -> Send:
    """Step against the mean of the honest steps (Xie et al. 2019, Fall of Empires, arXiv:1903.03936)."""

    def send(honest: Sequence[Update], own: Sequence[Update], origin_N: Floats, _: np.random.Generator) -> list[Update]:
        mean_N = np.mean(_steps(honest, origin_N), axis=0)
        return _moved(own, [origin_N - epsilon * mean_N for _ in own])

    return send


def little_is_enough(deviations: float | None) -> Send:
    """Stay within the spread of the honest, all on one side (Baruch et al. 2019, A Little Is Enough, arXiv:1902.06156).

    None: as many standard deviations as the publication's bound for n clients and f attackers gives.
    """

    def send(honest: Sequence[Update], own: Sequence[Update], _origin: Floats, _: np.random.Generator) -> list[Update]:
        rows = np.stack([one.weights for one in honest]).astype(np.float64)
        z = largest_deviation(len(honest) + len(own), len(own)) if deviations is None else deviations
        shifted_N = rows.mean(axis=0) - z * rows.std(axis=0)
        return _moved(own, [shifted_N for _ in own])

    return send


def largest_deviation(num_clients: int, num_attackers: int) -> float:
    """Return z of Baruch et al. 2019: with s more clients on their side the attackers are a majority."""
    supporters = num_clients // 2 + 1 - num_attackers
    honest = num_clients - num_attackers
    return NormalDist().inv_cdf((honest - supporters) / honest)


def copies(honest: Sequence[Update], own: Sequence[Update], _origin: Floats, _: np.random.Generator) -> list[Update]:
    """Send the weights of one honest client under every attacker's name."""
    return [replace(one, weights=honest[0].weights) for one in own]


def changed(**fields: Any) -> Send:
    """Send an update with other fields; a function makes the value of its update."""

    def send(_honest: Sequence[Update], own: Sequence[Update], _origin: Floats, _: np.random.Generator) -> list[Update]:
        def made(update: Update) -> Update:
            values: dict[str, Any] = {
                name: value(update) if callable(value) else value for name, value in fields.items()
            }
            return replace(update, **values)

        return [made(one) for one in own]

    return send


def _with(value: float) -> Callable[[Update], Floats]:
    def make(update: Update) -> Floats:
        weights_N = update.weights.copy()
        weights_N[len(weights_N) // 2] = value
        return weights_N

    return make


def _twice(honest: Sequence[Update], own: Sequence[Update], _origin: Floats, _: np.random.Generator) -> list[Update]:
    return [honest[0] for _ in own]


ATTACKS: dict[str, Attack] = {
    "sign flip": Attack(send=sign_flip, help="the own step backwards"),
    "to the gate": Attack(send=to_the_gate, help="the own step backwards, as long as the gate allows"),
    "huge weight": Attack(send=huge_weight, help="sign flip, with as many samples as the gate lets pass"),
    "Gaussian": Attack(send=gaussian, help="noise of ten honest steps"),
    "inner product, 0.5": Attack(send=inner_product(0.5), help="half the honest mean step, backwards"),
    "inner product, 10": Attack(send=inner_product(10.0), help="ten times the honest mean step, backwards"),
    "ALIE": Attack(send=little_is_enough(None), help="within the honest spread by the publication's bound"),
    "ALIE, 1.5": Attack(send=little_is_enough(LARGE_DEVIATION), help="1.5 standard deviations off"),
    "copies": Attack(send=copies, help="one honest client's weights under every attacker's name"),
    "x1e6": Attack(send=times(1e6), help="the own step a million times", refused="from the weights it was sent"),
    "NaN": Attack(send=changed(weights=_with(np.nan)), help="one NaN", refused="1 of .* weights are not finite"),
    "infinity": Attack(
        send=changed(weights=_with(np.inf)), help="one infinity", refused="1 of .* weights are not finite"
    ),
    "NaN loss": Attack(send=changed(train_loss=float("nan")), help="a loss of NaN", refused="training loss is nan"),
    "wrong shape": Attack(
        send=changed(weights=lambda one: one.weights[:-1]), help="a weight too few", refused="weights are float32"
    ),
    "other network": Attack(
        send=changed(layout="0123"), help="of another layout", refused="other keys, shapes or types"
    ),
    "stale": Attack(
        send=changed(round=lambda one: one.round - 1), help="of the round before", refused="of round .*, expected"
    ),
    "duplicate": Attack(send=_twice, help="another client's update once more", refused="of client .*, expected"),
    "too many samples": Attack(
        send=changed(num_samples=MAX_SAMPLES + 1), help="one sample more than is allowed", refused="samples, expected"
    ),
}
PASSING = tuple(name for name, one in ATTACKS.items() if one.refused is None)
