"""Two commands at once on one output folder: one has it, the other ends with a line and touches nothing."""

import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.conftest import ROOT, Run
from tests.faults.harness import EVALUATE, Start, plan_of, stopped, wait_until
from tests.faults.table import injects
from tests.search.injected_faults import MARK

QUICK_TRIES = 3  # of all twenty, in `make test`
LATEST = 0.05  # seconds between the two
TRIES = [pytest.param(one, marks=() if one < QUICK_TRIES else pytest.mark.faults) for one in range(20)]
Race = Callable[..., "Pair"]


class Pair:
    """Two commands that were begun at once."""

    def __init__(self, folder: Path, process: "subprocess.Popen[str]") -> None:
        self.folder, self.process = folder, process

    def codes(self) -> dict[int, int]:
        """The exit codes of those that have ended."""
        return {int(file.stem): int(file.read_text()) for file in self.folder.glob("*.code")}

    def errors(self, number: int) -> str:
        return (self.folder / f"{number}.stderr").read_text()


@pytest.fixture
def race(environment: dict[str, str], tmp_path: Path) -> Iterator[Race]:
    folder = tmp_path / "race"

    def begin(*commands: Sequence[object], delays: tuple[float, float], cwd: Path = ROOT) -> Pair:
        folder.mkdir()
        given = {
            "commands": [[str(word) for word in words] for words in commands],
            "delays": delays,
            "folder": str(folder),
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.pair", json.dumps(given)],
            cwd=cwd,
            env={**environment, "PYTHONPATH": str(ROOT), MARK: str(folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        pairs.append(Pair(folder, process))
        return pairs[-1]

    pairs: list[Pair] = []
    yield begin
    for pair in pairs:
        stopped(str(folder))
        pair.process.communicate()


def seeds_of(attempt: int) -> tuple[int, int]:
    """Two equal seeds in one try, two others in the next."""
    return attempt, attempt + attempt % 2


@injects("output-two-commands-race", "output-two-seeds-race", quick=True)
@pytest.mark.parametrize("attempt", TRIES)
def test_one_of_two_commands_has_the_folder(attempt: int, few_people: Path, race: Race, tmp_path: Path) -> None:
    output, seeds, chance = tmp_path / "run", seeds_of(attempt), random.Random(attempt)
    commands = [[*EVALUATE, "--epochs", 200, "--seed", s, "--data", few_people, "--output", output] for s in seeds]
    delays = (0.0, chance.uniform(0, LATEST))
    pair = race(*commands, delays=delays if attempt % 4 < 2 else delays[::-1])

    def decided() -> bool:
        codes = pair.codes()
        assert pair.process.poll() is None or len(codes) == 2, pair.process.communicate()
        # The winner has written its plan, wherever that may be by then.
        written = (output / "plan.json").is_file() or (output / "trials").is_dir()
        return len(codes) == 2 or (len(codes) == 1 and written)

    wait_until(decided)
    codes = pair.codes()
    (loser,) = (number for number, code in codes.items() if code == 2)
    errors = pair.errors(loser)
    assert "Traceback" not in errors
    (line,) = (line for line in errors.splitlines() if line.startswith("error: "))
    assert str(output) in line
    winner = 1 - loser
    assert codes.get(winner, 0) == 0, pair.errors(winner)
    assert plan_of(output)["seed"] == seeds[winner]
    stopped(str(pair.folder))
    assert plan_of(output)["seed"] == seeds[winner]


@injects("output-two-commands-to-the-end")
def test_what_the_winner_left_is_resumed_and_tracked(
    few_people: Path, start: Start, run_inside: Run, tmp_path: Path
) -> None:
    output = tmp_path / "run"
    both = [start(*EVALUATE, "--seed", seed, "--data", few_people, "--output", output) for seed in (0, 1)]
    codes = [one.ended().returncode for one in both]
    assert sorted(codes, key=str) == [0, 2], [one.stderr for one in both]
    winner = codes.index(0)
    assert plan_of(output)["seed"] == winner
    assert "missing" not in both[winner].stdout
    before = (output / "predictions.parquet").read_bytes()
    done = run_inside("tune", "--resume", output)
    assert done.returncode == 0, done.stderr
    assert (output / "predictions.parquet").read_bytes() == before
    done = run_inside("track", output)
    assert done.returncode == 0, done.stderr
    assert "0 configurations written" in done.stdout


@injects("output-default-names")
@pytest.mark.parametrize("attempt", range(3))
def test_default_names_do_not_collide(attempt: int, few_people: Path, race: Race, tmp_path: Path) -> None:
    """Ended as soon as both have a folder of their own."""
    place = tmp_path / "place"
    place.mkdir()
    commands = [[*EVALUATE, "--epochs", 200, "--seed", seed, "--data", few_people] for seed in (attempt, attempt + 9)]
    pair = race(*commands, delays=(0.0, random.Random(attempt).uniform(0, LATEST)), cwd=place)
    wait_until(lambda: pair.codes() or len([*place.glob("runs/*/plan.json")]) == 2)
    assert len([*place.glob("runs/*/plan.json")]) == 2, [pair.errors(number) for number in (0, 1)]
    seeds = sorted(plan_of(file.parent)["seed"] for file in place.glob("runs/*/plan.json"))
    assert seeds == [attempt, attempt + 9]
