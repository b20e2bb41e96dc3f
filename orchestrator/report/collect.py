"""From an MLflow store to the searches a report is about, and the list of those it is not about, with the reason."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator import measures
from orchestrator.audit.records import Audit
from orchestrator.errors import InputError, printable
from orchestrator.evaluation.answer import removed_in_words
from orchestrator.evaluation.person_records import ScoredPeople
from orchestrator.evaluation.results import best_of_networks
from orchestrator.files import JsonObject, read_json
from orchestrator.json_records import newer_keys, number
from orchestrator.report import selection
from orchestrator.report.audits import audits_of
from orchestrator.report.corpora import (
    OPTION,
    SHOWN,
    RecordedCorpus,
    corpora_of,
    named_corpus,
    sha256_of_run,
)
from orchestrator.report.queries import PREFERRED_PROTOCOLS, methods
from orchestrator.report.search_record import FailedTrial, Search
from orchestrator.run_folder import CURVES_FILE, MOMENTS_FILE, PLAN_FILE, PREDICTIONS_TABLE, SUMMARY_FILE
from orchestrator.run_records import CURVES, FINISHED, STOPPED, Curve, FoldScore, Summary, TrialResult
from orchestrator.tracking import points, records
from orchestrator.tracking.reader import RecordedRun, StoreReader
from tune_spaces.catalogue import method_names
from tune_spaces.method import HParams, make_hparams

SHORTEST_ID = 6  # of a --run that is given as the beginning of an id
STATUS_OF_CHILD = {"FINISHED": FINISHED, "KILLED": STOPPED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One search of the store, reported or not."""

    run: RecordedRun
    reported: bool
    note: str  # why it is not reported; or what of it is not used


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """What a report is made of: searches of one corpus in the order of the paper's tables, and what else there is."""

    searches: Sequence[Search]
    listed: Sequence[Listed]
    corpus: RecordedCorpus | None = None
    others: Sequence[RecordedCorpus] = ()  # corpora of the store that the report is not about
    audits: Sequence[Audit] = ()  # of the corpus, the latest first

    @property
    def runs(self) -> dict[str, RecordedRun]:
        """Return the parent runs by id: what other commands measured is among their metrics."""
        return {one.run.run_id: one.run for one in self.listed}


def collect(
    reader: StoreReader, experiments: Sequence[str], runs: Sequence[str], corpus: str | None = None
) -> Collection:
    """Read the searches to report: of one corpus the best of each method, network and protocol, or those in `runs`.

    The corpus is the one that `corpus` names or that the runs are of, else the one of most finished searches.
    Raises InputError for an unknown experiment, run or corpus, for a named run that cannot be reported, for named runs
    of two corpora, and for a store without any search.
    """
    known = reader.experiments(experiments)
    parents = reader.searches(known)
    if not parents:
        there = printable(", ".join(known.values())) or "none that begins with affect-"
        raise InputError.of(
            "--experiment", found=f"no search in {there}", expected="a search: run `tune`, or `track DIR`"
        )
    wanted = {_named(parents, run) for run in runs}
    corpora = corpora_of(parents, _is_finished)
    candidates = corpora if corpus is None else [named_corpus(corpora, corpus)]
    if wanted:
        candidates = [_corpus_of(parents, wanted, corpora, candidates)]
    chosen: dict[str, Search] = {}
    notes: dict[str, str] = {}
    about = candidates[0]
    for candidate in candidates:  # the next one only where nothing of a corpus can be read
        own = [one for one in parents if sha256_of_run(one) == candidate.sha256]
        chosen, said = _chosen(reader, own, known, wanted)
        notes |= said
        if chosen:
            about = candidate
            break
    refused = [printable(f"{run[:8]}: {notes.get(run)}") for run in sorted(wanted - chosen.keys())]
    if refused:
        raise InputError.of("--run", found="; ".join(refused), expected="finished searches with their artifacts")
    listed = [_listed(one, chosen, notes, about) for one in parents]
    others = [one for one in corpora if one is not about]
    audits = audits_of(reader, known, about.sha256)
    return Collection(searches=_ordered(chosen.values()), listed=listed, corpus=about, others=others, audits=audits)


def _is_finished(run: RecordedRun) -> bool:
    return run.status == "FINISHED" and _unfit(run) is None


def _corpus_of(
    parents: Sequence[RecordedRun],
    wanted: set[str],
    corpora: Sequence[RecordedCorpus],
    candidates: Sequence[RecordedCorpus],
) -> RecordedCorpus:
    """Return the one corpus of the named runs."""
    sums = {sha256_of_run(one) for one in parents if one.run_id in wanted}
    found = [one for one in corpora if one.sha256 in sums]
    if len(found) == 1 and found[0] in candidates:
        return found[0]
    words = "; ".join(one.title for one in found)
    expected = f"searches of {candidates[0].title}, as {OPTION} says"
    if len(found) != 1:
        expected = "searches of one corpus; searches of the same files with other features: compare RUN RUN"
    raise InputError.of("--run", found=printable(f"searches of {words}"), expected=printable(expected))


