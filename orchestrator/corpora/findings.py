"""What reading finds besides the data: faults, things left out, things to know."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from orchestrator.corpora.recording import Dropped
from orchestrator.errors import Problem

NAMES_SHOWN = 5  # of the recordings that share one remark


@dataclass(slots=True)
class Findings:
    """Gathered over all files of a corpus, so that a user sees everything at once."""

    problems: list[Problem] = field(default_factory=list)
    _dropped: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    _notes: dict[str, list[str]] = field(default_factory=dict)

    def problem(self, where: object, *, found: object, expected: str) -> None:
        """Add a fault at `file:line`, a file or a participant; a file of many people may show one many times."""
        problem = Problem(where=str(where), found=str(found), expected=expected)
        if problem not in self.problems:
            self.problems.append(problem)

    def drop(self, what: str, why: str, *, recording: str = "") -> None:
        """Say that something was left out; the same remark about many recordings is shown once."""
        self._dropped.setdefault((what, why), []).extend([recording] if recording else [])

    def note(self, text: str, *, recording: str = "") -> None:
        """Say something that a user should know although nothing was left out."""
        self._notes.setdefault(text, []).extend([recording] if recording else [])

    @property
    def dropped(self) -> tuple[Dropped, ...]:
        """What was left out, in the order in which it was found."""
        return tuple(Dropped(what=what + _listing(names), why=why) for (what, why), names in self._dropped.items())

    @property
    def notes(self) -> tuple[str, ...]:
        """What is worth knowing, in the order in which it was found."""
        return tuple(text + _listing(names) for text, names in self._notes.items())


def shortened(names: Iterable[str]) -> str:
    """Name the first few and count the others."""
    every = tuple(names)
    more = len(every) - NAMES_SHOWN
    return ", ".join(every[:NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _listing(names: list[str]) -> str:
    return f" [{shortened(dict.fromkeys(names))}]" if names else ""
