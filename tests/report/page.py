"""What a browser would see of report.html: its tags, its tables, its policy."""

from dataclasses import dataclass, field
from html.parser import HTMLParser


@dataclass(kw_only=True)
class ShownCell:
    """One `td`: its attributes and its text."""

    attributes: dict[str, str]
    text: str = ""

    @property
    def value(self) -> float:
        return float(self.attributes["data-value"])


@dataclass(kw_only=True)
class ShownTable:
    """One table: its caption and the cells of each row by column."""

    caption: str = ""
    rows: list[dict[str, ShownCell]] = field(default_factory=list)


class Page(HTMLParser):
    """A report, read with the standard library."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.tables: dict[str, ShownTable] = {}
        self.style = ""
        self.text = ""
        self._table: ShownTable | None = None
        self._cell: ShownCell | None = None
        self._inside: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {key: value or "" for key, value in attrs}
        self.tags.append((tag, attributes))
        self._inside.append(tag)
        if tag == "table":
            self._table = self.tables.setdefault(attributes["data-table"], ShownTable())
        elif tag == "tr" and self._table is not None:
            self._table.rows.append({})
        elif tag == "td" and self._table is not None:
            self._cell = self._table.rows[-1][attributes["data-column"]] = ShownCell(attributes=attributes)

    def handle_endtag(self, tag: str) -> None:
        while self._inside and self._inside.pop() != tag:
            pass
        if tag == "td":
            self._cell = None

    def handle_data(self, data: str) -> None:
        self.text += data
        if "style" in self._inside:
            self.style += data
        if self._cell is not None and "sup" not in self._inside:
            self._cell.text += data
        if self._table is not None and "caption" in self._inside:
            self._table.caption += data

    def cells(self) -> list[ShownCell]:
        return [cell for table in self.tables.values() for row in table.rows for cell in row.values()]
