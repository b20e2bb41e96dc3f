"""Pearson's correlation against CCC: what a change of scale and level of the predictions would gain."""

from matplotlib.lines import Line2D

from orchestrator.json_records import number
from orchestrator.protocols import DIMENSIONS
from orchestrator.report.figures import style
from orchestrator.report.figures.configurations import counted, finished, heading, networks
from orchestrator.report.figures.figure import Figure
from orchestrator.report.search_record import Search

FEWEST_TRIALS = 2
LEAST_SPAN = 0.1  # of the axes: smaller differences shall look small


def draw(search: Search) -> Figure | None:
    """Draw a point per configuration; None with fewer than two that have both."""
    trials = [
        trial
        for trial in finished(search)
        if all(number(trial.scores.get(f"pearson_{dimension}")) is not None for dimension in DIMENSIONS)
    ]
    if len(trials) < FEWEST_TRIALS:
        return None
    appearance = style.looks(networks(trials))
    drawing, axes = style.panels(1, len(DIMENSIONS), height_mm=56, heading=heading(search), sharey=True, sharex=True)
    keys = [f"{measure}_{dimension}" for measure in ("pearson", "ccc") for dimension in DIMENSIONS]
    limits = style.limits_around([trial.score(key) for trial in trials for key in keys], span=LEAST_SPAN)
    for panel, dimension in zip(axes[0], DIMENSIONS, strict=True):
        panel.plot(limits, limits, color=style.GREY, linewidth=0.6, linestyle=":")
        for network, look in appearance.items():
            mine = [trial for trial in trials if trial.network == network]
            panel.plot(
                [trial.score(f"pearson_{dimension}") for trial in mine],
                [trial.score(f"ccc_{dimension}") for trial in mine],
                linestyle="none",
                marker=look.marker,
                markerfacecolor="none",
                markeredgecolor=look.colour,
                markeredgewidth=0.6,
            )
        panel.set(aspect="equal", xlim=limits, ylim=limits, title=dimension, xlabel="Pearson")
    axes[0, 0].set_ylabel("CCC")
    handles = [
        Line2D([], [], color=look.colour, linestyle="none", marker=look.marker, markerfacecolor="none")
        for look in appearance.values()
    ]
    style.legend(drawing, handles, [style.plain(network) for network in appearance])
    return Figure(
        name="pearson",
        title="Pearson against CCC",
        caption=f"{counted(trials, search)}. CCC reaches Pearson's correlation (dotted) only where predictions have the"
        " mean and the variance of the gold standard; the distance to it is what scale and level cost.",
        svg=style.to_svg(drawing),
        drawing=drawing,
    )
