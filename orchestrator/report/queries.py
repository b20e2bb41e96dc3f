"""What tables ask a search: its protocol in words, its best configuration of a network, the command that is missing."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from typing import Any

import numpy as np

from orchestrator import measures
from orchestrator.corpora.catalogue import is_of_the_paper
from orchestrator.estimators.participants import spread
from orchestrator.evaluation.results import chosen_by_fold, nested, ranking
from orchestrator.json_records import number
from orchestrator.protocols import LABEL_FIELDS, PROTOCOLS, Protocol
from orchestrator.report.own_options import option_changes
from orchestrator.report.paper import METHOD_NAMES, METHOD_ORDER
from orchestrator.report.search_record import Search
from orchestrator.report.tables import cells
from orchestrator.report.tables.cells import Cell
from orchestrator.run_records import Best, Summary, TrialResult
from orchestrator.tracking.records import BASELINE_METRICS, summary_status
from tune_spaces.catalogue import find_method, method_names

PREFERRED_PROTOCOLS = ("described", "published", "strict")  # where a table has room for one: the paper's text first
# Fields that a label names where they are not the protocol's own.
LABELLED = {
    "epochs": "{} epochs",
    "num_folds": "{} folds",
    "gold": "gold {}",
    "label_delay_seconds": "labels {} s earlier",
    "label_shift": "delay by {}",
    "scaling": "scaling {}",
    "loss": "loss {}",
    "head": "head {}",
    "best_by": "best epoch by {}",
    "label_rounding": "labels rounded in {}",
    "group_by": "groups by {}",
    "defence": "defence {}",
    "windows_a_step": "batch size {}",
}
# Of these, the options of what is scored: searches that differ in one are not compared.
ALIKE = {
    **{key: LABEL_FIELDS[key] for key in ("gold", "label_delay_seconds")},
    "num_folds": "--folds",
    "group_by": "--group-by",
}
SAID = ("name", "optimistic")  # of a label, in their own way
FRAME_CCC, WINDOW_CCC = "ccc", "ccc_window"
LEVELS = {FRAME_CCC: "frames", WINDOW_CCC: "window means"}
OTHERS_STOPPED = "others stopped"  # why a score is not corrected for selection though something was selected


def methods() -> list[str]:
    """List the methods in the order of the paper's tables, then those it does not have."""
    return [*METHOD_ORDER, *(name for name in method_names() if name not in METHOD_ORDER)]


def method_name(method: str) -> str:
    """Return a method's name as the paper gives it, else its own title."""
    return METHOD_NAMES.get(method, find_method(method).title)


def protocol_of(search: Search) -> Protocol | None:
    """Return the protocol as it was used; None if the plan's is of another version."""
    try:
        return Protocol(**search.plan["protocol"])
    except TypeError:
        return None


def changes(search: Search) -> list[str]:
    """Return in words each field of the protocol that is not the named protocol's own, and each option beside it."""
    given = search.plan["protocol"]
    usual = PROTOCOLS.get(str(given["name"]))
    if usual is None:
        return option_changes(search)
    # A plan that was made before a field was there has been run by the field's default.
    later = {one.name: one.default for one in fields(Protocol) if one.default is not MISSING}
    words = []
    for one in fields(Protocol):
        value = given.get(one.name, later.get(one.name, getattr(usual, one.name)))
        decides = one.metadata.get("decides", True) and one.name not in SAID
        if decides and value != getattr(usual, one.name):
            words.append(LABELLED.get(one.name, f"{one.name.replace('_', ' ')} {{}}").format(value))
    return [*option_changes(search), *words]


def protocol_label(search: Search) -> str:
    """Return the protocol's name, what was changed in it, and whether it is optimistic."""
    parts = [str(search.plan["protocol"]["name"]), *changes(search)]
    if search.plan["protocol"].get("optimistic"):
        parts.append("optimistic")
    if search.apart:
        parts.append(f"run {str(search.run_id)[:8]}")
    return ", ".join(parts)


