"""A report as one HTML page, as Markdown, and each table as CSV; everything recorded is text, never markup.

The HTML fetches nothing: its policy allows its own style, by hash, and pictures that are in the page.
"""

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files

from orchestrator.csv_text import as_text, protected
from orchestrator.evaluation.use_statement import STATEMENT
from orchestrator.report import paper
from orchestrator.report.figures import Figure
from orchestrator.report.figures.files import FORMATS, contents
from orchestrator.report.tables.cells import Cell, Column, Row, Table
from orchestrator.run_folder import FIGURES_FOLDER

BANNER = "SYNTHETIC CORPUS: these scores say nothing about people and are not comparable with the paper."
SYNTHETIC_ROW = "synthetic: not comparable with the paper"
ROWS_OF_A_PAGE = 26  # ours: a table of so many rows or fewer is printed on one page
FOOTNOTE = {one.name: index for index, one in enumerate(paper.CONTRADICTIONS, start=1)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything a report says; `facts` are a heading and a value each, for its head."""

    title: str
    facts: Sequence[tuple[str, str]]
    tables: Sequence[Table]
    figures: Sequence[Figure]
    contradictions: bool = True  # whether the page has those inside the paper, as footnotes of its tables
    figure_files: bool = False  # whether the figures are also files beside the page, in FIGURES_FOLDER
    details: Sequence[tuple[str, str]] = ()  # as `facts`, after the first table
    leading: str | None = None  # the name of the figure that stands beside the first table

    @property
    def synthetic(self) -> bool:
        """Return whether any number comes from a synthetic corpus."""
        return any(table.synthetic for table in self.tables)


def as_html(report: Report) -> str:
    """Return the page."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("orchestrator.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = files("orchestrator.report").joinpath("templates/report.css").read_text(encoding="utf-8")
    return environment.get_template("report.html.j2").render(
        report=report,
        banner=BANNER,
        statement=STATEMENT,
        style=style,
        policy=content_policy(style),
        images={figure.name: _data_address(figure.svg) for figure in report.figures},
        contradictions=paper.CONTRADICTIONS,
        footnote=FOOTNOTE,
        paper=paper,
        headings=header_cells,
        body=shown_rows,
        links=figure_links,
        rows_of_a_page=ROWS_OF_A_PAGE,
    )


def content_policy(style: str) -> str:
    """Return the page's content policy: this style and embedded pictures, nothing else."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"


def _data_address(svg: str) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """One heading of a table's two header lines."""

    text: str
    columns: int = 1
    lines: int = 1
    numeric: bool = False


def header_cells(table: Table) -> tuple[list[Heading], list[Heading]]:
    """Return the upper header line, with groups over their columns, and the lower one."""
    upper: list[Heading] = []
    lower: list[Heading] = []
    columns = list(table.columns)
    while columns:
        group = columns[0].group
        if not group:
            upper.append(Heading(text=columns[0].heading, lines=2, numeric=columns[0].numeric))
            del columns[0]
            continue
        members = _run_of(columns, group)
        upper.append(Heading(text=group, columns=len(members)))
        lower += [Heading(text=column.heading, numeric=column.numeric) for column in members]
        del columns[: len(members)]
    return upper, lower


def _run_of(columns: Sequence[Column], group: str) -> list[Column]:
    count = next((index for index, one in enumerate(columns) if one.group != group), len(columns))
    return list(columns[:count])


def shown_rows(table: Table) -> list[tuple[Row, list[Cell]]]:
    """Return the rows as they are read: in a block the first cell only where it changes, those of `once` at its begin.

    Rows of what was not run are left out; a block that loses its first row begins with the next.
    """
    blocks = any(row.first for row in table.rows)
    once = {index for index, column in enumerate(table.columns) if column.once}
    found: list[tuple[Row, list[Cell]]] = []
    begins, first = True, ""
    for row in table.rows:
        begins |= row.first
        if row.absent is not None:
            continue
        said = once | ({0} if row.cells[0].text == first else set())
        shown = [
            Cell(text="") if index in said and blocks and not begins else cell for index, cell in enumerate(row.cells)
        ]
        first = row.cells[0].text
        found.append((replace(row, first=blocks and begins), shown))
        begins = False
    return found


def as_markdown(report: Report) -> str:
    """Return the same tables and footnotes as Markdown."""
    banner = [f"> **{BANNER}**", ""] if report.synthetic else []
    lines = [f"# {escaped(report.title)}", "", *banner]
    lines += [f"- {escaped(name)}: {escaped(value)}" for name, value in report.facts]
    for table in report.tables:
        lines += ["", f"## {escaped(table.title)}", ""]
        lines += [f"> **{BANNER}**", ""] if table.synthetic else []
        lines += [escaped(table.caption), ""]
        if shown_rows(table):
            lines += _markdown_table(table)
        lines += ["", *(f"- {escaped(line)}" for line in table.lines)] if table.lines else []
        if table is report.tables[0] and report.details:
            lines += ["", *(f"- {escaped(name)}: {escaped(value)}" for name, value in report.details)]
    if report.figure_files and report.figures:
        lines += ["", "## Figures", ""]
        lines += [line for figure in report.figures for line in _markdown_figure(figure)]
    lines += ["", "## Contradictions inside the paper", ""]
    for number, one in enumerate(paper.CONTRADICTIONS, start=1):
        lines.append(f"{number}. {escaped(one.text)} ({escaped(one.where)})")
    lines += ["", escaped(STATEMENT)]
    return "\n".join(lines) + "\n"


def _markdown_figure(figure: Figure) -> list[str]:
    links = figure_links(figure)
    files = ", ".join(f"[{suffix}]({address})" for suffix, address in links)
    title = escaped(figure.title)
    return [f"![{title}]({links[0][1]})", "", f"**{title}.** {escaped(figure.caption)} {files}", ""]


def _markdown_table(table: Table) -> list[str]:
    names = [f"{column.group} {column.heading}".strip() for column in table.columns]
    marks = ["---:" if column.numeric else "---" for column in table.columns]
    lines = [_markdown_row([escaped(name) for name in names]), _markdown_row(marks)]
    for _, shown in shown_rows(table):
        lines.append(_markdown_row([escaped(cell.text) + _references(cell) for cell in shown]))
    return lines


def _markdown_row(words: Sequence[str]) -> str:
    return f"| {' | '.join(words)} |"


def _references(cell: Cell) -> str:
    return "".join(f" [{FOOTNOTE[name]}]" for name in cell.notes)


def escaped(text: str) -> str:
    """Return text for Markdown so that nothing in it is markup, HTML or a new line."""
    joined = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join(f"\\{sign}" if sign in "\\`*_[]|#~$!" else sign for sign in joined)


def as_csv(table: Table) -> str:
    """Return a table with the full values; each row says if it is synthetic.

    What a cell says beside its number has columns of its own: `_name` of what it is, `_sd` the spread over the folds,
    `_low` and `_high` the ends of its interval.
    """
    parts = [
        [part for part, of_cell in _PARTS.items() if any(of_cell(row.cells[index]) for row in table.rows)]
        for index in range(len(table.columns))
    ]
    header: list[str] = []
    for column, own in zip(table.columns, parts, strict=True):
        header += [column.key, *(f"{column.key}_{part}" for part in own)]
    rows = [[*header, "corpus"]]
    for row in table.rows:
        values: list[str] = []
        for cell, own in zip(row.cells, parts, strict=True):
            values.append(protected(cell.text) if cell.value is None else repr(cell.value))
            values += [_PARTS[part](cell) for part in own]
        rows.append([*values, SYNTHETIC_ROW if row.synthetic else ""])
    return as_text(rows)


_PARTS: dict[str, Callable[[Cell], str]] = {
    "name": lambda cell: protected(cell.name),
    "sd": lambda cell: "" if cell.spread is None else repr(cell.spread),
    "low": lambda cell: "" if cell.ends is None else repr(cell.ends[0]),
    "high": lambda cell: "" if cell.ends is None else repr(cell.ends[1]),
}


def by_file(report: Report) -> Mapping[str, str | bytes]:
    """Return the report's files by name; the page comes last, so that it is there only when all else is."""
    tables = {f"{table.name}.csv": as_csv(table) for table in report.tables}
    pictures = {
        f"{FIGURES_FOLDER}/{name}": content for figure in report.figures for name, content in contents(figure).items()
    }
    return {**tables, **pictures, "report.md": as_markdown(report), "report.html": as_html(report)}


def figure_links(figure: Figure) -> list[tuple[str, str]]:
    """Return the formats of a figure's files and their places beside the page."""
    known = FORMATS if figure.drawing is not None else FORMATS[:1]
    return [(suffix.upper(), f"{FIGURES_FOLDER}/{figure.name}.{suffix}") for suffix in known]
