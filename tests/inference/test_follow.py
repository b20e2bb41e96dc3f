"""A file that grows: whole lines only, the same numbers as for the finished file, and an end."""

import array
import fcntl
import os
import signal
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from orchestrator.corpora import live_table
from orchestrator.corpora.live_table import GrowingTable
from orchestrator.errors import InputError
from orchestrator.inference import predict
from orchestrator.inference.defaults import SYNTHETIC_LINE
from orchestrator.inference.live import HEADER, Following, follow
from orchestrator.inference.predict import Wishes
from orchestrator.inference.saved_model import open_model
from tests.conftest import ROOT
from tests.corpora.writers import three_people, write_table
from tests.inference.conftest import LENGTH, Make

NUM_ROWS = 3 * LENGTH + 7
PIPE_FILLED = 30_000  # bytes, of 65,536 in as many pages as small writes may leave half empty
IDLE = Following(fold=None, look_ahead_seconds=None, idle_seconds=0.4, scaling_from=None, device="cpu")


def lines_of(names: list[str], *, num_rows: int = NUM_ROWS, seed: int = 0, without: range = range(0)) -> list[str]:
    """An OpenFace table's lines, without a face in some rows."""
    values = np.random.default_rng(seed).random((num_rows, len(names)))
    header = ",".join(["frame", "face_id", "timestamp", "confidence", "success", *names])
    rows = [
        f"{n + 1},0,{n / 25:.2f},0.98,{0 if n in without else 1}," + ",".join(f"{value:.4f}" for value in row)
        for n, row in enumerate(values)
    ]
    return [f"{line}\n" for line in [header, *rows]]


def followed(folder: Path, path: Path, wanted: Following = IDLE, write: Callable[[], None] | None = None) -> np.ndarray:
    """Time, valence, arousal, lag and look-ahead of every line that was printed (N, 5)."""
    shown: list[str] = []
    writer = threading.Thread(target=write or (lambda: None))
    writer.start()
    follow(open_model(str(folder)), path, wanted, shown.append)
    writer.join(timeout=10)
    assert shown[0] == HEADER
    return np.array([[float(cell or "nan") for cell in line.split(",")] for line in shown[1:]])


def test_growing_in_pieces_gives_what_the_finished_file_gives(
    small_corpus: Path, make_model: Make, tmp_path: Path
) -> None:
    folder = make_model(small_corpus, network="rnn", scaling="none")
    model = open_model(str(folder))
    text = "".join(lines_of(model.card["features"], without=range(50, 67)))
    path = tmp_path / "live.csv"
    path.write_text(text[:40])  # half of the header

    def write() -> None:
        with path.open("a") as file:
            for start in range(40, len(text), 1777):  # never at the end of a line
                file.write(text[start : start + 1777])
                file.flush()
                time.sleep(0.01)

    found = followed(folder, path, write=write)
    (trace,) = predict.predict(model, predict.read_input(model, path), Wishes(overlap=0.0)).traces
    np.testing.assert_allclose(found[:, 0], trace.time, atol=1e-9)
    np.testing.assert_array_equal(np.isnan(found[:, 1]), np.isnan(trace.prediction[:, 0]))
    before_the_gap = slice(0, 50)  # `predict` bridges short gaps; who follows cannot know their end
    np.testing.assert_allclose(found[before_the_gap, 1:3], trace.prediction[before_the_gap], atol=1e-6)
    assert np.isnan(found[50:67, 1]).all()
    assert (found[:, 3] >= 0).all()
    assert (found[:, 4] == 0).all()


