"""What a figure is to those who show it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One picture. `name` is a file's name without suffix; `svg` a whole SVG document, text as text, no script.

    `title` and `caption` are plain text; who puts them into HTML escapes them.
    """

    name: str
    title: str
    caption: str
    svg: str
