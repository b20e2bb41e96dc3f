"""The columns of one file, whatever its format, and the way back from a row to its line.

Shapes: N rows of the file, C columns of numbers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from orchestrator.corpora.tables.packed import read_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """What a file holds: columns of numbers and columns of text, with their names stripped of blanks."""

    path: Path
    names: tuple[str, ...]  # of the numeric columns, in the file's order
    numbers: NDArray[np.float64]  # (N, C); NaN where a value is missing
    text: Mapping[str, tuple[str, ...]]  # N entries each, "" where missing
    lines_before: int | None  # lines above the first row; None where rows are not lines (Parquet)
    metadata: Mapping[str, str]  # of the file as a whole (Parquet, ARFF)
    lines: NDArray[np.intp] | None = None  # (N,) of each row, where reading has counted them
    _spelled: Mapping[str, str] = field(init=False, repr=False, compare=False)  # of names in lower case
    exact_times: frozenset[str] = frozenset()  # columns in seconds by their type (Parquet's times)

    def __post_init__(self) -> None:
        """Index the names once: a table of many people asks for each of them."""
        object.__setattr__(self, "_spelled", {name.lower(): name for name in reversed(self.names)})

    def __len__(self) -> int:
        """N, the number of rows."""
        return len(self.numbers)

    def where(self, row: int) -> str:
        """Return where a row stands: `file:line`, or `file: row n` (from 1) in a binary file. Slow."""
        if self.lines_before is None:
            return f"{self.path}: row {row + 1}"
        if self.lines is not None:
            return f"{self.path}:{self.lines[row]}"
        return f"{self.path}:{_line_of(self.path, self.lines_before, row)}"

    @property
    def header(self) -> str:
        """Return where the names of the columns stand: `file:line`, or the file where it is binary."""
        return str(self.path) if self.lines_before is None else f"{self.path}:{self.lines_before}"

    def find(self, *names: str) -> str | None:
        """Return the first of these names (in any case) that a column of numbers has, as the file spells it."""
        return next((self._spelled[name.lower()] for name in names if name.lower() in self._spelled), None)

    def find_text(self, *names: str) -> str | None:
        """The same among the columns of text."""
        spelled = {name.lower(): name for name in self.text}
        return next((spelled[name.lower()] for name in names if name.lower() in spelled), None)

    def indices(self, names: Sequence[str]) -> NDArray[np.intp]:
        """Return the places of columns of numbers, as many as `names`."""
        places = {name: index for index, name in enumerate(self.names)}
        return np.array([places[name] for name in names], dtype=np.intp)

    def numbers_of(self, name: str) -> NDArray[np.float64]:
        """Return one column of numbers, (N,)."""
        return self.numbers[:, self.names.index(name)]


def without_comments(data: bytes, path: Path) -> bytes:
    """Blank the comment lines of an ARFF file; the lines keep their numbers."""
    if path.suffix.lower() != ".arff" or b"%" not in data:
        return data
    return b"\n".join(b"" if line.lstrip().startswith(b"%") else line for line in data.splitlines())


def _line_of(path: Path, lines_before: int, row: int) -> int:
    lines = without_comments(read_bytes(path), path).splitlines()
    filled = (number for number, line in enumerate(lines[lines_before:], lines_before + 1) if line.strip())
    for index, number in enumerate(filled):
        if index == row:
            return number
    return len(lines)
