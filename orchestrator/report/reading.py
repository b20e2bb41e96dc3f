"""What tables ask a search: its protocol in words, its best configuration of a network, the command that is missing."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from orchestrator.corpora.recording import DIMENSIONS
from orchestrator.paper import METHOD_NAMES, METHOD_ORDER
from orchestrator.protocols import PROTOCOLS, Protocol
from orchestrator.report import cells
from orchestrator.report.cells import Cell, number
from orchestrator.report.evidence import Record, Search
from orchestrator.results import chosen_by_fold, nested, ranking
from tune_spaces.catalogue import find_method, method_names

PREFERRED_PROTOCOLS = ("described", "published", "strict")  # where a table has room for one: the paper's text first
# Fields that a label names where they are not the protocol's own.
LABELLED = {
    "epochs": "{} epochs",
    "num_folds": "{} folds",
    "gold": "gold {}",
    "label_delay_seconds": "labels {} s earlier",
    "scaling": "scaling {}",
    "loss": "loss {}",
    "windows_a_step": "{} windows a step",
}


def methods() -> list[str]:
    """List the methods in the order of the paper's tables, then those it does not have."""
    return [*METHOD_ORDER, *(name for name in method_names() if name not in METHOD_ORDER)]


def method_name(method: str) -> str:
    """Return a method's name as the paper gives it, else its own title."""
    return METHOD_NAMES.get(method, find_method(method).title)


def protocol_of(search: Search) -> Protocol | None:
    """Return the protocol as it was used; None where the plan's is of another version."""
    try:
        return Protocol(**search.plan["protocol"])
    except TypeError:
        return None


def protocol_label(search: Search) -> str:
    """Return the protocol's name, what was changed in it, and whether it is optimistic."""
    fields = search.plan["protocol"]
    name = str(fields["name"])
    usual = PROTOCOLS.get(name)
    parts = [name]
    for key, words in LABELLED.items():
        if usual is not None and key in fields and fields[key] != getattr(usual, key):
            parts.append(words.format(fields[key]))
    if fields.get("optimistic"):
        parts.append("optimistic")
    return ", ".join(parts)


def of_method(searches: Sequence[Search], method: str) -> list[Search]:
    """Return the searches of a method."""
    return [one for one in searches if one.plan["method"] == method]


def headline(searches: Sequence[Search], method: str) -> Search | None:
    """Return the one search that stands for a method: `described` before `published` before `strict`."""
    own = {one.plan["protocol"]["name"]: one for one in reversed(of_method(searches, method))}
    return next((own[name] for name in PREFERRED_PROTOCOLS if name in own), next(iter(own.values()), None))


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkBest:
    """What a search reports of one network: the configuration of least validation loss, and its mean scores.

    `run_id` is the configuration's run, whose metrics the scores are; None in nested protocols, where each fold is
    scored by its own choice and the scores are means over these.
    """

    trial: Record
    scores: dict[str, float | None]  # ccc_valence, ccc_valence_sd, ...
    run_id: str | None
    num_finished: int


def best_of_network(search: Search, network: str) -> NetworkBest | None:
    """Return a network's best configuration; None when none of its configurations finished."""
    ranked = ranking([trial for trial in search.trials if trial["network"] == network])
    if not ranked:
        return None
    keys = [f"ccc_{dimension}{suffix}" for dimension in DIMENSIONS for suffix in ("", "_sd")]
    scores = {key: number(ranked[0].get(key)) for key in keys}
    run_id = ranked[0].get("run_id")
    protocol = protocol_of(search)
    if protocol is not None and nested(protocol):
        run_id, scores = None, _nested_scores(ranked, protocol) if _whole_folds(ranked) else dict.fromkeys(keys)
    return NetworkBest(trial=ranked[0], scores=scores, run_id=run_id, num_finished=len(ranked))


def _whole_folds(ranked: Sequence[Record]) -> bool:
    """Tell whether every configuration has the loss of every fold."""
    counts = {len(trial["folds"]) for trial in ranked}
    return (
        len(counts) == 1 and 0 not in counts and all("selection_loss" in f for trial in ranked for f in trial["folds"])
    )


def _nested_scores(ranked: Sequence[Record], protocol: Protocol) -> dict[str, float | None]:
    chosen = chosen_by_fold(ranked, protocol)
    scores: dict[str, float | None] = {}
    for dimension in DIMENSIONS:
        values = [number(trial["folds"][k].get(f"ccc_{dimension}")) for k, trial in enumerate(chosen)]
        found = [value for value in values if value is not None]
        scores[f"ccc_{dimension}"] = float(np.mean(found)) if found else None
        scores[f"ccc_{dimension}_sd"] = float(np.std(found)) if found else None
    return scores


def command_for(
    method: str, searches: Sequence[Search], *, network: str | None = None, protocol: str | None = None
) -> str:
    """Return the command that would run what is missing, on the recordings of the searches at hand."""
    words = ["python", "-m", "orchestrator", "tune", "--method", method]
    if network is not None:
        words += ["--network", network]
    if protocol not in (None, "described"):
        words += ["--protocol", str(protocol)]
    real = [one.plan["corpus"] for one in searches if not one.synthetic]
    if real:
        words += ["--data", str(real[0].get("path", "DIR"))]
    return shlex.join(words)


def is_same_corpus(*searches: Search) -> bool:
    """Tell whether the searches read the same recordings."""
    return len({one.plan["corpus"]["sha256"] for one in searches}) == 1


def summary_of(search: Search) -> dict[str, Any]:
    """Return the summary of an ended search."""
    return dict(search.summary or {})


def from_summary(search: Search | None, key: str, *, digits: int = cells.CCC_DIGITS) -> Cell:
    """Return the cell of a number of the summary, with its spread where the summary has one."""
    if search is None:
        return cells.missing(cells.NOT_RUN)
    summary = summary_of(search)
    return cells.ours(summary.get(key), digits=digits, spread=summary.get(f"{key}_sd"), source=(search.run_id, key))


def is_comparable(search: Search | None) -> bool:
    """Tell whether a difference to the paper means something: the corpus is of people."""
    return search is None or not search.synthetic
