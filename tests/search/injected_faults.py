"""Doing harm to a run that is under way: who works for it, how far it is, and a thread that strikes at a round."""

import contextlib
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Many times what a loaded machine takes: a run that hangs shall fail, not wait.
PATIENCE_SECONDS = 400.0
POLL_SECONDS = 0.005
LOOK_SECONDS = 0.05  # between two looks at all processes there are, each of which costs as much as a poll
MARK = "AFFECT_TEST_MARK"
CLIENTS = ("ray::ClientProcess",)
TRIAL = ("ray::TrialTrainable", "ray::ResourceTrainable")  # idle, and at work: Tune wraps it


def workers(of: int, kind: tuple[str, ...]) -> list[int]:
    """Processes of a kind that descend from process `of`."""
    parents, found, starts = {}, [], tuple(start.encode() for start in kind)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                if (entry / "cmdline").read_bytes().startswith(starts):
                    found.append(int(entry.name))

    def descends(process: int) -> bool:
        while process not in {0, 1, of}:
            process = parents.get(process, 0)
        return process == of

    return [process for process in found if descends(process)]


def marked(marker: str, kind: tuple[str, ...]) -> list[int]:
    """Processes of a kind whose environment has the marker as MARK: those of a driver that is dead, too."""
    starts, entry_of = tuple(start.encode() for start in kind), f"{MARK}={marker}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                ours = entry_of in (entry / "environ").read_bytes().split(b"\0")
                if ours and (entry / "cmdline").read_bytes().startswith(starts):
                    found.append(int(entry.name))
    return found


def signal_all(marker: str, kind: tuple[str, ...], number: signal.Signals) -> None:
    for process in marked(marker, kind):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, number)


def checkpoints(output: Path) -> list[Path]:
    """The checkpoints of trials that are trained alone, and of packs."""
    return [*output.glob("trials/*/checkpoint/checkpoint.json"), *output.glob("packs/*/checkpoint.json")]


def rounds(output: Path) -> list[dict[str, Any]]:
    """The rounds in the checkpoint of the run's only trial; it is replaced atomically."""
    for file in output.glob("trials/*/checkpoint/checkpoint.json"):
        with contextlib.suppress(FileNotFoundError):
            found: list[dict[str, Any]] = json.loads(file.read_text())["content"]["rounds"]
            return found
    return []


@dataclass(frozen=True, slots=True, kw_only=True)
class Disturbance:
    """What a thread does to the workers of process `of` while the run goes on."""

    of: int
    over: threading.Event

    def wait_until(self, condition: Callable[[], object]) -> None:
        end = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            assert not self.over.is_set(), "the run ended before it could be disturbed"
            assert time.monotonic() < end, "waited in vain"
            time.sleep(POLL_SECONDS)

    def kill(self, kind: tuple[str, ...], *, number: int | None = None) -> None:
        """Kill the first `number` of a kind (None: all), as soon as there are any."""
        self.wait_until(lambda: workers(self.of, kind))
        for process in workers(self.of, kind)[:number]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)


@contextlib.contextmanager
def disturbed(harm: Callable[[Disturbance], None]) -> Iterator[None]:
    """Do harm in a thread while the body runs a command in this process; what fails there fails here."""
    over = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(harm, Disturbance(of=os.getpid(), over=over))
        try:
            yield
        finally:
            over.set()
        done.result()
