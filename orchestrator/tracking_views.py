"""How the MLflow UI shows an experiment of ours: its description, and saved views with columns and charts.

MLflow keeps a shared view as an experiment's tag, a JSON object of its front end's state, and opens it by an address
with `viewStateShareKey`. No MLflow import here; what a key of the state does not know is ignored by the front end.
"""

import json
import urllib.request
from collections.abc import Sequence
from typing import Any

NOTE_TAG = "mlflow.note.content"
VIEW_TAG_PREFIX = "mlflow.sharedViewState."
SEARCHES = "searches"
CONFIGURATIONS = "configurations"

NOTE = """Each **search** is a run, each of its **configurations** a run below it (open the triangle).
CCC is the mean over the folds; `validation_loss` is what the search selects by; minutes are of all folds together.
Figures, predictions and the best model are among the artifacts of the search."""

SCORE = "ccc_valence"
COLUMNS = (
    "tags.`method`",
    "params.`network`",
    "metrics.`ccc_valence`",
    "metrics.`ccc_arousal`",
    "metrics.`training_minutes`",
    "metrics.`model_size_mib`",
    "metrics.`validation_loss`",
)
COLUMN_PIXELS = 105
HPARAMS = ("learning_rate", "hidden_size", "sequence_length", "num_layers")
SECTION = "affect-charts"
SEARCH_PATH = "/api/2.0/mlflow/experiments/search"
MOST_EXPERIMENTS = 20
ANSWER_SECONDS = 30.0  # the first question makes the server open its database


def experiment_tags() -> dict[str, str]:
    """Return the tags that an experiment of ours has: its kind, its description and its views."""
    return {
        # The kind makes the UI open the page of training runs instead of asking.
        "mlflow.experimentKind": "custom_model_development",
        NOTE_TAG: NOTE,
        f"{VIEW_TAG_PREFIX}{SEARCHES}": json.dumps(_state(COLUMNS)),
        f"{VIEW_TAG_PREFIX}{CONFIGURATIONS}": json.dumps(
            _state((*COLUMNS, *(f"params.`{name}`" for name in HPARAMS)))
            | {
                "searchFilter": "tags.kind = 'configuration'",
                "orderByKey": f"metrics.`{SCORE}`",
                "orderByAsc": False,
                "runsHiddenMode": "SHOW_ALL",
                "compareRunSections": _sections(),
                "compareRunCharts": _charts(),
                "isAccordionReordered": True,
            }
        ),
    }


def addresses(server: str) -> dict[str, dict[str, str]]:
    """Return what to open in the UI at `server`: by experiment, newest first, the address of each view.

    Experiments without our views are left out; OSError or ValueError where the server does not answer as MLflow does.
    """
    body = json.dumps({"max_results": MOST_EXPERIMENTS, "order_by": ["last_update_time DESC"]}).encode()
    request = urllib.request.Request(f"{server}{SEARCH_PATH}", body, {"Content-Type": "application/json"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # the server is on this machine
    with opener.open(request, timeout=ANSWER_SECONDS) as response:
        experiments = json.load(response).get("experiments", [])
    return {
        str(experiment["name"]): _views(f"{server}/#/experiments/{experiment['experiment_id']}/runs")
        for experiment in experiments
        if any(tag["key"] == f"{VIEW_TAG_PREFIX}{CONFIGURATIONS}" for tag in experiment.get("tags", ()))
    }


def _views(page: str) -> dict[str, str]:
    configurations = f"{page}?viewStateShareKey={CONFIGURATIONS}"
    return {
        "searches": f"{page}?viewStateShareKey={SEARCHES}",
        "configurations": configurations,
        "charts": f"{configurations}&compareRunsMode=CHART",
    }


def _state(columns: Sequence[str]) -> dict[str, Any]:
    return {
        "selectedColumns": list(columns),
        "columnOrder": list(columns),
        "columnWidths": dict.fromkeys(columns, COLUMN_PIXELS),
    }


def _sections() -> list[dict[str, Any]]:
    """Return our charts' section, and MLflow's own below it, closed: it has a chart for each of sixty metrics."""
    common = {"isReordered": True, "deleted": False, "isGenerated": False}
    return [
        {**common, "uuid": SECTION, "name": "Search", "display": True, "columns": 1},
        {**common, "uuid": f"{SECTION}-all", "name": "Model metrics", "display": False},
    ]


def _charts() -> list[dict[str, Any]]:
    common = {"metricSectionId": SECTION, "deleted": False, "isGenerated": False}
    parallel = {
        "uuid": "affect-parallel",
        "type": "PARALLEL",
        "selectedParams": ["network", *HPARAMS],
        "selectedMetrics": ["ccc_arousal", "ccc_valence"],
        "showAllRuns": True,
    }
    scatter = {
        "uuid": "affect-cost",
        "type": "SCATTER",
        "xaxis": {"key": "training_minutes", "type": "METRIC"},
        "yaxis": {"key": SCORE, "type": "METRIC"},
        "runsCountToCompare": 100,
    }
    return [{**one, **common} for one in (parallel, scatter)]
