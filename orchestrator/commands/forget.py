"""`data forget`: removes a person from the cache, and lists what of them stays elsewhere."""

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from orchestrator.commands.option_types import RunFolder
from orchestrator.corpora.person_copies import Copies, copies_of, remove_copies
from orchestrator.errors import InputError, printable
from orchestrator.evaluation.person_traces import mlflow_copy, traces
from orchestrator.planning.past_runs import past_runs
from orchestrator.process import exit_codes
from orchestrator.run_folder import PLAN_FILE, RUNS_FOLDER

STAYS = (
    "trained weights: every model that was trained on this person, and what was exported of it;"
    " only training without the person removes them",
    "aggregate scores: means, intervals and tables that the person was counted in, also in reports",
    "the original recordings, labels and participants.csv, and tables that `data convert` or `data extract` wrote",
    "files that `predict`, `score`, `compare`, `fuse`, `report` and `audit --output` wrote elsewhere, and backups",
)


@click.command()
@click.argument("participant")
@click.option(
    "--run",
    "runs",
    multiple=True,
    type=RunFolder(),
    help="A run to look through; repeatable.  [default: all in runs/]",
)
@click.option("--yes", is_flag=True, help="Remove without asking.")
@click.pass_context
def forget(ctx: click.Context, participant: str, runs: tuple[Path, ...], yes: bool) -> None:
    """Remove PARTICIPANT's features, labels and faces from the cache, and list what of them stays elsewhere.

    What is removed is listed first. Pictures and frozen features in the cache do not say whose they are: all of them
    go, and are made anew from the recordings when they are needed. Runs are not changed.
    """
    if not participant.strip():
        raise InputError.of("PARTICIPANT", found="an empty name", expected="the id of a participant")
    places = _runs(runs)
    copies = copies_of(participant)
    kept = _remove(copies, yes=yes)
    if kept is None:
        click.echo("nothing was removed", err=True)
        return
    _say_what_stays(participant, places)
    for path in kept:
        click.echo(printable(f"kept      {path}, which another process writes at this moment; repeat later"), err=True)
    ctx.exit(exit_codes.SOME_FAILED if kept else 0)


def _runs(named: Sequence[Path]) -> list[Path]:
    """Return the folders of the runs that are named, else of all in runs/; InputError for what is no run."""
    if not named:
        place = Path(RUNS_FOLDER)
        return [one.folder for one in past_runs(place)] if place.is_dir() else []
    for folder in named:
        if not (folder / PLAN_FILE).is_file():
            raise InputError.of("--run", found=f"{folder} without {PLAN_FILE}", expected="the folder of a run")
    return list(named)


def _remove(copies: Copies, *, yes: bool) -> Sequence[Path] | None:
    """List what goes, ask, and remove it; return what stays because somebody writes it, None for a no."""
    own = [path for _, paths in copies.tables for path in paths]
    for path in own:
        click.echo(printable(f"removes   {path}: features and labels"))
    for one in copies.nameless:
        for path in one.paths:
            click.echo(printable(f"removes   {path}: {one.kind}; whose is not recorded, so all go"))
    if not copies.paths:
        click.echo("the cache holds nothing of this person")
        return ()
    if not yes:
        if not _at_a_terminal():
            found = f"{len(copies.paths)} paths to remove and nobody to ask"
            raise InputError.of("data forget", found=found, expected="--yes to remove them")
        if not click.confirm("Remove these?", default=False, err=True):
            return None
    kept = remove_copies(copies)
    click.echo(f"removed   {len(copies.paths) - len(kept)} paths from the cache")
    return kept


def _at_a_terminal() -> bool:
    """Return whether somebody can be asked: both the question and the answer pass a terminal."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


def _say_what_stays(participant: str, places: Sequence[Path]) -> None:
    """List what holds the person in the runs, path by path, and what no command removes."""
    stores: list[str] = []
    any_run = False
    for folder in places:
        found = traces(folder, participant)
        any_run = any_run or bool(found)
        for one in found:
            click.echo(printable(f"not removed  {one.path}: {one.what}"))
        copy = mlflow_copy(folder) if found else None
        if copy is not None:
            stores.append(f"MLflow's copies at {copy[0]}, run {copy[1]} with its children and artifacts")
    if not places:
        click.echo("no run was looked through")
    for words in (*stores, *STAYS):
        click.echo(printable(f"not removed  {words}"))
    if any_run:
        click.echo("What a run holds goes if you delete its folder, and its run in MLflow.")
