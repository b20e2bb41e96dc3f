"""The types of a method: what it learns from, its networks, its grid and the paper's best points."""

import math
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, replace

# Ours: what a preset `standard` draws of its grid. The paper searches every point, for weeks on the machines of most.
STANDARD_CONFIGURATIONS = 40

LATER_KEY = "later"  # metadata of a field that is newer than the first uids: not in the uid at its default
ABOUT = "about"  # metadata of a hyper-parameter: an `About`


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What tables, figures, names and checks say of one hyper-parameter."""

    title: str  # in tables
    axis: str  # in figures
    sign: str  # before the value in a configuration's name, such as `h=`
    place: int  # among the columns of Table I
    most: float  # of a model from elsewhere; larger than any that was ever trained here (ours)
    zero: bool = False  # whether 0 is a value
    help: str = ""  # of its option


def _about(about: About) -> dict[str, About]:
    return {ABOUT: about}


@dataclass(frozen=True, slots=True, kw_only=True)
class HParams:
    """One row of Table I's columns. Everything that lists hyper-parameters walks these fields.

    A new one has a default and `LATER_KEY: True` in its metadata, and a field of the same name in models.recipe.Recipe.
    """

    learning_rate: float = field(
        metadata=_about(
            About(
                title="Learning rate",
                axis="learning rate",
                sign="lr=",
                place=1,
                most=math.inf,
                help="The step of Adam.",
            )
        )
    )
    hidden_size: int = field(
        metadata=_about(
            About(
                title="Hidden size",
                axis="hidden size",
                sign="h=",
                place=3,
                most=1_000_000,
                help="Units of a layer and direction.",
            )
        )
    )
    sequence_length: int = field(
        metadata=_about(
            About(
                title="Sequence length",
                axis="window (frames)",
                sign="L=",
                place=2,
                most=1_000_000,
                help="Frames of a window.",
            )
        )
    )
    num_layers: int = field(
        metadata=_about(About(title="Layers", axis="layers", sign="x", place=4, most=1000, help="Recurrent layers."))
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class HyperParameter:
    """One field of `HParams`."""

    name: str
    integer: bool
    default: float | int | None  # None: it has to be given
    about: About

    def value(self, text: str | float) -> float | int:
        """Return a value as this hyper-parameter has it; ValueError if it is no number, or out of range."""
        number = int(text) if self.integer else float(text)
        if not (0 < number < math.inf or (self.about.zero and number == 0)):
            raise ValueError(text)
        return number

    def written(self, value: float) -> str:
        """Return a value as in a configuration's name: `lr=0.001`, `x2`."""
        return f"{self.about.sign}{value:g}"

    @property
    def kind(self) -> str:
        """Return what its values are."""
        return f"{'whole numbers' if self.integer else 'numbers'} {'from' if self.about.zero else 'above'} 0"


def hyper_parameters() -> tuple[HyperParameter, ...]:
    """List the hyper-parameters in the order of the fields."""
    return tuple(
        HyperParameter(
            name=one.name,
            integer=one.type in (int, "int"),
            default=None if one.default is MISSING else one.default,
            about=one.metadata[ABOUT],
        )
        for one in fields(HParams)
    )


def make_hparams(values: Mapping[str, str | float]) -> HParams:
    """Return the configuration with these values; KeyError if one without a default is missing, ValueError if bad."""
    return HParams(
        **{  # type: ignore[arg-type]
            one.name: one.value(values[one.name])
            for one in hyper_parameters()
            if one.default is None or one.name in values
        }
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """A named size of search: the grid, the networks, the number of epochs (None: the protocol's), how it is walked.

    `search` and `scheduler` are names of orchestrator.planning.strategies; `trials` is how many points a search that
    chooses them takes (None: all). Each of these is what holds if the option of that name is not given.

    The rest is for methods on frames, and each an option of the command line: pixels of a frame's side; every
    so many frames one is kept (1: all); `backbone` "trained" with the rest or "frozen", its features computed
    once; `weights` that the ResNet18 starts from, "imagenet", "none" or a file.
    """

    networks: tuple[str, ...]
    grid: Mapping[str, tuple[float | int, ...]]
    epochs: int | None
    search: str = "grid"
    scheduler: str = "fifo"
    trials: int | None = None
    image_size: int | None = None
    frame_stride: int = 1
    backbone: str = "trained"
    weights: str = "none"


def standard(preset: Preset) -> Preset:
    """Return the search of a night in a preset's grid: points that the seed draws, the weak ones stopped by ASHA."""
    return replace(preset, search="spread", scheduler="asha", trials=STANDARD_CONFIGURATIONS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One way of learning affect, as the paper's section III describes them."""

    name: str
    title: str
    features: str  # "action-units" or "frames"
    federated: bool
    networks: tuple[str, ...]
    presets: Mapping[str, Preset]
    published: Mapping[str, HParams]  # Table I: network -> best configuration


def describe(hparams: HParams) -> str:
    """Return one line for people: `lr=0.001 h=64 L=200 x2`."""
    return " ".join(one.written(getattr(hparams, one.name)) for one in shown(hparams))


def shown(hparams: HParams) -> list[HyperParameter]:
    """Return the hyper-parameters that a configuration's name tells: all but later ones at their default."""
    return [one for one in hyper_parameters() if one.default is None or getattr(hparams, one.name) != one.default]
