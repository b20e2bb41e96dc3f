"""The command `compare`: runs on the same recordings, paired over participants. Nothing heavy until it runs."""

from pathlib import Path

import click

from orchestrator.commands import options as opt
from orchestrator.commands.models import store_option
from orchestrator.commands.option_types import RunName
from orchestrator.errors import InputError, number_of
from orchestrator.process import terminal

TABLE_FILE = "comparisons.csv"
FIGURE_FILE = "comparisons.svg"  # and .pdf, .png


@click.command()
@click.argument("runs", nargs=-1, type=RunName(), required=True, metavar="RUN1 RUN2 ...")
@opt.path_option("--output", help=f"A new folder for {TABLE_FILE} and {FIGURE_FILE}.")
@store_option
def compare(runs: tuple[str, ...], output: Path | None, tracking_uri: str | None) -> None:
    """Compare runs on the same recordings, paired over participants: whatever else differs between them."""
    from orchestrator.output_checks import check_output_folder
    from orchestrator.report.run_comparison import compare_runs
    from orchestrator.report.run_comparison_output import as_csv, text

    if output is not None:
        inputs = {run: Path(run) for run in runs if Path(run).is_dir()}
        check_output_folder("--output", output, inputs=inputs)
    found = compare_runs(runs, tracking_uri=tracking_uri)
    click.echo(text(found))
    if output is None:
        terminal.output_is_the_only_work()
        return
    from orchestrator.files import write_text
    from orchestrator.report.figures.files import write_figure
    from orchestrator.report.figures.run_pairs import draw
    from orchestrator.run_folder import new_folder

    try:
        with new_folder(output):
            write_text(output / TABLE_FILE, as_csv(found))
            write_figure(output, draw(found))
    except OSError as error:
        reason = f"{output}: {error.strerror or error}"
        raise InputError.of("--output", found=reason, expected="a new folder that can be written") from error
    click.echo(f"written to {output}: {number_of(len(found.pairs), 'comparison')} of {len(found.runs)} runs")
