"""What participants.csv says of people: values that may be one in two spellings."""

import math
import re
from collections.abc import Container, Hashable, Mapping

from orchestrator.corpora.findings import Findings, shortened
from orchestrator.corpora.names import composed
from orchestrator.errors import cut

# Between a letter and a letter or digit; 1-5 is not 15, and A+ is not A-.
_SEPARATORS = re.compile(r"(?<=[^\W\d_])[\s_.-]+(?=[^\W_])|(?<=\d)[\s_.-]+(?=[^\W\d_])")
_ZEROS = re.compile(r"(?<![\d.,])0+(?=\d)")


def ask_about_attributes(
    attributes: Mapping[str, Mapping[str, str]], people: Container[str], findings: Findings
) -> None:
    """Ask if values of an attribute that differ in spelling only are one: D1 and d1 are two groups, and two classes.

    `attributes` are those of participants.csv by participant, `people` the participants of the corpus.
    """
    here = {person: own for person, own in attributes.items() if person in people}
    for column in dict.fromkeys(name for own in here.values() for name in own):
        by_spelling: dict[Hashable, dict[str, None]] = {}
        for value in (own[column] for own in here.values() if column in own):
            by_spelling.setdefault(_loose(value), {})[value] = None
        doubtful = [" and ".join(map(cut, some)) for some in by_spelling.values() if len(some) > 1]
        if doubtful:
            values = "values" if len(doubtful) > 1 else "value"
            findings.ask(f"participants.csv: {values} {shortened(doubtful)} of {cut(column)}: one in two spellings?")


def _loose(value: str) -> Hashable:
    """Return what values have in common that differ in spelling only; numbers by their value."""
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    return _ZEROS.sub("", _SEPARATORS.sub("", composed(value).casefold())) if math.isnan(number) else number
