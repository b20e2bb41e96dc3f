"""Files as spreadsheets, old Macs and other libraries write them: read right, or refused in one line per kind."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from orchestrator.corpora.findings import Findings
from orchestrator.corpora.formats.unlabelled import read_feature_files
from orchestrator.corpora.readers import open_corpus
from orchestrator.corpora.tables.delimited import read_delimited
from tests.corpora.own_files import refused, table_lines, write_lines, write_own

LINES = table_lines()
SEMICOLONS = table_lines(separator=";")


@pytest.fixture
def plain(tmp_path: Path) -> str:
    return open_corpus(write_lines(tmp_path / "plain.csv", LINES)).sha256


@pytest.mark.parametrize("end", ["\r", "\r\n", "\r\r\n", "\n\n"])
@pytest.mark.parametrize("lines", [LINES, ["sep=;", *SEMICOLONS], ['"sep=;"', *SEMICOLONS]])
def test_line_ends_and_lines_that_name_the_separator(tmp_path: Path, plain: str, end: str, lines: list[str]) -> None:
    path = write_lines(tmp_path / "t.csv", lines, end=end)
    assert open_corpus(path).sha256 == plain
    assert len(read_feature_files(path, ("AU01", "AU12")).recordings) == 2


def test_another_separator_than_the_known_ones_can_be_named(tmp_path: Path, plain: str) -> None:
    path = write_lines(tmp_path / "t.csv", ["sep=|", *table_lines(separator="|")])
    assert open_corpus(path).sha256 == plain


@pytest.mark.parametrize("encoding", ["utf-8-sig", "two marks"])
def test_byte_order_marks(tmp_path: Path, plain: str, encoding: str) -> None:
    text = "\n".join(LINES)
    path = tmp_path / "t.csv"
    path.write_text(f"\ufeff{text}" if encoding == "two marks" else text, encoding="utf-8-sig")
    assert open_corpus(path).sha256 == plain


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_utf_16_is_refused_by_name(tmp_path: Path, encoding: str) -> None:
    path = write_lines(tmp_path / "t.csv", LINES, encoding=encoding)
    assert refused("data", "check", path) == f"error: {path}:1: found UTF-16 text; expected UTF-8 text\n"


def test_a_nul_byte(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "t.csv", [*LINES[:4], LINES[4].replace("P1", "P\x001"), *LINES[5:]])
    assert refused("data", "check", path) == f"error: {path}:5: found a NUL byte; expected UTF-8 text\n"


def with_notes(notes: dict[int, str]) -> list[str]:
    return [f"{LINES[0]},note", *(f"{line},{notes.get(row, 'a')}" for row, line in enumerate(LINES[1:]))]


def test_quoted_notes_may_have_several_lines_and_lines_are_counted_past_them(tmp_path: Path, plain: str) -> None:
    path = write_lines(tmp_path / "t.csv", with_notes({3: '"one\n\ntwo, ""three"""', 7: '"x,y"'}))
    assert open_corpus(path).sha256 == plain
    lines = path.read_text().split("\n")
    lines[12] = lines[12].replace("P1,", "P1,x", 1)
    path.write_text("\n".join(lines))
    assert refused("data", "check", path).startswith(f"error: {path}:13: found 'x")


@pytest.mark.parametrize("notes", [{3: '"a'}, {3: '"a', 9: '"a'}, {3: 'b,"a'}, {119: '"a'}])
def test_an_unclosed_quotation_mark_swallows_no_row(tmp_path: Path, notes: dict[int, str]) -> None:
    path = write_lines(tmp_path / "t.csv", with_notes(notes))
    (line,) = refused("data", "check", path).splitlines()
    assert line.startswith(f"error: {path}:{min(notes) + 2}: found a quotation mark that is not closed")


def test_faults_of_one_kind_are_one_line_a_file(tmp_path: Path) -> None:
    rows = [line.replace(",0.", ",0,") for line in LINES[1:]]
    path = write_lines(tmp_path / "t.csv", [LINES[0], *rows])
    (line,) = refused("data", "check", path).splitlines()
    assert "more such faults in this file: line 3, 4, 5, 6, 7 ...)" in line


