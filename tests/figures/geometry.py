"""Where the words of a figure are, measured after it was drawn: on each other, on an axis line, or off the page."""

import itertools
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Drawing
from matplotlib.text import Annotation, Text
from matplotlib.transforms import Bbox

from orchestrator.report.figures import style
from orchestrator.report.figures.figure import Figure

SLACK = 0.6  # points that two boxes may share: a box reaches around letters that are not there


def faults(figure: Figure) -> list[str]:
    """What is wrong in a figure, a line each; empty if its words are all by themselves."""
    drawing = figure.drawing
    assert drawing is not None
    with style.styled():
        canvas: Any = FigureCanvasAgg(drawing)
        canvas.draw()
        boxes = _boxes(drawing, canvas.get_renderer())
        assert len(boxes) > 3, figure.name
        slack = SLACK * drawing.dpi / 72
        found = [
            f"{first!r} on {second!r}"
            for (first, _, one), (second, _, other) in itertools.combinations(boxes, 2)
            if _overlap(one, other, slack)
        ]
        found += [f"{words!r} off the page" for words, _, box in boxes if not _inside(drawing, box, slack)]
        found += [
            f"{words!r} on an axis line"
            for words, _, box in boxes
            for line in _axis_lines(drawing)
            if _overlap(box, line, slack)
        ]
        found += [
            f"{words!r} on a marker"
            for words, artist, box in boxes
            for mark in _markers(artist)
            if _overlap(box, mark, slack)
        ]
    return found


def _boxes(drawing: Drawing, renderer: Any) -> list[tuple[str, Text, Bbox]]:
    """The box of each word that is seen; labels of ticks beyond the axis are not."""
    hidden = {id(label) for panel in drawing.axes for axis in (panel.xaxis, panel.yaxis) for label in _unseen(axis)}
    found = []
    for artist in drawing.findobj(Text):
        assert isinstance(artist, Text)
        words = artist.get_text().strip()
        if words and artist.get_visible() and id(artist) not in hidden:
            box = Text.get_window_extent(artist, renderer)
            found.append((words, artist, box))
    return found


def _unseen(axis: Any) -> list[Text]:
    low, high = sorted(axis.get_view_interval())
    margin = 1e-9 * (high - low)
    ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
    beyond = [tick for tick in ticks if not low - margin <= tick.get_loc() <= high + margin]
    return [label for tick in beyond for label in (tick.label1, tick.label2)]


def _overlap(one: Bbox, other: Bbox, slack: float) -> bool:
    across = min(one.x1, other.x1) - max(one.x0, other.x0)
    up = min(one.y1, other.y1) - max(one.y0, other.y0)
    return bool(across > slack and up > slack)


def _inside(drawing: Drawing, box: Bbox, slack: float) -> bool:
    page = drawing.bbox
    return bool(
        box.x0 >= page.x0 - slack
        and box.y0 >= page.y0 - slack
        and box.x1 <= page.x1 + slack
        and box.y1 <= page.y1 + slack
    )


def _axis_lines(drawing: Drawing) -> list[Bbox]:
    """A box of some points' width around each axis line that is seen: spines, and the lines of parallel axes."""
    half = drawing.dpi / 72
    found: list[Bbox] = []
    for panel in drawing.axes:
        spines: list[Any] = [one for one in panel.spines.values() if one.get_visible() and panel.axison]
        lines = [one for one in panel.lines if one.get_gid() == "axis"]
        found += [one.get_path().get_extents(one.get_transform()).padded(half) for one in (*spines, *lines)]
    return found


def _markers(artist: Text) -> list[Bbox]:
    """The markers in the panel of a name that stands beside one."""
    if not isinstance(artist, Annotation) or artist.axes is None:
        return []
    found = []
    scale = artist.axes.figure.dpi / 72
    for line in artist.axes.lines:
        if line.get_marker() in (None, "None", "", "none", "|", "_"):
            continue
        radius = line.get_markersize() / 2 * scale
        for x, y in line.get_transform().transform(line.get_xydata()):
            found.append(Bbox([[x - radius, y - radius], [x + radius, y + radius]]))
    return found