def of_method(searches: Sequence[Search], method: str) -> list[Search]:
    """Return the searches of a method."""
    return [one for one in searches if one.plan["method"] == method]


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkBest:
    """What a search reports of one network: the configuration of least validation loss, and its mean scores.

    `run_id` is the configuration's run, whose metrics the scores are; None in nested protocols, where each fold is
    scored by its own choice and the scores are means over these.
    """

    trial: TrialResult
    scores: Mapping[str, float | None]  # by the keys of the headlines, their spreads, and of CCC of window means
    run_id: str | None
    num_finished: int
    num_compared: int  # with those that the scheduler stopped


def best_of_network(search: Search, network: str) -> NetworkBest | None:
    """Return a network's best configuration; None when none of its configurations finished."""
    compared = [trial for trial in search.trials if trial.network == network]
    ranked = ranking(compared)
    if not ranked:
        return None
    keys = (*measures.listed_keys(), *measures.keys(measures.measure_of(WINDOW_CCC)))
    scores = {key: number(ranked[0].scores.get(key)) for key in keys}
    run_id = search.run_ids.get(ranked[0].uid)
    protocol = protocol_of(search)
    if protocol is not None and nested(protocol):
        run_id, scores = None, _nested_scores(ranked, protocol) if _whole_folds(ranked) else dict.fromkeys(keys)
    return NetworkBest(
        trial=ranked[0], scores=scores, run_id=run_id, num_finished=len(ranked), num_compared=len(compared)
    )


def _whole_folds(ranked: Sequence[TrialResult]) -> bool:
    """Return whether every configuration has the loss of every fold."""
    counts = {len(trial.folds) for trial in ranked}
    losses = [fold.selection_loss for trial in ranked for fold in trial.folds]
    return len(counts) == 1 and 0 not in counts and None not in losses


def _nested_scores(ranked: Sequence[TrialResult], protocol: Protocol) -> dict[str, float | None]:
    chosen = chosen_by_fold(ranked, protocol)
    scores: dict[str, float | None] = {}
    for key in measures.headline_keys():
        values = [number(trial.folds[k].scores.get(key)) for k, trial in enumerate(chosen)]
        found = [value for value in values if value is not None]
        scores[key] = float(np.mean(found)) if found else None
        scores[f"{key}_{measures.SPREAD}"] = spread(found)
    return scores


def command_for(
    method: str, searches: Sequence[Search], *, network: str | None = None, protocol: str | None = None
) -> str:
    """Return the command that would run what is missing, on the recordings and labels of the searches at hand."""
    words = ["python", "-m", "orchestrator", "tune", "--method", method]
    if network is not None:
        words += ["--network", network]
    if protocol not in (None, "described"):
        words += ["--protocol", str(protocol)]
    given = [one.plan for one in searches if is_of_given_recordings(one)]
    if given:
        words += ["--data", str(given[0]["corpus"].get("path", "DIR")), *_read_alike(given[0]["corpus"])]
        usual = PROTOCOLS.get(protocol or "described")
        for key, option in ALIKE.items():
            value = given[0]["protocol"].get(key)
            if value is not None and value != getattr(usual, key, None):
                words += [option, f"{value:g}" if isinstance(value, float) else str(value)]
    return shlex.join(words)


def is_of_given_recordings(search: Search) -> bool:
    """Return whether somebody named the recordings, made ones too; not those that a search without `--data` makes.

    Plans of before do not tell these from other synthetic ones.
    """
    corpus = search.plan["corpus"]
    return not corpus["synthetic"] or corpus.get("embedded", True) is None


