"""Frozen dataclasses to JSON objects and back: types are checked, keys of a newer version are kept.

A record has a field `newer` for the keys that this version does not know, and may have a field `scores` whose entries
stand beside the other keys; its metadata `KEYS` is the function that lists them.
"""

import dataclasses
import json
import math
import typing
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from orchestrator.errors import InputError, Problem
from orchestrator.files import JsonObject

SHOWN_PROBLEMS = 5  # ours: of a damaged record
SCORES, NEWER = "scores", "newer"
UNION_PARTS = ("float", "int", "bool")  # how pydantic names the types that a value may have, in an error's place
KEYS = "keys"  # metadata of `scores`
OPTIONAL = "optional"  # metadata of a field: the field (often itself) without which it is not written

Record = TypeVar("Record")


def from_json(kind: type[Record], raw: object, source: Path | str) -> Record:
    """Return the record in a JSON object; InputError names `source` and every damaged field, at most five."""
    adapter: TypeAdapter[Record] = _adapter(typing.cast("Any", kind))
    if not isinstance(raw, dict):
        raise InputError.of(str(source), found=f"a JSON {type(raw).__name__}", expected="a JSON object")
    strange = [*_strange(kind, raw)]
    if strange:
        where, known = strange[0]
        raise InputError.of(f"{source}: {where}", found="a key that this version does not know", expected=known)
    try:
        return adapter.validate_json(json.dumps(_arranged(kind, raw)), strict=True)
    except ValidationError as error:
        raise InputError([*_problems(error, source)][:SHOWN_PROBLEMS]) from error


def _problems(error: ValidationError, source: Path | str) -> Iterator[Problem]:
    seen: set[str] = set()
    for one in error.errors(include_url=False):
        place = ".".join(str(part) for part in one["loc"] if part not in (SCORES, *UNION_PARTS))
        if place not in seen:  # a value that may be of several types has an error for each
            seen.add(place)
            found = "nothing" if one["type"] == "missing" else shortened(one["input"])
            yield Problem(where=f"{source}: {place}", found=found, expected=one["msg"].removeprefix("Input should be "))


def _strange(kind: Any, raw: JsonObject, where: str = "") -> Iterator[tuple[str, str]]:
    """Find unknown keys in what has no place to keep them: a configuration with another hyper-parameter is another."""
    for name, hint in typing.get_type_hints(kind).items():
        if isinstance(hint, type) and dataclasses.is_dataclass(hint) and NEWER not in hint.__dataclass_fields__:
            known, found = [one.name for one in dataclasses.fields(hint)], raw.get(name)
            for key in found if isinstance(found, dict) else ():
                if key not in known:
                    yield f"{where}{name}.{key}", f"one of {', '.join(known)}"
        elif name in _nested(kind) and isinstance(raw.get(name), dict):
            yield from _strange(_nested(kind)[name], raw[name], f"{where}{name}.")


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


@cache
def _nested(kind: Any) -> dict[str, type[Any]]:
    """Return the fields that hold records: one, a tuple of them, or None in the place of one."""
    return {name: record for name, hint in typing.get_type_hints(kind).items() if (record := _record_in(hint))}


def _record_in(hint: Any) -> type[Any] | None:
    for one in (hint, *typing.get_args(hint)):
        if isinstance(one, type) and dataclasses.is_dataclass(one) and NEWER in one.__dataclass_fields__:
            return one
        if typing.get_origin(one) is tuple and one is not hint:
            return _record_in(one)
    return None


def _arranged(kind: Any, raw: JsonObject) -> JsonObject:
    """Move the scores to `scores` and what is unknown to `newer`, here and in the records inside."""
    fields = {one.name: one for one in dataclasses.fields(kind)}
    names = fields[SCORES].metadata[KEYS]() if SCORES in fields else ()
    known = fields.keys() - {SCORES, NEWER}
    found: JsonObject = {}
    apart: JsonObject = {SCORES: {}, NEWER: {}}
    for key, value in raw.items():
        place = found if key in known else apart[SCORES if key in names else NEWER]
        place[key] = _inside(_nested(kind)[key], value) if key in known and key in _nested(kind) else value
    return found | {key: part for key, part in apart.items() if key in fields}


def _inside(kind: Any, value: object) -> object:
    if isinstance(value, list):
        return [_inside(kind, one) for one in value]
    return _arranged(kind, value) if isinstance(value, dict) else value


def to_json(record: Any) -> JsonObject:
    """Return the record as its file has it: keys in the order of the fields, those of a newer version last."""
    found: JsonObject = {}
    for one in dataclasses.fields(record):
        value = getattr(record, one.name)
        if one.name == SCORES:
            found |= value
        elif one.name != NEWER and getattr(record, one.metadata.get(OPTIONAL, NEWER), {}) is not None:
            found[one.name] = _plain(value)
    return found | getattr(record, NEWER, {})


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value):
        return to_json(value)
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    return value


def newer_keys(record: Any, where: str = "") -> Iterator[str]:
    """Yield the keys of a newer version that a record holds, with their places; of equal places in lists one."""
    yield from (f"{where}{key}" for key in record.newer)
    seen: set[str] = set()
    kind: Any = type(record)
    for name in _nested(kind):
        value = getattr(record, name)
        for one in value if isinstance(value, tuple) else [value] if value is not None else []:
            seen |= set(newer_keys(one, f"{where}{name}."))
    yield from sorted(seen)


def shortened(value: object) -> str:
    """Return a value as JSON, short enough for a message."""
    text = json.dumps(value, default=str)
    return text if len(text) <= 80 else f"{text[:77]}..."


def number(value: object) -> float | int | None:
    """Return a finite number, None for anything else, a truth value too: no NaN reaches a table."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if math.isfinite(value) else None
