"""Layers by teams of programs: how they are divided, what refuses them, and their hand-overs in drawn orders."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from models.backends import BF16, FLOAT32, PRECISIONS, STACKED_CUDA, TF32, TRITON
from models.sizes import NETWORKS
from models.stacks import fused, layers, teams, trials
from models.stacks.cells import Tanh
from models.stacks.teams import Parts, Team, in_teams, parts_of
from tests.models.interpreter import interpreted
from tests.models.toys import recipe

ROOT = Path(__file__).resolve().parents[2]
GATES = {"rnn": 1, "bigru": 3, "bilstm": 4}
CARDS = (227, 163, 99)  # KiB on a multiprocessor of an H100, an A100 and an RTX 4090
UNITS = (64, 100, 128, 200, 256, 300, 512, 1024)

# Units of a program and whether each gate has its own product, per card of CARDS: of 128, 256 and 512 units.
DIVIDED: dict[tuple[str, str], tuple[tuple[tuple[int, bool] | None, ...], ...]] = {
    ("rnn", FLOAT32): (
        ((64, False), (64, False), (64, False)),
        ((64, False), (64, False), (32, False)),
        ((32, False), (32, False), None),
    ),
    ("rnn", TF32): (
        ((64, False), (64, False), (64, False)),
        ((128, False), (128, False), (64, False)),
        ((64, False), (64, False), (32, False)),
    ),
    ("rnn", BF16): (
        ((64, False), (64, False), (64, False)),
        ((128, False), (128, False), (128, False)),
        ((128, False), (128, False), (64, False)),
    ),
    ("bigru", FLOAT32): (
        ((64, True), (32, True), (16, False)),
        ((32, True), (16, False), None),
        (None, None, None),
    ),
    ("bigru", TF32): (
        ((64, True), (64, True), (32, True)),
        ((64, True), (32, True), (16, False)),
        ((32, True), (16, False), None),
    ),
    ("bigru", BF16): (
        ((64, True), (64, True), (64, True)),
        ((128, True), (64, True), (32, True)),
        ((64, True), (32, True), (16, False)),
    ),
    ("bilstm", FLOAT32): (
        ((32, False), (32, False), (16, False)),
        ((16, False), (16, False), None),
        (None, None, None),
    ),
    ("bilstm", TF32): (
        ((64, False), (64, False), (32, False)),
        ((32, False), (32, False), (16, False)),
        ((16, False), (16, False), None),
    ),
    ("bilstm", BF16): (
        ((64, False), (64, False), (64, False)),
        ((64, False), (64, False), (32, False)),
        ((32, False), (32, False), (16, False)),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("network", "precision"), DIVIDED)
def test_how_a_layer_is_divided(network: str, precision: str) -> None:
    kind = in_teams(network, precision)
    found = tuple(
        tuple(parts and (parts.units, parts.apart) for parts in (parts_of(kind, hidden, kib << 10) for kib in CARDS))
        for hidden in (128, 256, 512)
    )
    assert found == DIVIDED[network, precision]


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_weights_and_states_fit_and_products_are_wide(network: str, precision: str) -> None:
    kind, each = in_teams(network, precision), {FLOAT32: 8, TF32: 4, BF16: 2}[precision]
    for hidden in UNITS:
        for kib in (*CARDS, 64, 48):
            parts = parts_of(kind, hidden, kib << 10)
            if parts is None:
                continue
            size, gates = fused.padded(hidden), GATES[network]
            columns = gates if parts.apart or gates != 3 else 4
            assert size * parts.units * columns * each + 16 * size * 4 <= kib << 10
            assert size % parts.units == 0
            assert size // parts.units >= 2
            wide = parts.units if parts.apart else parts.units * columns
            assert wide >= 8 * parts.warps
            assert parts.warps in {4, 8}
            assert parts.units >= 16
            assert not parts.apart or gates == 3


def test_fewest_programs_and_none_too_narrow() -> None:
    # A GRU of 64 units in float32: three gates apart take 52 KiB of a half, four together 36 of a quarter.
    kind = in_teams("bigru", FLOAT32)
    assert parts_of(kind, 64, 52 << 10) == Parts(units=32, apart=True, warps=4)
    assert parts_of(kind, 64, (52 << 10) - 1) == Parts(units=16, apart=False, warps=8)
    assert parts_of(kind, 64, 36 << 10) == Parts(units=16, apart=False, warps=8)
    assert parts_of(kind, 64, (36 << 10) - 1) is None
    # 16 columns are too few for four warps, 32 are enough.
    assert parts_of(in_teams("rnn", FLOAT32), 32, 227 << 10) is None
    assert parts_of(in_teams("rnn", FLOAT32), 33, 227 << 10) == Parts(units=32, apart=False, warps=4)
    assert parts_of(in_teams("bilstm", TF32), 512, 1 << 10) is None


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Stand in for a GPU of 132 multiprocessors with 227 KiB."""
    one = SimpleNamespace(multi_processor_count=132, shared_memory_per_block_optin=227 << 10)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: one)
    monkeypatch.setattr(teams, "programs_on", teams.programs_on.__wrapped__)
    return one


