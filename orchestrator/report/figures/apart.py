"""Figures drawn by a process of its own while the one that asked for them does something else.

It is given a search by its standard input and answers with bytes: files are written by whoever asked. It ends at once
when its standard input closes, so it outlives nobody, however that one ended.
"""

import contextlib
import gc
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.report.search_record import Search

# Modules are found where the parent finds them, and nothing of the current folder or of a user's script is imported.
PROGRAM = (
    "import pickle, sys; sys.path[:], given = pickle.load(sys.stdin.buffer); "
    "from orchestrator.report.figures.apart import answer; answer(given)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of drawing: the files of each figure by name, and a line for each that is missing."""

    figures: Sequence[Mapping[str, bytes]]
    lines: Sequence[str]


@contextlib.contextmanager
def asked(search: Search) -> Iterator["Asked"]:
    """Start a process that draws the search's figures; it is ended with the context, whatever ends that."""
    process: subprocess.Popen[bytes] | None = None
    try:
        with contextlib.suppress(Exception):  # no memory, no interpreter of its own: who asks draws here
            given = pickle.dumps((sys.path, pickle.dumps(search)))
            process = subprocess.Popen(
                (sys.executable, "-P", "-c", PROGRAM),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,  # a terminal's Ctrl-C is for the parent
            )
            assert process.stdin is not None
            process.stdin.write(given)
            process.stdin.flush()
        yield Asked(process)
    finally:
        if process is not None:
            _end(process)


class Asked:
    """The figures that were asked for."""

    def __init__(self, process: "subprocess.Popen[bytes] | None") -> None:
        """None: no process could be started."""
        self._process = process

    def answer(self) -> Answer | None:
        """Wait for the process and return what it drew; None if it could not be started or did not answer."""
        if self._process is None or self._process.stdout is None:
            return None
        content = self._process.stdout.read()
        try:
            found = pickle.loads(content)
        except Exception:  # it died, or a library wrote between
            return None
        return found if isinstance(found, Answer) else None


def answer(given: bytes) -> None:
    """Draw the pickled search and write the pickled Answer to standard output: what the process does."""
    threading.Thread(target=_end_when_alone, daemon=True).start()
    gc.disable()  # it lives for seconds; collecting was a tenth of its time
    content = pickle.dumps(drawn(pickle.loads(given)))
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    os._exit(0)  # what a library registered for the end of a process is of no use here


def drawn(search: Search) -> Answer:
    """Draw a search's figures; no error is raised."""
    from orchestrator.report.figures import draw_all, files
    from orchestrator.report.figures.drawing import not_drawn

    figures, lines = list[Mapping[str, bytes]](), list[str]()
    for figure in draw_all([search], lines.append):
        try:
            figures.append(files.contents(figure))
        except Exception as error:
            lines.append(not_drawn(figure.name, error))
    return Answer(figures=figures, lines=lines)


def _end_when_alone() -> None:
    while os.read(0, 1024):
        pass
    os._exit(1)


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    for pipe in (process.stdin, process.stdout):
        with contextlib.suppress(OSError):  # what was not taken before it ended
            assert pipe is not None
            pipe.close()
    process.wait()
