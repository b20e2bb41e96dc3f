"""The Python interface: the tutorial as it stands, and errors that are those of the command line."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import orchestrator
from orchestrator.api import Run
from orchestrator.cli import cli
from orchestrator.commands.given import values_of
from orchestrator.errors import InputError
from tests.conftest import LEFT_OPEN, ROOT, StartRay

TUTORIAL = ROOT / "docs" / "tutorials" / "own_recordings.md"
BLOCKS = re.findall(r"```(python|bash)\n(.*?)```", TUTORIAL.read_text(), flags=re.DOTALL)
COMMAND = "python -m orchestrator "


@pytest.fixture(scope="module")
def notebook(ray_cluster: StartRay, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The names that the tutorial leaves, run block by block in an empty folder."""
    ray_cluster()
    assert [kind for kind, _ in BLOCKS].count("bash") == 2
    assert len(BLOCKS) == 9
    names: dict[str, Any] = {"__name__": "tutorial", "said": []}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AFFECT_ORCHESTRATOR_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.chdir(tmp_path_factory.mktemp("tutorial"))
        for kind, block in BLOCKS:
            if kind == "python":
                exec(compile(block, str(TUTORIAL), "exec"), names)
                continue
            words = block.strip().removeprefix(COMMAND).split()
            done = CliRunner().invoke(cli, words, catch_exceptions=False)
            assert done.exit_code == 0, done.output
            names["said"].append(done.output)
        names["folder"] = Path.cwd()
    return names


pytestmark = LEFT_OPEN


def test_the_tutorial_runs_and_its_objects_are_what_it_says(notebook: dict[str, Any]) -> None:
    run, corpus, folder = notebook["run"], notebook["corpus"], notebook["folder"]
    assert corpus.participants == tuple(f"P{number}" for number in range(1, 7))
    frames = corpus.frames("P2")
    assert list(frames.columns[:4]) == ["participant", "session", "time", "valid"]
    assert len(frames) == 600
    assert {"valence_anna", "arousal_ben"} <= set(frames.columns)
    assert not frames[["valence_anna", "valence_ben"]].iloc[20:590].isna().any().any()
    checked, reported = notebook["said"]
    assert "ben" in checked
    assert "1 search reported" in reported
    assert (folder / "report" / "report.html").is_file()
    assert list(notebook["scores"]["participant"]) == ["V1", "V2", "V3"]
    assert list(notebook["compared"]["dimension"]) == ["valence", "arousal"]
    assert any("features" in one for one in notebook["compared"].attrs["differing"])
    board = run.leaderboard()
    assert list(board["network"][:2].sort_values()) == ["bigru", "rnn"]
    assert list(board["rank"][:2]) == [1, 2]
    assert set(board["status"][2:]) == {"baseline"}
    assert board["rank"][2:].isna().all()
    assert str(board["hidden_size"].dtype) == "Int64"
    best = board.iloc[0]
    assert run.summary.best.uid == best["uid"]
    assert best["ccc_valence"] == pytest.approx(run.summary.scores["ccc_valence"])
    assert run.answer().splitlines()[0].startswith(f"best: {best['network']} (learning rate 0.01")
    assert len(run.folds()) == 3
    assert sorted(run.participants()["participant"]) == list(corpus.participants)
    curves = run.curves()
    assert len(curves) == 2 * 5
    assert list(curves["epoch"][:5]) == [1, 2, 3, 4, 5]
    assert (folder / "learning.pdf").read_bytes().startswith(b"%PDF")
    predicted = notebook["predicted"]
    assert list(predicted.columns) == ["participant", "session", "time", "valence", "arousal"]
    assert len(predicted) == 600
    assert predicted.attrs["notes"][0].startswith("model ")
    assert not [line for line in predicted.attrs["notes"] if "written to" in line]
    assert np.isfinite(predicted["valence"]).all()
    assert len(notebook["again"].predictions()) == 6 * 600


def test_a_run_is_found_by_its_id(notebook: dict[str, Any]) -> None:
    run, uri = notebook["run"], f"sqlite:///{notebook['folder']}/mlflow.db"
    identity = run.summary.mlflow["run_id"]
    found = orchestrator.load_run(identity, tracking_uri=uri)
    assert found.summary == run.summary
    assert found.leaderboard().equals(run.leaderboard())


