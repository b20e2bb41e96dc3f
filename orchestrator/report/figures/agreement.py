"""Prediction against gold standard, frame by frame: how far the predictions reach towards the ends of the scale."""

import math
from collections.abc import Sequence

import numpy as np

from orchestrator.protocols import DIMENSIONS
from orchestrator.report.figures import style
from orchestrator.report.figures.configurations import heading
from orchestrator.report.figures.figure import Figure
from orchestrator.report.predictions import GOLD, PREDICTION, Trace
from orchestrator.report.search_record import Search

MOST_POINTS = 1500  # ours, per panel: more are a blot, and a large file


def draw(search: Search, traces: Sequence[Trace]) -> Figure | None:
    """Draw a dot per frame, every n-th of many, in a panel per dimension; None if no frame has both."""
    pairs = {dimension: _pairs(traces, dimension) for dimension in DIMENSIONS}
    most = max(len(found) for found in pairs.values())
    if not most:
        return None
    step = math.ceil(most / MOST_POINTS)
    values = np.concatenate([found.ravel() for found in pairs.values()])
    limits = style.limits_of([float(values.min()), float(values.max())], least=-0.5, most=0.5)
    drawing, axes = style.panels(1, len(DIMENSIONS), height_mm=56, heading=heading(search), sharex=True, sharey=True)
    for panel, (dimension, found) in zip(axes[0], pairs.items(), strict=True):
        shown = found[::step]
        panel.plot(limits, limits, color=style.GREY, linewidth=0.8, linestyle="--", zorder=3)
        panel.plot(shown[:, 0], shown[:, 1], ".", color=style.COLOURS[0], markersize=1.6, alpha=0.5, markeredgewidth=0)
        panel.set(aspect="equal", xlim=limits, ylim=limits, title=dimension, xlabel="gold standard")
    axes[0, 0].set_ylabel("prediction")
    caption = "A dot per held-out frame of all people"
    caption += f", one of {step}." if step > 1 else "."
    caption += " Dashed: perfect agreement. Dots along a flatter line: the predictions keep to the middle of the scale."
    return Figure(
        name="agreement",
        title="Prediction against gold standard",
        caption=caption,
        svg=style.to_svg(drawing),
        drawing=drawing,
    )


def _pairs(traces: Sequence[Trace], dimension: str) -> np.ndarray:
    """Return (frames, 2), gold standard and prediction, of the frames that have both."""
    both = [np.stack([trace.values[dimension, kind] for kind in (GOLD, PREDICTION)], axis=1) for trace in traces]
    points = np.concatenate(both) if both else np.empty((0, 2))
    found: np.ndarray = points[np.isfinite(points).all(axis=1)]
    return found
