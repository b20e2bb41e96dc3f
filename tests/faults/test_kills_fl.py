"""Seeded kills of a federation, also of one with secure sums, each resumed to the undisturbed run's bytes."""

import os
import random
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.faults.harness import ONE, POINT, SLOW, SLOW_FEDERATION, Start, assert_equal, wait_until
from tests.faults.table import injects
from tests.search.injected_faults import CLIENTS, TRIAL, Disturbance, disturbed, rounds

Undisturbed = Callable[..., Path]
LATEST = 28  # of the 40 rounds
WHO = ["driver", "client", "clients", "worker", "clients", "driver", "client", "clients", "worker", "driver"]


def moments() -> list[int]:
    """Rounds on disk at which ten runs are struck; the first one before there is any."""
    return [0, *sorted(random.Random(8).sample(range(1, LATEST), 9))]


@injects("kills-fl-au")
@pytest.mark.parametrize(("who", "number"), list(zip(WHO, moments(), strict=True)))
def test_a_killed_federation_ends_as_an_undisturbed_one(  # noqa: PLR0917 - fixtures
    who: str,
    number: int,
    undisturbed: Undisturbed,
    few_people: Path,
    run_inside: Run,
    start: Start,
    tmp_path: Path,
) -> None:
    slow = undisturbed("slow-federation", *SLOW_FEDERATION, "--data", few_people)
    output = tmp_path / "run"
    words = (*SLOW_FEDERATION, "--data", few_people, "--output", output)

    def far_enough() -> bool:
        return (output / "trials").is_dir() and len(rounds(output)) >= number

    def harm(run: Disturbance) -> None:
        run.wait_until(far_enough)
        run.kill(TRIAL if who == "worker" else CLIENTS, number=None if who == "clients" else 1)

    if who == "driver":
        command = start(*words)
        wait_until(far_enough, alive=command)
        os.kill(command.process.pid, signal.SIGKILL)
        assert command.ended().returncode == -signal.SIGKILL
        assert not (output / "summary.json").exists()
        done = run_inside("tune", "--resume", output)
    else:
        with disturbed(harm):
            done = run_inside(*words)
    assert done.returncode == 0, done.stderr
    assert_equal(output, slow)
    assert not [*output.glob("trials/*/checkpoint")]
    assert not [*output.glob("trials/*/failure.json")]


# Four people in four folds: sums of three, which no loss leaves enough of.
SECURE = ("tune", "--method", "fl-au", "--preset", "demo", *POINT, *ONE, "--folds", 4, "--secure-sum", *SLOW)


@injects("kills-secure-run")
@pytest.mark.parametrize(("who", "number"), [("driver", 9), ("client", 5)])
def test_a_killed_run_of_secure_sums_is_resumed_to_the_undisturbed_ones_bytes(  # noqa: PLR0917 - fixtures
    who: str,
    number: int,
    undisturbed: Undisturbed,
    few_people: Path,
    run_inside: Run,
    start: Start,
    tmp_path: Path,
) -> None:
    """A client is lost where it holds keys, or between two rounds, where nothing is lost."""
    whole = undisturbed("secure-federation", *SECURE, "--data", few_people)
    output = tmp_path / "run"
    words = (*SECURE, "--data", few_people, "--output", output)

    def far_enough() -> bool:
        return (output / "trials").is_dir() and len(rounds(output)) >= number

    def harm(run: Disturbance) -> None:
        run.wait_until(far_enough)
        run.kill(CLIENTS, number=1)

    if who == "driver":
        command = start(*words)
        wait_until(far_enough, alive=command)
        os.kill(command.process.pid, signal.SIGKILL)
        assert command.ended().returncode == -signal.SIGKILL
        done = run_inside("tune", "--resume", output)
    else:
        with disturbed(harm):
            done = run_inside(*words)
        if done.returncode != 0:
            assert done.returncode == 3, done.stderr
            assert "restarted in mid-round: its keys are gone" in done.stdout + done.stderr
            done = run_inside("tune", "--resume", output)
    assert done.returncode == 0, done.stderr
    assert_equal(output, whole)
