"""What the injections share: a tiny search, commands in processes of their own, small disks, judging an end."""

import contextlib
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from orchestrator.search.pack_config import pack_folder
from tests.conftest import ROOT
from tests.search.injected_faults import MARK, TRIAL, Disturbance, checkpoints, workers

PATIENCE_SECONDS = 240.0  # many times what a loaded machine takes
POLL_SECONDS = 0.02
EPOCHS = 3
POINT = (
    *("--network", "rnn", "--folds", 2, "--num-cpus", 2, "--no-log-model"),
    *("--set", "learning_rate=0.001", "--set", "sequence_length=50", "--set", "num_layers=1"),
)
TWO = ("--set", "hidden_size=8,16")
ONE = ("--set", "hidden_size=8")
SEARCH = ("tune", "--method", "au", "--preset", "demo", *POINT, *TWO, "--epochs", EPOCHS)
FEDERATION = (
    *("tune", "--method", "fl-au", "--preset", "demo", *POINT, *ONE),
    *("--client-actors", 2, "--cpus-per-client", 0.4),
)
# Long enough to be struck in the middle of a trial, which then has a checkpoint.
SLOW_EPOCHS = 40
SLOW = ("--epochs", SLOW_EPOCHS, "--checkpoint-seconds", 0)
SLOW_SEARCH = ("tune", "--method", "au", "--preset", "demo", *POINT, *TWO, *SLOW)
SLOW_FEDERATION = (*FEDERATION, *SLOW)
DEATHS = 3  # a trial is taken up again after two of them
EVALUATE = (
    *("evaluate", "--method", "au", "--network", "rnn", "--learning-rate", 0.001, "--hidden-size", 8),
    *("--sequence-length", 50, "--num-layers", 1, "--folds", 2, "--epochs", 1, "--num-cpus", 2, "--no-log-model"),
)
EQUAL = ("leaderboard.csv", "predictions.parquet", "model/model.safetensors")


def assert_equal(output: Path, undisturbed: Path) -> None:
    """The results are those of the undisturbed run, to the last byte."""
    for name in EQUAL:
        assert (output / name).read_bytes() == (undisturbed / name).read_bytes(), name


def assert_no_traceback(done: Any) -> None:
    told = f"{done.stdout}\n{done.stderr}"
    assert "Traceback" not in told, told[-3000:]


def refusals(done: Any) -> list[str]:
    """Return the lines of a refused command, one per problem."""
    assert done.returncode == 2, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    assert_no_traceback(done)
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert lines, done.stderr
    return lines


def refusal(done: Any) -> str:
    """Return the one line of a refused command."""
    (line,) = refusals(done)
    return line


def assert_told(done: Any, *words: str, codes: tuple[int, ...]) -> None:
    """It ended with one of these codes, without a traceback, and one line has all of the words."""
    assert done.returncode in codes, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    assert_no_traceback(done)
    lines = [*done.stdout.splitlines(), *done.stderr.splitlines()]
    assert any(all(word in line for word in words) for line in lines), f"{words} in no line of\n{done.stderr}"


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Return when each file below was written, and what is in it."""
    return {
        str(file.relative_to(folder)): (file.stat().st_mtime_ns, file.read_bytes())
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def wait_until(condition: Callable[[], object], *, alive: "Command | None" = None) -> None:
    """Wait for a condition, with a deadline; a command that has ended before it is a failure."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert alive is None or alive.process.poll() is None, f"ended early: {alive.told()[-3000:]}"
        assert time.monotonic() < end, f"waited in vain{': ' + alive.told()[-3000:] if alive else ''}"
        time.sleep(POLL_SECONDS)


def of_marker(marker: str) -> dict[int, bytes]:
    """Return the command lines of all processes that were started, at whatever remove, with this marker."""
    entry, found = f"{MARK}={marker}".encode(), {}
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            with contextlib.suppress(OSError):
                if entry in (process / "environ").read_bytes().split(b"\0"):
                    found[int(process.name)] = (process / "cmdline").read_bytes()
    return found


def killed_by_name(marker: str, word: str) -> int:
    """Kill those processes of a marker whose program has this name; return how many."""
    hit = [n for n, line in of_marker(marker).items() if Path(line.split(b"\0")[0].decode()).name == word]
    for number in hit:
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
    return len(hit)


def stopped(marker: str) -> None:
    """Kill all processes of a marker, and wait until there is none."""

    def none_left() -> bool:
        left = [number for number in of_marker(marker) if not gone(number)]
        for number in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        return not left

    wait_until(none_left)


def gone(number: int) -> bool:
    """Tell whether a process has ended; nobody may have asked for its exit code yet."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] in ("Z", "X")
    except OSError:
        return True


def _peak_bytes(process: int) -> int:
    """The most memory a process has had. What `wait4` tells would begin with that of the process it was started by."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


