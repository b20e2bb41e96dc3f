"""Undisturbed runs to compare with, and commands that end with the test."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.corpora.synthetic.tree import synthesize
from tests.conftest import LEFT_OPEN, Run
from tests.faults.harness import FEDERATION, SEARCH, Command, Start, start_command


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            for mark in LEFT_OPEN:
                item.add_marker(mark)


@pytest.fixture(scope="session")
def few_people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four synthetic people, 8 s each: federations of them are quick."""
    return synthesize(tmp_path_factory.mktemp("few") / "corpus", participants=4, seconds=8.0, seed=4)


def once(places: pytest.TempPathFactory, run: Run) -> Callable[..., Path]:
    """Return what runs a command once a session and returns its output; equal commands share it."""

    def made(name: str, *arguments: object) -> Path:
        output = places.getbasetemp() / f"unharmed-{name}"  # other tests have an undisturbed-search of their own
        if not output.exists():
            done = run(*arguments, "--output", output)
            assert done.returncode == 0, done.stderr
        return output

    return made


@pytest.fixture
def undisturbed(run_inside: Run, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Run a command once a session on a real Ray, and return its output."""
    return once(tmp_path_factory, run_inside)


@pytest.fixture
def finished(run_here: Run, tmp_path_factory: pytest.TempPathFactory, small_corpus: Path) -> Path:
    """A finished search of two configurations, trained in this process."""
    return once(tmp_path_factory, run_here)("search", *SEARCH, "--data", small_corpus)


@pytest.fixture
def federated(run_here: Run, tmp_path_factory: pytest.TempPathFactory, few_people: Path) -> Path:
    """A finished federation of one configuration, trained in this process."""
    words = (*FEDERATION, "--epochs", 3, "--data", few_people)
    return once(tmp_path_factory, run_here)("federation", *words)


@pytest.fixture
def start(environment: dict[str, str], tmp_path: Path) -> Iterator[Start]:
    """Start commands in processes of their own; what is left of them ends with the test."""
    commands: list[Command] = []

    def begin(*arguments: object, **settings: Any) -> Command:
        folder = tmp_path / f"command-{len(commands)}"
        commands.append(start_command(folder, environment, *arguments, **settings))
        return commands[-1]

    yield begin
    for command in commands:
        command.clean()
