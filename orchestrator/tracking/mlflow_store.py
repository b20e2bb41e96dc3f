"""The writer's store, implemented with MLflow's client (docs/tracking.md)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.files import JsonObject
from orchestrator.run_folder import EXPORTED_MODEL
from orchestrator.tracking.client import CREATE_DATABASE_SECONDS, connect
from orchestrator.tracking.location import artifact_location, is_run_id
from orchestrator.tracking.models import log_model
from orchestrator.tracking.points import Point
from orchestrator.tracking.records import RunRecord, StoredRun
from orchestrator.tracking.views import experiment_tags

if TYPE_CHECKING:
    from mlflow.entities import Run

RUNS_PER_PAGE = 500
ACTIVE_ONLY, DELETED_ONLY = 1, 2  # MLflow's ViewType


class MlflowStore:
    """MLflow as the writer sees it; `check` runs before every call, with the bytes it moves, and may raise to stop."""

    def __init__(self, tracking_uri: str, check: Callable[..., None]) -> None:
        """Open the store; `check` may be asked for more time first, as a database may have to be made."""
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
                [self._experiment_id], f"tags.`{tag}` = '{value}'", view, RUNS_PER_PAGE, page_token=token
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
        metrics: Sequence[Point] = (),
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
