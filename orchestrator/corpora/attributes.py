"""What participants.csv says of people: who is listed and not there, values that may be one in two spellings."""

import math
import re
from collections.abc import Collection, Hashable, Mapping

from orchestrator.corpora.findings import Findings, shortened
from orchestrator.corpora.names import composed
from orchestrator.corpora.participants import alike
from orchestrator.errors import cut

# Between a letter and a letter or digit; 1-5 is not 15, and A+ is not A-.
_SEPARATORS = re.compile(r"(?<=[^\W\d_])[\s_.-]+(?=[^\W_])|(?<=\d)[\s_.-]+(?=[^\W\d_])")
_ZEROS = re.compile(r"(?<![\d.,])0+(?=\d)")


Attributes = Mapping[str, Mapping[str, str]]  # of participants.csv, by participant


def ask_about_attributes(attributes: Attributes, people: Collection[str], findings: Findings) -> None:
    """Note who is listed and is not among the corpus's `people`, and ask if they, or values, are others misspelt.

    Values of an attribute that differ in spelling only, such as D1 and d1, are two groups, and two classes.
    """
    absent = [person for person in attributes if person not in people]
    if absent:
        nobody = "" if len(absent) < len(attributes) else ": it says nothing of anybody here"
        findings.note(f"participants.csv lists {shortened(map(cut, absent))}, without a recording here{nobody}")
    doubtful = other_spellings(attributes, people)
    if doubtful:
        findings.ask(f"participants.csv lists {shortened(doubtful)} of the recordings: one person in two spellings?")
    here = {person: own for person, own in attributes.items() if person in people}
    for column in dict.fromkeys(name for own in here.values() for name in own):
        by_spelling: dict[Hashable, dict[str, None]] = {}
        for value in (own[column] for own in here.values() if column in own):
            by_spelling.setdefault(_loose(value), {})[value] = None
        doubtful = [" and ".join(map(cut, some)) for some in by_spelling.values() if len(some) > 1]
        if doubtful:
            values = "values" if len(doubtful) > 1 else "value"
            findings.ask(f"participants.csv: {values} {shortened(doubtful)} of {cut(column)}: one in two spellings?")


def other_spellings(attributes: Attributes, people: Collection[str]) -> list[str]:
    """Return, as texts, who is listed in participants.csv and may be one of the corpus's people: `p1 and P1`."""
    absent = [person for person in attributes if person not in people]
    found = []
    for same in alike([*people, *absent]):
        here, there = ([cut(one) for one in same if (one in people) is both] for both in (True, False))
        found += [" and ".join([*there, *here])] if here and there else []
    return found


def _loose(value: str) -> Hashable:
    """Return what values have in common that differ in spelling only; numbers by their value."""
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    return _ZEROS.sub("", _SEPARATORS.sub("", composed(value).casefold())) if math.isnan(number) else number
