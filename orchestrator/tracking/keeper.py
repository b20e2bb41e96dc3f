"""Runs a command, and ends it with all its child processes when the parent of this program has ended in any way.

`python -P keeper.py COMMAND ...`, in a session of its own. Its standard input is a pipe whose other end only
the parent holds: a killed parent (`kill -9`) closes it, on Linux and on macOS. Only a keeper that is killed together
with the parent leaves the command running. Standard library only: it is run as a file.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading

STOP_SECONDS = 10.0


def keep(command: list[str]) -> int:
    """Run the command to its end and return its exit code; it is asked to end when standard input closes."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it is for the command, which ends before us
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=_listen)  # noqa: PLW1509 - no threads yet
    watching = threading.Thread(target=_end_when_alone, args=(process, alone := threading.Event()), daemon=True)
    watching.start()
    code = process.wait()
    if alone.is_set():
        watching.join()
    return code


def _listen() -> None:
    """Undo in the command what we ignore: an ignored signal is inherited."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _end_when_alone(process: "subprocess.Popen[bytes]", alone: threading.Event) -> None:
    while os.read(0, 1024):
        pass
    alone.set()
    os.killpg(0, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(STOP_SECONDS)
    os.killpg(0, signal.SIGKILL)  # what is left, and ourselves


if __name__ == "__main__":
    sys.exit(keep(sys.argv[1:]))
