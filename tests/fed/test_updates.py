"""Flat buffers that lose nothing, and a gate that lets nothing else in."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from fed.messages import Job, Update
from fed.updates import MAX_DISTANCE, Layout, admit, copy_into, flatten, trained_places, unflatten
from tests.fed.toys import LAYOUT, update

ORIGIN = np.array([1.0, -2.0, 2.0, 0.0], dtype=np.float32)  # of norm 3


def network() -> nn.Module:
    model = nn.Sequential(nn.Conv1d(2, 3, 1), nn.BatchNorm1d(3), nn.Linear(4, 2))
    model(torch.randn(5, 2, 4, generator=torch.Generator().manual_seed(0)))  # the counter moves, and the statistics
    return model


def test_a_state_survives_its_flat_buffers() -> None:
    state = network().state_dict()
    layout = Layout.of(state)
    weights, integers = flatten(state, layout)
    assert weights.shape == (layout.num_floats,) == (31,)
    assert integers.tolist() == [1]
    assert layout.num_bytes == 31 * 4 + 8
    back = unflatten(weights, integers, layout)
    assert list(back) == list(state)
    for name, tensor in state.items():
        assert back[name].dtype == tensor.dtype
        assert back[name].shape == tensor.shape
        assert torch.equal(back[name], tensor)
    assert back["1.num_batches_tracked"].shape == ()


def test_copying_into_a_network_reads_views_and_leaves_them_alone() -> None:
    source, target = network(), nn.Sequential(nn.Conv1d(2, 3, 1), nn.BatchNorm1d(3), nn.Linear(4, 2))
    layout = Layout.of(source.state_dict())
    weights, integers = flatten(source.state_dict(), layout)
    weights.flags.writeable = integers.flags.writeable = False
    copy_into(target, weights, integers, layout)
    before = weights.copy()
    with torch.no_grad():
        for parameter in target.parameters():
            parameter.add_(1.0)
    np.testing.assert_array_equal(weights, before)
    assert int(target.get_buffer("1.num_batches_tracked")) == 1
    assert torch.equal(target.get_buffer("1.running_mean"), source.get_buffer("1.running_mean"))


def test_layouts_tell_networks_apart() -> None:
    digests = {
        Layout.of(state).digest
        for state in (
            {"w": torch.zeros(2)},
            {"v": torch.zeros(2)},
            {"w": torch.zeros(2, 1)},
            {"w": torch.zeros(2, dtype=torch.int32)},
        )
    }
    assert len(digests) == 4
    with pytest.raises(ValueError, match="w is float64"):
        Layout.of({"w": torch.zeros(2, dtype=torch.float64)})


def refusal(found: Update, origin: np.ndarray = ORIGIN) -> str | None:
    return admit(found, Job(fold=1, client="P1", row=0, series=(0,)), 3, LAYOUT, origin)


def test_a_sound_update_is_admitted() -> None:
    assert refusal(update("P1")) is None


def weights(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"client": "P2"}, "of client 'P2', expected 'P1'"),
        ({"round": 2}, "of round 2, expected 3"),
        ({"fold": 0}, "of fold 0, expected 1"),
        ({"layout": "0123"}, "other keys, shapes or types"),
        ({"weights": weights(1, 2, 3)}, r"weights are float32 \(3,\), expected float32 \(4,\)"),
        ({"weights": np.ones(4)}, r"weights are float64 \(4,\)"),
        ({"weights": [1.0, 2.0, 3.0, 4.0]}, "weights are list"),
        ({"integers": np.ones(1, np.float32)}, "integers are float32"),
        ({"integers": np.ones(2, np.int64)}, r"integers are int64 \(2,\), expected int64 \(1,\)"),
        ({"num_samples": 0}, "counts 0 samples"),
        ({"num_samples": -4}, "counts -4 samples"),
        ({"num_samples": 2.5}, "counts 2.5 samples"),
        ({"num_samples": True}, "counts True samples"),
        ({"num_samples": 1 << 20}, "counts 1048576 samples, expected a whole number from 1 to 1048575"),
        ({"train_loss": float("nan")}, "training loss is nan"),
        ({"weights": weights(1, float("nan"), 3, float("inf"))}, "2 of 4 weights are not finite"),
        ({"weights": weights(1, 3e38, -3e38, 0)}, "lies inf from the weights it was sent"),
        ({"weights": weights(1, -2, 2, 3 * MAX_DISTANCE + 1)}, "lies 3e.03 from .*, at most 3e.03 are allowed"),
    ],
)
def test_the_gate_refuses(changes: dict[str, Any], reason: str) -> None:
    found = refusal(replace(update("P1"), **changes))
    assert found is not None
    assert re.search(reason, found)


def test_the_bound_is_that_of_the_documentation() -> None:
    at_the_bound = replace(update("P1"), weights=ORIGIN + weights(0, 0, 0, 3 * MAX_DISTANCE))
    assert refusal(at_the_bound) is None
    small = np.zeros(4, np.float32)
    assert refusal(replace(update("P1"), weights=weights(MAX_DISTANCE, 0, 0, 0)), small) is None
    assert refusal(replace(update("P1"), weights=weights(1.01 * MAX_DISTANCE, 0, 0, 0)), small) is not None


def test_statistics_and_counters_are_no_trained_parameters() -> None:
    model = network()
    state = model.state_dict()
    layout = Layout.of(state)
    places = trained_places(model, layout)
    floats, _ = flatten(state, layout)
    found = np.concatenate([floats[place] for place in places])
    expected = torch.cat([parameter.detach().flatten() for parameter in model.parameters()]).numpy()
    np.testing.assert_array_equal(found, expected)
    # Convolution, then scale and shift; behind mean and variance the linear layer.
    assert places == (slice(0, 15), slice(21, 31))
