"""What a GPU gives: kernels that are trusted, packs against one model after another, images, and the paper's grid.

    python -m benchmarks.gpu [--out FOLDER] [--seconds N] [--parts NAME,NAME] [--from FILE ...]

Needs torch alone and a GPU; at most 3 minutes. Writes FOLDER/gpu.json after every part and then the table of
docs/benchmarks.md; `--from` measures nothing and writes the table from such files, later ones going before earlier.
Ratios are of runs side by side on one device: 23 people of random data, 40 features; a pack is 24 models, 8 folds of 3
learning rates, 8 windows per step.
"""

import argparse
import gc
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks import gpu_parts
from benchmarks.deadlines import deadline
from benchmarks.gpu_made import PAPERS, pack, people, recipe, seconds_of, splits
from benchmarks.gpu_table import measured_on, write
from models.backends import BF16, STACKED_CUDA, TF32, TRITON
from models.gpus import CORNERS
from models.training import FoldsInTraining

SCALE = PAPERS
# What each takes on an H100, s; of the packs and the grid one point. What has no such time left is not begun, and what
# takes longer is ended when the time is up.
PARTS = {"kernels": 22.0, "grid": 12.0, "packs": 15.0, "images": 20.0, "resume": 13.0, "agreement": 30.0}
ASIDE = 8.0  # s of starting torch before, and of writing the table after
# Network, hidden size, window length, layers, frames per person. As in the paper's corpus of 7,500 frames most lengths
# leave a last window that is partial.
POINTS = (
    ("rnn", 128, 2000, 2, 7500),
    ("bilstm", 128, 600, 6, 3300),
    ("bigru", 256, 50, 4, 1000),
    ("bigru", 512, 50, 8, 400),
    ("bigru", 64, 200, 2, 3100),
    ("bigru", 8, 50, 1, 3000),
)
SIZES = (512, 256, 128, 64, 16, 8)
FRAMES_AT = (800, 1600, 400)  # per person, at the corners of the grid
BF16_FROM = 128  # hidden units


def packs(found: dict[str, Any], left: Callable[[], float]) -> None:
    """Time an epoch of each point: one model alone by the reference, and 24 as a pack."""
    for point in POINTS:
        network, hidden, length, layers, frames = point
        name = f"{network} {hidden}, {length}, {layers}, {frames} frames"
        if left() < PARTS["packs"]:
            found[name] = None
            continue
        chosen = recipe(network, hidden, length, layers)
        folds = splits(SCALE.people, SCALE.folds)[:1]
        alone = FoldsInTraining(people(SCALE.people, frames), folds, chosen, seed=0, device=SCALE.device)
        row: dict[str, Any] = {"reference_s": seconds_of(alone.epochs())[-1]}
        del alone
        compared = [(TRITON, TF32), (TRITON, BF16) if hidden >= BF16_FROM else (STACKED_CUDA, TF32)]
        for backend, precision in compared:
            torch.cuda.reset_peak_memory_stats()
            start = time.perf_counter()
            stack = pack(point, backend, SCALE, precision=precision)
            taken = seconds_of(stack.epochs())
            row[f"{backend} {precision}"] = {
                "backend": stack.layers.backend,
                "note": stack.layers.note,
                "epoch_s": taken[-1],
                "before_s": time.perf_counter() - start - 2 * taken[-1],
                "ratio_per_model": row["reference_s"] * SCALE.models / taken[-1],
                "peak_MiB": torch.cuda.max_memory_allocated() >> 20,
            }
            del stack
            gc.collect()
        found[name] = row


def grid(found: dict[str, Any], left: Callable[[], float]) -> None:
    """Measure packs at the corners of the paper's grid: milliseconds per step, as `models.gpus` has them."""
    found["ms_per_step"] = {}
    for size in SIZES:
        for network in ("rnn", "bigru", "bilstm"):
            if left() < PARTS["grid"]:
                found.setdefault("not_measured", []).append(f"{network} {size}")
                continue
            per_step = []
            for (length, layers), frames in zip(CORNERS, FRAMES_AT, strict=True):
                stack = pack((network, size, length, layers, frames), TRITON, SCALE)
                taken = seconds_of(stack.epochs())[-1]
                windows = (SCALE.people - SCALE.people // SCALE.folds) * -(-frames // length)
                per_step.append(1e3 * taken / -(-windows // 8))
                del stack
                gc.collect()
            found["ms_per_step"][f"{network} {size}"] = per_step


class TimeIsUpError(Exception):
    """The time of all parts has gone."""


def measure(part: str, found: dict[str, Any], left: Callable[[], float]) -> None:
    """Fill `found` with what a part measures in the seconds that are `left`; a failure stands in it."""
    if left() < PARTS[part]:
        found["not_measured"] = "no time was left"
        return
    try:
        with deadline(left(), TimeIsUpError):
            if part == "packs":
                packs(found, left)
            elif part == "grid":
                grid(found, left)
            else:
                getattr(gpu_parts, part)(found)
    except TimeIsUpError:
        found["ended"] = "the time was up; what is missing was not measured"
    except Exception as failure:  # the other parts are worth having
        found["failed"] = f"{type(failure).__name__}: {failure}"[:500]


def main() -> int:
    """Measure what time allows, and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("build"))
    parser.add_argument("--seconds", type=float, default=180.0)
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--from", dest="files", type=Path, nargs="+")
    options = parser.parse_args()
    if unknown := [part for part in options.parts.split(",") if part not in PARTS]:
        parser.error(f"--parts: found {', '.join(unknown)}; expected some of {', '.join(PARTS)}")
    if missing := [file for file in options.files or () if not file.is_file()]:
        parser.error(f"--from: found no file {', '.join(map(str, missing))}; expected what earlier runs have written")
    if options.files:
        write([json.loads(file.read_text()) for file in options.files])
        return 0
    if not torch.cuda.is_available():
        print("error: found no GPU; expected one that torch can use", file=sys.stderr)
        return 2
    start = time.perf_counter()

    def left() -> float:
        return float(options.seconds - ASIDE - (time.perf_counter() - start))

    results: dict[str, Any] = {**measured_on(), "parts": {}}
    options.out.mkdir(parents=True, exist_ok=True)
    for part in options.parts.split(","):
        found: dict[str, Any] = {}
        begun = time.perf_counter()
        measure(part, found, left)
        results["parts"][part] = {**found, "seconds": time.perf_counter() - begun}
        (options.out / "gpu.json").write_text(json.dumps(results, indent=1))
        print(part, json.dumps(results["parts"][part]), flush=True)
    write([results])
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
