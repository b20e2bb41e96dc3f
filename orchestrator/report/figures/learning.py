"""Learning curves of the best configuration of each network, with the spread over the folds."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from orchestrator.evaluation.results import best_of_networks
from orchestrator.measures import SPREAD
from orchestrator.report.figures import style
from orchestrator.report.figures.configurations import finished, heading
from orchestrator.report.figures.figure import Figure
from orchestrator.report.search_record import Search
from orchestrator.run_records import Curve

PANELS: Mapping[str, str] = {
    "train_loss": "training loss",
    "validation_loss": "validation loss",
    "ccc_valence": "CCC valence",
    "ccc_arousal": "CCC arousal",
}
SHADE = 0.18
MOST_MARKERS = 10


def draw(search: Search) -> Figure | None:
    """Draw fold means against epochs; None if no finished configuration has a curve."""
    best = {network: trial for network, trial in best_of_networks(finished(search)).items() if _known(trial.curve)}
    names = [name for name in PANELS if any(_known(trial.curve, name) for trial in best.values())]
    if not names:
        return None
    appearance = style.looks(list(best))
    drawing, axes = style.panels(len(names), 1, height_mm=26 * len(names) + 16, heading=heading(search), sharex=True)
    spread = False
    for panel, name in zip(axes[:, 0], names, strict=True):
        for network, trial in best.items():
            spread |= _curve(panel, trial.curve, name, appearance[network])
        panel.set_ylabel(PANELS[name])
    axes[-1, 0].set_xlabel("rounds" if search.plan.get("federation") else "epochs")
    axes[-1, 0].xaxis.get_major_locator().set_params(integer=True)
    handles = [
        Line2D([], [], color=look.colour, linestyle=look.line, marker=look.marker) for look in appearance.values()
    ]
    style.legend(drawing, handles, [style.plain(network) for network in best])
    caption = "The best configuration of each network: means over the folds"
    caption += ", shaded by one standard deviation over the folds." if spread else "; their spread was not recorded."
    return Figure(name="learning", title="Learning curves", caption=caption, svg=style.to_svg(drawing), drawing=drawing)


def _values(curve: Curve, name: str) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in curve.get(name) or ()], dtype=np.float64)


def _known(curve: Curve, name: str | None = None) -> bool:
    names = PANELS if name is None else (name,)
    return any(np.isfinite(_values(curve, one)).any() for one in names)


def _curve(panel: Axes, curve: Curve, name: str, look: style.Look) -> bool:
    """Draw one line; tells whether it has a spread."""
    values = _values(curve, name)
    epochs = np.arange(1, len(values) + 1)
    every = max(1, len(values) // MOST_MARKERS)
    panel.plot(epochs, values, color=look.colour, linestyle=look.line, marker=look.marker, markevery=every)
    spread = _values(curve, f"{name}_{SPREAD}")
    if len(spread) != len(values) or not np.isfinite(spread).any():
        return False
    panel.fill_between(epochs, values - spread, values + spread, color=look.colour, alpha=SHADE, linewidth=0)
    return True
