"""Reads what a report needs from MLflow: searches, configurations, artifacts. Writes and creates nothing.

Uses only the client that client.py opens. A store that was copied to another machine keeps the addresses of the
first machine; artifacts are then looked for next to the database.
"""

import gc
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from orchestrator.errors import InputError, printable
from orchestrator.tracking.address import hide_password, public_address
from orchestrator.tracking.limits import Limit, bounded
from orchestrator.tracking.location import ARTIFACTS_NAME, database_path, is_run_id
from orchestrator.tracking.records import AUDIT, KIND_TAG, PARENT_TAG, REPEAT

EXPERIMENT_PREFIX = "affect-"
RUNS_PER_PAGE = 1000
MESSAGE_CHARACTERS = 300

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRun:
    """One run as the store has it; times in milliseconds since 1970; metrics are the last values, finite ones only."""

    run_id: str
    name: str
    experiment: str
    status: str
    start_ms: int
    params: Mapping[str, str]
    tags: Mapping[str, str]
    metrics: Mapping[str, float]
    artifact_uri: str


class StoreReader:
    """An MLflow store, opened for reading; what its transport raises becomes an InputError that names the store.

    Each call ends within the limits of orchestrator/tracking/limits.py.
    """

    def __init__(self, tracking_uri: str, folder: Path) -> None:
        """Open the store at an absolute address; `folder` is where artifacts of a server are downloaded to."""
        from orchestrator.tracking.client import open_to_read

        database = database_path(tracking_uri)
        self._uri, self._folder = tracking_uri, folder
        self._beside = None if database is None else database.parent / ARTIFACTS_NAME
        self._client = self._asked(lambda _: open_to_read(tracking_uri))

    def experiments(self, names: Sequence[str]) -> dict[str, str]:
        """Return id -> name of the named experiments, or of all `affect-*` when none is named."""
        known = self._asked(
            lambda limit: {
                str(one.experiment_id): str(one.name)
                for one in _pages(lambda token: self._client.search_experiments(page_token=token), limit)
            }
        )
        if not known:  # MLflow itself makes one
            found = f"{public_address(self._uri)}: no experiment at all"
            raise InputError.of("--tracking-uri", found=found, expected="an MLflow store with searches")
        wanted = {key: name for key, name in known.items() if name in names} if names else {}
        if not names:
            wanted = {key: name for key, name in known.items() if name.startswith(EXPERIMENT_PREFIX)}
        missing = sorted(set(names) - set(wanted.values()))
        if missing:
            there = printable(", ".join(sorted(known.values())))
            raise InputError.of("--experiment", found=", ".join(map(repr, missing)), expected=f"one of: {there}")
        return dict(sorted(wanted.items(), key=lambda item: item[1]))

    def searches(self, experiments: Mapping[str, str]) -> list[RecordedRun]:
        """Return the parent runs of the experiments, the latest first."""
        return self._runs(experiments, f"tags.{KIND_TAG} = 'search'")

    def configurations(self, search: RecordedRun, experiments: Mapping[str, str]) -> list[RecordedRun]:
        """Return the child runs of a search but those that repeat one of them."""
        own = {key: name for key, name in experiments.items() if name == search.experiment}
        found = self._runs(own, f"tags.`{PARENT_TAG}` = '{search.run_id}'")
        return [run for run in found if run.tags.get(KIND_TAG) not in (REPEAT, AUDIT)]

    def audits(self, experiments: Mapping[str, str]) -> list[RecordedRun]:
        """Return the finished audits of the experiments, the latest first."""
        found = self._runs(experiments, f"tags.{KIND_TAG} = '{AUDIT}'")
        return [run for run in found if run.status == "FINISHED"]

    def curve(self, run_id: str, key: str) -> list[float]:
        """Return the values of a metric, one per epoch, in their order."""
        points = self._asked(lambda _: self._client.get_metric_history(run_id, key))
        return [float(point.value) for point in sorted(points, key=lambda one: int(one.step))]

    def artifact(self, run: RecordedRun, name: str) -> Path | None:
        """Return a file of the run's artifacts on this machine; None if the store has no such file."""
        address = urlsplit(run.artifact_uri)
        if address.scheme in ("", "file"):
            places = [Path(unquote(address.path)) / name]
            if self._beside is not None:
                places.append(self._beside / run.run_id / "artifacts" / name)
            return next((place for place in places if place.is_file()), None)
        return self._asked(lambda limit: self._download(run, name, limit))

    def _download(self, run: RecordedRun, name: str, limit: Limit) -> Path | None:
        sizes = {str(one.path): one.file_size for one in self._client.list_artifacts(run.run_id)}
        if name not in sizes:
            return None
        target = self._folder / run.run_id
        target.mkdir(parents=True, exist_ok=True)
        limit.renew(num_bytes=sizes[name] or 0)
        return Path(self._client.download_artifacts(run.run_id, name, str(target)))

    def _runs(self, experiments: Mapping[str, str], query: str) -> list[RecordedRun]:
        if not experiments:
            return []
        ids = list(experiments)

        def ask(token: str | None) -> Any:
            return self._client.search_runs(ids, query, max_results=RUNS_PER_PAGE, page_token=token)

        with _uncollected():
            return self._asked(lambda limit: [_recorded(run, experiments) for run in _pages(ask, limit)])

    def _asked(self, work: Callable[[Limit], Answer]) -> Answer:
        try:
            return bounded(work)
        except InputError:
            raise
        except Exception as error:
            raise self._failed(error) from error

    def _failed(self, error: Exception) -> InputError:
        said = printable(" ".join(hide_password(str(error)).split()))[:MESSAGE_CHARACTERS]
        found = f"{public_address(self._uri)}: {said}"
        return InputError.of("--tracking-uri", found=found, expected="an MLflow store that answers")


def _pages(ask: Callable[[str | None], Any], limit: Limit) -> Iterator[Any]:
    token = None
    while True:
        limit.renew()
        page = ask(token)
        yield from page
        token = page.token
        if not token:
            return


@contextmanager
def _uncollected() -> Iterator[None]:
    """Stop the garbage collector, which walks MLflow's 60 objects a run again and again: 2,160 runs in 2 s, not 5."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _recorded(run: Any, experiments: Mapping[str, str]) -> RecordedRun:
    if not is_run_id(run.info.run_id):
        raise ValueError(f"a run with the id {str(run.info.run_id)[:40]!r}; MLflow's are 32 hexadecimal digits")
    return RecordedRun(
        run_id=str(run.info.run_id),
        name=str(run.info.run_name or ""),
        experiment=experiments[str(run.info.experiment_id)],
        status=str(run.info.status),
        start_ms=int(run.info.start_time or 0),
        params=dict(run.data.params),
        tags=dict(run.data.tags),
        metrics={key: float(value) for key, value in run.data.metrics.items() if math.isfinite(value)},
        artifact_uri=str(run.info.artifact_uri or ""),
    )