@pytest.mark.parametrize("entry", ["x" * 5000, "a\u2028b", "a\x0bb"])
def test_what_a_file_says_is_one_short_line(tmp_path: Path, entry: str) -> None:
    """In columns of raters, of numbers, and in their names."""
    root = write_own(tmp_path / "own")
    path = root / "annotations" / "arousal" / "P1.csv"
    path.write_text(path.read_text().replace("r1;r2", "r1;r2;note").replace(";0.", f";{entry};0.", 1))
    rows = [f"{line};{entry}" if n else line for n, line in enumerate(path.read_text().splitlines())]
    write_lines(path, rows)
    assert len(refused("data", "check", root)) < 2000
    wide = table(**{f"AU\n{entry}": pa.array(["0.5", "x"] * 30)})
    parquet.write_table(wide, tmp_path / "t.parquet")
    (line,) = refused("data", "check", tmp_path / "t.parquet").splitlines()
    assert len(line) < 500


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_label_that_no_float_holds_is_refused_without_a_warning(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"t{suffix}"
    if suffix == ".csv":
        write_lines(path, [LINES[0], LINES[1].rsplit(",", 1)[0] + ",1e300", *LINES[2:]])
    else:
        parquet.write_table(table(arousal=[1e300] + [0.0] * 59), path)
    assert "found 1e+300 in column arousal" in refused("data", "check", path)


def table(**columns: object) -> pa.Table:
    base = {
        "participant": ["P1"] * 30 + ["P2"] * 30,
        "time": [n / 25 for n in range(30)] * 2,
        "AU01": np.random.default_rng(0).random(60),
        "valence": [0.1] * 60,
        "arousal": [0.2] * 60,
    }
    return pa.table({**base, **columns})


@pytest.mark.parametrize(
    ("column", "first"),
    [
        (pa.array([0.5, 0.25] * 30).dictionary_encode(), 0.5),
        (pa.array([Decimal("1.25")] * 60), 1.25),
        (pa.array([2**62] * 60), 2.0**62),
        (pa.array([2**64 - 1] * 60, pa.uint64()), 2.0**64),
        (pa.array(np.full(60, 0.5, np.float16)), 0.5),
        (pa.array([True] * 60), 1.0),
    ],
    ids=lambda one: str(getattr(one, "type", one)),
)
def test_numbers_of_parquet_in_any_type(tmp_path: Path, column: pa.Array, first: float) -> None:
    parquet.write_table(table(AU02=column), tmp_path / "t.parquet")
    corpus = open_corpus(tmp_path / "t.parquet")
    assert corpus.recordings[0].features[0, corpus.feature_names.index("AU02")] == np.float32(first)


@pytest.mark.parametrize(
    "people",
    [
        pa.array(["7"] * 30 + ["8"] * 30).dictionary_encode(),
        pa.array([Decimal("7")] * 30 + [Decimal("8")] * 30),
        pa.array([b"7"] * 30 + [b"8"] * 30),
        pa.array([7.0] * 30 + [8.0] * 30),
        pa.array(["7"] * 30 + ["8"] * 30, pa.string_view()),
    ],
    ids=lambda one: str(one.type),
)
def test_people_of_parquet_in_any_type(tmp_path: Path, people: pa.Array) -> None:
    parquet.write_table(table(participant=people), tmp_path / "t.parquet")
    assert open_corpus(tmp_path / "t.parquet").participants == ("7", "8")


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda: pa.array([[1.0, 2.0]] * 60), "list<element: double>"),
        (lambda: pa.array([{"a": 1.0}] * 60), "struct<a: double>"),
        (lambda: pa.array([[("a", 1)]] * 60, pa.map_(pa.string(), pa.int64())), "map<string, int64"),
    ],
)
def test_many_values_a_row_are_refused(tmp_path: Path, make: Callable[[], pa.Array], kind: str) -> None:
    path = tmp_path / "t.parquet"
    parquet.write_table(table(AU02=make(), AU03=make()), path)
    (line,) = refused("data", "check", path).splitlines()
    assert line.startswith(f"error: {path}: found column AU02 of type {kind}")
    assert "(and 1 more such columns); expected one number or one text a row in every column" in line


def test_odd_metadata_of_parquet(tmp_path: Path) -> None:
    plain = tmp_path / "plain.parquet"
    parquet.write_table(table(), plain)
    odd = table().replace_schema_metadata({b"\xff\xfe": b"\xff", b"synthetic": b"\xc3("})
    parquet.write_table(odd, tmp_path / "t.parquet")
    assert open_corpus(tmp_path / "t.parquet").sha256 == open_corpus(plain).sha256


@pytest.mark.parametrize("separator", [";", "\t"])
def test_decimal_commas_are_read_where_no_comma_separates(tmp_path: Path, plain: str, separator: str) -> None:
    """As spreadsheets save tables in German, French or Spanish."""
    lines = [line.replace(".", ",") for line in table_lines(separator=separator)]
    assert sum(line.count(",") for line in lines) > 100
    corpus = open_corpus(write_lines(tmp_path / "t.csv", lines))
    assert corpus.sha256 == plain
    assert "numbers with decimal commas [t.csv]" in corpus.notes


def test_numbers_of_any_size_have_decimal_commas_and_text_keeps_its_own(tmp_path: Path) -> None:
    lines = ["time;AU12_r;arousal;remark", "0;1,5; -0,25;1,2,3", "1;2;+1;x,1", "2;-12,5e-1;0,125 ;"]
    findings = Findings()
    columns = read_delimited(write_lines(tmp_path / "t.csv", lines), findings)
    assert columns is not None
    assert not findings.problems
    assert columns.numbers_of("AU12_r").tolist() == [1.5, 2, -1.25]
    assert columns.numbers_of("arousal").tolist() == [-0.25, 1, 0.125]
    assert columns.text["remark"] == ("1,2,3", "x,1", "")
