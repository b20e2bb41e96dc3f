"""CCC against each hyper-parameter, network by network (paper, section IV.B: the grid)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from orchestrator.protocols import DIMENSIONS
from orchestrator.report.figures import importance, style
from orchestrator.report.figures.best_baseline import best_baselines, draw_line
from orchestrator.report.figures.best_baseline import key as baseline_key
from orchestrator.report.figures.best_baseline import words as baseline_words
from orchestrator.report.figures.configurations import (
    TITLES,
    counted,
    finished,
    heading,
    networks,
    value_of,
    varying,
)
from orchestrator.report.figures.figure import Figure
from orchestrator.report.search_record import Search
from orchestrator.run_records import TrialResult

MOST_POINTS = 200  # configurations; with more a cloud of points says less than its quartiles
SPREAD = 0.5  # how far the networks stand apart at a value, in steps between values

Spots = Mapping[str, Sequence[tuple[float, list[float]]]]  # by network: places of the x axis, their scores


def draw(search: Search) -> Figure | None:
    """Draw a row a hyper-parameter that the search varied; None if it varied none."""
    trials = finished(search)
    keys = {key: values for key, values in varying(trials).items() if key != "network"}
    if not keys:
        return None
    appearance, best = style.looks(networks(trials)), best_baselines([search])
    drawing, axes = style.panels(
        len(keys), len(DIMENSIONS), height_mm=34 * len(keys) + 16, heading=heading(search), sharey=True
    )
    for row, (key, values) in zip(axes, keys.items(), strict=True):
        for panel, dimension in zip(row, DIMENSIONS, strict=True):
            spots = _spots(trials, key, values, f"ccc_{dimension}")
            _panel(panel, spots, appearance, dots=len(trials) <= MOST_POINTS)
            draw_line(panel, best, dimension)
            style.categories(panel, values)
            panel.set_xlabel(TITLES[key])
            if len(values) > 4:
                panel.tick_params(axis="x", labelrotation=60)
        row[0].set_ylabel("CCC")
    for panel, dimension in zip(axes[0], DIMENSIONS, strict=True):
        panel.set_title(dimension)
    handles = [
        Line2D([], [], color=look.colour, linestyle=look.line, marker=look.marker) for look in appearance.values()
    ]
    line, label = baseline_key(best)
    style.legend(drawing, [*handles, *line], [*map(style.plain, appearance), *label])
    caption = f"{counted(trials, search)}. Marker: median; bar: quartiles"
    caption += "; dots: the configurations." if len(trials) <= MOST_POINTS else "."
    caption += baseline_words(best)
    missing = importance.why_not(trials)
    if missing:
        caption += f" The importance of the hyper-parameters is not drawn: {missing}."
    return Figure(
        name="hyper-parameters",
        title="CCC against each hyper-parameter",
        caption=caption,
        svg=style.to_svg(drawing),
        drawing=drawing,
    )


def _panel(panel: Axes, spots: Spots, appearance: Mapping[str, style.Look], *, dots: bool) -> None:
    """Draw for each network what its configurations scored at each place of the x axis."""
    for network, look in appearance.items():
        places = np.array([place for place, _ in spots[network]])
        low, median, high = np.array([np.quantile(scores, (0.25, 0.5, 0.75)) for _, scores in spots[network]]).T
        if dots:
            all_places = np.repeat(places, [len(scores) for _, scores in spots[network]])
            all_scores = [score for _, scores in spots[network] for score in scores]
            panel.plot(all_places, all_scores, ".", color=look.colour, alpha=0.4, markersize=2)
        panel.errorbar(
            places,
            median,
            yerr=(median - low, high - median),
            color=look.colour,
            linestyle=look.line,
            marker=look.marker,
            linewidth=0.8,
        )


def _spots(trials: Sequence[TrialResult], key: str, values: Sequence[Any], score: str) -> Spots:
    """Return by network the places that have configurations, each with their scores; networks stand side by side."""
    names = networks(trials)
    offsets = np.linspace(-SPREAD / 2, SPREAD / 2, len(names)) if len(names) > 1 else [0.0]
    scores: dict[tuple[str, Any], list[float]] = {}
    for trial in trials:
        scores.setdefault((trial.network, value_of(trial, key)), []).append(trial.score(score))
    return {
        name: [
            (place + float(offset), scores[name, value])
            for place, value in enumerate(values)
            if (name, value) in scores
        ]
        for name, offset in zip(names, offsets, strict=True)
    }
