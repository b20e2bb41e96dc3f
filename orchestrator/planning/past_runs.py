"""The runs in a folder, the latest first, and `latest` as a name for the first of them."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orchestrator.errors import InputError
from orchestrator.files import JsonObject, read_json
from orchestrator.run_folder import PLAN_FILE, RUNS_FOLDER, SUMMARY_FILE

LATEST = "latest"
UNFINISHED = "unfinished"  # no summary: at work, or broken off
UNREADABLE = "damaged"


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRun:
    """A run by its folder: what its plan and its summary say, as far as they can be read; `began` in UTC."""

    folder: Path
    began: datetime
    status: str
    plan: JsonObject
    summary: JsonObject


def past_runs(folder: Path) -> list[PastRun]:
    """Return the runs whose folders lie in `folder`, the one that began last first; InputError if it is no folder."""
    try:
        inside = [one for one in folder.iterdir() if (one / PLAN_FILE).is_file()]
    except OSError as error:
        found = f"{folder}: {error.strerror or error}"
        raise InputError.of("runs", found=found, expected="a folder with runs in it") from error
    return sorted(map(_read, inside), key=lambda one: (one.began, one.folder.name), reverse=True)


def means_latest(place: str) -> bool:
    """Return whether a place is the name of the latest run, not that of a file or folder here."""
    return place == LATEST and not os.path.lexists(LATEST)


def latest_run(folder: Path | None = None, *, with_file: str | None = None) -> Path:
    """Return the folder of the latest run in `folder` (None: `runs`), of those with this file if it is given."""
    place = Path(RUNS_FOLDER) if folder is None else folder
    there = past_runs(place) if place.is_dir() else []
    found = readable(there)
    for one in found:
        if with_file is None or (one.folder / with_file).is_file():
            return one.folder.absolute()
    lacking = f"{len(found)} runs in {place}, none with {with_file}" if found else f"no run in {place}"
    if len(found) < len(there):
        lacking += f", and {len(there) - len(found)} with a damaged {PLAN_FILE}"
    raise InputError.of(LATEST, found=lacking, expected="the folder of a run")


def readable(runs: Sequence[PastRun]) -> list[PastRun]:
    """Return those whose plan can be read: of the others nobody knows when they began."""
    return [one for one in runs if one.plan]


def _read(folder: Path) -> PastRun:
    plan, summary = _json(folder / PLAN_FILE), _json(folder / SUMMARY_FILE)
    status = UNREADABLE if (folder / SUMMARY_FILE).is_file() else UNFINISHED
    if summary is not None:
        status = str(summary.get("status", UNFINISHED))
    return PastRun(
        folder=folder,
        began=_began(folder, plan),
        status=UNREADABLE if plan is None else status,
        plan=plan or {},
        summary=summary or {},
    )


def _json(file: Path) -> JsonObject | None:
    try:
        return read_json(file)
    except (InputError, OSError):
        return None


def _began(folder: Path, plan: JsonObject | None) -> datetime:
    """Return when a run began; of a plan that does not say, when its file was written."""
    said: Any = (plan or {}).get("started")
    try:
        when = datetime.fromisoformat(str(said))
    except ValueError:
        when = datetime.fromtimestamp((folder / PLAN_FILE).stat().st_mtime, UTC)
    return when if when.tzinfo else when.replace(tzinfo=UTC)
