"""Figures of a process of their own: the bytes and lines of those drawn here, and a process that outlives nobody."""

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from orchestrator.report.figures import apart, files
from orchestrator.report.search_record import Search
from orchestrator.search.endings import unwritable
from tests.figures.evidence import make_search, make_trials

END_SECONDS = 20.0
Started = list["subprocess.Popen[bytes]"]
STEMS = ("au-learning", "trade-off")


@pytest.fixture(autouse=True)
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.report.figures.files.num_processors", lambda: 2)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Started:
    """The processes that were started to draw."""
    found: Started = []

    class Noted(subprocess.Popen):  # type: ignore[type-arg]  # at run time it takes none
        def __init__(self, *given, **words) -> None:
            super().__init__(*given, **words)
            found.append(self)

    monkeypatch.setattr(subprocess, "Popen", Noted)
    return found


def some(predictions: Path | None = None) -> Search:
    return make_search(make_trials()[:1], predictions=predictions)


def written(output: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (output / "figures").iterdir()}


def test_its_files_and_lines_are_those_drawn_here(
    tmp_path: Path, started: Started, capfd: pytest.CaptureFixture[str]
) -> None:
    """The table of predictions cannot be read: that is a line, and it costs the other figures nothing."""
    search = some(tmp_path / "predictions.parquet")
    (tmp_path / "predictions.parquet").write_text("no table")
    here = files.write(search, tmp_path / "here", draw=True)
    assert not started
    assert files.write(search, tmp_path / "apart", draw=True, beside=lambda: None) == here
    assert len(started) == 1
    assert started[0].returncode is not None
    assert [line.partition(": ")[0] for line in here] == ["figure not drawn"]
    assert capfd.readouterr() == ("", "")
    assert written(tmp_path / "apart") == written(tmp_path / "here")
    assert {name.partition(".")[0] for name in written(tmp_path / "here")} == set(STEMS)


def test_what_is_done_beside_is_done_while_it_draws(tmp_path: Path, started: Started) -> None:
    seen: list[tuple[int | None, bool]] = []
    (tmp_path / "figures").mkdir()
    files.write(
        some(), tmp_path, draw=True, beside=lambda: seen.append((started[0].poll(), (tmp_path / "figures").exists()))
    )
    assert seen == [(None, False)]
    assert written(tmp_path)


@pytest.mark.parametrize("program", ["raise SystemExit(1)", "import os; os.kill(os.getpid(), 9)", "print('no answer')"])
def test_a_process_that_does_not_answer_is_no_loss(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(apart, "PROGRAM", program)
    assert files.write(some(), tmp_path, draw=True, beside=lambda: None) == []
    assert {name.partition(".")[0] for name in written(tmp_path)} == set(STEMS)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("executable", ["", None, "/no/such/python"])
def test_figures_are_drawn_here_where_no_process_can_be_started(
    executable: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", executable)
    done: list[bool] = []
    files.write(some(), tmp_path, draw=True, beside=lambda: done.append(True))
    assert done == [True]
    assert written(tmp_path)


def test_on_one_core_it_is_done_one_after_the_other(
    tmp_path: Path, started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.report.figures.files.num_processors", lambda: 1)
    done: list[bool] = []
    files.write(some(), tmp_path, draw=True, beside=lambda: done.append(True))
    assert done == [True]
    assert written(tmp_path)
    assert not started


def test_an_interrupt_ends_the_process(tmp_path: Path, started: Started) -> None:
    def interrupt() -> None:
        assert started[0].poll() is None
        assert os.getsid(started[0].pid) != os.getsid(0)  # a terminal interrupts us alone
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        files.write(some(), tmp_path, draw=True, beside=interrupt)
    assert started[0].returncode == -9


def test_it_ends_when_who_asked_is_gone() -> None:
    """In the midst of its work: the other end of its standard input is closed."""
    slow = "import time; from orchestrator.report.figures import apart; apart.drawn = lambda _: time.sleep(600)"
    program = apart.PROGRAM.replace("from orchestrator", f"{slow}; from orchestrator", 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(apart, "PROGRAM", program)
        with apart.asked(some()) as asked:
            process = asked._process
            assert process is not None
            assert process.stdin is not None
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(1.0)  # it draws
            process.stdin.close()
            begun = time.monotonic()
            assert process.wait(END_SECONDS) == 1
            assert time.monotonic() - begun < END_SECONDS


def test_modules_are_those_of_who_asked_and_none_of_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "only_on_our_path.py").touch()
    monkeypatch.syspath_prepend(tmp_path / "ours")
    needs = apart.PROGRAM.replace("from orchestrator", "import only_on_our_path; from orchestrator", 1)
    monkeypatch.setattr(apart, "PROGRAM", needs)
    (tmp_path / "pickle.py").write_text("raise SystemExit('the folder of the user')")
    (tmp_path / "models.py").write_text("raise SystemExit('the folder of the user')")
    monkeypatch.chdir(tmp_path)
    with apart.asked(some()) as asked:
        answer = asked.answer()
    assert answer is not None
    assert [sorted(one) for one in answer.figures] == [
        [f"{stem}.{suffix}" for suffix in ("pdf", "png", "svg")] for stem in STEMS
    ]


def test_a_figure_that_cannot_be_made_into_files_costs_nobody_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = files.contents

    def contents(figure):
        if figure.name == STEMS[0]:
            raise ValueError("no ink")
        return made(figure)

    monkeypatch.setattr(files, "contents", contents)
    assert files.write(some(), tmp_path, draw=True) == [f"figure not drawn: {STEMS[0]}: ValueError: no ink"]
    assert {name.partition(".")[0] for name in written(tmp_path)} == {STEMS[1]}


def test_a_folder_that_cannot_be_written_is_a_line(
    tmp_path: Path, started: Started, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "figures").write_text("a file in the way")
    (here,) = files.write(some(), tmp_path, draw=True)
    assert here.startswith("figures not written: FileExistsError: ")
    assert files.write(some(), tmp_path, draw=True, beside=lambda: None) == [here]
    assert len(started) == 1
    assert capfd.readouterr() == ("", "")


def test_of_figures_that_find_no_room_none_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    room = [3]

    def write_bytes(path: Path, content: bytes) -> None:
        room[0] -= 1
        if room[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)

    monkeypatch.setattr(f"{files.__name__}.write_bytes", write_bytes)
    (line,) = files.write(some(), tmp_path, draw=True)
    assert unwritable(line) == os.strerror(errno.ENOSPC)
    assert not (tmp_path / "figures").exists()
