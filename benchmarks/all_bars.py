"""Measure every bar of the CPU, before and after in turn, and write docs/benchmarks.md: at most 20 minutes on 2 cores.

    python -m benchmarks.all_bars [--only TEXT] [--dry]

"Before" is the code of commit BEFORE in a git worktree under .bench/; Flower is installed there, too, in an environment
of its own. A bar that cannot be measured here says why, in its row. `--dry` writes nothing.
"""

import argparse
import importlib.metadata
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from benchmarks.gpu_table import HEAD as GPU_HEAD
from models.sizes import title_of
from orchestrator.data.dataset import make_dataset
from orchestrator.planning.launch import load_corpus
from orchestrator.planning.request import DataOptions
from orchestrator.protocols import DESCRIBED

ROOT = Path(__file__).resolve().parents[1]
BENCH = ROOT / ".bench"
DOCUMENT = ROOT / "docs" / "benchmarks.md"
BEFORE = "bf63178"
FLOWER = "flwr[simulation]>=1.40,<1.42"
PAIRS = 3  # of epochs, after one of each side that only warms up
FEW_PEOPLE = 6  # with which large networks are trained: an epoch of all takes a minute
RECIPE = {
    "learning_rate": 1e-3,
    "sequence_length": 200,
    "num_layers": 1,
    "epochs": 1_000,
    "loss": DESCRIBED.loss,
    "target": DESCRIBED.target,
    "partial_window": DESCRIBED.partial_window,
    "windows_a_step": DESCRIBED.windows_a_step,
    "order": DESCRIBED.order,
    "keep": DESCRIBED.epoch_choice,
}
HIDDEN_BARS = {8: 2.5, 16: 2.0, 64: 1.15, 128: 1.0, 256: 1.0}
OWN_TRIALS = (
    *("tune", "--method", "au", "--network", "bigru", "--set", "learning_rate=0.001,0.0005,0.0001"),
    *("--set", "hidden_size=64", "--set", "sequence_length=200,100", "--set", "num_layers=1", "--pack", "1"),
)
OWN_TRIAL_SECONDS = 36.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A ratio, the smallest and largest of the runs it is the median of, and what it was made of in words."""

    ratio: float
    low: float
    high: float
    made_of: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """What has to be reached: a speed-up of at least `bar`, or with `at_most` a share of at most `bar`."""

    what: str
    bar: float
    measure: Callable[[], Measured]
    at_most: bool = False

    def verdict(self, ratio: float) -> str:
        """Return whether the bar holds."""
        return "holds" if (ratio <= self.bar if self.at_most else ratio >= self.bar) else "falls short"


def ratio_of(pairs: Sequence[tuple[float, float]], unit: str) -> Measured:
    """Return the median of A / B with both medians in words."""
    ratios = sorted(a / b for a, b in pairs)
    a, b = (statistics.median(side) for side in zip(*pairs, strict=True))
    words = f"{a:.2f} {unit} before, {b:.2f} now; {len(pairs)} pairs"
    return Measured(ratio=statistics.median(ratios), low=ratios[0], high=ratios[-1], made_of=words)


def worktree() -> Path:
    """Return the tree of BEFORE, made if it is not there."""
    tree = BENCH / BEFORE
    if not tree.exists():
        subprocess.run(["git", "worktree", "add", "--detach", str(tree), BEFORE], cwd=ROOT, check=True)
    return tree


class EpochSide:
    """A process that trains epochs when asked."""

    def __init__(self, tree: Path, data: Path, side: str) -> None:
        """Start it and wait until it is ready."""
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "benchmarks" / "epoch_server.py"), str(data), side],
            env={**os.environ, "PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1"},
            cwd=tree,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._next() == "ready"

    def _next(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"the process ended with {self.process.wait()}"
        return line.strip()

    def epoch(self, fields: dict[str, object]) -> float:
        """Train an epoch of a configuration; CPU seconds."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(fields) + "\n")
        self.process.stdin.flush()
        return float(self._next())