def test_figures_there_are_not_are_named(notebook: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="'spectrum'; expected one of traces, agreement, plane, learning"):
        notebook["run"].figure("spectrum")


def test_all_faults_of_the_options_come_at_once() -> None:
    with pytest.raises(InputError) as caught:
        orchestrator.tune("au", epoch=3, hours=-1, search="best", seed="many")
    said = [str(problem) for problem in caught.value.problems]
    assert len(said) == 4
    assert said[0] == "epoch: found an unknown option; expected one of epochs"
    assert any(line.startswith("hours: found -1") for line in said)
    assert any(line.startswith("search: found 'best'") and "grid" in line for line in said)
    assert any(line.startswith("seed: found 'many'") for line in said)


def test_one_number_for_an_option_of_several_is_an_input_error() -> None:
    for value in (3, 1.5, True):
        with pytest.raises(InputError, match=f"found '?{value}"):
            orchestrator.tune("au", network=value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"yes": 0}, "yes: found 0; expected true or false"),
        ({"log_model": "no"}, "log_model: found 'no'; expected true or false"),
        ({"log_model": "false"}, "log_model: found 'false'; expected true or false"),
        ({"secure_sum": 1}, "secure_sum: found 1; expected true or false"),
        ({"epochs": True}, "epochs: found True; expected a number or text"),
        ({"seed": np.True_}, "seed: found True; expected a number or text"),
        ({"network": False}, "network: found False; expected a number or text, or a list of them"),
        ({"batch_size": 8, "windows_a_step": 16}, "windows_a_step: found beside batch_size; expected one of both"),
        ({"defence": "blur=1"}, "defence: found 'blur=1'; expected NAME=VALUE, NAME one of "),
    ],
)
def test_a_truth_value_is_one_for_flags_alone_and_an_option_has_one_value(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as caught:
        values_of(cli.commands["tune"], options)
    (problem,) = caught.value.problems
    assert str(problem).startswith(said)


def test_a_truth_value_of_numpy_is_one() -> None:
    for value in (False, np.False_):
        assert values_of(cli.commands["tune"], {"log_model": value})["log_model"] is False
    assert values_of(cli.commands["tune"], {"yes": np.True_, "batch_size": None, "windows_a_step": 16})["yes"] is True


@pytest.mark.parametrize(
    ("method", "name", "value"),
    [
        *[("predict", name, "x") for name in ("model", "input", "output")],
        ("predict", "follow", True),
        ("score", "model", "x"),
        ("open_corpus", "data", "x"),
        ("open_corpus", "epochs", 3),
        ("open_corpus", "identity", 0.5),
    ],
)
def test_what_a_method_decides_itself_is_no_option_of_it(method: str, name: str, value: object) -> None:
    run = Run(folder=Path("nowhere"), model="nowhere")
    called = orchestrator.open_corpus if method == "open_corpus" else getattr(run, method)
    with pytest.raises(InputError) as caught:
        called("nowhere", **{name: value})
    (problem,) = caught.value.problems
    assert (problem.where, problem.expected) == (name, "options without it")


def test_what_the_request_lacks_is_said_as_on_the_command_line(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        orchestrator.tune("au", data=tmp_path / "nowhere", set={"hidden_size": [0], "depth": [3]})
    said = "\n".join(str(problem) for problem in caught.value.problems)
    assert "--set hidden_size: found '0'" in said
    assert "depth=3" in said
    with pytest.raises(InputError, match=r"a folder with plan\.json, or a run's id"):
        orchestrator.load_run(tmp_path)


def test_importing_the_package_takes_no_time() -> None:
    """The version is read when it is asked for, and nothing of the product before anything is used."""
    listed = "[m for m in sys.modules if m.startswith(('orchestrator', 'pandas', 'click', 'torch'))]"
    code = f"import sys, orchestrator; orchestrator.__version__; print({listed})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "['orchestrator']\n"
    assert dir(orchestrator) == sorted(orchestrator.__all__)
    assert re.fullmatch(r"\d+\.\d+\.\d+", orchestrator.__version__)
