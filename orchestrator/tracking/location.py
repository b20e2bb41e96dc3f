"""Location of the MLflow store: its address, the folders next to it, and locks. No MLflow import here.

Addresses go through the program without their log-ins (orchestrator/tracking/address.py).
"""

import os
import re
from pathlib import Path

from platformdirs import user_data_path

from orchestrator.errors import InputError
from orchestrator.tracking.address import (
    HIDDEN,
    URI_VARIABLE,
    hide_password,
    public_address,
    remember,
    remember_environment,
)

APP_NAME = "affect-orchestrator"
DATABASE_NAME = "mlflow.db"
ARTIFACTS_NAME = "artifacts"
SQLITE_PREFIX = "sqlite:///"
SERVER_SCHEMES = ("http", "https")
DATABASE_SCHEMES = ("postgresql", "mysql", "mssql")  # what MLflow's own store speaks, besides SQLite

LOCK_POLL_SECONDS = 0.05
_RUN_ID = re.compile(r"[0-9a-f]{32}")

# Nothing is reported to anybody, and the server runs no jobs: it shows runs.
QUIET_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
}


def default_folder() -> Path:
    """Return the folder of the default store: the checkout's `mlflow/`, else the user's data directory."""
    checkout = Path(__file__).resolve().parents[2]
    if (checkout / "pyproject.toml").is_file() and (checkout / "mlflow").is_dir():
        return checkout / "mlflow"
    return user_data_path(APP_NAME)


def default_tracking_uri() -> str:
    """Return the address used when neither `--tracking-uri` nor MLFLOW_TRACKING_URI says otherwise."""
    return f"{SQLITE_PREFIX}{default_folder() / DATABASE_NAME}"


def resolve_tracking_uri(option: str | None = None) -> str:
    """Return the store's address without its log-in: the option, else MLFLOW_TRACKING_URI, else the default.

    The log-in stays in this process; `whole_address` has it for the library that opens the store. SQLite paths become
    absolute: Ray Tune changes the working directory, and a relative path would mean another database in each place.
    Raises InputError for an address that MLflow cannot keep runs in.
    """
    remember_environment()
    where, given = "--tracking-uri", option
    if given is None:
        where, given = URI_VARIABLE, os.environ.get(URI_VARIABLE) or default_tracking_uri()
    scheme = given.split(":", 1)[0].split("+", 1)[0]
    if scheme in SERVER_SCHEMES + DATABASE_SCHEMES and "://" in given:
        return _usable(where, given)
    path = given.removeprefix(SQLITE_PREFIX)
    if path == given or not path or path.startswith(":memory:") or "?" in path:
        known = "sqlite:///FILE, http(s)://HOST:PORT, or a postgresql://, mysql:// or mssql:// database"
        raise InputError.of(where, found=hide_password(public_address(given)), expected=known)
    return f"{SQLITE_PREFIX}{Path(path).expanduser().absolute()}"


def _usable(where: str, address: str) -> str:
    public = remember(address)
    if public.endswith(f"://{HIDDEN}"):
        expected = "a host, and a number as its port (`@` and `/` of a path are written as %40 and %2F)"
        raise InputError.of(where, found=public, expected=expected)
    return public


def database_path(tracking_uri: str) -> Path | None:
    """Return the file of a SQLite store, None for any other store."""
    if not tracking_uri.startswith(SQLITE_PREFIX):
        return None
    return Path(tracking_uri.removeprefix(SQLITE_PREFIX))


def artifact_location(tracking_uri: str) -> str | None:
    """Return the artifact address of a new experiment; None if a tracking server decides."""
    if tracking_uri.split(":", 1)[0] in SERVER_SCHEMES:
        return None
    database = database_path(tracking_uri)
    folder = default_folder() if database is None else database.parent
    return (folder / ARTIFACTS_NAME).as_uri()


def is_run_id(value: object) -> bool:
    """Return whether a value from a store or a file is a run's id: it becomes part of paths."""
    return isinstance(value, str) and _RUN_ID.fullmatch(value) is not None