def test_a_generated_table_is_said_to_be_one(
    make_model: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = write_table(tmp_path / "own.parquet", three_people(num_rows=60), synthetic=False)
    folder = make_model(own, network="rnn", scaling="none")
    names = open_model(str(folder)).card["features"]
    header, *rows = (line.rstrip("\n") for line in lines_of(names, num_rows=9))
    (tmp_path / "marked").mkdir()
    (tmp_path / "marked" / "SYNTHETIC.txt").write_text("made up")
    for path, column in ((tmp_path / "a.csv", None), (tmp_path / "b.csv", "1"), (tmp_path / "marked" / "c.csv", "0")):
        more = ("", "") if column is None else (",synthetic", f",{column}")
        path.write_text("".join(f"{line}{more[min(n, 1)]}\n" for n, line in enumerate([header, *rows])))
        assert len(followed(folder, path)) == len(rows)
        assert capsys.readouterr().err.splitlines().count(SYNTHETIC_LINE) == (path.name != "a.csv")


def test_two_directions_wait_for_what_comes_after(small_corpus: Path, make_model: Make, tmp_path: Path) -> None:
    import dataclasses

    import torch

    folder = make_model(small_corpus, network="bilstm", scaling="train")
    model = open_model(str(folder))
    path = tmp_path / "live.csv"
    path.write_text("".join(lines_of(model.card["features"])))
    with pytest.raises(InputError, match="bilstm, which reads both ways"):
        followed(folder, path)
    with pytest.raises(InputError, match="less than a window of 20 frames"):
        followed(folder, path, dataclasses.replace(IDLE, look_ahead_seconds=0.8))
    found = followed(folder, path, dataclasses.replace(IDLE, look_ahead_seconds=0.2))
    assert len(found) == NUM_ROWS
    assert (found[:, 4] == 5).all()
    features = np.random.default_rng(0).random((NUM_ROWS, len(model.card["features"]))).round(4).astype(np.float32)
    for frame in (0, 10, 33, NUM_ROWS - 1):
        end = min(frame + 6, NUM_ROWS)
        start = max(0, end - LENGTH)
        expected = np.zeros(2)
        for fold in range(2):
            split = model.split(fold)
            assert split.mean_F is not None
            assert split.sd_F is not None
            scaled = (features[start:end] - split.mean_F) / split.sd_F
            with torch.inference_mode():
                expected += model.network(fold)(torch.from_numpy(scaled)[None])[0, frame - start].numpy() / 2
        np.testing.assert_allclose(found[frame, 1:3], expected, atol=1e-5)


@pytest.mark.parametrize("scaling", ["participant", "both"])
def test_a_person_s_scaling_is_what_was_seen_so_far_or_an_earlier_recording(
    scaling: str, small_corpus: Path, make_model: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import dataclasses

    folder = make_model(small_corpus, network="rnn", scaling=scaling)
    names = open_model(str(folder)).card["features"]
    path, other = tmp_path / "live.csv", tmp_path / "earlier.csv"
    path.write_text("".join(lines_of(names)))
    other.write_text("".join(lines_of(names, seed=1)))
    running = followed(folder, path)
    assert "frames seen so far" in capsys.readouterr().err
    same = followed(folder, path, dataclasses.replace(IDLE, scaling_from=path))
    model = open_model(str(folder))
    (trace,) = predict.predict(model, predict.read_input(model, path), Wishes(overlap=0.0)).traces
    np.testing.assert_allclose(same[:, 1:3], trace.prediction, atol=1e-5)
    assert np.abs(running[:5, 1:3] - same[:5, 1:3]).max() > 1e-3
    assert np.abs(running[-5:, 1:3] - same[-5:, 1:3]).max() < np.abs(running[:5, 1:3] - same[:5, 1:3]).max()
    apart = followed(folder, path, dataclasses.replace(IDLE, scaling_from=other))
    assert np.abs(apart[:, 1:3] - same[:, 1:3]).max() > 1e-3


def test_another_face_is_said_and_followed_as_if_it_began(
    make_model: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = write_table(tmp_path / "own.parquet", three_people(num_rows=60), synthetic=False)
    folder = make_model(own, network="rnn")
    names = open_model(str(folder)).card["features"]
    header, *rows = lines_of(names, num_rows=120)
    path, second = tmp_path / "live.csv", tmp_path / "second.csv"
    path.write_text("".join([header, *rows[:60], *(row.replace(",0,", ",1,", 1) for row in rows[60:])]))
    second.write_text("".join([header, *rows[85:]]))
    found = followed(folder, path)
    errors = capsys.readouterr().err.splitlines()
    assert [line for line in errors if line.startswith("face ")] == [
        "face 0 is gone at 2.4 s and face 1 is there: nothing is predicted;"
        " if it stays away for 1 s, that one is followed",
        "face 1 is followed from 3.4 s on, as if the recording began there",
    ]
    assert len(found) == 120
    assert np.flatnonzero(np.isnan(found[:, 1])).tolist() == [*range(60, 85)]
    np.testing.assert_allclose(found[85:, :3], followed(folder, second)[:, :3], atol=1e-6)


def test_a_half_written_line_waits(tmp_path: Path) -> None:
    lines = lines_of(["AU01_r", "AU12_r"], num_rows=3)
    path = tmp_path / "live.csv"
    path.write_text(lines[0] + lines[1][:9])
    with GrowingTable(path, ["AU12"]) as table, path.open("a") as file:
        assert table.poll() is None
        file.write(lines[1][9:] + lines[2] + "3,")
        file.flush()
        rows = table.poll()
        assert rows is not None
        assert rows.time.tolist() == [0.0, 0.04]
        assert rows.features.shape == (2, 1)
        assert table.poll() is None
        file.write(lines[3][2:])
        file.flush()
        last = table.poll()
        assert last is not None
        assert last.time.tolist() == [0.08]


@pytest.mark.parametrize("change", ["cut off", "replaced", "removed"])
def test_a_file_that_is_another_one_is_an_error(change: str, tmp_path: Path) -> None:
    path = tmp_path / "live.csv"
    lines = lines_of(["AU12_r"], num_rows=3)
    path.write_text("".join(lines))
    with GrowingTable(path, ["AU12"]) as table:
        assert table.poll() is not None
        if change == "cut off":
            path.write_text(lines[0])
        elif change == "replaced":
            (tmp_path / "new").write_text("".join(lines) * 2)
            (tmp_path / "new").replace(path)
        else:
            path.unlink()
        with pytest.raises(InputError, match="the same file, growing"):
            table.poll()


def test_what_is_wrong_in_a_row_is_named_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "live.csv"
    lines = lines_of(["AU12_r"], num_rows=5)
    for bad, message in (
        ("4,0,0.12,0.98,1,zero\n", r":5: found 'zero'"),
        ("4,0,0.12,0.98\n", r":5: found 4 values"),
        ("4,0,0.01,0.98,1,0.5\n", r":5: found time 0.01 after 0.08"),
    ):
        path.write_text("".join(lines[:4]))
        with GrowingTable(path, ["AU12"]) as table, path.open("a") as file:
            assert table.poll() is not None
            file.write(bad)
            file.flush()
            with pytest.raises(InputError, match=message):
                table.poll()
    path.write_text("".join(lines))
    with GrowingTable(path, ["AU12", "AU45"]) as table, pytest.raises(InputError, match="no feature AU45"):
        table.poll()


def following(folder: Path, path: Path, environment: dict[str, str]) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "orchestrator", "predict", "--model", folder, "--input", path]
    options = ["--follow", "--look-ahead", "0.4", "--idle", "60"]
    return subprocess.Popen(
        [*map(str, command), *options],
        cwd=ROOT,
        env={**environment, "PYTHONPATH": os.environ.get("PYTHONPATH", str(ROOT))},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def long_file(small_corpus: Path, make_model: Make, tmp_path: Path) -> tuple[Path, Path]:
    """A model, and a file whose predictions no pipe can hold."""
    folder = make_model(small_corpus, scaling="none")
    path = tmp_path / "live.csv"
    path.write_text("".join(lines_of(open_model(str(folder)).card["features"], num_rows=20_000)))
    return folder, path


def wait_until_full(pipe: int) -> None:
    """Wait until nothing more comes into a pipe that was being filled."""
    deadline = time.monotonic() + 60
    waiting, before, polls = array.array("i", [0]), -1, 0
    while polls < 50:
        assert time.monotonic() < deadline, waiting
        fcntl.ioctl(pipe, termios.FIONREAD, waiting)
        polls = polls + 1 if waiting[0] == before and before > PIPE_FILLED else 0
        before = waiting[0]
        time.sleep(0.02)


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_though_many_frames_wait_and_nobody_reads(
    sign: signal.Signals, long_file: tuple[Path, Path], environment: dict[str, str]
) -> None:
    with following(*long_file, environment) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().strip() == HEADER
        wait_until_full(process.stdout.fileno())
        process.send_signal(sign)
        assert process.wait(timeout=60) == 0  # nothing more is read: the pipe is full
        said, lines = process.stderr.read(), process.stdout.read().splitlines()
    assert "frames read and not predicted" in said, said
    assert "Traceback" not in said
    assert len(lines) < 20_000
    assert all(line.count(",") == 4 for line in lines[:-1])


def test_a_closed_pipe_ends_it_quietly(long_file: tuple[Path, Path], environment: dict[str, str]) -> None:
    with following(*long_file, environment) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(timeout=60) == 0
        said = process.stderr.read().splitlines()
    assert not [line for line in said if "pipe" in line.lower() or "Traceback" in line or "ignored" in line], said


def test_a_long_file_is_read_in_pieces_and_an_endless_line_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_table, "MOST_BYTES", 200)
    path = tmp_path / "live.csv"
    path.write_text("".join(lines_of(["AU12_r"], num_rows=50)))
    times: list[float] = []
    with GrowingTable(path, ["AU12"]) as table, path.open("a") as file:
        while (rows := table.poll()) is not None:
            assert 0 < len(rows.time) < 10
            times += rows.time.tolist()
        assert len(times) == 50
        file.write("x" * 500)
        file.flush()
        assert table.poll() is None
        with pytest.raises(InputError, match=r"live\.csv:52: found a line of more than 200 bytes"):
            table.poll()


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_well(
    sign: signal.Signals, small_corpus: Path, make_model: Make, tmp_path: Path, environment: dict[str, str]
) -> None:
    folder = make_model(small_corpus, scaling="none")
    path = tmp_path / "live.csv"
    path.write_text("".join(lines_of(open_model(str(folder)).card["features"])))
    process = following(folder, path, environment)
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(1 + NUM_ROWS - 10)]  # all that wait for nothing
    assert lines[0].strip() == HEADER
    process.send_signal(sign)
    rest, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert len(rest.splitlines()) == 10  # those that waited for the look-ahead
