"""CCC of each person, with the pooled CCC and its 95 % interval: what a saved model does for new people."""

from collections.abc import Mapping, Sequence

from orchestrator.estimators.new_people import PoolScore
from orchestrator.protocols import DIMENSIONS
from orchestrator.report.figures import style
from orchestrator.report.figures.figure import Figure

MOST_NAMES = 30  # ours: more names than that cannot be read
SHADE = 0.18


def draw(
    people: Sequence[str],
    own: Mapping[str, Mapping[str, float | None]],
    pooled: Mapping[str, PoolScore | None],
    *,
    heading: str,
) -> Figure:
    """Draw a point per person, sorted by CCC, in a panel per dimension; `own`: dimension, person, CCC or None."""
    with style.styled():
        shown = max(1, min(len(people), MOST_NAMES))
        drawing, axes = style.panels(1, len(DIMENSIONS), height_mm=30 + 3.2 * shown, heading=heading, sharex=True)
        looks = style.looks(list(DIMENSIONS))
        reached: list[float] = []
        for panel, dimension in zip(axes[0], DIMENSIONS, strict=True):
            look, score = looks[dimension], pooled[dimension]
            interval = None if score is None else score.interval
            values = [(value, person) for person in people if (value := own[dimension][person]) is not None]
            ordered = sorted(values)
            places = range(len(ordered))
            panel.plot([v for v, _ in ordered], places, linestyle="none", marker=look.marker, color=look.colour)
            if interval is not None:
                panel.axvspan(interval.low, interval.high, color=look.colour, alpha=SHADE, linewidth=0)
            if score is not None:
                panel.axvline(score.value, color=look.colour, linestyle=look.line)
            named = len(ordered) <= MOST_NAMES
            panel.set_yticks(places if named else [], [style.plain(one, 12) for _, one in ordered] if named else [])
            reached += [v for v, _ in ordered] + ([] if interval is None else [interval.low, interval.high])
            panel.set(title=dimension, xlabel="CCC")
        axes[0, 0].set_xlim(style.limits_of(reached, least=0.0, most=0.2))  # of both panels, which share the axis
        return Figure(
            name="people",
            title="CCC per person",
            caption="A point per person; line and shade: CCC over all frames of all people, with its 95 % interval.",
            svg=style.to_svg(drawing),
            drawing=drawing,
        )
