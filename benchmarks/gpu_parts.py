"""Parts of the GPU's measurements: kernels, agreement with the CPU, a killed pack, images."""

import multiprocessing
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.gpu_made import PAPERS, Scale, pack, people, recipe, seconds_of, splits
from models import frames
from models.backends import BF16, FLOAT32, PRECISIONS, REFERENCE, STACKED, STACKED_CUDA, TF32, TRITON
from models.checkpoints import JSON_NAME
from models.frames import FrameSeries
from models.networks import build_for
from models.precision import modules_in
from models.recipe import Recipe
from models.sizes import BACKBONE_FEATURES
from models.splits import FoldSplit
from models.stacks.folds import StackedFolds
from models.stacks.fused import fused
from models.stacks.teams import in_teams
from models.stacks.trials import tried
from models.training import Epoch, FoldsInTraining, TrainingDiverged
from models.windows import Series

SCALE = PAPERS
TRIED_SIZES = (8, 16, 64, 128, 256, 512)
TRIED_ALL = 128  # hidden units at which every precision is tried, elsewhere TF32 and above it bfloat16
BY_TEAMS = 128  # hidden units of a BiLSTM whose weights one multiprocessor does not hold in TF32
TRYING = 10  # processes; a kernel is compiled by one processor
START = "spawn"  # processes that have used a GPU cannot fork
DEMO_FRAMES, DEMO_EPOCHS = 1500, 10  # of a person of the embedded corpus; of the preset demo
DEMO_SHAPES = [(network, 64, length) for network in ("rnn", "bigru", "bilstm") for length in (50, 200)]
DEMO, DEMO_PRECISIONS = "demo", (FLOAT32, TF32)
TEAM = "a team"
READ_AHEAD = "read ahead"
KILLED_POINT, KILLED_AFTER, EPOCHS = ("bigru", 16, 100, 2, 1500), 2, 12


def kernels(found: dict[str, Any]) -> None:
    """Try the kernels of every network, size and precision, in some processes; Triton keeps them for what follows."""
    shapes = [
        (network, size, precision)
        for size in reversed(TRIED_SIZES)  # those that take longest first
        for network in ("rnn", "bigru", "bilstm")
        for precision in (PRECISIONS if size == TRIED_ALL else (TF32, BF16) if size > TRIED_ALL else (TF32,))
    ]
    with multiprocessing.get_context(START).Pool(TRYING) as pool:
        told = pool.starmap(_try, [(*shape, SCALE.device) for shape in shapes], chunksize=1)
    found.update(
        {f"{network} {size} {precision}": one for (network, size, precision), one in zip(shapes, told, strict=True)}
    )


def _try(network: str, size: int, precision: str, device: str) -> dict[str, Any]:
    start = time.perf_counter()
    told: dict[str, Any] = {}
    for name, kind in (("one program", fused(network, precision)), (TEAM, in_teams(network, precision))):
        trial = tried(kind, size, device)
        told = {"by": name, "refusal": trial.refusal, "worst_error": max(trial.errors, default=None)}
        if trial.refusal is None:
            break
    return {**told, "seconds": time.perf_counter() - start}


def agreement(found: dict[str, Any]) -> None:
    """Train the same configurations on the CPU and on the GPU: some epochs by every back end, and those of the demo."""
    shapes = [(16, 2, 800, network) for network in ("rnn", "bigru", "bilstm")]
    shapes += [(BY_TEAMS, 1, 400, "bilstm"), (2 * BY_TEAMS, 1, 400, "bigru")]
    demo = (SCALE, DEMO_FRAMES, DEMO_EPOCHS)
    on_cpu = ("cpu", STACKED, FLOAT32)
    with multiprocessing.get_context(START).Pool(TRYING, torch.set_num_threads, (1,)) as pool:
        small = pool.starmap_async(_short, [(shape, *on_cpu) for shape in shapes], chunksize=1)
        demos = pool.starmap_async(_demo, [(shape, *demo, *on_cpu) for shape in DEMO_SHAPES], chunksize=1)
        for shape, expected in zip(shapes, small.get(), strict=True):
            hidden, _, _, network = shape
            for backend in (REFERENCE, STACKED_CUDA, TRITON) if hidden < BY_TEAMS else (TRITON,):
                for precision in PRECISIONS if backend == TRITON else (TF32, BF16):
                    told = _difference(_short(shape, SCALE.device, backend, precision), expected)
                    found[f"{network} {hidden} {backend} {precision}"] = told
        for one, expected in zip(DEMO_SHAPES, demos.get(), strict=True):
            for precision in DEMO_PRECISIONS:
                found[f"{DEMO} {one} {precision}"] = _difference(
                    _demo(one, *demo, SCALE.device, TRITON, precision), expected
                )


