"""Server optimisers against a few lines of their own, against torch where they coincide, and through a kill."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from fed.aggregators import ServerState
from fed.choices import AGGREGATORS, SERVER_OPTIMISERS
from fed.federated_round import server_step
from fed.options import Federation, abouts, option_of
from models.checkpoints import CheckpointError
from models.references import resolve
from tests.fed.toys import assert_same, federation, flat, trained
from tests.models.toys import recipe

ROOT = Path(__file__).parents[2]
OTHERS = [name for name in SERVER_OPTIMISERS if name != "fedavg"]
DRAWN = np.random.default_rng(5).normal(size=(6, 9)).astype(np.float32)
WHOLE = (slice(0, 9),)


def walk(rounds: int = 5, **options: Any) -> list[np.ndarray]:
    """Global weights after each round; the average of round t is what was sent plus row t of DRAWN."""
    chosen = Federation(**options)
    state = ServerState(weights=DRAWN[5], integers=np.array([3]))
    found = []
    for change in DRAWN[:rounds]:
        average = ServerState(weights=state.weights + change, integers=state.integers + 1, slots=state.slots)
        state = server_step(state, average, chosen, WHOLE)
        found.append(state.weights)
    assert state.integers.tolist() == [3 + rounds]
    return found


def test_every_server_optimiser_is_a_function_with_a_line_of_help() -> None:
    for one in SERVER_OPTIMISERS.values():
        assert callable(resolve(one.function))
        assert one.help


def test_fedavg_is_the_average_to_the_last_bit_and_keeps_nothing() -> None:
    average = ServerState(weights=DRAWN[1], integers=np.array([9]))
    found = server_step(ServerState(weights=DRAWN[0], integers=np.array([3])), average, Federation(), WHOLE)
    assert found.weights.tobytes() == DRAWN[1].tobytes()
    assert found.weights is average.weights  # nor is anything copied
    assert not found.slots


@pytest.mark.parametrize("name", OTHERS)
def test_values_by_hand(name: str) -> None:
    """Algorithm 2 of the publication, in float64 and one weight at a time."""
    eta, beta1, beta2, tau = 0.05, 0.8, 0.7, 0.01
    adaptive: dict[str, Any] = {"server_beta2": beta2, "server_tau": tau} if name != "fedavgm" else {}
    found = walk(server_optimiser=name, server_learning_rate=eta, server_momentum=beta1, **adaptive)
    for place in range(9):
        x, m, v = float(DRAWN[5, place]), 0.0, tau**2
        for number in range(5):
            d = float(np.float32(np.float32(x) + DRAWN[number, place])) - x
            if name == "fedavgm":
                m = beta1 * m + d
                x += eta * m
            else:
                m = beta1 * m + (1 - beta1) * d
                if name == "fedadam":
                    v = beta2 * v + (1 - beta2) * d * d
                elif v > d * d:
                    v -= (1 - beta2) * d * d
                else:
                    v += (1 - beta2) * d * d
                x += eta * m / (v**0.5 + tau)
            # The weights and what is kept are float32: one part in 2^24 a round, and the sum may be small.
            assert found[number][place] == pytest.approx(x, rel=1e-5, abs=1e-6)


def by_torch(make: Any, rounds: int = 5) -> list[np.ndarray]:
    """The same walk with a torch optimiser, whose gradient is the negative change."""
    weights = nn.Parameter(torch.from_numpy(DRAWN[5].copy()).double())
    optimiser = make([weights])
    found = []
    for number in range(rounds):
        weights.grad = -torch.from_numpy(DRAWN[number]).double()
        for group in optimiser.param_groups:
            group["lr"] = group["schedule"](number + 1) if "schedule" in group else group["lr"]
        optimiser.step()
        found.append(weights.detach().numpy().copy())
    return found


def test_fedavgm_is_torchs_sgd_with_momentum() -> None:
    expected = by_torch(lambda weights: torch.optim.SGD(weights, lr=0.3, momentum=0.9))
    found = walk(server_optimiser="fedavgm", server_learning_rate=0.3)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)  # float32 weights in between


def test_fedadam_without_memory_of_squares_is_torchs_adam() -> None:
    """With beta2 0 neither the start of v nor its correction counts; that of m is taken out of torch's step."""

    def adam(weights: Any) -> torch.optim.Optimizer:
        group = {"params": weights, "schedule": lambda t: 0.02 * (1 - 0.9**t)}
        return torch.optim.Adam([group], lr=0.02, betas=(0.9, 0.0), eps=1e-3)

    found = walk(server_optimiser="fedadam", server_learning_rate=0.02, server_beta2=0.0)
    np.testing.assert_allclose(found, by_torch(adam), rtol=1e-5, atol=1e-6)


