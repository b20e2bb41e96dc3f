"""The GPU's benchmark, run on a CPU with few people and small networks: its parts go through, its table says so."""

import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import gpu, gpu_made, gpu_parts, gpu_table, gpu_tune

PACK = {"backend": "triton", "note": None, "epoch_s": 0.1, "before_s": 1.0, "ratio_per_model": 29.0, "peak_MiB": 5}
MS_PER_STEP = {
    f"{network} {size}": [1.0, 2.0, 3.0]
    for network in ("rnn", "bigru", "bilstm")
    for size in (8, 16, 64, 128, 256, 512)
}
RESULTS: dict[str, Any] = {
    "note": "Beside other work.",
    "device": "A card",
    "torch": "2.0",
    "date": "2026-01-02",
    "parts": {
        "packs": {"bigru 64, 200, 2, 3100 frames": {"reference_s": 1.0, "triton tf32": PACK}, "seconds": 3.0},
        "grid": {"ms_per_step": MS_PER_STEP},
        "images": {"tf32": {"ratio": 1.1, "frames_per_s": 8000.0}},
        "agreement": {
            "rnn 16 triton tf32": 2e-4,
            "bigru 16 triton tf32": 3e-4,
            "demo ('rnn', 64, 50) tf32": 1e-2,
            "demo ('bigru', 64, 50) tf32": 2e-2,
            "seconds": 9.0,
        },
        "resume": {"ccc_max_diff": 0.0, "killed_after_epochs": 2},
        "kernels": {
            "rnn 8 tf32": {"by": "one program", "refusal": None, "worst_error": 4e-4},
            "rnn 256 tf32": {"by": "a team", "refusal": None, "worst_error": 3e-4},
            "rnn 512 tf32": {"by": "a team", "refusal": "too large", "worst_error": None},
        },
        "tune": {
            "ratio": 2.5,
            "gpu_s": 40.0,
            "two_cores_s": 100.0,
            "gpu_training_s": 3.0,
            "two_cores_training_s": 120.0,
        },
    },
}


@pytest.fixture
def on_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (gpu, gpu_parts):
        monkeypatch.setattr(module, "SCALE", gpu_made.Scale("cpu", people=4, folds=2, rates=(1e-3, 1e-4)))
    monkeypatch.setattr(gpu_parts, "TRYING", 2)
    monkeypatch.setattr(gpu_parts, "KILLED_POINT", ("bigru", 8, 20, 1, 200))
    monkeypatch.setattr(gpu, "POINTS", (("bigru", 8, 10, 1, 45), ("rnn", 128, 10, 1, 30)))
    monkeypatch.setattr(gpu, "SIZES", (8,))
    monkeypatch.setattr(gpu, "FRAMES_AT", (100, 400, 50))
    for name in ("reset_peak_memory_stats", "max_memory_allocated"):
        monkeypatch.setattr(torch.cuda, name, lambda: 0)


@pytest.mark.usefixtures("on_a_cpu")
def test_parts_go_through() -> None:
    found: dict[str, Any] = {}
    gpu.packs(found, lambda: 60.0)
    assert list(found) == ["bigru 8, 10, 1, 45 frames", "rnn 128, 10, 1, 30 frames"]
    row = found["bigru 8, 10, 1, 45 frames"]
    assert list(row) == ["reference_s", "triton tf32", "stacked-cuda tf32"]
    assert row["triton tf32"]["backend"] == "stacked-cuda", "there is no GPU"
    assert row["stacked-cuda tf32"]["ratio_per_model"] == pytest.approx(
        4 * row["reference_s"] / row["stacked-cuda tf32"]["epoch_s"]
    )
    grid: dict[str, Any] = {}
    gpu.grid(grid, lambda: 60.0)
    assert sorted(grid["ms_per_step"]) == ["bigru 8", "bilstm 8", "rnn 8"]
    assert all(hours > 0 for hours in gpu_table.hours(grid["ms_per_step"]).values())
    tried: dict[str, Any] = {}
    gpu_parts.kernels(tried)
    assert len(tried) == 3 * (3 * 1 + 3 + 2 * 2)
    assert all(one["refusal"] for one in tried.values()), "there is no GPU"


@pytest.mark.usefixtures("on_a_cpu")
def test_agreement_goes_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_parts, "BY_TEAMS", 20)
    monkeypatch.setattr(gpu_parts, "DEMO_SHAPES", [("rnn", 8, 50)])
    monkeypatch.setattr(gpu_parts, "DEMO_FRAMES", 100)
    monkeypatch.setattr(gpu_parts, "DEMO_EPOCHS", 1)
    found: dict[str, float] = {}
    gpu_parts.agreement(found)
    assert len(found) == 3 * (2 + 2 + 3) + 2 * 3 + 2
    assert {name.rsplit(" ", 2)[0] for name in found if name.startswith("bi")} >= {"bilstm 20", "bigru 40"}
    assert all(difference < 1e-5 for difference in found.values()), "the same arithmetic"


@pytest.mark.usefixtures("on_a_cpu")
def test_a_killed_process_is_taken_up() -> None:
    resumed: dict[str, Any] = {}
    gpu_parts.resume(resumed)
    assert resumed["ccc_max_diff"] == 0.0
    assert gpu_parts.KILLED_AFTER <= resumed["killed_after_epochs"] < gpu_parts.EPOCHS


