"""Run by tests/models/test_device_stacks.py with TRITON_INTERPRET=1: what the kernels give, as JSON."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from models.backends import FLOAT32, STACKED, TRITON
from models.sizes import NETWORKS
from models.stacks import fused, teams, trials
from models.stacks.cells import Layer
from models.stacks.device import DeviceAdam
from models.stacks.folds import StackedFolds
from models.training import Epoch
from tests.models.toys import recipe, toy_series, toy_splits

# Networks, hidden units, which are no power of two, and KiB on the chip: teams of two (larger ones: teams_at_once.py).
DIVIDED = (("rnn", 50, 20), ("bigru", 20, 20), ("bigru", 40, 60), ("bilstm", 20, 20))
# Frames and windows, where a step is the only one, a window or a block of rows.
SMALL = ((1, 17), (2, 1))
BESIDE = 1 << 14  # numbers, more than a row of a kernel's widest product


def between_nothing(draw: Callable[..., tuple[Tensor, ...]]) -> Callable[..., tuple[Tensor, ...]]:
    """Return what draws the same tensors, each between numbers that are none: what is read beside them shows."""

    def surrounded(value: Tensor) -> Tensor:
        around = value.new_full((value.numel() + 2 * BESIDE,), torch.nan)
        inside = around[BESIDE:-BESIDE].view(value.shape)
        return inside.copy_(value)

    def drawn(*shape: Any) -> tuple[Tensor, ...]:
        return tuple(map(surrounded, draw(*shape)))

    return drawn


def layer_errors(network: str, hidden: int, made: Callable[[str, str], type[fused.FusedLayer]]) -> list[float]:
    """Compare hidden states and gradients with those of the layer by steps: more windows than a program has."""
    trials.TRIED_LENGTH, trials.TRIED_BATCH, fused.TRIED_CELLS = 3, fused.ROWS + 4, 2
    return list(trials.tried(made(network, FLOAT32), hidden, "cpu").errors)


def divided(network: str, hidden: int, kib: int) -> tuple[int, bool]:
    """Return how many programs a team has with so much room, and whether each gate has its own product."""
    fused.ROOM = kib << 10
    parts = teams.parts_of(teams.in_teams(network, FLOAT32), hidden, fused.ROOM)
    assert parts is not None
    return fused.padded(hidden) // parts.units, parts.apart


def small_errors(network: str, hidden: int) -> list[float]:
    """Compare a team with the layer by steps on few frames and windows, trained and not."""
    kind = teams.in_teams(network, FLOAT32)
    fused.TRIED_CELLS = 1
    pairs: list[tuple[Tensor, Tensor]] = []
    for trials.TRIED_LENGTH, trials.TRIED_BATCH in SMALL:
        drawn = trials._draw(kind, hidden, "cpu")
        pairs += zip(trials._once(kind, *drawn), trials._once(kind.stepwise, *drawn), strict=True)
    pairs.append((hidden_states(kind, *drawn[:-1]), hidden_states(kind.stepwise, *drawn[:-1])))
    return [float((a - b).abs().max()) for a, b in pairs]


def hidden_states(kind: type[Layer], x_CNF: Tensor, into_CFG: Tensor, back_CHG: Tensor, *biases: Tensor) -> Tensor:
    """Run a layer that is not trained, twice: nothing may be left of the first time."""
    shape = (len(x_CNF), trials.TRIED_LENGTH, trials.TRIED_BATCH, back_CHG.shape[1])
    layer = kind(*shape, like=x_CNF, training=False)
    layer.run(-x_CNF, into_CFG, back_CHG, *biases)
    return layer.run(x_CNF, into_CFG, back_CHG, *biases).clone()


def curves(network: str, backend: str) -> tuple[str, list[float]]:
    """Train two models of two layers for an epoch."""
    one = recipe(
        network=network, hidden_size=4, sequence_length=3, num_layers=2, epochs=1, windows_a_step=8, loss="ccc"
    )
    series = [
        replace(s, features_TF=s.features_TF[:20], valid_T=s.valid_T[:20], gold_T2=s.gold_T2[:20])
        for s in toy_series(4)
    ]
    pack = StackedFolds(series, toy_splits(2, 4), [one], seeds=[0], backend=backend)
    told = next(pack.epochs())[0]
    assert isinstance(told, Epoch)
    return pack.layers.backend, [*told.train_loss, *told.validation_loss, *told.ccc_valence]


def adam_errors() -> tuple[list[float], list[float]]:
    """Compare Adam's kernel with its operations, and return how far a resting model has moved."""
    generator = torch.Generator().manual_seed(0)
    start = {"a": torch.randn(2, 3, 5, generator=generator), "b": torch.randn(2, 1100, generator=generator)}
    both = [{name: value.clone() for name, value in start.items()} for _ in range(2)]
    optimisers = [
        DeviceAdam(one, (1e-2, 1e-3), kernels=kernels) for one, kernels in zip(both, (True, False), strict=True)
    ]
    for _ in range(2):
        grads = [torch.randn(value.shape, generator=generator) for value in start.values()]
        for optimiser in optimisers:
            optimiser.step(grads, torch.tensor([1.0, 0.0], dtype=torch.float64))
    errors = [float((both[0][name] - both[1][name]).abs().max()) for name in start]
    return errors, [float((both[0][name][1] - start[name][1]).abs().max()) for name in start]


def main() -> None:
    """Print what was found."""
    torch.use_deterministic_algorithms(True)  # memory that nobody has written is not a number, and shows
    trials._draw = between_nothing(trials._draw)
    teams.PART = 16  # a sum of products of some parts, as with 512 units
    found: dict[str, dict[str, object]] = {"layers": {}, "teams": {}, "small": {}, "backend": {}, "curves": {}}
    for network in NETWORKS:
        _, expected = curves(network, STACKED)
        found["backend"][network], own = curves(network, TRITON)
        found["curves"][network] = [abs(a - b) for a, b in zip(own, expected, strict=True)]
    for network in NETWORKS:
        found["layers"][network] = layer_errors(network, 5, fused.fused)
    for network, hidden, kib in DIVIDED:
        told = f"{network} {hidden} {divided(network, hidden, kib)}"
        found["teams"][told] = layer_errors(network, hidden, teams.in_teams)
        found["small"][told] = small_errors(network, hidden)
        teams.in_teams.cache_clear()  # the next one is another kind, and tried anew
    errors, resting = adam_errors()
    print(json.dumps({**found, "adam": errors, "resting": resting}))


if __name__ == "__main__":
    main()
