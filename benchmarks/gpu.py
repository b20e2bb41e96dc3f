"""What a GPU gives: kernels that are trusted, packs against one model after another, images, and the paper's grid.

Usage: python -m benchmarks.gpu [--out FOLDER] [--seconds N]. Needs torch alone and a GPU; Triton where there is one.
Writes FOLDER/gpu.json after every part. Ratios are of runs side by side on one device. Random data of the size of the
paper's corpus: 23 people, 40 features; a pack is 24 models, 8 folds of 3 learning rates, 8 windows per step.
"""

import argparse
import gc
import json
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models.backends import AUTO, REFERENCE, STACKED, STACKED_CUDA, TRITON, choose
from models.frames import FrameSeries
from models.precision import BF16, PRECISIONS, TF32, modules_in
from models.recipe import Recipe
from models.splits import FoldSplit
from models.stacks.folds import StackedFolds
from models.stacks.fused import tried
from models.training import FoldsInTraining
from models.windows import Series

PEOPLE, FEATURES, FOLDS, RATES = 23, 40, 8, (1e-3, 1e-4, 1e-5)
# Network, hidden size, window length, layers, frames per person: the points that were measured before there were packs.
POINTS = (
    ("bigru", 8, 50, 1, 3000),
    ("bigru", 8, 600, 1, 6000),
    ("bilstm", 8, 50, 1, 3000),
    ("rnn", 8, 50, 1, 3000),
    ("bigru", 64, 200, 2, 3000),
    ("bilstm", 64, 200, 2, 3000),
    ("bigru", 128, 600, 2, 6000),
    ("bilstm", 128, 600, 6, 3000),
    ("rnn", 128, 2000, 2, 6000),
    ("bigru", 256, 50, 4, 1000),
    ("bigru", 512, 50, 8, 400),
)
SIZES = (8, 16, 64, 128, 256, 512)
LENGTHS = (50, 100, 200, 400, 600, 800, 1000, 2000)
LAYERS = (1, 2, 4, 6, 8)
EPOCHS = 100
DEMO_FRAMES = 1500  # of a person of the embedded corpus
TRIED_SIZES = (8, 64, 128)
# Window length, layers and frames per person of what the grid is estimated from.
CORNERS = ((50, 1, 800), (400, 1, 1600), (50, 4, 400))


def recipe(network: str, hidden: int, length: int, layers: int, **others: Any) -> Recipe:
    """Return the paper's recipe of a network, `others` replacing its fields."""
    fields = {
        "network": network,
        "hidden_size": hidden,
        "sequence_length": length,
        "num_layers": layers,
        "learning_rate": RATES[0],
        "epochs": 2,
        "loss": "mse",
        "target": "frame",
        "partial_window": "pad",
        "windows_a_step": 8,
        "order": "shuffled",
        "keep": "last",
    }
    return Recipe(**{**fields, **others})


def people(number: int, frames: int) -> list[Series]:
    """Make people whose features follow their gold standard, with noise."""
    draw = np.random.default_rng(0)
    mix = draw.normal(size=(2, FEATURES))
    made = []
    for person in range(number):
        angle = np.arange(frames)[:, None] / draw.uniform(20, 60, size=2) + draw.uniform(0, 6, size=2)
        gold = 0.6 * np.sin(angle)
        features = gold @ mix + 0.5 * draw.normal(size=(frames, FEATURES))
        made.append(
            Series(
                participant=f"P{person}",
                session="",
                features_TF=features.astype(np.float32),
                valid_T=np.ones(frames, bool),
                gold_T2=gold.astype(np.float32),
            )
        )
    return made


def splits(number: int, folds: int) -> list[FoldSplit]:
    """Split people into folds."""
    parts = [tuple(map(int, part)) for part in np.array_split(np.arange(number), folds)]
    return [
        FoldSplit(train=tuple(i for i in range(number) if i not in part), validation=part, held_out=part)
        for part in parts
    ]


