"""What a search's directory says, as MLflow wants it: names, parameters, tags, metrics. No MLflow import.

Few fixed metric keys, because the UI slows down with many; the values are those of the JSON files, untouched.
"""

import hashlib
import json
import math
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from orchestrator.errors import InputError
from orchestrator.files import read_json
from orchestrator.run_folder import (
    CURVES_FILE,
    EXPORT_RECORD,
    EXPORTED_MODEL,
    FAILURE_FILE,
    FIGURES_FOLDER,
    LEADERBOARD_FILE,
    MODEL_FOLDER,
    PLAN_FILE,
    PREDICTIONS_TABLE,
    RESULT_FILE,
    SUMMARY_FILE,
    TRIALS_FOLDER,
)
from orchestrator.tracking_store import hide_password

ARTIFACT_NAMES = (
    PLAN_FILE,
    SUMMARY_FILE,
    LEADERBOARD_FILE,
    CURVES_FILE,
    PREDICTIONS_TABLE,
    MODEL_FOLDER,
    FIGURES_FOLDER,
)

SCORES = (
    "ccc_valence",
    "ccc_arousal",
    "ccc_valence_sd",
    "ccc_arousal_sd",
    "ccc_window_valence",
    "ccc_window_arousal",
    "ccc_participant_valence",
    "ccc_participant_arousal",
    "ccc_corrected_valence",
    "ccc_corrected_arousal",
    "ccc_valence_low",
    "ccc_valence_high",
    "ccc_arousal_low",
    "ccc_arousal_high",
    "mse_valence",
    "mse_arousal",
    "mae_valence",
    "mae_arousal",
    "pearson_valence",
    "pearson_arousal",
)
COSTS = ("training_seconds", "search_seconds", "model_size_mib", "num_parameters", "epochs")
FOLD_SCORES = ("ccc_valence", "ccc_arousal", "chosen_epoch")
# The curve has keys of its own: under a shared key MLflow would show the last epoch's value as the result.
CURVE_PREFIX = "epoch_"
CURVES = ("train_loss", "validation_loss", "ccc_valence", "ccc_arousal")
# What a federation took in all, and in each round; apart for the same reason.
FEDERATION = ("rounds", "clients", "failures", "bytes_up", "bytes_down", "paper_seconds")
ROUND_PREFIX = "round_"
ROUND = {
    "seconds": "seconds",
    "clients_trained": "trained",
    "clients_failed": "failed",
    "clients_refused": "refused",
    "bytes_up": "bytes_up",
    "bytes_down": "bytes_down",
}

CHILD_STATUS = {"finished": "FINISHED", "stopped": "KILLED"}
# Anything else is FINISHED, also when some trials failed: they have their own status.
PARENT_STATUS = {"failed": "FAILED", "stopped": "KILLED", "interrupted": "KILLED", "out of time": "KILLED"}
ENDED = ("FINISHED", "FAILED", "KILLED")
TRACEBACK_NAME = "traceback.txt"
KIND_TAG = "kind"  # "search" or "configuration"
SEARCH_TAG = "search_id"
UID_TAG = "uid"
PARENT_TAG = "mlflow.parentRunId"
NOTE_TAG = "mlflow.note.content"
ARTIFACTS_TAG = "artifacts_sha256"
MODEL_TAG = "logged_model_sha256"  # of the weights that were logged as a model
MODEL_PROBLEM_TAG = "logged_model_problem"
MESSAGE_CHARACTERS = 500  # of a failure, in a tag; the whole traceback is an artifact
NAMES_OF_HPARAMS = {"learning_rate": "lr", "hidden_size": "h", "sequence_length": "L", "num_layers": "x"}


class Point(NamedTuple):
    """One metric value; the time in milliseconds since 1970."""

    key: str
    value: float
    timestamp_ms: int
    step: int


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
        """Tell whether everything about it was written."""
        return self.status in ENDED

    def changed(self, **changes: Any) -> "StoredRun":
        """Return the run with other fields."""
        return replace(self, **changes)


def read_plan(output: Path) -> dict[str, Any]:
    """Return the plan of a search's directory; InputError when there is none or it cannot be read."""
    path = output / PLAN_FILE
    if not path.exists():
        expected = "the output directory of `tune` or `evaluate`, with its {PLAN_FILE}"
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


