"""How the state of a search is shown: a live line in a terminal or in a notebook, nothing live elsewhere."""

from typing import Protocol, TextIO

from orchestrator.process.run_log import terminal

NOTEBOOK_MODULE = "ipykernel"  # of the streams of a Jupyter kernel


class Display(Protocol):
    """One line that is replaced, with lines above it that stay."""

    def start(self) -> None:
        """Open the display."""
        ...

    def stop(self) -> None:
        """Close it; its last state stays."""
        ...

    def update(self, text: str) -> None:
        """Replace the line."""
        ...

    def print(self, text: str) -> None:
        """Write a line that stays."""
        ...


class TerminalDisplay:
    """The display of a terminal, by rich."""

    def __init__(self, stream: TextIO) -> None:
        """Write to the stream of a terminal."""
        from rich.console import Console
        from rich.live import Live

        self._live = Live(console=Console(file=stream), auto_refresh=False)

    def start(self) -> None:
        """Open the display."""
        self._live.start()

    def stop(self) -> None:
        """Close it; its last state stays."""
        self._live.stop()

    def update(self, text: str) -> None:
        """Replace the line."""
        self._live.update(text, refresh=True)

    def print(self, text: str) -> None:
        """Write a line that stays."""
        self._live.console.print(text, markup=False, highlight=False)


class NotebookDisplay:
    """The display of a notebook's cell, which obeys a carriage return and no other control sequence."""

    def __init__(self, stream: TextIO) -> None:
        """Write to the stream of a kernel."""
        self._stream = stream
        self._shown = ""

    def start(self) -> None:
        """Nothing is to be opened."""

    def stop(self) -> None:
        """End the line."""
        if self._shown:
            self._write("\n")
            self._shown = ""

    def update(self, text: str) -> None:
        """Replace the line; blanks cover what is left of a longer one."""
        self._write("\r" + text.ljust(len(self._shown)))
        self._shown = text

    def print(self, text: str) -> None:
        """Write a line in the place of the state, and the state again below it."""
        self._write("\r" + text.ljust(len(self._shown)) + "\n" + self._shown)

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


class Phases:
    """What is done before, between and after the trainings: a line per phase, in a notebook the one that is replaced.

    With `lines` it is written to any stream that people read, as of a command; without it to a notebook alone.
    """

    def __init__(self, *, lines: bool) -> None:
        """Find out where it is shown."""
        found = display_of(terminal())
        self.notebook = found if isinstance(found, NotebookDisplay) else None
        self._lines = lines

    def __call__(self, text: str) -> None:
        """Say what begins now."""
        if self.notebook is not None:
            self.notebook.update(text)
        elif self._lines:
            print(text, file=terminal(), flush=True)

    def close(self) -> None:
        """End a notebook's line."""
        if self.notebook is not None:
            self.notebook.stop()


def display_of(stream: TextIO) -> Display | None:
    """Return the display of a terminal or of a notebook; None for any other stream."""
    if type(stream).__module__.split(".")[0] == NOTEBOOK_MODULE:
        return NotebookDisplay(stream)
    return TerminalDisplay(stream) if stream.isatty() else None