def test_what_refuses_a_team(card: SimpleNamespace) -> None:
    kind = in_teams("bilstm", TF32)
    assert kind.refused(512, "cpu") is None
    assert kind.refused(512, "cuda") is None
    assert fused.room_on("cuda") == 227 << 10
    assert fused.room_on("cpu") == 227 << 10
    card.multi_processor_count = 32
    assert kind.refused(512, "cuda") is None
    card.multi_processor_count = 31  # as of an instance of a GPU that several share
    assert kind.refused(512, "cuda") == "it takes 32 programs at the same time, and 31 run here"
    assert kind.refused(300, "cuda") == "it takes 32 programs at the same time, and 31 run here"
    assert kind.refused(256, "cuda") is None
    card.shared_memory_per_block_optin = 99 << 10
    assert kind.refused(512, "cuda") == "its parts are too small for products with 99 KiB on the chip"


def test_a_trial_gives_every_team_several_tasks(card: SimpleNamespace) -> None:
    blocks = -(-trials.TRIED_BATCH // fused.ROWS)
    for count in (132, 108, 46, 33, 32):
        card.multi_processor_count = count
        for network in NETWORKS:
            for hidden in (128, 256, 512):
                kind = in_teams(network, BF16)
                parts = parts_of(kind, hidden, 227 << 10)
                assert parts is not None
                running = count // (fused.padded(hidden) // parts.units)
                assert kind.tried_cells(hidden, "cuda") == running + 1
                assert (running + 1) * blocks > running
    assert in_teams("rnn", BF16).tried_cells(512, "cpu") == fused.TRIED_CELLS
    # Buffers go on in turns from task to task only after an odd number of steps from one to the next.
    assert (trials.TRIED_LENGTH - 1) % 2 == 1


def test_memory_of_teams(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teams, "programs_on", lambda _: 9)
    monkeypatch.setattr(fused, "ROOM", 40 << 10)
    kind, like = in_teams("bilstm", FLOAT32), torch.zeros(())
    first = kind(3, 2, 20, 40, like=like, training=True)
    second = kind(3, 2, 20, 40, like=like, training=True, beside=first)
    # Four programs of 16 units: nine make two teams, for 3 cells in 2 blocks of rows.
    assert (first.programs, first.teams) == (4, 2)
    assert first.sums.shape == (2, 2, 4, 16, 64)
    assert first.carry_CBH.shape == (3, 20, 40)
    assert second.sums is first.sums  # only a pass back needs them, and passes are one after the other
    assert second.carry_CBH is first.carry_CBH
    assert second._counter is not first._counter
    assert second.kept_CLBK is not first.kept_CLBK
    evaluated = kind(1, 2, 16, 40, like=like, training=False)
    assert (evaluated.programs, evaluated.teams) == (4, 1)  # there is one task
    assert not hasattr(evaluated, "sums")
    monkeypatch.setattr(teams, "programs_on", lambda _: 132)
    assert kind(3, 2, 20, 40, like=like, training=False).teams == 6


class Launches:
    """Takes the place of a kernel, and keeps what it is launched with."""

    def __init__(self) -> None:
        self.seen: list[tuple[tuple[int, ...], tuple[Any, ...], dict[str, Any], list[int]]] = []

    def __getitem__(self, grid: tuple[int, ...]) -> Callable[..., None]:
        def launch(*arguments: Any, **settings: Any) -> None:
            counter = arguments[-6]
            self.seen.append((grid, arguments[-5:], settings, counter.tolist()))
            counter += 1  # as programs leave it

        return launch


@pytest.mark.parametrize("precision", PRECISIONS)
def test_what_is_launched(precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teams, "programs_on", lambda _: 9)
    monkeypatch.setattr(fused, "ROOM", 60 << 10)
    layer, kernel = in_teams("bigru", precision)(3, 5, 20, 50, like=torch.zeros(()), training=True), Launches()
    for _ in range(2):
        layer._launch_steps(kernel, KEEP=True)
    for grid, (cells, length, batch, begin, end), settings, counter in kernel.seen:
        assert grid == (layer.teams * layer.programs,)
        assert (cells, length, batch, begin, end) == (3, 5, 20, 0, 5)  # all steps at once ...
        assert settings["launch_cooperative_grid"] is True  # ... by programs that run at the same time
        assert counter == [0] * layer.teams
        assert (settings["G"], settings["GP"], settings["H"], settings["HP"]) == (3, 4, 50, 64)
        assert settings["U"] * layer.programs == 64
        assert settings["HALF"] is (precision == BF16)
        assert settings["PRECISION"] == {FLOAT32: "tf32x3", TF32: "tf32", BF16: "ieee"}[precision]
        assert settings["KEEP"] is True
    assert len(kernel.seen) == 2
    kernel.seen.clear()
    monkeypatch.setattr(teams, "interpreted", lambda: True)
    layer._launch_steps(kernel)
    assert [arguments[3:] for _, arguments, *_ in kernel.seen] == [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)]
    assert all(settings["launch_cooperative_grid"] is False for *_, settings, _ in kernel.seen)


