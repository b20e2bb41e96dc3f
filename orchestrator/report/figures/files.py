"""The figures of one search as files in its directory, from where tracking takes them to MLflow."""

import shutil
import sys
from pathlib import Path

from orchestrator.files import write_text
from orchestrator.report.figures import draw_all
from orchestrator.report.search_record import Search
from orchestrator.run_folder import FIGURES_FOLDER


def write(search: Search, output: Path, *, draw: bool) -> None:
    """Replace the folder `figures/` of a run's directory by the figures that can be drawn now, or remove it.

    Never raises, so that a figure cannot fail a search. Errors are lines on stderr.
    """
    folder = output / FIGURES_FOLDER
    try:
        shutil.rmtree(folder, ignore_errors=True)
        for figure in draw_all([search]) if draw else ():
            write_text(folder / f"{figure.name}.svg", figure.svg)
    except Exception as error:
        print(f"figures not written: {type(error).__name__}: {error}", file=sys.stderr)
