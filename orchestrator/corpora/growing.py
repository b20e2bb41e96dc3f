"""A table of one face that is still being written, OpenFace's: its new rows as soon as they are whole.

Shapes: N new rows, F features.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from orchestrator.corpora.action_units import FACE_IDS, canonical_name, tool_of
from orchestrator.corpora.columns import Columns
from orchestrator.corpora.delimited import Body, header_of, read_body
from orchestrator.corpora.findings import Findings
from orchestrator.corpora.tracks import is_synthetic, make_track
from orchestrator.errors import InputError

MOST_BYTES = 1 << 20  # ours: read at once, so that a long file is no long wait; a row has some 10,000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rows:
    """Rows of one face that were not there before."""

    time: NDArray[np.float64]  # (N,) seconds
    features: NDArray[np.float32]  # (N, F); NaN where a value is missing
    valid: NDArray[np.bool_]  # (N,) a face, and no value missing
    synthetic: bool  # the table says so


class GrowingTable:
    """Reads on where it stopped; a half-written last line waits until it is whole."""

    def __init__(self, path: Path, wanted: Sequence[str], frame_rate: float | None = None) -> None:
        """Open a file whose columns hold the features `wanted`, by their canonical names.

        `frame_rate` is that of frame numbers in a file without times.
        """
        self.path, self.wanted, self._frame_rate = path, tuple(wanted), frame_rate
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise InputError.of(str(path), found=error.strerror or error, expected="a table being written") from error
        self._inode = os.fstat(self._file.fileno()).st_ino
        self._rest = b""
        self._header: Body | None = None
        self._lines = 0  # whole lines read
        self._face: float | None = None
        self._last = -np.inf

    def __enter__(self) -> "GrowingTable":
        """Nothing more; the file is open."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self._file.close()

    def poll(self) -> Rows | None:
        """Read rows that were completed since the last call, at most MOST_BYTES of them; None where there are none.

        InputError: the file was replaced, cut off or removed, lacks a feature, or holds what is no such table.
        """
        self._check_same_file()
        whole, newline, self._rest = (self._rest + self._file.read(MOST_BYTES)).rpartition(b"\n")
        if len(self._rest) > MOST_BYTES:
            found = f"a line of more than {MOST_BYTES:,} bytes"
            raise InputError.of(f"{self.path}:{self._lines + 1}", found=found, expected="a row of a table")
        lines = (whole + newline).splitlines(keepends=True)
        if self._header is None:
            lines = self._take_header(lines)
        before, self._lines = self._lines, self._lines + len(lines)
        filled = b"".join(lines)
        if self._header is None or not filled.strip():
            return None
        return self._rows(filled, before)

    def _check_numbers(self, columns: Columns) -> None:
        """Refuse text where numbers belong: of a few rows, a column of text alone looks like one that is meant so."""
        tool = tool_of((*columns.names, *columns.text))
        for name, entries in columns.text.items():
            if canonical_name(name, tool) in self.wanted:
                row = next(row for row, entry in enumerate(entries) if entry)
                raise InputError.of(
                    columns.where(row), found=f"{entries[row]!r} in column {name}", expected="a finite number"
                )

    def _check_same_file(self) -> None:
        expected = "the same file, growing"
        try:
            now = self.path.stat()
        except OSError as error:
            raise InputError.of(str(self.path), found="the file removed", expected=expected) from error
        if now.st_ino != self._inode:
            raise InputError.of(str(self.path), found="another file in its place", expected=expected)
        if now.st_size < self._file.tell():
            found = f"{now.st_size} bytes where {self._file.tell()} were read: cut off or written anew"
            raise InputError.of(str(self.path), found=found, expected=expected)

    def _take_header(self, lines: list[bytes]) -> list[bytes]:
        for number, line in enumerate(lines, 1):
            if line.strip():
                findings = Findings()
                self._header = header_of(self.path, line, number, findings)
                if self._header is None:
                    raise InputError(findings.problems)
                self._lines = number
                return lines[number:]
        self._lines += len(lines)
        return []

    def _rows(self, text: bytes, lines_before: int) -> Rows | None:
        assert self._header is not None
        findings = Findings()
        columns = read_body(replace(self._header, rows=text, lines_before=lines_before), findings)
        if columns is None:
            raise InputError(findings.problems)
        self._check_numbers(columns)
        rows = np.arange(len(columns))
        identity = columns.find(*FACE_IDS)
        if identity is not None:  # the first face that was there is the one that is followed
            ids = columns.numbers_of(identity)
            self._face = float(ids[0]) if self._face is None else self._face
            rows = rows[ids == self._face]
            if not len(rows):
                return None
        where, rate = str(self.path), self._frame_rate
        track = make_track(columns, rows, self.path.stem, findings, frame_rate=rate, where=where, shares_file=True)
        if track is None:
            raise InputError(findings.problems)
        lacking = [name for name in self.wanted if name not in track.names]
        if lacking:
            expected = f"the {len(self.wanted)} features that the model was trained on"
            raise InputError.of(str(self.path), found=f"no feature {', '.join(lacking)}", expected=expected)
        if track.time[0] <= self._last:
            found = f"time {track.time[0]:g} after {self._last:g}"
            raise InputError.of(columns.where(int(track.rows[0])), found=found, expected="increasing times")
        self._last = float(track.time[-1])
        features = track.features[:, [track.names.index(name) for name in self.wanted]]
        valid = np.asarray(track.valid & ~np.isnan(features).any(axis=1))
        return Rows(time=track.time, features=features, valid=valid, synthetic=is_synthetic(columns))