def _chosen(
    reader: StoreReader, parents: Sequence[RecordedRun], known: Mapping[str, str], wanted: set[str]
) -> tuple[dict[str, Search], dict[str, str]]:
    """Return the searches of a corpus that are reported, by run id, and notes on these and others."""
    notes: dict[str, str] = {}
    found: list[Search] = []
    for parent in parents:
        if reason := _unfit(parent):
            notes[parent.run_id] = reason
        elif wanted and parent.run_id not in wanted:
            notes[parent.run_id] = "not asked for"
        elif isinstance(search := _search(reader, parent, known), str):
            notes[parent.run_id] = search
        else:
            found.append(search)
    selected, why = selection.select_named(found) if wanted else selection.select(found)
    chosen = {str(one.run_id): replace(one, trials=_with_curves(reader, one, parents)) for one in selected}
    for run_id, one in chosen.items():
        newer = [] if one.summary is None else sorted(newer_keys(one.summary))
        if newer:
            words = f"keys of a newer version, not used: {', '.join(newer)}"
            why[run_id] = "; ".join(filter(None, [why.get(run_id), words]))
        if one.summary is not None and one.summary.forgotten:
            why[run_id] = "; ".join(filter(None, [why.get(run_id), removed_in_words(one.summary.forgotten)]))
    return chosen, notes | why


def _listed(run: RecordedRun, chosen: Mapping[str, Search], notes: Mapping[str, str], corpus: RecordedCorpus) -> Listed:
    other = None if sha256_of_run(run) == corpus.sha256 else f"of another corpus than {corpus.sha256[:SHOWN]}"
    note = notes.get(run.run_id) or _unfit(run) or other or ""
    return Listed(run=run, reported=run.run_id in chosen, note=note)


def _named(parents: Sequence[RecordedRun], given: str) -> str:
    found = [one.run_id for one in parents if one.run_id.startswith(given) and len(given) >= SHORTEST_ID]
    if len(found) == 1:
        return found[0]
    known = ", ".join(one.run_id[:8] for one in parents)
    raise InputError.of("--run", found=repr(given), expected=f"the run id of one search; here are {known}")


def _unfit(parent: RecordedRun) -> str | None:
    """Return why a run cannot be reported, as far as the run itself tells."""
    if parent.status not in records.ENDED:
        return "still running, or broken off"
    method = parent.tags.get("method", "none")
    if method not in method_names():
        return f"its method is unknown: {method}"
    return None if measures.headline_keys()[0] in parent.metrics else "no configuration finished"


def _search(reader: StoreReader, parent: RecordedRun, known: Mapping[str, str]) -> Search | str:
    """Return a search, or why it cannot be reported."""
    documents: dict[str, JsonObject] = {}
    for name in (PLAN_FILE, SUMMARY_FILE):
        path = reader.artifact(parent, name)
        if path is None:
            return f"{name} is not in the store"
        try:
            documents[name] = read_json(path)
        except InputError as error:
            return f"{name} cannot be read: {_within(error, path)}"
    plan = documents[PLAN_FILE]
    if problem := _fault(plan, parent):
        return problem
    try:
        summary = Summary.from_json(documents[SUMMARY_FILE], SUMMARY_FILE)
    except InputError as error:
        return f"{SUMMARY_FILE} cannot be read: {error}"
    if summary.best is None or number(summary.scores.get(measures.headline_keys()[0])) is None:
        return "no configuration finished"
    children = reader.configurations(parent, known)
    trials = {child.run_id: trial for child in children if (trial := _trial(child))}
    return Search(
        plan=plan,
        summary=summary,
        trials=[*trials.values()],
        run_ids={trial.uid: run_id for run_id, trial in trials.items()},
        failures=[_failure(child) for child in children if child.status == "FAILED"],
        predictions=reader.artifact(parent, PREDICTIONS_TABLE),
        people=_people(reader.artifact(parent, MOMENTS_FILE)),
        run_id=parent.run_id,
    )


def _people(path: Path | None) -> ScoredPeople | None:
    """Return the sums by person; None where they are not there or cannot be read: what lacks them is not compared."""
    if path is None:
        return None
    try:
        return ScoredPeople.from_json(read_json(path), path.name)
    except InputError:
        return None


def _within(error: InputError, path: Path) -> str:
    """Return a message about a downloaded file without the place that it was downloaded to."""
    return str(error).replace(str(path), path.name)


