"""The log-in of a run's MLflow store, kept in the run's folder in a file that only its owner reads.

plan.json, summary.json and tracking.json hold the address without it (orchestrator/tracking/address.py). The file is no
artifact and belongs to no model.
"""

import contextlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from orchestrator.errors import InputError
from orchestrator.files import read_json, write_json
from orchestrator.run_folder import PLAN_FILE, SUMMARY_FILE, TRACKING_SECRET, TRACKING_STATE
from orchestrator.tracking.address import (
    HIDDEN,
    hide_arguments,
    is_known,
    public_address,
    remember,
    remember_environment,
    whole_address,
)

ADDRESSES = "addresses"
OWNER_ONLY = 0o600

Document = dict[str, Any]


def keep(output: Path, address: str) -> None:
    """Write the log-in of a public address into the run's folder; nothing for an address without one.

    Raises OSError if the folder cannot be written.
    """
    if not is_known(address):
        return
    kept = _kept(output)
    whole = whole_address(address)
    if kept.get(address) != whole:
        _write(output / TRACKING_SECRET, {ADDRESSES: {**kept, address: whole}})


def recall(output: Path) -> None:
    """Remember what the run's folder keeps; what the environment or an option said before it stays."""
    remember_environment()
    for whole in _kept(output).values():
        remember(whole, renew=False)


def move_out(output: Path) -> None:
    """Remove log-ins from the files of a run that an earlier version wrote, and keep them where the folder keeps such.

    A file is rewritten atomically and keeps its time, which MLflow shows as a run's end. Raises InputError if the
    folder cannot be written: then nothing was taken out of the file that is named.
    """
    recall(output)
    for name, clean in _FILES.items():
        path = output / name
        try:
            document = read_json(path)
        except InputError:  # absent or damaged: whoever needs it will say so
            continue
        cleaned, address = clean(document)
        if cleaned == document:
            continue
        try:
            keep(output, address)
            _rewrite(path, cleaned)
        except OSError as error:
            found = f"a log-in that cannot be moved out of it: {error.strerror or error}"
            raise InputError.of(str(path), found=found, expected="a folder that can be written") from error


def _clean_plan(document: Document) -> tuple[Document, str]:
    address = _public(document.get("tracking"))
    cleaned = {**document}
    if address:
        cleaned["tracking"] = {**document["tracking"], "tracking_uri": address}
    arguments = document.get("arguments")
    if isinstance(arguments, list) and all(isinstance(one, str) for one in arguments):
        cleaned["arguments"] = hide_arguments(arguments)
    return cleaned, address


def _clean_state(document: Document) -> tuple[Document, str]:
    address = _public(document)
    return ({**document, "tracking_uri": address} if address else document), address


def _clean_summary(document: Document) -> tuple[Document, str]:
    address = _public(document.get("mlflow"))
    return ({**document, "mlflow": {**document["mlflow"], "tracking_uri": address}} if address else document), address


_FILES: dict[str, Callable[[Document], tuple[Document, str]]] = {
    PLAN_FILE: _clean_plan,
    TRACKING_STATE: _clean_state,
    SUMMARY_FILE: _clean_summary,
}


def _public(record: object) -> str:
    """Return the public form of a record's address, and remember the whole one; nothing without an address."""
    found = record.get("tracking_uri") if isinstance(record, dict) else None
    if not isinstance(found, str) or not found:
        return ""
    # Earlier versions hid parts of some passwords: what is left of such a one opens nothing.
    return public_address(found) if HIDDEN in found else remember(found, renew=False)


def _rewrite(path: Path, document: Document) -> None:
    times = path.stat()
    write_json(path, document)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def _kept(output: Path) -> dict[str, str]:
    """Return the addresses in the folder's file; none if there is no file or it cannot be read."""
    try:
        found = read_json(output / TRACKING_SECRET).get(ADDRESSES)
    except InputError:
        return {}
    whole = found.values() if isinstance(found, dict) else ()
    return {public_address(one): one for one in whole if isinstance(one, str)}


def _write(path: Path, document: Document) -> None:
    """Write JSON atomically into a file that nobody else can read at any moment."""
    new = path.with_name(f"{path.name}.{os.getpid()}")
    with contextlib.suppress(FileNotFoundError):
        new.unlink()
    try:
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(document, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
