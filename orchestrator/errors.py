"""What a user can cause: bad files and bad options, gathered so that one command shows all of them at once."""

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

DOING = "while "
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def printable(text: str) -> str:
    """Return the text with control characters as \\xNN, so that a file's or a server's text cannot steer a terminal.

    Newline and tab stay.
    """
    return _CONTROL.sub(lambda found: f"\\x{ord(found.group()):02x}", text)


def cut(text: str, most: int = 60) -> str:
    """Return a file's text short enough for one line of a message."""
    return text if len(text) <= most else f"{text[: most - 3]}..."


def number_of(number: int, one: str, several: str | None = None) -> str:
    """Return a number of things in words: `1 run`, `2 runs`; `several` if it is not `one` with an s."""
    return f"{number} {one if number == 1 else several or one + 's'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One fault in the input: where it is (`file:line`, option or participant), what was found, what was expected."""

    where: str
    found: str
    expected: str

    def __str__(self) -> str:
        """One line, as the command line prints it."""
        return f"{self.where}: found {self.found}; expected {self.expected}"


class InputError(ValueError):
    """One or more problems in what the user gave; the command line prints each and exits with code 2."""

    def __init__(self, problems: Problem | Iterable[Problem]) -> None:
        """Store one problem or several; an empty collection is a fault of the caller."""
        self.problems = (problems,) if isinstance(problems, Problem) else tuple(problems)
        assert self.problems, "an InputError without a problem"
        super().__init__("\n".join(str(problem) for problem in self.problems))

    @classmethod
    def of(cls, where: str, *, found: object, expected: str) -> "InputError":
        """Make the error of a single problem."""
        return cls(Problem(where=where, found=str(found), expected=expected))

    def __reduce__(self) -> tuple[type["InputError"], tuple[tuple[Problem, ...]]]:
        """Survive the way back from a worker process with its problems."""
        return type(self), (self.problems,)


class Gather:
    """Run one check after another; `settle` raises all their problems as one InputError."""

    def __init__(self) -> None:
        """Start with no problem."""
        self.problems: list[Problem] = []

    def run(self, check: Callable[[], T]) -> T | None:
        """Return what the check returns, or None if it raised InputError."""
        try:
            return check()
        except InputError as error:
            self.problems += error.problems
            return None

    def settle(self) -> None:
        """Raise what was found, if anything."""
        if self.problems:
            raise InputError(self.problems)


@contextlib.contextmanager
def doing(what: str, show: Callable[[str], object] | None = None) -> Iterator[None]:
    """Name what is being done, for the line that an unforeseen error becomes: `while reading the corpus`.

    With `show`, which takes a line, also to whoever waits.
    """
    if show is not None:
        show(f"{what} ...")
    try:
        yield
    except Exception as error:
        error.add_note(f"{DOING}{what}")
        raise


def done_when(error: BaseException) -> str:
    """Return what was being done when an error came up, the narrowest first; empty if that is not known."""
    notes = [note for note in getattr(error, "__notes__", ()) if str(note).startswith(DOING)]
    return str(notes[0]) if notes else ""
