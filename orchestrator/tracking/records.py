"""Converts a search's directory into MLflow's terms: names, parameters, tags, metrics. No MLflow import.

Metric keys are few and fixed, because many slow the UI down; the values are those of the JSON files, unchanged.
"""

import hashlib
import json
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path, PurePath
from typing import Any

from orchestrator import measures
from orchestrator.errors import InputError
from orchestrator.files import JsonObject, read_json
from orchestrator.protocols import head_in_words
from orchestrator.run_folder import (
    CURVES_FILE,
    EXPORT_RECORD,
    EXPORTED_MODEL,
    FAILURE_FILE,
    FIGURES_FOLDER,
    LEADERBOARD_FILE,
    MODEL_FOLDER,
    MOMENTS_FILE,
    PLAN_FILE,
    PREDICTIONS_TABLE,
    RESULT_FILE,
    SUMMARY_FILE,
    TRIALS_FOLDER,
)
from orchestrator.run_records import (
    Failure,
    Summary,
    TrialResult,
)
from orchestrator.tracking.address import hide_password
from orchestrator.tracking.points import Numbers, Point, costs, fold_values, points, tracked, trial_points
from orchestrator.tracking.views import RECORDINGS_TAG
from tune_spaces.method import HParams, shown

ARTIFACT_NAMES = (
    PLAN_FILE,
    SUMMARY_FILE,
    LEADERBOARD_FILE,
    CURVES_FILE,
    MOMENTS_FILE,
    PREDICTIONS_TABLE,
    MODEL_FOLDER,
    FIGURES_FOLDER,
)


CHILD_STATUS = {"finished": "FINISHED", "stopped": "KILLED"}
# Anything else is FINISHED, also when some trials failed: they have their own status.
PARENT_STATUS = {"failed": "FAILED", "stopped": "KILLED", "interrupted": "KILLED", "out of time": "KILLED"}
ENDED = ("FINISHED", "FAILED", "KILLED")
TRACEBACK_NAME = "traceback.txt"
KIND_TAG = "kind"  # "search", CONFIGURATION, REPEAT or AUDIT
CONFIGURATION = "configuration"
AUDIT = "audit"  # of a run's privacy, or of recordings without one
REPEAT = "repeat"  # of a reported configuration; also the tag that says which
SEARCH_TAG = "search_id"
UID_TAG = "uid"
PARENT_TAG = "mlflow.parentRunId"
NOTE_TAG = "mlflow.note.content"
ARTIFACTS_TAG = "artifacts_sha256"
MODEL_TAG = "logged_model_sha256"  # of the weights that were logged as a model
MODEL_PROBLEM_TAG = "logged_model_problem"
MESSAGE_CHARACTERS = 500  # of a failure, in a tag; the whole traceback is an artifact

# Of a baseline means and spreads; its intervals are in summary.json.
BASELINE_METRICS = (*measures.listed_keys(), *measures.keys(measures.measure_of("ccc_window")))


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """One MLflow run as it should be; times in milliseconds since 1970; status RUNNING has no end."""

    name: str
    status: str
    start_ms: int
    end_ms: int | None
    params: dict[str, str]
    tags: dict[str, str]
    metrics: tuple[Point, ...] = ()
    traceback: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRun:
    """One run as the store has it; the time in milliseconds since 1970."""

    run_id: str
    status: str
    start_ms: int
    params: dict[str, str]
    tags: dict[str, str]

    @property
    def ended(self) -> bool:
        """Return whether everything about it was written."""
        return self.status in ENDED

    def changed(self, **changes: Any) -> "StoredRun":
        """Return the run with other fields."""
        return replace(self, **changes)


def read_plan(output: Path) -> JsonObject:
    """Return the plan of a search's directory; InputError when there is none or it cannot be read."""
    path = output / PLAN_FILE
    if not path.exists():
        expected = f"the output directory of `tune` or `evaluate`, with its {PLAN_FILE}"
        raise InputError.of(str(output), found="no plan.json", expected=expected)
    return read_json(path)


def trial_files(output: Path) -> dict[str, Path]:
    """Return what each ended trial left, by uid: its result, else its failure."""
    folder = output / TRIALS_FOLDER
    found = {}
    for trial in sorted(folder.iterdir()) if folder.is_dir() else ():
        for name in (RESULT_FILE, FAILURE_FILE):
            if (trial / name).is_file():
                found[trial.name] = trial / name
                break
    return found


