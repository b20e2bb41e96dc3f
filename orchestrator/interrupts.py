"""SIGTERM and SIGHUP end a command as Ctrl-C does: batch systems, service managers and closing terminals send them."""

import contextlib
import signal
from types import FrameType

# Whoever starts a command with nohup wants it to outlive the terminal.
AS_CTRL_C = (signal.SIGTERM, signal.SIGHUP)


def take_as_ctrl_c() -> None:
    """Install the handlers; again after whatever installs its own, as Ray does. Outside the main thread: nothing."""
    with contextlib.suppress(ValueError):
        for number in AS_CTRL_C:
            if number == signal.SIGTERM or signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, _as_ctrl_c)


def _as_ctrl_c(_number: int, frame: FrameType | None) -> None:
    """Do what Ctrl-C would do now: Tune ends in order at the first and at once at the second."""
    handler = signal.getsignal(signal.SIGINT)
    if callable(handler):
        handler(signal.SIGINT, frame)
    else:  # Ctrl-C itself is ignored, as in a shell's background
        raise KeyboardInterrupt
