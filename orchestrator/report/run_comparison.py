"""`compare`: any runs on the same recordings, paired over participants; what differs between them, in words."""

import atexit
import math
import shutil
import tempfile
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from models.ccc import Moments
from orchestrator.corpora.findings import shortened
from orchestrator.corpora.names import listed
from orchestrator.errors import InputError
from orchestrator.estimators.intervals import Interval
from orchestrator.estimators.paired import compare, holm, own_interval
from orchestrator.estimators.permutation import paired_sign_flip_p
from orchestrator.evaluation.person_records import ScoredPeople
from orchestrator.files import JsonObject, read_json
from orchestrator.protocols import DIMENSIONS, LABEL_FIELDS, LABEL_OPTIONS
from orchestrator.report.blocks import protocol_fields
from orchestrator.report.person_scores import People, of_reported
from orchestrator.report.queries import number_in, summary_of
from orchestrator.report.search_record import Search
from orchestrator.run_folder import MOMENTS_FILE, PLAN_FILE, PREDICTIONS_TABLE, SUMMARY_FILE
from orchestrator.run_records import Summary
from orchestrator.tracking.location import is_run_id

# Ours: between means, or deviations, of a person's gold standard in two files of one recording; some frames lack a face
# in one of them.
SAME_GOLD = 0.02
FILES = "files"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Compared:
    """A run: what it is called, what it says, its people."""

    place: str
    search: Search
    people: People

    def score(self, dimension: str) -> float | None:
        """Return the CCC that the run reports, mean over its folds."""
        return number_in(summary_of(self.search), f"ccc_{dimension}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """First minus second (their numbers from 1) in one dimension, over the people whom both scored."""

    first: int
    second: int
    dimension: str
    reported: Interval | None  # of the CCC that is reported; None where the sums by person are not there
    own: Interval  # of the mean of the people's own CCC
    p: float  # of `own`, by flips of signs
    p_holm: float  # corrected for all pairs and dimensions


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Comparison:
    """The runs, what differs between them, and every pair."""

    runs: tuple[Compared, ...]
    differing: tuple[str, ...]
    pairs: tuple[Pair, ...]


def compare_runs(places: Sequence[str], *, tracking_uri: str | None = None) -> Comparison:
    """Compare finished runs (folders, or ids of MLflow), each with each.

    InputError: fewer than two, a run twice, one without scores of people, and runs on different recordings or labels.
    """
    if len(places) < 2:
        raise InputError.of("compare", found=f"{len(places)} run", expected="at least two")
    twice = sorted({place for place in places if [_whole(one) for one in places].count(_whole(place)) > 1})
    if twice:
        raise InputError.of("compare", found=f"one run twice: {', '.join(twice)}", expected="different runs")
    runs = [_read(place, tracking_uri) for place in places]
    for first, second in combinations(runs, 2):
        _check_same(first, second)
    found = list(_pairs(runs))
    corrected = holm([p for *_, p in found])
    pairs = tuple(
        Pair(first=i, second=j, dimension=d, reported=reported, own=own, p=p, p_holm=p_holm)
        for (i, j, d, reported, own, p), p_holm in zip(found, corrected, strict=True)
    )
    return Comparison(runs=tuple(runs), differing=_differing(runs), pairs=pairs)


def _whole(place: str) -> str:
    return str(Path(place).resolve()) if Path(place).is_dir() else place.removeprefix("runs:/")


def _read(place: str, tracking_uri: str | None) -> Compared:
    folder, run_id = Path(place), place.removeprefix("runs:/")
    if not (folder / PLAN_FILE).is_file() and is_run_id(run_id):
        from orchestrator.tracking.models import download_run

        names = (PLAN_FILE, SUMMARY_FILE, MOMENTS_FILE, PREDICTIONS_TABLE)
        downloads = Path(tempfile.mkdtemp(prefix="affect-run-"))
        atexit.register(shutil.rmtree, downloads, ignore_errors=True)
        folder = download_run(run_id, downloads, names, tracking_uri)
    for name in (PLAN_FILE, SUMMARY_FILE):
        if not (folder / name).is_file():
            raise InputError.of(place, found=f"no {name}", expected="the folder of a finished run, or a run's id")
    moments, predictions = folder / MOMENTS_FILE, folder / PREDICTIONS_TABLE
    search = Search(
        plan=_plan(folder / PLAN_FILE),
        summary=Summary.from_json(read_json(folder / SUMMARY_FILE), folder / SUMMARY_FILE),
        trials=(),
        predictions=predictions if predictions.is_file() else None,
        people=ScoredPeople.from_json(read_json(moments), moments) if moments.is_file() else None,
    )
    people = None if summary_of(search).best is None else of_reported(search)
    if people is None:
        raise InputError.of(place, found="no scores of its participants", expected="a run in which something finished")
    return Compared(place=place, search=search, people=people)


def _plan(path: Path) -> JsonObject:
    plan = read_json(path)
    fine = all(isinstance(plan.get(key), dict) for key in ("corpus", "protocol"))
    if not (fine and isinstance(plan["corpus"].get("sha256"), str) and "name" in plan["protocol"] and "method" in plan):
        raise InputError.of(str(path), found="a plan without corpus, protocol or method", expected="a run's plan")
    return plan


def _check_same(first: Compared, second: Compared) -> None:
    """Refuse runs on other recordings or other labels.

    The same files with other features are the same recordings; so are other files, of another tool, whose people have
    the same names and the same gold standard.
    """
    where = f"{first.place} and {second.place}"
    if not _same_files(first, second):
        people = [{name for own in run.people.own.values() for name in own} for run in (first, second)]
        apart = sorted(people[0] ^ people[1])
        found = f"different people: {shortened(apart)} in one of them only" if apart else _other_gold(first, second)
        if found:
            raise InputError.of(where, found=found, expected="runs on the same recordings")
    labels = [_labels(run) for run in (first, second)]
    differ = [
        f"{option} {' and '.join('nothing' if made[option] is None else str(made[option]) for made in labels)}"
        for option in labels[0]
        if labels[0][option] != labels[1][option]
    ]
    if differ:
        raise InputError.of(where, found=f"labels made otherwise: {', '.join(differ)}", expected="runs on equal labels")


def _same_files(first: Compared, second: Compared) -> bool:
    one, other = (run.search.plan["corpus"] for run in (first, second))
    files = [(corpus.get("read") or {}).get("files") for corpus in (one, other)]
    return bool(one["sha256"] == other["sha256"] or (files[0] is not None and files[0] == files[1]))


def _other_gold(first: Compared, second: Compared) -> str:
    """Return why the gold standards of two runs of other files are not known to be the same; "" where they are."""
    sums = [run.people.folds for run in (first, second)]
    if sums[0] is None or sums[1] is None:
        hashes = " and ".join(run.search.plan["corpus"]["sha256"][:12] for run in (first, second))
        return f"contents with sha256 {hashes}, and labels that stayed with the people in one of them"
    for d in DIMENSIONS:
        one, other = ({person: m for fold in folds[d] for person, m in fold.items()} for folds in (sums[0], sums[1]))
        for person in sorted(one.keys() & other.keys()):
            facts = zip(("mean", "deviation"), _gold_of(one[person]), _gold_of(other[person]), strict=True)
            for what, own, their in facts:
                if abs(own - their) > SAME_GOLD:
                    return f"{person}, whose gold standard of {d} has a {what} of {own:.3f} and {their:.3f}"
    return ""


def _gold_of(sums: Moments) -> tuple[float, float]:
    """Return mean and deviation of a person's gold standard; 0 without a frame."""
    mean = sums.sum_y / max(1, sums.n)
    return mean, math.sqrt(max(0.0, sums.sum_yy / max(1, sums.n) - mean * mean))


def _labels(run: Compared) -> dict[str, object]:
    """Return what made the labels that are scored, by option."""
    fields, options = protocol_fields(run.search), run.search.plan["corpus"].get("options") or {}
    made = {option: fields.get(key) for key, option in LABEL_FIELDS.items()}
    return made | {option: options.get(key) or None for key, option in LABEL_OPTIONS.items()}


def _pairs(runs: Sequence[Compared]) -> Iterator[tuple[int, int, str, Interval | None, Interval, float]]:
    for (i, first), (j, second) in combinations(enumerate(runs, 1), 2):
        for d in DIMENSIONS:
            one, other = first.people.own[d], second.people.own[d]
            own = own_interval(one, other)
            if own is None:
                shared = len(one.keys() & other.keys())
                found = f"{shared} participants with a CCC of {d} in both"
                raise InputError.of(f"{first.place} and {second.place}", found=found, expected="at least 2")
            found_pair = (
                compare(first.people.folds[d], second.people.folds[d])
                if first.people.folds is not None and second.people.folds is not None
                else None
            )
            p = paired_sign_flip_p(one, other)
            yield i, j, d, None if found_pair is None else found_pair.reported, own, p


def _differing(runs: Sequence[Compared]) -> tuple[str, ...]:
    """Return a line for each choice that is not the same in all runs, with what each has."""
    common = set.intersection(*(set(_features(run.search)) for run in runs))
    facts = [_facts(run.search, common) for run in runs]
    keys = dict.fromkeys(key for one in facts for key in one)
    if all(_same_files(runs[0], one) for one in runs):
        del keys[FILES]  # the same ones in another place
    many = {"features": f"{len(common)} in all; besides "} if common else {}
    return tuple(
        f"{key}: {many.get(key, '')}"
        + "; ".join(f"{number} {_in_short(one.get(key, '-'))}" for number, one in enumerate(facts, 1))
        for key in keys
        if len({one.get(key) for one in facts}) > 1
    )


def _in_short(value: str) -> str:
    """Return a choice; of long lists, such as all columns of a tool, the first few and the number of the others."""
    return shortened(value.split(", "))


def _features(search: Search) -> Sequence[str]:
    return search.plan["corpus"].get("feature_names") or ()


def _facts(search: Search, common: Container[str]) -> Mapping[str, str]:
    """Return a run's choices; of its features those that are not `common`, which all runs have."""
    plan, best = search.plan, summary_of(search).best
    names = _features(search)
    own = listed(name for name in names if name not in common) or "none"
    facts: dict[str, Any] = {"method": plan["method"], "features": own if names else "all"}
    facts[FILES] = plan["corpus"].get("path")
    facts |= protocol_fields(search)
    facts["protocol"] = facts.pop("name", "-")
    for part in ("images", "federation"):
        facts |= {f"{part} {key}": value for key, value in (plan.get(part) or {}).items()}
    facts["seed"] = plan.get("seed")
    if best is not None:
        facts |= {"network": best.network, **asdict(best.hparams)}
    return {key: "none" if value is None else str(value) for key, value in facts.items()}
