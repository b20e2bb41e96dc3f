"""The live line of a search, in a terminal and in a notebook."""

import io
import re
import sys

import pytest

from orchestrator.search.display import NotebookDisplay, Phases, TerminalDisplay, display_of


class Kernel(io.StringIO):
    """A stream as a Jupyter kernel's, by its module."""


Kernel.__module__ = "ipykernel.iostream"


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def shown(text: str) -> list[str]:
    """The lines that a cell shows of a text: after a carriage return a line is written over from its beginning."""
    lines = []
    for line in text.split("\n"):
        seen = ""
        for part in line.split("\r"):
            seen = part + seen[len(part) :]
        lines.append(seen.rstrip())
    return lines


def test_which_streams_have_a_live_line() -> None:
    assert isinstance(display_of(Kernel()), NotebookDisplay)
    assert isinstance(display_of(Terminal()), TerminalDisplay)
    assert display_of(io.StringIO()) is None


def test_a_cell_shows_the_last_state_in_one_line_below_what_stays() -> None:
    stream = Kernel()
    display = NotebookDisplay(stream)
    display.start()
    display.update("trials 0 done, 12 running")
    display.update("trials 1 done")
    assert shown(stream.getvalue()) == ["trials 1 done"]
    display.print("[1/12] rnn finished")
    display.update("trials 2 done")
    assert shown(stream.getvalue()) == ["[1/12] rnn finished", "trials 2 done"]
    display.stop()
    assert shown(stream.getvalue()) == ["[1/12] rnn finished", "trials 2 done", ""]
    assert not re.search("\x1b", stream.getvalue()), "a cell does not obey a terminal's sequences"


@pytest.mark.parametrize("stream", [Kernel(), Terminal()], ids=["notebook", "terminal"])
def test_nothing_shown_is_nothing_left(stream: io.StringIO) -> None:
    display = display_of(stream)
    assert display is not None
    display.start()
    display.stop()
    assert "\n\n" not in stream.getvalue()


def test_phases_are_lines_of_a_command_and_nothing_in_python(monkeypatch: pytest.MonkeyPatch) -> None:
    for lines, expected in ((True, "reading ...\ntraining ...\n"), (False, "")):
        stream = io.StringIO()
        monkeypatch.setattr(sys, "stderr", stream)
        phases = Phases(lines=lines)
        phases("reading ...")
        phases("training ...")
        phases.close()
        assert stream.getvalue() == expected


@pytest.mark.parametrize("lines", [True, False])
def test_in_a_notebook_phases_are_the_one_line_that_changes(lines: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Kernel()
    monkeypatch.setattr(sys, "stderr", stream)
    phases = Phases(lines=lines)
    phases("preparing the recordings ...")
    phases("starting Ray ...")
    assert shown(stream.getvalue()) == ["starting Ray ..."]
    phases.close()
    phases.close()
    assert shown(stream.getvalue()) == ["starting Ray ...", ""]
