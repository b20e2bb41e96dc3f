"""A thread that notices that Ray has died, because the driver may wait for Ray for ever."""

import contextlib
import os
import shutil
import signal
import socket
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from orchestrator.process import exit_codes
from orchestrator.process.run_log import terminal

POLL_SECONDS = 0.25
# Ours: a cluster's process that refuses connections may be starting anew; Ray itself gives up after 60 s and then ends
# the driver without a word.
REFUSED_SECONDS = 10.0
CONNECT_SECONDS = 3.0
CLOSE_SECONDS = 3.0  # for what shall still be closed, all of it together

Alive = Callable[[], bool]


class Lifeline:
    """Watches the processes that a driver needs; if one dies, the command ends in order within seconds."""

    def __init__(self, checks: Mapping[str, Alive], end: Callable[[str], None]) -> None:
        """`checks` say by name who is alive; `end` is called once, with the name, and need not return."""
        self._checks, self._end = checks, end
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="lifeline", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Stop watching: what dies from now on is ended on purpose."""
        self._over.set()
        self._thread.join(CONNECT_SECONDS + 1.0)

    def _watch(self) -> None:
        while not self._over.wait(POLL_SECONDS):
            for name, alive in self._checks.items():
                if not alive() and not self._over.is_set():
                    self._end(name)
                    return


class Answering:
    """Whether somebody listens at an address; nobody does once it has been refused for long enough."""

    def __init__(self, host: str, port: int, seconds: float = REFUSED_SECONDS) -> None:
        """Nothing has been asked yet."""
        self._place, self._seconds = (host, port), seconds
        self._answered = time.monotonic()

    def __call__(self) -> bool:
        """Ask."""
        now = time.monotonic()
        try:
            socket.create_connection(self._place, timeout=CONNECT_SECONDS).close()
        except OSError:
            return now - self._answered < self._seconds
        self._answered = now
        return True


def end_process(
    what: str,
    *,
    how_on: str | None,
    close: Callable[[], None],
    mark: tuple[str, str] | None,
    folder: Path | None,
) -> None:
    """Print what died, close what can be closed, end every process with the mark in its environment, and this one."""
    line = f"error: {what}: the search cannot go on; what was done is kept"
    stream = terminal()
    with contextlib.suppress(Exception):
        below = "\n" if stream.isatty() else ""  # a live display stands there
        print(below + (f"{line}; continue with  {how_on}" if how_on else line), file=stream, flush=True)
    closing = threading.Thread(target=close, daemon=True)
    with contextlib.suppress(Exception):
        closing.start()
        closing.join(CLOSE_SECONDS)
    with contextlib.suppress(Exception):
        if mark is not None:
            kill_marked(*mark)
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
    os._exit(exit_codes.RAY_LOST)


def kill_marked(name: str, value: str) -> None:
    """Kill every process of this machine that has the variable in its environment, but not this one."""
    entry_of = f"{name}={value}".encode()
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError):
            if int(entry.name) != os.getpid() and entry_of in (entry / "environ").read_bytes().split(b"\0"):
                os.kill(int(entry.name), signal.SIGKILL)
