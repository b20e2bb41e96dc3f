"""The best baseline as a line in figures that compare configurations."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from orchestrator.evaluation.baselines import BASELINES
from orchestrator.json_records import number
from orchestrator.protocols import DIMENSIONS
from orchestrator.report.figures import labels, style
from orchestrator.report.search_record import Search

LABEL = "best baseline"
STYLE: Mapping[str, Any] = {"color": style.GREY, "linestyle": ":", "linewidth": 0.9}

Best = Mapping[str, tuple[str, float]]  # dimension -> name and CCC


def best_baselines(searches: Sequence[Search]) -> Best:
    """Return the baseline of the largest CCC in each dimension; none where no search has any but a constant."""
    found: dict[str, tuple[str, float]] = {}
    for search in searches:
        for name, scores in (search.summary.baseline if search.summary is not None else {}).items():
            known = BASELINES.get(name)
            for dimension in DIMENSIONS if known is None or known.features != "none" else ():
                value = number(scores.get(f"ccc_{dimension}"))
                if value is not None and value > found.get(dimension, ("", -2.0))[1]:
                    found[dimension] = name, float(value)
    return found


def draw_line(panel: Axes, best: Best, dimension: str) -> None:
    """Draw the line of a dimension, if there is one."""
    if dimension in best:
        panel.axhline(best[dimension][1], zorder=0, gid=labels.LEVEL, **STYLE)


def key(best: Best) -> tuple[list[Line2D], list[str]]:
    """Return the legend's handle and label of the lines; nothing where there is none."""
    return ([Line2D([], [], **STYLE)], [LABEL]) if best else ([], [])


def words(best: Best) -> str:
    """Return a sentence for the caption; nothing where there is none."""
    named = ", ".join(f"{name} for {dimension}" for dimension, (name, _) in best.items())
    return f" Dotted: the best baseline on the same folds ({named})." if best else ""
