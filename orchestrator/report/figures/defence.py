"""What each defence of action units costs in CCC and saves in identity, in one picture."""

from typing import Any

from matplotlib.lines import Line2D

from orchestrator.audit.records import DEFENCE, Attack, Audit
from orchestrator.protocols import DIMENSIONS
from orchestrator.report.figures import labels, style
from orchestrator.report.figures.figure import Figure

ADVANTAGE = "identity advantage"
MARKER_POINTS = style.SETTINGS["lines.markersize"]


def draw(audit: Audit) -> Figure | None:
    """Draw the CCC against the identity advantage, a line per defence and a panel per dimension; None without any."""
    with style.styled():
        return _drawn(audit)


def _drawn(audit: Audit) -> Figure | None:
    points = [one for one in audit.attacks if one.attack == DEFENCE and _number(one, ADVANTAGE) is not None]
    if not points:
        return None
    families: dict[str, list[Attack]] = {}
    for one in points:
        families.setdefault(one.variant.partition("=")[0], []).append(one)
    looks = style.looks(list(families))
    marks = "SYNTHETIC, " if audit.synthetic else ""
    drawing, axes = style.panels(
        len(DIMENSIONS),
        1,
        height_mm=110 + 4 * len(families) / 2,
        heading=f"{marks}defences of action units, {audit.participants} people",
        sharex=True,
    )
    for panel, dimension in zip(axes[:, 0], DIMENSIONS, strict=True):
        for name, own in families.items():
            _line(panel, own, f"CCC {dimension}", looks[name])
        panel.set_ylabel(f"CCC {dimension}")
        panel.axvline(0.0, color=style.GREY, linewidth=0.5, linestyle=":")
        scores = [value for one in points if (value := _number(one, f"CCC {dimension}")) is not None]
        if scores:
            panel.set_ylim(*style.limits_of(scores, least=min(scores) - 0.03, most=max(scores) + 0.05))
    advantages = [value for one in points if (value := _number(one, ADVANTAGE)) is not None]
    axes[-1, 0].set_xlim(*style.limits_of(advantages, least=0.0, most=0.4))
    axes[-1, 0].set_xlabel("identity advantage (0: chance, 1: everybody is recognised)")
    handles = [Line2D([], [], color=look.colour, linestyle=look.line, marker=look.marker) for look in looks.values()]
    style.legend(drawing, handles, [style.plain(name) for name in looks], columns=2)
    for panel, dimension in zip(axes[:, 0], DIMENSIONS, strict=True):
        labels.place(panel, _spots(points, f"CCC {dimension}"), size=style.FONT_POINTS)
    return Figure(
        name="defence",
        title="Defences of action units",
        caption="Left and up is better. CCC of ridge regression on windows of 1, 4 and 10 s for held-out people, not of"
        " a network; the bars are 95 % intervals of the advantage over people. Numbers are the strengths.",
        svg=style.to_svg(drawing),
        drawing=drawing,
    )


def _line(panel: Any, own: list[Attack], score: str, look: style.Look) -> None:
    known = [one for one in own if _number(one, score) is not None]
    if not known:
        return
    x = [_number(one, ADVANTAGE) or 0.0 for one in known]
    y = [_number(one, score) or 0.0 for one in known]
    panel.plot(x, y, color=look.colour, linestyle=look.line, marker=look.marker)
    for one, up in zip(known, y, strict=True):
        ends = one.statistic(ADVANTAGE)
        if ends is not None and ends.lower is not None and ends.upper is not None:
            panel.plot([ends.lower, ends.upper], [up, up], color=look.colour, linewidth=0.4, alpha=0.5)


def _spots(points: list[Attack], score: str) -> list[labels.Spot]:
    """Return the places of all markers, each named by its defence's strength, if it has one."""
    return [
        labels.Spot(x=across, y=up, radius=MARKER_POINTS / 2, text=style.plain(one.variant.partition("=")[2], 12))
        for one in points
        if (across := _number(one, ADVANTAGE)) is not None and (up := _number(one, score)) is not None
    ]


def _number(one: Attack, name: str) -> float | None:
    found = one.statistic(name)
    return None if found is None else found.value
