"""The figures of a report: one file per kind of picture; matplotlib is imported only when something is drawn."""

import sys
from collections.abc import Callable, Sequence

from orchestrator.report.configuration_points import Point
from orchestrator.report.figures.figure import Figure
from orchestrator.report.search_record import Search

__all__ = ["Figure", "draw_all", "draw_measured"]


def on_stderr(line: str) -> None:
    """Print a line about a figure that is missing."""
    print(line, file=sys.stderr)


def draw_all(searches: Sequence[Search], missing: Callable[[str], object] = on_stderr) -> tuple[Figure, ...]:
    """Return every figure that the searches have data for, in the order of a report; never raises for their data.

    `missing` takes a line for each that could not be drawn.
    """
    from orchestrator.report.figures.drawing import draw_each

    return draw_each(searches, missing)


def draw_measured(points: Sequence[Point], price_per_hour: float | None = None) -> tuple[Figure, ...]:
    """Return the figure of accuracy against measured privacy, none if no configuration has both; never raises."""
    from orchestrator.report.figures.drawing import draw_points

    return draw_points(points, price_per_hour, on_stderr)
