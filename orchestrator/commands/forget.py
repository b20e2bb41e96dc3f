"""`data forget`: removes a person from the cache and from runs, and lists what of them stays."""

import contextlib
import functools
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

import click

from orchestrator.commands import options as opt
from orchestrator.commands.option_types import RunFolder
from orchestrator.corpora.person_copies import Copies, copies_of, remove_copies
from orchestrator.errors import Gather, InputError, number_of, printable
from orchestrator.evaluation.person_traces import WEIGHTS, mlflow_copy, traces, weights
from orchestrator.files import locked
from orchestrator.planning.past_runs import past_runs
from orchestrator.planning.pseudonyms import read_key
from orchestrator.planning.removal import RunRemoval, remove, settle
from orchestrator.process import exit_codes
from orchestrator.run_folder import LOCK_FILE, PLAN_FILE, RUNS_FOLDER

STAYS = (
    "trained weights: every model that was trained on this person, and what was exported of it;"
    " only training without the person removes them",
    "aggregate scores: means, intervals and tables, which were computed with the person, also in reports",
    "the original recordings, labels and participants.csv, and tables that `data convert` or `data extract` wrote",
    "files that `predict`, `score`, `compare`, `fuse`, `report`, `papers` and `audit --output` wrote elsewhere,"
    " and backups",
)
SCORES_STAY = "scores were computed with the person; the run is not resumed, extended or audited"


@click.command()
@click.argument("participant")
@click.option(
    "--run",
    "runs",
    multiple=True,
    type=RunFolder(),
    help="A run to remove from; repeatable.  [default: all in runs/]",
)
@opt.path_option("--key", help="The file of the key of pseudonyms; the user's own if not given.")
@click.option("--yes", is_flag=True, help="Remove without asking.")
@click.pass_context
def forget(ctx: click.Context, participant: str, runs: tuple[Path, ...], key: Path | None, yes: bool) -> None:
    """Remove PARTICIPANT from the cache and from runs, and list what of them stays.

    What is changed is listed first. Pictures, frozen features and extracted tables in the cache do not say whose they
    are: all of them go, and are made anew from the recordings when they are needed. Of a run the person's
    predictions, sums and names go; weights and aggregate scores stay, and the run cannot be resumed.
    """
    if not participant.strip():
        raise InputError.of("PARTICIPANT", found="an empty name", expected="the id of a participant")
    places = _runs(runs)
    copies = copies_of(participant)
    known = read_key(key, make=False)
    if key is not None and known is None:
        raise InputError.of("--key", found=f"{key}, which is not there", expected="the file of a key of pseudonyms")
    changes, damaged = _changes(places, participant, known)
    _check_keys(changes, known)
    if not changes and not damaged and not copies.tables:
        _say_unknown(participant, places)
    _list(copies, changes)
    if (copies.paths or changes) and not _agreed(copies, changes, yes=yes):
        click.echo("nothing was removed", err=True)
        return
    if known is None and changes:  # before anything is removed: the record of it needs a key
        known = read_key()
    kept = [str(path) for path in _from_cache(copies)] + _from_runs(changes, participant, known)
    _say_what_stays(participant, places, {one.run for one in changes})
    for words in kept:
        click.echo(printable(f"kept      {words}, where another process is at work; repeat later"), err=True)
    for words in damaged:
        click.echo(printable(f"kept      {words}"), err=True)
    ctx.exit(exit_codes.SOME_FAILED if kept or damaged else 0)


def _say_unknown(participant: str, places: Sequence[Path]) -> None:
    """Print that no run names the person, so that a slip of the pen is not taken for a removal.

    InputError for a name that a run writes in other letters: what follows would remove everybody's pictures, not them.
    """
    from orchestrator.corpora.findings import shortened
    from orchestrator.evaluation.person_removal import people_of

    named: set[str] = set()
    for folder in places:
        with contextlib.suppress(InputError, OSError):
            named |= people_of(folder)
    alike = sorted(one for one in named if one.strip().casefold() == participant.strip().casefold())
    if alike:
        raise InputError.of("PARTICIPANT", found=f"{participant}, whom no run names", expected=" or ".join(alike))
    there = f", which have {shortened(sorted(named))}" if named else ""
    click.echo(
        printable(f"nobody named {participant} is in {number_of(len(places), 'run')} looked through{there}"), err=True
    )


def _runs(named: Sequence[Path]) -> list[Path]:
    """Return the folders of the runs that are named, else of all in runs/; InputError for what is no run."""
    if not named:
        place = Path(RUNS_FOLDER)
        return [one.folder for one in past_runs(place)] if place.is_dir() else []
    for folder in named:
        if not (folder / PLAN_FILE).is_file():
            raise InputError.of("--run", found=f"{folder} without {PLAN_FILE}", expected="the folder of a run")
    return list(dict.fromkeys(named))


