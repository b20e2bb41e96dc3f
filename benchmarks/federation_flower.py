"""A round of 20 clients, ResNet18-BiLSTM (6 layers of 128, 55 MB), 2 workers of one thread: Flower and this engine.

    python3 -m venv ../flower && ../flower/bin/pip install 'flwr[simulation]==1.41' torch torchvision
    python benchmarks/federation_flower.py --flower ../flower/bin/python [--rounds 5] [--clients quickstart]
        [--windows-a-step 8]

Flower pins another Ray, hence an environment of its own; it takes the same torch. Both sides train the same network on
the same data (`flower_task.py`), without validation. They live side by side and do their rounds turn and turn about, so
that what else the machine does falls on both; the first round, cold, is left out. Checked: clients, optimiser steps and
bytes of every round agree, and so do the averaged weights after the first, to rounding.

Flower's clients are written as its quickstart for PyTorch writes them (`--clients quickstart`): torch and torchvision
alone, the network built for every message, torch's default Adam. With `rebuilt` they train by this project's function
instead, and with `thrifty` they also keep network and data in their process and use the fused Adam, as ours do: what is
left between the sides is the engine alone. A client has 4 windows of 8 frames: one optimiser step with 8 windows a
step, this project's default, four steps with 1, as the authors' code takes them. Seconds are wall-clock; CPU seconds
are those of all processes of a side and bear the machine's other load better.
Bar: half of Flower's time.
"""

import argparse
import json
import os
import select
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from benchmarks.flower_task import CLIENTS, MARK  # noqa: E402 - found by the line before
from orchestrator.protocols import DEFAULT_WINDOWS_A_STEP  # noqa: E402

if TYPE_CHECKING:
    from models.frames import FrameSeries

PATIENCE_SECONDS = 1800.0
BAR = 0.5
# How far apart the averaged weights may be after a round, of the way that they have moved in it. Both sides add up 20
# float32 in their own order; another forward pass or another Adam rounds in its own way, and where a gradient is next
# to nothing that alone decides where Adam goes.
TOLERANCE = 1e-5
OTHER_TRAINING_TOLERANCE = 1e-2


class Side:
    """A process that does a round whenever it is asked to."""

    def __init__(self, python: str, arguments: Sequence[str], log: Path, windows_a_step: int) -> None:
        own = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "WINDOWS_PER_STEP": str(windows_a_step)}
        environment = {**os.environ, **own}
        self._log = log
        with log.open("w") as errors:
            self.process = subprocess.Popen(
                [python, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=ROOT,
                env=environment,
                bufsize=0,
            )
        self._said = b""
        assert self._next() == "ready"

    def round(self, number: int) -> tuple[dict[str, int], float, float]:
        """Give the work done, wall-clock seconds, and CPU seconds of all its processes."""
        before, start = cpu_seconds(self.process.pid), time.perf_counter()
        assert self.process.stdin is not None
        self.process.stdin.write(f"{number}\n".encode())
        work = json.loads(self._next())
        seconds = time.perf_counter() - start
        assert work.pop("round") == number
        return work, seconds, cpu_seconds(self.process.pid) - before

    def end(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()

    def _next(self) -> str:
        """Read its next line of the conversation; what else it prints is passed over."""
        out, end = self.process.stdout, time.monotonic() + PATIENCE_SECONDS
        assert out is not None
        while True:
            while b"\n" in self._said:
                line, _, self._said = self._said.partition(b"\n")
                if line.startswith(MARK.encode()):
                    return line.decode().removeprefix(MARK).strip()
            if not select.select([out], [], [], max(0.0, end - time.monotonic()))[0]:
                sys.exit(f"a side said nothing for {PATIENCE_SECONDS:g} s; its log ends:\n{self._tail()}")
            some = os.read(out.fileno(), 1 << 16)
            if not some:
                sys.exit(f"a side has ended; its log ends:\n{self._tail()}")
            self._said += some

    def _tail(self) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-30:])


def cpu_seconds(pid: int) -> float:
    """CPU time of a process and all below it that live (Linux)."""
    parents, seconds = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        parents[int(folder.name)] = int(fields[1])
        seconds[int(folder.name)] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    total, level = 0.0, {pid}
    while level:
        total += sum(seconds.get(one, 0.0) for one in level)
        level = {one for one, parent in parents.items() if parent in level}
    return total


