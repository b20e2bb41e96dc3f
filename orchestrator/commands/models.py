"""The commands that use saved models: predict, export, benchmark inference, fuse. Nothing heavy until one runs."""

import os
from pathlib import Path
from typing import Any

import click

from orchestrator.commands import options as opt
from orchestrator.commands.help_sections import Listed
from orchestrator.commands.option_types import Finite, Purpose, RunFolder, RunName
from orchestrator.corpora.read_options import checked_pattern
from orchestrator.errors import InputError, number_of, printable
from orchestrator.files import JsonObject
from orchestrator.inference.defaults import (
    DEFAULT_IDLE_SECONDS,
    DEFAULT_OVERLAP,
    MAX_OVERLAP,
    NOT_STATED,
    SYNTHETIC_LINE,
)
from orchestrator.output_checks import check_output, check_output_folder
from orchestrator.process import terminal
from orchestrator.run_folder import CARD_FILE, MODEL_FOLDER

model_option = click.option(
    "--model",
    "place",
    type=RunName(with_file=f"{MODEL_FOLDER}/{CARD_FILE}"),
    required=True,
    metavar="DIR_OR_RUN",
    help="A model's or run's folder, latest, or an MLflow run id.",
)
store_option = click.option("--tracking-uri", help="MLflow store of a run id; else MLFLOW_TRACKING_URI, else ours.")
fold_option = click.option("--fold", type=click.IntRange(min=0), help="The model of one fold only.")
device_option = click.option("--device", help="cpu, cuda ...; what is there if not given.")


purpose_option = click.option(
    "--purpose", type=Purpose(), help="What the predictions are for, one line; recorded beside them."
)


@click.command()
@model_option
@opt.path_option("--input", "source", required=True, help="Features, a video, or a folder of either.")
@opt.reading_options
@opt.participant_option
@opt.path_option("--output", help="The CSV file to write.")
@opt.path_option("--plot", help="Draw the traces: .svg, .pdf or .png.")
@click.option("--plot-people", metavar="P1,P2,...", help="Whom to draw; the first 8 recordings if not given.")
@purpose_option
@opt.force_option
@click.option("--overlap", type=Finite(0, MAX_OVERLAP), default=DEFAULT_OVERLAP, show_default=True)
@click.option("--smooth", type=opt.ABOVE_ZERO, help="Average over so many seconds.")
@click.option("--centre", is_flag=True, help="Move each trace to the mean of the training labels.")
@click.option("--follow", is_flag=True, help="Read a growing table and print predictions as its rows come.")
@click.option("--look-ahead", type=opt.FROM_ZERO, help="--follow: seconds to wait for what comes after a frame.")
@click.option("--idle", type=opt.ABOVE_ZERO, default=DEFAULT_IDLE_SECONDS, show_default=True, help="--follow: end.")
@click.option("--executable", help="For a video: OpenFace's program, or the Python that has the tool.")
@opt.path_option("--model-file", help="Of a video: MediaPipe's face_landmarker.task, or YuNet's file.")
@opt.path_option("--scaling-from", help="--follow: an earlier recording of the person, to scale by.")
@fold_option
@device_option
@store_option
def predict(**values: Any) -> None:
    """Predict valence and arousal from a file or a folder, recorded or still growing."""
    _check_mode(values)
    if not values["follow"]:
        _check_outputs(values)
    from orchestrator.inference.devices import chosen_device
    from orchestrator.inference.saved_model import open_model

    device = chosen_device(values["device"])
    if values["follow"]:
        from orchestrator.inference import live

        terminal.stop_at_a_closed_pipe()

        live.check_source(values["source"])
        model = open_model(values["place"], tracking_uri=values["tracking_uri"])
        wanted = live.Following(
            fold=values["fold"],
            look_ahead_seconds=values["look_ahead"],
            idle_seconds=values["idle"],
            scaling_from=values["scaling_from"],
            device=device,
            reading=opt.reading(values),
        )
        live.follow(model, values["source"], wanted)
        return
    from orchestrator.inference import output as writing
    from orchestrator.inference import predict as predicting
    from orchestrator.inference.from_video import Extracting, is_of_videos

    model = open_model(values["place"], tracking_uri=values["tracking_uri"])
    of_videos = [f"--{name}" for name in ("executable", "model-file") if values[name.replace("-", "_")] is not None]
    if of_videos and model.images is None and values["source"].exists() and not is_of_videos(values["source"]):
        found = f"beside tables, {values['source']}"
        raise InputError.of(", ".join(of_videos), found=found, expected="a video, or tables without it")
    wishes = predicting.Wishes(
        fold=values["fold"],
        overlap=values["overlap"],
        smooth_seconds=values["smooth"],
        centre=values["centre"],
        device=device,
    )
    pattern = checked_pattern(values["participant_pattern"])
    extracting = Extracting(
        executable=values["executable"],
        model_file=values["model_file"],
        show=lambda line: click.echo(printable(line), err=True),
    )
    given = predicting.read_input(model, values["source"], opt.reading(values), pattern, extracting)
    people = values["plot_people"]
    if people is not None:
        people = writing.chosen_people(people, [one.participant for one in given.recordings])
    predicted = predicting.predict(model, given, wishes)
    writing.write_csv(values["output"], predicted)
    about = writing.write_provenance(values["output"], model, values["source"], values["purpose"])
    if predicted.synthetic:
        click.echo(SYNTHETIC_LINE, err=True)
    for line in predicted.lines:
        click.echo(line)
    if values["plot"]:
        writing.write_plot(values["plot"], predicted, people)
    steps = sum(len(trace.time) for trace in predicted.traces)
    click.echo(f"purpose   {values['purpose'] or NOT_STATED}")
    rows = f"{number_of(steps, 'row')} of {number_of(len(predicted.traces), 'recording')}"
    click.echo(f"written to {values['output']}: {rows}; what they are for to {about.name}")


