"""What a file may hold is bounded before it is unpacked, each bound can be raised, and nothing takes quadratic time."""

import tracemalloc
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from benchmarks.deadlines import deadline
from orchestrator.corpora.readers import open_corpus
from orchestrator.corpora.reading import Limits, Reading
from orchestrator.corpora.tables import delimited_rows
from orchestrator.errors import InputError
from tests.corpora.own_files import command, refused, table_lines, write_lines, write_own
from tests.fuzz.child import HangError


def wide(path: Path, columns: int, rows: int = 2) -> Path:
    names = ["participant", "time", "valence", "arousal", *(f"f{n}" for n in range(columns - 4))]
    cells = [[person, row / 25, 0.1, 0.2, *([0.5] * (columns - 4))] for person in "AB" for row in range(rows)]
    if path.suffix == ".parquet":
        parquet.write_table(pa.table(dict(zip(names, map(list, zip(*cells, strict=True)), strict=True))), path)
        return path
    return write_lines(path, [",".join(names), *(",".join(map(str, row)) for row in cells)])


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_columns(tmp_path: Path, suffix: str) -> None:
    path = wide(tmp_path / f"t{suffix}", 10_001)
    assert "found 10,001 columns; expected at most 10,000 (--max-columns)" in refused("data", "check", path)
    assert command("data", "check", path, "--max-columns", 10_001).exit_code == 0


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_rows_and_memory(tmp_path: Path, suffix: str) -> None:
    path = wide(tmp_path / f"t{suffix}", 5000, rows=30)
    assert "found 60 rows" in refused("data", "check", path, "--max-rows", 59)
    assert "expected at most 59 (--max-rows)" in refused("data", "check", path, "--max-rows", 59)
    line = refused("data", "check", path, "--max-mib", 2)
    assert "expected at most 2 MiB of memory (--max-mib)" in line
    assert "60 rows of 5,000 columns, 2 MiB" in line
    assert open_corpus(path, reading=Reading(limits=Limits(rows=60, mib=3))).recordings


@pytest.mark.parametrize(
    ("option", "bound", "found", "more"),
    [
        ("--max-rows", 1, "301 rows", 8),
        ("--max-columns", 1, "3 columns", 8),
        ("--max-field", 3, "a name of 9 characters", 8),
        ("--max-field", 9, "a field of 10 characters", 2),
    ],
)
def test_a_bound_too_low_for_many_files_is_told_once(
    tmp_path: Path, option: str, bound: int, found: str, more: int
) -> None:
    root = write_own(tmp_path / "own", people=("P1", "P2", "P3"))
    for path in (root / "features").iterdir():
        path.write_text(path.read_text() + f"{'1' * 10};0.5;0.5\n")
    line = refused("data", "check", root, option, bound)
    assert line.count("\n") == 1
    assert line.startswith(f"error: {root / 'features' / 'P1.csv'}")
    assert f": found {found} (and {more} more like it: {root}" in line
    assert line.endswith(f"({option})\n")


def test_a_small_parquet_file_that_would_fill_the_memory_is_not_unpacked(tmp_path: Path) -> None:
    """20,000 rows of zeros in 1,500 columns are packed into 100 times less."""
    path, zeros = tmp_path / "t.parquet", np.zeros(20_000)
    schema = pa.schema([(f"f{n}", pa.float64()) for n in range(1500)])
    with parquet.ParquetWriter(path, schema, compression="zstd") as file:
        file.write_table(pa.table(dict.fromkeys(schema.names, zeros)))
    assert path.stat().st_size < 3e6
    tracemalloc.start()
    before = pa.total_allocated_bytes()
    line = refused("data", "check", path, "--max-mib", 200)
    assert pa.total_allocated_bytes() - before < 1e6
    assert tracemalloc.get_traced_memory()[1] < 5e7
    tracemalloc.stop()
    assert "found 20,000 rows of 1,500 columns, 229 MiB unpacked; expected at most 200 MiB" in line


def test_fields(tmp_path: Path) -> None:
    lines = [
        f"{line},{'note' if not row else 'x' * 200_000 if row == 3 else 'a'}" for row, line in enumerate(table_lines())
    ]
    path = write_lines(tmp_path / "t.csv", lines)
    assert open_corpus(path).recordings
    line = refused("data", "check", path, "--max-field", 199_999)
    assert (
        line
        == f"error: {path}:4: found a field of 200,000 characters; expected at most 199,999 of a field (--max-field)\n"
    )


@pytest.mark.parametrize(
    ("entry", "is_number"), [("1" * 300_000, True), ("1" * 300_000 + "x", False), ("9" * 300_000 + ".", True)]
)
def test_long_numbers_take_one_pass(entry: str, is_number: bool) -> None:
    """With two ways to match each digit this takes many minutes; it is not waited for."""
    with deadline(60.0, HangError):
        assert delimited_rows.looks_like_number(entry) is is_number


def test_messages_stay_short(tmp_path: Path) -> None:
    lines = table_lines()
    path = write_lines(tmp_path / "t.csv", [*lines[:3], lines[3].replace(",0.", f",{'7' * 8000}x,", 1), *lines[4:]])
    assert len(refused("data", "check", path)) < 400


def test_wide_tables_are_looked_up_not_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 10,000 columns a search for each in a tuple or a list makes 50,000,000 comparisons."""
    path = wide(tmp_path / "t.csv", 10_000)
    compared = 0

    class Counting(str):
        __hash__ = str.__hash__

        def __eq__(self, other: object) -> bool:
            nonlocal compared
            compared += 1
            return str.__eq__(self, other)

    split = delimited_rows.fields_of

    def fields_of(text: str, separator: str, quote: str) -> tuple[list[str], bool]:
        fields, is_open = split(text, separator, quote)
        return [Counting(one) for one in fields], is_open

    monkeypatch.setattr("orchestrator.corpora.tables.delimited.fields_of", fields_of)
    monkeypatch.setattr(Counting, "strip", lambda self, *_: self, raising=False)
    assert len(open_corpus(path).feature_names) == 9_996
    assert 0 < compared < 2_000_000


def test_raised_limits_are_the_plan_s(tmp_path: Path) -> None:
    assert Limits(rows=5).given() == {"rows": 5}
    assert Limits().given() == {}
    with pytest.raises(InputError, match="--max-rows"):
        open_corpus(write_lines(tmp_path / "t.csv", table_lines()), reading=Reading(limits=Limits(rows=5)))
