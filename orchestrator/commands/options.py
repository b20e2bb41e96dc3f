"""Options that several commands share, and their way into a Request."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from fed.options import About, abouts, is_flag, is_whole, option_of
from models.backends import AUTO, BACKENDS, DEFAULT_PRECISION, PRECISIONS
from models.sizes import HEADS
from orchestrator.commands.option_types import CountOrAuto, Finite, OneOf, Renamed, ShareOrAuto, TimeUnits
from orchestrator.corpora.catalogue import CORPORA, GOLD_STANDARDS
from orchestrator.corpora.read_options import ReadOptions, checked_pattern, parsed_range
from orchestrator.corpora.reading import UNIT_OPTION, Limits, Reading
from orchestrator.data.defence_names import HELP, canonical
from orchestrator.errors import InputError
from orchestrator.planning.gpus import with_gpus
from orchestrator.planning.plan import DEFAULT_CPUS_PER_CLIENT, DEFAULT_WAIT_FOR_RESOURCES, SearchOptions
from orchestrator.protocols import PROTOCOLS, SCALINGS
from tune_spaces.catalogue import method_names
from tune_spaces.method import hyper_parameters

F = TypeVar("F", bound=Callable[..., Any])

LOSSES = ("mse", "ccc", "ccc-window")
POSITIVE = click.IntRange(min=1)


ABOVE_ZERO = Finite(min=0, min_open=True)
FROM_ZERO = Finite(min=0)


def _all(*options: Callable[[F], F]) -> Callable[[F], F]:
    def apply(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return apply


def hyper_parameter_options(command: F) -> F:
    """Add an option for each hyper-parameter."""
    options = [
        click.option(
            f"--{one.name.replace('_', '-')}",
            type=click.IntRange(min=0 if one.about.zero else 1)
            if one.integer
            else Finite(min=0, min_open=not one.about.zero),
            help=one.about.help or None,
        )
        for one in hyper_parameters()
    ]
    return _all(*options)(command)


def path_option(*names: str, **settings: Any) -> Callable[[F], F]:
    """Make an option that takes a path; whether it exists is for the command to say, together with all else."""
    return click.option(*names, type=click.Path(path_type=Path), **settings)


def output_option(*, help: str, required: bool = True) -> Callable[[F], F]:  # noqa: A002 - click's word
    """Make the option `--output`, of a command at which it was once called `--out`."""
    return path_option("--output", "--out", cls=Renamed, required=required, help=help)


reading_options = _all(
    click.option(
        "--frame-rate",
        type=ABOVE_ZERO,
        metavar="HZ",
        help="Frames per second of tables with frame numbers and no times.",
    ),
    click.option(
        UNIT_OPTION,
        type=TimeUnits(),
        metavar="UNIT",
        help="Of times: s, ms, us, ns or min; or features=ms,annotations=s.",
    ),
    click.option("--max-columns", type=POSITIVE, help=f"Of one file; {Limits().columns:,} if not given."),
    click.option("--max-rows", type=POSITIVE, help=f"Of one file; {Limits().rows:,} if not given."),
    click.option("--max-field", type=POSITIVE, help=f"Characters of a field; {Limits().field:,} if not given."),
    click.option("--max-mib", type=POSITIVE, help=f"Memory for one file; {Limits().mib:,} if not given."),
)
LIMIT_FIELDS = ("columns", "rows", "field", "mib")


def reading(values: dict[str, Any]) -> Reading:
    """Collect what was said about the files from a command's parsed options."""
    given = {name: values[f"max_{name}"] for name in LIMIT_FIELDS if values[f"max_{name}"] is not None}
    return Reading(frame_rate=values["frame_rate"], time_unit=values["time_unit"] or {}, limits=Limits(**given))


participant_option = click.option(
    "--participant-pattern",
    metavar="REGEX",
    help="Whose a file is: group participant (or 1), and session, in its name without suffix.",
)

corpus_options = _all(
    participant_option,
    click.option("--label-range", metavar="LOW,HIGH", help="The ends of the raters' scale; it is mapped to -1 and 1."),
    click.option("--raters", multiple=True, metavar="PATTERN", help="Only these columns are raters; repeatable."),
)

