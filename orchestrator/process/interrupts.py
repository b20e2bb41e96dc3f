"""SIGTERM and SIGHUP end a command as Ctrl-C does: batch systems, service managers and closing terminals send them.

Neither they nor Ctrl-C break off an import: what is in the midst of one may drop the exception, and all goes on.
"""

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType

# Whoever starts a command with nohup wants it to outlive the terminal.
AS_CTRL_C = (signal.SIGTERM, signal.SIGHUP)
AGAIN_SECONDS = 0.2
LOOK_SECONDS = 0.02

_asked = threading.Event()
_waits = threading.Event()  # a Ctrl-C, for the end of an import


def take_as_ctrl_c() -> None:
    """Install the handlers; again after whatever installs its own, as Ray does. Outside the main thread: nothing."""
    with contextlib.suppress(ValueError):
        for number in AS_CTRL_C:
            if number == signal.SIGTERM or signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, _as_ctrl_c)


def let_imports_end() -> None:
    """Let Ctrl-C wait for the end of an import, a second one does not; what ignores or takes it already stays.

    pyarrow imports pandas when it is first needed and drops what is raised meanwhile: Ctrl-C would do nothing. Outside
    the main thread: nothing.
    """
    with contextlib.suppress(ValueError):
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, _ctrl_c)


def _ctrl_c(number: int, frame: FrameType | None) -> None:
    if _imports(frame) and not _waits.is_set():
        _waits.set()
        threading.Thread(target=_send_after_import, args=(number,), daemon=True).start()
        return
    _waits.clear()
    signal.default_int_handler(number, frame)


def _send_after_import(number: int) -> None:
    main = threading.main_thread().ident
    while _waits.is_set():
        time.sleep(LOOK_SECONDS)
        if main is not None and not _imports(sys._current_frames().get(main)):
            if _waits.is_set():
                signal.pthread_kill(main, number)
            return


@contextlib.contextmanager
def handlers_kept() -> Iterator[None]:
    """Put back what Ctrl-C and SIGUSR1 did before: Tune leaves handlers that set a flag which nobody reads any more.

    Outside the main thread: nothing.
    """
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGUSR1)}
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            for number, handler in before.items():
                signal.signal(number, handler)


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
