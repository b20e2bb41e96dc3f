"""A tool as a process of its own: run to its end, or ended with all that it has started."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from orchestrator.corpora.extraction.whole_table import NotWholeError

SHOWN_LINES = 5  # ours: of what a failing tool said last
# A folder of that name in the current one is no package.
_HAS_PACKAGE = """
import importlib.util, sys
sys.path[:] = [place for place in sys.path if place]
found = importlib.util.find_spec(sys.argv[1])
sys.exit(found is None or found.origin is None)
"""


def run(command: Sequence[str], timeout_seconds: float, said: Path) -> None:
    """Run a tool to its end; NotWholeError, with its last words, for an exit code or after `timeout_seconds`."""
    with said.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
        try:
            code = process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            raise NotWholeError(f"no end after {timeout_seconds:g} s; last lines: {last_lines(said)}") from None
        finally:
            end_with_children(process)
    if code:
        raise NotWholeError(f"exit code {code} of {Path(command[0]).name}; last lines: {last_lines(said)}")


def end_with_children(process: subprocess.Popen[bytes]) -> None:
    """Kill a process that began a session, and all in it, unless it has ended."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def last_lines(said: Path) -> str:
    """Return the last lines that a tool wrote to a file."""
    lines = [line.strip() for line in said.read_text(errors="replace").splitlines() if line.strip()]
    return " | ".join(lines[-SHOWN_LINES:]) or "(it said nothing)"


def python_with(package: str, executable: str | None) -> str | None:
    """Return the Python at `executable` (None: this one) if it can import a package, else None."""
    python = shutil.which(executable or sys.executable)
    if python is None:
        return None
    done = subprocess.run((python, "-c", _HAS_PACKAGE, package), check=False, capture_output=True)
    return None if done.returncode else python
