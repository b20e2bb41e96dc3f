"""Ray's own processes killed, SIGTERM, and an end that nobody foresaw: a line, an exit code, and a way to go on."""

import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import Run, read_summary
from tests.faults.harness import (
    EVALUATE,
    SLOW_FEDERATION,
    SLOW_SEARCH,
    Command,
    Start,
    assert_equal,
    assert_no_traceback,
    assert_told,
    killed_by_name,
    refusal,
    remount,
    small_disk,
    start_command,
    wait_until,
)
from tests.faults.table import injects
from tests.search.injected_faults import checkpoints

RAY_DIED = 5
UNFORESEEN = 70
INTERRUPTED = 130
STRIKES = {
    "raylet-killed-au": ("raylet", SLOW_SEARCH),
    "gcs-killed-au": ("gcs_server", SLOW_SEARCH),
    "raylet-killed-fl-au": ("raylet", SLOW_FEDERATION),
    "gcs-killed-fl-au": ("gcs_server", SLOW_FEDERATION),
}
Undisturbed = Callable[..., Path]


def checkpoint_in(output: Path) -> Callable[[], bool]:
    return lambda: bool(checkpoints(output))


@pytest.fixture(scope="module")
def struck(
    environment: dict[str, str], small_corpus: Path, few_people: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Command]]:
    """All four at once: most of their time is waiting for Ray to see that it is dead."""
    folder = tmp_path_factory.mktemp("struck")
    begun: dict[str, Command] = {}
    try:
        for row, (_, words) in STRIKES.items():
            data = few_people if words is SLOW_FEDERATION else small_corpus
            begun[row] = start_command(
                folder / f"{row}-command", environment, *words, "--data", data, "--output", folder / row
            )
        waiting = list(STRIKES)

        def strike() -> bool:
            for row in [one for one in waiting if checkpoint_in(folder / one)()]:
                assert killed_by_name(begun[row].marker, STRIKES[row][0]) == 1
                waiting.remove(row)
            assert all(begun[row].process.poll() is None for row in waiting), "ended before it was struck"
            return not waiting

        wait_until(strike)
        yield {row: command.ended() for row, command in begun.items()}
    finally:
        for command in begun.values():
            command.clean()


@injects(*STRIKES)
@pytest.mark.parametrize("row", STRIKES)
def test_a_dead_ray_is_said_in_a_line(row: str, struck: dict[str, Command]) -> None:
    command = struck[row]
    output = command.folder.with_name(row)
    assert_told(command, "--resume", str(output), codes=(RAY_DIED,))
    told = command.stdout + command.stderr
    for noise in ("[state-dump]", "Check failed", "rpc_client.h", "ActorDiedError", "core_worker"):
        assert noise not in told, told[-3000:]
    assert (output / "run.log").is_file()
    assert checkpoint_in(output)()


@pytest.mark.faults
@pytest.mark.parametrize("row", STRIKES)
def test_and_the_run_goes_on(  # noqa: PLR0917 - fixtures
    row: str,
    struck: dict[str, Command],
    undisturbed: Undisturbed,
    small_corpus: Path,
    few_people: Path,
    run_inside: Run,
) -> None:
    output = struck[row].folder.with_name(row)
    done = run_inside("tune", "--resume", output)
    assert done.returncode == 0, done.stderr
    if STRIKES[row][1] is SLOW_FEDERATION:
        assert_equal(output, undisturbed("slow-federation", *SLOW_FEDERATION, "--data", few_people))
    else:
        assert_equal(output, undisturbed("slow", *SLOW_SEARCH, "--data", small_corpus))


@injects("sigterm")
def test_sigterm_is_an_interruption(
    small_corpus: Path, undisturbed: Undisturbed, start: Start, run_inside: Run, tmp_path: Path
) -> None:
    output = tmp_path / "run"
    command = start(*SLOW_SEARCH, "--data", small_corpus, "--output", output)
    wait_until(checkpoint_in(output), alive=command)
    command.process.send_signal(signal.SIGTERM)
    assert_told(command.ended(), "--resume", str(output), codes=(INTERRUPTED,))
    assert "SIGTERM received" not in command.stderr
    assert read_summary(output)["status"] == "interrupted"
    done = run_inside("tune", "--resume", output)
    assert done.returncode == 0, done.stderr
    assert_equal(output, undisturbed("slow", *SLOW_SEARCH, "--data", small_corpus))


@injects("unforeseen-error")
def test_an_unforeseen_error_is_a_line_and_a_log(
    few_people: Path, start: Start, run_inside: Run, tmp_path: Path
) -> None:
    """A broken installation of scikit-learn, which the baseline needs."""
    broken, output = tmp_path / "broken", tmp_path / "run"
    (broken / "sklearn").mkdir(parents=True)
    (broken / "sklearn" / "__init__.py").write_text("raise RuntimeError('half installed')\n")
    (broken / "sklearn" / "linear_model.py").write_text("")
    words = (*EVALUATE, "--data", few_people, "--output", output)
    command = start(*words, cwd=tmp_path, env={"PYTHONPATH": f"{broken}:{Path(__file__).parent.parent.parent}"})
    assert_told(command.ended(), "half installed", str(output / "run.log"), codes=(UNFORESEEN,))
    log = (output / "run.log").read_text()
    assert "Traceback (most recent call last)" in log
    assert "half installed" in log
    done = run_inside("tune", "--resume", output)
    assert done.returncode == 0, done.stderr


@injects("terminal-ascii")
def test_a_terminal_that_cannot_show_it(finished: Path, start: Start, tmp_path: Path) -> None:
    output = tmp_path / "run"
    shutil.copytree(finished, output)
    command = start("tune", "--resume", output, env={"PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONUTF8": "0"})
    assert command.ended().returncode == 0, command.stderr
    assert_no_traceback(command)
    assert "over folds" in command.stdout


def assert_begun_or_refused(command: Command, output: Path) -> None:
    if command.ended().returncode == 0:
        assert (output / "summary.json").is_file()
        return
    refusal(command)
    assert not output.exists()


@injects("ray-long-tmpdir")
def test_a_long_tmpdir(few_people: Path, start: Start, tmp_path: Path) -> None:
    long = tmp_path / ("long" * 30)
    long.mkdir()
    command = start(*EVALUATE, "--data", few_people, "--output", tmp_path / "run", env={"TMPDIR": str(long)})
    assert_begun_or_refused(command, tmp_path / "run")


@injects("ray-tmpdir-letters")
def test_a_tmpdir_with_other_letters_than_rays(few_people: Path, start: Start) -> None:
    with tempfile.TemporaryDirectory(suffix="\N{LATIN SMALL LETTER U WITH DIAERESIS}") as place:
        output = Path(place) / "run"
        command = start(*EVALUATE, "--data", few_people, "--output", output, env={"TMPDIR": place})
        assert command.ended().returncode == 0, command.told()
        assert (output / "summary.json").is_file()


@injects("ray-home-unwritable")
def test_a_home_that_cannot_be_written(few_people: Path, start: Start, tmp_path: Path) -> None:
    with small_disk(tmp_path / "home", "size=1m,ro") as home:
        command = start(*EVALUATE, "--data", few_people, "--output", tmp_path / "run", env={"HOME": str(home)})
        assert_begun_or_refused(command, tmp_path / "run")
        remount(home, "rw")
        assert list(home.iterdir()) == []
