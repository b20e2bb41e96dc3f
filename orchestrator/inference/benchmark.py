"""How long a saved model takes from a file to its predictions, and to load (paper, Table III: inference time)."""

import os
import platform
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from orchestrator.corpora.cache import CACHE_VARIABLE
from orchestrator.corpora.synthetic.noise import write_features, write_video
from orchestrator.errors import InputError
from orchestrator.files import JsonObject
from orchestrator.inference.output import write_csv
from orchestrator.inference.predict import Wishes, predict, read_input
from orchestrator.inference.saved_model import SavedModel, open_model
from orchestrator.process.processors import num_processors

FRAMES = (100, 500)  # Table III's columns
REPETITIONS = 5  # ours: of which the median is given; the first, cold one stands apart


def measure(model: SavedModel, *, device: str, fold: int | None = None) -> JsonObject:
    """Time files of FRAMES frames of noise; every frame of the file goes through the network.

    Each repetition has a file of its own, so that no cache answers; from reading it to the written predictions.
    A stranger is predicted by the mean of all folds; with `fold` by one model, as in the paper.
    """
    loads = [_load_seconds(model.folder) for _ in range(REPETITIONS)]
    every = model if model.images is None else replace(model, images=replace(model.images, frame_stride=1))
    wishes = Wishes(fold=fold, overlap=0.0, device=device)
    frames = {}
    with TemporaryDirectory(prefix="affect-timing-") as name, _own_cache(Path(name)):
        for count in FRAMES:
            cold, *warm = [_seconds(every, wishes, Path(name), count, seed) for seed in range(REPETITIONS + 1)]
            frames[str(count)] = {"cold_seconds": cold, **_spread(warm)}
    return {
        "device": device_name(device),
        "threads": torch.get_num_threads(),
        "models": 1 if fold is not None else model.num_folds,
        "repetitions": REPETITIONS,
        "load": _spread(loads),
        "frames": frames,
    }


def as_text(model: SavedModel, figures: JsonObject) -> str:
    """Render the figures as a small table."""
    rows = [f"{model.name}; {figures['models']} models, {figures['device']}, {figures['threads']} threads"]
    rows.append(f"{'':12}{'median s':>10}{'least s':>10}{'most s':>10}{'first s':>10}")
    named = {f"{count} frames": one for count, one in figures["frames"].items()}
    for name, one in {"load": figures["load"], **named}.items():
        cold = f"{one['cold_seconds']:10.4f}" if "cold_seconds" in one else ""
        rows.append(
            f"{name:12}{one['median_seconds']:10.4f}{one['least_seconds']:10.4f}{one['most_seconds']:10.4f}{cold}"
        )
    return "\n".join(rows)


def record(model: SavedModel, figures: JsonObject, tracking_uri: str | None) -> str:
    """Log the medians to the model's run in MLflow; InputError if the run is not known."""
    from orchestrator.tracking.location import resolve_tracking_uri
    from orchestrator.tracking.models import log_figures

    if model.run_id is None:
        expected = "a run's folder with tracking.json, or an MLflow run id"
        raise InputError.of("--record", found="a model whose run is not known", expected=expected)
    uri = resolve_tracking_uri(tracking_uri or model.tracking_uri)
    metrics = {f"inference_seconds_{count}": one["median_seconds"] for count, one in figures["frames"].items()}
    metrics["inference_load_seconds"] = figures["load"]["median_seconds"]
    log_figures(model.run_id, uri, metrics, {"inference_device": figures["device"]})
    return f"recorded in run {model.run_id} of {uri}"


def device_name(device: str) -> str:
    """Return what computed: the GPU's name, or the processor's architecture."""
    if device.startswith("cuda"):
        return str(torch.cuda.get_device_name(torch.device(device)))
    return f"{device} ({platform.machine()}, {num_processors()} cores)"


def _load_seconds(folder: Path) -> float:
    begun = time.perf_counter()
    open_model(str(folder))
    return time.perf_counter() - begun


def _seconds(model: SavedModel, wishes: Wishes, folder: Path, count: int, seed: int) -> float:
    if model.images is None:
        path = folder / f"stranger-{count}-{seed}.csv"
        write_features(path, model.card["features"], count, seed=seed)
    else:
        path = folder / f"stranger-{count}-{seed}.mp4"
        write_video(path, model.images.image_size, count, seed=seed)
    begun = time.perf_counter()
    predicted = predict(model, read_input(model, path), wishes)
    write_csv(folder / "predictions.csv", predicted)
    seconds = time.perf_counter() - begun
    path.unlink()
    assert sum(len(trace.time) for trace in predicted.traces) == count, "a frame was lost"
    return seconds


def _spread(seconds: list[float]) -> dict[str, float]:
    return {
        "median_seconds": statistics.median(seconds),
        "least_seconds": min(seconds),
        "most_seconds": max(seconds),
    }


@contextmanager
def _own_cache(folder: Path) -> Iterator[None]:
    """Decode into a folder that goes away, not into the user's cache."""
    before = os.environ.get(CACHE_VARIABLE)
    os.environ[CACHE_VARIABLE] = str(folder / "cache")
    try:
        yield
    finally:
        if before is None:
            del os.environ[CACHE_VARIABLE]
        else:
            os.environ[CACHE_VARIABLE] = before
