"""Figures as files: SVG, PDF and PNG of each, in a run's directory, a report's, or beside a table."""

import contextlib
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from orchestrator.files import write_bytes
from orchestrator.process.processors import num_processors
from orchestrator.report.figures.apart import asked, drawn
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


def write(search: Search, output: Path, *, draw: bool, beside: Callable[[], object] | None = None) -> list[str]:
    """Replace the folder `figures/` of a run's directory by the figures that can be drawn now, or remove it.

    `beside` is called meanwhile: a process of its own draws then, if this machine has a core for it. What it raises is
    raised. A figure raises nothing, so that it cannot fail a search: returns a line for each that is missing, or that
    the files could not be written; then there is no folder.
    """
    folder = output / FIGURES_FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    apart = draw and beside is not None and num_processors() > 1
    with asked(search) if apart else contextlib.nullcontext() as process:
        if beside is not None:
            beside()
        answer = process.answer() if process is not None else None
    if not draw:
        return []
    answer = answer or drawn(search)
    lines = list(answer.lines)
    try:
        for files in answer.figures:
            _write_files(folder, files)
    except Exception as error:
        shutil.rmtree(folder, ignore_errors=True)
        lines.append(f"figures not written: {type(error).__name__}: {error}")
    return lines


def _write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        write_bytes(folder / name, content)
