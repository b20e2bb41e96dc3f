"""Reading the tables of the documents, for tests that hold the code to them."""

import re

from tests.conftest import ROOT

DIMENSIONS = ("valence", "arousal")
# Keys of a summary whose rows say when there is no such key.
SOMETIMES = {"baseline_columns", "forgotten", "head", "raters", "repeats", "wall_seconds"}
ELSEWHERE = ("per fold only", "per fold and participant only", "in `result.json`")  # rows of keys of other records


def tables_of(name: str) -> list[list[list[str]]]:
    """The tables of a file in docs/, each as rows of cells, the heads first."""
    found: list[list[list[str]]] = [[]]
    for line in (ROOT / "docs" / name).read_text(encoding="utf-8").splitlines():
        if not line.startswith("|"):
            found.append([])
        elif not re.fullmatch(r"[|\- ]+", line):
            found[-1].append([cell.strip() for cell in line.strip("|").split("|")])
    return [table for table in found if table]


def keys_in(cell: str) -> set[str]:
    """The keys that a cell names; `*` is valence and arousal, and `folds[]` the key `folds`."""
    names = [name.removesuffix("[]") for name in re.findall(r"`([^`]+)`", cell)]
    return {name.replace("*", dimension) for name in names for dimension in DIMENSIONS}


def summary_keys() -> set[str]:
    """Every key that docs/outputs.md has at the top of `summary.json`: its table of keys, and that of the measures."""
    of_search, of_measures = (table[1:] for table in tables_of("outputs.md") if table[0][0] == "key")
    found = {key for row in of_search for key in keys_in(row[0])}
    return found | {
        key for row in of_measures if not any(one in row[-1] for one in ELSEWHERE) for key in keys_in(row[0])
    }
