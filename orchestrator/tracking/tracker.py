"""MLflow: the parent run is a search, its child runs are configurations (docs/tracking.md).

One writer, on the driver: what a search's directory has and the store lacks is written, so training never waits for
a server, and what a server missed is written later by `track DIR`.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from orchestrator.files import JsonObject, locked
from orchestrator.run_folder import EXPORTED_MODEL, TRACKING_LOCK
from orchestrator.tracking import records
from orchestrator.tracking.address import whole_address
from orchestrator.tracking.limits import Limit, bounded
from orchestrator.tracking.location import (
    QUIET_ENVIRONMENT,
    SQLITE_PREFIX,
    artifact_location,
    database_path,
    is_run_id,
    resolve_tracking_uri,
)
from orchestrator.tracking.outcome import TrackingReport
from orchestrator.tracking.records import RunRecord, StoredRun
from orchestrator.tracking.schema import check_store
from orchestrator.tracking.secrets import keep, move_out, recall
from orchestrator.tracking.views import experiment_tags
from orchestrator.tracking.writer import Writer, read_state

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

# MLflow's own defaults (120 s, 7 retries) block a call for about four minutes. No retries below us: a
# repeated create call would make a second run, and our own loop looks first at what the store has.
REQUEST_SECONDS = 15
DEFAULT_CLOSE_SECONDS = 60.0
CREATE_DATABASE_SECONDS = 120.0  # waiting for another search that is creating it; usually 2
PASS_INTERVAL_SECONDS = 1.0  # a burst of finished trials is one pass
FIRST_DELAY_SECONDS = 1.0  # between attempts at a failing store; doubles
LONGEST_DELAY_SECONDS = 60.0
LAST_ATTEMPTS = 2  # at the end of a search whose store fails

RUNS_A_PAGE = 500
ACTIVE_ONLY, DELETED_ONLY = 1, 2  # MLflow's ViewType


class Tracker:
    """The live writer: a thread of the driver that follows a search's directory. Never used in a worker.

    Nothing here raises, slows training or waits without a bound: a store that fails is tried again later, and
    `close` tells what it lacks.
    """

    def __init__(self, output: Path, tracking_uri: str, experiment: str | None = None) -> None:
        """Follow `output` (with its plan.json) into the store at an absolute `tracking_uri`."""
        recall(output)
        self._writer = Writer(output, tracking_uri, experiment, _Store)
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._release: Callable[[], None] = lambda: None
        self._thread = threading.Thread(target=self._follow, name="mlflow-tracker", daemon=True)

    @property
    def problem(self) -> str | None:
        """The first failure of the store, for one warning on the display; None while all went well."""
        return self._writer.problem

    def start(self) -> None:
        """Start the thread; it opens (and on first use creates) the store and the parent run."""
        try:
            keep(self._writer.output, self._writer.tracking_uri)
        except OSError as error:
            self._writer.note(error)
        self._wake.set()
        self._thread.start()

    def changed(self) -> None:
        """Say that the directory has something new; returns at once."""
        self._wake.set()

    def close(self, deadline_seconds: float = DEFAULT_CLOSE_SECONDS) -> TrackingReport:
        """Write what is left, for at most `deadline_seconds`, and report.

        The writer is gone afterwards: one that hangs writes nothing more.
        """
        self._closing.set()
        self._wake.set()
        try:
            if self._thread.ident is not None:
                self._thread.join(deadline_seconds)
            if self._thread.is_alive():
                self._writer.failing = True
                self._writer.note(f"the store took longer than the {deadline_seconds:g} s it had at the end")
        finally:
            self._writer.stopped.set()
            self._release()  # a thread that hangs must not keep `track DIR` out
        return self._writer.report()

    def _follow(self) -> None:
        try:
            with locked(self._writer.output / TRACKING_LOCK, wait_seconds=REQUEST_SECONDS) as held:
                self._release = held.release
                self._loop()
        except (OSError, ValueError) as error:  # a directory that another process writes, or that is gone
            self._writer.failing = True
            self._writer.note(error)

    def _loop(self) -> None:
        delay, last_attempts = FIRST_DELAY_SECONDS, 0
        while not self._writer.stopped.is_set():
            self._wake.wait()
            self._wake.clear()
            closing = self._closing.is_set()  # asked before the pass: it must see what close() was told to write
            if self._writer.run_pass(search_over=closing):
                if closing:
                    return
                delay = FIRST_DELAY_SECONDS
                self._closing.wait(PASS_INTERVAL_SECONDS)
                continue
            last_attempts += closing
            if last_attempts == LAST_ATTEMPTS:
                return
            (self._writer.stopped if closing else self._closing).wait(FIRST_DELAY_SECONDS if closing else delay)
            delay = min(2 * delay, LONGEST_DELAY_SECONDS)
            self._wake.set()


def write_missing(output: Path, tracking_uri: str | None = None) -> TrackingReport:
    """Write whatever a search's directory has and the store lacks; a second call changes nothing.

    The store is the one in plan.json unless `tracking_uri` names another. Raises InputError for a directory
    without a readable plan.json or an impossible address; a failing store is reported, not raised, and so is one in
    which no call finishes within tracking_limits.CALL_SECONDS.
    """
    records.read_plan(output)
    move_out(output)
    tracking_uri = resolve_tracking_uri(
        tracking_uri or records.read_plan(output).get("tracking", {}).get("tracking_uri")
    )
    writer = Writer(output, tracking_uri, None, _Store)

    def attempt(limit: Limit) -> None:
        for number in range(LAST_ATTEMPTS):
            if number:
                time.sleep(FIRST_DELAY_SECONDS)
            if writer.run_pass(search_over=True, limit=limit):
                break

    try:
        with locked(output / TRACKING_LOCK, wait_seconds=1.0):
            bounded(attempt, stop=writer.stopped.set)
    except OSError as error:  # TimeoutError: the search itself is still writing, or the store answers too slowly
        writer.failing = True
        writer.note(error)
    return writer.report()


def tracking_identity(output: Path) -> dict[str, str] | None:
    """Return tracking_uri, experiment_id and run_id of a directory's parent run; None before it exists."""
    state = read_state(output)
    if state is None or not state["run_id"]:
        return None
    return {key: str(state[key]) for key in ("tracking_uri", "experiment_id", "run_id")}


