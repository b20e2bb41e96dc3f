"""The commands that train: `tune` and `evaluate`. Nothing heavy is imported until one of them runs."""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from models.sizes import NETWORKS
from orchestrator.commands import options as opt
from orchestrator.commands.config_file import as_toml, beside_file, config_options
from orchestrator.commands.help_sections import Sectioned
from orchestrator.commands.option_types import OneOf, RunFolder
from orchestrator.errors import InputError
from orchestrator.planning.strategies import SCHEDULERS, SEARCHES
from orchestrator.process import exit_codes, terminal

if TYPE_CHECKING:
    from orchestrator.search.display import Phases

ADDITIONS = ("networks", "overrides", "trials", "hours", "dry_run", "yes")  # what goes with --extend
RUN = "affect-orchestrator.run"  # in a context's meta: the folder of the run that is under way


@click.command(cls=Sectioned)
@config_options
@opt.method_option
@opt.data_options
@click.option(
    "--preset",
    type=click.Choice(["demo", "standard", "paper"]),
    help="demo without --data; standard, about 40 configurations, with it; paper is the full grid.",
)
@click.option(
    "--network",
    "networks",
    multiple=True,
    help=f"Only this network, one of {', '.join(NETWORKS)}; may be given several times.",
)
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=V1,V2",
    callback=beside_file,
    help="Replace values of the grid.",
)
@click.option("--search", type=OneOf(SEARCHES), help="spread with the preset standard, else grid.")
@click.option("--scheduler", type=OneOf(SCHEDULERS), help="asha with the preset standard, else fifo.")
@click.option("--trials", type=opt.POSITIVE, help="At most so many configurations; else the preset's.")
@click.option("--hours", type=opt.ABOVE_ZERO, help="Stop after so many hours; --resume continues.")
@opt.protocol_options
@opt.image_options
@opt.federation_options
@opt.run_options
@click.option("--dry-run", is_flag=True, help="Say what would run, how large and how long; train nothing.")
@click.option("--yes", is_flag=True, help="Begin without a question, also if the search takes more than a day.")
@click.option(
    "--resume", type=RunFolder(), metavar="DIR", help="Continue the run in DIR, or latest; needs no other option."
)
@click.option(
    "--extend",
    type=RunFolder(),
    metavar="DIR",
    help="Add to the search in DIR, or latest: values by --set, --network, or --trials; what is done is kept.",
)
@click.pass_context
def tune(ctx: click.Context, /, **values: Any) -> None:
    """Search a method's grid with Ray Tune and record every configuration in MLflow.

    \b
    tune --method au                       the embedded corpus, some minutes
    tune --method au --data DIR --dry-run  what would run, and how long
    tune --method au --data DIR --hours 8  what a night has time for
    tune --resume latest                   go on after a break
    """
    if values["print_config"]:
        terminal.output_is_the_only_work()
        click.echo(as_toml(ctx))
        return
    if values["resume"]:
        _resume(ctx, values["resume"])
        return
    if values["extend"]:
        _extend(ctx, values)
        return
    phases = _phases()
    from orchestrator.commands import preview
    from orchestrator.commands.requests import request
    from orchestrator.planning import launch

    ready = launch.prepare(request("tune", values), claim=not values["dry_run"], show=phases)
    if values["dry_run"]:
        terminal.output_is_the_only_work()
        phases("timing a few steps of each network ...")
        click.echo(preview.dry_run(ready))
        return
    _execute(ctx, ready, phases, new=True, yes=values["yes"])


@click.command(cls=Sectioned)
@config_options
@opt.method_option
@click.option("--network", required=True, help=f"The network: {', '.join(NETWORKS)}.")
@click.option("--published", is_flag=True, help="The network's row of the paper's Table I.")
@opt.hyper_parameter_options
@opt.data_options
@opt.protocol_options
@opt.image_options
@opt.federation_options
@opt.run_options
@click.pass_context
def evaluate(ctx: click.Context, /, **values: Any) -> None:
    """Train and score the k folds of one configuration."""
    if values["print_config"]:
        terminal.output_is_the_only_work()
        click.echo(as_toml(ctx))
        return
    phases = _phases()
    from orchestrator.commands.requests import request
    from orchestrator.planning import launch

    _execute(ctx, launch.prepare(request("evaluate", values), claim=True, show=phases), phases)


def _given(ctx: click.Context, but: Sequence[str]) -> list[str]:
    """Return the options that were typed, without those of the parameters in `but`."""
    from click.core import ParameterSource

    return [
        parameter.opts[0]
        for parameter in ctx.command.params
        if parameter.name not in (None, *but)
        and ctx.get_parameter_source(str(parameter.name)) is ParameterSource.COMMANDLINE
    ]


def _extend(ctx: click.Context, values: dict[str, Any]) -> None:
    given = _given(ctx, ("extend", *ADDITIONS))
    if given:
        expected = "--set, --network, --trials, --hours, --dry-run, --yes: the plan has the rest"
        raise InputError.of("--extend", found=f"beside {', '.join(given)}", expected=expected)
    phases = _phases()
    from orchestrator.commands import preview
    from orchestrator.planning import extension

    additions = extension.Additions(
        networks=tuple(values["networks"]),
        overrides=tuple(values["overrides"]),
        trials=values["trials"],
        hours=values["hours"],
    )
    found = extension.extend(values["extend"], additions, phases)
    if values["dry_run"]:
        assert found.launch.claim is not None
        with found.launch.claim:
            click.echo(preview.dry_run(dataclasses.replace(found.launch, plan=found.added)))
        click.echo(extension.in_words(found))
        return
    click.echo(extension.in_words(found))
    _execute(ctx, found.launch, phases, new=True, yes=values["yes"], added=found.added)


def _resume(ctx: click.Context, directory: Path) -> None:
    given = _given(ctx, ("resume",))
    if given:
        raise InputError.of(
            "--resume", found=f"beside {', '.join(given)}", expected="no other option: the plan has them"
        )
    phases = _phases()
    from orchestrator.planning import launch

    _execute(ctx, launch.resume(directory, phases), phases)


def _phases() -> "Phases":
    """Return what says the phases of a command, and say the first: torch takes seconds to load."""
    from orchestrator.search.display import Phases

    phases = Phases(lines=True)
    phases("loading torch ...")
    return phases


def _at_a_terminal() -> bool:
    """Return whether somebody can be asked: both what is asked and what is answered pass a terminal."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


def _ask(question: str) -> bool:
    return click.confirm(question, default=False, err=True)


def _execute(  # noqa: PLR0913 - what is run, and who is asked
    ctx: click.Context, ready: Any, phases: "Phases", *, new: bool = False, yes: bool = False, added: Any = None
) -> None:
    """Run what is prepared; a `new` search, or what is `added` to one, begins with consent only if it takes a day."""
    from orchestrator.commands import preview
    from orchestrator.commands.consent import agreed
    from orchestrator.commands.console import present
    from orchestrator.planning import extension
    from orchestrator.search.run import execute

    ctx.meta[RUN] = ready.output
    with ready.claim:
        click.echo(preview.announce(ready.plan, ready.dataset))
        sys.stdout.flush()
        if new and not agreed(added or ready.plan, ready.dataset, yes=yes, ask=_ask if _at_a_terminal() else None):
            phases("not begun")
            ctx.exit(exit_codes.INTERRUPTED)  # as an exception: the claim gives the folder back
        if added is not None:
            extension.save(ready)
        code = present(execute(ready, phases))
    ctx.exit(code)
