"""A time's unit is checked wherever clocks meet: read by the column's name, refused with what would fit, or stated."""

import json
from pathlib import Path

import numpy as np
import pytest

from orchestrator.corpora.convert import convert
from orchestrator.corpora.formats.unlabelled import read_feature_files
from orchestrator.corpora.read_options import RULES_OF_ONE_STEP, ReadOptions
from orchestrator.corpora.readers import open_corpus
from orchestrator.corpora.reading import SIDES, Reading
from orchestrator.corpora.tables.time_names import unit_of_name
from orchestrator.corpora.tables.time_units import Unit, doubt_alone, doubt_together
from orchestrator.corpora.video.videos import read_timings
from orchestrator.errors import InputError
from tests.corpora.own_files import Clock, at, command, refused, table_lines, write_lines, write_own
from tests.corpora.writers import content, three_people, write_avec, write_folder, write_recola, write_table

MS = at(5.0, 1000.0)
MS_FRAMES = at(25.0, 1000.0)


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        *(("time", None), ("timestamp", None), ("t", None), ("times", None), ("AU01_min", None), ("min", None)),
        *(("time_ms", "ms"), ("Timestamp (ms)", "ms"), ("time[ms]", "ms"), ("Time [ms]", "ms"), ("timeMs", "ms")),
        *(("milliseconds", "ms"), ("time in milliseconds", "ms"), ("timestamp (in ms)", "ms"), ("Time_msec", "ms")),
        *(("time_s", "s"), ("time in seconds", "s"), ("Time (sec)", "s"), ("time_us", "us"), ("Time (µs)", "us")),
        *(("timestamp_ns", "ns"), ("time (min)", "min"), ("frame_time_in_ms", "ms"), ("confidence_ms", None)),
    ],
)
def test_names_say_units(name: str, unit: str | None) -> None:
    assert unit_of_name(name) == unit


def test_labels_in_milliseconds_are_refused_with_both_spans_and_the_option(tmp_path: Path) -> None:
    """Labels of 0, 200, 400 ms beside 12 s of a face: once a straight line over all of it."""
    root = write_own(tmp_path, labels=MS)
    (line,) = refused("data", "check", root).splitlines()
    assert line.startswith(
        f"error: {root}/annotations/valence/P1.csv: found labels of P1 from 0 to 11800 s, 200 s apart"
    )
    assert "beside features of P1 from 0 to 11.96 s, 0.04 s apart" in line
    assert f"(and 1 more like it: {root}/annotations/valence/P2.csv)" in line
    assert "in milliseconds labels would run from 0 to 11.8 s: --time-unit annotations=ms" in line
    assert "--time-unit annotations=s if they are right" in line


def test_features_in_milliseconds_are_refused_the_same_way(tmp_path: Path) -> None:
    root = write_own(tmp_path, frames=MS_FRAMES)
    (line,) = refused("data", "check", root).splitlines()
    assert "features/P1.csv: found features of P1 from 0 to 11960 s, 40 s apart" in line
    assert "--time-unit features=ms" in line


@pytest.mark.parametrize(
    ("option", "frames", "labels"),
    [
        ("annotations=ms", at(25.0), MS),
        ("features=s,annotations=ms", at(25.0), MS),
        ("features=ms", MS_FRAMES, at(5.0)),
        ("ms", MS_FRAMES, MS),
        ("features=us,annotations=min", at(25.0, 1e6), at(5.0, 1 / 60, 9)),
        ("ns", at(25.0, 1e9), at(5.0, 1e9)),
    ],
)
def test_the_option_decides(tmp_path: Path, option: str, frames: Clock, labels: Clock) -> None:
    plain = open_corpus(write_own(tmp_path / "plain"))
    root = write_own(tmp_path / "other", frames, labels)
    refused("data", "check", root)
    done = command("data", "check", root, "--json", "--time-unit", option)
    assert done.exit_code == 0, done.stderr
    facts = json.loads(done.stdout)
    assert (facts["hz"], facts["seconds"]) == (plain.hz, pytest.approx(23.92))
    assert facts["joined_percent"]["P2"] == pytest.approx(100.0 * plain.joined["P2"], abs=1e-3)


