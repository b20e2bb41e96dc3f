"""The time of a run by the clock: added up over its parts, and none where a part is not known."""

import time
from pathlib import Path

import pytest

import orchestrator
from orchestrator.run_folder import WALL_CLOCK_FILE
from orchestrator.search.wall_clock import WallClock
from tests.conftest import LEFT_OPEN, Run, read_summary

pytestmark = LEFT_OPEN
WORDS = ("--preset", "demo", "--network", "rnn", "--folds", 2, "--epochs", 1, "--num-cpus", 1, "--no-log-model")
POINT = ("--set", "hidden_size=8", "--set", "sequence_length=50")
WAITING = "waiting for the baselines ..."
PHASES = (
    "loading torch ...",
    "reading the recordings ...",
    "preparing the recordings ...",
    "starting Ray ...",
    "measuring the baselines ...",
    "starting to train 1 configuration ...",
    "writing the results ...",
    "drawing the figures ...",
    "writing to MLflow ...",
)


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The moment, to be changed."""
    found = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: found[0])
    return found


def test_the_parts_of_a_run_are_added_up(now: list[float], tmp_path: Path) -> None:
    first = WallClock(tmp_path, 90.0, new=True)
    assert first.seconds() == 10.0
    now[0] = 130.0
    first.save()
    now[0] = 170.0  # killed: what came after the last save is lost
    second = WallClock(tmp_path, 165.0, new=False)
    assert second.seconds() == 45.0
    second.save()
    assert WallClock(tmp_path, 170.0, new=False).seconds() == 45.0


@pytest.mark.parametrize("text", [None, "{", "[]", '{"seconds": "much"}', '{"seconds": NaN}'])
@pytest.mark.usefixtures("now")
def test_where_earlier_parts_are_not_known_the_whole_is_not(text: str | None, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / WALL_CLOCK_FILE).write_text(text)
    clock = WallClock(tmp_path, 90.0, new=False)
    clock.save()
    assert clock.seconds() is None
    assert (tmp_path / WALL_CLOCK_FILE).exists() == (text is not None)


@pytest.mark.usefixtures("now")
def test_a_folder_that_takes_nothing_is_no_fault_of_the_clock(tmp_path: Path) -> None:
    (tmp_path / WALL_CLOCK_FILE / "inside").mkdir(parents=True)
    WallClock(tmp_path, 90.0, new=True).save()


@pytest.mark.usefixtures("no_figures")
def test_a_search_says_what_it_does_and_how_long_it_took(small_corpus: Path, run_here: Run, tmp_path: Path) -> None:
    output, begun = tmp_path / "run", time.monotonic()
    done = run_here("tune", *WORDS, *POINT, "--data", small_corpus, "--output", output)
    assert done.returncode == 0, done.stderr
    told = [line for line in done.stderr.splitlines() if line.endswith(" ...")]
    told = [line for line in told if line != WAITING]  # if the trainings have ended before the baselines
    assert tuple(told) == PHASES
    seconds = read_summary(output)["wall_seconds"]
    assert read_summary(output)["search_seconds"] < seconds < time.monotonic() - begun
    assert "by the clock" in done.stdout

    again = run_here("tune", "--resume", output)
    assert again.returncode == 0, again.stderr
    assert not [line for line in again.stderr.splitlines() if line.startswith("starting to train")]
    assert read_summary(output)["wall_seconds"] == seconds  # it was only looked at

    (result,) = output.glob("trials/*/result.json")
    result.unlink()
    assert run_here("tune", "--resume", output).returncode == 0
    assert seconds < read_summary(output)["wall_seconds"] < time.monotonic() - begun

    result.unlink()
    (output / WALL_CLOCK_FILE).unlink()  # as an older version left it
    assert run_here("tune", "--resume", output).returncode == 0
    assert "wall_seconds" not in read_summary(output)


@pytest.mark.usefixtures("here", "no_figures")
def test_in_python_no_phase_is_printed(
    small_corpus: Path, store: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    options = {"preset": "demo", "network": "rnn", "folds": 2, "epochs": 1, "log_model": False}
    grid = {"hidden_size": [8], "sequence_length": [50]}
    run = orchestrator.tune(
        "au", data=small_corpus, output=tmp_path / "run", set=grid, tracking_uri=store, num_cpus=1, **options
    )
    assert run.summary.wall_seconds is not None
    told = capfd.readouterr()
    assert told.out == ""
    assert not [line for line in told.err.splitlines() if line in PHASES]
