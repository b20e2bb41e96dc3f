"""The commands about the runs that there are: `runs list`. Nothing heavy."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestrator.commands.help_sections import Listed
from orchestrator.errors import printable
from orchestrator.planning.past_runs import LATEST, PastRun, past_runs, readable
from orchestrator.process import terminal
from orchestrator.protocols import DIMENSIONS
from orchestrator.run_folder import RUNS_FOLDER

if TYPE_CHECKING:
    from rich.table import Table

PLAIN_WIDTH = 80  # columns of the table if there is no terminal
SYNTHETIC = "*"  # behind figures of a synthetic corpus


@click.group(cls=Listed)
def runs() -> None:
    """Look at the runs there are."""


@runs.command(name="list")
@click.argument("folder", type=click.Path(path_type=Path), required=False, metavar="[FOLDER]")
def list_runs(folder: Path | None) -> None:
    """List the runs in FOLDER (else in runs/), the latest first; other commands take the name `latest` for it."""
    terminal.output_is_the_only_work()
    place = Path(RUNS_FOLDER) if folder is None else folder
    found = [] if folder is None and not place.exists() else past_runs(place)
    if not found:
        click.echo(f"no run in {place}")
        return
    from rich.console import Console

    console = Console(highlight=False, width=None if sys.stdout.isatty() else PLAIN_WIDTH)
    console.print(_table(found), markup=False)
    if any(SYNTHETIC in entry for one in found for entry in _row(one)[-len(DIMENSIONS) :]):
        click.echo(f"{SYNTHETIC} of a SYNTHETIC corpus: says nothing about people")
    known = readable(found)
    said = f"; {LATEST} is {known[0].folder.name}" if folder is None and known else ""
    click.echo(printable(f"{len(found)} run{'' if len(found) == 1 else 's'} in {place}{said}"))


def _table(found: list[PastRun]) -> "Table":
    from rich.box import HORIZONTALS
    from rich.table import Table

    table = Table(box=HORIZONTALS, show_edge=False, pad_edge=False, padding=(0, 0))
    # Short headings: a name as runs get it, with what is said of it, has to find room in 80 columns.
    for heading in ("run", "began", "method", "status", "best", *(f"CCC\n{one[:3]}." for one in DIMENSIONS)):
        table.add_column(heading, justify="right" if heading.startswith("CCC") else "left", overflow="fold")
    for one in found:
        table.add_row(*map(printable, _row(one)))
    return table


def _row(run: PastRun) -> list[str]:
    best, values = _object(run.summary.get("best")), [run.summary.get(f"ccc_{dimension}") for dimension in DIMENSIONS]
    mark = SYNTHETIC if _is_synthetic(run) else ""
    return [
        run.folder.name,
        f"{run.began.astimezone():%Y-%m-%d}",
        str(run.plan.get("method", "")),
        run.status,
        str(best.get("network", "")),
        *(f"{value:.3f}{mark}" if isinstance(value, float) else "" for value in values),
    ]


def _is_synthetic(run: PastRun) -> bool:
    return bool(_object(run.plan.get("corpus")).get("synthetic") or run.summary.get("synthetic"))


def _object(value: Any) -> dict[str, Any]:
    """Return what should be an object of a file, empty if it is none."""
    return value if isinstance(value, dict) else {}
