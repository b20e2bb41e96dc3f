"""Files of finished trials that are lost or damaged: that trial is trained again, the others are kept."""

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.planning import launch
from orchestrator.run_folder import CHECKSUMS_FILE, FAILURE_FILE, MODEL_FILE, PREDICTIONS_FILE, RESULT_FILE
from tests.conftest import LEFT_OPEN, read_summary, without_baselines_and_figures
from tests.old_runs import unpacked
from tests.search.small_searches import executed, resumed, search
from tests.search.trained_here import trained_here

pytestmark = [pytest.mark.usefixtures("here", "only_trials"), *LEFT_OPEN]

EQUAL = ("leaderboard.csv", "predictions.parquet", "model/model.safetensors")
CHANCE = random.Random(11)


@pytest.fixture(scope="module")
def finished(small_corpus: Path, store: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("runs") / "finished"
    overrides = ("hidden_size=8,16", "sequence_length=50", "num_layers=1")
    with trained_here(), without_baselines_and_figures():
        assert search(small_corpus, output, store, overrides=overrides) == 0
    return output


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


def trial_of(run: Path, *, best: bool) -> Path:
    uid = read_summary(run)["best"]["uid"]
    (found,) = (folder for folder in (run / "trials").iterdir() if (folder.name == uid) == best)
    return found


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[CHANCE.randrange(len(content))] ^= 1 << CHANCE.randrange(8)
    file.write_bytes(content)


def half(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def without_fields(file: Path) -> None:
    file.write_text("{}")


def anothers(file: Path) -> None:
    (other,) = (folder for folder in file.parent.parent.iterdir() if folder != file.parent)
    file.write_bytes((other / file.name).read_bytes())


def unlinked(file: Path) -> None:
    file.unlink()


# More of them, drawn by chance, are in tests/faults.
DAMAGES = [
    (RESULT_FILE, True, flip),
    (RESULT_FILE, False, half),
    (RESULT_FILE, True, anothers),
    (PREDICTIONS_FILE, True, flip),
    (MODEL_FILE, True, unlinked),
    (CHECKSUMS_FILE, True, half),
]


@pytest.mark.parametrize(
    "damage", DAMAGES, ids=lambda one: f"{one[0]}-{one[2].__name__}-{'best' if one[1] else 'other'}"
)
def test_a_damaged_trial_is_trained_again_and_the_others_are_kept(
    damage: tuple[str, bool, Callable[[Path], None]], finished: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, best, harm = damage
    damaged, other = trial_of(run, best=best), trial_of(run, best=not best)
    kept = {file: file.stat().st_mtime_ns for file in other.iterdir()}
    before = (damaged / RESULT_FILE).stat().st_mtime_ns
    harm(damaged / name)
    assert resumed(run) == 0
    assert (damaged / RESULT_FILE).stat().st_mtime_ns > before
    assert {file: file.stat().st_mtime_ns for file in other.iterdir()} == kept
    for file in EQUAL:
        assert (run / file).read_bytes() == (finished / file).read_bytes(), file
    assert sorted(file.name for file in damaged.iterdir()) == sorted(
        file.name for file in (finished / "trials" / damaged.name).iterdir()
    )
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("trained again: ")]
    assert len(told) == 1
    assert str(damaged) in told[0]


def test_if_the_best_cannot_be_had_again_the_next_bests_files_are_made_again(run: Path) -> None:
    best, next_best = trial_of(run, best=True), trial_of(run, best=False)
    assert not (next_best / MODEL_FILE).exists()
    for name in (RESULT_FILE, PREDICTIONS_FILE):
        (best / name).unlink()
    (best / PREDICTIONS_FILE).mkdir()  # where the trial wants to write a file
    assert resumed(run) == 1
    assert json.loads((best / FAILURE_FILE).read_text())["uid"] == best.name
    assert read_summary(run)["best"]["uid"] == next_best.name
    card = json.loads((run / "model" / "card.json").read_text())
    assert card["uid"] == next_best.name
    assert (run / "model" / MODEL_FILE).read_bytes() == (next_best / MODEL_FILE).read_bytes()
    # The cause removed, everything is as it was.
    (best / PREDICTIONS_FILE).rmdir()
    assert resumed(run) == 0
    assert read_summary(run)["best"]["uid"] == best.name


def test_results_of_older_runs_have_no_checksums_and_are_accepted(tmp_path: Path) -> None:
    output = unpacked(tmp_path) / "finished"
    assert not list(output.glob(f"trials/*/{CHECKSUMS_FILE}"))
    before = {file: file.stat().st_mtime_ns for file in output.glob(f"trials/*/{RESULT_FILE}")}
    assert resumed(output) == 0
    assert {file: file.stat().st_mtime_ns for file in output.glob(f"trials/*/{RESULT_FILE}")} == before
    # What can be seen without them: a file that is cut, a result without its fields.
    half(next(output.glob(f"trials/*/{MODEL_FILE}")))
    without_checksums = sorted(output.glob(f"trials/*/{RESULT_FILE}"))
    without_fields(without_checksums[0])
    without_checksums[1].write_bytes(without_checksums[2].read_bytes())
    assert resumed(output) == 0
    assert {json.loads(file.read_text())["uid"] for file in without_checksums} == {
        file.parent.name for file in without_checksums
    }


def test_a_plan_that_disappeared_meanwhile_is_written_again(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ready = launch.resume(run)
    (run / "plan.json").unlink()
    assert executed(ready) == 0
    assert "had disappeared while the run went on" in capsys.readouterr().out
    claim = launch.resume(run).claim
    assert claim is not None
    claim.give_back()
