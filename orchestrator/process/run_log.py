"""Where people read and where libraries write: while Ray runs, what it writes to stderr goes into the run's log.

Ray's native parts write to file descriptor 2, whatever Python's `sys.stderr` is. So that descriptor leads to the log
then, and what people shall read goes to `terminal()`.
"""

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from orchestrator.process.terminal import forgiving

STDERR = 2

_terminals: list[TextIO] = []


def terminal() -> TextIO:
    """Return the stream that people read: stderr, also while that is turned to a log."""
    return _terminals[-1] if _terminals else sys.stderr


@contextlib.contextmanager
def errors_into(file: Path | None) -> Iterator[None]:
    """While it lasts, what is written to stderr is added to the file; with None, or if it cannot be, it stays."""
    log = _opened(file)
    if log is None:
        yield
        return
    sys.stderr.flush()
    saved = os.dup(STDERR)
    os.dup2(log, STDERR)
    os.close(log)
    own = _is_descriptor(sys.stderr)
    if own:
        _terminals.append(forgiving(io.FileIO(os.dup(saved), "w"), sys.stderr.encoding))
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # a full disk is told of by those who have something to lose
            sys.stderr.flush()
        os.dup2(saved, STDERR)
        os.close(saved)
        if own:
            with contextlib.suppress(OSError):
                _terminals.pop().close()


def _opened(file: Path | None) -> int | None:
    if file is None:
        return None
    begun = f"--- {datetime.now(UTC).isoformat(timespec='seconds')} process {os.getpid()}\n"
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
    except OSError:
        return None
    with contextlib.suppress(OSError):
        os.write(handle, begun.encode())
    return handle


def _is_descriptor(stream: TextIO) -> bool:
    """Whether Python writes to the very descriptor; a test's stand-in does not."""
    try:
        return stream.fileno() == STDERR
    except (AttributeError, OSError, ValueError):
        return False
