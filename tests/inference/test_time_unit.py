"""Units of time where a model is used: `predict`, `--follow` and `fuse`, and what a plan, a card and a summary keep."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from orchestrator.commands import preview
from orchestrator.corpora.live_table import GrowingTable
from orchestrator.corpora.reading import Limits, Reading
from orchestrator.errors import InputError
from orchestrator.evaluation import model_card
from orchestrator.evaluation.fusion import fuse
from orchestrator.files import read_json, write_json
from orchestrator.inference.predict import read_input
from orchestrator.inference.saved_model import open_model
from orchestrator.planning.launch import prepare, reopen
from orchestrator.planning.plan_file import load_plan, save_plan
from orchestrator.planning.request import DataOptions
from orchestrator.run_folder import CARD_FILE
from tests.corpora.own_files import Clock, at, command, refused, write_lines, write_own
from tests.inference.conftest import Make
from tests.inference.test_follow import lines_of
from tests.inference.test_fuse import write_csv, write_run
from tests.records import make_result
from tests.search.small_searches import make_request


def in_milliseconds(lines: list[str], *, column: int = 2, factor: float = 1000.0) -> list[str]:
    head, *rows = [line.rstrip("\n").split(",") for line in lines]
    return [
        ",".join(row)
        for row in [head, *([*r[:column], f"{float(r[column]) * factor:g}", *r[column + 1 :]] for r in rows)]
    ]


@pytest.fixture
def model(small_corpus: Path, make_model: Make) -> Path:
    return make_model(small_corpus, network="rnn", scaling="none")


def test_predict_refuses_milliseconds_and_reads_them_when_told(model: Path, tmp_path: Path) -> None:
    names = open_model(str(model)).card["features"]
    path = write_lines(tmp_path / "P1.csv", in_milliseconds(lines_of(names)))
    words = ("predict", "--model", model, "--input", path, "--output", tmp_path / "out.csv")
    (line,) = refused(*words).splitlines()
    assert f"{path}: found features of P1 from 0 to 2640 s, 40 s apart, which no camera and no rater has" in line
    assert "in milliseconds they would run from 0 to 2.64 s: --time-unit features=ms" in line
    assert not (tmp_path / "out.csv").exists()
    done = command(*words, "--time-unit", "ms")
    assert done.exit_code == 0, done.output
    assert "rate " not in done.stdout
    assert "a unit of features" in refused(*words, "--force", "--time-unit", "annotations=ms")


def test_steps_are_compared_with_those_of_training(model: Path, tmp_path: Path) -> None:
    """Of 200 Hz in milliseconds, 5 s, a camera might be so slow; not one of the model's."""
    names = open_model(str(model)).card["features"]
    rows = [f"{5 * n},{','.join(['0.5'] * len(names))}" for n in range(20)]
    path = write_lines(tmp_path / "P1.csv", [",".join(["time", *names]), *rows])
    assert read_input(open_model(str(model)), path).recordings
    write_json(model / CARD_FILE, {**read_json(model / CARD_FILE), "hz": 200.0})
    with pytest.raises(InputError, match=r"5 s apart, where the model was trained on 200 rows per second.*features=ms"):
        read_input(open_model(str(model)), path)


def test_a_clock_in_doubt_is_read_as_the_model_s_training_files_were(model: Path, tmp_path: Path) -> None:
    card = read_json(model / CARD_FILE)
    path = write_lines(tmp_path / "P1.csv", in_milliseconds(lines_of(card["features"])))
    seconds = write_lines(tmp_path / "P2.csv", [line.rstrip() for line in lines_of(card["features"])])
    write_json(model / CARD_FILE, {**card, "corpus": {**card["corpus"], "time_unit": {"features": "ms"}}})
    found = read_input(open_model(str(model)), path)
    assert found.recordings[0].time[-1] == pytest.approx(2.64)
    assert found.notes[0] == "times in milliseconds, as in training [P1]"
    assert read_input(open_model(str(model)), seconds).recordings[0].time[-1] == pytest.approx(2.64)
    write_json(model / CARD_FILE, {**card, "corpus": {**card["corpus"], "time_unit": {"features": "s"}}, "hz": 0.025})
    assert read_input(open_model(str(model)), path).recordings[0].time[-1] == 2640.0