data_options = _all(
    path_option("--data", help="The recordings; without it the embedded synthetic corpus."),
    click.option("--corpus", type=OneOf(CORPORA), help="Their format; found by looking if not given."),
    reading_options,
    corpus_options,
    click.option(
        "--features",
        multiple=True,
        metavar="PATTERN",
        help="Only these columns, such as AU*_r; repeatable. Without it action units where there are any; '*' is all.",
    ),
    click.option("--identity", type=Finite(0, 1), help="Embedded corpus: how much of a person shows."),
)

protocol_options = _all(
    click.option(
        "--protocol",
        type=click.Choice(list(PROTOCOLS)),
        default="described",
        show_default=True,
        help="How people are held out, and what is scored: docs/protocols.md.",
    ),
    click.option("--epochs", type=POSITIVE, help="Instead of the preset's or the protocol's."),
    click.option("--folds", "num_folds", type=click.IntRange(min=2), help="Folds by participant; the paper's are 8."),
    click.option(
        "--group-by",
        metavar="COLUMN",
        help="Of participants.csv: people with the same value, such as a dyad, are in one fold.",
    ),
    click.option("--gold", type=OneOf(GOLD_STANDARDS), help="Gold standard of the raters; the paper's is mean."),
    click.option("--label-delay", "label_delay_seconds", type=FROM_ZERO, help="Raters' reaction lag, in seconds."),
    click.option(
        "--scaling",
        type=click.Choice(SCALINGS),
        help="Whose mean and deviation features are scaled by; both: the person's, which are features themselves, too.",
    ),
    click.option(
        "--head",
        type=click.Choice(HEADS),
        help="What follows the recurrence; authors: on whole windows, as in their code. With --protocol published.",
    ),
    click.option(
        "--defence",
        multiple=True,
        metavar="NAME=VALUE",
        callback=lambda _context, _option, given: canonical(given),
        help=f"Done to features against recognition of people; repeatable. {HELP}.",
    ),
    click.option("--loss", type=click.Choice(LOSSES), help="Training loss; the paper's is mse."),
    click.option(
        "--batch-size",
        "--windows-a-step",
        "windows_a_step",
        cls=Renamed,
        type=POSITIVE,
        help="Windows per optimiser step; the paper is silent.",
    ),
)

run_options = _all(
    click.option(
        "--seed",
        type=click.IntRange(min=0),
        default=0,
        show_default=True,
        help="Of weights, orders, draws and folds; the same seed gives the same results.",
    ),
    click.option(
        "--repeats",
        type=POSITIVE,
        default=1,
        show_default=True,
        help="Times that each network's best configuration is trained, by other seeds and folds from the second on.",
    ),
    click.option(
        "--backend",
        type=click.Choice(BACKENDS),
        default=AUTO,
        show_default=True,
        help="What trains: one model after another, or stacks of them; auto: what was measured to be faster.",
    ),
    click.option(
        "--pack",
        type=CountOrAuto(),
        default=AUTO,
        show_default=True,
        help="Configurations of one shape that are trained as stacks together; auto: as many as pay.",
    ),
    click.option(
        "--cpus-per-trial",
        type=ABOVE_ZERO,
        default=1.0,
        show_default=True,
        help="How many trials run side by side: the CPUs there are, divided by it.",
    ),
    click.option(
        "--gpus-per-trial",
        type=ShareOrAuto(),
        default=AUTO,
        show_default=True,
        help="Fractions are allowed; auto: 1 if this machine has a GPU that torch can use, on a cluster 0.",
    ),
    click.option(
        "--precision",
        type=click.Choice(PRECISIONS),
        default=DEFAULT_PRECISION,
        show_default=True,
        help="What a GPU multiplies in; a CPU takes float32.",
    ),
    click.option("--num-cpus", type=POSITIVE, help="CPUs of the local Ray; all that this process may use by default."),
    click.option("--address", help="A Ray cluster: HOST:PORT, ray://HOST:PORT or auto."),
    click.option("--storage", help="Folder for the trials that all nodes of a cluster share."),
    click.option(
        "--wait-for-resources",
        type=FROM_ZERO,
        default=DEFAULT_WAIT_FOR_RESOURCES,
        show_default=True,
        help="Seconds, once a cluster has become too small for a trial; then code 4.",
    ),
    click.option(
        "--checkpoint-seconds", type=FROM_ZERO, default=30.0, show_default=True, help="From one checkpoint to the next."
    ),
    path_option("--output", help="Where everything is written; new, under runs/ if not given."),
    click.option("--tracking-uri", help="MLflow store; else MLFLOW_TRACKING_URI, else the project's own."),
    click.option("--log-model/--no-log-model", default=True, show_default=True, help="The best one, as a model there."),
)