def seconds_of(steps: Iterable[Any]) -> list[float]:
    """Return what each step of an iteration takes, the device's work included."""
    taken, start = [], time.perf_counter()
    for _ in steps:
        torch.cuda.synchronize()
        taken.append(time.perf_counter() - start)
        start = time.perf_counter()
    return taken


def pack(point: tuple[str, int, int, int, int], backend: str, **others: Any) -> StackedFolds:
    """Return the pack of 24 models of a point."""
    *shape, frames = point
    fields = others.pop("recipe", {})
    recipes = [recipe(*shape, **{**fields, "learning_rate": rate}) for rate in RATES]
    return StackedFolds(
        people(PEOPLE, frames),
        splits(PEOPLE, FOLDS),
        recipes,
        seeds=[0] * len(recipes),
        device="cuda",
        backend=backend,
        **others,
    )


def kernels(found: dict[str, Any]) -> None:
    """Try the kernels of every network, size and precision."""
    for network in ("rnn", "bigru", "bilstm"):
        for size in TRIED_SIZES:
            for precision in PRECISIONS if size == TRIED_SIZES[0] else (TF32, BF16):
                start = time.perf_counter()
                trial = tried(network, size, precision, "cuda")
                found[f"{network} {size} {precision}"] = {
                    "refusal": trial.refusal,
                    "worst_error": max(trial.errors, default=None),
                    "seconds": time.perf_counter() - start,
                }


def agreement(found: dict[str, Any]) -> None:
    """Train the same configurations on the CPU and on the GPU, by every back end and precision."""
    series, folds = people(6, 800), splits(6, 3)
    for network in ("rnn", "bigru", "bilstm"):
        one = recipe(network, 16, 50, 2, epochs=3)
        expected = list(StackedFolds(series, folds, [one], seeds=[0], backend=STACKED).epochs())[-1][0]
        for backend in (REFERENCE, STACKED_CUDA, TRITON):
            for precision in PRECISIONS if backend == TRITON else (TF32, BF16):
                if backend == REFERENCE:
                    training = FoldsInTraining(series, folds, one, seed=0, device="cuda")
                    with modules_in(precision):
                        last = list(training.epochs())[-1]
                else:
                    made = StackedFolds(
                        series, folds, [one], seeds=[0], device="cuda", backend=backend, precision=precision
                    )
                    last = list(made.epochs())[-1][0]
                pairs = zip(
                    last.ccc_valence + last.ccc_arousal, expected.ccc_valence + expected.ccc_arousal, strict=True
                )
                found[f"{network} {backend} {precision}"] = max(abs(a - b) for a, b in pairs)


def resume(found: dict[str, Any]) -> None:
    """Interrupt a pack on the GPU after an epoch, take it up from its checkpoint, and compare."""
    point = ("bigru", 16, 100, 2, 1500)
    whole = pack(point, TRITON, recipe={"epochs": 4})
    expected = list(whole.epochs())[-1]
    first = pack(point, TRITON, recipe={"epochs": 4})
    going = first.epochs()
    next(going), next(going)
    with tempfile.TemporaryDirectory() as folder:
        first.save(Path(folder) / "checkpoint")
        second = pack(point, TRITON, recipe={"epochs": 4})
        second.load(Path(folder) / "checkpoint")
    last = list(second.epochs())[-1]
    found["ccc_max_diff"] = max(
        abs(a - b) for place in last for a, b in zip(last[place].ccc_valence, expected[place].ccc_valence, strict=True)
    )


