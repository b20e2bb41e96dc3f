"""Accuracy against cost and privacy, all methods in one picture (paper, Table III in a drawing)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from orchestrator.evaluation.results import best_of_networks
from orchestrator.json_records import number
from orchestrator.measures import SPREAD
from orchestrator.protocols import DIMENSIONS
from orchestrator.report.figures import labels, style
from orchestrator.report.figures.best_baseline import Best, best_baselines, draw_line
from orchestrator.report.figures.best_baseline import key as baseline_key
from orchestrator.report.figures.best_baseline import words as baseline_words
from orchestrator.report.figures.configurations import finished
from orchestrator.report.figures.figure import Figure
from orchestrator.report.search_record import Search
from orchestrator.run_records import TrialResult

# The two levels of the paper: faces reduced to action units, data that stays with its person.
LEVELS = {
    (True, False): ("no privacy level", "X"),
    (False, False): ("level 1: action units", "s"),
    (True, True): ("level 2: federated", "^"),
    (False, True): ("both levels", "o"),
}
LEAST_POINTS, MOST_POINTS = 4.0, 18.0  # a marker's width
SHOWN_MIB = (0.1, 1.0, 10.0, 50.0)


def draw(searches: Sequence[Search]) -> Figure | None:
    """Draw the best configuration of each network of every search; None if nothing finished."""
    found = [
        (search, trial)
        for search in searches
        for trial in best_of_networks(finished(search)).values()
        if number(trial.training_seconds) is not None and number(trial.model_size_mib) is not None
    ]
    if not found:
        return None
    titles = list(dict.fromkeys(_title(search) for search, _ in found))
    colours = {title: style.COLOURS[i % len(style.COLOURS)] for i, title in enumerate(titles)}
    marks = "SYNTHETIC, " if any(search.synthetic for search, _ in found) else ""
    drawing, axes = style.panels(
        len(DIMENSIONS),
        1,
        height_mm=105 + 4 * len(titles),
        heading=f"{marks}accuracy, cost and privacy",
        sharex=True,
    )
    best = best_baselines([search for search, _ in found])
    for panel, dimension in zip(axes[:, 0], DIMENSIONS, strict=True):
        for search, trial in found:
            _point(panel, search, trial, dimension, colours[_title(search)])
        draw_line(panel, best, dimension)
        scores = [end for _, trial in found for end in _ends(trial, dimension)]
        scores += [best[dimension][1]] if dimension in best else []
        panel.set_ylim(*style.limits_of(scores, least=0.0, most=0.4))
        panel.set_ylabel(f"CCC {dimension}")
        panel.set_xscale("log")
    minutes = [_minutes(trial) for _, trial in found]
    axes[-1, 0].set_xlim(min(minutes) / 2, max(minutes) * 3)
    axes[-1, 0].xaxis.set_major_locator(
        LogLocator(subs=(1.0, 2.0, 5.0) if max(minutes) < 10 * min(minutes) else (1.0,))
    )
    axes[-1, 0].xaxis.set_major_formatter(FuncFormatter(lambda value, _: style.number(value)))
    axes[-1, 0].xaxis.set_minor_formatter(NullFormatter())
    axes[-1, 0].set_xlabel("training time (minutes, all folds)")
    _legend(drawing, axes[0, 0], found, colours, best)
    for panel, dimension in zip(axes[:, 0], DIMENSIONS, strict=True):
        labels.place(panel, [_spot(trial, dimension) for _, trial in found], size=style.FONT_POINTS)
    return Figure(
        name="trade-off",
        title="Accuracy against cost and privacy",
        caption="The best configuration of each network by validation loss, with its standard deviation over the folds;"
        " right and down is dearer and worse. Shape: what the method keeps private by its construction, not a"
        f" measurement. Size: one model's MiB.{baseline_words(best)}",
        svg=style.to_svg(drawing),
        drawing=drawing,
    )


def level_of(search: Search) -> tuple[bool, bool]:
    """Return whether a method learns from faces themselves, and whether data stays with its person."""
    return search.plan.get("images") is not None, search.plan.get("federation") is not None


def _title(search: Search) -> str:
    return style.plain(search.plan.get("title") or search.plan["method"], 48)


def _minutes(trial: TrialResult) -> float:
    return max((trial.training_seconds or 0.0) / 60.0, 1e-3)


def _width(mib: float) -> float:
    """Return a marker's width in points: each factor of ten in size adds as much."""
    low, high = np.log10(SHOWN_MIB[0]), np.log10(SHOWN_MIB[-1])
    share = (np.log10(max(mib, 1e-6)) - low) / (high - low)
    return float(LEAST_POINTS + (MOST_POINTS - LEAST_POINTS) * min(1.0, max(0.0, share)))


def _spread(trial: TrialResult, dimension: str) -> float:
    return float(number(trial.scores.get(f"ccc_{dimension}_{SPREAD}")) or 0.0)


def _ends(trial: TrialResult, dimension: str) -> tuple[float, float]:
    score, spread = trial.score(f"ccc_{dimension}"), _spread(trial, dimension)
    return score - spread, score + spread


def _point(panel: Any, search: Search, trial: TrialResult, dimension: str, colour: str) -> None:
    x, y = _minutes(trial), trial.score(f"ccc_{dimension}")
    panel.errorbar(
        x,
        y,
        yerr=_spread(trial, dimension),
        color=colour,
        marker=LEVELS[level_of(search)][1],
        markersize=_width(trial.model_size_mib or 0.0),
        markeredgecolor="white",
        markeredgewidth=0.5,
        elinewidth=0.6,
    )


def _spot(trial: TrialResult, dimension: str) -> labels.Spot:
    low, high = _ends(trial, dimension)
    return labels.Spot(
        x=_minutes(trial),
        y=trial.score(f"ccc_{dimension}"),
        radius=_width(trial.model_size_mib or 0.0) / 2,
        text=style.plain(trial.network, 12),
        low=low,
        high=high,
    )


def _legend(
    drawing: Drawing,
    panel: Any,
    found: Sequence[tuple[Search, TrialResult]],
    colours: dict[str, str],
    best: Best,
) -> None:
    handles: list[Line2D] = []
    words = []
    for title, colour in colours.items():
        search = next(search for search, _ in found if _title(search) == title)
        level, marker = LEVELS[level_of(search)]
        handles.append(Line2D([], [], linestyle="none", marker=marker, color=colour))
        words.append(f"{title} ({level})")
    line, label = baseline_key(best)
    style.legend(drawing, [*handles, *line], [*words, *label], columns=1)
    sizes = [Line2D([], [], linestyle="none", marker="o", color="#999999", markersize=_width(mib)) for mib in SHOWN_MIB]
    panel.legend(
        sizes,
        [f"{mib:g} MiB" for mib in SHOWN_MIB],
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
        ncols=len(sizes),
        columnspacing=1.0,
    )
