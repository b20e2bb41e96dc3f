"""NOVA's annotations: a header in XML (`NAME.annotation`) beside its data (`NAME.annotation~`), text or binary.

As NOVA writes them (github.com/hcmlab/nova, Types/AnnoListFile.cs; read in github.com/hcmlab/nova-utils): a CONTINUOUS
scheme has `sr` values per second between `min` and `max`, each with a confidence; DISCRETE and FREE ones have
intervals, which are labels if their names are numbers. NaN and the class GARBAGE are no label.
"""

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from orchestrator.corpora.annotation_formats.trace import (
    IN_FILE,
    Interval,
    Trace,
    from_range,
    named,
    number,
    trace_of_intervals,
)
from orchestrator.corpora.annotation_formats.xml_file import Element, read_xml
from orchestrator.corpora.findings import Findings
from orchestrator.corpora.reading import Reading
from orchestrator.corpora.tables.delimited_rows import MISSING
from orchestrator.corpora.tables.packed import read_bytes
from orchestrator.corpora.tables.text_bytes import BYTES_PER_MIB, read_text_bytes, refuse_size
from orchestrator.errors import cut

DATA_SUFFIX = ".annotation~"
UNSURE = 0.5  # ours: a confidence below it is worth a remark
MOST_HZ = 10_000.0  # ours: values per second of a scheme
_GARBAGE = -1
_PAIR, _INTERVAL = struct.Struct("<ff"), struct.Struct("<ddif")


def read_nova(path: Path, findings: Findings, reading: Reading, *, dimension: str | None = None) -> list[Trace] | None:
    """Read the one trace of an annotation, its rater the annotator; None with problems.

    `dimension` is that of the folder, for a scheme whose name has none.
    """
    top = read_xml(path, "annotation", findings, reading.limits)
    if top is None:
        return None
    scheme, info, meta = (top.first(name) for name in ("scheme", "info", "meta"))
    if scheme is None or info is None:
        lacking = "scheme" if scheme is None else "info"
        findings.problem(f"{path}:{top.line}", found=f"no element {lacking}", expected="elements info and scheme")
        return None
    both = named(scheme.attributes.get("name", ""))
    wanted = both[0] if both else dimension
    if wanted is None:
        found = f"scheme {cut(scheme.attributes.get('name', 'without a name'))}"
        findings.drop(f"annotation {cut(path.name)}", f"{found}: neither valence nor arousal")
        return []
    rater = (meta.attributes.get("annotator", "") if meta else "").strip()
    data = _data(path, info, findings, reading)
    if data is None:
        return None
    kind = scheme.attributes.get("type", "")
    if kind == "CONTINUOUS":
        trace = _continuous(path, scheme, info, data, (wanted, rater), findings)
    elif kind in {"DISCRETE", "FREE"}:
        trace = _discrete(path, scheme, info, data, (wanted, rater), findings)
    else:
        found = f"a scheme of type {cut(kind) or 'none'}"
        findings.problem(f"{path}:{scheme.line}", found=found, expected="CONTINUOUS, DISCRETE or FREE")
        return None
    return None if trace is None else [trace]


def _data(path: Path, info: Element, findings: Findings, reading: Reading) -> bytes | None:
    file, kind = path.with_name(path.name + "~"), info.attributes.get("ftype", "ASCII")
    if not file.is_file():
        findings.problem(file, found="nothing there", expected=f"the data of {path.name}")
        return None
    if kind == "ASCII":
        return read_text_bytes(file, findings, reading.limits)
    if kind != "BINARY":
        findings.problem(f"{path}:{info.line}", found=f"ftype {cut(kind)}", expected="ASCII or BINARY")
        return None
    try:
        if file.stat().st_size > reading.limits.mib * BYTES_PER_MIB:
            refuse_size(file, f"a file of {file.stat().st_size / BYTES_PER_MIB:,.0f} MiB", findings, reading.limits)
            return None
        return read_bytes(file)
    except OSError as error:
        findings.problem(file, found=error.strerror or error, expected="a readable file")
        return None


def _rows(file: Path, data: bytes, fields: int, findings: Findings) -> Iterator[tuple[str, list[str]]]:
    """Yield the place and the fields of each line; a problem for a line of fewer."""
    for line, text in enumerate(data.decode().split("\n"), 1):
        if not text.strip():
            continue
        found = [one.strip() for one in text.split(";")]
        where = f"{file}:{line}"
        if len(found) < fields:
            findings.problem(where, found=f"{len(found)} values", expected=f"{fields}, with ; between them")
            continue
        yield where, found


def _number_in(text: str, where: str, findings: Findings) -> float:
    """Read a number; NaN where it is missing or, with a problem, none."""
    value = number(text)
    if value is None and text not in MISSING:
        findings.problem(where, found=f"{cut(text)!r}", expected="a finite number, or NaN where there is none")
    return np.nan if value is None else value


