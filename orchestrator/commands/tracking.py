"""The commands that read or write the MLflow store: `track`, `report` and `ui`."""

from pathlib import Path

import click

from orchestrator.commands import options as opt
from orchestrator.commands.option_types import RunFolder
from orchestrator.errors import printable
from orchestrator.process import exit_codes
from orchestrator.run_folder import RUNS_FOLDER


@click.command()
@click.argument("directory", type=RunFolder())
@click.option("--tracking-uri", help="Another MLflow store than the run's own.")
@click.pass_context
def track(ctx: click.Context, directory: Path, tracking_uri: str | None) -> None:
    """Write into MLflow what a run in DIRECTORY left and the store lacks."""
    from orchestrator.tracking.tracker import write_missing

    report = write_missing(directory, tracking_uri)
    click.echo(str(report))
    ctx.exit(0 if report.complete else exit_codes.SOME_FAILED)


@click.command()
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

    from orchestrator.report.make import make_report
    from orchestrator.tracking.location import resolve_tracking_uri

    output = output or Path(RUNS_FOLDER) / f"report-{datetime.now():%Y%m%d-%H%M%S}"
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


@click.command()
@click.option("--tracking-uri", help="MLflow store; else MLFLOW_TRACKING_URI, else the project's own.")
@click.option("--port", type=click.IntRange(1, 65535), default=5000, show_default=True)
@click.pass_context
def ui(ctx: click.Context, tracking_uri: str | None, port: int) -> None:
    """Open the MLflow UI on 127.0.0.1."""
    from orchestrator.tracking.location import resolve_tracking_uri
    from orchestrator.tracking.ui import serve_ui

    ctx.exit(serve_ui(resolve_tracking_uri(tracking_uri), port))
