"""All figures of some searches, in the order of a report; one that cannot be drawn costs nobody the others."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from orchestrator.report import predictions
from orchestrator.report.configuration_points import Point
from orchestrator.report.figures import (
    agreement,
    by_method,
    by_value,
    correlation,
    importance,
    learning,
    measured_privacy,
    parallel,
    plane,
    style,
    traces,
    trade_off,
)
from orchestrator.report.figures.figure import Figure
from orchestrator.report.queries import protocol_label
from orchestrator.report.search_record import Search

Missing = Callable[[str], object]  # takes a line about a figure that could not be drawn
OF_PREDICTIONS = (traces.draw, agreement.draw, plane.draw)
OF_CONFIGURATIONS = (learning.draw, by_value.draw, importance.draw, parallel.draw, correlation.draw)


def draw_each(searches: Sequence[Search], missing: Missing) -> tuple[Figure, ...]:
    """Draw what there is data for; a figure's name begins with its method, a second search's of it with `METHOD-2`."""
    figures: list[Figure] = []
    methods = [search.plan["method"] for search in searches]
    with style.styled():
        for prefix, search in zip(_prefixes(searches), searches, strict=True):
            title = style.plain(search.plan.get("title") or search.plan["method"], 80)
            if methods.count(search.plan["method"]) > 1:
                title += f", {style.plain(protocol_label(search), 80)}"
            figures += (
                replace(figure, name=f"{prefix}-{figure.name}", title=f"{figure.title}: {title}")
                for figure in _of_one(search, prefix, missing)
            )
        figures += _attempt("by-method", partial(by_method.draw, searches), missing)
        figures += _attempt("trade-off", partial(trade_off.draw, searches), missing)
    return tuple(figures)


def draw_points(points: Sequence[Point], price_per_hour: float | None, missing: Missing) -> tuple[Figure, ...]:
    """Draw accuracy against measured privacy and cost, if a configuration has both."""
    with style.styled():
        return tuple(_attempt("measured-privacy", partial(measured_privacy.draw, points, price_per_hour), missing))


def _prefixes(searches: Sequence[Search]) -> list[str]:
    seen: dict[str, int] = {}
    prefixes = []
    for search in searches:
        method = re.sub(r"[^a-z0-9]+", "-", str(search.plan["method"]).lower()).strip("-") or "search"
        seen[method] = seen.get(method, 0) + 1
        prefixes.append(method if seen[method] == 1 else f"{method}-{seen[method]}")
    return prefixes


def _of_one(search: Search, prefix: str, missing: Missing) -> list[Figure]:
    found: list[Figure] = []
    recorded = _read(search, missing)
    for of_traces in OF_PREDICTIONS if recorded else ():
        found += _attempt(f"{prefix}-{_kind(of_traces)}", partial(of_traces, search, recorded), missing)
    for of_search in OF_CONFIGURATIONS:
        found += _attempt(f"{prefix}-{_kind(of_search)}", partial(of_search, search), missing)
    return found


def _read(search: Search, missing: Missing) -> list[predictions.Trace]:
    try:
        return predictions.read(search.predictions) if search.predictions is not None else []
    except Exception as error:
        missing(not_drawn(str(search.predictions), error))
        return []


def _kind(draw: Callable[..., object]) -> str:
    return draw.__module__.rpartition(".")[2]


def _attempt(name: str, draw: Callable[[], Figure | None], missing: Missing) -> list[Figure]:
    """Return the figure if there is one; a fault is a line: a picture is no reason to lose a report."""
    try:
        figure = draw()
    except Exception as error:
        missing(not_drawn(name, error))
        return []
    return [] if figure is None else [figure]


def not_drawn(what: str, error: Exception) -> str:
    """Return the line about a figure that an error costs."""
    line = next(iter(str(error).splitlines()), "")
    return f"figure not drawn: {what}: {type(error).__name__}: {style.plain(line, 200)}"
