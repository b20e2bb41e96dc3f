"""What several figures ask of a search: its heading, its scored configurations, the best of each network."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.corpora.recording import DIMENSIONS
from orchestrator.plan import GRID_KEYS
from orchestrator.report.evidence import Record, Search

TITLES: Mapping[str, str] = {
    "network": "network",
    "learning_rate": "learning rate",
    "hidden_size": "hidden size",
    "sequence_length": "window (frames)",
    "num_layers": "layers",
}
CCC_KEYS = tuple(f"ccc_{dimension}" for dimension in DIMENSIONS)


def heading(search: Search) -> str:
    """Return the line above a picture: the search, its protocol, and whether its numbers are about people."""
    protocol = search.plan["protocol"]
    marks = ["SYNTHETIC"] if search.synthetic else []
    marks += ["OPTIMISTIC"] if protocol.get("optimistic") else []
    return ", ".join([*marks, str(search.plan.get("title") or search.plan["method"]), f"protocol {protocol['name']}"])


def finite(value: Any) -> bool:
    """Tell a number that can be drawn."""
    return isinstance(value, int | float) and math.isfinite(value)


def finished(search: Search) -> list[Record]:
    """Return the configurations that were trained to their end, least validation loss first (the paper's choice)."""
    found = [
        trial
        for trial in search.trials
        if trial["status"] == "finished" and all(finite(trial.get(key)) for key in (*CCC_KEYS, "selection_loss"))
    ]
    return sorted(found, key=lambda trial: (trial["selection_loss"], str(trial["uid"])))


def networks(trials: Sequence[Record]) -> list[str]:
    """Return the networks in alphabetical order, so that each looks the same in every figure of a search."""
    return sorted({str(trial["network"]) for trial in trials})


def best_by_network(trials: Sequence[Record]) -> dict[str, Record]:
    """Return the first configuration of each network in a ranked list."""
    best: dict[str, Record] = {}
    for trial in trials:
        best.setdefault(str(trial["network"]), trial)
    return {network: best[network] for network in sorted(best)}


def value_of(trial: Record, key: str) -> Any:
    """Return a configuration's network or one of its hyper-parameters."""
    return str(trial["network"]) if key == "network" else trial["hparams"][key]


def varying(trials: Sequence[Record]) -> dict[str, list[Any]]:
    """Return what the search varied, with the values in order: network and hyper-parameters of at least two values."""
    values = {key: sorted({value_of(trial, key) for trial in trials}) for key in ("network", *GRID_KEYS)}
    return {key: found for key, found in values.items() if len(found) > 1}


def counted(trials: Sequence[Record], search: Search) -> str:
    """Say how many configurations a picture shows and which it leaves out."""
    stopped, failed = len(search.trials) - len(trials), len(search.failures)
    left_out = [f"{number} {what}" for number, what in ((stopped, "stopped early"), (failed, "failed")) if number]
    return f"{len(trials)} configurations" + (f"; not shown: {', '.join(left_out)}" if left_out else "")
