"""A time limit for calls to a tracking server. MLflow's own limit holds only between two bytes of an answer.

The work runs in a thread. If a call of it takes longer than its limit, the connections of that thread are cut, so that
the process can end, and the caller goes on.
"""

import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from types import FrameType
from typing import TypeVar

# Ours: the time of one call, and the slowest line over which a file is still waited for.
CALL_SECONDS = 120.0
SLOWEST_BYTES_PER_SECOND = 64 * 1024
LONGEST_CALL_SECONDS = 3600.0  # also if a server states an absurd size
POLL_SECONDS = 0.1
CUT_INTERVAL_SECONDS = 0.2
IDLE_SECONDS = 30.0  # after which threads without a connection are left alone: a pool keeps them

Result = TypeVar("Result")


class Limit:
    """Until when the call under way must have ended; renewed before each call."""

    def __init__(self) -> None:
        """Begin with the limit of a call that moves no file."""
        self.renew()

    def renew(self, *, num_bytes: int = 0, more_seconds: float = 0.0) -> None:
        """Begin a call that moves a file of so many bytes, or may wait for something else, too."""
        wanted = CALL_SECONDS + num_bytes / SLOWEST_BYTES_PER_SECOND + more_seconds
        self.seconds = min(wanted, max(LONGEST_CALL_SECONDS, CALL_SECONDS))
        self._end = time.monotonic() + self.seconds

    @property
    def is_over(self) -> bool:
        """Return whether the call took longer."""
        return time.monotonic() >= self._end


def bounded(
    work: Callable[[Limit], Result], *, limit: Limit | None = None, stop: Callable[[], None] | None = None
) -> Result:
    """Return what `work` returns; raise what it raises, or TimeoutError if one of its calls exceeds the limit.

    `work` renews the limit before each of its calls. If it is left behind, `stop` is called first.
    """
    limit = limit or Limit()
    limit.renew()
    results: list[Result] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work(limit))
        except BaseException as error:
            errors.append(error)

    before = set(threading.enumerate())
    thread = threading.Thread(target=run, name="mlflow-call", daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            thread.join(POLL_SECONDS)
            if thread.is_alive() and limit.is_over:
                raise TimeoutError(f"no call to it finished within {limit.seconds:.0f} s")
    except BaseException:
        if stop is not None:
            stop()
        # Also while the interpreter waits for MLflow's own threads, which download files.
        left = [one for one in threading.enumerate() if one not in before]
        threading.Thread(target=_cut_until_ended, args=(left,), name="mlflow-cut", daemon=True).start()
        raise
    if errors:
        raise errors[0]
    return results[0]


def _cut_until_ended(threads: Sequence[threading.Thread]) -> None:
    """Cut the threads' connections again and again: one that was cut begins with its next file."""
    last = time.monotonic()
    while any(one.is_alive() for one in threads) and time.monotonic() - last < IDLE_SECONDS:
        if _cut(threads):
            last = time.monotonic()
        time.sleep(CUT_INTERVAL_SECONDS)


def _cut(threads: Sequence[threading.Thread]) -> int:
    """Shut down the connections that the threads are reading from or writing to, and return their number."""
    frames = sys._current_frames()
    num_cut = 0
    for thread in threads:
        # The id of a thread that has ended may be another's by now.
        frame: FrameType | None = frames.get(thread.ident or 0) if thread.is_alive() else None
        while frame is not None:
            for value in list(frame.f_locals.values()):
                if isinstance(value, socket.socket | socket.SocketIO):
                    _shut_down(value)
                    num_cut += 1
            frame = frame.f_back
    return num_cut


def _shut_down(connection: "socket.socket | socket.SocketIO") -> None:
    try:
        with socket.socket(fileno=os.dup(connection.fileno())) as copy:
            copy.shutdown(socket.SHUT_RDWR)
    except (OSError, ValueError):  # closed by now, or never connected
        return
