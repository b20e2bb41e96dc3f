"""Ten seeded kills of a search on action units, each resumed to the undisturbed run's bytes."""

import os
import random
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Run, read_summary
from tests.faults.harness import (
    DEATHS,
    SLOW_EPOCHS,
    SLOW_SEARCH,
    Start,
    assert_equal,
    deaths,
    epochs_done,
    wait_until,
)
from tests.faults.table import injects
from tests.search.injected_faults import TRIAL, Disturbance, disturbed

Undisturbed = Callable[..., Path]
LATEST = 50  # of the 80 epochs of both trials: what is left is time enough to strike in


@pytest.fixture
def slow(undisturbed: Undisturbed, small_corpus: Path) -> Path:
    return undisturbed("slow", *SLOW_SEARCH, "--data", small_corpus)


def moments() -> list[int]:
    """Epochs on disk at which ten runs are struck; the first two before anything is trained."""
    chance = random.Random(8)
    return [0, 0, *sorted(chance.sample(range(1, LATEST), 8))]


@injects("kills-au")
@pytest.mark.parametrize(("who", "epochs"), list(zip(["driver", "worker"] * 5, moments(), strict=True)))
def test_a_killed_search_ends_as_an_undisturbed_one(  # noqa: PLR0917 - fixtures
    who: str, epochs: int, slow: Path, small_corpus: Path, run_inside: Run, start: Start, tmp_path: Path
) -> None:
    output = tmp_path / "run"
    words = (*SLOW_SEARCH, "--data", small_corpus, "--output", output)

    def far_enough() -> bool:
        return (output / "plan.json").is_file() and epochs_done(output, SLOW_EPOCHS) >= epochs

    def harm(run: Disturbance) -> None:
        run.wait_until(far_enough)
        run.kill(TRIAL, number=1)

    if who == "worker":
        with disturbed(harm):
            done = run_inside(*words)
    else:
        command = start(*words)
        wait_until(far_enough, alive=command)
        os.kill(command.process.pid, signal.SIGKILL)
        assert command.ended().returncode == -signal.SIGKILL
        assert not (output / "summary.json").exists()
        done = run_inside("tune", "--resume", output)
    assert done.returncode == 0, done.stderr
    assert_equal(output, slow)
    assert not [*output.glob("trials/*/checkpoint")]
    assert not [*output.glob("trials/*/failure.json")]


@injects("worker-dies-each-time")
def test_a_configuration_whose_worker_always_dies_is_one_failed_trial(
    undisturbed: Undisturbed, small_corpus: Path, run_inside: Run, tmp_path: Path
) -> None:
    """One trial at a time, the largest first; it dies whenever it trains, then the other one finishes."""
    output = tmp_path / "run"
    alone = (*SLOW_SEARCH, "--cpus-per-trial", 2, "--data", small_corpus)  # on two threads by the reference
    slow = undisturbed("slow-alone", *alone)
    first = next(
        file.parent.name for file in slow.glob("trials/*/result.json") if '"hidden_size": 16' in file.read_text()
    )
    with disturbed(lambda run: deaths(run, output / "trials" / first, DEATHS)):
        done = run_inside(*alone, "--output", output)
    assert done.returncode == 1, done.stderr
    summary = read_summary(output)
    assert summary["trials"] == {"planned": 2, "finished": 1, "failed": 1, "stopped": 0}
    assert (output / "trials" / first / "failure.json").is_file()
    done = run_inside("tune", "--resume", output)
    assert done.returncode == 0, done.stderr
    assert_equal(output, slow)
