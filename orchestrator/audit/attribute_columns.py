"""Which columns of participants.csv can be inferred: a few values of several people each. Nothing heavy."""

import math
import statistics
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.corpora.recording import Corpus
from orchestrator.errors import number_of

# Ours.
MOST_VALUES = 6  # of a column; numbers of more are cut at their median
FEWEST_PEOPLE = 3  # of a value: one is held out, and two remain of whom the attacker can tell what they have in common


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column to be inferred: its values in order, the place of each person's, and what a record says of it."""

    name: str
    values: tuple[str, ...]
    value_of: Mapping[str, int]  # participant -> place in `values`; without people of whom it has none
    notes: tuple[str, ...] = ()


def columns_of(corpus: Corpus) -> tuple[list[Column], dict[str, str]]:
    """Return the columns that can be inferred, and by name why others cannot; ids are not among a corpus's attributes.

    A column has 2 to MOST_VALUES values of at least FEWEST_PEOPLE people each; one of more values, all of them numbers,
    is cut at its median.
    """
    people = corpus.participants
    names = dict.fromkeys(name for person in people for name in corpus.attributes.get(person, {}))
    found: list[Column] = []
    skipped: dict[str, str] = {}
    for name in names:
        known = {person: own[name] for person in people if name in (own := corpus.attributes.get(person, {}))}
        made = _column(name, known, without=len(people) - len(known))
        if isinstance(made, Column):
            found.append(made)
        else:
            skipped[name] = made
    return found, skipped


def _column(name: str, known: Mapping[str, str], *, without: int) -> Column | str:
    """Return the column of these values by participant, or why it cannot be inferred."""
    notes = [f"{name}: {number_of(without, 'person', 'people')} without a value left out"] if without else []
    if len(set(known.values())) > MOST_VALUES:
        numbers = {person: _number(value) for person, value in known.items()}
        finite = [number for number in numbers.values() if number is not None]
        if len(finite) < len(numbers):
            return f"{len(set(known.values()))} values, more than {MOST_VALUES}, and not all of them numbers"
        middle = statistics.median(finite)
        low, high = f"up to {middle:g}", f"above {middle:g}"
        known = {person: high if number is not None and number > middle else low for person, number in numbers.items()}
        notes.append(f"{name}: cut at the median, {low} and {high}")
        values: tuple[str, ...] = (low, high)
    else:
        values = tuple(sorted(set(known.values())))
    if len(values) < 2:
        return "one value" if values else "no value"
    counts = Counter(known.values())
    rare = sum(counts[value] < FEWEST_PEOPLE for value in values)
    if rare:
        return f"{number_of(rare, 'value')} of fewer than {FEWEST_PEOPLE} people"
    place = {value: index for index, value in enumerate(values)}
    return Column(
        name=name,
        values=values,
        value_of={person: place[value] for person, value in known.items()},
        notes=tuple(notes),
    )


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
