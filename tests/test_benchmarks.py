"""The scripts of benchmarks/ that write documents and judge tests: what they write where, and what they would see."""

import ast
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import coverage, mutants
from tests.conftest import ROOT

DOCUMENT = ROOT / "docs" / "statistics.md"
Main = Callable[..., None]


@pytest.fixture
def document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of docs/statistics.md that the simulations write into; two corpora of one design take no time."""
    copy = Path(shutil.copy(DOCUMENT, tmp_path))
    monkeypatch.setattr(coverage, "DOCUMENT", copy)
    monkeypatch.setattr(coverage, "DESIGNS", ((8, 8), (20, 8)))
    monkeypatch.setattr(coverage, "FEW", 2)
    return copy


@pytest.fixture
def main(monkeypatch: pytest.MonkeyPatch) -> Main:
    def run(*words: str) -> None:
        monkeypatch.setattr(sys, "argv", ["coverage", *words])
        coverage.main()

    return run


def parts(text: str, name: str) -> tuple[str, list[str], str]:
    """What stands before, in and after a table."""
    before, rest = text.split(f"<!-- {name} -->\n")
    table, after = rest.split(f"<!-- end of {name} -->")
    return before, table.splitlines(), after


def test_simulations_write_their_table_between_its_markers_and_nothing_else(
    document: Path, main: Main, capsys: pytest.CaptureFixture[str]
) -> None:
    old = parts(DOCUMENT.read_text(), "intervals")
    main("--corpora", "2", "--only", "intervals")
    new = parts(document.read_text(), "intervals")
    assert (new[0], new[2]) == (old[0], old[2])
    assert new[1] != old[1]
    assert new[1] == capsys.readouterr().out.splitlines()
    assert new[1][:2] == old[1][:2], "the document's columns are those of the simulation"
    assert [row.split("|")[1].strip() for row in new[1][2:]] == ["8, 8", "20, 8"]
    assert all(row.count("|") == new[1][0].count("|") for row in new[1])
    once = document.read_text()
    main("--corpora", "2", "--only", "intervals")
    assert document.read_text() == once, "seeded"


def test_printing_leaves_the_document_alone(
    document: Path, main: Main, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coverage, "TABLES", {"intervals": lambda corpora: [f"| {corpora} |"]})
    main("--corpora", "7", "--print")
    assert capsys.readouterr().out == "| 7 |\n"
    assert document.read_text() == DOCUMENT.read_text()


def test_every_simulation_has_one_place_in_the_document(
    document: Path, main: Main, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = {name: [f"| {name} {row} |" for row in range(3)] for name in coverage.TABLES}
    monkeypatch.setattr(coverage, "TABLES", {name: lambda _, rows=rows: rows for name, rows in made.items()})
    main()
    for name, rows in made.items():
        assert parts(document.read_text(), name)[1] == rows
    # Between the tables not a letter has changed.
    old, new = DOCUMENT.read_text(), document.read_text()
    for name in made:
        (before, table, after), (_, own, _) = parts(old, name), parts(new, name)
        assert table != own
        old = before + after
        new = "".join(parts(new, name)[::2])
    assert new == old
    document.write_text("no table")
    with pytest.raises(AssertionError, match="no place for the table 'intervals'"):
        main()


@pytest.mark.parametrize("file", mutants.TARGETS)
def test_every_module_of_the_mutants_and_its_tests_are_there(file: str) -> None:
    tests = [one for one in mutants.TARGETS[file] if one.startswith("tests/")]
    assert tests
    assert all((ROOT / one).is_file() for one in (file, *tests))
    assert sum(1 for _ in mutants._places(ast.parse((ROOT / file).read_text()))) > 0


SOURCE = """
# A comment, a docstring, an annotation and an assertion stay as they are.
def f(x: "int | None" = 3, *, key: bool = False) -> float:
    "1 + 1"
    assert x < 4
    if not key and x in (1, 2):
        return -x // 2
    return max(x, 1) if x >= 0.5 else x % 3
"""
CHANGES = {
    "3  ->  4",
    "False  ->  True",
    "not key and x in (1, 2)  ->  not (not key and x in (1, 2))",
    "not key and x in (1, 2)  ->  not key or x in (1, 2)",
    "not key  ->  not not key",
    "x in (1, 2)  ->  x not in (1, 2)",
    "1  ->  2",
    "2  ->  3",
    "-x // 2  ->  -x * 2",
    "-x  ->  +x",
    "x >= 0.5  ->  not x >= 0.5",
    "x >= 0.5  ->  x > 0.5",
    "0.5  ->  1.5",
    "max  ->  min",
    "x % 3  ->  x // 3",
}


def test_a_mutant_is_one_change_of_what_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "module.py").write_text(SOURCE)
    monkeypatch.setattr(mutants, "ROOT", tmp_path)
    number = len(list(mutants._places(ast.parse(SOURCE))))
    made = [mutants.mutant_of("module.py", one) for one in range(number)]
    assert {one.change for one in made} == CHANGES
    whole = ast.unparse(ast.parse(SOURCE))
    for one in made:
        changed = [
            (old, new)
            for old, new in zip(whole.splitlines(), ast.unparse(one.tree).splitlines(), strict=True)
            if old != new
        ]
        assert len(changed) == 1, one.change
        assert "assert" not in changed[0][0]
