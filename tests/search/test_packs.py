"""Packs in real searches: as their configurations alone, killed and resumed, halved, and divided until one fails."""

import csv
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from orchestrator.run_folder import FAILURE_FILE, PACKS_FOLDER, RESULT_FILE
from tests.conftest import LEFT_OPEN, Run, read_summary

pytestmark = [pytest.mark.usefixtures("only_trials"), *LEFT_OPEN]
EPOCHS = 24  # of which the tenth is a rung
TUNE = (
    *("tune", "--method", "au", "--preset", "demo", "--network", "rnn", "--folds", 2, "--epochs", EPOCHS),
    *("--set", "hidden_size=8", "--set", "sequence_length=50", "--checkpoint-seconds", 0, "--no-log-model"),
)
RATES = ("--set", "learning_rate=0.01,0.001,0.0001")
EQUAL = ("predictions.parquet", "model/model.safetensors", "curves.json")


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the undisturbed search of one pack of three lies, once a test has made it."""
    return tmp_path_factory.mktemp("together") / "run"


@pytest.fixture
def undisturbed(together: Path, small_corpus: Path, run_here: Run) -> Path:
    if not together.exists():
        done = run_here(*TUNE, *RATES, "--pack", 3, "--data", small_corpus, "--output", together)
        assert done.returncode == 0, done.stderr
    return together


def plan(output: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((output / "plan.json").read_text())
    return found


def results(output: Path) -> dict[str, dict[str, Any]]:
    return {file.parent.name: json.loads(file.read_text()) for file in output.glob(f"trials/*/{RESULT_FILE}")}


def leaderboard(output: Path) -> dict[str, dict[str, str]]:
    with (output / "leaderboard.csv").open(newline="") as file:
        return {row["uid"]: row for row in csv.DictReader(file) if row["uid"]}


def timeless(results: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {
        uid: {key: value for key, value in one.items() if key not in ("started", "ended", "training_seconds")}
        for uid, one in results.items()
    }


def test_together_as_alone_and_as_the_reference(
    undisturbed: Path, small_corpus: Path, run_here: Run, tmp_path: Path
) -> None:
    assert [len(pack) for pack in plan(undisturbed)["packs"]] == [3]
    assert {one["backend"] for one in results(undisturbed).values()} == {"stacked"}
    alone, reference = tmp_path / "alone", tmp_path / "reference"
    words = (*TUNE, *RATES, "--data", small_corpus)
    for output, more in ((alone, ("--pack", 1)), (reference, ("--backend", "reference"))):
        done = run_here(*words, *more, "--output", output)
        assert done.returncode == 0, done.stderr
    assert [len(pack) for pack in plan(alone)["packs"]] == [1, 1, 1]
    assert timeless(results(alone)) == timeless(results(undisturbed))  # whoever else is there: not a bit
    assert {one["backend"] for one in results(reference).values()} == {"reference"}
    assert leaderboard(reference).keys() == leaderboard(undisturbed).keys()
    for uid, row in leaderboard(reference).items():
        for key in ("ccc_valence", "ccc_arousal", "selection_loss"):
            assert float(row[key]) == pytest.approx(float(leaderboard(undisturbed)[uid][key]), abs=1e-4)


def test_one_that_diverges_fails_alone(undisturbed: Path, small_corpus: Path, run_here: Run, tmp_path: Path) -> None:
    output = tmp_path / "run"
    rates = ("--set", "learning_rate=0.01,0.001,1e30")
    done = run_here(*TUNE, *rates, "--pack", 3, "--data", small_corpus, "--output", output)
    assert done.returncode == 1, done.stderr
    assert "FAILED rnn lr=1e+30 h=8 L=50 x1: fold 0, epoch 1: training diverged" in done.stderr
    assert read_summary(output)["trials"] == {"planned": 3, "finished": 2, "failed": 1, "stopped": 0}
    (failure,) = output.glob(f"trials/*/{FAILURE_FILE}")
    assert json.loads(failure.read_text())["hparams"]["learning_rate"] == 1e30
    before, found = timeless(results(undisturbed)), timeless(results(output))
    assert len(found) == 2
    assert all(before[uid] == one for uid, one in found.items())


# Python reads such a file in every process that has its folder in PYTHONPATH: Ray's workers, too.
HARM = """
import importlib.machinery, os, resource, signal, sys