def test_fedavgm_without_momentum_is_fedavg() -> None:
    expected = walk(server_optimiser="fedavg")
    np.testing.assert_array_equal(walk(server_optimiser="fedavgm", server_momentum=0.0), expected)


@pytest.mark.parametrize("name", OTHERS)
def test_statistics_and_counters_are_the_averages(name: str) -> None:
    state = ServerState(weights=DRAWN[0], integers=np.array([3]))
    average = ServerState(weights=DRAWN[1], integers=np.array([9]))
    places = (slice(0, 2), slice(5, 7))
    found = server_step(state, average, Federation(server_optimiser=name), places)
    alone = server_step(state, average, Federation(server_optimiser=name), WHOLE)
    trained_places = np.array([0, 1, 5, 6])
    np.testing.assert_array_equal(found.weights[trained_places], alone.weights[trained_places])
    others = np.array([2, 3, 4, 7, 8])
    np.testing.assert_array_equal(found.weights[others], DRAWN[1][others])
    assert found.integers.tolist() == [9]
    assert {len(values) for values in found.slots.values()} == {4}


@pytest.mark.parametrize("name", OTHERS)
def test_changes_of_any_size_give_finite_weights(name: str) -> None:
    options = Federation(server_optimiser=name)
    state = ServerState(weights=np.zeros(4, np.float32), integers=np.array([0]))
    for change in (3e38, -3e38, 1e-44, 0.0):
        average = ServerState(weights=np.full(4, change, np.float32), integers=np.array([0]), slots=state.slots)
        state = server_step(state, average, options, (slice(0, 4),))
        assert np.isfinite(state.weights).all()
        assert all(np.isfinite(values).all() for values in state.slots.values())


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("keep", ["last", "best"])
def test_resumed_after_any_round_equals_uninterrupted(tmp_path: Path, name: str, keep: str) -> None:
    settings: dict[str, Any] = {"chosen": recipe(epochs=4, keep=keep), "server_optimiser": name}
    whole = trained(**settings)
    assert not torch.equal(flat(whole, 0), flat(trained(chosen=settings["chosen"]), 0))
    for stop in (1, 2, 3):
        first = federation(checkpoint=tmp_path / str(stop), **settings)
        for epoch in first.epochs():
            if epoch.number == stop:
                break
        second = federation(checkpoint=tmp_path / str(stop), **settings)
        second.load(tmp_path / str(stop))
        assert len(list(second.epochs())) == 4 - stop
        assert_same(second, whole)