@dataclass(kw_only=True)
class Command:
    """One `python -m orchestrator ...` in a process of its own, whose output lies in files."""

    process: "subprocess.Popen[bytes]"
    marker: str
    folder: Path
    stdout: str = ""
    stderr: str = ""
    returncode: int | None = None
    peak_bytes: int = field(default=0)

    def told(self) -> str:
        """What it has said so far on stderr."""
        return (self.folder / "stderr").read_text(errors="replace")

    def ended(self, timeout: float = PATIENCE_SECONDS) -> "Command":
        """Wait for its end, with a deadline; the exit code is the test's to judge."""
        end = time.monotonic() + timeout
        while self.process.returncode is None:
            self.peak_bytes = max(self.peak_bytes, _peak_bytes(self.process.pid))
            found, status = os.waitpid(self.process.pid, os.WNOHANG)
            if found:
                self.process.returncode = os.waitstatus_to_exitcode(status)
                break
            assert time.monotonic() < end, f"no end within {timeout:g} s: {self.told()[-3000:]}"
            time.sleep(POLL_SECONDS)
        self.returncode = self.process.returncode
        self.stdout = (self.folder / "stdout").read_text(errors="replace")
        self.stderr = self.told()
        return self

    def clean(self) -> None:
        """End it and all that it has started."""
        stopped(self.marker)
        with contextlib.suppress(ChildProcessError):
            self.process.wait()


Start = Callable[..., Command]


def start_command(folder: Path, environment: dict[str, str], *arguments: object, **settings: Any) -> Command:
    """Start a command; `umask` and `cwd` are its own, `env` is added to the environment."""
    folder.mkdir(parents=True)
    marker = str(folder)
    env = {**environment, MARK: marker, **settings.pop("env", {})}
    umask, memory = settings.pop("umask", -1), settings.pop("memory", None)

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))

    with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as err:
        process = subprocess.Popen(
            [sys.executable, "-m", "orchestrator", *map(str, arguments)],
            **{"cwd": ROOT, **settings},
            env=env,
            stdout=out,
            stderr=err,
            stdin=subprocess.DEVNULL,
            umask=umask,
            preexec_fn=limited if memory else None,  # noqa: PLW1509 - a system call, and nothing else
        )
    return Command(process=process, marker=marker, folder=folder)


@contextlib.contextmanager
def small_disk(folder: Path, options: str) -> Iterator[Path]:
    """A real disk of its own on `folder`, such as `size=100k`; skipped, with the reason, where it cannot be made."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("NOT INJECTED: a full disk needs root and mount")
    folder.mkdir(parents=True, exist_ok=True)
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if made.returncode != 0:
        pytest.skip(f"NOT INJECTED: no tmpfs can be mounted here: {made.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def remount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)


def broken_off(finished: Path, output: Path) -> None:
    """Copy a finished run as if it had ended before its summary: what is there at the end is new."""
    shutil.copytree(finished, output)
    for name in ("summary.json", "leaderboard.csv", "predictions.parquet", "curves.json"):
        (output / name).unlink()
    for name in ("model", "figures"):
        shutil.rmtree(output / name)


def plan_of(output: Path) -> dict[str, Any]:
    """The plan as it stands in the folder."""
    found: dict[str, Any] = json.loads((output / "plan.json").read_text())
    return found


def uids(output: Path) -> list[str]:
    """The uids of a finished run, best first."""
    rows = (output / "leaderboard.csv").read_text().splitlines()[1:]
    return [uid for row in rows if (uid := row.split(",")[1])]  # baselines have none


def deaths(run: Disturbance, trial: Path, times: int = DEATHS) -> None:
    """Kill the worker of the only trial that runs, each time that it has trained on and written a checkpoint."""
    seen = 0

    def written() -> int:
        for folder in (trial / "checkpoint", pack_folder(trial.parent, [trial.name])):
            with contextlib.suppress(FileNotFoundError):
                return (folder / "checkpoint.json").stat().st_mtime_ns
        return 0

    for _ in range(times):
        run.wait_until(lambda: written() > seen)  # noqa: B023 - called at once
        run.kill(TRIAL)
        run.wait_until(lambda: not workers(run.of, TRIAL) or written() > seen)  # noqa: B023
        seen = written()


def epochs_done(output: Path, planned: int) -> int:
    """Epochs that a search has on disk: of checkpoints, and `planned` for each result."""
    done = planned * sum(1 for _ in output.glob("trials/*/result.json"))
    for file in checkpoints(output):
        with contextlib.suppress(FileNotFoundError):
            done += len(re.findall(r'^ +"number": ', file.read_text(), flags=re.MULTILINE))
    return done
