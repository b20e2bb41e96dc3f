"""The options of a command in a TOML file: `--config FILE.toml`, and `--print-config`, which writes one.

Keys are the options' names in Python (`--batch-size` is `batch_size`); `set` may be a table. What is on the command
line goes before what is in the file; of `set` key by key.
"""

import dataclasses
import json
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource
from pydantic import BaseModel, ConfigDict, StrictBool, StrictFloat, StrictInt, StrictStr, ValidationError, create_model

from orchestrator.commands.given import as_typed, kind_of, names_of, near
from orchestrator.commands.option_types import expected_of
from orchestrator.errors import InputError, Problem, cut
from orchestrator.tracking.address import hide_password
from tune_spaces.method import hyper_parameters

F = TypeVar("F", bound=Callable[..., Any])

EXPECTED_FILE = "a TOML file with the options of the command"
LATER_HERE = ("config", "print_config")  # of the options that a file has not
Scalar = StrictInt | StrictFloat | StrictStr
Several = Scalar | list[Scalar]


def config_options(command: F) -> F:
    """Add `--config` and `--print-config` to a command; its function returns at once if `print_config` has printed."""
    told = click.option("--print-config", is_flag=True, help="Print all options as such a file; train nothing.")
    read = click.option(
        "--config",
        type=click.Path(path_type=Path),
        metavar="FILE.toml",
        is_eager=True,
        callback=_take,
        help="Options from a file; those on the command line go before it.",
    )
    return read(told(command))


def _take(ctx: click.Context, _: click.Parameter, path: Path | None) -> Path | None:
    if path is not None:
        ctx.default_map = {**(ctx.default_map or {}), **read_config(ctx.command, path)}
    return path


def beside_file(ctx: click.Context, option: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """Return the entries KEY=VALUES of the command line and those of the file with other keys."""
    if ctx.get_parameter_source(str(option.name)) is not ParameterSource.COMMANDLINE:
        return values
    keys = {one.partition("=")[0].strip() for one in values}
    filed = (ctx.default_map or {}).get(str(option.name), ())
    return (*(one for one in filed if one.partition("=")[0].strip() not in keys), *values)


def read_config(command: click.Command, path: Path) -> dict[str, Any]:
    """Return the options of a file by the names of the command's parameters; InputError lists all that is wrong."""
    known = _known(command)
    content = _checked(_content(path), _model(command, known), path, known)
    context, found, problems = click.Context(command), dict[str, Any](), []
    named: dict[str, str] = {}
    for key, value in content.items():
        option = known[key]
        name = str(option.name)
        if name in named:
            problems.append(Problem(where=f"{path}: {key}", found=f"beside {named[name]}", expected="one of both"))
            continue
        named[name] = key
        typed = as_typed(option, value)
        try:
            option.process_value(context, typed)
        except click.ClickException as error:
            expected = expected_of(option, error)
            problems.append(Problem(where=f"{path}: {key}", found=cut(repr(value)), expected=expected))
        except InputError as error:  # of an option's own check
            problems += [dataclasses.replace(one, where=f"{path}: {key}") for one in error.problems]
        else:
            found[name] = typed
    if problems:
        raise InputError(problems)
    return found


def _known(command: click.Command) -> dict[str, click.Option]:
    return {name: option for name, option in names_of(command) if name not in LATER_HERE}


def _content(path: Path) -> dict[str, Any]:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError.of("--config", found=f"{path}: {error.strerror or error}", expected=EXPECTED_FILE) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError.of(str(path), found=str(error), expected=EXPECTED_FILE) from error
    plain: dict[str, Any] = {}
    for key, value in content.items():
        name = key.replace("-", "_")
        if name in plain:
            raise InputError.of(f"{path}: {key}", found="a key twice", expected="it once")
        plain[name] = value
    return plain


def _model(command: click.Command, known: Mapping[str, click.Option]) -> type[BaseModel]:
    """Return what a file of the command may hold: for each option a type, and no other key."""
    fields: dict[str, Any] = {name: (_type(name, option), None) for name, option in known.items()}
    return create_model(str(command.name), __config__=ConfigDict(extra="forbid", protected_namespaces=()), **fields)


def _type(name: str, option: click.Option) -> Any:
    if option.is_flag:
        return StrictBool
    if name == "set":
        return dict[str, Several] | Several
    return Several if option.multiple else Scalar


def _checked(
    content: dict[str, Any], model: type[BaseModel], path: Path, known: Mapping[str, click.Option]
) -> dict[str, Any]:
    try:
        model.model_validate(content)
    except ValidationError as error:
        problems = {}
        for one in error.errors(include_url=False):
            key = str(one["loc"][0])
            if one["type"] == "extra_forbidden":
                problems[key] = Problem(where=f"{path}: {key}", found="an unknown key", expected=_near(key, known))
            else:
                problems[key] = Problem(
                    where=f"{path}: {key}", found=cut(repr(content[key])), expected=kind_of(key, known[key])
                )
        raise InputError(problems.values()) from error
    return content


def _near(key: str, known: Mapping[str, click.Option]) -> str:
    """Return the keys nearest to an unknown one; of a hyper-parameter of a search, how it is given."""
    if "set" in known and key in {one.name for one in hyper_parameters()}:
        return f"{key} in the table [set]"
    return near(key, known)


def as_toml(ctx: click.Context) -> str:
    """Return all options of a command as a file for `--config`; those that nothing decides are comments."""
    lines = [f"# {ctx.command_path}: for --config FILE.toml"]
    seen = set()
    for name, option in names_of(ctx.command):
        if name in LATER_HERE or option.name in seen:
            continue
        seen.add(option.name)
        value = ctx.params[str(option.name)]
        about = f"  # {option.help}" if option.help else ""
        if value is None or value == ():
            lines.append(f"# {name} ={about}")
        else:
            lines.append(f"{name} = {_written(name, value)}")
    return "\n".join(lines)


def _written(name: str, value: Any) -> str:
    if name == "set":
        return _overrides(value)
    if isinstance(value, tuple | list):
        return f"[{', '.join(_written('', one) for one in value)}]"
    if isinstance(value, dict):  # units of time, by side
        return _text(",".join(f"{key}={one}" for key, one in value.items()))
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, int | float) else _text(hide_password(str(value)))


def _overrides(given: tuple[str, ...]) -> str:
    """Return `KEY=V1,V2` ... as a table; as they are where one is no such text, or a key comes twice."""
    pairs = [one.partition("=") for one in given]
    keys = [key for key, _, _ in pairs]
    if len(set(keys)) < len(keys) or not all(sign and key.isidentifier() for key, sign, _ in pairs):
        return f"[{', '.join(map(_text, given))}]"
    tables = [
        f"{key} = [{', '.join(_number(one.strip()) for one in values.split(','))}]"
        for key, (_, _, values) in zip(keys, pairs, strict=True)
    ]
    return f"{{ {', '.join(tables)} }}"


def _number(text: str) -> str:
    """Return a number of TOML as it is; anything else as a text."""
    try:
        found = tomllib.loads(f"x = {text}")["x"]
    except tomllib.TOMLDecodeError:
        found = None
    return text if type(found) in (int, float) and str(found) == text else _text(text)


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
