"""Names as files spell them: one Unicode form, and a short way to list many."""

import re
import unicodedata
from collections.abc import Iterable

from orchestrator.errors import cut

LONGEST_NUMBER = 9  # digits: int() takes long for thousands of them
SERIES = 8  # ours: so many names that are numbered one by one, or more, are listed by the first and the last
_LAST_NUMBER = re.compile(r"(|.*[^0-9])([0-9]+)([^0-9]*)", re.DOTALL)


def composed(name: str) -> str:
    """Return a name in the Unicode form NFC: file systems and editors write the same name in two ways."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def listed(names: Iterable[str]) -> str:
    """List all names; of a series such as emb_0, emb_1 to emb_511 the first and the last with their number."""
    series: list[list[str]] = []
    for name in names:
        if series and _follows(series[-1][-1], name):
            series[-1].append(name)
        else:
            series.append([name])
    return ", ".join(map(_shown, series))


def _follows(one: str, other: str) -> bool:
    """Whether a name is the next one of a numbered series."""
    first, second = _numbered(one), _numbered(other)
    if first is None or second is None:
        return False
    return (first[0], first[2]) == (second[0], second[2]) and int(second[1]) == int(first[1]) + 1


def _numbered(name: str) -> tuple[str, str, str] | None:
    """Split a name at its last number; None without one, or with one that is no series'."""
    match = _LAST_NUMBER.fullmatch(name)
    return None if match is None or len(match[2]) > LONGEST_NUMBER else (match[1], match[2], match[3])


def _shown(series: list[str]) -> str:
    if len(series) < SERIES:
        return ", ".join(map(cut, series))
    return f"{cut(series[0])} .. {cut(series[-1])} ({len(series)})"
