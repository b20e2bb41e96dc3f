"""Options that several commands share, and their way into a Request."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from orchestrator.plan import SearchOptions
from orchestrator.protocols import PROTOCOLS
from tune_spaces.catalogue import method_names

F = TypeVar("F", bound=Callable[..., Any])

CORPORA = ("recola", "avec", "table", "folder")
GOLD = ("mean", "median", "ccc-centred", "ewe")
POSITIVE = click.IntRange(min=1)
ABOVE_ZERO = click.FloatRange(min=0, min_open=True)
FROM_ZERO = click.FloatRange(min=0)


def _all(*options: Callable[[F], F]) -> Callable[[F], F]:
    def apply(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return apply


def path_option(*names: str, **settings: Any) -> Callable[[F], F]:
    """Make an option that takes a path; whether it exists is for the command to say, together with all else."""
    return click.option(*names, type=click.Path(path_type=Path), **settings)


data_options = _all(
    path_option("--data", help="The recordings; without it the embedded synthetic corpus."),
    click.option("--corpus", type=click.Choice(CORPORA), help="Their format; found by looking if not given."),
    click.option("--identity", type=click.FloatRange(0, 1), help="Embedded corpus: how much of a person shows."),
)

protocol_options = _all(
    click.option("--protocol", type=click.Choice(list(PROTOCOLS)), default="described", show_default=True),
    click.option("--epochs", type=POSITIVE, help="Instead of the preset's or the protocol's."),
    click.option("--folds", "num_folds", type=click.IntRange(min=2), help="Folds by participant; the paper's are 8."),
    click.option("--gold", type=click.Choice(GOLD), help="Gold standard of the raters; the paper's is mean."),
    click.option("--label-delay", "label_delay_seconds", type=FROM_ZERO, help="Raters' reaction lag, in seconds."),
    click.option("--scaling", type=click.Choice(["participant", "train", "none"]), help="Whose statistics scale."),
    click.option("--loss", type=click.Choice(["mse", "ccc"]), help="Training loss; the paper's is mse."),
    click.option("--windows-a-step", type=POSITIVE, help="Windows of one optimiser step; the paper is silent."),
)

run_options = _all(
    click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True),
    click.option("--cpus-per-trial", type=ABOVE_ZERO, default=1.0, show_default=True),
    click.option("--gpus-per-trial", type=FROM_ZERO, default=0.0, show_default=True, help="Fractions are allowed."),
    click.option("--num-cpus", type=POSITIVE, help="CPUs of the local Ray; all if not given."),
    click.option("--address", help="A Ray cluster: HOST:PORT, ray://HOST:PORT or auto."),
    click.option("--storage", help="Folder for the trials that all nodes of a cluster share."),
    click.option("--checkpoint-seconds", type=FROM_ZERO, default=30.0, show_default=True, help="Between checkpoints."),
    path_option("--output", help="Where everything is written; new, under runs/ if not given."),
    click.option("--tracking-uri", help="MLflow store; else MLFLOW_TRACKING_URI, else the project's own."),
)

method_option = click.option("--method", type=click.Choice(method_names()), default="au", show_default=True)

PROTOCOL_FIELDS = (
    "epochs",
    "num_folds",
    "gold",
    "label_delay_seconds",
    "scaling",
    "loss",
    "windows_a_step",
)


def search_options(options: dict[str, Any]) -> SearchOptions:
    """Collect how the search runs from a command's parsed options."""
    return SearchOptions(
        search=options.get("search", "grid"),
        scheduler=options.get("scheduler", "fifo"),
        max_trials=options.get("trials"),
        hours=options.get("hours"),
        **{
            key: options[key]
            for key in (
                "cpus_per_trial",
                "gpus_per_trial",
                "num_cpus",
                "address",
                "storage",
                "checkpoint_seconds",
            )
        },
    )
