"""Recurrent layers whose weights fit on the chip only in parts: a team of programs per cell (`team_kernels`).

Shapes: as in `models.stacks.cells`.
"""

import functools
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from models.backends import BF16, FLOAT32
from models.stacks.fused import (
    ROWS,
    FusedGru,
    FusedLayer,
    FusedLstm,
    FusedTanh,
    interpreted,
    multiplying_in,
    padded,
    power_of_two,
    room_on,
)

# Bytes of a number of a program's weights on the chip: float32 is two parts of its products.
BYTES = {FLOAT32: 8, BF16: 2}
# Columns of a product that a warp takes, and the warps of a program, by a fixed table.
COLUMNS, WARPS = 8, (4, 8)
PART = 128  # hidden units of a product forward
# Fewer units of a program, measured in float32 at 512 units, take longer than one step after the other.
LEAST_UNITS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """How a layer is divided: hidden units of a program, products per gate or one for all, and warps."""

    units: int
    apart: bool
    warps: int


@functools.cache
def programs_on(device: str) -> int:
    """Return how many programs run at the same time, one per multiprocessor."""
    return int(torch.cuda.get_device_properties(device).multi_processor_count)


def parts_of(kind: type[FusedLayer], hidden: int, room: int) -> Parts | None:
    """Divide a layer into as few programs as have `room` bytes on the chip; None if products would be too narrow.

    Weights and one step's hidden states must fit. A product has a number of columns that is a power of two: three gates
    in one leave a quarter empty, so that each has its own if it is wide enough.
    """
    size, bytes_each = padded(hidden), BYTES.get(kind.precision, 4)
    found = []
    for apart in {False, kind.gates == 3}:
        columns = kind.gates if apart else power_of_two(kind.gates)
        units = size // 2
        while units > 1 and size * (units * columns * bytes_each + ROWS * 4) > room:
            units //= 2
        wide = units * (1 if apart else columns)
        if units >= LEAST_UNITS and wide >= COLUMNS * WARPS[0]:
            found.append(Parts(units=units, apart=apart, warps=min(wide // COLUMNS, WARPS[1])))
    return max(found, key=lambda one: (one.units, one.apart), default=None)


class Team(FusedLayer):
    """A layer whose passes are one cooperative launch each, in which teams of programs take cell after cell."""

    number: int  # of `team_kernels`

    @classmethod
    def refused(cls, hidden: int, device: str) -> str | None:
        """As in the base class: the programs of a team run at the same time, and each has whole products."""
        if torch.device(device).type != "cuda":
            return None
        parts = parts_of(cls, hidden, room_on(device))
        if parts is None:
            return f"its parts are too small for products with {room_on(device) >> 10} KiB on the chip"
        if (needed := padded(hidden) // parts.units) > programs_on(device):
            return f"it takes {needed} programs at the same time, and {programs_on(device)} run here"
        return None

    @classmethod
    def tried_cells(cls, hidden: int, device: str) -> int:
        """As in the base class, so many that each team takes several."""
        if torch.device(device).type != "cuda":
            return super().tried_cells(hidden, device)
        parts = parts_of(cls, hidden, room_on(device))
        assert parts is not None, "not refused"
        return programs_on(device) * parts.units // padded(hidden) + 1

    def _prepare(self) -> None:
        super()._prepare()
        device, size, new = str(self.h_CTBH.device), padded(self.hidden), self.h_CTBH.new_empty
        parts = parts_of(type(self), self.hidden, room_on(device))
        assert parts is not None, "not refused"
        self.parts = parts
        self.programs, tasks = size // parts.units, self.cells * -(-self.batch // ROWS)
        self.teams = tasks if interpreted() else min(programs_on(device) // self.programs, tasks)
        self._counter = torch.zeros(self.teams, dtype=torch.int32, device=device)
        if self.training:
            other = self._beside
            sums = (self.teams, 2, self.programs, ROWS, size)
            self.sums: Tensor = new(sums) if other is None else other.sums
            self.carry_CBH: Tensor = new(self.cells, self.batch, self.hidden) if other is None else other.carry_CBH

    def run_over_time(self, back_CHG: Tensor, back_bias_CG: Tensor) -> None:
        """As in the base class."""
        from models.stacks import team_kernels

        read = (self.input_CNG, back_CHG, back_bias_CG)
        written = (self.h_CTBH, self.c_CTBH, self.kept_CLBK)
        part = min(PART, padded(self.hidden))
        self._launch_steps(team_kernels.forward, *read, *written, KC=part, KEEP=self.training)

    def run_back(self, grad_CLBH: Tensor, back_CHG: Tensor) -> None:
        """As in the base class."""
        from models.stacks import team_kernels

        read = (grad_CLBH.contiguous(), back_CHG, self.h_CTBH, self.c_CTBH, self.kept_CLBK)
        written = (self.grad_CNG, self.input_n_grad_CLBH, self.carry_CBH, self.sums)
        self._launch_steps(team_kernels.backward, *read, *written)

    def _launch_steps(self, kernel: Any, *tensors: Tensor, **settings: Any) -> None:
        """Launch all steps at once, or one by one if no program may wait for another."""
        self._counter.zero_()
        each = 1 if interpreted() else self.length
        for begin in range(0, self.length, each):
            kernel[(self.teams * self.programs,)](
                *tensors,
                self._counter,
                self.cells,
                self.length,
                self.batch,
                begin,
                begin + each,
                KIND=self.number,
                G=self.gates,
                GP=power_of_two(self.gates),
                U=self.parts.units,
                APART=self.parts.apart,
                num_warps=self.parts.warps,
                launch_cooperative_grid=not interpreted(),
                **self._settings(),
                **settings,
            )


class TeamTanh(Team, FusedTanh):
    """`models.stacks.cells.Tanh` by teams."""

    number = 0


class TeamGru(Team, FusedGru):
    """`models.stacks.cells.Gru` by teams."""

    number = 1


class TeamLstm(Team, FusedLstm):
    """`models.stacks.lstm.SmallLstm` by teams."""

    number = 2


TEAMS: dict[str, type[Team]] = {"rnn": TeamTanh, "bigru": TeamGru, "bilstm": TeamLstm}


@functools.cache
def in_teams(network: str, precision: str) -> type[Team]:
    """Return the layer of a network, by teams, that multiplies with a precision."""
    return multiplying_in(TEAMS[network], precision)
