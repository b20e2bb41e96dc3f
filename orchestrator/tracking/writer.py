"""Compares a search's directory with what a store has, and writes the difference (docs/tracking.md).

It calls a store through the methods of `Store`, which mlflow_store.py implements; no MLflow import here.
"""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from orchestrator.errors import InputError
from orchestrator.files import JsonObject, read_json, write_json
from orchestrator.run_folder import PLAN_FILE, SUMMARY_FILE, TRACKING_STATE
from orchestrator.run_records import Summary
from orchestrator.tracking import records
from orchestrator.tracking.address import public_address
from orchestrator.tracking.limits import Limit
from orchestrator.tracking.location import is_run_id
from orchestrator.tracking.outcome import TrackingReport, one_line
from orchestrator.tracking.records import RunRecord, StoredRun
from orchestrator.tracking.secrets import keep
from orchestrator.tracking.store import Store

DEFAULT_EXPERIMENT = "affect"
FAILURES_IN_A_ROW = 2  # then it is the store and not the trial


class Stopped(Exception):  # noqa: N818 - not an error: the caller asked to stop
    """The writer was told to stop between two calls."""


class Writer:
    """Writes one directory into one store; remembers what the store has: a pass costs what is new."""

    def __init__(
        self,
        output: Path,
        tracking_uri: str,
        experiment: str | None,
        connect: Callable[[str, Callable[..., None]], Store],
    ) -> None:
        """Store the directory and the store's address; `experiment` overrides the plan's, `connect` opens the store."""
        self.output = output
        self.tracking_uri = tracking_uri
        self.problem: str | None = None  # the first failure, for the driver's display
        self.failing = False  # whether the last pass left something unwritten
        self.stopped = threading.Event()
        self._experiment = experiment
        self._connect = connect
        self._plan: JsonObject | None = None
        self._store: Store | None = None
        self._experiment_id: str | None = None
        self._parent: StoredRun | None = None  # None: look at the store again before writing
        self._run_id: str | None = None
        self._children: dict[str, StoredRun] = {}
        self._seen: dict[str, tuple[str, int]] = {}  # uid -> file and its time, known to be in the store
        self._failures: dict[str, int] = {}
        self._written = 0
        self._repeats: set[str] = set()  # uids of repeats of reported configurations
        self._finished = False
        self._model_problem: str | None = None
        self._state_problem: str | None = None
        self._removed = 0
        self._limit: Limit | None = None

    def run_pass(self, *, search_over: bool, limit: Limit | None = None) -> bool:
        """Write what is missing, never raise; tell whether the store now has everything.

        While the search goes on, a summary in the directory is an earlier, interrupted part's. `limit` is renewed
        before each call to the store.
        """
        self._limit = limit
        try:
            self.failing = not self._write(search_over)
        except Stopped:
            self.failing = True
        except Exception as error:  # any failure of the store: training goes on
            if not self.stopped.is_set():  # else its connection was cut, and whoever stopped it says why
                self.note(error)
            self._parent = None
            self.failing = True
        return not self.failing

    def note(self, error: Exception | str, uid: str | None = None) -> None:
        """Remember the first failure, in a line without passwords."""
        line = one_line(error)
        self.problem = self.problem or (f"trial {uid}: {line}" if uid else line)

    def report(self) -> TrackingReport:
        """Compare the directory as it is now with what is known to be in the store; makes no call to it."""
        missing = tuple(uid for uid, _ in self._new_files())
        return TrackingReport(
            output=self.output,
            tracking_uri=self.tracking_uri,
            experiment_id=self._experiment_id,
            run_id=self._run_id,
            written=self._written,
            present=len(self._seen.keys() - self._repeats) - self._written,
            repeats=len(self._repeats),
            missing=missing,
            finished=self._finished,
            problem=self.problem if missing or self.failing else None,
            model_problem=self._model_problem,
            state_problem=self._state_problem,
            removed=self._removed,
            trackable=(self.output / PLAN_FILE).is_file(),
        )

    def _write(self, search_over: bool) -> bool:
        # Read once: what was planned does not change, and its file may be removed while the search goes on.
        plan = self._plan = self._plan or records.read_plan(self.output)
        if self._store is None:
            self._store = self._connect(self.tracking_uri, self._check_stopped)
        parent = self._parent or self._open(self._store, plan)
        self._parent = parent
        try:
            all_written = self._write_trials(self._store, plan, parent)
            self._parent = self._write_summary(self._store, parent, search_over)
        finally:
            self._save_state()
        return all_written

    def _open(self, store: Store, plan: JsonObject) -> StoredRun:
        """Find or create the experiment and the parent run, and list what the store has of its children."""
        name = self._experiment or plan.get("tracking", {}).get("experiment") or DEFAULT_EXPERIMENT
        self._experiment_id = store.open_experiment(name)
        parent = self._find_or_create_parent(store, plan)
        self._run_id = parent.run_id
        found: dict[str, list[StoredRun]] = {}
        for one in (parent, *self._other_parents(store, parent)):
            for run in store.search(records.PARENT_TAG, one.run_id):
                if uid := run.tags.get(records.UID_TAG):  # somebody's own child run is not ours to touch
                    found.setdefault(uid, []).append(run)
        self._children = {uid: self._adopted(store, self._keep_one(store, runs)) for uid, runs in found.items()}
        self._save_state()
        return parent

    def _other_parents(self, store: Store, parent: StoredRun) -> list[StoredRun]:
        """Return earlier parent runs of this search, deleted by somebody: their children are listed nevertheless."""
        known = parent.tags[records.SEARCH_TAG]
        others = [run for run in store.search(records.SEARCH_TAG, known) if run.run_id != parent.run_id]
        deleted = list(store.search(records.SEARCH_TAG, known, deleted=True))
        for other in others:  # restored after a new one was made: one search is one run
            self._remove(store, other)
        return [*others, *deleted]

    def _adopted(self, store: Store, child: StoredRun) -> StoredRun:
        """Return a child run as one of our parent, wherever it was found."""
        if child.tags.get(records.PARENT_TAG) == self._run_id:
            return child
        assert self._run_id is not None
        store.log(child.run_id, tags={records.PARENT_TAG: self._run_id})
        return child.changed(tags={**child.tags, records.PARENT_TAG: self._run_id})

    def _find_or_create_parent(self, store: Store, plan: JsonObject) -> StoredRun:
        record = records.search_record(plan)
        runs = list(store.search(records.SEARCH_TAG, record.tags[records.SEARCH_TAG]))
        known = (read_state(self.output) or {}).get("run_id")
        ours = [run for run in runs if run.run_id == known] or runs
        parent = self._keep_one(store, ours) if ours else store.create(record, {})
        # A resumed search may run under other versions: tags can change, parameters cannot.
        params = {key: value for key, value in record.params.items() if key not in parent.params}
        store.log(parent.run_id, params=params, tags=record.tags)
        return parent.changed(tags={**parent.tags, **record.tags})

    def _keep_one(self, store: Store, runs: Sequence[StoredRun]) -> StoredRun:
        """Return the best of the runs of one trial or search, and delete its duplicates.

        There are others when a server made a run but its answer was lost on the way, or under an earlier parent.
        """

        def rank(run: StoredRun) -> tuple[bool, bool, int, str]:
            return not run.ended, run.tags.get(records.PARENT_TAG) != self._run_id, run.start_ms, run.run_id

        best, *others = sorted(runs, key=rank)
        for other in others:
            self._remove(store, other)
        return best

    def _remove(self, store: Store, run: StoredRun) -> None:
        store.delete(run.run_id)
        self._removed += 1

    def _write_trials(self, store: Store, plan: JsonObject, parent: StoredRun) -> bool:
        """Write the new trials; one that cannot be written does not keep the others back."""
        failed_in_a_row = 0
        files = self._new_files()
        # Those that failed before come last: a broken file must not hide a working store.
        for uid, path in sorted(files, key=lambda item: self._failures.get(item[0], 0)):
            stamp = _stamp(path)
            record = self._record(plan, uid, path)
            if record is None:
                continue
            try:
                written = self._write_trial(store, uid, record, parent)
            except Stopped:
                raise
            except Exception as error:
                self.note(error, uid)
                failed_in_a_row += 1
                self._failures[uid] = self._failures.get(uid, 0) + 1
                if failed_in_a_row == FAILURES_IN_A_ROW:
                    raise
                continue
            failed_in_a_row = 0
            self._seen[uid] = stamp
            if record.tags[records.KIND_TAG] == records.REPEAT:
                self._repeats.add(uid)
            else:
                self._written += written
        return all(uid in self._seen for uid, _ in files)

    def _record(self, plan: JsonObject, uid: str, path: Path) -> RunRecord | None:
        """Return what to write of a trial; None for a damaged file, which is that trial's problem alone."""
        try:
            return records.trial_record(plan, path)
        except Exception as error:  # whatever a damaged file makes of it
            self.note(error, uid)
            return None

    def _write_trial(self, store: Store, uid: str, record: RunRecord, parent: StoredRun) -> int:
        """Write one child run unless the store has it; its status, set last, says that the rest is there."""
        run = self._children.get(uid)
        if run is not None and run.status == record.status:
            return 0
        if run is not None and run.ended:
            # The trial was taken up again and ended otherwise: old points must not mix with the new ones.
            store.delete(run.run_id)
            run = None
        if run is None:
            run = store.create(record, {records.PARENT_TAG: parent.run_id})
            self._children[uid] = run
        store.log(run.run_id, params=record.params, tags=record.tags, metrics=record.metrics)
        if record.traceback is not None:
            store.log_text(run.run_id, record.traceback, records.TRACEBACK_NAME)
        assert record.end_ms is not None, "a trial that left a file has ended"
        store.end(run.run_id, record.status, record.end_ms)
        self._children[uid] = run.changed(status=record.status)
        return 1

    def _write_summary(self, store: Store, parent: StoredRun, search_over: bool) -> StoredRun:
        """Write the summary's metrics and the artifacts to the parent run, and end it; before that it is RUNNING."""
        path = self.output / SUMMARY_FILE
        if not search_over or not path.is_file():
            self._finished = False
            if not parent.ended:
                return parent
            store.reopen(parent.run_id)  # the search was taken up again
            return parent.changed(status="RUNNING")
        summary = Summary.from_json(read_json(path), path)
        files = records.artifact_files(self.output)
        digest, status = records.artifacts_digest(files), records.summary_status(summary)
        if (parent.tags.get(records.ARTIFACTS_TAG), parent.status) != (digest, status):
            end_ms = int(path.stat().st_mtime * 1000)
            store.log(parent.run_id, metrics=records.summary_metrics(summary, end_ms))
            for name, file in files.items():
                store.log_file(parent.run_id, file, name.rpartition("/")[0] or None)
            store.log(parent.run_id, tags={records.ARTIFACTS_TAG: digest})
            store.end(parent.run_id, status, end_ms)
            parent = parent.changed(status=status, tags={**parent.tags, records.ARTIFACTS_TAG: digest})
        self._finished = True
        return self._log_model(store, parent)

    def _log_model(self, store: Store, parent: StoredRun) -> StoredRun:
        """Log the exported model once; what goes wrong is a tag and a line, and another `track DIR` tries again."""
        made = records.model_export(self.output)
        if made is None or parent.tags.get(records.MODEL_TAG) == made["weights_sha256"]:
            return parent
        problem, tags = made["problem"], {records.MODEL_TAG: str(made["weights_sha256"])}
        if problem is None:
            try:
                store.log_model(parent.run_id, self.output, made)
            except Stopped:
                raise
            except Exception as error:  # an older server, for one, has no models
                problem = one_line(error)
        if problem is not None:
            tags = {records.MODEL_PROBLEM_TAG: str(problem)}
        self._model_problem = problem
        store.log(parent.run_id, tags=tags)
        return parent.changed(tags={**parent.tags, **tags})

    def _new_files(self) -> list[tuple[str, Path]]:
        files = records.trial_files(self.output).items()
        return [(uid, path) for uid, path in files if self._seen.get(uid) != _stamp(path)]

    def _save_state(self) -> None:
        if self.stopped.is_set():
            return  # another writer may own the directory by now
        state = {
            "tracking_uri": public_address(self.tracking_uri),
            "experiment_id": self._experiment_id,
            "run_id": self._run_id,
            "children": {uid: run.run_id for uid, run in self._children.items()},
            "finished": self._finished,
        }
        if not self.output.is_dir():
            return  # a folder that somebody removed is not made again
        try:
            write_json(self.output / TRACKING_STATE, state)
            keep(self.output, public_address(self.tracking_uri))
            self._state_problem = None
        except OSError as error:  # the store has it all the same
            self._state_problem = one_line(error)
            self.note(f"{TRACKING_STATE}: {self._state_problem}")

    def _check_stopped(self, **needs: Any) -> None:
        if self.stopped.is_set():
            raise Stopped
        if self._limit is not None:
            self._limit.renew(**needs)


def read_state(output: Path) -> JsonObject | None:
    """Return tracking.json, None when there is none that can be read: the store is searched then.

    Its `run_id` is a run's id or None.
    """
    try:
        state = read_json(output / TRACKING_STATE)
    except InputError:
        return None
    return {**state, "run_id": state.get("run_id") if is_run_id(state.get("run_id")) else None}


def _stamp(path: Path) -> tuple[str, int]:
    try:
        return path.name, path.stat().st_mtime_ns
    except OSError:  # replaced at this moment
        return path.name, 0
