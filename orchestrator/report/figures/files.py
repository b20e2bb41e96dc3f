"""Figures as files: SVG, PDF and PNG of each, in a run's directory, a report's, or beside a table."""

import contextlib
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from orchestrator.files import write_bytes
from orchestrator.process.processors import num_processors
from orchestrator.report.figures import draw_all
from orchestrator.report.figures.apart import asked
from orchestrator.report.figures.figure import Figure
from orchestrator.report.search_record import Search
from orchestrator.run_folder import FIGURES_FOLDER

FORMATS = ("svg", "pdf", "png")


def contents(figure: Figure) -> Mapping[str, bytes]:
    """Return a figure's files by name; only the SVG if the figure has no drawing of matplotlib."""
    found = {f"{figure.name}.svg": figure.svg.encode()}
    if figure.drawing is not None:
        from orchestrator.report.figures import style

        with style.styled():
            found[f"{figure.name}.pdf"] = style.to_pdf(figure.drawing)
            found[f"{figure.name}.png"] = style.to_png(figure.drawing)
    return found


def write_figure(folder: Path, figure: Figure) -> None:
    """Write all files of a figure into a folder; OSError if one cannot be written."""
    _write_files(folder, contents(figure))


def drawn(search: Search) -> Iterator[Mapping[str, bytes]]:
    """Yield the files of each figure of a search, by name."""
    for figure in draw_all([search]):
        yield contents(figure)


def named(error: Exception) -> str:
    """Return an error as a line names it."""
    return f"{type(error).__name__}: {error}"


def write(search: Search, output: Path, *, draw: bool, beside: Callable[[], object] | None = None) -> None:
    """Replace the folder `figures/` of a run's directory by the figures that can be drawn now, or remove it.

    `beside` is called meanwhile: a process of its own draws then, if this machine has a core for it. What it raises is
    raised. A figure raises nothing, so that it cannot fail a search: errors are lines on stderr.
    """
    folder = output / FIGURES_FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    apart = draw and beside is not None and num_processors() > 1
    with asked(search) if apart else contextlib.nullcontext() as process:
        if beside is not None:
            beside()
        answer = process.answer() if process is not None else None
    problem = None
    try:
        if answer is not None:
            print(answer.said, end="", file=sys.stderr)
            problem = answer.problem
        for files in answer.figures if answer is not None else drawn(search) if draw else ():
            _write_files(folder, files)
    except Exception as error:
        problem = named(error)
    if problem is not None:
        print(f"figures not written: {problem}", file=sys.stderr)


def _write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        write_bytes(folder / name, content)
