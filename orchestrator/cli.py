"""The command line. It imports nothing heavy until a command runs, so that --help answers at once."""

import os
import sys
from pathlib import Path
from typing import Any

import click

from orchestrator.commands import (
    auditing,
    cache,
    comparing,
    data,
    forget,
    models,
    papers,
    runs,
    scoring,
    search,
    tracking,
)
from orchestrator.commands.help_sections import Listed
from orchestrator.commands.option_types import complaint
from orchestrator.errors import InputError, printable
from orchestrator.process import exit_codes, terminal
from orchestrator.process.interrupts import let_imports_end, take_as_ctrl_c
from orchestrator.process.unforeseen import unforeseen
from orchestrator.search.endings import SearchEnded
from orchestrator.tracking.address import hide_password, leave_command_line

SCRIPT = "affect-orchestrator"  # as pyproject.toml installs it
COMPLETION = "_AFFECT_ORCHESTRATOR_COMPLETE"  # what click's completion of that name sets


class Guarded(Listed):
    """Turns whatever ends a command into one line per problem and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; InputError ends with 2, Ctrl-C with 130, an unexpected error with 70."""
        try:
            result = super().invoke(ctx)
            terminal.check_output()
            return result
        except InputError as error:
            for problem in error.problems:
                _complain(f"error: {problem}")
            ctx.exit(exit_codes.INPUT)
        except terminal.OutputLostError as error:
            _complain(f"error: {error}")
            ctx.exit(exit_codes.SOME_FAILED)
        except SearchEnded as error:
            _complain(f"error: {error}")
            _say_how_on(ctx)
            ctx.exit(error.exit_code)
        except click.ClickException as error:  # it repeats what was typed
            message = complaint(error) if isinstance(error, click.BadParameter) else error.message
            vars(error)["message"] = printable(hide_password(message))
            raise
        except KeyboardInterrupt:
            _complain("interrupted")
            _say_how_on(ctx)
            ctx.exit(exit_codes.INTERRUPTED)
        except (click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except Exception as error:
            _complain(unforeseen(error, str(ctx.invoked_subcommand), ctx.meta.get(search.RUN)))
            ctx.exit(exit_codes.UNFORESEEN)


def _say_how_on(ctx: click.Context) -> None:
    """Print how to continue the interrupted run; a run that never began has left no folder."""
    run = ctx.meta.get(search.RUN)
    if run is not None and run.is_dir():
        _complain(f"continue with  python -m orchestrator tune --resume {run}")


def _complain(line: str) -> None:
    """Write a line for people that may repeat what others wrote: no log-in, and nothing that steers a terminal."""
    click.echo(printable(hide_password(line)), err=True)


@click.group(cls=Guarded, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="affect-orchestrator", message="%(package)s %(version)s")
def cli() -> None:
    """Privacy-preserving affect recognition: search, evaluate, track and compare the paper's methods."""


data.data.add_command(forget.forget)
for command in (
    search.tune,
    search.evaluate,
    tracking.track,
    tracking.report,
    tracking.ui,
    data.data,
    models.predict,
    scoring.score,
    models.export,
    models.benchmark,
    models.fuse,
    comparing.compare,
    auditing.audit,
    papers.papers,
    runs.runs,
    cache.cache,
):
    cli.add_command(command)


def main() -> None:
    """Run the command line."""
    leave_command_line()
    take_as_ctrl_c()
    let_imports_end()
    terminal.forgive()
    # Whoever typed the script's name reads it in the usage; a shell completes that name only, not `python -m`.
    script = Path(sys.argv[0]).stem == SCRIPT or COMPLETION in os.environ
    cli(prog_name=SCRIPT if script else "python -m orchestrator", complete_var=COMPLETION)
