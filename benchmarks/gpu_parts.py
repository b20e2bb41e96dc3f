"""Parts of the GPU's measurements: kernels, agreement with the CPU, a resumed pack, images, the demo's trainings."""

import multiprocessing
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.gpu_made import DEVICE, FOLDS, PEOPLE, pack, people, recipe, seconds_of, splits
from models.backends import AUTO, BF16, PRECISIONS, REFERENCE, STACKED, STACKED_CUDA, TF32, TRITON, choose
from models.frames import FrameSeries
from models.networks import build_for
from models.precision import modules_in
from models.sizes import BACKBONE_FEATURES
from models.splits import FoldSplit
from models.stacks.folds import StackedFolds
from models.stacks.fused import tried
from models.training import Epoch, FoldsInTraining, TrainingDiverged

TRIED_SIZES = (8, 64, 128)
DEMO_FRAMES = 1500  # of a person of the embedded corpus


def kernels(found: dict[str, Any]) -> None:
    """Try the kernels of every network, size and precision."""
    for network in ("rnn", "bigru", "bilstm"):
        for size in TRIED_SIZES:
            for precision in PRECISIONS if size == TRIED_SIZES[0] else (TF32, BF16):
                start = time.perf_counter()
                trial = tried(network, size, precision, DEVICE)
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
        expected = _finite(list(StackedFolds(series, folds, [one], seeds=[0], backend=STACKED).epochs())[-1][0])
        for backend in (REFERENCE, STACKED_CUDA, TRITON):
            for precision in PRECISIONS if backend == TRITON else (TF32, BF16):
                if backend == REFERENCE:
                    training = FoldsInTraining(series, folds, one, seed=0, device=DEVICE, precision=precision)
                    last = list(training.epochs())[-1]
                else:
                    made = StackedFolds(
                        series, folds, [one], seeds=[0], device=DEVICE, backend=backend, precision=precision
                    )
                    last = _finite(list(made.epochs())[-1][0])
                pairs = zip(
                    last.ccc_valence + last.ccc_arousal, expected.ccc_valence + expected.ccc_arousal, strict=True
                )
                found[f"{network} {backend} {precision}"] = max(abs(a - b) for a, b in pairs)


def _finite(epoch: Epoch | TrainingDiverged) -> Epoch:
    assert isinstance(epoch, Epoch), epoch
    return epoch


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
        abs(a - b)
        for place in last
        for a, b in zip(_finite(last[place]).ccc_valence, _finite(expected[place]).ccc_valence, strict=True)
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
    x, gold = torch.randint(0, 256, (8, 16, 224, 224, 3), dtype=torch.uint8), torch.rand(8, 16, 2)
    for precision in (TF32, BF16):
        training = FoldsInTraining(series, [split], one, seed=0, device=DEVICE, precision=precision)
        seconds = seconds_of(training.epochs())[-1]
        with modules_in(precision):
            model = build_for(one, num_features=BACKBONE_FEATURES, seed=0).to(DEVICE)
            resident = _by_hand(model, x.to(DEVICE), gold.to(DEVICE))
        found[precision] = {
            "epoch_s": seconds,
            "resident_s": resident,
            "ratio": seconds / resident,
            "frames_per_s": 2048 / seconds,
        }


def _by_hand(model: nn.Module, x: Tensor, gold: Tensor) -> float:
    """Return the seconds of 12 training steps and 4 predictions of one batch, after some to warm up."""
    adam = torch.optim.Adam(model.parameters(), lr=1e-4, fused=True)

    def learn(number: int) -> Iterator[None]:
        model.train()
        for _ in range(number):
            adam.zero_grad()
            (model(x) - gold).square().mean().backward()
            adam.step()
        yield

    def predict(number: int) -> Iterator[None]:
        model.eval()
        with torch.inference_mode():
            for _ in range(number):
                model(x)
        yield

    seconds_of(learn(5)), seconds_of(predict(2))
    return seconds_of(learn(12))[0] + seconds_of(predict(4))[0]


def demo(found: dict[str, Any]) -> None:
    """Train the configurations of the demo preset, without Ray: packs on the GPU, and two processes on a core each."""
    shapes = [
        (network, size, length) for network in ("rnn", "bigru", "bilstm") for size in (8, 64) for length in (50, 200)
    ]
    start = time.perf_counter()
    for shape in shapes:
        train_demo(shape, DEVICE)
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
