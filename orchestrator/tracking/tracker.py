"""MLflow: the parent run is a search, its child runs are configurations (docs/tracking.md).

One writer, on the driver, copies to the store what a search's directory has and the store lacks. So training never
waits for a server, and `track DIR` writes later what is missing.
"""

import threading
import time
from collections.abc import Callable
from pathlib import Path

from orchestrator.files import locked
from orchestrator.run_folder import TRACKING_LOCK
from orchestrator.tracking import records
from orchestrator.tracking.client import REQUEST_SECONDS
from orchestrator.tracking.limits import Limit, bounded
from orchestrator.tracking.location import (
    resolve_tracking_uri,
)
from orchestrator.tracking.mlflow_store import MlflowStore
from orchestrator.tracking.outcome import TrackingReport
from orchestrator.tracking.secrets import keep, move_out, recall
from orchestrator.tracking.writer import Writer, read_state

DEFAULT_CLOSE_SECONDS = 60.0
PASS_INTERVAL_SECONDS = 1.0  # a burst of finished trials is one pass
FIRST_DELAY_SECONDS = 1.0  # between attempts at a failing store; doubles
LONGEST_DELAY_SECONDS = 60.0
LAST_ATTEMPTS = 2  # at the end of a search whose store fails


class Tracker:
    """The live writer: a thread of the driver that follows a search's directory. Never used in a worker.

    Nothing here raises, slows training or waits without a bound: a store that fails is tried again later, and
    `close` tells what it lacks.
    """

    def __init__(self, output: Path, tracking_uri: str, experiment: str | None = None) -> None:
        """Follow `output` (with its plan.json) into the store at an absolute `tracking_uri`."""
        recall(output)
        self._writer = Writer(output, tracking_uri, experiment, MlflowStore)
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
        """Signal that the directory has something new; returns at once."""
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
    writer = Writer(output, tracking_uri, None, MlflowStore)

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
