"""From an MLflow store to the searches a report is about, and the list of those it is not about, with the reason."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator import tracking_records as records
from orchestrator.errors import InputError, printable
from orchestrator.report.cells import number
from orchestrator.report.evidence import Record, Search
from orchestrator.report.reading import PREFERRED_PROTOCOLS, methods
from orchestrator.results import ranking
from orchestrator.run_folder import CURVES_FILE, PLAN_FILE, PREDICTIONS_TABLE, SUMMARY_FILE
from orchestrator.tracking_reader import RecordedRun, StoreReader
from tune_spaces.catalogue import method_names

SHORTEST_ID = 6  # of a --run that is given as the beginning of an id
STATUS_OF_CHILD = {"FINISHED": "finished", "KILLED": "stopped"}
INTEGERS = ("hidden_size", "sequence_length", "num_layers", "epochs", "num_parameters")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One search of the store, reported or not."""

    run: RecordedRun
    reported: bool
    note: str  # why it is not reported


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """What a report is made of; the searches in the order of the paper's tables."""

    searches: Sequence[Search]
    listed: Sequence[Listed]

    @property
    def runs(self) -> dict[str, RecordedRun]:
        """Return the parent runs by id: what other commands measured is among their metrics."""
        return {one.run.run_id: one.run for one in self.listed}


def collect(reader: StoreReader, experiments: Sequence[str], runs: Sequence[str]) -> Collection:
    """Read the searches to report: the latest finished one of each method and protocol, or those named by `runs`.

    Raises InputError for an unknown experiment or run, for a named run that cannot be reported, and for a store
    without any search.
    """
    known = reader.experiments(experiments)
    parents = reader.searches(known)
    if not parents:
        there = printable(", ".join(known.values())) or "none that begins with affect-"
        raise InputError.of(
            "--experiment", found=f"no search in {there}", expected="a search: run `tune`, or `track DIR`"
        )
    wanted = {_named(parents, run) for run in runs}
    chosen: dict[str, Search] = {}
    notes: dict[str, str] = {}
    taken: dict[tuple[str, str], str] = {}
    for parent in sorted(parents, key=_rank, reverse=True):
        key = (parent.tags.get("method", ""), parent.tags.get("protocol", ""))
        reason = _unfit(parent)
        if reason:
            notes[parent.run_id] = reason
        elif wanted and parent.run_id not in wanted:
            notes[parent.run_id] = "not asked for"
        elif not wanted and key in taken:
            notes[parent.run_id] = f"{taken[key][:8]} is reported for this method and protocol"
        elif isinstance(found := _search(reader, parent, known), str):
            notes[parent.run_id] = found
        else:
            chosen[parent.run_id] = found
            taken[key] = parent.run_id
    refused = [printable(f"{run[:8]}: {notes[run]}") for run in sorted(wanted) if run in notes]
    if refused:
        raise InputError.of("--run", found="; ".join(refused), expected="finished searches with their artifacts")
    listed = [Listed(run=one, reported=one.run_id in chosen, note=notes.get(one.run_id, "")) for one in parents]
    return Collection(searches=_ordered(chosen.values()), listed=listed)


def _named(parents: Sequence[RecordedRun], given: str) -> str:
    found = [one.run_id for one in parents if one.run_id.startswith(given) and len(given) >= SHORTEST_ID]
    if len(found) == 1:
        return found[0]
    known = ", ".join(one.run_id[:8] for one in parents)
    raise InputError.of("--run", found=repr(given), expected=f"the run id of one search; here are {known}")


def _rank(run: RecordedRun) -> tuple[bool, bool, bool, int]:
    """Order searches: real recordings before synthetic ones, whole searches before points, ended ones, the latest."""
    real = run.tags.get("synthetic") != "true"
    return real, run.params.get("command") != "evaluate", run.status == "FINISHED", run.start_ms


def _unfit(parent: RecordedRun) -> str | None:
    """Say why a run cannot be reported, as far as the run itself tells."""
    if parent.status not in records.ENDED:
        return "still running, or broken off"
    method = parent.tags.get("method", "none")
    if method not in method_names():
        return f"its method is unknown: {method}"
    return None if "ccc_valence" in parent.metrics else "no configuration finished"


def _search(reader: StoreReader, parent: RecordedRun, known: Mapping[str, str]) -> Search | str:
    """Return a search, or why it cannot be reported."""
    documents: dict[str, Record] = {}
    for name in (PLAN_FILE, SUMMARY_FILE):
        path = reader.artifact(parent, name)
        if path is None:
            return f"{name} is not in the store"
        try:
            documents[name] = _read(path)
        except (OSError, ValueError) as error:
            return f"{name} cannot be read: {error}"
    plan, summary = documents[PLAN_FILE], documents[SUMMARY_FILE]
    problem = _fault(plan, summary, parent.tags["method"])
    if problem:
        return problem
    children = reader.configurations(parent, known)
    trials = [trial for child in children if (trial := _trial(child))]
    return Search(
        plan=plan,
        summary=summary,
        trials=_with_curves(reader, parent, trials),
        failures=[_failure(child) for child in children if child.status == "FAILED"],
        predictions=reader.artifact(parent, PREDICTIONS_TABLE),
        run_id=parent.run_id,
    )