def search_id(plan: JsonObject) -> str:
    """Return what makes this search this search, so that its run is found again without tracking.json."""
    corpus = plan.get("corpus", {}).get("sha256")
    identity = [plan.get(key) for key in ("name", "started", "command", "method", "seed")]
    return hashlib.sha256(json.dumps([*identity, corpus]).encode()).hexdigest()[:16]


def run_name(network: str, hparams: HParams) -> str:
    """Return a configuration's name, such as `bigru lr=1e-3 h=64 L=200 x2`."""
    return " ".join([network, *(f"{one.about.sign}{_short(getattr(hparams, one.name))}" for one in shown(hparams))])


def search_record(plan: JsonObject) -> RunRecord:
    """Return the parent run of a search that is under way."""
    # Its own name first: MLflow's table cuts a name after twenty characters, and titles begin alike.
    name = f"{plan.get('name', '')}{', synthetic' if plan.get('corpus', {}).get('synthetic') else ''}: "
    name += str(plan.get("title", "search"))
    params = {key: str(plan[key]) for key in ("command", "method", "preset", "seed") if plan.get(key) is not None}
    for group in ("protocol", "corpus", "search"):
        for key, value in plan.get(group, {}).items():
            params[f"{group}_{key}"] = value if isinstance(value, str) else json.dumps(value)
    params["num_configurations"] = str(len(plan.get("trials", ())))
    tags = _common_tags(plan) | {
        KIND_TAG: "search",
        SEARCH_TAG: search_id(plan),
        "name": str(plan.get("name", "")),
        NOTE_TAG: _note(plan),
    }
    start = _milliseconds(plan.get("started"))
    return RunRecord(name=name, status="RUNNING", start_ms=start, end_ms=None, params=params, tags=tags)


def summary_metrics(summary: Summary, timestamp_ms: int) -> tuple[Point, ...]:
    """Return the parent's metrics: the summary's numbers, its trial counts, folds and baseline."""
    values: Numbers = {key: summary.scores.get(key) for key in measures.score_keys()}
    values |= costs(summary) | tracked(summary.federation)
    if summary.trials:
        values |= {f"trials_{name}": value for name, value in summary.trials.counts().items()}
    for baseline, scores in summary.baseline.items():
        values |= {f"{baseline}_{key}": scores[key] for key in BASELINE_METRICS if key in scores}
    return points(values | fold_values(summary.folds), timestamp_ms)


def summary_status(summary: Summary) -> str:
    """Return MLflow's word for how a search ended."""
    return PARENT_STATUS.get(summary.status, "FINISHED")


def trial_record(plan: JsonObject, path: Path) -> RunRecord:
    """Return the child run of an ended trial from its result.json or failure.json.

    Raises InputError for a file that is not one, is another trial's, or is damaged.
    """
    kind = Failure if path.name == FAILURE_FILE else TrialResult
    trial: Failure | TrialResult = kind.from_json(read_json(path), path)
    if trial.uid != path.parent.name:
        raise InputError.of(str(path), found=f"the result of {trial.uid[:20]!r}", expected="that of its folder")
    tags = _common_tags(plan) | {KIND_TAG: CONFIGURATION, UID_TAG: trial.uid, "network": trial.network}
    hparams = {name: str(value) for name, value in asdict(trial.hparams).items()}
    params = {"network": trial.network} | hparams
    name = run_name(trial.network, trial.hparams)
    if trial.repeat is not None:
        tags |= {KIND_TAG: REPEAT, REPEAT: str(trial.repeat)}
        name += f" (repeat {trial.repeat})"
    written_ms = int(path.stat().st_mtime * 1000)
    if isinstance(trial, Failure):
        start = _milliseconds(plan.get("started"))
        tags["failure"] = trial.message[:MESSAGE_CHARACTERS]
        return RunRecord(
            name=name,
            status="FAILED",
            start_ms=start,
            end_ms=max(start, written_ms),
            params=params,
            tags=tags,
            traceback=trial.traceback or trial.message,
        )
    start = _milliseconds(trial.started or plan.get("started"))
    end = _milliseconds(trial.ended) if trial.ended else max(start, written_ms)
    metrics = trial_points(trial, start, end)
    status = CHILD_STATUS[trial.status]
    return RunRecord(name=name, status=status, start_ms=start, end_ms=end, params=params, tags=tags, metrics=metrics)


