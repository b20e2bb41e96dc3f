"""The plan's file, written once and read by whoever resumes: every type, range, name and uid is checked on reading."""

import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from orchestrator.errors import InputError, Problem
from orchestrator.files import JsonObject, read_json, write_json
from orchestrator.json_records import shortened
from orchestrator.planning.grid import UID_LENGTH, decisive_of, uid_of
from orchestrator.planning.plan import PLAN_FORMAT, Plan
from orchestrator.planning.removal import FORGOTTEN_FILE
from orchestrator.run_folder import PLAN_FILE

AS_WRITTEN = "the file as the run wrote it"
BEGAN = "as when the run began (results of two settings do not mix)"
SHOWN_PROBLEMS = 5  # ours: of a damaged plan
_UID = re.compile(rf"[0-9a-f]{{{UID_LENGTH}}}")


def save_plan(plan: Plan, output: Path) -> None:
    """Write `plan.json` atomically."""
    write_json(output / PLAN_FILE, dataclasses.asdict(plan))


def load_plan(output: Path) -> Plan:
    """Read the plan of an output directory.

    InputError if there is none, where it is of another format or damaged, and where something that decides a
    result was changed since its uids were made.
    """
    file = output / PLAN_FILE
    if not file.is_file():
        raise InputError.of(str(output), found=f"no {PLAN_FILE}", expected="the output directory of an earlier run")
    raw = read_json(file)
    if raw.get("format") != PLAN_FORMAT:
        raise InputError.of(str(file), found=f"format {raw.get('format')}", expected=f"format {PLAN_FORMAT}")
    plan = _typed(raw, file)
    problems = [*_unsafe_names(plan, file)] or _unlike_uids(raw, file) or [*_unknown_packs(plan, file)]
    if problems:
        raise InputError(problems[:SHOWN_PROBLEMS])
    return plan


def _typed(raw: JsonObject, file: Path) -> Plan:
    """Return the plan if every field has its type and range, and no field is unknown."""
    try:
        plan = TypeAdapter(Plan).validate_json(json.dumps(raw, allow_nan=False), strict=True)
    except ValidationError as error:
        faults = [
            Problem(
                where=f"{file}: {'.'.join(map(str, one['loc'])) or 'the plan'}",
                found="nothing" if one["type"] == "missing" else shortened(one["input"]),
                expected=one["msg"].removeprefix("Input should be "),
            )
            for one in error.errors(include_url=False)
        ]
        raise InputError(faults[:SHOWN_PROBLEMS]) from error
    except ValueError as error:  # a number that JSON does not have
        raise InputError.of(str(file), found=f"a damaged plan ({error})", expected=AS_WRITTEN) from error
    unknown = [*_unknown(raw, dataclasses.asdict(plan))]
    if unknown:
        found = f"unknown fields ({', '.join(unknown[:SHOWN_PROBLEMS])})"
        raise InputError.of(str(file), found=found, expected="a plan of this version or an earlier one")
    if not plan.trials:
        raise InputError.of(f"{file}: trials", found="none", expected="at least one")
    return plan


def _unknown(raw: Any, known: Any, where: str = "") -> Iterator[str]:
    if isinstance(raw, dict) and isinstance(known, dict):
        for key, value in raw.items():
            name = f"{where}.{key}" if where else str(key)
            if key in known:
                yield from _unknown(value, known[key], name)
            else:
                yield name
    elif isinstance(raw, list) and isinstance(known, list | tuple):
        for number, (one, of_known) in enumerate(zip(raw, known, strict=True)):
            yield from _unknown(one, of_known, f"{where}.{number}")


def _unsafe_names(plan: Plan, file: Path) -> Iterator[Problem]:
    """Find names that become paths and are none: a plan may come from elsewhere."""
    if Path(plan.name).name != plan.name or plan.name in ("", "..") or "\0" in plan.name:
        yield Problem(where=f"{file}: name", found=repr(plan.name), expected="a name, no path")
    uids = [trial.uid for trial in plan.trials]
    for number, uid in enumerate(uids):
        where = f"{file}: trials.{number}.uid"
        if not _UID.fullmatch(uid):
            yield Problem(where=where, found=repr(uid), expected=f"{UID_LENGTH} hexadecimal digits")
        elif uids.index(uid) != number:
            yield Problem(where=where, found=f"{uid} for a second time", expected="a uid per trial")


def _unlike_uids(raw: JsonObject, file: Path) -> list[Problem]:
    """Compare the plan with its uids, unless the removal of a person has changed the groups: it is not resumed."""
    if (file.parent / FORGOTTEN_FILE).is_file() and raw.get("protocol", {}).get("group_by"):
        return []
    return [*_changed(raw, file)]


def _changed(raw: JsonObject, file: Path) -> Iterator[Problem]:
    """Compare what stands in the file with the uids, and with the copy that was made with them."""
    decides = decisive_of(raw)
    kept = raw.get("decisive")
    if kept:
        for key, found, expected in _differences(decides, kept):
            yield Problem(where=f"{file}: {key}", found=shortened(found), expected=f"{shortened(expected)}, {BEGAN}")
    for number, point in enumerate(raw["trials"]):
        found_uid = uid_of(point["network"], point["hparams"], decides)
        if found_uid != point["uid"]:
            found = f"{point['network']} {json.dumps(point['hparams'])}, whose uid would be {found_uid}"
            what = f"trials.{number}" if kept else f"trials.{number}, or the seed, protocol, corpus or options above"
            expected = f"what uid {point['uid']} was made of, {BEGAN}"
            yield Problem(where=f"{file}: {what}", found=found, expected=expected)
            return  # one says it: if something common was changed, all uids differ


def _unknown_packs(plan: Plan, file: Path) -> Iterator[Problem]:
    """Find what is in a pack and is no trial, or in two."""
    uids = [trial.uid for trial in plan.trials]
    packed = [(f"{file}: packs.{number}", uid) for number, pack in enumerate(plan.packs) for uid in pack]
    for number, (where, uid) in enumerate(packed):
        if uid not in uids or uid in [other for _, other in packed[:number]]:
            yield Problem(where=where, found=repr(uid), expected="uids of the plan's trials, each once")


def _differences(found: Any, expected: Any, where: str = "") -> Iterator[tuple[str, Any, Any]]:
    if isinstance(found, dict) and isinstance(expected, dict):
        for key in {**expected, **found}:
            name = f"{where}.{key}" if where else str(key)
            yield from _differences(found.get(key), expected.get(key), name)
    elif found != expected or isinstance(found, bool) != isinstance(expected, bool):
        yield where, found, expected