def _read_alike(corpus: Mapping[str, Any]) -> list[str]:
    """Return the options by which files are read as they were: else their contents are another corpus."""
    options, units, rate = corpus.get("options") or {}, corpus.get("time_unit") or {}, corpus.get("frame_rate")
    ends = options.get("label_range")
    found = [
        ("--frame-rate", f"{rate:g}" if rate else None),
        ("--time-unit", ",".join(f"{side}={unit}" for side, unit in units.items())),
        ("--participant-pattern", options.get("participant_pattern")),
        ("--label-range", ",".join(f"{end:g}" for end in ends) if ends else None),
        *(("--raters", one) for one in options.get("raters") or ()),
    ]
    return [word for option, value in found if value for word in (option, str(value))]


def is_same_corpus(*searches: Search) -> bool:
    """Return whether the searches read the same recordings."""
    return len({one.plan["corpus"]["sha256"] for one in searches}) == 1


def summary_of(search: Search) -> Summary:
    """Return the summary of an ended search."""
    assert search.summary is not None, "a report is about searches that have ended"
    return search.summary


def best_of(search: Search) -> Best:
    """Return the best configuration of an ended search; collecting.py lets none pass that has none."""
    best = summary_of(search).best
    assert best is not None, search.run_id
    return best


def number_in(summary: Summary, key: str) -> float | None:
    """Return one of a summary's scores or costs."""
    return number(summary.scores[key] if key in summary.scores else getattr(summary, key, None))


def from_summary(search: Search | None, key: str, *, digits: int = cells.CCC_DIGITS) -> Cell:
    """Return the cell of a number of the summary, with its spread where the summary has one."""
    if search is None:
        return cells.missing(cells.NOT_RUN)
    summary = summary_of(search)
    spread = summary.scores.get(f"{key}_{measures.SPREAD}")
    return cells.ours(number_in(summary, key), digits=digits, spread=spread, source=(search.run_id, key))


def from_baseline(search: Search, name: str, key: str) -> Cell:
    """Return the cell of a number of a baseline that was not left out, with its spread where it has one."""
    scores = summary_of(search).baseline[name]
    source = (search.run_id, f"{name}_{key}") if key in BASELINE_METRICS else None
    return cells.ours(scores.get(key), spread=scores.get(f"{key}_{measures.SPREAD}"), source=source, absent=cells.DASH)


def is_comparable(search: Search | None) -> bool:
    """Return whether a difference to the paper means something: the corpus is of people."""
    return search is None or not search.synthetic


def is_of_papers_kind(search: Search | None) -> bool:
    """Return whether the recordings are in the form of RECOLA or AVEC, whose people the paper's numbers are of."""
    return search is None or is_of_the_paper(search.plan["corpus"].get("kind"))


def papers_measure(search: Search | None) -> str:
    """Return the measure that a protocol's CCC in the paper is of.

    A target of window means is the published code's way, which reports the CCC of window means (docs/protocols.md).
    """
    given = {} if search is None else search.plan["protocol"]
    by_window = given.get("target") == "window-mean" or given.get("name") == "published"
    return WINDOW_CCC if by_window else FRAME_CCC


def ended_by_itself(search: Search) -> bool:
    """Return whether a search was neither interrupted nor out of time."""
    return search.summary is not None and summary_status(search.summary) == "FINISHED"


def compared_configurations(search: Search) -> int:
    """Return how many configurations the choice of the best was among: finished, or stopped by the scheduler."""
    return len(search.trials)


def stopped_configurations(search: Search) -> int:
    """Return how many configurations the scheduler stopped, by their loss on the reported people."""
    return len(search.trials) - len(ranking(search.trials))


def no_correction(search: Search) -> str | None:
    """Return in a word or two why no score is corrected for selection; None if a correction is valid."""
    given = search.plan["protocol"]
    if given.get("epoch_choice", "last") == "best-on-inner":
        return "not needed"
    if given.get("optimistic") or given.get("epoch_choice", "last") != "last" or given.get("loss") == "ccc-window":
        return "not valid"
    if compared_configurations(search) < 2:
        return "nothing selected"
    return OTHERS_STOPPED if len(ranking(search.trials)) < 2 else None
