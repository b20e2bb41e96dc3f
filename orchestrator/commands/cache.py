"""The commands about the cache, which keeps copies of people's data: `cache list`, `remove` and `clear`."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime

import click

from orchestrator.commands.help_sections import Listed
from orchestrator.corpora.cache import cache_folder
from orchestrator.corpora.cache_entries import KINDS, Entry, entries, of_kinds, remove_entries
from orchestrator.errors import InputError, printable
from orchestrator.process import terminal

BYTES_PER_MIB = 2**20
ALL = "all"


@click.group(cls=Listed)
def cache() -> None:
    """Look at the copies of recordings that the cache keeps, and remove them."""


@cache.command(name="list")
def list_entries() -> None:
    """List what the cache holds, by kind: how much, and from when to when."""
    terminal.output_is_the_only_work()
    found = entries()
    click.echo(printable(f"cache     {cache_folder()}: {_size(found)}"))
    for kind, words in KINDS.items():
        own = of_kinds(found, [kind])
        if own:
            days = sorted({f"{datetime.fromtimestamp(one.written, UTC):%Y-%m-%d}" for one in own})
            when = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
            click.echo(f"{kind:13}{_size(own)}, {when}: {words}")


@cache.command(name="remove")
@click.argument("kinds", nargs=-1, required=True, type=click.Choice([*KINDS, ALL]), metavar="KIND ... | all")
def remove_kinds(kinds: tuple[str, ...]) -> None:
    """Remove everything of a KIND: participants, frames, features, extracted, models, synthetic; it is made anew.

    A run that is under way and needs it goes on after `tune --resume`.
    """
    _remove(of_kinds(entries(), KINDS if ALL in kinds else kinds))


@cache.command(name="clear")
@click.option("--yes", is_flag=True, help="Remove without asking.")
def clear(yes: bool) -> None:
    """Remove everything that the cache holds, after a question; it is made anew when it is needed."""
    found = entries()
    click.echo(printable(f"removes   {_size(found)} in {cache_folder()}"))
    if found and not yes:
        if not (sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()):
            expected = "--yes to remove them"
            raise InputError.of("cache clear", found=f"{_size(found)} and nobody to ask", expected=expected)
        if not click.confirm("Remove everything?", default=False, err=True):
            click.echo("nothing was removed", err=True)
            return
    _remove(found)


def _remove(chosen: Sequence[Entry]) -> None:
    """Remove entries and say what went, and what stays because somebody writes it."""
    gone, busy = remove_entries(chosen)
    click.echo(printable(f"removed   {_size(gone)} in {cache_folder()}"))
    if busy:
        click.echo(f"kept      {_size(busy)}, which another process writes at this moment", err=True)


def _size(found: Sequence[Entry]) -> str:
    """Return how many entries, and their size together."""
    mib = sum(one.num_bytes for one in found) / BYTES_PER_MIB
    number = f"{len(found)} {'entry' if len(found) == 1 else 'entries'}"
    return f"{number}, {mib:,.1f} MiB" if found else "nothing"
