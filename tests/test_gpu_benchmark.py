"""The GPU's benchmark, run on a CPU with few people and small networks: its parts go through, its table says so."""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from benchmarks import gpu, gpu_made, gpu_parts, gpu_table

PACK = {"backend": "triton", "note": None, "epoch_s": 0.1, "before_s": 1.0, "ratio_per_model": 29.0, "peak_MiB": 5}
RESULTS: dict[str, Any] = {
    "device": "A card",
    "torch": "2.0",
    "date": "2026-01-02",
    "parts": {
        "packs": {"bigru 64, 200, 2, 3100 frames": {"reference_s": 1.0, "triton tf32": PACK}, "seconds": 3.0},
        "grid": {"hours": {"rnn 8": 20.0, "bigru 512": 29.0}},
        "images": {"tf32": {"ratio": 1.1, "frames_per_s": 8000.0}},
        "agreement": {"rnn triton tf32": 2e-4, "bigru triton tf32": 3e-4, "seconds": 9.0},
        "resume": {"ccc_max_diff": 0.0},
        "kernels": {
            "rnn 8 tf32": {"refusal": None, "worst_error": 4e-4},
            "rnn 512 tf32": {"refusal": "too large", "worst_error": None},
        },
    },
}


@pytest.fixture
def on_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (gpu, gpu_made, gpu_parts):
        monkeypatch.setattr(module, "DEVICE", "cpu")
    modules: tuple[ModuleType, ...] = (gpu, gpu_made, gpu_parts)
    for module in modules:
        for name, value in (("PEOPLE", 4), ("FOLDS", 2), ("RATES", (1e-3, 1e-4))):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, value)
    monkeypatch.setattr(gpu_parts, "START", "fork")
    monkeypatch.setattr(gpu_parts, "KILLED_POINT", ("bigru", 8, 20, 1, 200))
    monkeypatch.setattr(gpu, "POINTS", (("bigru", 8, 10, 1, 45), ("rnn", 128, 10, 1, 30)))
    monkeypatch.setattr(gpu, "SIZES", (8,))
    monkeypatch.setattr(gpu, "FRAMES_AT", (100, 400, 50))
    for name in ("reset_peak_memory_stats", "max_memory_allocated"):
        monkeypatch.setattr(torch.cuda, name, lambda: 0)


@pytest.mark.usefixtures("on_a_cpu")
def test_parts_go_through() -> None:
    found: dict[str, Any] = {}
    gpu.packs(found, lambda: 1.0)
    assert list(found) == ["bigru 8, 10, 1, 45 frames", "rnn 128, 10, 1, 30 frames"]
    row = found["bigru 8, 10, 1, 45 frames"]
    assert list(row) == ["reference_s", "triton tf32", "stacked-cuda tf32"]
    assert row["triton tf32"]["backend"] == "stacked-cuda", "there is no GPU"
    assert row["stacked-cuda tf32"]["ratio_per_model"] == pytest.approx(
        4 * row["reference_s"] / row["stacked-cuda tf32"]["epoch_s"]
    )
    grid: dict[str, Any] = {}
    gpu.grid(grid, lambda: 1.0)
    assert sorted(grid["ms_per_step"]) == ["bigru 8", "bilstm 8", "rnn 8"]
    assert all(hours > 0 for hours in grid["hours"].values())
    tried: dict[str, Any] = {}
    gpu_parts.kernels(tried)
    assert len(tried) == 3 * (3 * 1 + 3 + 2 * 2)
    assert all(one["refusal"] for one in tried.values()), "there is no GPU"


@pytest.mark.usefixtures("on_a_cpu")
def test_a_killed_process_is_taken_up() -> None:
    resumed: dict[str, Any] = {}
    gpu_parts.resume(resumed)
    assert resumed["ccc_max_diff"] == 0.0
    assert gpu_parts.KILLED_AFTER <= resumed["killed_after_epochs"] < gpu_parts.EPOCHS


def test_without_time_left_a_point_is_marked_as_not_measured() -> None:
    found: dict[str, Any] = {}
    gpu.packs(found, lambda: -1.0)
    gpu.grid(found, lambda: -1.0)
    assert set(found.pop("not_measured")) == {f"{n} {s}" for n in ("rnn", "bigru", "bilstm") for s in gpu.SIZES}
    assert (found.pop("ms_per_step"), found.pop("hours")) == ({}, {})
    assert len(found) == len(gpu.POINTS)
    assert set(found.values()) == {None}


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_nothing_is_measured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["gpu", "--out", str(tmp_path / "out")])
    assert gpu.main() == 2
    assert capsys.readouterr().err == "error: found no GPU; expected one that torch can use\n"
    assert not list(tmp_path.iterdir())


def test_the_table_replaces_its_own_part_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    document = tmp_path / "benchmarks.md"
    document.write_text("# Measurements\n\nof a CPU\n\n## On a GPU\n\nof before\n")
    monkeypatch.setattr(gpu_table, "DOCUMENT", document)
    gpu_table.write([RESULTS])
    text = document.read_text()
    assert text.startswith(
        "# Measurements\n\nof a CPU\n\n## On a GPU\n\nWritten by `python -m benchmarks.gpu`: 2026-01-02,"
    )
    assert "of before" not in text
    for line in (
        "| bigru 64, 200, 2, 3100 frames | 30x (100x) | **29.0x**, 0.100 s per epoch, triton |  | falls short |",
        "**49 h** (rnn 8 20.0, bigru 512 29.0 h) | falls short |",
        "**1.10**, 8000 frames/s | holds |",
        "| largest difference of CCC to the CPU, 3 networks, tf32 | 1e-3 | triton 3.0e-04 | |",
        "| trainings of the demo of `au`, without Ray, against two cores | 3x (6x) | not measured | |",
        "1 of 2, 4.0e-04; refused: rnn 512 tf32 | |",
    ):
        assert line in text
    gpu_table.write([RESULTS])
    assert document.read_text() == text
    later = {**RESULTS, "parts": {"images": {"tf32": {"ratio": 1.2, "frames_per_s": 7000.0}}}}
    gpu_table.write([RESULTS, later])
    assert "**1.20**, 7000 frames/s | falls short |" in document.read_text()
    assert "**49 h**" in document.read_text()
