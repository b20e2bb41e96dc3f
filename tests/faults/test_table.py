"""The table of faults, its tests and the documentation say the same."""

import re

import pytest

from tests.conftest import ROOT
from tests.faults import table
from tests.faults.table import ROWS, SECTIONS

DOCUMENT = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
BEGIN, END = "<!-- python -m tests.faults.table -->\n", "<!-- end -->"
# What a process tells its caller, as docs/reliability.md lists it.
EXIT_CODES = {0, 1, 2, 3, 4, 5, 70, 130}


def test_every_row_has_one_test() -> None:
    table.import_all()
    ids = [row.id for row in ROWS]
    assert len(ids) == len(set(ids)) > 60
    assert {row.section for row in ROWS} == set(SECTIONS)
    assert set(table.INJECTED) == {row.id for row in ROWS if row.elsewhere is None}


@pytest.mark.parametrize("name", table.elsewhere())
def test_a_test_of_another_folder_is_there(name: str) -> None:
    file, _, test = name.partition("::")
    assert re.search(rf"^def {test}\(", (ROOT / file).read_text(encoding="utf-8"), flags=re.MULTILINE)


def test_the_document_has_the_table() -> None:
    found = DOCUMENT.partition(BEGIN)[2].partition(END)[0].strip()
    assert found == table.as_markdown().strip(), "write `python -m tests.faults.table` into docs/reliability.md"


def test_the_document_has_every_exit_code() -> None:
    from orchestrator.process import exit_codes

    own = {value for name, value in vars(exit_codes).items() if name.isupper()}
    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", DOCUMENT, flags=re.MULTILINE)}
    assert own == listed == EXIT_CODES
