"""The GPU's part of docs/benchmarks.md, from what `benchmarks/gpu.py` has measured."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.gpu_parts import DEMO, DEMO_PRECISIONS, READ_AHEAD, TEAM
from benchmarks.gpu_parts import EPOCHS as EPOCHS_KILLED
from models.backends import PRECISIONS, REFERENCE, STACKED_CUDA, TRITON
from models.gpus import seconds_by_rule
from tune_spaces.au import GRID, NETWORKS

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.md"
HEAD = "## On a GPU\n"
# Hidden size: the bar and what to reach for, times as fast per model as one after the other.
BARS = {8: (30, 100), 64: (30, 100), 128: (15, 25), 256: (15, 25), 512: (8, 20)}
GRID_BARS = (48, 24)
IMAGE_BARS = (1.15, 1.05)
TUNE_BARS = (3, 6)
NOT_MEASURED = "not measured"
EPOCHS, PEOPLE, FRAMES, FOLDS, WINDOWS = 100, 23, 7500, 8, 8


def hours(ms_per_step: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Return by network and size the hours of the paper's grid: a pack of 24 per length and number of layers."""
    total: dict[str, float] = {}
    for name, corners in ms_per_step.items():
        short, long, deep = corners
        seconds = 0.0
        for length in GRID["sequence_length"]:
            steps = -(-(PEOPLE - PEOPLE // FOLDS) * -(-FRAMES // int(length)) // WINDOWS)
            for layers in GRID["num_layers"]:
                seconds += EPOCHS * steps * seconds_by_rule((short, long, deep), int(length), int(layers))
        total[name] = seconds / 3600
    return total


def measured_on() -> dict[str, str]:
    """Return the GPU, torch's version and the date."""
    import torch

    name = torch.cuda.get_device_properties(0).name
    return {"device": name, "torch": torch.__version__, "date": datetime.now(UTC).date().isoformat()}


def write(results: Sequence[Mapping[str, Any]]) -> None:
    """Replace the part on GPUs by what some runs on one device have measured; a later run's figure goes first."""
    text = DOCUMENT.read_text(encoding="utf-8")
    before = text.split(HEAD)[0].rstrip() + "\n\n"
    DOCUMENT.write_text(before + HEAD + "\n" + section(results), encoding="utf-8")


def section(results: Sequence[Mapping[str, Any]]) -> str:
    """Return the part's text."""
    parts: dict[str, dict[str, Any]] = {}
    for one in results:
        for name, found in one["parts"].items():
            part = parts.setdefault(name, {})
            for key, value in found.items():
                if isinstance(value, dict) and isinstance(part.get(key), dict):
                    part[key] = {**part[key], **value}
                elif value is not None:
                    part[key] = value
    last = results[-1]
    lines = [
        f"Written by `python -m benchmarks.gpu`: {last['date']}, one {last['device']}, torch {last['torch']}.",
        "",
        "A ratio is the time of 24 models one after the other by the reference (cuDNN in TF32; one fold is timed)",
        "over that of one pack of 24, an epoch with its validation, both in the same run. Recordings of 7,500 frames",
        "leave a partial last window at most lengths, which the reference packs (cuDNN takes such batches several",
        "times as slowly) and a stack masks; the ratio is smaller for frames that fill whole windows: see the rows.",
        "What the last run had no time for is an earlier one's.",
        *(str(one["note"]) for one in results if "note" in one),
        "",
        "| network, hidden, length, layers, frames per person | bar (to reach for) | TF32 | other | verdict |",
        "|---|---|---|---|---|",
    ]
    for name, row in parts.get("packs", {}).items():
        if isinstance(row, dict):
            lines.append(_pack_row(name, row))
    lines += ["", *_others(parts)]
    return "\n".join(lines) + "\n"


def _pack_row(name: str, row: Mapping[str, Any]) -> str:
    bar, reach = BARS[int(name.split()[1].rstrip(","))]
    cells = {key: one for key, one in row.items() if isinstance(one, dict)}
    first = cells.pop("triton tf32")
    told = f"**{first['ratio_per_model']:.1f}x**, {first['epoch_s']:.3f} s per epoch, {first['backend']}"
    more = "; ".join(f"{key} {one['ratio_per_model']:.1f}x" for key, one in cells.items())
    verdict = "holds" if first["ratio_per_model"] >= bar else "falls short"
    return f"| {name} | {bar}x ({reach}x) | {told} | {more} | {verdict} |"


def _others(parts: Mapping[str, Mapping[str, Any]]) -> list[str]:
    lines = ["| what | bar (to reach for) | measured | verdict |", "|---|---|---|---|"]
    grid = hours(parts.get("grid", {}).get("ms_per_step", {}))
    if len(grid) == len(GRID["hidden_size"]) * len(NETWORKS):
        total, (bar, reach) = sum(grid.values()), GRID_BARS
        told = ", ".join(f"{name} {value:.1f}" for name, value in grid.items() if value > total / 20)
        verdict = "holds" if total <= bar else "falls short"
        lines.append(
            f"| the paper's 2,160 configurations, 100 epochs, one GPU, by packs at the corners of the grid | {bar} h"
            f" ({reach} h) | **{total:.0f} h** ({told} h) | {verdict} |"
        )
    most, ideal = IMAGE_BARS
    for precision in ("tf32", "bf16", f"tf32, {READ_AHEAD}", f"bf16, {READ_AHEAD}"):
        one = parts.get("images", {}).get(precision)
        what = f"images of 224 pixels, {precision}: an epoch over the same steps on frames already there"
        told, verdict = NOT_MEASURED, ""
        if one:
            told = f"**{one['ratio']:.2f}**, {one['frames_per_s']:.0f} frames/s"
            verdict = "holds" if one["ratio"] <= most else "falls short"
        lines.append(f"| {what} | {most:g} ({ideal:g}) | {told} | {verdict} |")
    tune = parts.get("tune", {})
    if tune:
        (bar, reach), verdict = TUNE_BARS, "holds" if tune["ratio"] >= TUNE_BARS[0] else "falls short"
        lines.append(
            f"| `tune --method au`, the demo, the whole command, against two cores | {bar}x ({reach}x) |"
            f" **{tune['ratio']:.1f}x**, {tune['gpu_s']:.0f} and {tune['two_cores_s']:.0f} s, the trainings"
            f" added up {tune['gpu_training_s']:.0f} and {tune['two_cores_training_s']:.0f} s | {verdict} |"
        )
    lines += _agreement(
        {k: v for k, v in parts.get("agreement", {}).items() if isinstance(v, float) and k != "seconds"}
    )
    if "ccc_max_diff" in parts.get("resume", {}):
        lines.append(
            "| a pack whose process was killed, taken up from its checkpoint after"
            f" {parts['resume']['killed_after_epochs']} of {EPOCHS_KILLED} epochs: difference of CCC | |"
            f" {parts['resume']['ccc_max_diff']:g} | |"
        )
    tried = {k: v for k, v in parts.get("kernels", {}).items() if isinstance(v, dict)}
    if tried:
        refused = [k for k, v in tried.items() if v["refusal"]]
        teams = sum(v["by"] == TEAM and not v["refusal"] for v in tried.values())
        worst_error = max(v["worst_error"] for v in tried.values() if v["worst_error"] is not None and not v["refusal"])
        lines.append(
            f"| kernels tried, 20 times each with equal bits, largest error against float32 | |"
            f" {len(tried) - len(refused)} of {len(tried)}, {teams} of them teams',"
            f" {worst_error:.1e}; refused: {', '.join(refused) or 'none'} | |"
        )
    return lines


def _agreement(found: Mapping[str, float]) -> list[str]:
    """Return the lines on differences from the CPU: by precision and back end, and of the demo's configurations."""
    lines = []
    for precision in PRECISIONS:
        by_backend = {
            backend: [v for k, v in found.items() if k.split()[2:] == [backend, precision]]
            for backend in (REFERENCE, STACKED_CUDA, TRITON)
        }
        told = ", ".join(f"{backend} {max(values):.1e}" for backend, values in by_backend.items() if values)
        if told:
            lines.append(f"| largest difference of CCC to the CPU after 3 epochs, {precision} | 1e-3 | {told} | |")
    for precision in PRECISIONS:
        demo = [v for k, v in found.items() if k.startswith(DEMO) and k.endswith(precision)]
        if precision in DEMO_PRECISIONS:
            told = f"largest {max(demo):.1e}, median {median(demo):.1e}" if demo else NOT_MEASURED
            what = f"the same of the demo's configurations of 64 units, 10 epochs, two folds, {precision}"
            lines.append(f"| {what} | 1e-3 | {told} | |")
    return lines
