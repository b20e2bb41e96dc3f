"""A command with a Ray of its own: where that listens, what it leaves, and how the command ends when Ray dies."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator.process import exit_codes
from orchestrator.search.local_ray import MARK
from tests.conftest import ROOT, Run, read_summary
from tests.search.injected_faults import PATIENCE_SECONDS, TRIAL, checkpoints, workers

# So many epochs that it is still going on when it is ended.
TUNE = (
    *("tune", "--method", "au", "--preset", "demo", "--network", "rnn", "--folds", 2, "--epochs", 100_000),
    *("--set", "hidden_size=8", "--set", "sequence_length=50", "--num-cpus", 1, "--checkpoint-seconds", 0),
)
KILLED_SECONDS = 10.0  # what is killed goes at once; left to themselves, Ray's agents stay for a minute
AFTER_TRAINING = {"exporting the model ...": signal.SIGINT, "writing to MLflow ...": signal.SIGTERM}
LISTENING = "0A"  # a state in /proc/net/tcp
LOOPBACK = re.compile(r"^(?:[0-9A-F]{6}7F|0{24}01000000|0{16}FFFF0000[0-9A-F]{6}7F)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command in a process of its own."""

    process: subprocess.Popen[bytes]
    output: Path
    errors: Path

    def wait_until(self, condition: Callable[[], object]) -> None:
        end = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            assert self.process.poll() is None, self.told()
            assert time.monotonic() < end, "waited in vain"
            time.sleep(0.05)

    def wait_until_it_trains(self) -> None:
        self.wait_until(lambda: checkpoints(self.output))

    def told(self) -> str:
        return self.errors.read_text(encoding="utf-8")

    def processes(self) -> list[int]:
        """Those of its Ray; the command itself is none of them."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if self.session in _environment(entry):
                    found.append(int(entry.name))
        return found

    @property
    def session(self) -> bytes:
        """The mark of its Ray, which a worker has from it."""
        return self._session[0]

    _session: list[bytes]

    def remember(self) -> None:
        """Note the mark while there is a worker."""
        (worker, *_) = workers(self.process.pid, TRIAL)
        self._session.append(
            next(one for one in _environment(Path(f"/proc/{worker}")) if one.startswith(MARK.encode()))
        )


def _environment(entry: Path) -> list[bytes]:
    return (entry / "environ").read_bytes().split(b"\0")


@pytest.fixture
def begin(small_corpus: Path, environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., Command]]:
    """Start a command and wait until its trial trains; it does not outlive the test."""
    started: list[Command] = []

    def run(*more: object, cwd: Path = ROOT, **variables: str) -> Command:
        words = [
            *TUNE,
            "--data",
            os.path.relpath(small_corpus, cwd),
            "--output",
            os.path.relpath(tmp_path / "run", cwd),
        ]
        with (tmp_path / "errors").open("wb") as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", "orchestrator", *map(str, [*words, *more])],
                cwd=cwd,
                env={**environment, "PYTHONPATH": str(ROOT), **variables},
                stdout=subprocess.DEVNULL,
                stderr=errors,
            )
        command = Command(process=process, output=tmp_path / "run", errors=tmp_path / "errors", _session=[])
        started.append(command)
        command.wait_until_it_trains()
        command.remember()
        return command

    yield run
    for command in started:
        command.process.kill()
        command.process.wait()


def comm(process: int) -> str:
    """The short name of a process."""
    return Path(f"/proc/{process}/comm").read_text(encoding="utf-8").strip()


def sockets_of(processes: list[int]) -> dict[str, str]:
    """The inodes of the processes' sockets, and whose they are."""
    found = {}
    for process in processes:
        name = comm(process)
        for link in Path(f"/proc/{process}/fd").iterdir():
            with contextlib.suppress(OSError):
                target = str(link.readlink())
                if target.startswith("socket:["):
                    found[target[8:-1]] = name
    return found


def listening(processes: list[int]) -> dict[str, list[str]]:
    """The addresses, as the kernel writes them, at which each of the processes listens."""
    owners = sockets_of(processes)
    found: dict[str, list[str]] = {}
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text(encoding="ascii").splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTENING and fields[9] in owners:
                found.setdefault(owners[fields[9]], []).append(fields[1].partition(":")[0])
    return found


def gone(command: Command) -> bool:
    return not command.processes()