def ours(folder: Path) -> None:
    """Do our side's rounds; in a process of its own."""
    import ray
    import torch

    from benchmarks import flower_task as task
    from fed.aggregators import ServerState
    from fed.client import Client
    from fed.executors.ray_actors import in_actors
    from fed.federated_round import Broadcast, fold_step
    from fed.local_plan import LocalPlan
    from fed.messages import Call, Job
    from fed.options import Federation
    from fed.updates import Layout, flatten
    from models.splits import FoldSplit

    torch.set_num_threads(1)
    ray.init(
        address="local", num_cpus=task.NUM_WORKERS, include_dashboard=False, log_to_driver=False, logging_level="ERROR"
    )
    numbers = range(task.NUM_CLIENTS)
    split = FoldSplit(train=tuple(numbers), validation=(0,), held_out=(0,))
    plan = LocalPlan(recipe=task.RECIPE, federation=Federation(), splits=(split,), seed=0)
    clients = [Client(name=task.name_of(i), load=partial(load, i)) for i in numbers]
    executor = in_actors(client_actors=task.NUM_WORKERS)(clients, plan)
    network = task.new_network().state_dict()
    layout = Layout.of(network)
    weights, integers = flatten(network, layout)
    state = ServerState(weights=weights, integers=integers)
    for number in task.rounds_asked_for():
        sent = Broadcast.of([state])
        jobs = tuple(Job(fold=0, client=client.name, row=0, series=(0,)) for client in clients)
        call = Call(
            kind="train",
            number=number,
            jobs=jobs,
            deadline_seconds=PATIENCE_SECONDS,
            weights=sent.weights,
            integers=sent.integers,
            summed="mean",
        )
        (answer,) = executor.run(call)
        trained = fold_step(plan.federation, state, answer, call, layout, (slice(0, layout.num_floats),))
        assert not trained.failures, trained.failures
        # Every client's batch normalisations counted its steps: the largest count is of one client and of all rounds.
        steps = int(trained.state.integers.max() - state.integers.max())
        state = trained.state
        work = {
            "clients": len(trained.reports),
            "steps": steps * len(trained.reports),
            "bytes_down": len(jobs) * layout.num_bytes,
            "bytes_up": len(trained.reports) * layout.num_bytes,
        }
        task.tell(number, work, partial(np.copy, state.weights), folder, "ours")
    executor.close()
    ray.shutdown()


def load(client: int) -> "list[FrameSeries]":
    from benchmarks import flower_task as task

    return [task.recording(client)]


def compare(folder: Path, tolerance: float) -> None:
    """Stop unless both sides hold the same weights after the first round."""
    mine, theirs = (np.load(folder / f"{side}.npy").astype(np.float64) for side in ("ours", "flower"))
    assert mine.shape == theirs.shape, (mine.shape, theirs.shape)
    moved = float(np.linalg.norm(mine - first_weights()))
    assert moved > 0, "nothing was trained"
    apart = float(np.linalg.norm(mine - theirs)) / moved
    print(f"after the first round: {apart:.1e} apart, of a way of {moved:.3g} (norm)", flush=True)
    assert apart < tolerance, f"the sides do not train alike: {apart:g} apart"


def first_weights() -> np.ndarray:
    from benchmarks import flower_task as task

    return task.flat(task.new_network().state_dict())


def report(seconds: dict[str, list[float]], what: str) -> float:
    medians = {name: statistics.median(found) for name, found in seconds.items()}
    for name, found in seconds.items():
        print(f"{name:7} {what:12} median {medians[name]:6.2f}  from {min(found):6.2f} to {max(found):6.2f}")
    pairs = [a / b for a, b in zip(seconds["ours"], seconds["flower"], strict=True)]
    ratio = medians["ours"] / medians["flower"]
    print(f"{'ratio':7} {what:12} {ratio:.2f} of the medians; round by round from {min(pairs):.2f} to {max(pairs):.2f}")
    return ratio


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flower", help="Python of the environment that has flwr 1.41")
    parser.add_argument("--rounds", type=int, default=5, help="warm rounds of each side")
    parser.add_argument("--clients", choices=CLIENTS, default=CLIENTS[0])
    parser.add_argument("--windows-a-step", type=int, default=DEFAULT_WINDOWS_A_STEP)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.folder is not None:
        ours(arguments.folder)
        return
    if arguments.flower is None:
        parser.error("--flower: the Python that has flwr 1.41")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        there = ["-m", "benchmarks.flower_side", "--folder", name, "--clients", arguments.clients]
        here = ["-m", "benchmarks.federation_flower", "--folder", name]
        sides = {"flower": Side(arguments.flower, there, folder / "flower.log", arguments.windows_a_step)}
        try:
            sides["ours"] = Side(sys.executable, here, folder / "ours.log", arguments.windows_a_step)
            compete(
                sides,
                folder,
                arguments.rounds,
                TOLERANCE if arguments.clients == "thrifty" else OTHER_TRAINING_TOLERANCE,
            )
        finally:
            for side in sides.values():
                side.end()


def compete(sides: dict[str, Side], folder: Path, rounds: int, tolerance: float) -> None:
    wall: dict[str, list[float]] = {name: [] for name in sides}
    cpu: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(1, rounds + 2):
        done = {}
        for name, side in sides.items():
            done[name], seconds, cpu_used = side.round(number)
            note = f"round {number} {name:7} {seconds:7.2f} s, CPU {cpu_used:7.2f} s, load {os.getloadavg()[0]:.1f}"
            print(note, flush=True)
            if number > 1:
                wall[name].append(seconds)
                cpu[name].append(cpu_used)
        assert done["ours"] == done["flower"], f"the sides did not do the same work: {done}"
        if number == 1:
            print(f"each round: {done['ours']}")
            compare(folder, tolerance)
    report(cpu, "CPU seconds")
    ratio = report(wall, "seconds")
    print(f"bar: {BAR:g} of Flower's time; {'met' if ratio <= BAR else 'NOT met'} at {ratio:.2f}")


if __name__ == "__main__":
    main()
