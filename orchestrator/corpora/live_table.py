"""A table that is still being written, OpenFace's: the new rows of one face as soon as they are whole.

Shapes: N new rows, F features.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from orchestrator.corpora.findings import Findings
from orchestrator.corpora.judgement import check_codes
from orchestrator.corpora.participants import check_ids
from orchestrator.corpora.reading import AS_IT_IS, UNIT_OPTION, Reading
from orchestrator.corpora.tables.action_units import FACE_IDS, canonical_name, tool_of
from orchestrator.corpora.tables.clock import IN_MILLISECONDS_BY_NAME, clock_of, time_column
from orchestrator.corpora.tables.clocks import settled
from orchestrator.corpora.tables.column_kinds import CODES
from orchestrator.corpora.tables.columns import Columns
from orchestrator.corpora.tables.delimited import header_of, read_body, separator_said
from orchestrator.corpora.tables.delimited_rows import Body
from orchestrator.corpora.tables.feature_choice import FeatureChoice
from orchestrator.corpora.tables.text_bytes import check_text, with_line_feeds
from orchestrator.corpora.tables.time_units import MIN_STEPS, in_seconds
from orchestrator.corpora.tables.tracks import Track, is_synthetic, make_track
from orchestrator.corpora.video.followed_face import FollowedFace, Part
from orchestrator.errors import InputError, cut

MOST_BYTES = 1 << 20  # ours: read at once, so that a long file is no long wait; a row has some 10,000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rows:
    """Rows of one face that were not there before."""

    time: NDArray[np.float64]  # (N,) seconds
    features: NDArray[np.float32]  # (N, F); NaN where a value is missing
    valid: NDArray[np.bool_]  # (N,) a face, and no value missing
    synthetic: bool  # the table says so
    notes: tuple[str, ...] = ()  # on the face that is followed
    begins: bool = False  # another face is followed from here on


class GrowingTable:
    """Reads on where it stopped; a half-written last line waits until it is whole."""

    def __init__(
        self, path: Path, wanted: Sequence[str], reading: Reading = AS_IT_IS, tool: str = "", *, person: str = ""
    ) -> None:
        """Open a file whose columns hold the features `wanted`, by their canonical names.

        `reading` is what the user said of the file, `tool` what made the features that are wanted ("": any), `person`
        the participant that the file's name stands for ("": not compared with its rows).
        """
        self.path, self.wanted, self._reading, self._person = path, tuple(wanted), reading, person
        self._tool = tool
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise InputError.of(str(path), found=error.strerror or error, expected="a table being written") from error
        self._inode = os.fstat(self._file.fileno()).st_ino
        self._rest = b""
        self._header: Body | None = None
        self._lines = 0  # whole lines read
        self._face = FollowedFace()
        self._ready: list[Rows] = []
        self._held = 0  # whole rows at the end that wait for the rest of their frame
        self._last = -np.inf
        self._unit = "s"  # of the times as they come: that of the model's training, where they do not look like seconds
        self._unit_notes: tuple[str, ...] = ()  # of a unit that the user stated, if it can hardly be; told once
        self._first_times = np.zeros(0)  # until there are enough to look at their steps
        self._extents: dict[str, tuple[float, float]] = {}  # of each feature so far
        self._returned = False  # what was read ended with a carriage return, which a line feed may follow
        self._separator: str | None = None  # as a line `sep=;` says it

    def __enter__(self) -> "GrowingTable":
        """Nothing more; the file is open."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self._file.close()

    def poll(self) -> Rows | None:
        """Read rows that were completed since the last call, at most MOST_BYTES of them; None if there are none.

        InputError: the file was replaced, cut off or removed, lacks a feature, or holds what is no such table.
        """
        self._check_same_file()
        if self._ready:
            return self._ready.pop(0)
        whole, newline, self._rest = (self._rest + self._read_on()).rpartition(b"\n")
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
        findings = Findings()
        if not check_text(self.path, filled, findings, lines_before=before):
            raise InputError(findings.problems)
        self._ready += self._rows(filled, before)
        if self._held:  # read again with what comes behind them
            filled_lines = [index for index, line in enumerate(lines) if line.strip()]
            first = filled_lines[-self._held]
            self._rest = b"".join(lines[first:]) + self._rest
            self._lines -= len(lines) - first
            self._held = 0
        return self._ready.pop(0) if self._ready else None

    def _read_on(self) -> bytes:
        """Read bytes that were not there before, their line ends made line feeds."""
        read = self._file.read(MOST_BYTES)
        whole = read.removeprefix(b"\n") if self._returned else read  # the line had its end already
        self._returned = read.endswith(b"\r") if read else self._returned
        return with_line_feeds(whole)

    def _check_numbers(self, columns: Columns) -> None:
        """Refuse text where numbers belong: of a few rows, a column of text alone looks like one that is meant so."""
        tool = tool_of((*columns.names, *columns.text))
        for name, entries in columns.text.items():
            if canonical_name(name, tool) in self.wanted:
                row = next(row for row, entry in enumerate(entries) if entry)
                raise InputError.of(
                    columns.where(row), found=f"{cut(entries[row])!r} in column {cut(name)}", expected="a finite number"
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
            said = separator_said(line) if number == 1 and not self._lines else None
            if said:
                self._separator = said
            elif line.strip():
                findings, where = Findings(), self._lines + number
                separator, limits = self._separator, self._reading.limits
                self._header = header_of(self.path, line, where, findings, separator=separator, limits=limits)
                if self._header is None:
                    raise InputError(findings.problems)
                self._lines = where
                return lines[number:]
        self._lines += len(lines)
        return []

    def _rows(self, text: bytes, lines_before: int) -> list[Rows]:
        assert self._header is not None
        findings = Findings(choice=FeatureChoice(names=self.wanted, tool=self._tool))
        columns = read_body(replace(self._header, rows=text, lines_before=lines_before), findings)
        if columns is None:
            raise InputError(findings.problems)
        self._check_numbers(columns)
        if not check_ids(columns, self.path.stem, (self._person, ""), findings):
            raise InputError(findings.problems)
        if self._must_wait(columns):
            self._held = len(columns)
            return []
        identity = columns.find(*FACE_IDS)
        if identity is None:
            return [self._rows_of(columns, Part.whole(len(columns)), findings)]
        rows = np.arange(len(columns))
        clock = clock_of(columns, rows, self.path.stem, findings, reading=self._reading)
        if clock is None:
            raise InputError(findings.problems)
        kept = np.array([name != identity for name in columns.names])
        names = tuple(name for name in columns.names if name != identity)
        one_face = replace(columns, names=names, numbers=columns.numbers[:, kept])
        parts, self._held = self._face.parts(columns.numbers_of(identity), in_seconds(clock.time, self._unit))
        return [self._rows_of(one_face, part, findings) for part in parts]

    def _rows_of(self, columns: Columns, part: Part, findings: Findings) -> Rows:
        where, reading, shown = str(self.path), self._reading, np.array(part.shown)
        rows, name = np.array(part.rows, dtype=np.intp), self.path.stem
        track = make_track(columns, rows, name, findings, reading=reading, where=where, shares_file=True)
        if track is None:
            raise InputError(findings.problems)
        places = {name: index for index, name in enumerate(track.names)}
        lacking = [name for name in self.wanted if name not in places]
        if lacking:
            expected = f"the {len(self.wanted)} features that the model was trained on"
            raise InputError.of(str(self.path), found=f"no feature {', '.join(lacking)}", expected=expected)
        self._check_codes(track, findings)
        track = self._in_seconds(track, findings)
        if track.time[0] <= self._last:
            found = f"time {track.time[0]:g} after {self._last:g}"
            raise InputError.of(columns.where(int(track.rows[0])), found=found, expected="increasing times")
        self._last = float(track.time[-1])
        features = track.features[:, [places[name] for name in self.wanted]]
        features[~shown] = np.nan
        return Rows(
            time=track.time,
            features=features,
            valid=np.asarray(track.valid & ~np.isnan(features).any(axis=1)),
            synthetic=is_synthetic(columns),
            notes=(*self._take_unit_notes(), *part.notes),
            begins=part.begins,
        )

    def _check_codes(self, track: Track, findings: Findings) -> None:
        """Refuse codes for missing values, by the span of what was read before."""
        check_codes(self.wanted, [track], findings, before=self._extents)
        if findings.problems:
            raise InputError(findings.problems)
        for name in self.wanted:
            values = track.features[:, track.names.index(name)]
            values = values[np.isfinite(values) & ~np.isin(values, CODES)]
            if len(values):
                low, high = self._extents.get(name, (np.inf, -np.inf))
                self._extents[name] = min(low, float(values.min())), max(high, float(values.max()))

    def _must_wait(self, columns: Columns) -> bool:
        """Whether the unit of time shows in the steps alone, and there is none yet (LibreFace)."""
        column = time_column(columns.names)
        if column is None or column.lower() != IN_MILLISECONDS_BY_NAME or self._reading.time_unit:
            return False
        if len(columns) < 2:
            return True
        clock = clock_of(columns, np.arange(len(columns)), self.path.stem, Findings(), reading=self._reading)
        if clock is not None:  # rows that come one by one have no step
            self._reading = replace(self._reading, time_unit={"features": clock.unit.name})
        return False

    def _take_unit_notes(self) -> tuple[str, ...]:
        notes, self._unit_notes = self._unit_notes, ()
        return notes

    def _in_seconds(self, track: Track, findings: Findings) -> Track:
        """Check the unit of time as soon as there are steps to check; InputError if it is in doubt.

        What is in the unit of the model's training is converted from then on.
        """
        if len(self._first_times) <= MIN_STEPS:
            known = np.concatenate([self._first_times, track.time])[: 10 * MIN_STEPS]
            self._first_times = known
            sure = settled(replace(track, time=known), findings, self._reading)
            if sure is None:
                raise InputError(findings.problems)
            self._unit = sure.unit.name if sure.unit != track.unit else "s"
            self._unit_notes = tuple(note for note in findings.notes if note.startswith(f"{UNIT_OPTION} "))
        return replace(track, time=in_seconds(track.time, self._unit))