def wait_for(condition: Callable[[], bool], what: str, seconds: float = PATIENCE_SECONDS) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.1)


def test_it_listens_on_loopback_imports_nothing_of_the_user_and_sigterm_is_ctrl_c(
    begin: Callable[..., Command], tmp_path: Path
) -> None:
    for name in ("models", "fed"):
        (tmp_path / "here" / name).mkdir(parents=True)
        (tmp_path / "here" / name / "__init__.py").write_text("raise RuntimeError('the wrong one')\n")
    (tmp_path / ("long-" * 20)).mkdir()
    command = begin(cwd=tmp_path / "here", HOME="/proc/nobody", TMPDIR=str(tmp_path / ("long-" * 20)))
    found = listening([command.process.pid, *command.processes()])
    assert any("gcs_server" in name for name in found)
    assert any("raylet" in name for name in found)
    assert any("ray::" in name for name in found)
    assert all(LOOPBACK.match(address) for addresses in found.values() for address in addresses), found
    programs = [Path(f"/proc/{one}/cmdline").read_bytes() for one in command.processes()]
    assert any(b"raylet" in program for program in programs)
    assert not any(b"monitor.py" in program for program in programs)  # neither an autoscaler nor a reader of logs
    folder = Path("/tmp") / command.session.decode().partition("=")[2]
    assert folder.stat().st_mode & 0o777 == 0o700
    command.process.send_signal(signal.SIGTERM)
    assert command.process.wait(PATIENCE_SECONDS) == exit_codes.INTERRUPTED, command.told()
    assert "interrupted: continue with  python -m orchestrator tune --resume " in command.told()
    assert "SIGTERM received" not in command.told()
    assert "starting Ray ...\n" in command.told()
    assert read_summary(command.output)["status"] == "interrupted"
    assert not folder.exists()
    wait_for(lambda: gone(command), "something of Ray is still there")


@pytest.mark.parametrize("moment", AFTER_TRAINING)
def test_ctrl_c_after_the_trainings_ends_too_and_the_rest_is_made_by_resume(
    moment: str, small_corpus: Path, environment: dict[str, str], tmp_path: Path, run_command: Run
) -> None:
    """Tune leaves a handler of its own, and the export took Ctrl-C for a fault of the model."""
    output, errors = tmp_path / "run", tmp_path / "errors"
    words = [*TUNE, "--epochs", 1, "--data", small_corpus, "--output", output]
    with errors.open("wb") as told:
        process = subprocess.Popen(
            [sys.executable, "-m", "orchestrator", *map(str, words)],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=told,
        )
    try:
        wait_for(lambda: moment in errors.read_text() or process.poll() is not None, "it does not come so far")
        process.send_signal(AFTER_TRAINING[moment])
        assert process.wait(PATIENCE_SECONDS) == exit_codes.INTERRUPTED, errors.read_text()
    finally:
        process.kill()
        process.wait()
    said = errors.read_text().splitlines()
    assert said[-2:] == ["interrupted", f"continue with  python -m orchestrator tune --resume {output}"]
    assert read_summary(output)["status"] == "finished"
    done = run_command("tune", "--resume", output)
    assert done.returncode == 0, done.stderr
    assert (output / "model.pt2").is_file()
    assert json.loads((output / "model_export.json").read_text())["problem"] is None
    assert "tracked in" in done.stdout or "MLflow" in done.stdout


@pytest.mark.parametrize(("victim", "what"), [("raylet", "raylet"), ("gcs_server", "GCS")])
def test_if_ray_dies_the_command_says_so_and_ends(begin: Callable[..., Command], victim: str, what: str) -> None:
    command = begin()
    (process,) = [one for one in command.processes() if comm(one) == victim]
    os.kill(process, signal.SIGKILL)
    assert command.process.wait(PATIENCE_SECONDS) == exit_codes.RAY_LOST, command.told()
    said = [
        line
        for line in command.told().splitlines()
        if line and not line.endswith(" ...") and not line.startswith(("baseline ", "trials "))
    ]
    (line,) = said
    assert line.startswith(f"error: Ray's {what} died: the search cannot go on; what was done is kept; continue with")
    assert line.endswith("/run")
    wait_for(lambda: gone(command), "something of Ray is still there", KILLED_SECONDS)
    assert not (Path("/tmp") / command.session.decode().partition("=")[2]).exists()
    assert checkpoints(command.output)