def test_one_program_then_a_team_then_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    refusals: dict[str, str | None] = {}
    asked = []

    def tried(kind: type[fused.FusedLayer], hidden: int, device: str) -> trials.Trial:
        asked.append((kind, hidden, device))
        return trials.Trial(refusal=refusals["team" if issubclass(kind, Team) else "one"])

    monkeypatch.setattr(layers, "tried", tried)
    one = recipe(network="bilstm", hidden_size=300)

    def choose() -> layers.Layers:
        asked.clear()
        return layers.layers_for(one, TRITON, precision=TF32, device="cuda")

    refusals.update(one=None, team=None)
    made = choose()
    assert (made.kind, made.backend, made.kernels, made.note) == (fused.fused("bilstm", TF32), TRITON, True, None)
    assert asked == [(fused.fused("bilstm", TF32), 300, "cuda")]
    refusals.update(one="too large")
    made = choose()
    assert (made.kind, made.backend, made.kernels, made.note) == (in_teams("bilstm", TF32), TRITON, True, None)
    assert asked == [(fused.fused("bilstm", TF32), 300, "cuda"), (in_teams("bilstm", TF32), 300, "cuda")]
    refusals.update(team="too narrow")
    made = choose()
    assert made.backend == STACKED_CUDA
    assert isinstance(made.kind, type)
    assert issubclass(made.kind, layers.STEPWISE["bilstm"])
    assert made.note == "triton does not run bilstm of 300 units here: too large; too narrow"
    refusals.update(one="there is no GPU", team="there is no GPU")
    assert choose().note == "triton does not run bilstm of 300 units here: there is no GPU"


def test_a_trial_asks_the_kind_first(monkeypatch: pytest.MonkeyPatch) -> None:
    shapes = []

    class Asked(Tanh, fused.FusedTanh):
        precision = FLOAT32
        run_over_time, run_back = Tanh.run_over_time, Tanh.run_back

        def _prepare(self) -> None:
            shapes.append((self.cells, self.length, self.batch, self.hidden))
            Tanh._prepare(self)

        @classmethod
        def refused(cls, hidden: int, device: str) -> str | None:
            return f"{hidden} on {device}" if hidden == 7 else None

        @classmethod
        def tried_cells(cls, hidden: int, device: str) -> int:
            return 5 if (hidden, device) == (8, "cpu") else 0

    monkeypatch.setattr(trials, "why_not", lambda: None)
    assert trials.tried(Asked, 7, "cpu") == trials.Trial(refusal="7 on cpu")
    assert shapes == []
    assert trials.tried(Asked, 8, "cpu").refusal is None
    assert shapes == [(5, trials.TRIED_LENGTH, trials.TRIED_BATCH, 8)]


def test_one_that_does_not_fit_on_one_multiprocessor_is_refused_by_its_weights(card: SimpleNamespace) -> None:
    assert fused.fused("bilstm", TF32).refused(64, "cuda") is None
    assert fused.fused("bilstm", TF32).refused(128, "cuda") == "its weights take 256 KiB on the chip, which has 227 KiB"
    card.shared_memory_per_block_optin = 256 << 10
    assert fused.fused("bilstm", TF32).refused(128, "cuda") is None
    assert fused.fused("bilstm", TF32).refused(100, "cpu") is None


def test_programs_wait_for_one_another_in_any_order() -> None:
    """In a process of its own, by Triton's interpreter: every order of the programs gives the same bits."""
    found = interpreted("teams_at_once")
    assert sorted(found) == [
        "bigru 20 (2, False), 3 frames", "bigru 40 (2, True), 2 frames", "bilstm 40 (4, False), 4 frames",
        "rnn 50 (2, False), 3 frames", "rnn 50 (2, False), 4 frames",
    ]  # fmt: skip
    for told, case in found.items():
        assert len(case["errors"]) == 6, told
        assert all(error < 1e-5 for error in case["errors"]), told
        assert case["same"], told
