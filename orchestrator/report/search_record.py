"""What a report knows of a search: its plan, its summary and its configurations, wherever they were recorded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.evaluation.person_records import ScoredPeople
from orchestrator.files import JsonObject
from orchestrator.run_records import Summary, TrialResult


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedTrial:
    """A configuration without a score: its name, and the first line of why."""

    name: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """One search of one method; `plan` as in `plan.json`, of whatever version (docs/outputs.md).

    `trials` are the configurations with a score, finished or stopped; of MLflow they have what it keeps.
    """

    plan: JsonObject
    summary: Summary | None  # None: the search has not ended
    trials: Sequence[TrialResult]
    failures: Sequence[FailedTrial] = ()
    predictions: Path | None = None  # the table predictions.parquet
    people: ScoredPeople | None = None  # moments.json; None: of a search before it was written
    run_id: str | None = None  # the parent run in MLflow
    run_ids: Mapping[str, str] = field(default_factory=dict)  # those of the configurations, by uid
    apart: bool = False  # has rows of its own, also where another search agrees with it in every field

    @property
    def synthetic(self) -> bool:
        """Return whether the corpus was made by a generator."""
        return bool(self.plan["corpus"]["synthetic"])