def _fault(plan: JsonObject, run: RecordedRun) -> str | None:
    """Return what a report needs of a plan and it lacks."""
    try:
        fine = plan["method"] == run.tags["method"] and isinstance(plan["corpus"]["synthetic"], bool)
        fine = fine and all(isinstance(plan[key], dict) for key in ("corpus", "protocol"))
        fine = fine and all(isinstance(text, str) for text in (plan["protocol"]["name"], plan["corpus"]["sha256"]))
        fine = fine and plan["corpus"]["sha256"] == sha256_of_run(run)
    except (KeyError, TypeError):
        return f"{PLAN_FILE} is not of this project"
    return None if fine else f"{PLAN_FILE} does not fit the run's tags"


def _trial(child: RecordedRun) -> TrialResult | None:
    """Return a configuration as result.json has it, as far as MLflow keeps it; None for one without a score."""
    hparams = _hparams(child)
    loss = child.metrics.get(points.VALIDATION_LOSS)
    if child.status not in STATUS_OF_CHILD or hparams is None or loss is None or records.UID_TAG not in child.tags:
        return None
    costs = {cost.key: child.metrics.get(cost.key) for cost in measures.COSTS if not cost.of_search}
    whole = {cost.key for cost in measures.COSTS if cost.integer}
    return TrialResult(
        uid=child.tags[records.UID_TAG],
        network=child.params.get("network", ""),
        hparams=hparams,
        status=STATUS_OF_CHILD[child.status],
        selection_loss=loss,
        scores={key: child.metrics[key] for key in measures.score_keys() if key in child.metrics},
        folds=_folds(child.metrics),
        curve={},
        federation=None,
        **{  # type: ignore[arg-type]
            key: int(value) if value is not None and key in whole else value for key, value in costs.items()
        },
    )


def _hparams(child: RecordedRun) -> HParams | None:
    try:
        return make_hparams(child.params)
    except (KeyError, ValueError):
        return None


def _folds(metrics: Mapping[str, float]) -> tuple[FoldScore, ...]:
    """Return the folds' records from metrics such as `fold_ccc_valence_3`."""
    numbers = {metric.rpartition("_")[2] for metric in metrics if metric.startswith(points.FOLD_PREFIX)}
    folds = []
    for fold in sorted(int(number_of_fold) for number_of_fold in numbers if number_of_fold.isdigit()):
        found = {key: metrics[name] for key, name in points.fold_names(fold).items() if name in metrics}
        epoch = found.pop("chosen_epoch", None)
        loss = found.pop("selection_loss", None)
        chosen = None if epoch is None else int(epoch)
        folds.append(FoldScore(fold=fold, chosen_epoch=chosen, selection_loss=loss, scores=found))
    return tuple(folds)


def _failure(child: RecordedRun) -> FailedTrial:
    return FailedTrial(name=child.name or child.params.get("network", ""), message=child.tags.get("failure", ""))


def _with_curves(reader: StoreReader, search: Search, parents: Sequence[RecordedRun]) -> list[TrialResult]:
    """Add the epoch curve of each network's best configuration, from curves.json, else from its run's metrics."""
    parent = next(one for one in parents if one.run_id == search.run_id)
    path = reader.artifact(parent, CURVES_FILE)
    recorded = _curves(path) if path else {}
    best = {trial.uid for trial in best_of_networks(search.trials).values()}
    return [
        replace(trial, curve=recorded.get(trial.uid) or _history(reader, search.run_ids[trial.uid]))
        if trial.uid in best
        else trial
        for trial in search.trials
    ]


def _curves(path: Path) -> dict[str, Curve]:
    """Return the curves of curves.json by uid; those that cannot be read are left out."""
    try:
        found = read_json(path)
        return {
            one["uid"]: {name: tuple(values) for name, values in one["curve"].items()}
            for one in found.values()
            if isinstance(one["curve"], dict)
        }
    except (InputError, AttributeError, KeyError, TypeError):
        return {}


def _history(reader: StoreReader, run_id: str) -> Curve:
    curves = {name: tuple(reader.curve(run_id, points.CURVE_PREFIX + name)) for name in CURVES}
    return {name: values for name, values in curves.items() if values}


def _ordered(searches: Iterable[Search]) -> list[Search]:
    def place(search: Search) -> tuple[int, int, str]:
        protocol = search.plan["protocol"]["name"]
        known = protocol in PREFERRED_PROTOCOLS
        rank = PREFERRED_PROTOCOLS.index(protocol) if known else len(PREFERRED_PROTOCOLS)
        return methods().index(search.plan["method"]), rank, str(search.plan.get("started"))

    return sorted(searches, key=place)
