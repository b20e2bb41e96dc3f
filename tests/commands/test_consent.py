"""A search of more than a day begins with consent only: asked at a terminal, refused elsewhere without `--yes`."""

from pathlib import Path
from typing import Any

import pytest

import orchestrator
from orchestrator.commands import consent, search
from orchestrator.errors import InputError
from orchestrator.planning import duration
from orchestrator.planning.plan import SearchOptions
from tests.conftest import LEFT_OPEN, Run
from tests.records import make_plan

pytestmark = LEFT_OPEN
HOUR, DAY = duration.HOUR, duration.DAY


@pytest.fixture
def estimates(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """What a search takes by the bound and by the calibration; the latter is counted."""
    found = {"most": 99 * DAY, "estimate": 3.2 * DAY, "calibrations": 0.0}

    def estimate(*_: object) -> duration.Duration:
        found["calibrations"] += 1
        return duration.Duration(
            seconds=found["estimate"], by_trial=(1.0,) * 40, again=(), share=1.0, at_once=1, cores=1
        )

    monkeypatch.setattr(duration, "most_seconds", lambda *_: found["most"])
    monkeypatch.setattr(duration, "estimate", estimate)
    return found


def agreed(*, yes: bool = False, answer: bool | None = None, hours: float | None = None) -> tuple[bool, list[str]]:
    """Whether a search may begin, and what was asked; without an answer there is nobody to ask."""
    asked: list[str] = []

    def ask(question: str) -> bool:
        asked.append(question)
        return bool(answer)

    plan, recordings = make_plan(search=SearchOptions(hours=hours)), Any
    found = consent.agreed(plan, recordings, yes=yes, ask=None if answer is None else ask)  # type: ignore[arg-type]
    return found, asked


@pytest.mark.usefixtures("estimates")
def test_at_a_terminal_it_is_asked_with_the_estimate() -> None:
    for answer in (True, False):
        found, (question,) = agreed(answer=answer)
        assert found is answer
        assert question.startswith("This search is estimated at 3.2 days")


@pytest.mark.usefixtures("estimates")
def test_without_a_terminal_it_is_refused_in_one_line_that_says_what_helps() -> None:
    with pytest.raises(InputError) as caught:
        agreed()
    (problem,) = caught.value.problems
    for word in ("3.2 days", "--yes", "--preset standard", "--hours", "--trials"):
        assert word in str(problem)


def test_who_said_yes_is_not_asked_and_nothing_is_timed(estimates: dict[str, float]) -> None:
    assert agreed(yes=True) == (True, [])
    assert estimates["calibrations"] == 0


def test_a_search_that_ends_within_a_day_is_not_asked(estimates: dict[str, float]) -> None:
    assert agreed(hours=23.5) == (True, [])
    assert estimates["calibrations"] == 0
    with pytest.raises(InputError, match=r"1\.2 days"):
        agreed(hours=30)
    estimates["estimate"] = DAY - 1
    assert agreed() == (True, [])


def test_what_is_surely_below_a_day_is_not_timed(estimates: dict[str, float]) -> None:
    estimates["most"] = DAY
    assert agreed() == (True, [])
    assert estimates["calibrations"] == 0


def test_the_command_is_refused_and_leaves_nothing(
    estimates: dict[str, float], small_corpus: Path, run_inside: Run, tmp_path: Path
) -> None:
    output = tmp_path / "run"
    words = ("tune", "--data", small_corpus, "--folds", 3, "--output", output)
    done = run_inside(*words)
    assert done.returncode == 2
    (line,) = [one for one in done.stderr.splitlines() if one.startswith("error: ")]
    assert "3.2 days" in line
    assert "--yes" in line
    assert not output.exists()
    assert run_inside(*words, "--dry-run").returncode == 0
    assert estimates["calibrations"] == 2


@pytest.mark.usefixtures("estimates", "ray_cluster")
def test_who_answers_no_has_nothing_begun(
    small_corpus: Path, run_inside: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "_at_a_terminal", lambda: True)
    done = run_inside("tune", "--data", small_corpus, "--folds", 3, "--output", tmp_path / "run")
    assert "This search is estimated at 3.2 days" in done.stderr
    assert not (tmp_path / "run").exists()
    monkeypatch.setattr(search, "_ask", lambda _: False)
    done = run_inside("tune", "--data", small_corpus, "--folds", 3, "--output", tmp_path / "run")
    assert done.returncode == 130
    assert done.stderr.splitlines()[-1] == "not begun"
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("estimates")
def test_in_python_it_is_refused_too(small_corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"3\.2 days.*--yes"):
        orchestrator.tune("au", data=small_corpus, folds=3, output=tmp_path / "run")
    assert not (tmp_path / "run").exists()
