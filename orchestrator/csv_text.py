"""Text of CSV files. In those for people a spreadsheet would run what begins like a formula: an apostrophe goes before.

Text only, never numbers. What is protected can be told from what is not, so reading gives back every name as it was.
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import Any

# Blanks before the sign do not keep a spreadsheet from a formula; full-width signs are taken for the plain ones.
# Apostrophes are passed over so that a name that itself begins with one is protected too, and comes back whole.
_FORMULA = re.compile(r"[\s']*[=+\-@\uff1d\uff0b\uff0d\uff20]|'*[\t\r]")


def as_text(rows: Iterable[Sequence[Any]]) -> str:
    """Return rows, the first of which is the header, as the text of a CSV file."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def protected(text: str) -> str:
    """Return text so that no spreadsheet takes it for a formula."""
    return f"'{text}" if _FORMULA.match(text) else text


def unprotected(text: str) -> str:
    """Undo `protected`."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text[1:]) else text


def unprotected_column(entries: Sequence[str]) -> tuple[str, ...]:
    """Undo `protected` in a column, unless an entry shows that this column was never protected."""
    if any(not entry.startswith("'") and _FORMULA.match(entry) for entry in set(entries)):
        return tuple(entries)
    return tuple(map(unprotected, entries))
