"""Small corpora of one's own with any clock, and the commands that read them, for the tests of what is refused."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from click.testing import CliRunner, Result

from orchestrator.cli import cli

DIMENSIONS = ("valence", "arousal")
HEADER = "participant,time,AU01,AU12,valence,arousal"
NUM_ROWS = 60
Clock = Callable[[int], object]


def at(hz: float, factor: float = 1.0, digits: int = 6) -> Clock:
    """A clock that counts in units of which a second has `factor`."""
    return lambda row: f"{row / hz * factor:.{digits}f}".rstrip("0").rstrip(".") or "0"


FRAME_CLOCK, LABEL_CLOCK = at(25.0), at(5.0)


def command(*words: object) -> Result:
    """Run a command that needs no Ray, in this process."""
    return CliRunner().invoke(cli, [str(word) for word in words])


def refused(*words: object) -> str:
    """Run a command that must be refused, and give its lines."""
    done = command(*words)
    assert done.exit_code == 2, done.output + repr(done.exception)
    return done.stderr


def write_own(
    root: Path,
    frames: Clock = FRAME_CLOCK,
    labels: Clock = LABEL_CLOCK,
    *,
    num_frames: int = NUM_ROWS * 5,
    num_labels: int = NUM_ROWS,
    names: tuple[str, str] = ("timestamp", "time"),
    people: Sequence[str] = ("P1", "P2"),
) -> Path:
    """A folder as of OpenFace beside annotations; `names` are those of the two time columns."""
    for seed, person in enumerate(people):
        values = np.random.default_rng(seed).random((num_frames, 2)).round(4)
        rows = [f"{frames(row)};{one:g};{two:g}" for row, (one, two) in enumerate(values)]
        write_lines(root / "features" / f"{person}.csv", [f"{names[0]};AU01_r;AU12_r", *rows])
        for dimension in DIMENSIONS:
            rows = [f"{labels(row)};{np.sin(row / 9):.3f};{np.cos(row / 9):.3f}" for row in range(num_labels)]
            write_lines(root / "annotations" / dimension / f"{person}.csv", [f"{names[1]};r1;r2", *rows])
    return root


def table_lines(
    clock: Clock = FRAME_CLOCK, *, num_rows: int = NUM_ROWS, people: Sequence[str] = ("P1", "P2"), separator: str = ","
) -> list[str]:
    """The lines of one long table."""
    lines = [HEADER.replace(",", separator)]
    for seed, person in enumerate(people):
        values = np.random.default_rng(seed).random((num_rows, 2)).round(4)
        for row, (one, two) in enumerate(values):
            cells = (person, clock(row), f"{one:g}", f"{two:g}", f"{np.sin(row / 9):.3f}", f"{np.cos(row / 9):.3f}")
            lines.append(separator.join(map(str, cells)))
    return lines


def write_lines(path: Path, lines: Sequence[str], *, end: str = "\n", encoding: str = "utf-8") -> Path:
    """Write lines with any line end, in any encoding."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((end.join(lines) + end).encode(encoding))
    return path