def _short(shape: tuple[int, int, int, str], device: str, backend: str, precision: str) -> tuple[float, ...]:
    hidden, layers, frames_each, network = shape
    one = recipe(network, hidden, 50, layers, epochs=3)
    return _ccc(one, people(6, frames_each), splits(6, 3), device, backend, precision)


def _demo(  # noqa: PLR0913, PLR0917 - a training
    shape: tuple[str, int, int], scale: Scale, frames_each: int, epochs: int, device: str, backend: str, precision: str
) -> tuple[float, ...]:
    """Train a configuration of the demo preset on two of its folds."""
    one = recipe(*shape, 1, epochs=epochs)
    folds = splits(scale.people, scale.folds)[:2]
    return _ccc(one, people(scale.people, frames_each), folds, device, backend, precision)


def _ccc(  # noqa: PLR0913, PLR0917 - a training
    one: Recipe, series: list[Series], folds: list[FoldSplit], device: str, backend: str, precision: str
) -> tuple[float, ...]:
    """Train and return the CCC of both dimensions, fold by fold, after the last epoch.

    `one` on the `folds` of `series`, on the `device` by the `backend` with the `precision`.
    """
    if backend == REFERENCE:
        last = list(FoldsInTraining(series, folds, one, seed=0, device=device, precision=precision).epochs())[-1]
    else:
        made = StackedFolds(series, folds, [one], seeds=[0], device=device, backend=backend, precision=precision)
        last = _finite(list(made.epochs())[-1][0])
    return (*last.ccc_valence, *last.ccc_arousal)


def _difference(values: tuple[float, ...], expected: tuple[float, ...]) -> float:
    return max(abs(a - b) for a, b in zip(values, expected, strict=True))


def _finite(epoch: Epoch | TrainingDiverged) -> Epoch:
    assert isinstance(epoch, Epoch), epoch
    return epoch


def resume(found: dict[str, Any]) -> None:
    """Kill the process that trains a pack on the GPU, take the pack up from its checkpoint, and compare."""
    killed = (KILLED_POINT, SCALE)
    expected = list(_pack_to_kill(*killed).epochs())[-1]
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "checkpoint"
        context: Any = multiprocessing.get_context(START)
        training = context.Process(target=_train_and_save, args=(checkpoint, *killed))
        training.start()
        try:
            while training.is_alive() and not (checkpoint / JSON_NAME).exists():  # it is written last
                time.sleep(0.002)
        finally:
            training.kill()
            training.join()
        if training.exitcode != -signal.SIGKILL:
            raise RuntimeError(f"the training ended by itself with {training.exitcode}; expected that it was killed")
        second = _pack_to_kill(*killed)
        second.load(checkpoint)
    going = list(second.epochs())
    found["killed_after_epochs"] = EPOCHS - len(going)
    last = going[-1]
    found["ccc_max_diff"] = max(
        abs(a - b)
        for place in last
        for a, b in zip(_finite(last[place]).ccc_valence, _finite(expected[place]).ccc_valence, strict=True)
    )


def _pack_to_kill(point: tuple[str, int, int, int, int], scale: Scale) -> StackedFolds:
    return pack(point, TRITON, scale, recipe={"epochs": EPOCHS})


def _train_and_save(checkpoint: Path, *killed: Any) -> None:
    """Train a pack, and write its state after `KILLED_AFTER` epochs."""
    going = _pack_to_kill(*killed)
    for number, _ in enumerate(going.epochs(), 1):
        if number == KILLED_AFTER:
            going.save(checkpoint)


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
        with modules_in(precision):
            model = build_for(one, num_features=BACKBONE_FEATURES, seed=0).to(SCALE.device)
            resident = _by_hand(model, x.to(SCALE.device), gold.to(SCALE.device))
        for name, share in ((precision, frames.RESIDENT_SHARE), (f"{precision}, {READ_AHEAD}", 0.0)):
            with mock.patch.object(frames, "RESIDENT_SHARE", share):
                training = FoldsInTraining(series, [split], one, seed=0, device=SCALE.device, precision=precision)
            seconds = seconds_of(training.epochs())[-1]
            found[name] = {
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
