"""Run by tests/models/test_teams.py with TRITON_INTERPRET=1: teams whose programs wait for one another, as JSON.

All programs of a launch are threads, of which one runs at a time: at every operation on a counter another may go on, as
chance has it. What a program reads before it is there, or overwrites before it is read, shows in the numbers; who waits
for what never comes is an error. How a GPU orders memory, this does not show.
"""

import inspect
import json
import random
import threading
import types
from collections.abc import Callable
from typing import Any

import torch
from triton.runtime import interpreter

from models.backends import FLOAT32
from models.stacks import fused, team_kernels, teams, trials
from tests.models.interpreted_kernels import between_nothing, divided

# Networks, hidden units, KiB on the chip; programs at the same time, frames, windows of two cells; and orders. The
# counter and the two buffers of sums go on from one task of a team to the next, after an odd number of steps and after
# an even one. Of a team of four one has no hidden unit.
CASES = (
    ("rnn", 50, 20, 5, 4, 20, 4),
    ("rnn", 50, 20, 2, 3, 20, 2),
    ("bigru", 20, 20, 2, 3, 3, 1),
    ("bigru", 40, 60, 2, 2, 3, 1),
    ("bilstm", 40, 40, 4, 4, 3, 1),
)
MOST_TURNS = 5_000  # many times what a launch here takes
SPEEDS = (1.0, 0.2, 0.02)  # how often a program is chosen


class StuckError(RuntimeError):
    """Programs wait for what never comes."""


class Baton:
    """Lets one of some threads run at a time."""

    def __init__(self, programs: int, seed: int) -> None:
        self.draw = random.Random(seed)
        self.weights = {one: self.draw.choice(SPEEDS) for one in range(programs)}
        self.running = [threading.Semaphore(0) for _ in range(programs)]
        self.turns = 0
        self.failure: BaseException | None = None

    def pass_on(self) -> None:
        """Wake one of those that are not done."""
        if self.weights:
            self.running[self.draw.choices([*self.weights], [*self.weights.values()])[0]].release()

    def wait(self, program: int) -> None:
        """Sleep until it is this program's turn."""
        self.running[program].acquire()
        interpreter.interpreter_builder.set_grid_idx(program, 0, 0)
        self.turns += 1
        if self.turns > MOST_TURNS:
            raise StuckError(f"programs wait after {MOST_TURNS} turns")


def at_once(kernel: Callable[..., None], seeds: Callable[[], int]) -> Callable[..., None]:
    """Return a kernel whose first program runs all of a launch, in an order that a seed draws."""
    builder = interpreter.interpreter_builder
    atomic = builder.create_atomic_rmw

    def run_all(**arguments: Any) -> None:
        if builder.grid_idx != (0, 0, 0):
            return
        baton = Baton(builder.grid_dim[0], seeds())

        def program(number: int) -> None:
            try:
                baton.wait(number)
                if baton.failure is None:
                    kernel(**arguments)
            except BaseException as failure:
                baton.failure = baton.failure or failure
            del baton.weights[number]
            baton.pass_on()

        def and_pass_on(*operands: Any) -> Any:
            found = atomic(*operands)
            number = builder.grid_idx[0]
            baton.pass_on()
            baton.wait(number)
            if baton.failure is not None:
                raise StuckError("another program failed")
            return found

        builder.create_atomic_rmw = and_pass_on
        threads = [threading.Thread(target=program, args=(number,)) for number in range(builder.grid_dim[0])]
        for thread in threads:
            thread.start()
        baton.pass_on()
        for thread in threads:
            thread.join()
        builder.create_atomic_rmw = atomic
        builder.set_grid_idx(0, 0, 0)
        if baton.failure is not None:
            raise baton.failure

    def run(**arguments: Any) -> None:
        run_all(**arguments)

    # The interpreter asks for a kernel's parameters, and changes `triton.language` among its globals.
    made = types.FunctionType(run.__code__, kernel.__globals__, kernel.__name__, closure=run.__closure__)
    made.__annotations__, made.__signature__ = kernel.__annotations__, inspect.signature(kernel)  # type: ignore[attr-defined]
    return made


def compared(case: tuple[str, int, int, int, int, int, int]) -> tuple[str, dict[str, object]]:
    """Return what one of CASES is, its errors against the layer by steps, and whether all orders give the same bits."""
    network, hidden, kib, programs, frames, windows, orders = case
    told = f"{network} {hidden} {divided(network, hidden, kib)}, {frames} frames"
    teams.programs_on = lambda _: programs  # type: ignore[assignment]
    trials.TRIED_LENGTH, trials.TRIED_BATCH, fused.TRIED_CELLS = frames, windows, 2
    kind = teams.in_teams(network, FLOAT32)
    numbers = trials._draw(kind, hidden, "cpu")
    expected = trials._once(kind.stepwise, *numbers)
    results = [trials._once(kind, *numbers) for _ in range(orders)]
    same = all(torch.equal(a, b) for other in results for a, b in zip(results[0], other, strict=True))
    errors = [float((a - b).norm() / b.norm()) for a, b in zip(results[0], expected, strict=True)]
    return told, {"errors": errors, "same": same}


def main() -> None:
    """Print what all cases give."""
    torch.use_deterministic_algorithms(True)  # memory that nobody has written is not a number, and shows
    trials._draw = between_nothing(trials._draw)
    teams.PART = 16
    drawn = iter(range(1_000_000))
    for kernel in (team_kernels.forward, team_kernels.backward):
        kernel.rewritten_fn[kernel.fn] = at_once(kernel.rewrite(), drawn.__next__)
    teams.interpreted = lambda: False  # type: ignore[attr-defined]
    print(json.dumps(dict(map(compared, CASES))))


if __name__ == "__main__":
    main()
