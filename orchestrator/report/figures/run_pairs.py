"""Differences of the people's own CCC between runs, with 95 % intervals: a forest plot."""

from orchestrator.protocols import DIMENSIONS
from orchestrator.report.figures import style
from orchestrator.report.figures.figure import Figure
from orchestrator.report.run_comparison import Comparison


def draw(found: Comparison) -> Figure:
    """Draw a point with its interval per pair, in a panel per dimension."""
    pairs = list(dict.fromkeys((one.first, one.second) for one in found.pairs))
    names = [f"{number} {style.plain(run.place)}" for number, run in enumerate(found.runs, 1)]
    marks = "SYNTHETIC, " if any(run.search.synthetic for run in found.runs) else ""
    with style.styled():
        height = 28 + 6 * len(pairs)
        drawing, axes = style.panels(
            1, len(DIMENSIONS), height_mm=height, heading=marks + ", ".join(names), sharex=True, sharey=True
        )
        looks = style.looks(list(DIMENSIONS))
        for panel, dimension in zip(axes[0], DIMENSIONS, strict=True):
            look = looks[dimension]
            for one in found.pairs:
                if one.dimension == dimension:
                    place = pairs.index((one.first, one.second))
                    panel.plot([one.own.low, one.own.high], [place, place], color=look.colour, linestyle="-")
                    panel.plot([one.own.estimate], [place], linestyle="none", marker=look.marker, color=look.colour)
            panel.axvline(0.0, color=style.GREY, linewidth=0.6, linestyle=":")
            panel.set_yticks(range(len(pairs)), [f"{first} - {second}" for first, second in pairs])
            panel.set(title=dimension, xlabel="difference of CCC", ylim=(len(pairs) - 0.5, -0.5))
        return Figure(
            name="comparisons",
            title="Runs compared over participants",
            caption="First minus second: mean difference of the participants' own CCC, with its 95 % interval.",
            svg=style.to_svg(drawing),
            drawing=drawing,
        )
