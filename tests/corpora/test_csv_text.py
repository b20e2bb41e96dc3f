"""Names that a spreadsheet would take for formulas are harmless in every CSV and come back as they were."""

import csv
import random
from pathlib import Path

import numpy as np
import pytest

from orchestrator.corpora.findings import Findings
from orchestrator.corpora.formats.table import rows_by_recording
from orchestrator.corpora.formats.unlabelled import read_feature_files
from orchestrator.corpora.tables.column_files import read_columns
from orchestrator.corpora.tables.delimited import read_delimited
from orchestrator.csv_text import protected, unprotected, unprotected_column
from orchestrator.inference.output import write_csv
from orchestrator.inference.predict import Predicted, Trace
from orchestrator.report.rendering import as_csv
from orchestrator.report.tables.cells import Cell, Column, Row, Table
from tests.conftest import Run
from tests.inference.test_fuse import PEOPLE, traces, write_run

NAMES = (
    *("=cmd|' /C calc'!A0", "-1+2", "@SUM(1)", "+x", "'=x", "''-1", "'plain", "'", "-1", "=", "plain", "P16"),
    *("\uff1dcmd", "\uff0b1", "\uff0d1", "\uff20x", "a=b", '=HYPERLINK("http://evil")', "-a,b"),
)
SIGNS = "=+-@\uff1d\uff0b\uff0d\uff20"


def harmless(cell: str) -> bool:
    return not cell.lstrip().startswith(tuple(SIGNS)) and not cell.startswith(("\t", "\r"))


@pytest.mark.parametrize("name", [*NAMES, " =x", "\t=x", "\rx", "\tx", "\u00a0=x", "\n-1", "'\tx", " ' =x", ""])
def test_a_name_is_harmless_and_comes_back(name: str) -> None:
    assert harmless(protected(name))
    assert unprotected(protected(name)) == name


def test_any_text_comes_back() -> None:
    chance = random.Random(4)
    every = {"".join(chance.choices("'=+-@ \t\rx1\uff1d", k=chance.randrange(7))) for _ in range(20_000)}
    assert len({protected(text) for text in every}) == len(every)
    for text in every:
        assert harmless(protected(text)), repr(text)
        assert unprotected(protected(text)) == text


def test_a_column_that_was_never_protected_is_left_alone() -> None:
    assert unprotected_column(["'=x", "=x"]) == ("'=x", "=x")
    assert unprotected_column(["'=x", "y", "'z"]) == ("=x", "y", "'z")


def predictions(names: tuple[str, ...]) -> Predicted:
    """Predictions of A for everybody."""
    times = np.arange(1, 121) / 25.0
    made = [
        Trace(participant=name, session=name if name == "+x" else "", time=times, prediction=traces(2, "A"), folds=(0,))
        for name in names
    ]
    return Predicted(traces=tuple(made), lines=(), synthetic=False)


def test_predictions_have_no_formula_and_are_read_back(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    write_csv(path, predictions(NAMES))
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert all(harmless(row["participant"]) and harmless(row["session"]) for row in rows)
    values = [float(row["valence"]) for row in rows[:120]]  # numbers are numbers
    assert min(values) < 0
    np.testing.assert_allclose(values, traces(2, "A")[:, 0], rtol=1e-6)
    findings = Findings()
    columns = read_columns(path, findings, text=frozenset(["participant", "session"]))
    assert columns is not None, findings.problems
    assert list(rows_by_recording(columns)) == [(name, name if name == "+x" else "") for name in NAMES]
    path.write_text(path.read_text().replace("valence,arousal", "AU01,AU12", 1))
    found = read_feature_files(path, ["AU01", "AU12"])
    assert [one.participant for one in found.recordings] == list(NAMES)


def test_the_slow_look_undoes_it_too(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text("participant,time,valence\n'-1+2,0.0,1\n'=x,0.04,\n")
    with path.open("a") as file:
        file.write("plain,0.08,NaN\n")
    columns = read_delimited(path, Findings(), text=frozenset(["participant"]))
    assert columns is not None
    assert columns.text["participant"] == ("-1+2", "=x", "plain")


def test_fusion_meets_the_people_of_a_run_in_a_protected_table(tmp_path: Path, run_here: Run) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = dict(zip(PEOPLE, ("=cmd|' /C calc'!A0", "-1+2", "@SUM(1)", "'=x"), strict=True))
    run = write_run(tmp_path / "run", 1)
    table = pq.read_table(run / "predictions.parquet")
    people = pa.array([names[one] for one in table.column("participant").to_pylist()])
    pq.write_table(table.set_column(0, "participant", people), run / "predictions.parquet")
    write_csv(tmp_path / "other.csv", predictions(tuple(names.values())))
    done = run_here("fuse", run, tmp_path / "other.csv", "--output", tmp_path / "fused")
    assert done.returncode == 0, done.stderr
    fused = pq.read_table(tmp_path / "fused" / "predictions.parquet")
    assert set(fused.column("participant").to_pylist()) == set(names.values())


def test_a_report_s_text_is_protected_and_its_numbers_are_not() -> None:
    columns = [Column(key=key, heading=key) for key in ("who", "value")]
    rows = [Row(cells=[Cell(text=name), Cell(text="-0.5", value=-0.5)]) for name in NAMES]
    table = Table(name="t", title="t", caption="", columns=columns, rows=rows)
    found = list(csv.DictReader(as_csv(table).splitlines()))
    assert [unprotected(row["who"]) for row in found] == list(NAMES)
    assert all(harmless(row["who"]) for row in found)
    assert {row["value"] for row in found} == {"-0.5"}
