"""Standard output and standard error that never fail finished work: what cannot be shown is replaced or dropped.

A command whose work is what it prints says so, and then a full disk behind its output ends it with an error.
"""

import errno
import io
import os
import sys
from typing import Any, BinaryIO

_only_work = False  # whether what this process prints is all that it does


class OutputLostError(Exception):
    """What a command prints, which is all that it does, could not be written."""


class Forgiving(io.TextIOWrapper):
    """A stream of text that survives a terminal without the letters, a full disk behind it, and a reader that left."""

    forgives = True
    lost: OSError | None = None  # why something could not be written, though its reader was there

    def write(self, text: str) -> int:
        """Write what can be written, and say that all was."""
        try:
            return super().write(text)
        except OSError as error:
            self._give_up(error)
            return len(text)

    def flush(self) -> None:
        """Write out what can be written."""
        try:
            super().flush()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        """Lead everything further nowhere, so that the end of the process does not fail on it either."""
        if error.errno != errno.EPIPE:
            self.lost = self.lost or error
        elif not self.forgives:
            raise error
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)
        if not self.forgives:
            raise OutputLostError(_lost(error)) from error


def forgive() -> None:
    """Make both streams of this process forgiving; of a process, not of a test's stand-ins."""
    for name in ("stdout", "stderr"):
        stream: Any = getattr(sys, name)
        if type(stream) is not io.TextIOWrapper:
            continue  # closed, or not the process's own
        encoding, buffered = stream.encoding, stream.line_buffering
        stream.flush()
        new = forgiving(stream.detach(), encoding, line_buffering=buffered)
        setattr(sys, name, new)
        setattr(sys, f"__{name}__", new)


def forgiving(binary: BinaryIO, encoding: str, *, line_buffering: bool = True) -> Forgiving:
    """Return a forgiving stream of text over one of bytes; a letter that it cannot show becomes its number."""
    return Forgiving(
        binary, encoding=encoding, errors="backslashreplace", line_buffering=line_buffering, write_through=True
    )


def stop_at_a_closed_pipe() -> None:
    """End this command when its reader has left, for a command whose output is its only work."""
    if isinstance(sys.stdout, Forgiving):
        sys.stdout.forgives = False


def output_is_the_only_work() -> None:
    """Declare that what this command prints is all that it does; see `check_output`."""
    global _only_work  # noqa: PLW0603 - of the process, as its streams are
    _only_work = True


def check_output() -> None:
    """OutputLostError if the output of a command that does nothing else could not be written, but for a lost reader."""
    lost = sys.stdout.lost if isinstance(sys.stdout, Forgiving) else None
    if _only_work and lost is not None:
        raise OutputLostError(_lost(lost))


def _lost(error: OSError) -> str:
    return f"standard output: found {error.strerror or error}; expected room for what is printed, which is not whole"