def test_both_clocks_in_milliseconds_are_asked_about_once(tmp_path: Path) -> None:
    line = refused("data", "check", write_own(tmp_path, MS_FRAMES, MS))
    assert "--time-unit ms; --time-unit s if they are right" in line


@pytest.mark.parametrize("names", [("timestamp", "time_ms"), ("timestamp (ms)", "Time [ms]"), ("timeMs", "time")])
def test_a_column_that_says_milliseconds_is_read_so_with_a_note(tmp_path: Path, names: tuple[str, str]) -> None:
    in_ms = [unit_of_name(name) == "ms" for name in names]
    plain = open_corpus(write_own(tmp_path / "plain"))
    clocks = (MS_FRAMES if in_ms[0] else at(25.0), MS if in_ms[1] else at(5.0))
    corpus = open_corpus(write_own(tmp_path / "other", *clocks, names=names))
    assert corpus.feature_names == ("AU01", "AU12")
    assert corpus.sha256 == plain.sha256
    for name, told in zip(names, in_ms, strict=True):
        note = f"times in milliseconds, as the column's name says: {name} [P1, P2]"
        assert (note in corpus.notes) == told


def test_a_name_that_says_milliseconds_over_seconds_is_refused(tmp_path: Path) -> None:
    line = refused("data", "check", write_own(tmp_path, names=("timestamp", "time_ms")))
    assert "from 0 to 0.0118 s, 0.0002 s apart" in line
    assert "in seconds labels would run from 0 to 11.8 s: --time-unit annotations=s" in line


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (at(5.0, 1e6), "in microseconds labels would run from 0 to 11.8 s: --time-unit annotations=us"),
        (at(5.0, 1e9), "in nanoseconds labels would run from 0 to 11.8 s: --time-unit annotations=ns"),
        (at(5.0, 1 / 60, 9), "in minutes labels would run from 0 to 11.8 s: --time-unit annotations=min"),
        (lambda row: row * 400 + (row % 3) * 90, "further apart than the features are long"),
    ],
)
def test_other_units_of_labels(tmp_path: Path, labels: Clock, words: str) -> None:
    line = refused("data", "check", write_own(tmp_path, labels=labels))
    assert words in line or "labels of P1" in line
    assert "--time-unit annotations=" in line


def test_frame_numbers_under_the_name_of_a_time(tmp_path: Path) -> None:
    line = refused("data", "check", write_own(tmp_path, frames=lambda row: row))
    assert "features of P1 from 0 to 299 s, 1 s apart beside labels of P1 from 0 to 11.8 s" in line
    assert "these look like frame numbers: a column named frame and --frame-rate HZ" in line


@pytest.mark.parametrize("write", [write_recola, write_avec, write_folder])
def test_every_tree_compares_its_clocks(tmp_path: Path, write: object) -> None:
    assert callable(write)
    root = write(tmp_path / "tree", three_people(num_rows=60))
    assert open_corpus(root).recordings
    for path in root.rglob("*.csv"):
        if path.parent.name in ("valence", "arousal"):
            head, *rows = path.read_text().splitlines()
            sign = ";" if ";" in head else "\t"
            moved = [f"{float(row.split(sign)[0]) * 1000:g}{sign}{row.split(sign, 1)[1]}" for row in rows]
            path.write_text("\n".join([head, *moved]))
    with pytest.raises(InputError, match=r"--time-unit annotations=ms") as caught:
        open_corpus(root)
    assert len(caught.value.problems) == 1
    assert open_corpus(root, reading=Reading(time_unit={"annotations": "ms"})).recordings


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_table_has_one_clock_and_is_judged_by_its_steps(tmp_path: Path, suffix: str) -> None:
    people = [content(name, raters=("a",)) for name in ("P1", "P2")]
    plain = open_corpus(write_table(tmp_path / f"plain{suffix}", people))
    in_ms = [content(name, raters=("a",), hz=0.025) for name in ("P1", "P2")]
    path = write_table(tmp_path / f"ms{suffix}", in_ms)
    line = refused("data", "check", path)
    assert "features of P1 from 40 to 2000 s, 40 s apart, which no camera and no rater has" in line
    assert "--time-unit ms; --time-unit s if they are right" in line
    assert open_corpus(path, reading=Reading(time_unit={"features": "ms"})).sha256 == plain.sha256
    assert open_corpus(path, reading=Reading(time_unit={"features": "s"})).hz == 0.025
    assert "a table has one clock" in refused("data", "check", path, "--time-unit", "annotations=ms")