def test_without_time_left_a_point_is_marked_as_not_measured() -> None:
    found: dict[str, Any] = {}
    gpu.packs(found, lambda: 5.0)
    gpu.grid(found, lambda: 5.0)
    assert set(found.pop("not_measured")) == {f"{n} {s}" for n in ("rnn", "bigru", "bilstm") for s in gpu.SIZES}
    assert found.pop("ms_per_step") == {}
    assert len(found) == len(gpu.POINTS)
    assert set(found.values()) == {None}


def test_what_takes_too_long_is_ended_and_keeps_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    def waits(found: dict[str, Any]) -> None:
        found["first"] = 1.0
        time.sleep(60)
        found["second"] = 2.0

    def fails(_: dict[str, Any]) -> None:
        raise ValueError("no such kernel")

    monkeypatch.setattr(gpu, "PARTS", dict.fromkeys(gpu.PARTS, 0.1))
    monkeypatch.setattr(gpu_parts, "images", waits)
    monkeypatch.setattr(gpu_parts, "kernels", fails)
    found: dict[str, Any] = {}
    begun = time.perf_counter()
    gpu.measure("images", found, lambda: 0.2)
    assert time.perf_counter() - begun < 30
    assert found == {"first": 1.0, "ended": "the time was up; what is missing was not measured"}
    failed: dict[str, Any] = {}
    gpu.measure("kernels", failed, lambda: 0.2)
    assert failed == {"failed": "ValueError: no such kernel"}
    time.sleep(0.3)  # no signal of an ended part comes later
    late: dict[str, Any] = {}
    gpu.measure("resume", late, lambda: 0.05)
    assert late == {"not_measured": "no time was left"}


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_nothing_is_measured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["gpu", "--out", str(tmp_path / "out")])
    assert gpu.main() == 2
    assert capsys.readouterr().err == "error: found no GPU; expected one that torch can use\n"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--parts", "kernels,nothing"], "--parts: found nothing; expected some of kernels, grid, packs,"),
        (["--from", "nowhere.json"], "--from: found no file nowhere.json; expected what earlier runs have written"),
    ],
)
def test_unknown_parts_and_files_are_refused(
    words: list[str], told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["gpu", *words])
    with pytest.raises(SystemExit) as ended:
        gpu.main()
    assert ended.value.code == 2
    assert told in capsys.readouterr().err


def test_the_table_replaces_its_own_part_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    document = tmp_path / "benchmarks.md"
    document.write_text("# Measurements\n\nof a CPU\n\n## On a GPU\n\nof before\n")
    monkeypatch.setattr(gpu_table, "DOCUMENT", document)
    total = sum(gpu_table.hours(MS_PER_STEP).values())
    gpu_table.write([RESULTS])
    text = document.read_text()
    assert text.startswith(
        "# Measurements\n\nof a CPU\n\n## On a GPU\n\nWritten by `python -m benchmarks.gpu`: 2026-01-02,"
    )
    assert "of before" not in text
    for line in (
        "| bigru 64, 200, 2, 3100 frames | 30x (100x) | **29.0x**, 0.100 s per epoch, triton |  | falls short |",
        f"**{total:.0f} h** (",
        "**1.10**, 8000 frames/s | holds |",
        "tf32, read ahead: an epoch over the same steps on frames already there | 1.15 (1.05) | not measured |  |",
        "| largest difference of CCC to the CPU after 3 epochs, tf32 | 1e-3 | triton 3.0e-04 | |",
        "10 epochs, two folds, tf32 | 1e-3 | largest 2.0e-02, median 1.5e-02 | |",
        "10 epochs, two folds, float32 | 1e-3 | not measured | |",
        "**2.5x**, 40 and 100 s, the trainings added up 3 and 120 s | falls short |",
        "taken up from its checkpoint after 2 of 12 epochs: difference of CCC | | 0 | |",
        "2 of 3, 1 of them teams', 4.0e-04; refused: rnn 512 tf32 | |",
        "\nBeside other work.\n",
    ):
        assert line in text
    gpu_table.write([RESULTS])
    assert document.read_text() == text
    later = {
        **RESULTS,
        "parts": {
            "images": {"tf32": {"ratio": 1.2, "frames_per_s": 7000.0}},
            "grid": {"ms_per_step": {"rnn 8": [2.0, 2.0, 3.0]}},
        },
    }
    gpu_table.write([RESULTS, later])
    assert "**1.20**, 7000 frames/s | falls short |" in document.read_text()
    changed = {**MS_PER_STEP, "rnn 8": [2.0, 2.0, 3.0]}
    assert f"**{sum(gpu_table.hours(changed).values()):.0f} h**" in document.read_text()


def test_a_run_is_timed_and_its_trainings_added_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    write = (
        "import json, pathlib, sys; one = pathlib.Path(sys.argv[1]) / 'trials' / sys.argv[2]; one.mkdir(parents=True);"
        " (one / 'result.json').write_text(json.dumps({'training_seconds': 1.5}))"
    )
    monkeypatch.setattr(
        gpu_tune, "command", lambda folder, name, *_: [sys.executable, "-c", write, str(folder / name), name]
    )
    seconds, training = gpu_tune.run(tmp_path, "two", [0])
    assert 0 < seconds < 60
    assert training == 1.5
    with pytest.raises(RuntimeError, match=r"(?s)two ended with 1: .*FileExistsError"):
        gpu_tune.run(tmp_path, "two", [0])
