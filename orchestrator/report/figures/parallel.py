"""Parallel coordinates of a search: a line per configuration through what was varied and the two CCCs."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.ticker import MaxNLocator

from orchestrator.report.figures import style
from orchestrator.report.figures.configurations import (
    CCC_KEYS,
    TITLES,
    counted,
    finished,
    heading,
    value_of,
    varying,
)
from orchestrator.report.figures.figure import Figure
from orchestrator.report.search_record import Search
from orchestrator.run_records import TrialResult

FEWEST_TRIALS = 2
LEAST_SPAN = 0.1  # of the axes of CCC: smaller differences shall look small
FEW = 50  # lines that can be drawn at their full strength
BEST_COLOUR = "#D55E00"
LABEL_POINTS = 4.0  # between an axis and its values
MOST_TICKS = 8  # of an axis of CCC
AXIS = "axis"  # the name in the drawing of the lines that are axes


def draw(search: Search) -> Figure | None:
    """Draw every finished configuration, the best ones last; None with fewer than two."""
    trials = finished(search)
    keys = varying(trials)
    if len(trials) < FEWEST_TRIALS or not keys:
        return None
    drawing, axes = style.panels(1, 1, height_mm=80, heading=heading(search))
    panel = axes[0, 0]
    low, high = style.limits_around([trial.score(key) for trial in trials for key in CCC_KEYS], span=LEAST_SPAN)
    points = np.array([_line(trial, keys, low, high) for trial in trials])  # trials, axes
    means = np.array([np.mean([trial.score(key) for key in CCC_KEYS]) for trial in trials])
    order = np.argsort(means, kind="stable")
    norm = Normalize(float(means.min()), float(means.max()) + 1e-9)
    segments = [np.column_stack([np.arange(points.shape[1]), points[i]]) for i in order]
    strength = 1.0 if len(trials) <= FEW else 0.5
    panel.add_collection(
        LineCollection(segments, array=means[order], cmap=style.SHADES, norm=norm, linewidths=0.5, alpha=strength)
    )
    panel.plot(points[0], color=BEST_COLOUR, linestyle="--", linewidth=1.6, marker="o")
    _axes(panel, keys, low, high)
    drawing.colorbar(
        ScalarMappable(norm, style.SHADES),
        ax=panel,
        label="mean of both CCC",
        location="bottom",
        shrink=0.6,
        aspect=30,
    )
    return Figure(
        name="parallel",
        title="Parallel coordinates of the search",
        caption=f"{counted(trials, search)}, a line each; dashed with dots: the one with the least validation loss."
        " Values of the grid are steps, not a scale; both CCC axes have the same scale.",
        svg=style.to_svg(drawing),
        drawing=drawing,
    )


def _line(trial: TrialResult, keys: dict[str, list[Any]], low: float, high: float) -> list[float]:
    """Return the heights, 0 to 1, at which a configuration crosses the axes."""
    steps = [values.index(value_of(trial, key)) / (len(values) - 1) for key, values in keys.items()]
    return [*steps, *((trial.score(key) - low) / (high - low) for key in CCC_KEYS)]


def _axes(panel: Any, keys: dict[str, list[Any]], low: float, high: float) -> None:
    names = [*(TITLES[key] for key in keys), "CCC valence", "CCC arousal"]
    for place, values in enumerate(keys.values()):
        panel.axvline(place, color=style.GREY, linewidth=0.6, gid=AXIS)
        for step, value in enumerate(values):
            _label(panel, place, step / (len(values) - 1), style.plain(style.number(value), 9), left=place == 0)
    ticks = _ticks(low, high)
    decimals = max(len(f"{value:g}".partition(".")[2]) for value in ticks)
    for place in range(len(keys), len(names)):
        panel.axvline(place, color=style.GREY, linewidth=0.6, gid=AXIS)
        for value in ticks:
            _label(panel, place, (value - low) / (high - low), f"{value:.{decimals}f}")
    panel.set_xticks(range(len(names)), [name.replace(" ", "\n") for name in names])
    panel.set_yticks([])
    panel.set(xlim=(-0.3, len(names) - 0.3), ylim=(-0.04, 1.04))
    panel.spines[["left", "bottom"]].set_visible(False)


def _ticks(low: float, high: float) -> Sequence[float]:
    found = MaxNLocator(MOST_TICKS, steps=[1, 2, 5, 10]).tick_values(low, high)
    return [round(float(value), 6) for value in found if low <= value <= high]


def _label(panel: Any, x: float, y: float, text: str, *, left: bool = False) -> None:
    """Write a value beside its axis, off the line and its markers; the first axis has no lines on its left."""
    panel.annotate(
        text,
        (x, y),
        xytext=(-LABEL_POINTS if left else LABEL_POINTS, 0),
        textcoords="offset points",
        verticalalignment="center",
        horizontalalignment="right" if left else "left",
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
        zorder=4,
    )