def followed(path: Path, names: list[str], reading: Reading, *, pieces: int) -> np.ndarray:
    text = path.read_bytes()
    path.write_bytes(b"")
    times: list[float] = []
    with GrowingTable(path, names, reading) as table, path.open("ab", buffering=0) as file:
        for start in range(0, len(text), pieces):
            file.write(text[start : start + pieces])
            rows = table.poll()
            times += rows.time.tolist() if rows else []
    return np.array(times)


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
@pytest.mark.parametrize("pieces", [17, 100_000])
def test_a_growing_table_with_any_line_end(tmp_path: Path, pieces: int, end: str) -> None:
    lines = [line.rstrip("\n") for line in lines_of(["AU01", "AU12"])]
    path = write_lines(tmp_path / "live.csv", ["sep=,", *lines], end=end)
    np.testing.assert_allclose(followed(path, ["AU01", "AU12"], Reading(), pieces=pieces), np.arange(67) / 25)


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_lines_of_a_growing_table_are_counted_once(tmp_path: Path, end: str) -> None:
    """Also where a carriage return and its line feed are read apart."""
    path = write_lines(tmp_path / "live.csv", ["time,AU01", *(f"{n / 25:g},0.5" for n in range(50))], end=end)
    path.write_bytes(path.read_bytes().replace(b"1.6,0", b"1.6,\xff"))
    with pytest.raises(InputError, match=r"live\.csv:42: found byte 0xff"):
        followed(path, ["AU01"], Reading(), pieces=1)


@pytest.mark.parametrize("pieces", [17, 100_000])
def test_a_growing_table_in_milliseconds(tmp_path: Path, pieces: int) -> None:
    lines = in_milliseconds(lines_of(["AU01", "AU12"]))
    path = tmp_path / "live.csv"
    with pytest.raises(InputError, match=r"40 s apart.*--time-unit features=ms"):
        followed(write_lines(path, lines), ["AU01", "AU12"], Reading(), pieces=pieces)
    for reading in (Reading(time_unit={"features": "ms"}), Reading(trained_unit="ms")):
        times = followed(write_lines(path, lines), ["AU01", "AU12"], reading, pieces=100_000)
        np.testing.assert_allclose(times, np.arange(67) / 25)
    named = [lines[0].replace("timestamp", "time (ms)"), *lines[1:]]
    times = followed(write_lines(path, named), ["AU01", "AU12"], Reading(), pieces=pieces)
    np.testing.assert_allclose(times, np.arange(67) / 25)


def test_a_growing_table_in_a_unit_that_can_hardly_be_says_so_once(tmp_path: Path) -> None:
    lines = [line.rstrip("\n") for line in lines_of(["AU01", "AU12"])]
    path = write_lines(tmp_path / "live.csv", lines[:3])
    notes: list[str] = []
    with GrowingTable(path, ["AU01", "AU12"], Reading(time_unit={"features": "ms"})) as table:
        for row in range(3, 20):
            rows = table.poll()
            assert rows is not None
            notes += rows.notes
            with path.open("a") as file:
                file.write(lines[row] + "\n")
    (note,) = notes
    assert note.startswith(
        "--time-unit features=ms puts the rows 4e-05 s apart, which no camera and no rater has; in s"
    )


@pytest.mark.parametrize("factor", [1.0, 1000.0])
def test_libreface_s_unit_shows_in_its_steps_also_row_by_row(tmp_path: Path, factor: float) -> None:
    rows = [f"{n},{factor * n / 25:g},0.1,0.{n:02d}" for n in range(30)]
    path = write_lines(tmp_path / "live.csv", ["frame_idx,frame_time_in_ms,au_1_intensity,au_12_intensity", *rows])
    np.testing.assert_allclose(followed(path, ["AU01", "AU12"], Reading(), pieces=11), np.arange(30) / 25)


@pytest.mark.parametrize("fault", [b"\xff", b"\x00"])
def test_bytes_that_are_no_text_in_a_growing_table(tmp_path: Path, fault: bytes) -> None:
    path = tmp_path / "live.csv"
    path.write_bytes(b"time,AU01\n0,0.1\n0.04,0." + fault + b"\n")
    with GrowingTable(path, ["AU01"]) as table, pytest.raises(InputError, match=r"live\.csv:3: found .*byte"):
        table.poll()