def packs(found: dict[str, Any], left: Callable[[], float]) -> None:
    """Time an epoch of each point: one model alone by the reference, and 24 as a pack."""
    for point in POINTS:
        if left() < 0:
            return
        *shape, frames = point
        name = "{} {}, {}, {}".format(*shape)
        alone = FoldsInTraining(
            people(PEOPLE, frames), splits(PEOPLE, FOLDS)[:1], recipe(*shape), seed=0, device="cuda"
        )
        row: dict[str, Any] = {"frames": frames, "reference_s": seconds_of(alone.epochs())[-1]}
        del alone
        tried_out = [(TRITON, TF32)]
        tried_out += [(TRITON, BF16)] if shape[1] >= 128 else [(STACKED_CUDA, TF32)]
        for backend, precision in tried_out:
            torch.cuda.reset_peak_memory_stats()
            start = time.perf_counter()
            stack = pack(point, backend, precision=precision)
            taken = seconds_of(stack.epochs())
            row[f"{backend} {precision}"] = {
                "backend": stack.layers.backend,
                "note": stack.layers.note,
                "epoch_s": taken[-1],
                "before_s": time.perf_counter() - start - 2 * taken[-1],
                "ratio_per_model": row["reference_s"] * FOLDS * len(RATES) / taken[-1],
                "peak_MiB": torch.cuda.max_memory_allocated() >> 20,
            }
            del stack
            gc.collect()
        found[name] = row
        report(
            name,
            {
                key: value if isinstance(value, float | int) else round(value["ratio_per_model"], 1)
                for key, value in row.items()
            },
        )


def images(found: dict[str, Any]) -> None:
    """Time images of 224 pixels through the training loop, and the same steps on frames already there."""
    draw = np.random.default_rng(0)
    series = [
        FrameSeries(
            participant=f"P{person}",
            session="",
            frames=draw.integers(0, 256, (512, 224, 224, 3), dtype=np.uint8),
            index_T=np.arange(512),
            gold_T2=draw.uniform(-1, 1, (512, 2)).astype(np.float32),
        )
        for person in range(4)
    ]
    split = FoldSplit(train=(0, 1, 2), validation=(3,), held_out=(3,))
    one = recipe("bilstm", 8, 16, 1, epochs=3, backbone="resnet18", image_size=224)
    for precision in (TF32, BF16):
        training = FoldsInTraining(series, [split], one, seed=0, device="cuda")
        model = training._models[0]  # noqa: SLF001 - the same network, fed by hand
        with modules_in(precision):
            seconds = seconds_of(training.epochs())[-1]
            x = torch.randint(0, 256, (8, 16, 224, 224, 3), dtype=torch.uint8, device="cuda")
            gold = torch.rand(8, 16, 2, device="cuda")
            adam = torch.optim.Adam(model.parameters(), lr=1e-4, fused=True)

            def steps(number: int, learn: bool) -> Iterable[None]:
                model.train(learn)
                for _ in range(number):
                    if learn:
                        adam.zero_grad()
                        (model(x) - gold).square().mean().backward()
                        adam.step()
                    else:
                        with torch.inference_mode():
                            model(x)
                yield

            seconds_of(steps(5, True)), seconds_of(steps(2, False))
            resident = seconds_of(steps(12, True))[0] + seconds_of(steps(4, False))[0]
        found[precision] = {
            "epoch_s": seconds,
            "resident_s": resident,
            "ratio": seconds / resident,
            "frames_per_s": 2048 / seconds,
        }


