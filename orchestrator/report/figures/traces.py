"""Prediction and gold standard over time, with the raters' band, for the best, the median and the worst participant."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from orchestrator.protocols import DIMENSIONS
from orchestrator.report import predictions
from orchestrator.report.figures import style
from orchestrator.report.figures.configurations import heading
from orchestrator.report.figures.figure import Figure
from orchestrator.report.predictions import GOLD, PREDICTION, RATERS_HIGH, RATERS_LOW, Trace
from orchestrator.report.search_record import Search

POINTS = 500  # a trace; a column has about 600 distinguishable places in print
PANEL_MM = 24.0
GOLD_LOOK = style.Look(colour="#000000", line="-", marker="")
PREDICTION_LOOK = style.Look(colour="#D55E00", line=(0, (4, 1)), marker="")
BAND_COLOUR = "#B8D8EC"


def draw(search: Search, traces: Sequence[Trace]) -> Figure | None:
    """Draw the chosen participants' first sessions; None if nobody has a prediction."""
    known = people_ccc(search, traces)
    chosen, how = choose(traces, predictions.mean_of_dimensions(known))
    if not chosen:
        return None
    rows = len(chosen) * len(DIMENSIONS)
    drawing, axes = style.panels(
        rows, 1, height_mm=PANEL_MM * rows + 16, heading=heading(search), sharex=True, sharey=True
    )
    shown: set[str] = set()
    width = max(math.ceil(len(trace.times) / POINTS) for _, trace in chosen)
    for i, (role, trace) in enumerate(chosen):
        for d, dimension in enumerate(DIMENSIONS):
            panel = axes[i * len(DIMENSIONS) + d, 0]
            shown |= _panel(panel, trace, dimension, width)
            own = known[dimension].get(trace.participant)
            panel.set_title("" if own is None else f"CCC {own:.3f}", loc="right")
            panel.tick_params(labelbottom=d > 0)
            if d == 0:
                panel.set_title(f"{role}{style.plain(trace.participant)}", loc="left")
        panel.set_xlabel("time (s)")
    axes[0, 0].set_ylim(*_limits(chosen, width))
    _legend(drawing, shown)
    return Figure(
        name="traces",
        title="Predictions over time",
        caption=_caption(how, shown, width, any(trace.session for _, trace in chosen), scored=any(known.values())),
        svg=style.to_svg(drawing),
        drawing=drawing,
    )


def people_ccc(search: Search, traces: Sequence[Trace]) -> predictions.Scores:
    """Return each participant's own CCC by dimension: as recorded, else of the predictions."""
    return predictions.recorded_ccc(search) or predictions.own_ccc(traces)


def choose(traces: Sequence[Trace], own_ccc: Mapping[str, float]) -> tuple[list[tuple[str, Trace]], str]:
    """Return the participants to show, each with a word and a first session, and how they were chosen.

    Best, median and worst by their own CCC; where none is known, the first, the middle and the last.
    """
    first: dict[str, Trace] = {}
    for trace in traces:
        if any(np.isfinite(trace.values[dimension, PREDICTION]).any() for dimension in DIMENSIONS):
            first.setdefault(trace.participant, trace)
    scores = {person: score for person, score in own_ccc.items() if person in first}
    if scores:
        ranked = sorted(scores, key=lambda person: (-scores[person], person))
        roles = {ranked[0]: "best: ", ranked[-1]: "worst: ", ranked[(len(ranked) - 1) // 2]: "median: "}
        if len(ranked) < 3:
            roles = dict(zip(ranked, ("best: ", "worst: "), strict=False))
        chosen = [(roles[person], first[person]) for person in ranked if person in roles]
        return chosen, "Held-out participants with the best, the median and the worst CCC of their own"
    people = list(first)
    picked = dict.fromkeys(people[index] for index in (0, len(people) // 2, -1)) if people else {}
    return [("", first[person]) for person in picked], "The first, the middle and the last held-out participant"


def _panel(panel: Axes, trace: Trace, dimension: str, width: int) -> set[str]:
    """Draw one trace; returns which kinds of line it has."""
    kinds = {kind: style.means_of(trace.values[dimension, kind], width) for kind in predictions.KINDS}
    known = {kind for kind, values in kinds.items() if np.isfinite(values).any()}
    times = style.means_of(trace.times, width)
    if {RATERS_LOW, RATERS_HIGH} <= known:
        panel.fill_between(
            times, kinds[RATERS_LOW], kinds[RATERS_HIGH], color=BAND_COLOUR, linewidth=0, where=_both(kinds)
        )
    for kind, look in ((GOLD, GOLD_LOOK), (PREDICTION, PREDICTION_LOOK)):
        if kind in known:
            panel.plot(times, kinds[kind], color=look.colour, linestyle=look.line)
    panel.set_ylabel(dimension)
    panel.margins(x=0)
    return known


def _limits(chosen: Sequence[tuple[str, Trace]], width: int) -> tuple[float, float]:
    """Return the limits of all panels: people and dimensions are compared by eye."""
    means = [style.means_of(values, width) for _, trace in chosen for values in trace.values.values()]
    found = [float(value) for values in means for value in values if np.isfinite(value)]
    return style.limits_of(found, least=-0.5, most=0.5)


def _both(kinds: dict[str, np.ndarray]) -> np.ndarray:
    both: np.ndarray = np.isfinite(kinds[RATERS_LOW]) & np.isfinite(kinds[RATERS_HIGH])
    return both


def _legend(drawing: Drawing, shown: set[str]) -> None:
    handles: list[Line2D | Patch] = []
    labels = []
    for kind, look, label in ((GOLD, GOLD_LOOK, "gold standard"), (PREDICTION, PREDICTION_LOOK, "prediction")):
        if kind in shown:
            handles.append(Line2D([], [], color=look.colour, linestyle=look.line))
            labels.append(label)
    if RATERS_LOW in shown:
        handles.append(Patch(color=BAND_COLOUR))
        labels.append("raters")
    style.legend(drawing, handles, labels)


def _caption(how: str, shown: set[str], width: int, sessions: bool, *, scored: bool) -> str:
    parts = [how + (", the first session of each." if sessions else "."), "All panels have the same axes."]
    parts += ["CCC: the person's own, over all of their frames."] if scored else []
    if RATERS_LOW in shown:
        parts.append("The band reaches from the lowest to the highest rater.")
    elif GOLD in shown:
        parts.append("No band: the predictions come without the raters' range.")
    else:
        parts.append("Prediction only: the labels stayed with the clients of the federation.")
    if width > 1:
        parts.append(f"Each point is the mean of {width} frames.")
    return " ".join(parts)
