"""Collecting every fault of a command before any of it is reported."""

from collections.abc import Callable
from typing import TypeVar

from orchestrator.errors import InputError, Problem

T = TypeVar("T")


class Gather:
    """Runs one check after another; `settle` raises all their problems as one InputError."""

    def __init__(self) -> None:
        """Start with no problem."""
        self.problems: list[Problem] = []

    def run(self, check: Callable[[], T]) -> T | None:
        """Return what the check returns, or None where it raised InputError."""
        try:
            return check()
        except InputError as error:
            self.problems += error.problems
            return None

    def settle(self) -> None:
        """Raise what was found, if anything."""
        if self.problems:
            raise InputError(self.problems)
