"""A hyper-parameter is a field of HParams: a toy one is found in plan, option, record and report; uids stay."""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.planning import launch
from tests.conftest import ROOT
from tests.old_runs import unpacked
from tests.search.small_searches import make_request

FIELD = """
    dropout: float = field(
        default=0.0,
        metadata={
            LATER_KEY: True,
            **_about(About(title="Dropout", axis="dropout", sign="d=", place=5, most=0.9, zero=True)),
        },
    )
"""
POINT = ("hidden_size=8", "sequence_length=50", "num_layers=1", "learning_rate=0.001")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the product with one field more in HParams, and the same one in what the training takes."""
    folder = tmp_path_factory.mktemp("program")
    for name in ("orchestrator", "fed", "models", "tune_spaces"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for file, mark, text in (
        (folder / "tune_spaces" / "method.py", 'help="Recurrent layers."))\n    )\n', FIELD),
        (folder / "models" / "recipe.py", "    backbone: str | None = None\n", "    dropout: float = 0.0\n"),
    ):
        before, found, after = file.read_text().partition(mark)
        assert found
        file.write_text(f"{before}{found}{text.lstrip(chr(10))}{after}")
    return folder


def test_a_toy_hyper_parameter_is_found_everywhere(
    program: Path, small_corpus: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    settings = {**environment, "PYTHONPATH": str(program), "MLFLOW_TRACKING_URI": uri}

    def run(*words: object) -> str:
        command = [sys.executable, "-m", "orchestrator", *map(str, words)]
        done = subprocess.run(command, cwd=program, env=settings, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    assert "--dropout" in run("evaluate", "--help")
    grid = [word for text in (*POINT, "dropout=0,0.25") for word in ("--set", text)]
    output = tmp_path / "run"
    options = ("--epochs", 2, "--folds", 3, "--num-cpus", 1, "--no-log-model")
    run(*("tune", "--method", "au", "--network", "rnn", "--data", small_corpus, "--output", output, *options), *grid)
    points = {one["hparams"]["dropout"]: one["uid"] for one in json.loads((output / "plan.json").read_text())["trials"]}
    assert sorted(points) == [0.0, 0.25]
    # At its default the configuration is the one that the product without it has.
    ready = launch.prepare(make_request(small_corpus, tmp_path / "none", uri, overrides=POINT), claim=False)
    assert [trial.uid for trial in ready.plan.trials] == [points[0.0]]
    result = json.loads((output / "trials" / points[0.25] / "result.json").read_text())
    assert result["hparams"]["dropout"] == 0.25
    assert "dropout" in (output / "leaderboard.csv").read_text().partition("\n")[0].split(",")
    run("report", "--tracking-uri", uri, "--output", tmp_path / "report")
    best = json.loads((output / "summary.json").read_text())["best"]["hparams"]["dropout"]
    with (tmp_path / "report" / "table-1.csv").open(newline="") as file:
        found = [row["dropout_ours"] for row in csv.DictReader(file)]
    assert [float(value) for value in found if value != "not run"] == [best]


def test_a_plan_without_it_loads_with_its_uids(program: Path, tmp_path: Path) -> None:
    plans = [file.parent for file in unpacked(tmp_path).rglob("plan.json")]
    assert plans
    code = "import sys; from pathlib import Path; from orchestrator.planning.plan_file import load_plan\n"
    code += "print({one.hparams.dropout for path in sys.argv[1:] for one in load_plan(Path(path)).trials})"
    command = [sys.executable, "-c", code, *map(str, plans)]
    settings = {**os.environ, "PYTHONPATH": str(program)}
    done = subprocess.run(command, cwd=program, env=settings, capture_output=True, text=True, check=False)
    assert done.stdout == "{0.0}\n", done.stderr
