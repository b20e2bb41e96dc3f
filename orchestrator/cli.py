"""The command line. It imports nothing heavy until a command runs, so that --help answers at once."""

import sys
from pathlib import Path
from typing import Any

import click

from orchestrator import cli_models, exit_codes, terminal
from orchestrator import options as opt
from orchestrator.errors import InputError, printable
from orchestrator.interrupts import take_as_ctrl_c
from orchestrator.search.endings import SearchEnded
from orchestrator.tracking.address import hide_password, leave_command_line
from orchestrator.unforeseen import unforeseen

RUN = "affect-orchestrator.run"  # in a context's meta: the folder of the run that is under way


class Guarded(click.Group):
    """Turns whatever ends a command into one line a problem and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; InputError ends with 2, Ctrl-C with 130, what nobody foresaw with 70."""
        try:
            return super().invoke(ctx)
        except InputError as error:
            for problem in error.problems:
                _complain(f"error: {problem}")
            ctx.exit(exit_codes.INPUT)
        except SearchEnded as error:
            _complain(f"error: {error}")
            _say_how_on(ctx)
            ctx.exit(error.exit_code)
        except click.ClickException as error:  # it repeats what was typed
            vars(error)["message"] = printable(hide_password(error.message))
            raise
        except KeyboardInterrupt:
            _complain("interrupted")
            _say_how_on(ctx)
            ctx.exit(exit_codes.INTERRUPTED)
        except (click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except Exception as error:
            _complain(unforeseen(error, str(ctx.invoked_subcommand), ctx.meta.get(RUN)))
            ctx.exit(exit_codes.UNFORESEEN)


def _say_how_on(ctx: click.Context) -> None:
    """Say how the run goes on that was under way; one that never began has left no folder."""
    run = ctx.meta.get(RUN)
    if run is not None and run.is_dir():
        _complain(f"continue with  python -m orchestrator tune --resume {run}")


def _complain(line: str) -> None:
    """Write a line for people that may repeat what others wrote: no log-in, and nothing that steers a terminal."""
    click.echo(printable(hide_password(line)), err=True)


@click.group(cls=Guarded, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="affect-orchestrator", message="%(package)s %(version)s")
def cli() -> None:
    """Privacy-preserving affect recognition: search, evaluate, track and compare the paper's methods."""


@cli.command()
@opt.method_option
@opt.data_options
@click.option("--preset", type=click.Choice(["demo", "paper"]), help="demo without --data, paper with it.")
@click.option("--network", "networks", multiple=True, help="Only this network; may be given several times.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=V1,V2", help="Replace values of the grid.")
@click.option("--search", type=click.Choice(["grid", "random", "optuna"]), default="grid", show_default=True)
@click.option("--scheduler", type=click.Choice(["fifo", "asha"]), default="fifo", show_default=True)
@click.option("--trials", type=opt.POSITIVE, help="At most so many configurations.")
@click.option("--hours", type=opt.ABOVE_ZERO, help="Stop after so many hours; --resume continues.")
@opt.protocol_options
@opt.image_options
@opt.federation_options
@opt.run_options
@click.option("--dry-run", is_flag=True, help="Say what would run, how large and how long; train nothing.")
@opt.path_option("--resume", metavar="DIR", help="Continue the run in DIR; needs no other option.")
@click.pass_context
def tune(ctx: click.Context, /, **values: Any) -> None:
    """Search a method's grid with Ray Tune and record every configuration in MLflow."""
    if values["resume"]:
        _resume(ctx, values["resume"])
        return
    from orchestrator import launch, preview
    from orchestrator.commands.requests import request

    ready = launch.prepare(request("tune", values), claim=not values["dry_run"], show=_show)
    if values["dry_run"]:
        click.echo(preview.dry_run(ready))
        return
    _execute(ctx, ready)


@cli.command()
@opt.method_option
@click.option("--network", required=True)
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
    from orchestrator import launch
    from orchestrator.commands.requests import request

    _execute(ctx, launch.prepare(request("evaluate", values), claim=True, show=_show))


@cli.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--tracking-uri", help="Another MLflow store than the run's own.")
@click.pass_context
def track(ctx: click.Context, directory: Path, tracking_uri: str | None) -> None:
    """Write into MLflow what a run in DIRECTORY left and the store lacks."""
    from orchestrator.tracking.tracker import write_missing

    report = write_missing(directory, tracking_uri)
    click.echo(str(report))
    ctx.exit(0 if report.complete else exit_codes.SOME_FAILED)


@cli.command()
@click.option("--tracking-uri", help="MLflow store; else MLFLOW_TRACKING_URI, else the project's own.")
@click.option("--experiment", "experiments", multiple=True, help="Only this one; may be repeated. Else all affect-*.")
@click.option("--run", "runs", multiple=True, metavar="ID", help="Only this search; may be repeated.")
@click.option("--corpus", metavar="SHA256|NAME", help="Of these recordings; else those of most finished searches.")
@opt.path_option("--output", help="The folder to write; new, under runs/ if not given.")
@opt.force_option
def report(  # noqa: PLR0913 - one parameter an option
    tracking_uri: str | None,
    experiments: tuple[str, ...],
    runs: tuple[str, ...],
    *,
    corpus: str | None,
    output: Path | None,
    force: bool,
) -> None:
    """Write the paper's tables beside ours, from MLflow: HTML, Markdown, CSV."""
    from datetime import datetime

    from orchestrator.report.making import make_report
    from orchestrator.tracking.location import resolve_tracking_uri

    output = output or Path("runs") / f"report-{datetime.now():%Y%m%d-%H%M%S}"
    made = make_report(resolve_tracking_uri(tracking_uri), experiments, runs, output, corpus=corpus, force=force)
    for one in made.listed:
        if one.note and not one.reported:
            click.echo(printable(f"not reported: {one.run.run_id[:8]} {one.run.name}: {one.note}"), err=True)
    if made.corpus is not None:
        click.echo(printable(f"corpus: {made.corpus.title}"))
    if made.others:
        others = "; ".join(one.title for one in made.others)
        click.echo(printable(f"other corpora in the store (--corpus chooses one): {others}"))
    click.echo(f"{len(made.searches)} searches reported; written to {output / 'report.html'}")


@cli.command()
@click.option("--tracking-uri", help="MLflow store; else MLFLOW_TRACKING_URI, else the project's own.")
@click.option("--port", type=click.IntRange(1, 65535), default=5000, show_default=True)
@click.pass_context
def ui(ctx: click.Context, tracking_uri: str | None, port: int) -> None:
    """Open the MLflow UI on 127.0.0.1."""
    from orchestrator.tracking.location import resolve_tracking_uri
    from orchestrator.tracking.ui import serve_ui

    ctx.exit(serve_ui(resolve_tracking_uri(tracking_uri), port))


@cli.group()
def data() -> None:
    """Look at recordings, convert them, extract action units, make a synthetic corpus."""


@data.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--corpus", type=click.Choice(opt.CORPORA))
@opt.reading_options
@opt.corpus_options
@click.option("--json", "as_json", is_flag=True, help="The manifest as JSON.")
def check(path: Path, corpus: str | None, as_json: bool, **values: Any) -> None:
    """Read a corpus and say what is in it, what was dropped and why."""
    import json

    from orchestrator.corpora.manifest import manifest, manifest_text
    from orchestrator.corpora.opening import open_corpus

    how: dict[str, Any] = {"reading": opt.reading(values), "options": opt.read_options(values)}
    found = open_corpus(path, corpus=corpus, **how)
    click.echo(json.dumps(manifest(found), indent=1, allow_nan=False) if as_json else manifest_text(found))


@data.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--corpus", type=click.Choice(opt.CORPORA))
@opt.reading_options
@opt.corpus_options
@opt.path_option("--out", required=True, help="The Parquet file to write.")
@opt.force_option
def convert(path: Path, corpus: str | None, out: Path, force: bool, **values: Any) -> None:
    """Write any corpus as one `table` file."""
    from orchestrator.corpora import convert as converting
    from orchestrator.corpora.opening import open_corpus
    from orchestrator.output_checks import check_output

    converting.check_name(out)
    check_output("--out", out, inputs={"PATH": path}, force=force)
    how: dict[str, Any] = {"reading": opt.reading(values), "options": opt.read_options(values)}
    converting.convert(open_corpus(path, corpus=corpus, **how), out)
    click.echo(f"written to {out}")


@data.command()
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
def template(folder: Path) -> None:
    """Write a small valid folder of recordings to copy: features, labels, participants.csv, a README."""
    from orchestrator.corpora.template import write_template
    from orchestrator.run_folder import new_folder

    try:
        with new_folder(folder, "DIR"):
            write_template(folder)
    except OSError as error:
        found = f"{folder}: {error.strerror or error}"
        raise InputError.of("DIR", found=found, expected="a new folder that can be written") from error
    click.echo(f"written to {folder}: made-up numbers to put yours in the place of; {folder / 'README.md'} says how")


@data.command()
@opt.path_option("--out", required=True, help="A new folder.")
@click.option("--participants", type=int, default=23, show_default=True)
@click.option("--seconds", type=float, default=300.0, show_default=True)
@click.option("--hz", type=float, default=25.0, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--identity", type=float, help="0 to 1: how much of a person shows in the features.")
@click.option("--faces", is_flag=True, help="Draw the faces as well: a video a participant.")
@click.option("--face-size", type=int, help="Pixels of a side of the videos.")
def synthesize(out: Path, **values: Any) -> None:
    """Write a synthetic corpus as a RECOLA tree."""
    from orchestrator.corpora.synthetic import synthesize as write

    write(out, **{name: value for name, value in values.items() if value is not None})
    click.echo(f"written to {out}: synthetic, comparable with no published figure")


@data.command()
@click.argument("source", type=click.Path(path_type=Path))
@opt.path_option("--out", required=True, help="Folder for features/NAME.csv.")
@click.option("--tool", type=click.Choice(["openface", "py-feat"]), default="openface", show_default=True)
@click.option("--executable", help="OpenFace's FeatureExtraction, where it is not on the PATH.")
@click.option("--discard-video", is_flag=True, help="Delete each video once its table was read back whole.")
@click.pass_context
def extract(ctx: click.Context, /, source: Path, out: Path, tool: Any, **values: Any) -> None:
    """Extract action units from a video or a folder of videos: level 1's first step."""
    from orchestrator.corpora.extract import extract as run
    from orchestrator.output_checks import check_output_folder

    check_output_folder("--out", out / "features", inputs={"SOURCE": source})
    report = run(source, out, tool=tool, **values)
    for problem in report.failed:
        click.echo(f"failed: {problem}", err=True)
    for problem in report.kept:
        click.echo(f"video kept: {problem}", err=True)
    click.echo(
        f"{len(report.done)} tables written to {out / 'features'}, {len(report.skipped)} were there,"
        f" {len(report.failed)} videos failed, {len(report.discarded)} videos discarded"
    )
    ctx.exit(exit_codes.SOME_FAILED if report.failed else 0)


def _resume(ctx: click.Context, directory: Path) -> None:
    from click.core import ParameterSource

    given = [
        parameter.opts[0]
        for parameter in ctx.command.params
        if parameter.name not in (None, "resume")
        and ctx.get_parameter_source(str(parameter.name)) is ParameterSource.COMMANDLINE
    ]
    if given:
        raise InputError.of(
            "--resume", found=f"beside {', '.join(given)}", expected="no other option: the plan has them"
        )
    from orchestrator import launch

    _execute(ctx, launch.resume(directory, _show))


def _show(line: str) -> None:
    click.echo(line, err=True)


def _execute(ctx: click.Context, ready: Any) -> None:
    from orchestrator import preview
    from orchestrator.commands.console import present
    from orchestrator.search.run import execute

    ctx.meta[RUN] = ready.output
    with ready.claim:
        click.echo(preview.announce(ready.plan, ready.dataset))
        sys.stdout.flush()
        code = present(execute(ready))
    ctx.exit(code)


cli_models.register(cli)


def main() -> None:
    """Run the command line."""
    leave_command_line()
    take_as_ctrl_c()
    terminal.forgive()
    cli(prog_name="python -m orchestrator")