def grid(found: dict[str, Any], left: Callable[[], float]) -> None:
    """Estimate the paper's grid from packs at its corners: seconds per step = a + layers (b + c length)."""
    rules = {}
    for network in ("rnn", "bigru", "bilstm"):
        for size in SIZES:
            if left() < 0:
                found["not_measured"] = [*found.get("not_measured", []), f"{network} {size}"]
                continue
            per_step = []
            for length, layers, frames in CORNERS:
                stack = pack((network, size, length, layers, frames), TRITON)
                taken = seconds_of(stack.epochs())[-1]
                windows = (PEOPLE - PEOPLE // FOLDS) * -(-frames // length)
                per_step.append(taken / -(-windows // 8))
                del stack
                gc.collect()
            short, long, deep = per_step
            slope = max(0.0, (long - short) / (CORNERS[1][0] - CORNERS[0][0]))
            layer = max(0.0, (deep - short) / (CORNERS[2][1] - CORNERS[0][1]))
            rules[f"{network} {size}"] = {"short": short, "slope": slope, "layer": layer, "per_step": per_step}
    found["rules"] = rules
    found["hours"] = sum(hours_of(rule) for rule in rules.values())


def hours_of(rule: dict[str, Any]) -> float:
    """Add up the packs of a network and a size: all lengths and layers, 3 learning rates of 8 folds each."""
    total = 0.0
    for length in LENGTHS:
        steps = -(-(PEOPLE - PEOPLE // FOLDS) * -(-7500 // length) // 8)
        for layers in LAYERS:
            # A layer costs what it does at 50 frames, and longer windows in proportion.
            per_layer = rule["layer"] + rule["slope"] * (length - CORNERS[0][0])
            first = max(rule["short"] - rule["layer"], 0.0)
            total += EPOCHS * steps * (first + layers * per_layer)
    return total / 3600


def demo(found: dict[str, Any]) -> None:
    """Train the configurations of the demo preset, without Ray: packs on the GPU, and two processes on a core each."""
    shapes = [
        (network, size, length) for network in ("rnn", "bigru", "bilstm") for size in (8, 64) for length in (50, 200)
    ]
    start = time.perf_counter()
    for shape in shapes:
        train_demo(shape, "cuda")
    found["gpu_s"] = time.perf_counter() - start
    with multiprocessing.get_context("spawn").Pool(2, torch.set_num_threads, (1,)) as pool:
        pool.map(abs, (-1, -2), chunksize=1)  # both have started
        start = time.perf_counter()
        pool.starmap(train_demo, [(shape, "cpu") for shape in shapes], chunksize=1)
        found["two_cores_s"] = time.perf_counter() - start
    found["ratio"] = found["two_cores_s"] / found["gpu_s"]


def train_demo(shape: tuple[str, int, int], device: str) -> None:
    """Train a configuration of the demo: 8 folds, 10 epochs."""
    one = recipe(*shape, 1, epochs=10)
    backend = choose(AUTO, one, models=FOLDS, device=device)
    series, folds = people(PEOPLE, DEMO_FRAMES), splits(PEOPLE, FOLDS)
    if backend == REFERENCE:
        list(FoldsInTraining(series, folds, one, seed=0, device=device).epochs())
    else:
        list(StackedFolds(series, folds, [one], seeds=[0], device=device, backend=backend).epochs())


def report(part: str, found: object) -> None:
    """Say what a part has found."""
    print(part, json.dumps(found), flush=True)  # noqa: T201 - a benchmark


def main() -> int:
    """Measure what time allows, and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("build"))
    parser.add_argument("--seconds", type=float, default=170.0)
    parser.add_argument("--parts", default="kernels,agreement,resume,packs,images,grid")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        print("error: found no GPU; expected one that torch can use", file=sys.stderr)  # noqa: T201
        return 2
    start = time.perf_counter()

    def left() -> float:
        return float(options.seconds - (time.perf_counter() - start))

    device = torch.cuda.get_device_properties(0)
    results: dict[str, Any] = {"device": device.name, "torch": torch.__version__, "parts": {}}
    options.out.mkdir(parents=True, exist_ok=True)
    for part in options.parts.split(","):
        found: dict[str, Any] = {}
        begun = time.perf_counter()
        try:
            task = globals()[part]
            task(found, left) if part in {"packs", "grid"} else task(found)
        except Exception as failure:  # noqa: BLE001 - the other parts are worth having
            found["failed"] = f"{type(failure).__name__}: {failure}"[:500]
        results["parts"][part] = {**found, "seconds": time.perf_counter() - begun}
        (options.out / "gpu.json").write_text(json.dumps(results, indent=1))
        if part != "packs":
            report(part, results["parts"][part])
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
