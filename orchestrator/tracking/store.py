"""What the writer needs of a store; MLflow's is in mlflow_store.py."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from orchestrator.files import JsonObject
from orchestrator.tracking.points import Point
from orchestrator.tracking.records import RunRecord, StoredRun


class Store(Protocol):
    """A tracking store; every method may raise whatever its transport raises, or Stopped before it begins."""

    def open_experiment(self, name: str) -> str:
        """Find or make the experiment that the other methods work in, and return its id."""
        ...

    def search(self, tag: str, value: str, *, deleted: bool = False) -> Iterator[StoredRun]:
        """Yield the runs that carry the tag; either those that were deleted, or the others."""
        ...

    def create(self, record: RunRecord, extra_tags: Mapping[str, str]) -> StoredRun:
        """Make a run with a record's name, start and tags."""
        ...

    def log(
        self,
        run_id: str,
        *,
        params: Mapping[str, str] = ...,
        tags: Mapping[str, str] = ...,
        metrics: Sequence[Point] = ...,
    ) -> None:
        """Log in as few calls as possible; logging the same again changes nothing."""
        ...

    def log_text(self, run_id: str, text: str, name: str) -> None:
        """Write a text artifact."""
        ...

    def log_file(self, run_id: str, path: Path, folder: str | None) -> None:
        """Upload an artifact into a folder of the run."""
        ...

    def log_model(self, run_id: str, folder: Path, made: JsonObject) -> None:
        """Log the exported program in a run's folder as a model of the run."""
        ...

    def end(self, run_id: str, status: str, end_ms: int) -> None:
        """Set the last status and the time, in milliseconds since 1970."""
        ...

    def reopen(self, run_id: str) -> None:
        """Set a run that had ended to RUNNING."""
        ...

    def delete(self, run_id: str) -> None:
        """Delete a run so that MLflow can restore it."""
        ...
