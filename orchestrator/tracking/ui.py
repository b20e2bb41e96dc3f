"""The web page of an MLflow store: MLflow's own server, run until this program ends (docs/tracking.md).

No MLflow import here. The server gets the store's address in its environment: command lines are
visible to every user of the machine.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO

from orchestrator.errors import InputError, printable
from orchestrator.tracking import keeper as tracking_keeper
from orchestrator.tracking.address import URI_VARIABLE, hide_password, public_address, whole_address
from orchestrator.tracking.limits import bounded
from orchestrator.tracking.location import QUIET_ENVIRONMENT, SERVER_SCHEMES, artifact_location
from orchestrator.tracking.schema import check_store
from orchestrator.tracking.views import addresses

STORE_VARIABLE = "MLFLOW_BACKEND_STORE_URI"  # read by `mlflow ui`
DEFAULT_UI_PORT = 5000
DEFAULT_UI_HOST = "127.0.0.1"
QUIET = ("--uvicorn-opts", "--log-level warning")  # a line per request would carry our addresses off the screen
UI_START_SECONDS = 90.0  # a cold disk and two busy cores; usually 5 to 10
UI_STOP_SECONDS = 10.0


def ui_command(tracking_uri: str, port: int = DEFAULT_UI_PORT, host: str = DEFAULT_UI_HOST) -> list[str]:
    """Return the command line of the MLflow UI for a store; its address is in the environment.

    One worker is plenty for one reader; the artifacts' place is named because the library would else make
    a folder `mlartifacts` wherever it is started.
    """
    command = [sys.executable, "-m", "mlflow", "ui", "--host", host, "--port", str(port), "--workers", "1", *QUIET]
    location = artifact_location(tracking_uri)
    return command if location is None else [*command, "--artifacts-destination", location]


def ui_environment(tracking_uri: str) -> dict[str, str]:
    """Return the environment of the UI's process: this one's, quiet, with the store and none of its own choosing."""
    environment = {**os.environ, **QUIET_ENVIRONMENT, STORE_VARIABLE: whole_address(tracking_uri)}
    environment.setdefault("PYTHONWARNINGS", "ignore")  # of the libraries below MLflow, which nobody here can heed
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

    Raises InputError when there is no store of this MLflow's schema, when it is a server (which has its own page), or
    when the port is in use or not ours to open.
    """
    _refuse_unservable(tracking_uri, port, host)
    keeper = [sys.executable, "-P", str(Path(tracking_keeper.__file__))]
    # A session of its own: `mlflow ui` starts a web server below itself, and both must end with us.
    with subprocess.Popen(
        [*keeper, *ui_command(tracking_uri, port, host)],
        env=ui_environment(tracking_uri),
        start_new_session=True,
        stdin=subprocess.PIPE,  # closes when we are gone
        stderr=subprocess.PIPE,
    ) as process:
        previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
        assert process.stderr is not None
        threading.Thread(target=_pass_on, args=(process.stderr,), name="mlflow-ui", daemon=True).start()
        try:
            if not _wait_until_up(process, host, port, start_seconds):
                print(f"The MLflow UI did not start within {start_seconds:.0f} s", file=sys.stderr)
                return process.poll() or 1
            address = f"http://{_in_url(host)}:{port}"
            print(f"MLflow UI: {address} (store {public_address(tracking_uri)}); Ctrl-C ends it", flush=True)
            _print_views(address)
            return process.wait()
        except KeyboardInterrupt:
            return 0
        finally:
            signal.signal(signal.SIGTERM, previous)
            _end_group(process)


def _pass_on(stream: IO[bytes]) -> None:
    """Print what the UI says, without passwords."""
    with contextlib.suppress(OSError, ValueError):  # closed by the end of either
        for line in stream:
            sys.stderr.write(printable(hide_password(line.decode(errors="replace"))))
            sys.stderr.flush()


def _print_views(address: str) -> None:
    """Print what to open for each experiment; nothing if the server does not say what it has."""
    with contextlib.suppress(OSError, ValueError):
        for experiment, views in addresses(address).items():
            lines = [f"{experiment}:", *(f"  {name:15}{view}" for name, view in views.items())]
            print("\n".join(printable(line) for line in lines), flush=True)


def _refuse_unservable(tracking_uri: str, port: int, host: str) -> None:
    shown = public_address(tracking_uri)
    if tracking_uri.split(":", 1)[0] in SERVER_SCHEMES:
        raise InputError.of("--tracking-uri", found=shown, expected=f"a database; this is a server: open {shown}")
    try:
        bounded(lambda _: check_store(tracking_uri))
    except TimeoutError as error:
        found = f"{shown}: {error}"
        raise InputError.of("--tracking-uri", found=found, expected="an MLflow store that answers") from error
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
    """Wait for the server; return whether it listens before its process ends or the time is over."""
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
