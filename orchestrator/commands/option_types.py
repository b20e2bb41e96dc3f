"""Types of options and arguments that click does not have."""

import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from orchestrator.corpora.reading import SIDES, UNITS
from orchestrator.errors import InputError, cut
from orchestrator.planning.past_runs import latest_run, means_latest
from orchestrator.planning.removal import settle
from orchestrator.run_folder import PLAN_FILE

PURPOSE_CHARACTERS = 500  # ours


def expected_of(option: click.Parameter, error: click.ClickException) -> str:
    """Return what an option takes, in words; of a type that does not say so, what click has to say of the value."""
    said = error.format_message()
    return _takes(option.type) or said.partition(": ")[2].rstrip(".") or said


def complaint(error: click.BadParameter) -> str:
    """Return what was found and what an option takes; click's own words if its type does not say so."""
    value, refused, _ = error.message.partition(" is not ")
    expected = _takes(error.param.type) if error.param else None
    return f"found {value}; expected {expected}" if refused and expected else error.message


def _takes(kind: click.ParamType[Any]) -> str | None:
    if isinstance(kind, click.Choice):
        return f"one of {', '.join(map(str, kind.choices))}"
    if isinstance(kind, click.IntRange | click.types.IntParamType):
        return f"a whole number{_range(kind)}"
    if isinstance(kind, click.FloatRange | click.types.FloatParamType):
        return f"a number{_range(kind)}"
    return getattr(kind, "expected", None)


def _range(kind: click.ParamType[Any]) -> str:
    low, high = getattr(kind, "min", None), getattr(kind, "max", None)
    parts = [
        "" if low is None else f"above {low:g}" if getattr(kind, "min_open", False) else f"from {low:g}",
        "" if high is None else f"below {high:g}" if getattr(kind, "max_open", False) else f"to {high:g}",
    ]
    return "".join(f" {part}" for part in parts if part)


class Finite(click.FloatRange):
    """A number in a range; click's own lets NaN and infinity pass."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number", param, ctx)
        return float(number)


class CountOrAuto(click.ParamType[int | str]):
    """A number, or `auto`."""

    name = "number or auto"
    expected = "auto or a whole number above 0"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        """Return the number, or `auto`."""
        if value != "auto" and not (str(value).isdigit() and int(value) > 0):
            self.fail(f"{value!r} is not {self.expected}", param, ctx)
        return "auto" if value == "auto" else int(value)


class ShareOrAuto(click.ParamType[float | str]):
    """A number from 0, fractions too, or `auto`."""

    name = "number or auto"
    expected = "auto or a number from 0"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float | str:
        """Return the number, or `auto`."""
        return "auto" if value == "auto" else Finite(min=0).convert(value, param, ctx)


class RunName(click.ParamType[str]):
    """A run's folder or an id of MLflow as it was typed; the word `latest` becomes the folder of the latest run."""

    name = "run"

    def __init__(self, *, with_file: str | None = None) -> None:
        """`with_file` is what a run must have in its folder to be meant."""
        self._with_file = with_file

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ARG002
        """Return the place; InputError for `latest` if there is no run, and as `settle`."""
        place = str(latest_run(with_file=self._with_file)) if means_latest(str(value)) else str(value)
        _settle(place)
        return place


class RunFolder(click.Path):
    """A run's folder; the word `latest` becomes that of the latest run. Whether it exists is for the command to say."""

    def __init__(self) -> None:
        """Give the command a path."""
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the folder; InputError for `latest` if there is no run, and as `settle`."""
        folder = super().convert(latest_run() if means_latest(str(value)) else value, param, ctx)
        _settle(str(folder))
        return folder


def _settle(place: str) -> None:
    """Complete the removal of a person that was broken off in a run, or around a run's model."""
    for folder in (Path(place), Path(place).parent):
        if os.path.isdir(folder):  # noqa: PTH112 - False, too, for a name that no folder can have
            settle(folder)


class SearchId(RunName):
    """The id of a search in MLflow; a run's folder, or `latest`, becomes the id that its folder keeps."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the id; InputError for a run that was never written into a store."""
        from orchestrator.evaluation.person_traces import mlflow_copy

        place = super().convert(value, param, ctx)
        if not (Path(place) / PLAN_FILE).is_file():
            return place
        copy = mlflow_copy(Path(place))
        if copy is None:
            raise InputError.of("--run", found=f"{place}, not in MLflow", expected="a run there (`track` writes it)")
        return copy[1]


class Purpose(click.ParamType[str]):
    """What something is made for: one line of text, not longer than people read."""

    name = "text"
    expected = f"one line of 1 to {PURPOSE_CHARACTERS} printable characters"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the line without blanks around it."""
        text = str(value).strip()
        if not text or len(text) > PURPOSE_CHARACTERS or not text.isprintable():
            self.fail(f"{cut(text)!r} is not {self.expected}", param, ctx)
        return text


class OneOf(click.Choice[str]):
    """One of the names in a dictionary, as it is when a value is given."""

    def __init__(self, known: Iterable[str]) -> None:
        """Remember the dictionary."""
        self.known = known
        super().__init__(())

    @property
    def choices(self) -> tuple[str, ...]:
        """The names now."""
        return tuple(self.known)

    @choices.setter
    def choices(self, _: object) -> None:
        """Take none: click sets those that it was made with."""


class Renamed(click.Option):
    """An option with a new name; its earlier ones still work and are not shown. Given by two names it is refused."""

    def add_to_parser(self, parser: Any, ctx: click.Context) -> None:  # noqa: ARG002 - click's signature
        """Let the parser keep apart what is given by each name."""
        for name in self.opts:
            parser.add_option(obj=self, opts=[name], dest=self._place(name), action="store", nargs=self.nargs)

    def consume_value(self, ctx: click.Context, opts: Mapping[str, Any]) -> tuple[Any, ParameterSource]:
        """Return the value by the name that was typed; InputError if two were."""
        typed = [name for name in self.opts if self._place(name) in opts]
        if len(typed) > 1:
            raise InputError.of(typed[1], found=f"beside {typed[0]}", expected="one of both")
        given = {str(self.name): opts[self._place(name)] for name in typed}
        return super().consume_value(ctx, given)

    def _place(self, name: str) -> str:
        return str(self.name) if name == self.opts[0] else name

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return the line of the help, with the first name only."""
        names = self.opts
        self.opts = names[:1]
        try:
            return super().get_help_record(ctx)
        finally:
            self.opts = names


class TimeUnits(click.ParamType[dict[str, str]]):
    """A unit of time for all files, or for those of features or annotations: `ms`, `annotations=ms`."""

    name = "UNIT or SIDE=UNIT"
    expected = f"one of {', '.join(UNITS)}, or {' and '.join(f'{known}=UNIT' for known in SIDES)}, each once"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, str]:
        """Return units by side."""
        units: dict[str, str] = {}
        for one in str(value).split(","):
            side, _, unit = one.strip().rpartition("=")
            sides = SIDES if not side else [known for known in SIDES if known == side]
            if unit not in UNITS or not sides or (units.keys() & set(sides)):
                self.fail(f"{value!r} is not {self.expected}", param, ctx)
            units |= dict.fromkeys(sides, unit)
        return units