def _changes(places: Sequence[Path], participant: str, key: bytes | None) -> tuple[list[RunRemoval], list[str]]:
    """Return what changes in the runs that hold the person, and the faults of those that cannot be read."""
    from orchestrator.evaluation.person_removal import removal_of

    changes, damaged = [], []
    for folder in places:
        try:
            settle(folder)
            change = removal_of(folder, participant, key)
        except (InputError, OSError) as error:
            damaged.append(f"{folder} as it is: {error}")
            continue
        if not change.empty:
            changes.append(change)
    return changes, damaged


def _check_keys(changes: Sequence[RunRemoval], key: bytes | None) -> None:
    """Refuse a key with which the person would stay in a run's audit (InputError names all such audits)."""
    from orchestrator.evaluation.person_removal import check_audit_key

    gather = Gather()
    for change in changes:
        gather.run(functools.partial(check_audit_key, change.run, key))
    gather.settle()


def _list(copies: Copies, changes: Sequence[RunRemoval]) -> None:
    """Print what goes, path by path."""
    own = [path for _, paths in copies.tables for path in paths]
    for path in own:
        click.echo(printable(f"removes   {path}: features and labels"))
    for one in copies.nameless:
        for path in one.paths:
            click.echo(printable(f"removes   {path}: {one.kind}; whose is not recorded, so all go"))
    if not copies.paths:
        click.echo("the cache holds nothing of this person")
    for change in changes:
        for name in change.removed:
            click.echo(printable(f"removes   {change.run / name}: of all people, read by resuming alone, or a picture"))
        for name in change.replaced:
            click.echo(printable(f"changes   {change.run / name}: without the person"))
        click.echo(printable(f"keeps     {change.run}: {SCORES_STAY}"))


def _agreed(copies: Copies, changes: Sequence[RunRemoval], *, yes: bool) -> bool:
    """Ask; InputError if there is nobody to ask and no `yes`."""
    if yes:
        return True
    if not _at_a_terminal():
        number = len(copies.paths) + sum(len(one.removed) + len(one.replaced) for one in changes)
        found = f"{number} paths to remove or change and nobody to ask"
        raise InputError.of("data forget", found=found, expected="--yes to remove them")
    return click.confirm("Remove these?", default=False, err=True)


def _from_cache(copies: Copies) -> Sequence[Path]:
    """Remove what the cache has; return what stays because somebody writes it."""
    if not copies.paths:
        return ()
    kept = remove_copies(copies)
    click.echo(f"removed   {number_of(len(copies.paths) - len(kept), 'path')} from the cache")
    return kept


def _from_runs(changes: Sequence[RunRemoval], participant: str, key: bytes | None) -> list[str]:
    """Remove the person from each run, as it is now; return the runs that stay because somebody works in them."""
    if not changes:
        return []
    from orchestrator.evaluation.person_removal import removal_of

    assert key is not None, "it is made if it is not there"
    kept = []
    for change in changes:
        try:
            with locked(change.run / LOCK_FILE, wait_seconds=0):
                now = removal_of(change.run, participant, key)
                if not now.empty:
                    remove(now, participant, key)
        except TimeoutError:
            kept.append(str(change.run))
            continue
        except OSError as error:
            reason = f"{error.filename or change.run}: {error.strerror or error}"
            raise InputError.of("--run", found=reason, expected="a run's folder that can be written") from error
        click.echo(printable(f"removed   the person from {change.run}"))
    return kept


def _at_a_terminal() -> bool:
    """Return whether somebody can be asked: both the question and the answer pass a terminal."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


def _say_what_stays(participant: str, places: Sequence[Path], changed: Collection[Path]) -> None:
    """List what still holds the person in the runs, path by path, and what no command removes; `changed` held them."""
    stores: list[str] = []
    for folder in places:
        found = {one.path: one.what for one in traces(folder, participant)}
        found |= dict.fromkeys(weights(folder), WEIGHTS) if folder in changed else {}
        for path, what in sorted(found.items()):
            click.echo(printable(f"not removed  {path}: {what}"))
        copy = mlflow_copy(folder) if found or folder in changed else None
        if copy is not None:
            stores.append(
                f"MLflow's copies at {copy[0]}, run {copy[1]} with its children, parameters and artifacts;"
                f" `track {folder}` writes the changed files over its artifacts"
            )
    if not places:
        click.echo("no run was looked through")
    for words in (*stores, *STAYS):
        click.echo(printable(f"not removed  {words}"))
