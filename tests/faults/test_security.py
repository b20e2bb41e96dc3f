"""Secrets, doors and modes, looked at from outside while a search runs and after it."""

import base64
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.faults.harness import (
    EVALUATE,
    FEDERATION,
    SLOW_FEDERATION,
    Command,
    Start,
    assert_no_traceback,
    of_marker,
    start_command,
    wait_until,
)
from tests.faults.outside_view import files_with, forms_of, listeners, modes, refusing_server
from tests.faults.table import injects
from tests.search.injected_faults import checkpoints

# Made up here; each part is searched for, so that a half-hidden one is found.
PARTS = ("zZ9dog", "qX7cat", "vK4owl")
PASSWORD = "zZ9dog/qX7cat@vK4owl w"
TOKEN = "tQ5kEn77fox"
SECRETS = {form for secret in (*PARTS, PASSWORD, TOKEN) for form in forms_of(secret)}
PRIVATE = 0o077  # what is nobody else's business


@dataclass(kw_only=True)
class Watched:
    """A search with a secret address and umask 077, and what was seen of it."""

    command: Command
    output: Path
    cache: Path
    store: Path
    outside: set[str]
    num_listening: int
    lines: set[bytes]
    told: list[str]
    modes: dict[str, int]
    ray_folders: list[Path] = field(default_factory=list)


