"""What a tool is to whoever extracts with it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from orchestrator.corpora.extraction.programs import last_lines, run
from orchestrator.corpora.extraction.whole_table import NotWholeError, TableForm
from orchestrator.errors import InputError

PROGRAM_TABLE = "table.csv"  # that a program writes into the folder which it is given
_SAID = "said.txt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One video to extract from."""

    video: Path
    table: Path  # where the table is to lie in the end; nothing is there yet
    folder: Path  # an empty one on the same disk, removed afterwards
    timeout_seconds: float
    advanced: Callable[[int, bool], None]  # told of frames that are done, and whether they were done now


class AbsentError(InputError):
    """A tool that is not installed."""


class Write(Protocol):
    """Writes the table of a job somewhere and returns its path; NotWholeError, or InputError for the video."""

    def __call__(self, job: Job) -> Path:
        """Return where the table lies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A program that makes a table of features out of a video."""

    name: str  # as `--tool` has it
    form: TableForm
    write: Write
    about: str  # what was found, for people
    identity: str  # of what was found: another one may write other numbers


def by_program(command: Callable[[Path, Path], Sequence[str]]) -> Write:
    """Return how a program writes a whole video's table: `command` of the video and a folder for `table.csv`."""

    def write(job: Job) -> Path:
        said, table = job.folder / _SAID, job.folder / PROGRAM_TABLE
        run(command(job.video, job.folder), job.timeout_seconds, said)
        if not table.exists():
            raise NotWholeError(f"no table, though the tool ended without an error: {last_lines(said)}")
        return table

    return write