@pytest.mark.parametrize(("header", "factor"), [("time", 1000.0), ("time_ms", 1000.0), ("time", 1.0)])
def test_fuse_compares_the_clocks_of_its_inputs(tmp_path: Path, header: str, factor: float) -> None:
    run = write_run(tmp_path / "video", 1)
    table = write_csv(tmp_path / "audio.csv", 2)
    lines = in_milliseconds(table.read_text().splitlines(), factor=factor)
    write_lines(table, [lines[0].replace("time", header), *lines[1:]])
    if header == "time" and factor > 1:
        with pytest.raises(InputError, match=r"audio\.csv: found features of A .*in milliseconds they would.*time_ms"):
            fuse([run, table], tmp_path / "out")
        return
    assert "late fusion on 476 frames" in fuse([run, table], tmp_path / "out")


def test_fuse_compares_also_what_a_camera_might_have(tmp_path: Path) -> None:
    """Of 200 Hz in milliseconds: 5 s apart, and 1,000 times as long as the run."""
    run = write_run(tmp_path / "video", 1)
    rows = [f"{person},,{5 * n},0.1,0.2" for person in "ABCD" for n in range(960)]
    table = write_lines(tmp_path / "audio.csv", ["participant,session,time,valence,arousal", *rows])
    with pytest.raises(InputError, match=r"audio\.csv: found .* from 0 to 4795 s, 5 s apart beside features of A"):
        fuse([run, table], tmp_path / "out")


def write_people(root: Path, frames: Clock, labels: Clock) -> Path:
    return write_own(root, frames, labels, people=("A", "B", "C"))


def test_units_and_limits_are_the_plan_s_the_card_s_and_the_summary_s(store: str, tmp_path: Path) -> None:
    own = write_people(tmp_path / "own", at(25.0), at(5.0, 1000.0))
    overrides = ("hidden_size=8", "sequence_length=20", "num_layers=1")
    request = make_request(own, tmp_path / "run", store, overrides=overrides)
    with pytest.raises(InputError, match="--time-unit annotations=ms"):
        prepare(request, claim=False)
    reading = Reading(time_unit={"annotations": "ms"}, limits=Limits(rows=1000))
    ready = prepare(replace(request, data=DataOptions(path=own, corpus=None, reading=reading)), claim=True)
    shown = preview.announce(ready.plan, ready.dataset)
    shares = "98.67 % of a session's rows have a label; 100.00 % of a session's labels are used"
    assert f"\njoined    {shares}\n" in shown
    plan = load_plan(tmp_path / "run")
    assert (plan.corpus.time_unit, plan.corpus.limits) == ({"annotations": "ms"}, {"rows": 1000})
    assert plan.corpus.reading == reading
    best = make_result("a" * 12, [0.1] * 2, [0.5] * 2)
    card = model_card.build(plan, ready.dataset, best, weights_sha256="0" * 64)
    assert (card["corpus"]["time_unit"], card["corpus"]["limits"]) == ({"annotations": "ms"}, {"rows": 1000})
    assert "read" not in card["corpus"]
    assert reopen(plan).joined == ready.dataset.joined
    # A plan of before there was such an option, and a change of the option: another corpus.
    with pytest.raises(InputError, match=r"--time-unit annotations=ms"):
        reopen(replace(plan, corpus=replace(plan.corpus, time_unit=None)))
    raw = json.loads((tmp_path / "run" / "plan.json").read_text())
    for key in ("time_unit", "limits", "read"):
        del raw["corpus"][key]
    (tmp_path / "run" / "plan.json").write_text(json.dumps(raw))
    older = load_plan(tmp_path / "run")
    assert (older.corpus.time_unit, older.corpus.limits, older.corpus.read) == (None, None, None)
    assert older.corpus.reading.believed


def test_what_a_run_of_before_read_in_seconds_goes_on_with_a_note(store: str, tmp_path: Path) -> None:
    """As the plan's sha256 says: clocks were not compared then."""
    own = write_people(tmp_path / "own", at(25.0), lambda row: row * 1000.0)
    overrides = ("hidden_size=8", "sequence_length=20", "num_layers=1")
    request = make_request(own, tmp_path / "run", store, overrides=overrides)
    believed = replace(request, data=DataOptions(path=own, corpus=None, reading=Reading(believed=True)))
    plan = prepare(believed, claim=True).plan
    old = replace(plan, corpus=replace(plan.corpus, read=None))
    save_plan(old, tmp_path / "run")
    remarks = reopen(load_plan(tmp_path / "run")).remarks
    assert any("read as when the run began, and hardly right (--time-unit)" in remark for remark in remarks)