@pytest.fixture(scope="module", params=["option", "variable"])
def watched(
    request: pytest.FixtureRequest,
    environment: dict[str, str],
    few_people: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("watched")
    output, cache = folder / "run", folder / "cache"
    with refusing_server() as (port, told):
        address = f"http://user:{PASSWORD}@127.0.0.1:{port}/?token={TOKEN}"
        words = [*FEDERATION, "--epochs", 25, "--data", few_people, "--output", output]
        env = {"AFFECT_ORCHESTRATOR_CACHE": str(cache)}
        if request.param == "option":
            words += ["--tracking-uri", address]
        else:
            env["MLFLOW_TRACKING_URI"] = address
        command = start_command(folder / "command", environment, *words, env=env, umask=0o077)
        try:
            # Its own first line has it if the user wrote it there; the process takes it off at once.
            wait_until(lambda: not shown(command), alive=command)
            lines: set[bytes] = set()

            def trains() -> bool:
                lines.update(of_marker(command.marker).values())
                return any(checkpoints(output))

            def over() -> bool:
                lines.update(of_marker(command.marker).values())
                return command.process.poll() is not None

            wait_until(trains, alive=command)
            outside, num_listening = listeners(command.marker)
            ray_folders = ray_folders_of(command)
            wait_until(over)
        finally:
            command.clean()
        yield Watched(
            command=command.ended(),
            output=output,
            cache=cache,
            store=folder / "store",
            outside=outside,
            num_listening=num_listening,
            lines=lines,
            told=told,
            modes=modes(output, cache),
            ray_folders=ray_folders,
        )


def shown(command: Command) -> bool:
    line = Path(f"/proc/{command.process.pid}/cmdline").read_bytes().decode()
    return any(secret in line for secret in SECRETS) or "orchestrator" not in line


def ray_folders_of(command: Command) -> list[Path]:
    """Return the session folders of the command's raylets, by their arguments."""
    found = set()
    for line in of_marker(command.marker).values():
        for word in line.decode(errors="replace").split("\0"):
            path = Path(word.partition("=")[2])
            if word.startswith("--session-dir=") or word.startswith("--session_dir="):
                found.add(path)
    return sorted(found)


@injects("secrets-run")
def test_a_password_stays_with_its_owner(watched: Watched, run_inside: Run, tmp_path: Path) -> None:
    command = watched.command
    assert command.returncode == 0, command.stderr
    assert not [secret for secret in SECRETS if secret in command.stdout + command.stderr]
    assert watched.lines
    assert not [line for line in watched.lines if any(secret.encode() in line for secret in SECRETS)]
    login = "Basic " + base64.b64encode(f"user:{PASSWORD}".encode()).decode()
    assert login in watched.told, "the store was never asked with the whole password"
    holders = files_with(SECRETS, watched.output, watched.cache, *watched.ray_folders)
    assert all(stat.S_IMODE(file.stat().st_mode) & PRIVATE == 0 for file in holders)
    assert not [file for file in holders if file.suffix != ".json" or not file.name.startswith(".")], holders
    store = tmp_path / "store"
    done = run_inside("track", watched.output, "--tracking-uri", f"sqlite:///{store}/mlflow.db")
    assert done.returncode == 0, done.stderr
    assert [*store.rglob("plan.json")], "no artifact was written"
    assert not files_with(SECRETS, store)
    assert not [secret for secret in SECRETS if secret in done.stdout + done.stderr]


@pytest.mark.faults
def test_resume_finds_the_password(watched: Watched, start: Start) -> None:
    """In a process that nobody told it, on a port where somebody else listens now."""
    text = (watched.output / "plan.json").read_text()
    command = start("tune", "--resume", watched.output, env={"MLFLOW_TRACKING_URI": "sqlite:////nowhere/at/all.db"})
    assert command.ended().returncode == 0, command.stderr
    assert not [secret for secret in SECRETS if secret in command.stdout + command.stderr]
    assert (watched.output / "plan.json").read_text() == text


@injects("loopback")
def test_a_local_ray_listens_on_loopback_alone(watched: Watched) -> None:
    assert watched.num_listening > 3, "gcs, raylet and workers listen somewhere"
    assert watched.outside == set()


@injects("umask-077")
def test_nothing_is_open_to_others(watched: Watched, run_command: Run, few_people: Path, tmp_path: Path) -> None:
    assert len(watched.modes) > 10
    assert not {path: oct(mode) for path, mode in watched.modes.items() if mode & PRIVATE}
    made = tmp_path / "made"
    made.mkdir()
    done = run_command("data", "convert", few_people, "--output", made / "one.parquet", umask=0o077)
    assert done.returncode == 0, done.stderr
    assert not {path: oct(mode) for path, mode in modes(made / "one.parquet").items() if mode & PRIVATE}


@injects("umask-027")
def test_a_group_reads_and_others_do_not(start: Start, few_people: Path, tmp_path: Path) -> None:
    output, store = tmp_path / "run", tmp_path / "store"
    command = start(
        *EVALUATE,
        *("--data", few_people, "--output", output, "--tracking-uri", f"sqlite:///{store}/mlflow.db"),
        umask=0o027,
    )
    assert command.ended().returncode == 0, command.stderr
    found = modes(output)
    assert len(found) > 10
    files = {path: oct(mode) for path, mode in found.items() if Path(path).is_file()}
    folders = {path: oct(mode) for path, mode in found.items() if Path(path).is_dir()}
    assert set(files.values()) <= {"0o640", "0o600"}, files
    assert {path for path, mode in files.items() if mode == "0o600"} <= {
        path for path in files if Path(path).name.startswith(".")
    }
    assert set(folders.values()) == {"0o750"}, folders
    assert not {path: oct(mode) for path, mode in modes(store).items() if mode & 0o007}


@injects("cache-private")
def test_the_cache_and_rays_folder_are_their_owners(start: Start, few_people: Path, tmp_path: Path) -> None:
    """Under the umask that most users have; Ray's folder is looked at while it is there."""
    output, cache = tmp_path / "run", tmp_path / "new" / "cache"
    words = (*SLOW_FEDERATION, "--data", few_people, "--output", output)
    command = start(*words, umask=0o022, env={"AFFECT_ORCHESTRATOR_CACHE": str(cache)})
    wait_until(lambda: any(output.glob("trials/*/checkpoint")), alive=command)
    folders = ray_folders_of(command)
    assert folders
    for folder in folders:
        assert any(mode & PRIVATE == 0 for mode in modes_up_to_root(folder)), folder
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700


def modes_up_to_root(folder: Path) -> list[int]:
    return [stat.S_IMODE(one.stat().st_mode) for one in (folder, *folder.parents) if one.stat().st_uid == os.geteuid()]


ADDRESSES = {
    "unknown-scheme": f"ftp://user:{PASSWORD}@127.0.0.1/x",
    "slash": "postgresql://user:zZ9dog/qX7cat@127.0.0.1:9/db",
    "at": "postgresql://user:zZ9dog@qX7cat@127.0.0.1:9/db",
    "blank": "mysql://user:zZ9dog qX7cat@127.0.0.1:9/db",
    "query": "postgresql://127.0.0.1:9/db?user=u&password=zZ9dogqX7cat",
    "token": f"postgresql://127.0.0.1:9/db?sslmode=disable&token={TOKEN}",
    "port": f"http://user:{PASSWORD}@127.0.0.1:port/",
    "no-scheme": "user:zZ9dog@127.0.0.1/db",
}


@injects("secrets-track", quick=True)
@pytest.mark.parametrize("kind", ADDRESSES)
def test_an_address_that_fails_is_shown_without_its_password(kind: str, finished: Path, run_inside: Run) -> None:
    done = run_inside("track", finished, "--tracking-uri", ADDRESSES[kind])
    assert done.returncode in (1, 2), done.stdout
    assert_no_traceback(done)
    told = done.stdout + done.stderr
    assert told.strip()
    assert not [secret for secret in SECRETS if secret in told], told
    assert not files_with(SECRETS, finished)
