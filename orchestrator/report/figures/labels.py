"""Names beside the points of a panel, each at the first place near its point that nothing else takes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.transforms import Bbox

POINTS_PER_INCH = 72.0
LEVEL = "level"  # gid of a line across the panel, such as the best baseline
GAPS = (1.5, 6.0, 12.0, 20.0)  # points between a marker and its name: the nearest that is free
# Where a name stands, as shares of its own width and height, and on which side of the marker: (across, up).
SIDES = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1))
LEADER = 4.0  # points; from this gap on a thin line leads from the marker to its name


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """A point in data coordinates, the radius of its marker in points, its name, and how far its bar reaches."""

    x: float
    y: float
    radius: float
    text: str
    low: float | None = None
    high: float | None = None


def place(panel: Any, spots: Sequence[Spot], *, size: float, colour: str = "#000000") -> None:
    """Write each name beside its point, inside the panel, off all markers, bars, levels and other names.

    The panel's limits and scales have to be final. A name for which no place is free is left out.
    """
    drawing = panel.get_figure()
    engine = drawing.get_layout_engine()
    if engine is not None:
        engine.execute(drawing)
    canvas: Any = FigureCanvasAgg(drawing)
    renderer = canvas.get_renderer()
    scale = drawing.dpi / POINTS_PER_INCH
    taken = [box for one in spots for box in _shapes(panel, one, scale)] + list(_levels(panel, scale))
    for one in spots:
        if not one.text:
            continue
        label = panel.annotate(one.text, (one.x, one.y), xytext=(0, 0), textcoords="offset points", fontsize=size)
        label.set(color=colour, ha="center", va="center", in_layout=False)
        extent = label.get_window_extent(renderer)
        free = next(_free(panel, one, (extent.width, extent.height), scale, taken), None)
        if free is None:
            label.remove()
            continue
        across, up, gap, box = free
        label.set_position((across, up))
        taken.append(box)
        if gap >= LEADER:
            panel.annotate(
                "",
                (one.x, one.y),
                xytext=(across * 0.8, up * 0.8),
                textcoords="offset points",
                arrowprops={"arrowstyle": "-", "linewidth": 0.3, "color": colour, "shrinkA": 3, "shrinkB": one.radius},
            )


def _shapes(panel: Any, one: Spot, scale: float) -> Iterator[Bbox]:
    """Yield what a spot takes in pixels: its marker, and its bar."""
    x, y = panel.transData.transform((one.x, one.y))
    radius = one.radius * scale
    yield Bbox([[x - radius, y - radius], [x + radius, y + radius]])
    if one.low is not None and one.high is not None:
        low, high = (panel.transData.transform((one.x, end))[1] for end in (one.low, one.high))
        yield Bbox([[x - scale, low], [x + scale, high]])


def _levels(panel: Any, scale: float) -> Iterator[Bbox]:
    """Yield what the lines across the panel take in pixels."""
    for line in panel.lines:
        if line.get_gid() == LEVEL:
            height = panel.transData.transform((1.0, line.get_ydata()[0]))[1]
            yield Bbox([[panel.bbox.x0, height - scale / 2], [panel.bbox.x1, height + scale / 2]])


def _free(
    panel: Any, one: Spot, extent: tuple[float, float], scale: float, taken: Sequence[Bbox]
) -> Iterator[tuple[float, float, float, Bbox]]:
    """Yield offsets in points, the gap, and the box of each free place, the nearest first."""
    x, y = panel.transData.transform((one.x, one.y))
    width, height = extent
    for gap in GAPS:
        for across, up in SIDES:
            middle_x = x + across * (width / 2 + (one.radius + gap) * scale)
            middle_y = y + up * (height / 2 + (one.radius + gap) * scale)
            box = Bbox.from_bounds(middle_x - width / 2, middle_y - height / 2, width, height)
            inside = panel.bbox.x0 <= box.x0 and box.x1 <= panel.bbox.x1 and panel.bbox.y0 + scale <= box.y0
            if inside and box.y1 <= panel.bbox.y1 and not any(box.overlaps(other) for other in taken):
                yield (middle_x - x) / scale, (middle_y - y) / scale, gap, box
