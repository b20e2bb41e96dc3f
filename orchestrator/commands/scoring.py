"""The command `score`: a saved model on people with labels. Nothing heavy until it runs."""

from typing import Any

import click

from orchestrator.commands import options as opt
from orchestrator.commands.models import device_option, folder_of, model_option, purpose_option, store_option
from orchestrator.commands.option_types import Finite, OneOf
from orchestrator.corpora.catalogue import CORPORA
from orchestrator.errors import InputError, number_of
from orchestrator.files import JsonObject
from orchestrator.inference.defaults import DEFAULT_OVERLAP, MAX_OVERLAP, NOT_STATED, SYNTHETIC_LINE
from orchestrator.process import terminal


@click.command()
@model_option
@opt.path_option("--data", required=True, help="People with labels, of any corpus that has the model's features.")
@click.option("--corpus", type=OneOf(CORPORA), help="Their format; found by looking if not given.")
@opt.reading_options
@opt.corpus_options
@click.option("--include-seen", is_flag=True, help="Score people of the training, too, by the fold without them.")
@opt.path_option("--output", help="A new folder for scores.json, people.csv, predictions.csv, people.svg.")
@click.option("--overlap", type=Finite(0, MAX_OVERLAP), default=DEFAULT_OVERLAP, show_default=True)
@purpose_option
@device_option
@store_option
def score(**values: Any) -> JsonObject:
    """Score a saved model on labelled people it was not trained on; nothing is trained."""
    from orchestrator.inference.devices import chosen_device
    from orchestrator.inference.predict import Wishes
    from orchestrator.inference.saved_model import open_model
    from orchestrator.inference.score import read_labelled
    from orchestrator.inference.score import score as scoring
    from orchestrator.inference.score_output import record, table
    from orchestrator.output_checks import check_output_folder

    if values["output"]:
        inputs = {"--model": folder_of(values["place"]), "--data": values["data"]}
        check_output_folder("--output", values["output"], inputs=inputs)
    device = chosen_device(values["device"])
    reading, options = opt.reading(values), opt.read_options(values)
    model = open_model(values["place"], tracking_uri=values["tracking_uri"])
    corpus = read_labelled(model, values["data"], corpus=values["corpus"], reading=reading, options=options)
    wishes = Wishes(overlap=values["overlap"], device=device)
    scored = scoring(model, corpus, wishes, include_seen=values["include_seen"])
    if scored.predicted.synthetic:
        click.echo(SYNTHETIC_LINE, err=True)
    for line in scored.lines:
        click.echo(line)
    click.echo(table(scored))
    content = {**record(model, corpus, scored), "purpose": values["purpose"] or NOT_STATED}
    if not values["output"]:
        terminal.output_is_the_only_work()
    else:
        _write(values, content, scored)
        click.echo(f"written to {values['output']}: {number_of(len(scored.people), 'person', 'people')}")
    return content


def _write(values: dict[str, Any], content: JsonObject, scored: Any) -> None:
    from orchestrator.inference.score_output import write
    from orchestrator.protocols import DIMENSIONS
    from orchestrator.report.figures.files import write_figure
    from orchestrator.report.figures.people import draw
    from orchestrator.run_folder import new_folder

    folder = values["output"]
    own = {d: {one.participant: one.ccc[d] for one in scored.people} for d in DIMENSIONS}
    people = number_of(len(scored.people), "person", "people")
    heading = f"{'SYNTHETIC, ' if scored.predicted.synthetic else ''}{people} of {values['data'].name}"
    try:
        with new_folder(folder):
            write(folder, content, scored)
            figure = draw([one.participant for one in scored.people], own, scored.pooled, heading=heading)
            write_figure(folder, figure)
    except OSError as error:
        found = f"{folder}: {error.strerror or error}"
        raise InputError.of("--output", found=found, expected="a new folder that can be written") from error
