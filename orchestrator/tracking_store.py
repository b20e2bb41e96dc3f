"""Where the MLflow store is, and its web page: addresses, locks, and the UI in a child process.

No MLflow import here: the UI is the library's own program, run beside us (docs/tracking.md).
"""

import contextlib
import fcntl
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from platformdirs import user_data_path

from orchestrator.errors import InputError
from orchestrator.tracking_views import addresses

APP_NAME = "affect-orchestrator"
DATABASE_NAME = "mlflow.db"
ARTIFACTS_NAME = "artifacts"
URI_VARIABLE = "MLFLOW_TRACKING_URI"
SQLITE_PREFIX = "sqlite:///"
SERVER_SCHEMES = ("http", "https")
DATABASE_SCHEMES = ("postgresql", "mysql", "mssql")  # what MLflow's own store speaks, besides SQLite

DEFAULT_UI_PORT = 5000
DEFAULT_UI_HOST = "127.0.0.1"
UI_START_SECONDS = 90.0  # a cold disk and two busy cores; usually 5 to 10
UI_STOP_SECONDS = 10.0
LOCK_POLL_SECONDS = 0.05

# Nothing is reported to anybody, and the server runs no jobs: it shows runs.
QUIET_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
}


def default_folder() -> Path:
    """Return the folder of the default store: the checkout's `mlflow/`, else the user's data directory."""
    checkout = Path(__file__).resolve().parent.parent
    if (checkout / "pyproject.toml").is_file() and (checkout / "mlflow").is_dir():
        return checkout / "mlflow"
    return user_data_path(APP_NAME)


def default_tracking_uri() -> str:
    """Return the address used when neither `--tracking-uri` nor MLFLOW_TRACKING_URI says otherwise."""
    return f"{SQLITE_PREFIX}{default_folder() / DATABASE_NAME}"


def resolve_tracking_uri(option: str | None = None) -> str:
    """Return the store's address: the option, else MLFLOW_TRACKING_URI, else the default.

    SQLite paths become absolute: Ray Tune changes the working directory, and a relative path would mean
    another database in each place. Raises InputError for an address that MLflow cannot keep runs in.
    """
    where, given = "--tracking-uri", option
    if given is None:
        where, given = URI_VARIABLE, os.environ.get(URI_VARIABLE) or default_tracking_uri()
    scheme = given.split(":", 1)[0].split("+", 1)[0]
    if scheme in SERVER_SCHEMES + DATABASE_SCHEMES and "://" in given:
        return given
    path = given.removeprefix(SQLITE_PREFIX)
    if path == given or not path or path.startswith(":memory:") or "?" in path:
        known = "sqlite:///FILE, http(s)://HOST:PORT, or a postgresql://, mysql:// or mssql:// database"
        raise InputError.of(where, found=hide_password(given), expected=known)
    return f"{SQLITE_PREFIX}{Path(path).expanduser().absolute()}"


def database_path(tracking_uri: str) -> Path | None:
    """Return the file of a SQLite store, None for any other store."""
    if not tracking_uri.startswith(SQLITE_PREFIX):
        return None
    return Path(tracking_uri.removeprefix(SQLITE_PREFIX))


def artifact_location(tracking_uri: str) -> str | None:
    """Return the artifact address of a new experiment; None where a tracking server decides."""
    if tracking_uri.split(":", 1)[0] in SERVER_SCHEMES:
        return None
    database = database_path(tracking_uri)
    folder = default_folder() if database is None else database.parent
    return (folder / ARTIFACTS_NAME).as_uri()


def hide_password(text: str) -> str:
    """Return the text with the user part of every address in it replaced: messages end up in logs."""
    return re.sub(r"://[^/@\s]+@", "://***@", text)


