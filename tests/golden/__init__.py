"""A fixed small run of `au` and of `fl-au`, and the texts it leaves: what stands on disk and in MLflow is a promise.

`python -m tests.golden` writes the texts anew beside this file; do so only if a change on disk is meant.
"""

import dataclasses
import json
import re
from pathlib import Path

from fed.executors.in_process import in_process
from orchestrator.corpora.synthetic.tree import synthesize
from orchestrator.evaluation import search_baselines, summary
from orchestrator.evaluation.results import Outcome
from orchestrator.evaluation.trial_files import read_results
from orchestrator.files import JsonObject, read_json, write_json
from orchestrator.planning import launch
from orchestrator.planning.plan import SearchOptions
from orchestrator.planning.plan_file import save_plan
from orchestrator.planning.request import DataOptions, Request
from orchestrator.run_folder import CHECKSUMS_FILE, RESULT_FILE, SUMMARY_FILE, TRIALS_FOLDER
from orchestrator.run_records import Summary
from orchestrator.search.trial import TrialRun
from orchestrator.tracking import records

FOLDER = Path(__file__).parent
METHODS = ("au", "fl-au")
WHEN = "2026-01-01T00:00:00+00:00"
# Seconds and moments of time differ between runs of one plan; the rest does not.
TIMES = re.compile(r'("(?:\w*seconds|started|ended)": )("[^"]*"|[-0-9.e+]+)')


def run(method: str, folder: Path) -> Path:
    """Run the search of a method in this process; return its folder, with plan, trials and summary."""
    corpus = folder / "corpus"
    if not corpus.is_dir():
        synthesize(corpus, participants=6, seconds=24.0, seed=4)
    output = folder / method
    request = Request(
        command="tune",
        method=method,
        preset="demo",
        networks=("rnn",),
        overrides=("hidden_size=8", "sequence_length=50", "num_layers=1", "learning_rate=0.01,0.001"),
        point=None,
        protocol="described",
        protocol_changes={"epochs": 2, "num_folds": 3},
        data=DataOptions(path=corpus, corpus=None),
        seed=0,
        search=SearchOptions(log_model=False),
        output=output,
        tracking_uri="sqlite:////nowhere.db",
    )
    ready = launch.prepare(request, claim=False)
    plan = dataclasses.replace(ready.plan, started=WHEN, git_commit=None, versions={}, name=method)
    save_plan(plan, output)
    for trial in plan.trials:
        training = TrialRun(trial, ready.dataset, plan, folder=output / TRIALS_FOLDER / trial.uid, start=in_process)
        for _ in training.epochs():
            pass
        training.finish()
        training.close()
        result = output / TRIALS_FOLDER / trial.uid / RESULT_FILE
        result.write_text(_timeless(result.read_text()))
        result.with_name(CHECKSUMS_FILE).unlink()
    content = summary.build(
        plan,
        ready.dataset,
        Outcome(results=read_results(output / TRIALS_FOLDER, [trial.uid for trial in plan.trials]), failures=()),
        status="finished",
        tracking={"tracking_uri": "sqlite:////nowhere.db", "experiment_id": "1", "run_id": "ab" * 16},
        baselines=search_baselines.scored(
            search_baselines.measure(ready.dataset), ready.dataset, window_length=50, partial_window="pad"
        ),
    )
    write_json(output / SUMMARY_FILE, dataclasses.replace(content, wall_seconds=2.5).to_json())
    return output


def texts(output: Path) -> dict[str, str]:
    """Return the first configuration's result.json, the summary.json, and the MLflow metrics of both."""
    plan = records.read_plan(output)
    result, whole = output / TRIALS_FOLDER / plan["trials"][0]["uid"] / RESULT_FILE, output / SUMMARY_FILE
    return {
        RESULT_FILE: result.read_text(),
        SUMMARY_FILE: whole.read_text().replace(plan["corpus"]["path"], "CORPUS"),
        "metrics.json": metrics(plan, result, whole),
    }


def metrics(plan: JsonObject, result: Path, whole: Path) -> str:
    """Return the metrics of a search and of a configuration as text: key, value, step."""
    points = {
        "search": records.summary_metrics(Summary.from_json(read_json(whole), whole), 0),
        "configuration": records.trial_record(plan, result).metrics,
    }
    found = {kind: sorted([one.key, one.value, one.step] for one in some) for kind, some in points.items()}
    return json.dumps(found, indent=1) + "\n"


def _timeless(text: str) -> str:
    return TIMES.sub(lambda found: f'{found[1]}"{WHEN}"' if found[2].startswith('"') else f"{found[1]}1.5", text)
