"""MLflow's client, opened so that it contacts only the store, prints nothing, and waits a few seconds at most."""

import logging
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from orchestrator.files import locked
from orchestrator.tracking.address import whole_address
from orchestrator.tracking.location import QUIET_ENVIRONMENT, SQLITE_PREFIX, database_path
from orchestrator.tracking.schema import check_store

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

# MLflow's own defaults (120 s, 7 retries) block a call for about four minutes. No retries below us: a
# repeated create call would make a second run, and our own loop looks first at what the store has.
REQUEST_SECONDS = 15
CREATE_DATABASE_SECONDS = 120.0  # waiting for another search that is creating it; usually 2


def _quiet_mlflow() -> "type[MlflowClient]":
    """Import MLflow so that it neither talks to the network, nor to the terminal, nor waits for minutes."""
    for name, value in QUIET_ENVIRONMENT.items():
        os.environ[name] = value
    os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", str(REQUEST_SECONDS))
    # `mlflow.tracking`: our own folder mlflow/ makes a bare `import mlflow` succeed without the library.
    from mlflow.tracking import MlflowClient

    if "MLFLOW_LOGGING_LEVEL" not in os.environ:
        for name in ("mlflow", "alembic", "urllib3.connectionpool"):
            logging.getLogger(name).setLevel(logging.CRITICAL)  # failures reach us as exceptions
    client_type: type[MlflowClient] = MlflowClient
    return client_type


def connect(tracking_uri: str) -> "MlflowClient":
    """Open a store. A SQLite file appears whole or not at all, made by one process while others wait.

    Raises InputError for a database that is no MLflow store, or one of another schema: MLflow would change it.
    """
    client_type = _quiet_mlflow()
    database = database_path(tracking_uri)
    if database is None:
        check_store(tracking_uri, writing=True)
        return client_type(whole_address(tracking_uri))
    database.parent.mkdir(parents=True, exist_ok=True)
    with locked(database.with_name(f"{database.name}.lock"), wait_seconds=CREATE_DATABASE_SECONDS):
        check_store(tracking_uri, writing=True)
        if not database.is_file():
            with TemporaryDirectory(prefix=f"{database.name}.new-", dir=database.parent) as folder:
                new = Path(folder) / database.name
                client_type(f"{SQLITE_PREFIX}{new}").search_experiments(max_results=1)
                new.replace(database)
        return client_type(tracking_uri)


def open_to_read(tracking_uri: str) -> "MlflowClient":
    """Open a store that is there; nothing is created and nothing locked. InputError if it is no MLflow store."""
    check_store(tracking_uri)
    return _quiet_mlflow()(whole_address(tracking_uri))
