"""SIGTERM and SIGHUP end a command as Ctrl-C does: batch systems, service managers and closing terminals send them."""

import contextlib
import signal
import threading
from types import FrameType

# Whoever starts a command with nohup wants it to outlive the terminal.
AS_CTRL_C = (signal.SIGTERM, signal.SIGHUP)
AGAIN_SECONDS = 0.2

_asked = threading.Event()


def take_as_ctrl_c() -> None:
    """Install the handlers; again after whatever installs its own, as Ray does. Outside the main thread: nothing."""
    with contextlib.suppress(ValueError):
        for number in AS_CTRL_C:
            if number == signal.SIGTERM or signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, _as_ctrl_c)


def asked_to_end() -> bool:
    """Whether such a signal came: Python drops an exception that is raised in a finaliser or a callback."""
    return _asked.is_set()


def _as_ctrl_c(number: int, frame: FrameType | None) -> None:
    """Do what Ctrl-C would do now: Tune ends in order at the first and at once at the second."""
    if _imports(frame):
        # An exception in the midst of an import leaves its lock held, and the next thread that imports waits for ever.
        # To the main thread, which may be waiting: only a signal of its own wakes it.
        timer = threading.Timer(AGAIN_SECONDS, signal.pthread_kill, (threading.main_thread().ident, number))
        timer.daemon = True
        timer.start()
        return
    _asked.set()
    handler = signal.getsignal(signal.SIGINT)
    if callable(handler):
        handler(signal.SIGINT, frame)
    else:  # Ctrl-C itself is ignored, as in a shell's background
        raise KeyboardInterrupt


def _imports(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
