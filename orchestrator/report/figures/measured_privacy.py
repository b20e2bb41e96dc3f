"""Accuracy against measured privacy against cost, a point for each configuration that has both."""

from collections.abc import Sequence
from math import log10
from typing import Any

from matplotlib.lines import Line2D

from orchestrator.audit.verdict import LARGE, SMALL
from orchestrator.protocols import DIMENSIONS
from orchestrator.report.configuration_points import SECONDS_PER_MINUTE, Ends, Point
from orchestrator.report.cost_words import cost_words
from orchestrator.report.figures import style
from orchestrator.report.figures.best_baseline import best_baselines, draw_line
from orchestrator.report.figures.best_baseline import key as baseline_key
from orchestrator.report.figures.best_baseline import words as baseline_words
from orchestrator.report.figures.figure import Figure

ONE_MINUTE, ONE_DAY = 1.0, 1440.0
LEAST_POINTS, MOST_POINTS = 3.5, 10.0  # a marker's width, for those minutes and less or more


def draw(points: Sequence[Point], price_per_hour: float | None = None) -> Figure | None:
    """Draw a panel per dimension, CCC over advantage, both with 95 % intervals; None if no point has both."""
    shown = [one for one in points if not one.absent]
    if not shown:
        return None
    looks = style.looks([one.title for one in points])
    marks = "SYNTHETIC, " if any(one.synthetic for one in shown) else ""
    drawing, axes = style.panels(
        len(DIMENSIONS),
        1,
        height_mm=108 + 6.5 * len(shown),
        heading=f"{marks}accuracy, measured privacy and cost",
        sharex=True,
    )
    best = best_baselines([one.search for one in shown if one.search is not None])
    for panel, dimension in zip(axes[:, 0], DIMENSIONS, strict=True):
        ends = [_point(panel, one, dimension, looks[one.title]) for one in shown]
        draw_line(panel, best, dimension)
        for limit in (SMALL, LARGE):
            panel.axvline(limit, color=style.GREY, linewidth=0.4, zorder=0)
        scores = [end for own in ends for end in own] + ([best[dimension][1]] if dimension in best else [])
        panel.set_ylim(*style.limits_of(scores, least=0.0, most=0.4))
        panel.set_ylabel(f"CCC {dimension}")
    leaks = [end for one in shown if one.leak is not None for end in _reach(one.leak)]
    axes[-1, 0].set_xlim(*style.limits_of(leaks, least=0.0, most=1.0))
    axes[-1, 0].set_xlabel("advantage of the worst attack (0 chance, 1 certainty)")
    handles = [_handle(looks[one.title]) for one in shown]
    labels = [f"{one.title}\n{cost_words(one, price_per_hour)}" for one in shown]
    line, label = baseline_key(best)
    style.legend(drawing, [*handles, *line], [*labels, *label], columns=1)
    return Figure(
        name="measured-privacy",
        title="Accuracy against measured privacy and cost",
        caption=_caption(points, shown, price_per_hour) + baseline_words(best),
        svg=style.to_svg(drawing),
        drawing=drawing,
    )


def width_of(seconds: float | None) -> float:
    """Return a marker's width in points: each factor of ten in training time adds as much."""
    minutes = min(ONE_DAY, max(ONE_MINUTE, (seconds or 0.0) / SECONDS_PER_MINUTE))
    return LEAST_POINTS + (MOST_POINTS - LEAST_POINTS) * log10(minutes / ONE_MINUTE) / log10(ONE_DAY / ONE_MINUTE)


def _reach(ends: Ends) -> list[float]:
    return [ends.value] + [one for one in (ends.lower, ends.upper) if one is not None]


def _bars(ends: Ends) -> Any:
    """Return the lengths of an error bar as matplotlib takes them; None without an interval."""
    if ends.lower is None or ends.upper is None:
        return None
    return [[max(0.0, ends.value - ends.lower)], [max(0.0, ends.upper - ends.value)]]


def _point(panel: Any, one: Point, dimension: str, look: style.Look) -> list[float]:
    """Draw a configuration and return how far it reaches upwards and downwards."""
    score, leak = one.score(dimension), one.leak
    if score is None or leak is None:
        return []
    panel.errorbar(
        leak.value,
        score.value,
        xerr=_bars(leak),
        yerr=_bars(score),
        color=look.colour,
        marker=look.marker,
        markersize=width_of(one.seconds),
        markeredgecolor="white",
        markeredgewidth=0.5,
        elinewidth=0.6,
    )
    return _reach(score)


def _handle(look: style.Look) -> Line2D:
    return Line2D([], [], linestyle="none", marker=look.marker, color=look.colour)


def _caption(points: Sequence[Point], shown: Sequence[Point], price_per_hour: float | None) -> str:
    price = "" if price_per_hour is None else f" Money: training hours at {price_per_hour:g} per hour."
    words = (
        "CCC of frames of each configuration's best search, over the advantage of the attack that decides its word"
        " of privacy; bars are 95 % intervals over people; right is less private. Upright lines: the limits"
        f" {SMALL:g} and {LARGE:g} of the words. Larger points took longer to train (1 minute to 1 day)."
        " Minutes are of the best configuration, all folds; MiB of one model; what is sent is of all rounds."
        f"{price}"
    )
    decisive = [f"{one.title}: {one.level.decisive.name}" for one in shown if one.level.decisive]
    words += f" The attacks: {'; '.join(decisive)}."
    partly = [f"{one.title} ({', '.join(one.level.missing)})" for one in shown if one.level.missing]
    words += f" Measured in part, without: {'; '.join(partly)}." if partly else ""
    bare = [one.title for one in shown if _lacks_interval(one)]
    words += f" Without an interval: {', '.join(bare)}." if bare else ""
    absent = [f"{one.title} ({', '.join(one.absent)})" for one in points if one.absent]
    return words + (f" Not drawn: {'; '.join(absent)}." if absent else "")


def _lacks_interval(one: Point) -> bool:
    ends = [one.leak, *(one.score(dimension) for dimension in DIMENSIONS)]
    return any(own is None or own.lower is None for own in ends)