def epochs(network: str, hidden: int) -> Measured:
    """Train whole epochs of 8 folds on one thread, training and validation, on the embedded corpus."""
    corpus, _ = load_corpus(DataOptions(path=None, corpus=None))
    dataset = make_dataset(corpus, DESCRIBED, seed=0)
    series = list(dataset.local_series())
    held_out = [split.held_out for split in dataset.splits]
    if hidden >= min(size for size, bar in HIDDEN_BARS.items() if bar == 1.0):
        series = series[: FEW_PEOPLE + 2]
        held_out = [(k,) for k in range(8)]
    with tempfile.TemporaryDirectory() as folder:
        arrays: dict[str, np.ndarray] = {}
        for number, one in enumerate(series):
            arrays |= {f"features{number}": one.features_TF, f"valid{number}": one.valid_T}  # type: ignore[union-attr]
            arrays[f"gold{number}"] = one.gold_T2
        np.savez(Path(folder) / "data.npz", allow_pickle=False, **arrays)
        fields = {**RECIPE, "network": network, "hidden_size": hidden, "held_out": held_out}
        sides = [
            EpochSide(tree, Path(folder) / "data.npz", side)
            for tree, side in ((worktree(), "alone"), (ROOT, "stacked"))
        ]
        try:
            pairs = [(sides[0].epoch(fields), sides[1].epoch(fields)) for _ in range(1 + PAIRS)][1:]
        finally:
            for side in sides:
                side.process.kill()
    return ratio_of(pairs, "CPU s per epoch")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A search that was run: seconds of the whole command, of the search alone, and the trainings' own."""

    wall: float
    search: float
    trainings: tuple[float, ...]


def search(tree: Path, *words: str) -> Run:
    """Run a command of `tree` into a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "run"
        environment = {**os.environ, "PYTHONPATH": str(tree), "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/store.db"}
        command = [sys.executable, "-m", "orchestrator", *words, "--output", str(output)]
        start = time.perf_counter()
        done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
        wall = time.perf_counter() - start
        assert done.returncode == 0, done.stderr[-2000:]
        results = [json.loads(file.read_text()) for file in output.glob("trials/*/result.json")]
        times = [datetime.fromisoformat(one[key]) for one in results for key in ("started", "ended")]
        span = (max(times) - min(times)).total_seconds()
        return Run(wall=wall, search=span, trainings=tuple(one["training_seconds"] for one in results))


def demo(method: str) -> Measured:
    """Run the demo search of a method before and now."""
    words = ("tune", "--method", method, "--preset", "demo", "--num-cpus", "2")
    first, second = search(worktree(), *words), search(ROOT, *words)
    found = ratio_of([(first.search, second.search)], "s of search")
    commands = f"{found.made_of}; the whole commands {first.wall:.0f} and {second.wall:.0f} s"
    return Measured(ratio=found.ratio, low=found.low, high=found.high, made_of=commands)


def own_seconds() -> Measured:
    """Compare a whole command with its trainings' own seconds on two workers, trials of about 36 s."""
    short = search(ROOT, *OWN_TRIALS, "--epochs", "2", "--num-cpus", "2")
    per_epoch = statistics.mean(short.trainings) / 2
    run = search(ROOT, *OWN_TRIALS, "--epochs", str(max(2, round(OWN_TRIAL_SECONDS / per_epoch))), "--num-cpus", "2")
    ideal = sum(run.trainings) / 2
    words = f"{run.wall:.0f} s of wall time, {len(run.trainings)} trainings of {statistics.mean(run.trainings):.0f} s"
    return Measured(ratio=run.wall / ideal, low=run.wall / ideal, high=run.wall / ideal, made_of=words)


def flower() -> Measured:
    """Compare rounds with Flower's."""
    python = BENCH / "flower" / "bin" / "python"
    if not python.exists():
        shutil.rmtree(python.parents[1], ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(python.parents[1])], check=True)
        own = importlib.metadata.version
        packages = [FLOWER, f"torch=={own('torch').split('+')[0]}", f"torchvision=={own('torchvision').split('+')[0]}"]
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *packages], check=True)
    command = [sys.executable, "-m", "benchmarks.federation_flower", "--flower", str(python), "--rounds", "4"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-2000:]
    pattern = r"^ratio +seconds +([\d.]+) of the medians; round by round from ([\d.]+) to ([\d.]+)"
    found = re.search(pattern, done.stdout, flags=re.MULTILINE)
    assert found is not None, done.stdout
    medians = re.findall(r"^(ours|flower) +seconds +median +([\d.]+)", done.stdout, flags=re.MULTILINE)
    words = ", ".join(f"{name} {seconds} s" for name, seconds in medians) + "; 4 warm rounds, quickstart's clients"
    return Measured(ratio=float(found[1]), low=float(found[2]), high=float(found[3]), made_of=words)


def engine() -> Measured:
    """Compare the engine alone with Ray alone."""
    command = [sys.executable, "-m", "benchmarks.federation_engine"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-2000:]
    rows = dict(re.findall(r"^(.{34}) median +([\d.]+) s", done.stdout, flags=re.MULTILINE))
    fastest = dict(re.findall(r"^(.{34}) median +[\d.]+ s  fastest +([\d.]+) s", done.stdout, flags=re.MULTILINE))
    ours, ray = (next(name for name in rows if name.startswith(start)) for start in ("this engine, mean", "Ray alone"))
    ratio = float(rows[ours]) / float(rows[ray])
    words = f"{rows[ours]} s (fastest {fastest[ours]}), Ray alone {rows[ray]} s; 10 rounds"
    return Measured(ratio=ratio, low=ratio, high=ratio, made_of=words)


