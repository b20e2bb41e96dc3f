"""Columns from ARFF, the text format of Weka that RECOLA and AVEC ship their features in.

Dense data only; `?` is a missing value, `%` begins a comment line, names may be quoted.
"""

import io
import re
from dataclasses import replace
from pathlib import Path

from orchestrator.corpora.findings import Findings
from orchestrator.corpora.reading import Limits
from orchestrator.corpora.tables.columns import Columns, without_comments
from orchestrator.corpora.tables.delimited import check_names, read_body
from orchestrator.corpora.tables.delimited_rows import Body
from orchestrator.corpora.tables.text_bytes import read_text_bytes
from orchestrator.errors import cut

_ATTRIBUTE = re.compile(r"@attribute\s+('[^']*'|\"[^\"]*\"|\S+)\s+(.+)", re.IGNORECASE)
_SYNTHETIC = re.compile(r"@relation\s+['\"]?synthetic_", re.IGNORECASE)  # as the embedded corpus writes it
_NUMERIC = ("numeric", "real", "integer")


def read_arff(
    path: Path, findings: Findings, *, text: frozenset[str] = frozenset(), limits: Limits | None = None
) -> Columns | None:
    """Read an ARFF file; None with problems in `findings` where it is broken.

    `text` names (in lower case) the columns that hold text even where they are declared numeric.
    """
    limits = limits or Limits()
    data = read_text_bytes(path, findings, limits)
    if data is None:
        return None
    attributes: dict[str, str] = {}
    start, metadata = 0, dict[str, str]()
    for number, raw in enumerate(io.BytesIO(data), 1):
        start += len(raw)
        line = raw.decode().strip()
        if line.lower().startswith("@data"):
            columns = _read_data(path, data[start:], number, attributes, findings, text, limits)
            return columns and replace(columns, metadata=metadata)
        if _SYNTHETIC.match(line):
            metadata["synthetic"] = "true"
        if line.lower().startswith("@attribute") and not _add(attributes, line, f"{path}:{number}", findings):
            return None
    lines = len(data.splitlines())
    findings.problem(f"{path}:{lines}", found="the end of the file before @data", expected="an ARFF file with @data")
    return None


def _add(attributes: dict[str, str], line: str, where: str, findings: Findings) -> bool:
    match = _ATTRIBUTE.fullmatch(line)
    if match is None:
        findings.problem(where, found=repr(cut(line)), expected="@attribute, a name and a type")
        return False
    name = match[1].strip("'\"").strip()
    if name in attributes:
        findings.problem(where, found=f"attribute {cut(name)} twice", expected="each attribute once")
        return False
    attributes[name] = match[2].strip().lower()
    return True


def _read_data(  # noqa: PLR0913, PLR0917
    path: Path,
    rows: bytes,
    lines_before: int,
    attributes: dict[str, str],
    findings: Findings,
    text: frozenset[str],
    limits: Limits,
) -> Columns | None:
    """Read the `rows` after @data of the file `path`, whose heading has `lines_before` lines and these `attributes`.

    `text` names columns that are no numbers whatever their type; `limits` bounds their size. None if `findings` got a
    problem.
    """
    rows = without_comments(rows, path)
    first = next((line.strip() for line in io.BytesIO(rows) if line.strip()), b"")
    if not attributes or first.startswith(b"{"):
        found = "sparse rows" if attributes else "@data without any @attribute"
        findings.problem(f"{path}:{lines_before}", found=found, expected="a dense ARFF file")
        return None
    if not check_names(f"{path}:{lines_before}", tuple(attributes), findings, limits):
        return None
    not_numbers = {name for name, kind in attributes.items() if kind not in _NUMERIC or name.lower() in text}
    separator = ";" if first.count(b";") > first.count(b",") else ","
    body = Body(
        path=path,
        rows=rows,
        lines_before=lines_before,
        names=tuple(attributes),
        separator=separator,
        quote="'",
        text=frozenset(not_numbers),
        limits=limits,
    )
    return read_body(body, findings)