def harm(configuration, epoch):
    if {how!r} == "once":
        flag = os.path.join({folder!r}, str(epoch.number))
        if epoch.number in {epochs} and not os.path.exists(flag):
            open(flag, "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
    elif configuration.recipe.learning_rate == 0.0001 and epoch.number in {epochs}:
        if {how!r} == "killed":
            os.kill(os.getpid(), signal.SIGKILL)  # as the system does that has no memory left
        before = resource.getrlimit(resource.RLIMIT_AS)
        pages = int(open("/proc/self/statm").read().split()[0])
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (64 << 20), before[1]))
        try:
            bytearray(1 << 40)
        finally:
            resource.setrlimit(resource.RLIMIT_AS, before)

class Finder:
    def find_spec(self, name, path, target=None):
        if name != "models.stacks.configuration":
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        execute = spec.loader.exec_module

        def changed(module):
            execute(module)
            keep = module.StackedConfiguration.keep

            def harmed(self, epoch):
                harm(self, epoch)
                keep(self, epoch)

            module.StackedConfiguration.keep = harmed

        spec.loader.exec_module = changed
        return spec

sys.meta_path.insert(0, Finder())
"""


def with_harm(folder: Path, environment: Mapping[str, str], *, how: str, epochs: Sequence[int]) -> dict[str, str]:
    """An environment whose processes are harmed in a pack's epochs: "raised", "killed", or killed "once" in each."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(HARM.format(how=how, epochs=tuple(epochs), folder=str(folder)))
    return {**environment, "PYTHONPATH": os.pathsep.join(filter(None, [str(folder), environment.get("PYTHONPATH")]))}


def test_killed_in_its_middle_twice_and_taken_up_it_ends_as_undisturbed(
    undisturbed: Path, small_corpus: Path, run_command: Run, environment: dict[str, str], tmp_path: Path
) -> None:
    output, harmed = tmp_path / "run", with_harm(tmp_path / "site", environment, how="once", epochs=(2, 9))
    words = (*TUNE, *RATES, "--pack", 3, "--num-cpus", 1, "--data", small_corpus, "--output", output)
    done = run_command(*words, env=harmed)
    assert {"2", "9"} <= {file.name for file in (tmp_path / "site").iterdir()}
    assert done.returncode == 0, done.stderr
    for name in EQUAL:
        assert (output / name).read_bytes() == (undisturbed / name).read_bytes(), name
    assert leaderboard(output) == leaderboard(undisturbed)
    assert not (output / PACKS_FOLDER).exists()


def test_a_configuration_that_is_halved_leaves_its_pack(
    undisturbed: Path, small_corpus: Path, run_inside: Run, tmp_path: Path
) -> None:
    output = tmp_path / "run"
    words = (*TUNE, *RATES, "--pack", 3, "--scheduler", "asha", "--data", small_corpus, "--output", output)
    done = run_inside(*words)
    assert done.returncode == 0, done.stderr
    before, found = timeless(results(undisturbed)), timeless(results(output))
    stopped = {uid for uid, one in found.items() if one["status"] == "stopped"}
    assert {found[uid]["epochs"] for uid in stopped} == {10}
    best = min(before, key=lambda uid: before[uid]["curve"]["validation_loss"][9])
    assert stopped == before.keys() - {best, plan(output)["packs"][0][0]}  # nobody was there to compare the first with
    for uid in before.keys() - stopped:
        assert found[uid] == before[uid]


@pytest.mark.parametrize(("how", "kind"), [("raised", "MemoryError"), ("killed", "WorkerDied")])
def test_a_memory_hog_fails_alone(  # noqa: PLR0917 - fixtures
    how: str,
    kind: str,
    undisturbed: Path,
    small_corpus: Path,
    run_command: Run,
    environment: dict[str, str],
    tmp_path: Path,
) -> None:
    """Of three that fail together nobody knows whose fault it is; in halves it is found out."""
    output, harmed = tmp_path / "run", with_harm(tmp_path / "site", environment, how=how, epochs=[2])
    words = (*TUNE, *RATES, "--pack", 3, "--num-cpus", 1, "--data", small_corpus, "--output", output)
    done = run_command(*words, env=harmed)
    assert done.returncode == 1, done.stderr
    assert "3 configurations failed together" in done.stderr
    (failure,) = output.glob(f"trials/*/{FAILURE_FILE}")
    record = json.loads(failure.read_text())
    assert (record["kind"], record["hparams"]["learning_rate"]) == (kind, 0.0001)
    before, found = timeless(results(undisturbed)), timeless(results(output))
    assert len(found) == 2
    assert all(before[uid] == one for uid, one in found.items())