def search_id(plan: Mapping[str, Any]) -> str:
    """Return what makes this search this search, so that its run is found again without tracking.json."""
    corpus = plan.get("corpus", {}).get("sha256")
    identity = [plan.get(key) for key in ("name", "started", "command", "method", "seed")]
    return hashlib.sha256(json.dumps([*identity, corpus]).encode()).hexdigest()[:16]


def run_name(network: str, hparams: Mapping[str, Any]) -> str:
    """Return a configuration's name, such as `bigru lr=1e-3 h=64 L=200 x2`."""
    parts = [network]
    for key, value in hparams.items():
        short = NAMES_OF_HPARAMS.get(key, key)
        parts.append(f"x{value}" if short == "x" else f"{short}={_short(value)}")
    return " ".join(parts)


def search_record(plan: Mapping[str, Any]) -> RunRecord:
    """Return the parent run of a search that is under way."""
    name = f"{plan.get('title', 'search')} ({plan.get('name', '')}"
    name += ", synthetic)" if plan.get("corpus", {}).get("synthetic") else ")"
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


def summary_metrics(summary: Mapping[str, Any], timestamp_ms: int) -> tuple[Point, ...]:
    """Return the parent's metrics: the summary's numbers, its trial counts, folds and baseline."""
    values: dict[str, Any] = {key: summary.get(key) for key in (*SCORES, *COSTS)}
    values |= _federation_values(summary)
    values |= {f"trials_{key}": value for key, value in (summary.get("trials") or {}).items()}
    for baseline, scores in (summary.get("baseline") or {}).items():
        values |= {f"{baseline}_{key}": value for key, value in scores.items()}
    values |= _fold_values(summary)
    return _points(_with_minutes(values), timestamp_ms)


def summary_status(summary: Mapping[str, Any]) -> str:
    """Return MLflow's word for how a search ended."""
    return PARENT_STATUS.get(str(summary.get("status")), "FINISHED")


def trial_record(plan: Mapping[str, Any], path: Path) -> RunRecord:
    """Return the child run of an ended trial from its result.json or failure.json.

    Raises ValueError, KeyError or TypeError for a file that is not one, is another trial's, or is damaged.
    """
    trial = read_json(path)
    if trial["uid"] != path.parent.name:
        raise ValueError(f"{path}: the result of {str(trial['uid'])[:20]!r}; expected that of its folder")
    if number := next(_bent_numbers(trial), None):
        raise ValueError(f"{path}: {number}; expected finite numbers, as a trial writes them")
    hparams = trial["hparams"]
    tags = _common_tags(plan) | {
        KIND_TAG: "configuration",
        UID_TAG: str(trial["uid"]),
        "network": str(trial["network"]),
    }
    params = {"network": str(trial["network"])} | {key: str(value) for key, value in hparams.items()}
    name = run_name(trial["network"], hparams)
    written_ms = int(path.stat().st_mtime * 1000)
    start = _milliseconds(trial.get("started") or plan.get("started"))
    end = _milliseconds(trial["ended"]) if trial.get("ended") else max(start, written_ms)
    if path.name == FAILURE_FILE:
        tags["failure"] = str(trial.get("message", ""))[:MESSAGE_CHARACTERS]
        text = str(trial.get("traceback") or trial.get("message", ""))
        return RunRecord(
            name=name, status="FAILED", start_ms=start, end_ms=end, params=params, tags=tags, traceback=text
        )
    status = CHILD_STATUS[trial["status"]]
    points = _trial_points(trial, start, end)
    return RunRecord(name=name, status=status, start_ms=start, end_ms=end, params=params, tags=tags, metrics=points)


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


def model_export(output: Path) -> dict[str, Any] | None:
    """Return what a search's folder says of its exported model; None where there is none, or it cannot be read."""
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


def _trial_points(trial: Mapping[str, Any], start_ms: int, end_ms: int) -> tuple[Point, ...]:
    values: dict[str, Any] = {key: trial.get(key) for key in (*SCORES, *COSTS)}
    values["validation_loss"] = trial.get("selection_loss")
    values |= _federation_values(trial) | _fold_values(trial)
    rounds = (trial.get("federation") or {}).get("by_round") or ()
    return (
        *_points(_with_minutes(values), end_ms),
        *_curve(trial.get("curve") or {}, start_ms, end_ms),
        *_rounds(rounds, start_ms, end_ms),
    )