def _continuous(  # noqa: PLR0913, PLR0917
    path: Path, scheme: Element, info: Element, data: bytes, whose: tuple[str, str], findings: Findings
) -> Trace | None:
    where = f"{path}:{scheme.line}"
    said = {name: number(scheme.attributes.get(name, "")) for name in ("sr", "min", "max")}
    rate, low, high = said.values()
    if rate is None or low is None or high is None or not 0 < rate <= MOST_HZ or low >= high:
        found = " ".join(f"{name} {cut(scheme.attributes.get(name, 'missing'))}" for name in said)
        findings.problem(where, found=found, expected="sr above 0, and min below max")
        return None
    file = path.with_name(path.name + "~")
    if info.attributes.get("ftype", "ASCII") == "ASCII":
        problems = len(findings.problems)
        read = [
            (place, _number_in(fields[0], place, findings), _number_in(fields[1], place, findings))
            for place, fields in _rows(file, data, 2, findings)
        ]
        if len(findings.problems) > problems:
            return None
        places = [place for place, _, _ in read]
        values, sure = (np.array([one[column] for one in read]) for column in (1, 2))
    else:
        if len(data) % _PAIR.size:
            findings.problem(file, found=f"{len(data)} bytes", expected=f"a multiple of {_PAIR.size}: a cut file?")
            return None
        pairs = np.frombuffer(data, "<f4").reshape(-1, 2).astype(np.float64)
        values, sure = pairs[:, 0], pairs[:, 1]
        values[~np.isfinite(values)] = np.nan
        places = [f"{file}: row {row + 1}" for row in range(len(values))]
    if not _whole(path, info, len(values), findings):
        return None
    if (sure < UNSURE).any():
        findings.note(f"{(sure < UNSURE).sum()} labels with a confidence below {UNSURE:g}, used", recording=path.name)
    labels = from_range(values, (low, high), places.__getitem__, findings, "the scheme")
    if labels is None:
        return None
    time = np.arange(len(values)) / rate
    return Trace(where=str(path), dimension=whose[0], rater=whose[1], time=time, labels=labels, unit=IN_FILE)


def _whole(path: Path, info: Element, count: int, findings: Findings) -> bool:
    """Whether there are as many values as the header says, and any; else it is a problem."""
    said = number(info.attributes.get("size", ""))
    if count and (not said or said == count):  # NOVA's templates say 0
        return True
    expected = f"{said:g} values, as the header says" if said else "at least one value"
    findings.problem(path.with_name(path.name + "~"), found=f"{count} values", expected=expected)
    return False


def _discrete(  # noqa: PLR0913, PLR0917
    path: Path, scheme: Element, info: Element, data: bytes, whose: tuple[str, str], findings: Findings
) -> Trace | None:
    classes = {item.attributes.get("id", ""): item.attributes.get("name", "") for item in scheme.every("item")}
    file, ascii_data = path.with_name(path.name + "~"), info.attributes.get("ftype", "ASCII") == "ASCII"
    discrete = scheme.attributes.get("type") == "DISCRETE"
    if not ascii_data and (not discrete or len(data) % _INTERVAL.size):
        findings.problem(file, found="binary intervals that cannot be read", expected="text (ftype ASCII)")
        return None
    problems = len(findings.problems)
    if ascii_data:
        rows: Iterator[tuple[str, list[str]]] = _rows(file, data, 3, findings)
    else:
        rows = (
            (f"{file}: row {row}", [str(one) for one in of]) for row, of in enumerate(_INTERVAL.iter_unpack(data), 1)
        )
    intervals, count = [], 0
    for where, fields in rows:
        count += 1
        start, end = (_number_in(one, where, findings) for one in fields[:2])
        name = classes.get(fields[2], "GARBAGE" if fields[2] == str(_GARBAGE) else "") if discrete else fields[2]
        value = number(name)
        if name.upper() == "GARBAGE":
            continue
        if value is None or not start < end:
            found = f"class {cut(fields[2])} ({cut(name) or 'unknown'})" if value is None else f"{start:g} to {end:g} s"
            expected = "a class whose name is a number" if value is None else "an end after the begin"
            findings.problem(where, found=found, expected=expected)
            continue
        intervals.append(Interval(where=where, start=start, end=end, value=value))
    if len(findings.problems) > problems or not _whole(path, info, count, findings):
        return None
    if not intervals:
        findings.problem(file, found="no class but GARBAGE", expected="at least one label")
        return None
    what = "the classes' names"
    return trace_of_intervals(
        intervals, where=str(path), what=what, dimension=whose[0], rater=whose[1], findings=findings
    )