KILLED = """
import os, signal, sys
import torch
torch.set_num_threads(1)
from pathlib import Path
from tests.fed.toys import federation
from tests.models.toys import recipe
folder = Path(sys.argv[1])
folds = federation(chosen=recipe(epochs=3), server_optimiser="fedyogi", checkpoint=folder)
if folder.exists():
    folds.load(folder)
for epoch in folds.epochs():
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_killed_after_every_round_equals_uninterrupted(tmp_path: Path) -> None:
    folder = tmp_path / "saved"
    for _ in range(2):  # what `epochs` yields is saved before
        done = subprocess.run([sys.executable, "-c", KILLED, str(folder)], cwd=ROOT, check=False)
        assert done.returncode == -signal.SIGKILL
    settings: dict[str, Any] = {"chosen": recipe(epochs=3), "server_optimiser": "fedyogi"}
    last = federation(**settings)
    last.load(folder)
    assert len(last.history) == 2
    assert len(list(last.epochs())) == 1
    assert_same(last, trained(**settings))


FIRST_FIELDS = ["aggregator", "local_epochs", "proximal", "optimiser", "batch_norm"]


@pytest.mark.parametrize("aggregator", ["mean", "trimmed-mean"])
def test_a_checkpoint_without_later_options_is_that_of_an_earlier_version(tmp_path: Path, aggregator: str) -> None:
    """What stands in a checkpoint is compared with what the federation says: neither names what is newer."""
    federation(aggregator=aggregator).save(tmp_path)
    content = json.loads((tmp_path / "checkpoint.json").read_text())["content"]
    assert list(content["training"]["federation"]) == FIRST_FIELDS
    assert not [name for name in load_file(tmp_path / json_name(tmp_path)) if "slot" in name]


def json_name(folder: Path) -> str:
    return str(json.loads((folder / "checkpoint.json").read_text())["tensors"])


def test_checkpoints_of_other_server_optimisers_are_refused(tmp_path: Path) -> None:
    federation(server_optimiser="fedadam").save(tmp_path)
    for other in ({}, {"server_optimiser": "fedyogi"}, {"server_optimiser": "fedadam", "server_tau": 0.1}):
        with pytest.raises(CheckpointError, match="of another training: federation is"):
            federation(**other).load(tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"server_optimiser": "fedsgd"}, "'fedsgd'; expected one of fedavg, fedadam, fedyogi, fedavgm"),
        (
            {"server_momentum": 0.9},
            "0.9 beside --server-optimiser fedavg; expected it with fedadam or fedyogi or fedavgm only",
        ),
        (
            {"server_optimiser": "fedavgm", "server_tau": 0.1},
            "server_tau: found 0.1 beside .* fedavgm; expected it with fedadam or fedyogi only",
        ),
        ({"server_optimiser": "fedadam", "server_tau": 0.0}, "server_tau: found 0.0; expected over 0"),
        ({"server_optimiser": "fedadam", "server_momentum": 1.0}, "found 1.0; expected at least 0 and under 1"),
        ({"server_optimiser": "fedadam", "server_beta2": float("nan")}, "server_beta2: found nan; expected"),
        (
            {"server_optimiser": "fedavgm", "server_learning_rate": -1.0},
            "server_learning_rate: found -1.0; expected over 0",
        ),
        (
            {"server_optimiser": "fedyogi", "aggregator": "personalised"},
            "fedyogi beside personal networks .personalised.; expected fedavg",
        ),
        (
            {"aggregator": "median", "trim_share": 0.1},
            "0.1 beside --aggregator median; expected it with trimmed-mean only",
        ),
        ({"aggregator": "trimmed-mean", "trim_share": 0.5}, "trim_share: found 0.5; expected at least 0 and under 0.5"),
    ],
)
def test_parameters_are_refused_where_they_do_not_apply(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Federation(**options)


def test_parameters_that_were_left_out_have_the_defaults_of_the_choice() -> None:
    adam, momentum, none = (Federation(server_optimiser=name) for name in ("fedadam", "fedavgm", "fedavg"))
    names = ("server_learning_rate", "server_momentum", "server_beta2", "server_tau", "trim_share")
    assert [getattr(adam, name) for name in names] == [0.01, 0.9, 0.99, 1e-3, None]
    assert [getattr(momentum, name) for name in names] == [1.0, 0.9, None, None, None]
    assert [getattr(none, name) for name in names] == [None] * 5
    assert Federation(aggregator="trimmed-mean").trim_share == 0.1
    assert Federation(server_optimiser="fedadam", server_beta2=0.99) == adam


def test_the_documents_have_every_choice_and_parameter() -> None:
    text = (ROOT / "docs" / "federation.md").read_text(encoding="utf-8")
    for name in (*AGGREGATORS, *SERVER_OPTIMISERS):
        assert f"| `{name}` |" in text, name
    parameters = {option_of(name): about for name, about in abouts().items() if about.of}
    assert len(parameters) >= 8
    for option, about in parameters.items():
        assert f"`{option}`" in text, option
        assert {f"{value:g}" for value in about.defaults.values() if value is not None} <= set(
            re.findall(r"[0-9.]*[0-9]", text)
        ), option