def test_trials_come_irregularly_and_are_no_clock(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "trials.csv", table_lines(lambda row: row * 30 + row**2 % 23, num_rows=42))
    assert open_corpus(path).recordings


def test_times_that_count_rows_are_noted(tmp_path: Path) -> None:
    (note,) = open_corpus(write_lines(tmp_path / "t.csv", table_lines(lambda row: row))).notes
    assert note.startswith("the times count rows one by one: if these are frame numbers")


@pytest.mark.parametrize("unit", ["hours", "features=h", "ms,ms", "rows=ms", ""])
def test_units_that_are_none(tmp_path: Path, unit: str) -> None:
    assert "s, ms, us, ns, min" in refused("data", "check", tmp_path, "--time-unit", unit)


def test_a_unit_that_can_hardly_be_is_obeyed_and_noted(tmp_path: Path) -> None:
    """Of seconds in a tree, a table, and where one side alone is said; not of a unit that changes nothing."""
    root = write_own(tmp_path / "own")
    found = open_corpus(root, reading=Reading(time_unit=dict.fromkeys(SIDES, "ms")))
    assert found.hz == 25_000.0
    why = "which no camera and no rater has"
    features = f"--time-unit features=ms puts the rows 4e-05 s apart, {why}; in seconds they are 0.04 s apart [P1, P2]"
    labels = f"--time-unit annotations=ms puts the rows 0.0002 s apart, {why}; in seconds they are 0.2 s apart [P1, P2]"
    assert found.notes == (features, labels)
    line = refused("data", "check", root, "--time-unit", "features=ms")
    assert line.endswith("; or no --time-unit features=ms, without which they are in seconds\n")
    path = write_lines(tmp_path / "t.csv", table_lines())
    assert open_corpus(path, reading=Reading(time_unit={"features": "ms"})).notes == (features,)
    far = write_lines(tmp_path / "far.csv", table_lines(lambda row: row * 12))
    for same, reading in (
        (root, Reading(time_unit=dict.fromkeys(SIDES, "s"))),
        (far, Reading(time_unit={"features": "s"})),
    ):
        assert not any("--time-unit" in note for note in open_corpus(same, reading=reading).notes)


def test_a_unit_that_no_file_takes_is_refused_and_one_that_some_do_not_take_is_noted(tmp_path: Path) -> None:
    own = write_own(tmp_path / "own")
    table = tmp_path / "own.parquet"
    convert(open_corpus(own), table)
    line = refused("data", "check", table, "--time-unit", "ms")
    assert line == (
        "error: --time-unit: found no clock that takes it: the file says that time is in seconds [P1, P2]; expected no"
        " --time-unit, which is of numbers whose unit nothing else says\n"
    )
    reading = Reading(time_unit=dict.fromkeys(SIDES, "ms"))
    note = "--time-unit is not used: the file says that time is in seconds [P1, P2]"
    assert note in open_corpus(table, reading=reading, options=ReadOptions(rules=RULES_OF_ONE_STEP)).notes
    assert open_corpus(table, reading=Reading(time_unit=dict.fromkeys(SIDES, "s"))).notes == ()
    with pytest.raises(InputError, match="--time-unit: found no clock that takes it"):
        read_feature_files(table, ("AU01", "AU12"), reading)
    for path in (own / "features").iterdir():  # clocks of text beside labels in milliseconds
        head, *rows = path.read_text().splitlines()
        rows = [";".join([f"0:00:{float(row.split(';')[0]):09.6f}", *row.split(";")[1:]]) for row in rows]
        write_lines(path, [head, *rows])
    for path in (own / "annotations").rglob("*.csv"):
        head, *rows = path.read_text().splitlines()
        rows = [";".join([f"{float(row.split(';')[0]) * 1000:g}", *row.split(";")[1:]]) for row in rows]
        write_lines(path, [head, *rows])
    found = open_corpus(own, reading=reading)
    assert found.sha256 == open_corpus(table).sha256
    assert "--time-unit is not used: no column of numbers tells the time [P1, P2]" in found.notes