def _read(path: Path) -> Any:
    """Read JSON; ValueError for a NaN or an infinity, too."""
    return json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse)


def _refuse(text: str) -> None:
    raise ValueError(f"{text} is no number")


def _fault(plan: Any, summary: Any, method: str) -> str | None:
    """Say what a report needs and the files lack."""
    try:
        known = plan["method"] == method and isinstance(plan["corpus"]["synthetic"], bool)
        known = known and all(isinstance(plan[key], dict) for key in ("corpus", "protocol"))
        known = known and all(isinstance(text, str) for text in (plan["protocol"]["name"], plan["corpus"]["sha256"]))
        best = summary["best"]
    except (KeyError, TypeError):
        return "plan.json or summary.json is not of this project"
    if not known:
        return "plan.json does not fit the run's tags"
    if not isinstance(best, dict) or number(summary.get("ccc_valence")) is None:
        return "no configuration finished"
    return None if "uid" in best and "network" in best else "summary.json does not name its best configuration"


def _trial(child: RecordedRun) -> dict[str, Any] | None:
    """Return a configuration as result.json has it, as far as MLflow keeps it; None for one without a score."""
    hparams = _hparams(child)
    loss = child.metrics.get("validation_loss")
    if child.status not in STATUS_OF_CHILD or hparams is None or loss is None or records.UID_TAG not in child.tags:
        return None
    trial: dict[str, Any] = {
        "uid": child.tags[records.UID_TAG],
        "network": child.params.get("network", ""),
        "hparams": hparams,
        "status": STATUS_OF_CHILD[child.status],
        "selection_loss": loss,
        "folds": _folds(child.metrics),
        "curve": {},
        "run_id": child.run_id,
    }
    for key in (*records.SCORES, *records.COSTS):
        if key in child.metrics:
            trial[key] = int(child.metrics[key]) if key in INTEGERS else child.metrics[key]
    return trial


def _hparams(child: RecordedRun) -> dict[str, float | int] | None:
    try:
        return {
            key: int(child.params[key]) if key in INTEGERS else float(child.params[key])
            for key in ("learning_rate", "hidden_size", "sequence_length", "num_layers")
        }
    except (KeyError, ValueError):
        return None


def _folds(metrics: Mapping[str, float]) -> list[dict[str, Any]]:
    """Return the folds' records from metrics such as `fold_ccc_valence_3`."""
    folds: dict[int, dict[str, Any]] = {}
    names = {f"fold_{key}_": key for key in records.FOLD_SCORES} | {"fold_validation_loss_": "selection_loss"}
    for metric, value in metrics.items():
        for prefix, key in names.items():
            number_of_fold = metric.removeprefix(prefix)
            if number_of_fold != metric and number_of_fold.isdigit():
                fold = folds.setdefault(int(number_of_fold), {"fold": int(number_of_fold)})
                fold[key] = int(value) if key == "chosen_epoch" else value
    return [folds[index] for index in sorted(folds)]


def _failure(child: RecordedRun) -> dict[str, Any]:
    return {
        "uid": child.tags.get(records.UID_TAG, ""),
        "network": child.params.get("network", ""),
        "hparams": _hparams(child) or {},
        "message": child.tags.get("failure", ""),
        "name": child.name,
        "run_id": child.run_id,
    }


def _with_curves(reader: StoreReader, parent: RecordedRun, trials: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add the epoch curve of each network's best configuration, from curves.json, else from its run's metrics."""
    path = reader.artifact(parent, CURVES_FILE)
    recorded = _curves(path) if path else {}
    best: dict[str, dict[str, Any]] = {}
    for trial in ranking(trials):
        best.setdefault(trial["network"], dict(trial))
    curves = {one["uid"]: recorded.get(one["uid"]) or _history(reader, one["run_id"]) for one in best.values()}
    return [trial | {"curve": curves.get(trial["uid"], {})} for trial in trials]


def _curves(path: Path) -> dict[str, Any]:
    """Return the curves of curves.json by uid; those that cannot be read are left out."""
    try:
        found = _read(path)
        return {one["uid"]: one["curve"] for one in found.values() if isinstance(one["curve"], dict)}
    except (OSError, ValueError, AttributeError, KeyError, TypeError):
        return {}


def _history(reader: StoreReader, run_id: str) -> dict[str, list[float]]:
    curves = {name: reader.curve(run_id, records.CURVE_PREFIX + name) for name in records.CURVES}
    return {name: values for name, values in curves.items() if values}


def _ordered(searches: Iterable[Search]) -> list[Search]:
    def place(search: Search) -> tuple[int, int, str]:
        protocol = search.plan["protocol"]["name"]
        known = protocol in PREFERRED_PROTOCOLS
        rank = PREFERRED_PROTOCOLS.index(protocol) if known else len(PREFERRED_PROTOCOLS)
        return methods().index(search.plan["method"]), rank, str(search.plan.get("started"))

    return sorted(searches, key=place)
