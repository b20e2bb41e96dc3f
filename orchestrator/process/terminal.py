"""Standard output and standard error that never fail finished work: what cannot be shown is replaced or dropped."""

import io
import os
import sys
from typing import Any, BinaryIO


class Forgiving(io.TextIOWrapper):
    """A stream of text that survives a terminal without the letters, a full disk behind it, and a reader that left."""

    forgives = True

    def write(self, text: str) -> int:
        """Write what can be written, and say that all was."""
        try:
            return super().write(text)
        except OSError:
            if not self.forgives:
                raise
            self._give_up()
            return len(text)

    def flush(self) -> None:
        """Write out what can be written."""
        try:
            super().flush()
        except OSError:
            if not self.forgives:
                raise
            self._give_up()

    def _give_up(self) -> None:
        """Lead everything further nowhere, so that the end of the process does not fail on it either."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)


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