def _federation_values(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the rounds took in all; nothing of methods that are not federated."""
    federation = record.get("federation") or {}
    return {key: federation.get(key) for key in FEDERATION}


def _fold_values(record: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for index, fold in enumerate(record.get("folds") or ()):
        number = fold.get("fold", index)
        values |= {f"fold_{key}_{number}": fold.get(key) for key in FOLD_SCORES}
        values[f"fold_validation_loss_{number}"] = fold.get("selection_loss")
    return values


def _with_minutes(values: dict[str, Any]) -> dict[str, Any]:
    seconds: Any = values.get("training_seconds")
    return values | ({"training_minutes": seconds / 60} if _is_finite(seconds) else {})


def _points(values: Mapping[str, Any], timestamp_ms: int) -> tuple[Point, ...]:
    return tuple(Point(key, float(value), timestamp_ms, 0) for key, value in values.items() if _is_finite(value))


def _curve(curve: Mapping[str, Any], start_ms: int, end_ms: int) -> Iterator[Point]:
    """Yield the fold means of each epoch, counted from 1, at the time it ended if all took equally long."""
    for name in CURVES:
        values = curve.get(name) or ()
        for epoch, value in enumerate(values, start=1):
            if _is_finite(value):
                when = start_ms + (end_ms - start_ms) * epoch // len(values)
                yield Point(CURVE_PREFIX + name, float(value), when, epoch)


def _rounds(rounds: Sequence[Mapping[str, Any]], start_ms: int, end_ms: int) -> Iterator[Point]:
    """Yield what each round took, folds together; clients are counted where the record names them."""
    for place, one in enumerate(rounds, start=1):
        for name, key in ROUND.items():
            value = len(one[key]) if isinstance(one[key], list) else one[key]
            when = start_ms + (end_ms - start_ms) * place // len(rounds)
            yield Point(ROUND_PREFIX + name, float(value), when, int(one["round"]))


def _bent_numbers(value: object, where: str = "") -> Iterator[str]:
    """Yield the places of a JSON value with a NaN or an infinity: no result is written with one."""
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, one in items:
            yield from _bent_numbers(one, f"{where}.{key}".lstrip("."))
    elif isinstance(value, float) and not math.isfinite(value):
        yield f"{where} = {value}"


def _is_finite(value: object) -> bool:
    """Tell a number that MLflow keeps as it is: it stores infinities as the largest double."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _common_tags(plan: Mapping[str, Any]) -> dict[str, str]:
    protocol, corpus = plan.get("protocol", {}), plan.get("corpus", {})
    tags = {
        "method": plan.get("method"),
        "protocol": protocol.get("name"),
        "optimistic": protocol.get("optimistic"),
        "corpus": corpus.get("kind"),
        "corpus_sha256": corpus.get("sha256"),
        "synthetic": corpus.get("synthetic"),
        "git_commit": plan.get("git_commit"),
        "mlflow.source.git.commit": plan.get("git_commit"),
        "mlflow.source.name": f"orchestrator {plan.get('command', '')}".strip(),
    }
    tags |= {f"version_{name}": version for name, version in plan.get("versions", {}).items()}
    return {key: _tag(value) for key, value in tags.items() if value is not None}


def _tag(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _note(plan: Mapping[str, Any]) -> str:
    """Return the parent's description, shown on its page in the UI (Markdown)."""
    protocol, corpus = plan.get("protocol", {}), plan.get("corpus", {})
    lines = []
    if corpus.get("synthetic"):
        lines.append("**Synthetic corpus:** these scores say nothing about people and compare with no paper.")
    if protocol.get("optimistic"):
        lines.append("**Optimistic protocol:** the reported folds chose the epoch.")
    people = f", {corpus['participants']} participants" if "participants" in corpus else ""
    arguments = hide_password(shlex.join(map(str, plan.get("arguments", ()))))
    lines += [
        f"{plan.get('title', '')}: `python -m orchestrator {arguments}`",
        f"- command `{plan.get('command')}`, method `{plan.get('method')}`, preset `{plan.get('preset')}`",
        f"- protocol `{protocol.get('name')}`, seed {plan.get('seed')}",
        f"- corpus `{corpus.get('kind')}`{people}",
        f"- {len(plan.get('trials', ()))} configurations, one child run each; epoch curves are fold means",
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
