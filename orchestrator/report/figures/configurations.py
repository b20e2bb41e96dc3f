"""What several figures ask of a search: its heading, its scored configurations, what varied."""

from collections.abc import Mapping, Sequence

from orchestrator.evaluation.results import ranking
from orchestrator.json_records import number
from orchestrator.protocols import DIMENSIONS
from orchestrator.report.search_record import Search
from orchestrator.run_records import TrialResult
from tune_spaces.method import hyper_parameters

TITLES: Mapping[str, str] = {"network": "network", **{one.name: one.about.axis for one in hyper_parameters()}}
CCC_KEYS = tuple(f"ccc_{dimension}" for dimension in DIMENSIONS)


def heading(search: Search) -> str:
    """Return the line above a picture: the search, its protocol, and whether its numbers are about people."""
    protocol = search.plan["protocol"]
    marks = ["SYNTHETIC"] if search.synthetic else []
    marks += ["OPTIMISTIC"] if protocol.get("optimistic") else []
    return ", ".join([*marks, str(search.plan.get("title") or search.plan["method"]), f"protocol {protocol['name']}"])


def finished(search: Search) -> list[TrialResult]:
    """Return the configurations that were trained to their end, least validation loss first (the paper's choice)."""
    return [
        trial
        for trial in ranking(search.trials)
        if None not in [number(trial.selection_loss), *(number(trial.scores.get(key)) for key in CCC_KEYS)]
    ]


def networks(trials: Sequence[TrialResult]) -> list[str]:
    """Return the networks in alphabetical order, so that each looks the same in every figure of a search."""
    return sorted({trial.network for trial in trials})


def value_of(trial: TrialResult, key: str) -> str | float:
    """Return a configuration's network or one of its hyper-parameters."""
    return trial.network if key == "network" else float(getattr(trial.hparams, key))


def varying(trials: Sequence[TrialResult]) -> dict[str, list[str | float]]:
    """Return what the search varied, with the values in order: network and hyper-parameters of at least two values."""
    values = {key: sorted({value_of(trial, key) for trial in trials}) for key in TITLES}
    return {key: found for key, found in values.items() if len(found) > 1}


def counted(trials: Sequence[TrialResult], search: Search) -> str:
    """Return how many configurations a picture shows and which it leaves out."""
    stopped, failed = len(search.trials) - len(trials), len(search.failures)
    left_out = [f"{number} {what}" for number, what in ((stopped, "stopped early"), (failed, "failed")) if number]
    return f"{len(trials)} configurations" + (f"; not shown: {', '.join(left_out)}" if left_out else "")
