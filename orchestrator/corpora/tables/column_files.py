"""Any file of columns, read by its suffix: delimited text, ARFF or Parquet."""

import codecs
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from orchestrator.corpora.findings import Findings
from orchestrator.corpora.names import composed
from orchestrator.corpora.reading import Limits
from orchestrator.corpora.tables.action_units import FRAMES, TIMES_IN_MILLISECONDS, TIMES_IN_SECONDS
from orchestrator.corpora.tables.arff import read_arff
from orchestrator.corpora.tables.columns import Columns
from orchestrator.corpora.tables.delimited import SEPARATORS, read_delimited
from orchestrator.corpora.tables.openface_3 import is_openface_3, unpacked
from orchestrator.corpora.tables.packed import PACKED, first_bytes, suffix_of
from orchestrator.corpora.tables.parquet_file import read_parquet

_IDS = ("participant", "session")

Read = Callable[..., Columns | None]
READ_BY_SUFFIX: dict[str, Read] = {
    ".csv": read_delimited,
    ".tsv": read_delimited,
    ".txt": read_delimited,
    ".arff": read_arff,
    ".parquet": read_parquet,
}
COMPRESSED = (".csv", ".tsv", ".txt")  # read with `.gz` behind it, too
READABLE = (*READ_BY_SUFFIX, *(suffix + PACKED for suffix in COMPRESSED))
OF_ANNOTATORS = (".eaf", ".annotation", ".annotation~")  # no tables: read by `annotation_formats` as labels
READ_BEFORE = (".csv", ".tsv", ".arff", ".parquet")  # by RULES_BEFORE
_HEADER_BYTES = 1 << 16
_IN_A_TABLE = frozenset(
    name.lower() for name in (*TIMES_IN_SECONDS, *TIMES_IN_MILLISECONDS, *FRAMES, "participant", "time")
)


def read_columns(
    path: Path, findings: Findings, *, text: frozenset[str] = frozenset(), limits: Limits | None = None
) -> Columns | None:
    """Read a file of columns; None if it cannot be read, with the problems in `findings`.

    `text` names (in lower case) the columns that hold text even where they look like numbers. `limits` bound what is
    unpacked. Names of columns, and of participants and sessions, come in the Unicode form NFC.
    """
    if not is_readable(path):
        findings.problem(path, found=f"suffix {path.suffix!r}", expected=f"one of {', '.join(READABLE)}")
        return None
    columns = READ_BY_SUFFIX[suffix_of(path)](path, findings, text=text, limits=limits)
    if columns is None or not findings.options.current:
        return columns
    columns = _composed(columns, findings)
    return unpacked(columns, findings) if columns is not None and is_openface_3(columns) else columns


def is_readable(path: Path) -> bool:
    """Whether a file's name ends as those of tables do."""
    suffix = suffix_of(path)
    return suffix in READ_BY_SUFFIX and (path.suffix.lower() != PACKED or suffix in COMPRESSED)


def begins_as_table(path: Path) -> bool:
    """Whether the first line of a text file names a time, a frame or a participant: a .txt may be anything."""
    try:
        head = first_bytes(path, _HEADER_BYTES)
    except OSError:
        return False
    line = next(filter(bytes.strip, head.splitlines()), b"").removeprefix(codecs.BOM_UTF8).decode(errors="replace")
    separator = max(SEPARATORS, key=line.count)
    return bool(_IN_A_TABLE & {field.strip(' "').lower() for field in line.split(separator)})


def _composed(columns: Columns, findings: Findings) -> Columns | None:
    """Bring names into one Unicode form; a problem where two become one."""
    every = (*columns.names, *columns.text)
    twice = sorted(name for name, count in Counter(map(composed, every)).items() if count > 1)
    if twice:
        findings.problem(columns.header, found=f"column {', '.join(twice)} twice", expected="each column once")
        return None
    text = {
        composed(name): tuple(map(composed, entries)) if name.lower() in _IDS else entries
        for name, entries in columns.text.items()
    }
    return replace(columns, names=tuple(map(composed, columns.names)), text=text)
