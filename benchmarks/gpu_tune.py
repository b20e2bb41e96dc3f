"""The demo of `tune --method au` on this machine's GPU and on two processors, the whole commands side by side.

    python -m benchmarks.gpu_tune [--out FOLDER] [--runs N]

Needs Ray, MLflow, a GPU and at least six processors. Two of them belong to the run without a GPU, the others to the
runs with it, of which the last counts: the first compiles kernels. Writes FOLDER/gpu_tune.json, which
`python -m benchmarks.gpu --from` takes into docs/benchmarks.md.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu_table import measured_on

LEAST = 6  # processors


def command(folder: Path, name: str, *options: str) -> list[str]:
    """Return the command of a run that keeps its records in a store of its own."""
    store = f"sqlite:///{folder / f'{name}.db'}"
    tune = [sys.executable, "-m", "orchestrator", "tune", "--method", "au", "--preset", "demo"]
    return [*tune, "--output", str(folder / name), "--tracking-uri", store, *options]


def run(folder: Path, name: str, processors: Sequence[int], *options: str) -> tuple[float, float]:
    """Run on some processors; return the command's seconds and those of its trainings added up.

    RuntimeError if it failed.
    """
    words = ["taskset", "-c", ",".join(map(str, processors)), *command(folder, name, *options)]
    begun = time.perf_counter()
    with (folder / f"{name}.log").open("wb") as log:
        code = subprocess.run(words, stdout=log, stderr=subprocess.STDOUT, check=False).returncode
    seconds = time.perf_counter() - begun
    if code:
        raise RuntimeError(f"{name} ended with {code}: {(folder / f'{name}.log').read_text()[-2000:]}")
    results = [json.loads(file.read_text()) for file in (folder / name / "trials").glob("*/result.json")]
    return seconds, sum(one["training_seconds"] for one in results)


def main() -> int:
    """Run both, and write what they took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("build"))
    parser.add_argument("--runs", type=int, default=2)
    options = parser.parse_args()
    everything = sorted(os.sched_getaffinity(0))
    if not torch.cuda.is_available() or len(everything) < LEAST:
        print(f"error: found {len(everything)} processors; expected a GPU and at least {LEAST}", file=sys.stderr)
        return 2
    options.out.mkdir(parents=True, exist_ok=True)
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(1) as beside:
        folder = Path(name)
        alone = beside.submit(run, folder, "two", everything[:2], "--gpus-per-trial", "0", "--num-cpus", "2")
        for number in range(options.runs):
            seconds, training = run(folder, f"gpu{number}", everything[2:])
            print(f"GPU {seconds:.1f} s, trainings {training:.1f} s", flush=True)
        found["gpu_s"], found["gpu_training_s"] = seconds, training
        found["two_cores_s"], found["two_cores_training_s"] = alone.result()
    found["ratio"] = found["two_cores_s"] / found["gpu_s"]
    print(json.dumps(found), flush=True)
    (options.out / "gpu_tune.json").write_text(json.dumps({**measured_on(), "parts": {"tune": found}}, indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
