"""The commands that read or write the MLflow store: `track`, `report` and `ui`."""

from pathlib import Path
from typing import Any

import click

from orchestrator.commands import options as opt
from orchestrator.commands.option_types import RunFolder, SearchId
from orchestrator.errors import number_of, printable
from orchestrator.process import exit_codes
from orchestrator.run_folder import RUNS_FOLDER

ONLY_RUNS = "Only this search, by its MLflow id, its folder or latest; may be repeated."


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
@click.option("--run", "runs", multiple=True, type=SearchId(), metavar="RUN", help=ONLY_RUNS)
@click.option("--corpus", metavar="SHA256|NAME", help="Of these recordings; else those of most finished searches.")
@opt.path_option("--output", help="The folder to write; new, under runs/ if not given.")
@click.option("--price-per-hour", type=opt.ABOVE_ZERO, help="Of training, in any currency: adds what each method cost.")
@opt.path_option("--summary", metavar="FILE.html|FOLDER", help="Write one page for people who decide, and no report.")
@opt.force_option
def report(  # noqa: PLR0913 - one parameter an option
    tracking_uri: str | None,
    experiments: tuple[str, ...],
    runs: tuple[str, ...],
    *,
    corpus: str | None,
    output: Path | None,
    price_per_hour: float | None,
    summary: Path | None,
    force: bool,
) -> None:
    """Write the paper's tables beside ours, from MLflow: HTML, Markdown, CSV.

    \f

    From the store at `tracking_uri`, of all `experiments` and `runs` or of those named, and one `corpus`; to `output`,
    or with `summary` one page. `price_per_hour` adds what training costs; `force` replaces what is there.
    """
    from datetime import datetime

    from orchestrator.errors import InputError
    from orchestrator.report.make import make_report
    from orchestrator.report.summary_page import make_summary, page_path
    from orchestrator.tracking.location import resolve_tracking_uri

    if summary is not None and output is not None:
        raise InputError.of("--summary", found="beside --output", expected="one of the two: the page or the report")
    settings: Any = {"corpus": corpus, "force": force, "price_per_hour": price_per_hour}
    store = resolve_tracking_uri(tracking_uri)
    if summary is not None:
        page = page_path(summary)
        made = make_summary(store, experiments, runs, page, **settings)
    else:
        output = output or Path(RUNS_FOLDER) / f"report-{datetime.now():%Y%m%d-%H%M%S}"
        page = output / "report.html"
        made = make_report(store, experiments, runs, output, **settings)
    for one in made.listed:
        if one.note and not one.reported:
            click.echo(printable(f"not reported: {one.run.run_id[:8]} {one.run.name}: {one.note}"), err=True)
    if made.corpus is not None:
        click.echo(printable(f"corpus: {made.corpus.title}"))
    if made.others:
        others = "; ".join(one.title for one in made.others)
        click.echo(printable(f"other corpora in the store (--corpus chooses one): {others}"))
    click.echo(f"{number_of(len(made.searches), 'search', 'searches')} reported; written to {page}")


@click.command()
@click.option("--tracking-uri", help="MLflow store; else MLFLOW_TRACKING_URI, else the project's own.")
@click.option("--port", type=click.IntRange(1, 65535), default=5000, show_default=True)
@click.pass_context
def ui(ctx: click.Context, tracking_uri: str | None, port: int) -> None:
    """Open the MLflow UI on 127.0.0.1."""
    from orchestrator.tracking.location import resolve_tracking_uri
    from orchestrator.tracking.ui import serve_ui

    ctx.exit(serve_ui(resolve_tracking_uri(tracking_uri), port))
