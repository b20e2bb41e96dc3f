"""The MLflow UI's view of an experiment: its description, and saved views with columns and charts.

MLflow keeps a shared view as an experiment's tag, a JSON object of its front end's state, and opens it by an address
with `viewStateShareKey`. No MLflow import here; the front end ignores keys that it does not know.
"""

import json
import urllib.request
from collections.abc import Sequence

from orchestrator import measures
from orchestrator.files import JsonObject
from orchestrator.tracking.points import TRAINING_MINUTES, VALIDATION_LOSS
from tune_spaces.method import hyper_parameters

NOTE_TAG = "mlflow.note.content"
VIEW_TAG_PREFIX = "mlflow.sharedViewState."
RECORDINGS_TAG = "recordings"  # whose a run is: runs of several corpora are in one experiment
SEARCHES = "searches"
CONFIGURATIONS = "configurations"

NOTE = """Each **search** is a run, each of its **configurations** a run below it (click the plus sign).
CCC is the mean over the folds; `validation_loss` is what the search selects by; minutes are of all folds together.
Figures, predictions and the best model are among the artifacts of the search."""

COLUMN_PIXELS = 105
SECTION = "affect-charts"
SEARCH_PATH = "/api/2.0/mlflow/experiments/search"
MOST_EXPERIMENTS = 20
ANSWER_SECONDS = 30.0  # the first question makes the server open its database


def experiment_tags() -> dict[str, str]:
    """Return the tags that an experiment of ours has: its kind, its description and its views."""
    columns = _columns()
    hparams = [one.name for one in hyper_parameters()]
    return {
        # The kind makes the UI open the page of training runs instead of asking.
        "mlflow.experimentKind": "custom_model_development",
        NOTE_TAG: NOTE,
        f"{VIEW_TAG_PREFIX}{SEARCHES}": json.dumps(_state(columns)),
        f"{VIEW_TAG_PREFIX}{CONFIGURATIONS}": json.dumps(
            _state([*columns, *(f"params.`{name}`" for name in hparams)])
            | {
                "searchFilter": "tags.kind = 'configuration'",
                "orderByKey": f"metrics.`{measures.headline_keys()[0]}`",
                "orderByAsc": False,
                "runsHiddenMode": "SHOW_ALL",
                "compareRunSections": _sections(),
                "compareRunCharts": _charts(hparams),
                "isAccordionReordered": True,
            }
        ),
    }


def addresses(server: str) -> dict[str, dict[str, str]]:
    """Return what to open in the UI at `server`: by experiment, newest first, the address of each view.

    Experiments without our views are left out; OSError or ValueError if the server does not answer as MLflow does.
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


def _columns() -> list[str]:
    """Return the columns of every view: of which recordings, the headlines, the costs, what the search selects by.

    An experiment has one method, and a run's name begins with its network; MLflow's assistant hides what comes last.
    """
    costs = [cost.column for cost in measures.COSTS if cost.column]
    metrics = [*measures.headline_keys(), *costs, VALIDATION_LOSS]
    return [f"tags.`{RECORDINGS_TAG}`", *(f"metrics.`{name}`" for name in metrics), "params.`network`"]


def _state(columns: Sequence[str]) -> JsonObject:
    return {
        "selectedColumns": list(columns),
        "columnOrder": list(columns),
        "columnWidths": dict.fromkeys(columns, COLUMN_PIXELS),
    }


def _sections() -> list[JsonObject]:
    """Return our charts' section, and MLflow's own below it, closed: it has a chart for each of sixty metrics."""
    common = {"isReordered": True, "deleted": False, "isGenerated": False}
    return [
        {**common, "uuid": SECTION, "name": "Search", "display": True, "columns": 1},
        {**common, "uuid": f"{SECTION}-all", "name": "Model metrics", "display": False},
    ]


def _charts(hparams: Sequence[str]) -> list[JsonObject]:
    common = {"metricSectionId": SECTION, "deleted": False, "isGenerated": False}
    parallel = {
        "uuid": "affect-parallel",
        "type": "PARALLEL",
        "selectedParams": ["network", *hparams],
        "selectedMetrics": sorted(measures.headline_keys()),
        "showAllRuns": True,
    }
    scatter = {
        "uuid": "affect-cost",
        "type": "SCATTER",
        "xaxis": {"key": TRAINING_MINUTES, "type": "METRIC"},
        "yaxis": {"key": measures.headline_keys()[0], "type": "METRIC"},
        "runsCountToCompare": 100,
    }
    return [{**one, **common} for one in (parallel, scatter)]