image_options = _all(
    click.option("--image-size", type=click.IntRange(33, 1024), help="Pixels per side; for methods on frames."),
    click.option("--frame-stride", type=POSITIVE, help="Keep every so many frames."),
    click.option("--face-crop", type=click.Choice(["none", "haar", "yunet"]), help="Need the extra `faces`."),
    path_option("--model-file", help="Of --face-crop yunet: its file, kept in the cache; else it is fetched once."),
    click.option("--backbone", type=click.Choice(["trained", "frozen"]), help="ResNet18 trained, or features once."),
    click.option("--weights", help="ResNet18's start: imagenet, none, or a file."),
)


def _federation_option(name: str, about: About) -> Callable[[F], F]:
    if is_flag(name):
        return click.option(option_of(name), name, is_flag=True, default=None, help=about.help)
    kind: click.ParamType[Any] = Finite(
        about.least,
        None if math.isinf(about.most) else about.most,
        min_open=about.above,
        max_open=about.below,
    )
    if about.known is not None:
        kind = OneOf(about.known)
    elif is_whole(name):
        kind = click.IntRange(min=int(about.least))
    return click.option(option_of(name), name, type=kind, help=about.help or None)


federation_options = _all(
    *(_federation_option(name, about) for name, about in abouts().items()),
    click.option(
        "--client-actors", type=CountOrAuto(), default="auto", show_default=True, help="Processes of clients."
    ),
    click.option(
        "--cpus-per-client",
        type=FROM_ZERO,
        default=DEFAULT_CPUS_PER_CLIENT,
        show_default=True,
        help="Of each process of clients.",
    ),
    path_option("--identities", help="With --secure-sum: the folder of the clients' Ed25519 keys."),
    click.option("--gpus-per-client", type=FROM_ZERO, default=0.0, show_default=True, help="Fractions are allowed."),
)

method_option = click.option(
    "--method",
    type=click.Choice(method_names()),
    default="au",
    show_default=True,
    help="Action units or images, in one place or federated (fl).",
)

IMAGE_FIELDS = ("image_size", "frame_stride", "face_crop", "backbone", "weights")
FEDERATION_FIELDS = tuple(abouts())
PROTOCOL_FIELDS = (
    "epochs",
    "num_folds",
    "gold",
    "label_delay_seconds",
    "scaling",
    "loss",
    "windows_a_step",
    "head",
    "group_by",
    "defence",
)
# Fields of SearchOptions that the preset decides if their option is not given: its name.
PRESET_FIELDS = {"search": "search", "scheduler": "scheduler", "max_trials": "trials"}
SEARCH_FIELDS = tuple(
    one.name
    for one in dataclasses.fields(SearchOptions)
    if one.name not in (*PRESET_FIELDS, "hours", "identities", "gpus_per_trial")
)


force_option = click.option("--force", is_flag=True, help="Replace what is there; never what is read.")


def patterns(given: Sequence[str], option: str = "--features") -> tuple[str, ...]:
    """Split what was given to --features or --raters at its commas; InputError for a text without a pattern."""
    for text in given:
        if not text.replace(",", "").strip():
            raise InputError.of(
                option, found=repr(text), expected="a pattern of columns, or several with commas between"
            )
    return tuple(dict.fromkeys(one.strip() for text in given for one in text.split(",") if one.strip()))


def read_options(options: dict[str, Any]) -> ReadOptions:
    """Collect how a corpus is read from a command's parsed options; InputError for those that cannot be."""
    return ReadOptions(
        participant_pattern=checked_pattern(options.get("participant_pattern")),
        label_range=parsed_range(options.get("label_range")),
        raters=patterns(options.get("raters", ()), "--raters"),
    )


def search_options(options: dict[str, Any]) -> SearchOptions:
    """Collect how the search runs from a command's parsed options."""
    found = SearchOptions(
        **{field: options[name] for field, name in PRESET_FIELDS.items() if options.get(name) is not None},
        hours=options.get("hours"),
        **{key: options[key] for key in SEARCH_FIELDS},
        identities=None if options["identities"] is None else str(Path(options["identities"]).absolute()),
    )
    from tune_spaces.catalogue import find_method

    return with_gpus(found, options["gpus_per_trial"], federated=find_method(options["method"]).federated)
