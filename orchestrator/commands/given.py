"""Options of a command given as values, from Python or from a file, instead of as words that were typed."""

import dataclasses
import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import click

from orchestrator.commands.option_types import expected_of
from orchestrator.errors import InputError, Problem

NOT_HERE = ("help", "resume", "extend", "dry_run", "print_config")  # of the command line: what is no option of a run
CLOSE_NAMES = 3


def call(command: click.Command, options: Mapping[str, Any], **arguments: Any) -> Any:
    """Run a command's function with its options checked and its `arguments` as they are; return what it returns."""
    values = {**values_of(command, options), **arguments}
    assert command.callback is not None
    with click.Context(command):
        return command.callback(**values)


def values_of(command: click.Command, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return all options of a command as it would have them; InputError lists every unknown or bad one."""
    context = click.Context(command)
    by_name = dict(names_of(command))
    problems = [
        Problem(where=name, found="an unknown option", expected=near(name, by_name))
        for name in given
        if name not in by_name
    ]
    words: list[str] = []
    named: dict[str, str] = {}
    for name, raw in given.items():
        option, value = by_name.get(name), _plain(raw)
        if option is None:
            continue
        if value is not None:
            first = named.setdefault(str(option.name), name)
            if first != name:
                problems.append(Problem(where=name, found=f"beside {first}", expected="one of both"))
                continue
        if value is not None and isinstance(value, bool) is not option.is_flag:
            problems.append(Problem(where=name, found=repr(value), expected=kind_of(name, option)))
            continue
        try:
            option.process_value(context, as_typed(option, value))
        except click.ClickException as error:
            problems.append(Problem(where=name, found=repr(value), expected=expected_of(option, error)))
        except InputError as error:  # of an option's own check
            problems += [dataclasses.replace(one, where=name) for one in error.problems]
        else:
            words += _words(option, value)
    if problems:
        raise InputError(problems)
    try:
        with command.make_context(str(command.name), words) as parsed:
            return dict(parsed.params)
    except click.ClickException as error:
        raise InputError.of(
            str(command.name), found="options that do not fit", expected=error.format_message()
        ) from error


def refuse(options: Mapping[str, Any], names: Collection[str], why: str) -> None:
    """Refuse options that a method or function in Python does not take (InputError)."""
    found = [Problem(where=name, found=why, expected="options without it") for name in options if name in names]
    if found:
        raise InputError(found)


def _words(option: click.Option, value: Any) -> list[str]:
    """Return an option and its value as typed; nothing for None, which is what it is without the option."""
    flag, typed = max(option.opts, key=len), as_typed(option, value)
    if typed is None:
        return []
    if option.is_flag:
        off = max(option.secondary_opts, key=len, default=None)
        return [flag] if typed else [off] if off else []
    return [f"{flag}={one}" for one in (typed if option.multiple else [typed])]


def names_of(command: click.Command) -> Iterator[tuple[str, click.Option]]:
    """Give the options of a command by their names in Python; a renamed one comes under each of its names."""
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            for flag in parameter.opts:  # a renamed option has its earlier name, too
                name = flag.lstrip("-").replace("-", "_")
                if name not in NOT_HERE:
                    yield name, parameter


def _plain(value: Any) -> Any:
    """Return a truth value of NumPy as Python's own; anything else as it is."""
    return value.item() if type(value).__module__ == "numpy" and type(value).__name__ in ("bool", "bool_") else value


def kind_of(name: str, option: click.Option) -> str:
    """Return in words what kind of value an option takes from Python or a file."""
    if option.is_flag:
        return "true or false"
    if name == "set":
        return "a table of hyper-parameters, each with a value or a list of values"
    return "a number or text, or a list of them" if option.multiple else "a number or text"


def near(name: str, known: Mapping[str, click.Option]) -> str:
    """Return the known names that are nearest to an unknown one, all of them if none is near."""
    close = difflib.get_close_matches(name, known, CLOSE_NAMES)
    return f"one of {', '.join(close or sorted(known))}"


def as_typed(option: click.Option, value: Any) -> Any:
    """Return a Python value as it would be typed: texts, several of them for an option that may be repeated."""
    if option.multiple:
        if isinstance(value, Mapping):
            return [f"{key}={_joined(one)}" for key, one in value.items()]
        if value is None:
            return None
        several = isinstance(value, Iterable) and not isinstance(value, str)
        return [str(one) for one in (value if several else [value])]
    return value if isinstance(value, bool) or value is None else str(value)


def _joined(value: Any) -> str:
    """Return one value, or several of a list or an array, as they are typed."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    return ",".join(map(str, value if isinstance(value, list | tuple) else [value]))
