"""CCC of every method side by side: 95 % interval, a dot per person, the best baseline and the raters' ceiling."""

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.lines import Line2D

from orchestrator.json_records import number
from orchestrator.measures import HIGH, LOW
from orchestrator.protocols import DIMENSIONS
from orchestrator.report.figures import style
from orchestrator.report.figures.best_baseline import best_baselines
from orchestrator.report.figures.figure import Figure
from orchestrator.report.predictions import own_ccc, read, recorded_ccc
from orchestrator.report.queries import method_name, protocol_label
from orchestrator.report.search_record import Search

ROW_MM, LINE_MM = 9.0, 3.0  # a row whose name has one line; each further line
LONGEST_LINE, MOST_LINES = 60, 4  # of a name, which says all in which a search differs from others
DOTS_UP, NAME_UP = -0.22, 0.2  # where a row has its people and its name, from its marks, in rows of one line
JITTER = (0.0, 0.06, -0.06)  # the same; neighbours in CCC do not hide each other
PERSON, BASELINE, CEILING = "a person", "best baseline", "raters' ceiling"


def draw(searches: Sequence[Search]) -> Figure | None:
    """Draw a row per search in a panel per dimension; None if no search has a score."""
    shown = [one for one in searches if any(_score(one, dimension) is not None for dimension in DIMENSIONS)]
    if not shown:
        return None
    marks = "SYNTHETIC, " if any(one.synthetic for one in shown) else ""
    names = [_name(one) for one in shown]
    pitch = ROW_MM + LINE_MM * max(name.count("\n") for name in names)
    unit = ROW_MM / pitch
    drawing, axes = style.panels(
        len(DIMENSIONS),
        1,
        height_mm=22 + len(DIMENSIONS) * (8 + pitch * len(shown)),
        heading=f"{marks}CCC by method",
        sharex=True,
    )
    people = [_people(one) for one in shown]
    kinds: set[str] = set()
    values: list[float] = []
    for panel, dimension in zip(axes[:, 0], DIMENSIONS, strict=True):
        for row, (search, own) in enumerate(zip(shown, people, strict=True)):
            ends, found = _row(panel, (row, unit), search, dimension, list(own.get(dimension, {}).values()))
            values += ends
            kinds |= found
        panel.set(ylim=(len(shown) - 1 + unit / 2, unit / 2 - 1), yticks=[], ylabel=dimension)
        panel.axvline(0.0, color=style.GREY, linewidth=0.5, linestyle=":", zorder=0)
        panel.spines["left"].set_visible(False)
    axes[-1, 0].set_xlim(*style.limits_of(values, least=0.0, most=0.6))
    axes[-1, 0].set_xlabel("CCC of frames")
    for panel in axes[:, 0]:
        for row, name in enumerate(names):
            panel.annotate(
                name,
                (0.0, row - NAME_UP * unit),
                xycoords=("axes fraction", "data"),
                va="bottom",
                annotation_clip=False,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
            )
    handles = {"CCC, 95 % interval": _handle("D", style.COLOURS[0], line="-")} | _handles(kinds)
    style.legend(drawing, [*handles.values()], [*handles], columns=2)
    return Figure(
        name="by-method",
        title="CCC by method",
        caption=_caption(kinds),
        svg=style.to_svg(drawing),
        drawing=drawing,
    )


def _name(search: Search) -> str:
    name = style.plain(f"{method_name(search.plan['method'])}, {protocol_label(search)}", LONGEST_LINE * MOST_LINES)
    lines = textwrap.wrap(name, LONGEST_LINE, max_lines=MOST_LINES, placeholder=" \N{HORIZONTAL ELLIPSIS}")
    return "\n".join(lines)


def _score(search: Search, dimension: str, end: str = "") -> float | None:
    key = f"ccc_{dimension}_{end}" if end else f"ccc_{dimension}"
    return None if search.summary is None else number(search.summary.scores.get(key))


def _people(search: Search) -> Any:
    """Return the people's own CCC by dimension: as recorded, else of the predictions; nothing without either."""
    recorded = recorded_ccc(search)
    if recorded is not None or search.predictions is None:
        return recorded or {}
    try:
        return own_ccc(read(search.predictions))
    except Exception:  # another figure says that the file is broken
        return {}


def _row(
    panel: Any, place: tuple[int, float], search: Search, dimension: str, people: Sequence[float]
) -> tuple[list[float], set[str]]:
    """Draw a search; return how far it reaches and which kinds of mark it has.

    `place`: its row, and how much of a row one of a single line takes.
    """
    row, unit = place
    score = _score(search, dimension)
    kinds: set[str] = set()
    if score is None:
        return [], kinds
    reach = [score, *people]
    if people:
        kinds.add(PERSON)
        ups = [row - unit * (DOTS_UP - JITTER[i % len(JITTER)]) for i in range(len(people))]
        panel.plot(sorted(people), ups, ".", color=style.GREY, markersize=3, alpha=0.6, markeredgewidth=0)
    low, high = _score(search, dimension, LOW), _score(search, dimension, HIGH)
    if low is not None and high is not None:
        panel.plot([low, high], [row, row], color=style.COLOURS[0], linewidth=1.4)
        reach += [low, high]
    panel.plot([score], [row], "D", color=style.COLOURS[0], markersize=4, linestyle="none")
    best = best_baselines([search]).get(dimension)
    if best is not None:
        kinds.add(BASELINE)
        panel.plot([best[1]], [row], "x", color=style.COLOURS[1], markersize=5, markeredgewidth=1.2, linestyle="none")
        reach.append(best[1])
    ceiling = ceiling_of(search, dimension)
    if ceiling is not None:
        kinds.add(CEILING)
        panel.plot([ceiling], [row], "|", color="#000000", markersize=9, markeredgewidth=1.2, linestyle="none")
        reach.append(ceiling)
    return [float(one) for one in reach if np.isfinite(one)], kinds


def ceiling_of(search: Search, dimension: str) -> float | None:
    """Return the CCC that the raters' agreement allows at most; None if it is not recorded."""
    facts = None if search.summary is None else (search.summary.raters or {}).get(dimension)
    return None if facts is None or facts.ceiling is None else number(facts.ceiling.value)


def _handle(marker: str, colour: str, *, line: Any = "none", size: float = 4.0) -> Line2D:
    return Line2D([], [], marker=marker, color=colour, linestyle=line, markersize=size)


def _handles(kinds: set[str]) -> dict[str, Line2D]:
    known = {
        PERSON: _handle(".", style.GREY),
        BASELINE: _handle("x", style.COLOURS[1], size=5.0),
        CEILING: _handle("|", "#000000", size=8.0),
    }
    return {kind: handle for kind, handle in known.items() if kind in kinds}


def _caption(kinds: set[str]) -> str:
    words = "The best search of each method and protocol; mean over the folds with its 95 % interval over people."
    words += " Dots: the people's own CCC." if PERSON in kinds else ""
    words += " Cross: the best baseline on the same folds." if BASELINE in kinds else ""
    words += " Upright line: what the raters' agreement allows at most." if CEILING in kinds else ""
    return words
