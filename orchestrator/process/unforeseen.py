"""What becomes of an error that nobody foresaw: its traceback goes into a log, and people get one line."""

import contextlib
import os
import sys
import tempfile
import traceback
from datetime import datetime
from pathlib import Path

from orchestrator.errors import done_when
from orchestrator.run_folder import LOG_FILE
from orchestrator.tracking.address import hide_password


def unforeseen(error: BaseException, command: str, run: Path | None) -> str:
    """Write the traceback of an error into a log, and return the line that names the log and how to go on.

    The log is the run's own if there is one that can be written, else a new file for temporary ones.
    """
    log = _logged(hide_password("".join(traceback.format_exception(error))), command, run)
    what = " ".join(filter(None, (command, done_when(error))))
    said = (str(error).strip().splitlines() or [""])[0]
    line = f"error: {what}: {type(error).__name__}: {said}".rstrip(": ")
    line += f"; a fault of the program, whose traceback is in {log}" if log else "; a fault of the program"
    if run is not None and run.is_dir():
        line += f". What the run has is kept: continue with  python -m orchestrator tune --resume {run}"
    return line


def _logged(trace: str, command: str, run: Path | None) -> Path | None:
    """Write a traceback where it can be written; None if that is nowhere."""
    entry = f"{datetime.now().astimezone().isoformat(timespec='seconds')} {command}\n{trace}\n"
    if run is not None:
        with contextlib.suppress(OSError), (run / LOG_FILE).open("ab") as own:
            own.write(entry.encode(errors="backslashreplace"))
            return run / LOG_FILE
    with contextlib.suppress(OSError):
        handle, name = tempfile.mkstemp(prefix="affect-orchestrator-", suffix=".log")
        with os.fdopen(handle, "wb") as other:
            other.write(entry.encode(errors="backslashreplace"))
        return Path(name)
    with contextlib.suppress(OSError):
        sys.stderr.write(entry)
    return None
