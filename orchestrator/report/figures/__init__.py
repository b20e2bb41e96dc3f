"""The figures of a report: one file per kind of picture; matplotlib is imported only when something is drawn."""

from collections.abc import Sequence

from orchestrator.report.figures.figure import Figure
from orchestrator.report.search_record import Search

__all__ = ["Figure", "draw_all"]


def draw_all(searches: Sequence[Search]) -> tuple[Figure, ...]:
    """Return every figure that the searches have data for, in the order of a report; never raises for their data."""
    from orchestrator.report.figures.drawing import draw_each

    return draw_each(searches)
