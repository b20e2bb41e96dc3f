"""The rendered figure passed to the report, to a run's folder and to Python."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One picture. `name` is a file's name without suffix; `svg` a whole SVG document, text as text, no script.

    `title` and `caption` are plain text; who puts them into HTML escapes them.
    """

    name: str
    title: str
    caption: str
    svg: str
    drawing: "Drawing | None" = field(default=None, compare=False, repr=False)  # the same as matplotlib has it