def test_sound_clocks_raise_no_doubt() -> None:
    """Also fast cameras, slow raters, labels of a part, and joysticks at 1,000 Hz."""
    seen = 0
    for hz, num in ((240.0, 2000), (25.0, 300), (1.0, 3600), (0.2, 50)):
        for label_hz, share in ((1000.0, 1.0), (10.0, 0.1), (2.0, 1.0), (1.0, 0.05)):
            frames = np.arange(num) / hz
            labels = np.arange(max(2, int(num / hz * share * label_hz))) / label_hz
            assert doubt_alone(frames, Unit(), "features") is None
            assert doubt_alone(labels, Unit(), "annotations") is None
            assert doubt_together(frames, labels, {"features": Unit(), "annotations": Unit()}) is None, (hz, label_hz)
            seen += 1
    assert seen == 16


def test_what_was_stated_is_not_doubted() -> None:
    times = np.arange(100, dtype=np.float64) * 40.0
    assert doubt_alone(times, Unit(), "features") is not None
    assert doubt_alone(times, Unit(said_by="option"), "features") is None


def test_shares_of_frames_and_of_labels_are_told(tmp_path: Path) -> None:
    root = write_own(tmp_path, num_labels=2 * 121, labels=at(10.0))
    done = command("data", "check", root)
    assert "100.00 % of a session's rows have a label; 50.00 % of a session's labels are used" in done.stdout
    facts = json.loads(command("data", "check", root, "--json").stdout)
    assert set(facts["labels_used_percent"].values()) == {50.0}
    few = open_corpus(write_own(tmp_path / "few", num_labels=600))
    assert "less than 50% of the labels used: the others are in no frame's time [P1, P2]" in few.notes


@pytest.mark.parametrize(
    ("header", "factor"), [("time in seconds", 1.0), ("time_ms", 1000.0), ("timestamp [ms]", 1000.0)]
)
def test_timings_of_a_video(tmp_path: Path, header: str, factor: float) -> None:
    rows = [f"{1000 * factor * row / 25 / 1000:g}" for row in range(50)]
    path = write_lines(tmp_path / "P1.csv", [header, *rows])
    np.testing.assert_allclose(read_timings(path, 50), np.arange(50) / 25)


def test_a_rate_is_not_that_of_rounded_steps(tmp_path: Path) -> None:
    """Of 30 frames per second most steps are 0.033 s in a file, as of 30.303; lost frames do not slow it down."""
    clock = at(30.0, digits=3)
    assert open_corpus(write_own(tmp_path / "whole", clock)).hz == pytest.approx(30.0, abs=0.01)
    lossy = write_own(tmp_path / "lossy", lambda row: clock(row + row // 10))
    assert open_corpus(lossy).hz == pytest.approx(30.0, abs=0.05)


def test_timings_in_milliseconds_that_do_not_say_so(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "P1.csv", ["time", *(f"{40 * row}" for row in range(50))])
    with pytest.raises(InputError, match="in milliseconds they would: a column named time_ms"):
        read_timings(path, 50)
