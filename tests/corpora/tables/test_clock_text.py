"""Clocks written as text: exact with fractions of a second, whatever their spelling; guessed from frames else."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from orchestrator.corpora.read_options import RULES_OF_ONE_STEP, ReadOptions
from orchestrator.corpora.readers import open_corpus
from orchestrator.corpora.reading import Reading
from orchestrator.corpora.tables.clock_text import read_clock
from orchestrator.errors import InputError
from tests.corpora.own_files import Clock, at, refused, table_lines, write_lines, write_own


def clock_at(hz: float, *, sign: str = ".", begin: str = "00:00:") -> Clock:
    return lambda row: f"{begin}{row / hz:06.3f}".replace(".", sign)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *(("00:07", 7), ("01:02:03", 3723), ("00:00:03.960", 3.96), ("00:00:03,960", 3.96), ("1:02.5", 62.5)),
        *(("90:00", 5400), ("1:00:00:00.25", 86400.25), (" 00:01 ", 1), ("1970-01-01T00:00:03.960Z", 3.96)),
        *(("1970-01-01 00:00:03,960", 3.96), ("1970/1/2 00:00:00", 86400), ("1970-01-01T02:00:01.5+02:00", 1.5)),
        *(("00:00:00.123456789", 0.123456789), ("1970-01-01T00:00:01-00:30", 1801)),
        *(
            ("00:60", None),
            ("00:60:00", None),
            ("soon", None),
            ("", None),
            ("3.96", None),
            ("1970-13-01 00:00:00", None),
        ),
        *(("00:00:03.9.6", None), ("1:2:3:4:5", None), ("9" * 5000 + ":00", None), ("00:00:00." + "1" * 5000, 1 / 9)),
    ],
)
def test_spellings(text: str, seconds: float | None) -> None:
    read = read_clock([text])
    assert (read.unreadable is None) == (seconds is not None)
    assert seconds is None or read.seconds[0] == seconds  # the nearest float, not a sum of rounded ones


@pytest.mark.parametrize(
    "clock",
    [
        clock_at(25),
        clock_at(25, sign=","),
        clock_at(25, begin="12:30:"),
        clock_at(25, begin="2024-05-01T12:00:"),
        lambda row: f"{clock_at(25, begin='2024-05-01 12:00:')(row)}+02:00",
    ],
)
def test_a_clock_with_fractions_is_the_time_though_there_are_frame_numbers(tmp_path: Path, clock: Clock) -> None:
    """At a guessed 24 frames per second they would be 4 % off."""
    plain = open_corpus(write_own(tmp_path / "plain", num_labels=300, labels=at(25.0)))
    root = write_own(tmp_path / "other", clock, clock, num_labels=300)
    for path in (root / "features").iterdir():
        head, *rows = path.read_text().splitlines()
        write_lines(path, [f"frame;{head}", *(f"{n};{row}" for n, row in enumerate(rows, 1))])
    corpus = open_corpus(root)
    for one, other in zip(corpus.recordings, plain.recordings, strict=True):
        np.testing.assert_allclose(one.time - one.time[0], other.time, atol=1e-6)
        np.testing.assert_array_equal(one.ratings, other.ratings)
    assert not any("frame numbers" in note for note in corpus.notes)


def test_whole_seconds_without_frame_numbers_are_the_time_if_they_rise(tmp_path: Path) -> None:
    slow = write_lines(tmp_path / "slow.csv", table_lines(lambda row: f"00:00:{row:02d}", num_rows=50))
    assert open_corpus(slow).hz == 1.0
    fast = write_lines(tmp_path / "fast.csv", table_lines(lambda row: f"00:00:{row // 25:02d}"))
    (line,) = refused("data", "check", fast).splitlines()
    assert f"{fast}:1: found time in whole seconds that repeat, no frame numbers" in line
    assert "00:00:03.960" in line


@pytest.mark.parametrize("entry", ["soon", "2024-05-01", "01.05.2024 12:00", "12h30"])
def test_text_in_a_time_is_one_line_for_a_file_of_forty_people(tmp_path: Path, entry: str) -> None:
    path = write_lines(
        tmp_path / "t.csv", table_lines(lambda _: entry, num_rows=3, people=[f"P{n}" for n in range(40)])
    )
    (line,) = refused("data", "check", path).splitlines()
    assert line.startswith(f"error: {path}:2: found '{entry}' in column time (and 39 more like it: line 5, line 8")
    assert "expected seconds, or a clock" in line


def test_a_clock_needs_no_unit_and_a_unit_that_is_not_used_is_refused(tmp_path: Path) -> None:
    """In a run of before it is a note."""
    path = write_lines(tmp_path / "t.csv", table_lines(clock_at(25)))
    line = refused("data", "check", path, "--time-unit", "ms")
    assert line.startswith("error: --time-unit: found no clock that takes it: no column of numbers tells the time [P1,")
    before = ReadOptions(rules=RULES_OF_ONE_STEP)
    corpus = open_corpus(path, reading=Reading(time_unit={"features": "ms"}), options=before)
    assert corpus.hz == 25.0
    assert "--time-unit is not used: no column of numbers tells the time [P1, P2]" in corpus.notes


NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "times",
    [
        pa.array([NOON + timedelta(milliseconds=40 * n) for n in range(60)]),
        pa.array([1_714_560_000_000_000_000 + 40_000_000 * n for n in range(60)], pa.timestamp("ns")),
        pa.array([40 * n for n in range(60)], pa.time32("ms")),
        pa.array([40_000 * n for n in range(60)], pa.time64("us")),
        pa.array([40_000_000 * n for n in range(60)], pa.duration("ns")),
    ],
    ids=str,
)
def test_times_of_parquet_are_exact(tmp_path: Path, times: pa.Array) -> None:
    path = tmp_path / "t.parquet"
    columns = {"participant": ["P1"] * 60, "time": times, "AU01": np.arange(60.0), "valence": np.zeros(60)}
    parquet.write_table(pa.table({**columns, "arousal": np.zeros(60)}), path)
    (one,) = open_corpus(path).recordings
    np.testing.assert_allclose(one.time - one.time[0], np.arange(60) / 25, atol=1e-6)


def test_dates_of_parquet_are_no_times(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    columns = {"participant": ["P1"] * 2, "time": pa.array([NOON.date()] * 2), "AU01": [0.0, 1.0]}
    parquet.write_table(pa.table({**columns, "valence": [0.0, 0.0], "arousal": [0.0, 0.0]}), path)
    with pytest.raises(InputError, match="row 1: found '2024-05-01' in column time"):
        open_corpus(path)
