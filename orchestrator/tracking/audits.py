"""An audit as a run in MLflow: a child of the audited run, or by itself. A store that fails is one line, no more."""

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.files import JsonObject, sha256_of
from orchestrator.json_records import number
from orchestrator.tracking.location import resolve_tracking_uri
from orchestrator.tracking.outcome import one_line
from orchestrator.tracking.points import Point
from orchestrator.tracking.records import AUDIT, KIND_TAG, PARENT_TAG, RunRecord, read_plan
from orchestrator.tracking.secrets import recall
from orchestrator.tracking.writer import read_state

DIGEST_TAG = "audit_sha256"  # of audit.json: the same is written once
SYNTHETIC_TAG = "synthetic"
_STRANGE = re.compile(r"[^0-9A-Za-z_\-. /]")  # of what MLflow takes in a metric's key


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRun:
    """What MLflow keeps of an audit: the main statistics as metrics, the files as artifacts."""

    name: str
    params: Mapping[str, str]
    rows: Sequence[JsonObject]  # a row per attack and statistic
    files: tuple[Path, ...]  # audit.json first
    synthetic: bool
    verdicts: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The store of an audit; `parent` is the audited run in it, `experiment` that run's."""

    tracking_uri: str
    parent: str | None = None
    experiment: str | None = None


def store_of(run: Path | None, given: str | None = None) -> Place:
    """Return where a run's audit is written: beside the run, unless another store is `given`; InputError for a bad one.

    Without a run, or for one that was never tracked, the option, MLFLOW_TRACKING_URI or the default say where.
    """
    state = {} if run is None else read_state(run) or {}
    known = state.get("tracking_uri") if state.get("run_id") else None
    if run is not None and known and (given is None or resolve_tracking_uri(given) == known):
        recall(run)
        experiment = (read_plan(run).get("tracking") or {}).get("experiment")
        return Place(tracking_uri=str(known), parent=str(state["run_id"]), experiment=experiment)
    return Place(tracking_uri=resolve_tracking_uri(given))


def log_audit(place: Place, record: AuditRun, *, experiment: str) -> str | None:
    """Write an audit as a run unless the store has it; return None, or what went wrong in one line."""
    try:
        _log(place, record, experiment)
    except Exception as error:  # whatever a store does: the audit is done
        return one_line(error)
    return None


def _log(place: Place, record: AuditRun, experiment: str) -> None:
    from orchestrator.tracking.mlflow_store import MlflowStore

    store = MlflowStore(place.tracking_uri, lambda **_: None)
    store.open_experiment(experiment)
    digest = sha256_of(record.files[0])
    if any(run.ended for run in store.search(DIGEST_TAG, digest)):
        return
    now = int(time.time() * 1000)
    tags = {KIND_TAG: AUDIT, DIGEST_TAG: digest, SYNTHETIC_TAG: str(record.synthetic).lower()}
    tags |= {_STRANGE.sub("_", f"verdict {name}"): word for name, word in record.verdicts.items()}
    parent = {} if place.parent is None else {PARENT_TAG: place.parent}
    run = RunRecord(
        name=record.name, status="FINISHED", start_ms=now, end_ms=now, params=dict(record.params), tags=tags
    )
    made = store.create(run, parent)
    store.log(made.run_id, params=run.params, tags=tags, metrics=_points(record.rows, now))
    for file in record.files:
        store.log_file(made.run_id, file, None)
    store.end(made.run_id, run.status, now)


def _points(rows: Sequence[JsonObject], now: int) -> tuple[Point, ...]:
    """Return each attack's main statistic and its ends, by `audit_<attack>_<source>_<variant>`."""
    found = []
    for row in rows:
        if not row["main"]:
            continue
        name = "_".join(["audit", *(str(row[key]) for key in ("attack", "source", "variant") if row[key])])
        for ending, key in (("", "value"), ("_lower", "lower"), ("_upper", "upper")):
            value = number(row[key])
            if value is not None:
                found.append(Point(_STRANGE.sub("_", f"{name}{ending}"), float(value), now, 0))
    return tuple(found)