def secure_sums() -> Measured:
    """Measure what secure sums add to a round of one fold, of 20 clients and 55 MB."""
    command = [sys.executable, "-m", "benchmarks.secure_sums"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-2000:]
    pattern = r"^(.{6}) plain +([\d.]+) s  secure +([\d.]+) s  added +([\d.-]+) s  from ([\d.-]+) to ([\d.-]+)"
    (large, small) = re.findall(pattern, done.stdout, flags=re.MULTILINE)
    words = f"a round of {large[1]} s without; action units' {small[1]} and {small[3]} more; 3 warm rounds"
    return Measured(ratio=float(large[3]), low=float(large[4]), high=float(large[5]), made_of=words)


def bars() -> list[Bar]:
    """Return every bar, the quick ones first."""

    def of_epochs(network: str, hidden: int) -> Bar:
        what = f"epoch of 8 folds, one thread, {title_of(network)} of {hidden}"
        return Bar(what=what, bar=HIDDEN_BARS[hidden], measure=lambda: epochs(network, hidden))

    found = [of_epochs(network, hidden) for network in ("bigru", "rnn", "bilstm") for hidden in HIDDEN_BARS]
    return [
        *found,
        Bar(what="engine alone, 45 MB x 4 clients, of bare Ray's time", bar=1.3, measure=engine, at_most=True),
        Bar(what="s that secure sums add to a round, 55 MB x 20 clients", bar=4.0, measure=secure_sums, at_most=True),
        Bar(what="search of `make tune`, 2 cores", bar=1.3, measure=lambda: demo("au")),
        Bar(what="search of the demo of `fl-au`, 2 cores", bar=2.0, measure=lambda: demo("fl-au")),
        Bar(what="`tune` of its trainings' own time on 2 workers", bar=1.08, measure=own_seconds, at_most=True),
        Bar(what="round of 20 clients, of Flower's time", bar=0.40, measure=flower, at_most=True),
    ]


def row(one: Bar) -> str:
    """Measure a bar, and return its row of the table."""
    load, start = os.getloadavg()[0], time.perf_counter()
    bar = f"at most {one.bar:g}" if one.at_most else f"{one.bar:g}x"
    try:
        found = one.measure()
    except Exception as error:
        traceback.print_exc()
        reason = str(error).strip().splitlines()[-1:] or [type(error).__name__]
        return f"| {one.what} | {bar} | not measured: {reason[0][:120]} | | | |"
    spread = "" if found.low == found.high else f" ({found.low:.2f} to {found.high:.2f})"
    seconds = time.perf_counter() - start
    print(f"  {seconds:.0f} s, load {load:.1f} before")
    return (
        f"| {one.what} | {bar} | **{found.ratio:.2f}**{spread} | {one.verdict(found.ratio)} | {found.made_of} "
        f"| {load:.1f} |"
    )


def document(rows: Sequence[str], seconds: float) -> str:
    """Return docs/benchmarks.md."""
    own = importlib.metadata.version
    cpu = next((line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                if line.startswith("model name")), "an unknown processor")  # fmt: skip
    versions = ", ".join(f"{name} {own(name)}" for name in ("torch", "ray", "mlflow", "numpy"))
    return "\n".join(
        [
            "# Measurements",
            "",
            "Written by `make bench` (`benchmarks/all_bars.py`); earlier and other measurements: [log](log.md).",
            "",
            f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores of {cpu}, Python {platform.python_version()},",
            f"{versions}; {seconds / 60:.0f} minutes in all.",
            "",
            f"A speed-up is the time of commit {BEFORE} over today's, both on this machine in turn: the median, with",
            "the smallest and the largest of the pairs. One thread per trial; embedded corpus. Load: the machine's",
            "before the row, on a quiet one below 1 at the first row and up to the number of cores later.",
            "",
            "| what | bar | measured | verdict | seconds | load |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="bars whose name contains this")
    parser.add_argument("--dry", action="store_true", help="write nothing")
    given = parser.parse_args()
    start, rows = time.perf_counter(), []
    for one in bars():
        if given.only in one.what:
            print(one.what, flush=True)
            rows.append(row(one))
            print(rows[-1], flush=True)
    if given.dry or given.only:
        return
    _, head, rest = DOCUMENT.read_text(encoding="utf-8").partition(GPU_HEAD)  # benchmarks/gpu.py writes that
    written = document(rows, time.perf_counter() - start)
    DOCUMENT.write_text(f"{written.rstrip()}\n\n{head}{rest}" if head else written, encoding="utf-8")
    print(f"written to {DOCUMENT}")


if __name__ == "__main__":
    main()
