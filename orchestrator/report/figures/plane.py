"""The valence-arousal plane (paper, Fig. 1): where the gold standard is, and where the predictions are."""

from collections.abc import Sequence

import numpy as np
from matplotlib.colors import PowerNorm
from matplotlib.ticker import MaxNLocator

from orchestrator.protocols import DIMENSIONS
from orchestrator.report.figures import style
from orchestrator.report.figures.configurations import heading
from orchestrator.report.figures.figure import Figure
from orchestrator.report.predictions import GOLD, PREDICTION, Trace
from orchestrator.report.search_record import Search

CELLS = 30  # a side
GAMMA = 0.5  # of the shades: few frames must show beside the crowd in the middle
WORDS: dict[str, str] = {GOLD: "gold standard", PREDICTION: "prediction"}


def draw(search: Search, traces: Sequence[Trace]) -> Figure | None:
    """Draw the share of frames in each cell of the plane; None if no frame has both dimensions."""
    clouds = {kind: points for kind in (GOLD, PREDICTION) if len(points := _points(traces, kind))}
    if PREDICTION not in clouds:
        return None
    reach = 1.05 * max(0.5, *(float(np.abs(points).max()) for points in clouds.values()))
    edges = np.linspace(-reach, reach, CELLS + 1)
    shares = {
        kind: 100.0 * np.histogram2d(points[:, 0], points[:, 1], bins=(edges, edges))[0] / len(points)
        for kind, points in clouds.items()
    }
    drawing, axes = style.panels(1, len(shares), height_mm=58, heading=heading(search), sharey=True)
    norm = PowerNorm(GAMMA, vmin=0, vmax=max(float(share.max()) for share in shares.values()))
    for panel, (kind, share) in zip(axes[0], shares.items(), strict=True):
        mesh = panel.pcolormesh(
            edges, edges, np.ma.masked_equal(share.T, 0.0), cmap=style.SHADES, norm=norm, edgecolors="face", lw=0.1
        )
        panel.axhline(0, color=style.GREY, linewidth=0.5)
        panel.axvline(0, color=style.GREY, linewidth=0.5)
        mean = clouds[kind].mean(axis=0)
        panel.plot(*mean, marker="X", color="#D55E00", markeredgecolor="white", markersize=6, linestyle="none")
        panel.set(aspect="equal", xlabel="valence", title=WORDS[kind], xlim=(-reach, reach), ylim=(-reach, reach))
    axes[0, 0].set_ylabel("arousal")
    # Equal steps lie the closer together the higher they are: the numbers of more than four would touch.
    ticks = MaxNLocator(4)
    drawing.colorbar(mesh, ax=axes, ticks=ticks, label="% of frames", shrink=0.7, aspect=30, location="bottom")
    caption = "Share of the held-out frames in each cell of the valence-arousal plane (right: positive, up: excited);"
    caption += " the cross is the mean."
    if GOLD not in clouds:
        caption += " Prediction only: the labels stayed with the clients of the federation."
    return Figure(
        name="plane", title="The valence-arousal plane", caption=caption, svg=style.to_svg(drawing), drawing=drawing
    )


def _points(traces: Sequence[Trace], kind: str) -> np.ndarray:
    """Return (frames, 2), valence and arousal, of the frames that have both."""
    if not traces:
        return np.empty((0, 2))
    both = [np.stack([trace.values[dimension, kind] for dimension in DIMENSIONS], axis=1) for trace in traces]
    points = np.concatenate(both)
    found: np.ndarray = points[np.isfinite(points).all(axis=1)]
    return found
