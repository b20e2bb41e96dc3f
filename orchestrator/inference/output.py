"""Predictions as a CSV file and as a plot."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from orchestrator.csv_text import as_text, protected
from orchestrator.errors import InputError
from orchestrator.evaluation.use_statement import STATEMENT, STATEMENT_KEY
from orchestrator.files import atomic, sha256_of, write_json, write_text
from orchestrator.inference.defaults import NOT_STATED
from orchestrator.inference.predict import Predicted, Trace
from orchestrator.inference.saved_model import SavedModel
from orchestrator.protocols import DIMENSIONS

COLUMNS = ("participant", "session", "time", *DIMENSIONS)
PLOT_SUFFIXES = (".svg", ".pdf", ".png")
PLOTTED = 8  # ours: recordings of one plot; more cannot be read
COLOURS = ("#0072b2", "#d55e00")  # Okabe and Ito's blue and vermilion, told apart by the colour-blind


def check_names(path: Path, plot: Path | None) -> None:
    """Refuse names that cannot be written as what they say, before anything is predicted (InputError)."""
    if path.suffix.lower() != ".csv":
        raise InputError.of("--output", found=str(path), expected="a file name that ends in .csv")
    if plot is not None and plot.suffix.lower() not in PLOT_SUFFIXES:
        raise InputError.of("--plot", found=str(plot), expected=f"a file name that ends in {', '.join(PLOT_SUFFIXES)}")


def write_csv(path: Path, predicted: Predicted) -> None:
    """Write a row per time step; valence and arousal are empty if there is no valid frame.

    Names that a spreadsheet would take for formulas are protected; the table reader undoes it.
    """
    rows: list[Sequence[str]] = [COLUMNS]
    for trace in predicted.traces:
        who = (protected(trace.participant), protected(trace.session))
        for time, values in zip(trace.time, trace.prediction, strict=True):
            rows.append([*who, seconds(time), *map(number, values)])
    try:
        write_text(path, as_text(rows))
    except OSError as error:
        found = f"{path}: {error.strerror or error}"
        raise InputError.of("--output", found=found, expected="a file that can be written") from error


def seconds(time: float) -> str:
    """Write a time as short as it can be."""
    return f"{float(time):.6f}".rstrip("0").rstrip(".")


def provenance_path(path: Path) -> Path:
    """Return the file beside a table of predictions that says what they are and what for."""
    return path.with_suffix(".provenance.json")


def write_provenance(path: Path, model: SavedModel, source: Path, purpose: str | None) -> Path:
    """Write beside a table of predictions which model made them, of what, when, and for what; return the file.

    InputError if it cannot be written.
    """
    file = provenance_path(path)
    content = {
        "purpose": purpose or NOT_STATED,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "model": {"folder": str(model.folder.absolute()), "uid": model.card["uid"], "run_id": model.run_id},
        "input": str(source.absolute()),
        "predictions_sha256": sha256_of(path),
        STATEMENT_KEY: STATEMENT,
    }
    try:
        write_json(file, content)
    except OSError as error:
        found = f"{file}: {error.strerror or error}"
        raise InputError.of("--output", found=found, expected="a file that can be written") from error
    return file


def number(value: np.float32) -> str:
    """Write a prediction with all its digits, NaN as nothing."""
    return "" if np.isnan(value) else str(value)


def write_plot(path: Path, predicted: Predicted) -> None:
    """Draw valence and arousal over time, a recording per row; gaps stay gaps."""
    from matplotlib.figure import Figure

    shown = predicted.traces[:PLOTTED]
    figure = Figure(figsize=(8.0, 1.0 + 1.8 * len(shown)), layout="constrained")
    for row, trace in enumerate(shown):
        axes = figure.add_subplot(len(shown), 1, row + 1)
        for d, dimension in enumerate(DIMENSIONS):
            axes.plot(trace.time, trace.prediction[:, d], COLOURS[d], label=dimension, linewidth=1.0)
        axes.set_ylim(-1.0, 1.0)
        axes.axhline(0.0, color="0.8", linewidth=0.5, zorder=0)
        axes.set_title(_title(trace), fontsize=9, loc="left", parse_math=False)
        if row == 0:
            axes.legend(loc="upper right", fontsize=8, ncols=2, frameon=False)
    axes.set_xlabel("seconds")
    more = len(predicted.traces) - len(shown)
    notes = ["synthetic data: says nothing about people"] * predicted.synthetic + [f"{more} more recordings"] * (
        more > 0
    )
    if notes:
        figure.suptitle("; ".join(notes), fontsize=9)
    try:
        with atomic(path) as partial:
            figure.savefig(partial, format=path.suffix.lower().removeprefix("."))
    except OSError as error:
        found = f"{path}: {error.strerror or error}"
        raise InputError.of("--plot", found=found, expected="a file that can be written") from error


def _title(trace: Trace) -> str:
    return " ".join(filter(None, (trace.participant, trace.session)))