def artifact_files(output: Path) -> dict[str, Path]:
    """Return the parent's artifacts, by their path relative to the directory."""
    files: dict[str, Path] = {}
    for name in ARTIFACT_NAMES:
        top = output / name
        inside = sorted(top.rglob("*")) if top.is_dir() else [top]
        files |= {
            path.relative_to(output).as_posix(): path for path in inside if path.is_file() and path.name[0] != "."
        }
    return files


def model_export(output: Path) -> JsonObject | None:
    """Return what a search's folder says of its exported model; None if there is none, or it cannot be read."""
    try:
        made = read_json(output / EXPORT_RECORD)
    except InputError:
        return None
    whole = {"weights_sha256", "problem"} <= made.keys() and (made["problem"] or (output / EXPORTED_MODEL).is_file())
    return made if whole else None


def artifacts_digest(files: Mapping[str, Path]) -> str:
    """Return the SHA-256 over the artifacts' names and contents: equal means nothing to upload."""
    digest = hashlib.sha256()
    for name, path in files.items():
        with path.open("rb") as handle:
            digest.update(f"{name}\0{hashlib.file_digest(handle, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()


def _common_tags(plan: JsonObject) -> dict[str, str]:
    protocol, corpus = plan.get("protocol", {}), plan.get("corpus", {})
    tags = {
        "method": plan.get("method"),
        "protocol": protocol.get("name"),
        "optimistic": protocol.get("optimistic"),
        "corpus": corpus.get("kind"),
        "corpus_sha256": corpus.get("sha256"),
        "synthetic": corpus.get("synthetic"),
        RECORDINGS_TAG: _recordings(corpus),
        "git_commit": plan.get("git_commit"),
        "mlflow.source.git.commit": plan.get("git_commit"),
        "mlflow.source.name": f"orchestrator {plan.get('command', '')}".strip(),
    }
    tags |= {f"version_{name}": version for name, version in plan.get("versions", {}).items()}
    return {key: _tag(value) for key, value in tags.items() if value is not None}


def _recordings(corpus: JsonObject) -> str | None:
    """Return what people call the recordings: the last part of their path, and whether they are made up."""
    name = PurePath(str(corpus.get("path") or "")).name
    return f"{name}{' (synthetic)' if corpus.get('synthetic') else ''}" if name else None


def _tag(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _note(plan: JsonObject) -> str:
    """Return the parent's description, shown on its page in the UI (Markdown)."""
    protocol, corpus = plan.get("protocol", {}), plan.get("corpus", {})
    lines = []
    if corpus.get("synthetic"):
        lines.append("**Synthetic corpus:** these scores say nothing about people and compare with no paper.")
    if protocol.get("optimistic"):
        lines.append("**Optimistic protocol:** the reported folds chose the epoch.")
    head = head_in_words(protocol)
    people = f", {corpus['participants']} participants" if "participants" in corpus else ""
    arguments = hide_password(shlex.join(map(str, plan.get("arguments", ()))))
    lines += [
        f"{plan.get('title', '')}: `python -m orchestrator {arguments}`",
        f"- command `{plan.get('command')}`, method `{plan.get('method')}`, preset `{plan.get('preset')}`",
        f"- protocol `{protocol.get('name')}`, seed {plan.get('seed')}",
        *([] if head is None else [f"- head: {head}"]),
        f"- corpus `{corpus.get('kind')}`{people}",
        f"- {len(plan.get('trials', ()))} configurations, one child run each; epoch curves are fold means",
        *[f"- extended {one}; parameters are those of when it began" for one in plan.get("extensions", ())],
    ]
    return "\n".join(lines)


def _short(value: object) -> str:
    """Return a number as people write it: 1e-3 and not 0.001."""
    if isinstance(value, float) and 0 < abs(value) < 0.01:
        mantissa, exponent = f"{value:e}".split("e")
        return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _milliseconds(iso: object) -> int:
    return round(datetime.fromisoformat(str(iso)).timestamp() * 1000)
