"""Predictions as a CSV file and as a plot."""

from collections.abc import Sequence
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path

import numpy as np

from orchestrator.csv_text import as_text, protected
from orchestrator.errors import InputError, printable
from orchestrator.evaluation.use_statement import STATEMENT, STATEMENT_KEY
from orchestrator.files import atomic, sha256_of, write_json, write_text
from orchestrator.inference.defaults import NOT_STATED
from orchestrator.inference.predict import Predicted, Trace
from orchestrator.inference.saved_model import SavedModel
from orchestrator.protocols import DIMENSIONS

COLUMNS = ("participant", "session", "time", *DIMENSIONS)
PLOT_SUFFIXES = (".svg", ".pdf", ".png")
DPI, TRUETYPE = 300, 42  # what journals ask of pictures and of fonts in a PDF; matplotlib's own are 100 and Type 3
PLOTTED = 8  # ours: recordings of a plot of nobody in particular; more cannot be read
NAMED = 8  # ours: names in an error
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


def chosen_people(given: str, there: Sequence[str]) -> tuple[str, ...]:
    """Return the participants that --plot-people names: one, or several with commas between, each once.

    `there` are the participants of the input. InputError for a name that none of them has, with the nearest.
    """
    known = sorted(set(there))
    names = [given] if given in known else [name.strip() for name in given.split(",")]
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            others = ", ".join(known[:NAMED]) + (" ..." if len(known) > NAMED else "")
            expected = f"a participant of --input; did you mean {near[0]!r}?" if near else f"of --input: {others}"
            raise InputError.of("--plot-people", found=printable(repr(name)), expected=printable(expected))
    return tuple(dict.fromkeys(names))


def write_plot(path: Path, predicted: Predicted, people: Sequence[str] | None = None) -> None:
    """Draw valence and arousal over time, a recording per row; gaps stay gaps.

    `people` are the participants to draw, with all their recordings and in this order; None: the first recordings.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    shown: Sequence[Trace] = predicted.traces[:PLOTTED]
    if people is not None:
        shown = [trace for name in people for trace in predicted.traces if trace.participant == name]
    if not shown:
        raise InputError.of("--plot", found="no prediction of these participants", expected="recordings to draw")
    figure = Figure(figsize=(8.0, 1.0 + 1.8 * len(shown)), layout="constrained")
    panels = figure.subplots(len(shown), 1, squeeze=False, sharex=True, sharey=True)[:, 0]
    for axes, trace in zip(panels, shown, strict=True):
        for d, dimension in enumerate(DIMENSIONS):
            axes.plot(trace.time, trace.prediction[:, d], COLOURS[d], label=dimension, linewidth=1.0)
        axes.set_ylim(-1.0, 1.0)
        axes.axhline(0.0, color="0.8", linewidth=0.5, zorder=0)
        axes.set_title(_title(trace), fontsize=9, loc="left", parse_math=False)
    panels[-1].set_xlabel("seconds")
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="outside lower center", fontsize=8, ncols=2, frameon=False
    )
    title = "Predicted valence and arousal"
    if len(shown) < len(predicted.traces):
        title += f": {len(shown)} of {len(predicted.traces)} recordings"
    figure.suptitle(title + "\nsynthetic data: says nothing about people" * predicted.synthetic, fontsize=9)
    try:
        with atomic(path) as partial, rc_context({"pdf.fonttype": TRUETYPE}):
            figure.savefig(partial, format=path.suffix.lower().removeprefix("."), dpi=DPI)
    except OSError as error:
        found = f"{path}: {error.strerror or error}"
        raise InputError.of("--plot", found=found, expected="a file that can be written") from error


def _title(trace: Trace) -> str:
    return " ".join(filter(None, (trace.participant, trace.session)))
