"""The bytes of a text file, made plain: UTF-8 without byte order marks, lines that end with a line feed."""

import codecs
from pathlib import Path

from orchestrator.corpora.findings import Findings
from orchestrator.corpora.reading import Limits
from orchestrator.corpora.tables.packed import read_bytes

BYTES_PER_MIB = 1 << 20
_OTHER_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)
_LOOKED_AT = 400  # bytes: Latin text in UTF-16 has a NUL in every other one


def read_text_bytes(path: Path, findings: Findings, limits: Limits) -> bytes | None:
    """Read a UTF-8 file without its byte order mark; all three line ends become a line feed. None and a problem."""
    try:
        size = path.stat().st_size
        if size > limits.mib * BYTES_PER_MIB:
            refuse_size(path, f"a file of {size / BYTES_PER_MIB:,.0f} MiB", findings, limits)
            return None
        data = read_bytes(path, limits.mib * BYTES_PER_MIB)
    except OSError as error:
        findings.problem(path, found=error.strerror or error, expected="a readable file")
        return None
    if data.startswith(_OTHER_MARKS) or _alternates(data[:_LOOKED_AT]):
        findings.problem(f"{path}:1", found="UTF-16 text", expected="UTF-8 text")
        return None
    while data.startswith(codecs.BOM_UTF8):  # two, where files were put together
        data = data.removeprefix(codecs.BOM_UTF8)
    data = with_line_feeds(data)
    if not data.strip():
        findings.problem(f"{path}:1", found="an empty file", expected="a header and at least one row")
        return None
    return data if check_text(path, data, findings) else None


def with_line_feeds(data: bytes) -> bytes:
    """Convert the line ends of old Macs and of Windows to line feeds; lines keep their numbers."""
    return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in data else data


def refuse_size(path: Path, found: str, findings: Findings, limits: Limits) -> None:
    """Report what needs more memory than it may."""
    findings.problem(path, found=found, expected=f"at most {limits.mib:,} MiB of memory (--max-mib)")


def check_text(path: Path, data: bytes, findings: Findings, *, lines_before: int = 0) -> bool:
    """Whether bytes are UTF-8 without NULs; else it is a problem of the first line that is not."""
    try:
        data.decode("utf-8")
        fault, found = data.find(0), "a NUL byte"
    except UnicodeDecodeError as error:
        fault, found = error.start, f"byte 0x{data[error.start]:02x}"
    if fault < 0:
        return True
    line = lines_before + data.count(b"\n", 0, fault) + 1
    findings.problem(f"{path}:{line}", found=found, expected="UTF-8 text")
    return False


def _alternates(begin: bytes) -> bool:
    """Whether every other byte is NUL, as of UTF-16 without a byte order mark."""
    pairs = len(begin) // 2
    even, odd = begin[: 2 * pairs : 2], begin[1 : 2 * pairs : 2]
    return pairs >= 2 and (even.count(0), odd.count(0)) in ((0, pairs), (pairs, 0))