def _check_outputs(values: dict[str, Any]) -> None:
    """Refuse what would be written over an input or, without --force, over anything, before anything is read."""
    from orchestrator.inference.output import check_names, provenance_path

    check_names(values["output"], values["plot"])
    if values["plot_people"] is not None and values["plot"] is None:
        raise InputError.of("--plot-people", found="no --plot", expected="--plot FILE, the picture to draw them in")
    inputs = {"--model": folder_of(values["place"]), "--input": values["source"]}
    check_output("--output", values["output"], inputs=inputs, force=values["force"])
    check_output("--output", provenance_path(values["output"]), inputs=inputs, force=values["force"])
    if values["plot"]:
        inputs["--output"] = values["output"]
        check_output("--plot", values["plot"], inputs=inputs, force=values["force"])


def folder_of(place: str) -> Path | None:
    """Return where a model lies, None for an MLflow run's id."""
    return Path(place) if os.path.lexists(place) else None


def _check_mode(values: dict[str, Any]) -> None:
    """Refuse options of the other way of predicting."""
    only_live = {"--look-ahead": values["look_ahead"], "--scaling-from": values["scaling_from"]}
    only_files = {
        "--output": values["output"],
        "--plot": values["plot"],
        "--plot-people": values["plot_people"],
        "--smooth": values["smooth"],
        "--centre": values["centre"] or None,
        "--force": values["force"] or None,
        "--executable": values["executable"],
        "--model-file": values["model_file"],
        "--purpose": values["purpose"],
    }
    wrong = only_files if values["follow"] else only_live
    given = [name for name, value in wrong.items() if value is not None]
    if given:
        expected = "none of these with --follow, which prints" if values["follow"] else "--follow with these"
        raise InputError.of("predict", found=", ".join(given), expected=expected)
    if not values["follow"] and values["output"] is None:
        raise InputError.of("--output", found="nothing", expected="the CSV file to write, or --follow")


@click.command()
@model_option
@click.option("--format", "kind", type=click.Choice(["onnx", "pt2"]), required=True)
@opt.path_option("--output", required=True, help="The file to write.")
@opt.force_option
@fold_option
@store_option
def export(  # noqa: PLR0913, PLR0917 - the command's options
    place: str, kind: str, output: Path, force: bool, fold: int | None, tracking_uri: str | None
) -> None:
    """Write a saved model as ONNX or as torch's exported program, once it gives the same numbers."""
    check_output("--output", output, inputs={"--model": folder_of(place)}, force=force)
    from orchestrator.inference import export as exporting
    from orchestrator.inference.saved_model import open_model

    exporting.check_available(kind)
    model = open_model(place, tracking_uri=tracking_uri)
    model.check_fold(fold)
    done = exporting.export(model, kind, output, fold=fold)
    click.echo(f"model     {model.name}")
    click.echo(f"input     {done.input_text}")
    click.echo(f"output    float32 (windows, frames, 2): valence, arousal; {done.models_text}")
    click.echo(f"written to {output}: differs by at most {done.difference:.1e} from the original on fresh input")


@click.group(cls=Listed)
def benchmark() -> None:
    """Measure what a saved model costs."""


@benchmark.command()
@model_option
@device_option
@opt.path_option("--output", help="A JSON file for the figures.")
@opt.force_option
@click.option("--record", is_flag=True, help="Log them to the model's run in MLflow.")
@fold_option
@store_option
def inference(**values: Any) -> None:
    """Time 100 and 500 frames from file to prediction, load time apart (Table III's columns)."""
    if values["output"]:
        check_output(
            "--output", values["output"], inputs={"--model": folder_of(values["place"])}, force=values["force"]
        )
    from orchestrator.inference import benchmark as timing
    from orchestrator.inference.devices import chosen_device
    from orchestrator.inference.saved_model import open_model

    device = chosen_device(values["device"])
    model = open_model(values["place"], tracking_uri=values["tracking_uri"])
    model.check_fold(values["fold"])
    figures = timing.measure(model, device=device, fold=values["fold"])
    click.echo(timing.as_text(model, figures))
    if values["output"]:
        _write_figures(values["output"], figures)
    elif not values["record"]:
        terminal.output_is_the_only_work()
    if values["record"]:
        click.echo(timing.record(model, figures, values["tracking_uri"]))


def _write_figures(output: Path, figures: JsonObject) -> None:
    from orchestrator.files import write_json

    try:
        write_json(output, figures)
    except OSError as error:
        found = f"{output}: {error.strerror or error}"
        raise InputError.of("--output", found=found, expected="a file that can be written") from error


@click.command()
@click.argument("runs", nargs=-1, type=RunFolder(), required=True, metavar="RUN1 RUN2 ...")
@opt.path_option("--output", required=True, help="A new folder for the fused predictions.")
def fuse(runs: tuple[Path, ...], output: Path) -> None:
    """Combine the predictions of several runs by a ridge regression fitted on training folds only."""
    check_output_folder("--output", output, inputs={str(run): run for run in runs})
    from orchestrator.evaluation import fusion

    click.echo(fusion.fuse(runs, output))
