"""Figures as files: SVG, PDF and PNG of each, in a run's directory, a report's, or beside a table."""

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from orchestrator.files import write_bytes
from orchestrator.report.figures import draw_all
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
    for name, content in contents(figure).items():
        write_bytes(folder / name, content)


def write(search: Search, output: Path, *, draw: bool) -> None:
    """Replace the folder `figures/` of a run's directory by the figures that can be drawn now, or remove it.

    Never raises, so that a figure cannot fail a search. Errors are lines on stderr.
    """
    folder = output / FIGURES_FOLDER
    try:
        shutil.rmtree(folder, ignore_errors=True)
        for figure in draw_all([search]) if draw else ():
            write_figure(folder, figure)
    except Exception as error:
        print(f"figures not written: {type(error).__name__}: {error}", file=sys.stderr)
