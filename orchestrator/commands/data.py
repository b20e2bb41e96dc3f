"""The commands about recordings: `data check`, `convert`, `template`, `synthesize` and `extract`."""

from pathlib import Path
from typing import Any

import click

from orchestrator.commands import options as opt
from orchestrator.commands.help_sections import Listed
from orchestrator.commands.option_types import OneOf
from orchestrator.corpora.catalogue import CORPORA
from orchestrator.corpora.extraction.tool_names import AUTO, NAMES
from orchestrator.errors import InputError, cut, number_of, printable
from orchestrator.process import exit_codes, terminal


@click.group(cls=Listed)
def data() -> None:
    """Look at recordings, convert them, extract action units, make a synthetic corpus."""


@data.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--corpus", type=OneOf(CORPORA))
@opt.reading_options
@opt.corpus_options
@click.option("--json", "as_json", is_flag=True, help="The manifest as JSON.")
def check(path: Path, corpus: str | None, as_json: bool, **values: Any) -> None:
    """Read a corpus and say what is in it, what was dropped and why."""
    import json

    from orchestrator.corpora.manifest import manifest, manifest_text
    from orchestrator.corpora.readers import open_corpus

    terminal.output_is_the_only_work()
    how: dict[str, Any] = {"reading": opt.reading(values), "options": opt.read_options(values)}
    found = open_corpus(path, corpus=corpus, **how)
    click.echo(json.dumps(manifest(found), indent=1, allow_nan=False) if as_json else manifest_text(found))


@data.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--corpus", type=OneOf(CORPORA))
@opt.reading_options
@opt.corpus_options
@opt.output_option(help="The Parquet file to write.")
@opt.force_option
def convert(path: Path, corpus: str | None, output: Path, force: bool, **values: Any) -> None:
    """Write any corpus as one `table` file."""
    from orchestrator.corpora import convert as converting
    from orchestrator.corpora.findings import shortened
    from orchestrator.corpora.readers import open_corpus
    from orchestrator.output_checks import check_output

    converting.check_name(output)
    check_output("--output", output, inputs={"PATH": path}, force=force)
    how: dict[str, Any] = {"reading": opt.reading(values), "options": opt.read_options(values)}
    found = open_corpus(path, corpus=corpus, **how)
    converting.convert(found, output)
    click.echo(f"written to {output}")
    names = dict.fromkeys(name for own in found.attributes.values() for name in own)
    if names:
        shown = printable(shortened(map(cut, names)))
        click.echo(f"not in it: {shown} of participants.csv; it is read, too, if it lies beside {output.name}")


@data.command()
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
def template(folder: Path) -> None:
    """Write a small valid folder of recordings to copy: features, labels, participants.csv, a README."""
    from orchestrator.corpora.formats.template import write_template
    from orchestrator.run_folder import new_folder

    try:
        with new_folder(folder, "DIR"):
            write_template(folder)
    except OSError as error:
        found = f"{folder}: {error.strerror or error}"
        raise InputError.of("DIR", found=found, expected="a new folder that can be written") from error
    click.echo(f"written to {folder}: made-up numbers to put yours in the place of; {folder / 'README.md'} says how")


@data.command()
@opt.output_option(help="A new folder.")
@click.option("--participants", type=int, default=23, show_default=True)
@click.option("--seconds", type=float, default=300.0, show_default=True)
@click.option("--hz", type=float, default=25.0, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--identity", type=float, help="0 to 1: how much of a person shows in the features.")
@click.option("--faces", is_flag=True, help="Draw the faces as well: a video per participant.")
@click.option("--face-size", type=int, help="Pixels of a side of the videos.")
@click.option(
    "--tool",
    type=OneOf(("recola", *NAMES)),
    help="Whose tables: RECOLA's (default), or a tool's: a model of those takes videos of yours.",
)
def synthesize(output: Path, **values: Any) -> None:
    """Write a synthetic corpus, as a RECOLA tree or as a folder of a tool's tables."""
    if values["face_size"] is not None and not values["faces"]:
        raise InputError.of("--face-size", found="without --faces", expected="both, or no --face-size")
    from orchestrator.corpora.synthetic.tree import synthesize as write

    write(output, **{name: value for name, value in values.items() if value is not None})
    click.echo(f"written to {output}: synthetic, comparable with no published figure")


@data.command()
@click.argument("source", type=click.Path(path_type=Path))
@opt.output_option(help="Folder for features/NAME.csv.")
@click.option("--tool", type=click.Choice([AUTO, *NAMES]), default=AUTO, show_default=True)
@click.option("--executable", help="OpenFace's FeatureExtraction, or the Python that has the other tool.")
@opt.path_option("--model-file", help="MediaPipe's face_landmarker.task; else it is fetched once.")
@click.option("--discard-video", is_flag=True, help="Delete each video once its table was read back whole.")
@click.pass_context
def extract(ctx: click.Context, /, source: Path, output: Path, **values: Any) -> None:
    """Extract facial features from a video or a folder of videos: level 1's first step.

    A run that was broken off goes on if it is repeated.
    """
    from orchestrator.corpora.extraction.extract import extract as run
    from orchestrator.output_checks import check_output_folder

    check_output_folder("--output", output / "features", inputs={"SOURCE": source})
    report = run(source, output, **values, show=lambda line: click.echo(printable(line), err=True))
    for line in report.left_out:
        click.echo(f"left out: {line}", err=True)
    for problem in report.failed:
        click.echo(f"failed: {problem}", err=True)
    for problem in report.kept:
        click.echo(f"video kept: {problem}", err=True)
    click.echo(
        f"{number_of(len(report.done), 'table')} written to {output / 'features'}, {len(report.skipped)} there before,"
        f" {number_of(len(report.failed), 'video')} failed, {number_of(len(report.discarded), 'video')} discarded"
    )
    ctx.exit(exit_codes.SOME_FAILED if report.failed else 0)
