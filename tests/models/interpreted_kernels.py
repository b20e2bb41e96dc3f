"""Run by tests/models/test_device_stacks.py with TRITON_INTERPRET=1: what the kernels give, as JSON."""

import json
from collections.abc import Callable
from dataclasses import replace

import torch

from models.backends import FLOAT32, STACKED, TRITON
from models.sizes import NETWORKS
from models.stacks import fused, teams, trials
from models.stacks.device import DeviceAdam
from models.stacks.folds import StackedFolds
from models.training import Epoch
from tests.models.toys import recipe, toy_series, toy_splits


def layer_errors(network: str, hidden: int, made: Callable[[str, str], type[fused.FusedLayer]]) -> list[float]:
    """Compare hidden states and gradients with those of the layer by steps: more windows than a program has."""
    trials.TRIED_LENGTH = 4
    return list(trials.tried(made(network, FLOAT32), hidden, "cpu").errors)


def divided(network: str, hidden: int, room: int) -> tuple[int, bool]:
    """Return how many programs a team has with so much room, and whether each gate has its own product."""
    teams.ROOM = room
    parts = teams.parts_of(teams.in_teams(network, FLOAT32), hidden, room)
    assert parts is not None
    return fused.padded(hidden) // parts.units, parts.apart


def curves(network: str, backend: str) -> tuple[str, list[float]]:
    """Train two models of two layers for an epoch."""
    one = recipe(
        network=network, hidden_size=4, sequence_length=4, num_layers=2, epochs=1, windows_a_step=8, loss="ccc"
    )
    series = [
        replace(s, features_TF=s.features_TF[:30], valid_T=s.valid_T[:30], gold_T2=s.gold_T2[:30])
        for s in toy_series(4)
    ]
    pack = StackedFolds(series, toy_splits(2, 4), [one], seeds=[0], backend=backend)
    told = next(pack.epochs())[0]
    assert isinstance(told, Epoch)
    return pack.layers.backend, [*told.train_loss, *told.validation_loss, *told.ccc_valence]


def adam_errors() -> tuple[float, float]:
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
    error = max(float((both[0][name] - both[1][name]).abs().max()) for name in start)
    return error, max(float((both[0][name][1] - start[name][1]).abs().max()) for name in start)


def main() -> None:
    """Print what was found."""
    found: dict[str, dict[str, object]] = {"layers": {}, "teams": {}, "backend": {}, "curves": {}}
    for network in NETWORKS:
        found["layers"][network] = layer_errors(network, 5, fused.fused)
        for hidden, room in ((40, 20 << 10), (100, 110 << 10)):
            told = f"{network} {hidden} {divided(network, hidden, room)}"
            found["teams"][told] = layer_errors(network, hidden, teams.in_teams)
        _, expected = curves(network, STACKED)
        found["backend"][network], own = curves(network, TRITON)
        found["curves"][network] = max(abs(a - b) for a, b in zip(own, expected, strict=True))
    error, resting = adam_errors()
    print(json.dumps({**found, "adam": error, "resting": resting}))


if __name__ == "__main__":
    main()