class _Store:
    """MLflow as the writer sees it; `check` runs before every call, with the bytes it moves, and may raise to stop."""

    def __init__(self, tracking_uri: str, check: Callable[..., None]) -> None:
        check(more_seconds=CREATE_DATABASE_SECONDS)
        self._client = connect(tracking_uri)
        self._check = check
        self._location = artifact_location(tracking_uri)
        self._experiment_id = ""

    def open_experiment(self, name: str) -> str:
        """Find or make an experiment; two searches may make it at the same time."""
        self._check()
        if self._client.get_experiment_by_name(name) is None:
            try:
                self._client.create_experiment(name, artifact_location=self._location)
            except Exception:
                if self._client.get_experiment_by_name(name) is None:
                    raise
        experiment = self._client.get_experiment_by_name(name)
        if experiment is None or experiment.name != name:
            raise RuntimeError(f"it gave no experiment {name!r}, also when asked to make one: is it an MLflow server?")
        if experiment.lifecycle_stage != "active":
            raise RuntimeError(f"the experiment {name!r} was deleted: restore it, or name another one")
        self._experiment_id = str(experiment.experiment_id)
        for key, value in experiment_tags().items():
            if experiment.tags.get(key) != value:
                self._client.set_experiment_tag(self._experiment_id, key, value)
        return self._experiment_id

    def search(self, tag: str, value: str, *, deleted: bool = False) -> Iterator[StoredRun]:
        """Yield the runs of the experiment that carry the tag; either those that were deleted, or the others."""
        token, view = None, DELETED_ONLY if deleted else ACTIVE_ONLY
        while True:
            self._check()
            page = self._client.search_runs(
                [self._experiment_id], f"tags.`{tag}` = '{value}'", view, RUNS_A_PAGE, page_token=token
            )
            yield from map(_stored, page)
            token = page.token
            if not token:
                return

    def create(self, record: RunRecord, extra_tags: Mapping[str, str]) -> StoredRun:
        """Make a run; its tags come with it, so that it is found again whatever happens next."""
        self._check()
        tags = {**record.tags, **extra_tags}
        return _stored(self._client.create_run(self._experiment_id, record.start_ms, tags, record.name))

    def log(
        self,
        run_id: str,
        *,
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        metrics: Sequence[records.Point] = (),
    ) -> None:
        """Log in as few calls as MLflow allows; logging the same again changes nothing."""
        from mlflow.entities import Metric, Param, RunTag

        self._check()
        self._client.log_batch(  # splits what is above MLflow's limits, 1,000 metrics and 100 of the others
            run_id,
            metrics=[Metric(*point) for point in metrics],
            params=[Param(*item) for item in (params or {}).items()],
            tags=[RunTag(*item) for item in (tags or {}).items()],
        )

    def log_text(self, run_id: str, text: str, name: str) -> None:
        """Write a text artifact."""
        self._check()
        self._client.log_text(run_id, text, name)

    def log_file(self, run_id: str, path: Path, folder: str | None) -> None:
        """Upload an artifact."""
        self._check(num_bytes=path.stat().st_size)
        self._client.log_artifact(run_id, str(path), folder)

    def log_model(self, run_id: str, folder: Path, made: JsonObject) -> None:
        """Log the exported program in a run's folder as a model of the run."""
        from orchestrator.tracking.models import log_model

        self._check(num_bytes=(folder / EXPORTED_MODEL).stat().st_size)
        log_model(self._client, self._experiment_id, run_id, folder, made)

    def end(self, run_id: str, status: str, end_ms: int) -> None:
        """Set the last status and the time."""
        self._check()
        self._client.set_terminated(run_id, status=status, end_time=end_ms)

    def reopen(self, run_id: str) -> None:
        """Set a run that had ended to RUNNING."""
        self._check()
        self._client.update_run(run_id, status="RUNNING")

    def delete(self, run_id: str) -> None:
        """Delete a run; MLflow can restore it."""
        self._check()
        self._client.delete_run(run_id)


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


def _stored(run: "Run") -> StoredRun:
    if not is_run_id(run.info.run_id):
        raise RuntimeError(f"it gave a run with the id {run.info.run_id!r}: is it an MLflow server?")
    return StoredRun(
        run_id=run.info.run_id,
        status=run.info.status,
        start_ms=run.info.start_time,
        params=run.data.params,
        tags=run.data.tags,
    )