@contextlib.contextmanager
def locked(path: Path, *, wait_seconds: float) -> Iterator[IO[str]]:
    """Hold an exclusive lock on a file (made when absent) as long as the block, or until the file is closed.

    Raises TimeoutError when another process, or another open of it in this one, keeps it for `wait_seconds`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        end = time.monotonic() + wait_seconds
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= end:
                    raise TimeoutError(f"{path} is held by another process") from None
                time.sleep(LOCK_POLL_SECONDS)
        yield handle


def ui_command(tracking_uri: str, port: int = DEFAULT_UI_PORT, host: str = DEFAULT_UI_HOST) -> list[str]:
    """Return the command line of the MLflow UI for a store.

    One worker is plenty for one reader; the artifacts' place is named because the library would else make
    a folder `mlartifacts` wherever it is started.
    """
    command = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", tracking_uri]
    command += ["--host", host, "--port", str(port), "--workers", "1"]
    location = artifact_location(tracking_uri)
    return command if location is None else [*command, "--artifacts-destination", location]


def ui_environment() -> dict[str, str]:
    """Return the environment of the UI's process: this one's, quiet, without a store of its own choosing."""
    environment = {**os.environ, **QUIET_ENVIRONMENT}
    environment.pop(URI_VARIABLE, None)
    return environment


def serve_ui(
    tracking_uri: str,
    port: int = DEFAULT_UI_PORT,
    host: str = DEFAULT_UI_HOST,
    *,
    start_seconds: float = UI_START_SECONDS,
) -> int:
    """Run the MLflow UI until Ctrl-C or a request to terminate, print its address, and return its exit code.

    Raises InputError when the store has no database yet, when it is a server (which has its own page), or
    when the port is in use or not ours to open.
    """
    _refuse_unservable(tracking_uri, port, host)
    # A session of its own: `mlflow ui` starts a web server below itself, and both must end with us.
    with subprocess.Popen(
        ui_command(tracking_uri, port, host), env=ui_environment(), start_new_session=True
    ) as process:
        previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            if not _wait_until_up(process, host, port, start_seconds):
                print(f"The MLflow UI did not start within {start_seconds:.0f} s", file=sys.stderr)
                return process.poll() or 1
            address = f"http://{_in_url(host)}:{port}"
            print(f"MLflow UI: {address} (store {hide_password(tracking_uri)}); Ctrl-C ends it", flush=True)
            _print_views(address)
            return process.wait()
        except KeyboardInterrupt:
            return 0
        finally:
            signal.signal(signal.SIGTERM, previous)
            _end_group(process)


def _print_views(address: str) -> None:
    """Print what to open for each experiment; nothing where the server does not say what it has."""
    with contextlib.suppress(OSError, ValueError):
        for experiment, views in addresses(address).items():
            lines = [f"{experiment}:", *(f"  {name:15}{view}" for name, view in views.items())]
            print("\n".join(lines), flush=True)


def _refuse_unservable(tracking_uri: str, port: int, host: str) -> None:
    if tracking_uri.split(":", 1)[0] in SERVER_SCHEMES:
        shown = hide_password(tracking_uri)
        raise InputError.of("--tracking-uri", found=shown, expected=f"a database; this is a server: open {shown}")
    database = database_path(tracking_uri)
    if database is not None and not database.is_file():
        expected = "a store that a search has written (run `python -m orchestrator tune`, or `track DIR`)"
        raise InputError.of("--tracking-uri", found=f"no database at {database}", expected=expected)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            found = f"{host}:{port} ({error.strerror})"
            raise InputError.of("--port", found=found, expected="a free port") from None


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _wait_until_up(process: subprocess.Popen[bytes], host: str, port: int, seconds: float) -> bool:
    """Tell whether the server listens before its process ends or the time is over."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        try:
            with socket.create_connection((host, port), timeout=2):
                return True
        except OSError:
            time.sleep(0.2)
    return False


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End the UI and the web server below it: ask first, then insist (the group may outlive its leader)."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, sign)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(UI_STOP_SECONDS)
