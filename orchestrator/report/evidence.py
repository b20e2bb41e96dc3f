"""What a report knows of a search: its plan, its summary and its configurations, wherever they were recorded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """One search of one method; the records have the keys of its JSON files (docs/outputs.md).

    `trials` are the configurations with a score, finished or stopped, as in `result.json` (uid, network, hparams,
    status, scores, costs, `curve`; `folds` where the record has them). `failures` are those of `failure.json`.
    """

    plan: Record
    summary: Record | None  # None: the search has not ended
    trials: Sequence[Record]
    failures: Sequence[Record] = ()
    predictions: Path | None = None  # the table predictions.parquet
    run_id: str | None = None  # the parent run in MLflow

    @property
    def synthetic(self) -> bool:
        """Tell whether the corpus was made by a generator."""
        return bool(self.plan["corpus"]["synthetic"])
