"""Whom to keep in one fold: people who have the same value in a column of participants.csv, such as a dyad."""

from collections.abc import Sequence

from orchestrator.corpora.attributes import other_spellings
from orchestrator.corpora.findings import shortened
from orchestrator.corpora.recording import Corpus
from orchestrator.errors import InputError, cut

GROUP_OPTION = "--group-by"
SHOWN_PEOPLE = 5  # ours: of those without a value
# No reader takes pairs from a corpus's own files: RECOLA gives them in its metadata, not beside features and labels.
PAIRS = "RECOLA's pairs stand in its metadata and go into participants.csv in the corpus's folder, with the columns"

Groups = tuple[tuple[str, ...], ...]


def groups_of(corpus: Corpus, column: str) -> Groups:
    """Return the corpus's participants by their value in a column, groups and people in the corpus's order.

    InputError: no such column, or people without a value.
    """
    people = corpus.participants
    known = list(dict.fromkeys(name for person in people for name in corpus.attributes.get(person, {})))
    if column not in known:
        there = _instead(corpus, column, known)
        dyads = f"; {PAIRS} participant and {column}" if corpus.kind in ("recola", "avec") else ""
        expected = f"a column of participants.csv, beside participant, with a value for everybody{dyads}"
        raise InputError.of(GROUP_OPTION, found=f"{cut(column)}: {there}", expected=expected)
    without = [person for person in people if column not in corpus.attributes.get(person, {})]
    if without:
        more = f" and {len(without) - SHOWN_PEOPLE} more" if len(without) > SHOWN_PEOPLE else ""
        found = f"no {column} of {', '.join(map(cut, without[:SHOWN_PEOPLE]))}{more}"
        expected = "a value for everybody; who belongs to nobody has one alone"
        doubtful = other_spellings(corpus.attributes, people)
        expected += f"; is {shortened(doubtful)} one person in two spellings?" if doubtful else ""
        raise InputError.of(f"{GROUP_OPTION} {column}", found=found, expected=expected)
    by_value: dict[str, list[str]] = {}
    for person in people:
        by_value.setdefault(corpus.attributes[person][column], []).append(person)
    return tuple(map(tuple, by_value.values()))


def _instead(corpus: Corpus, column: str, known: Sequence[str]) -> str:
    """Return what participants.csv has, of a column that nobody of the corpus has: `known` columns, or other people."""
    if known:
        return f"participants.csv has {', '.join(map(cut, known))}"
    listed = [person for person, own in corpus.attributes.items() if column in own]
    if not listed:
        return "no column of participants.csv"
    return (
        f"participants.csv has it of {shortened(map(cut, listed))}, not of {shortened(map(cut, corpus.participants))}"
    )


def alone(participants: Sequence[str]) -> Groups:
    """Return a group for each participant."""
    return tuple((person,) for person in participants)
