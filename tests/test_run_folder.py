"""Who has a run's folder: one of several commands, for as long as it lives; who was refused changes nothing."""

import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from orchestrator import run_folder
from orchestrator.errors import InputError
from orchestrator.run_folder import (
    LOCK_FILE,
    PLAN_FILE,
    TRIALS_FOLDER,
    Claim,
    claim_new,
    claim_next,
    claim_run,
    new_folder,
)

CLAIM_AND_WAIT = """
import sys
from pathlib import Path
from orchestrator import run_folder
from orchestrator.errors import InputError
from orchestrator.run_folder import claim_new
sys.stdin.readline()
try:
    claim = claim_new(Path(sys.argv[1]))
except InputError as error:
    print("refused", error, flush=True)
else:
    print("claimed", flush=True)
sys.stdin.readline()
"""


def start(folder: Path) -> "subprocess.Popen[str]":
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", CLAIM_AND_WAIT, str(folder)], stdin=pipe, stdout=pipe, text=True)


def say(process: "subprocess.Popen[str]") -> str:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    return process.stdout.readline()


def leave_by_an_error(claim: Claim) -> None:
    with pytest.raises(KeyError), claim:
        raise KeyError


def test_of_several_processes_at_once_one_has_the_folder(tmp_path: Path) -> None:
    for attempt in range(4):
        folder = tmp_path / f"{attempt}" / "run"
        processes = [start(folder) for _ in range(4)]
        with ThreadPoolExecutor(len(processes)) as pool:
            said = list(pool.map(say, processes))
        assert sorted(line.split()[0] for line in said) == ["claimed", "refused", "refused", "refused"], said
        assert [one.name for one in folder.iterdir()] == [LOCK_FILE]
        for process in processes:
            process.kill()
            process.wait()
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.close()
            process.stdout.close()
        # Its holder was killed before anything was written: the folder is as good as new.
        claim_new(folder).give_back()
        assert list(folder.iterdir()) == []


def test_a_run_that_ended_just_before_the_lock_was_had_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = run_folder._locked

    def after_another_run(path: Path, where: str) -> object:
        (path / PLAN_FILE).write_text("of another run")
        return lock(path, where)

    monkeypatch.setattr(run_folder, "_locked", after_another_run)
    with pytest.raises(InputError, match="is not empty"):
        claim_new(tmp_path / "run")
    monkeypatch.undo()
    assert (tmp_path / "run" / PLAN_FILE).read_text() == "of another run"
    claim_run(tmp_path / "run").give_back()  # the lock is free


def test_a_claim_that_is_given_up_leaves_no_folder_and_nobody_elses_file(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "deep" / "run"
    claim = claim_new(folder)
    (folder / PLAN_FILE).write_text("{}")
    (folder / TRIALS_FOLDER).mkdir()
    leave_by_an_error(claim)
    assert not (tmp_path / "new").exists()
    (tmp_path / "mine").mkdir()
    claim = claim_new(tmp_path / "mine" / "run")
    (tmp_path / "mine" / "run" / "notes.txt").write_text("of the user's")
    leave_by_an_error(claim)
    assert [one.name for one in (tmp_path / "mine" / "run").iterdir()] == ["notes.txt"]


def test_an_empty_folder_of_the_users_stays(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    claim_new(folder).give_back()
    assert list(folder.iterdir()) == []


def test_a_run_that_has_begun_stays(tmp_path: Path) -> None:
    claim = claim_new(tmp_path / "run")
    (tmp_path / "run" / PLAN_FILE).write_text("{}")
    claim.keep()
    leave_by_an_error(claim)
    assert (tmp_path / "run" / PLAN_FILE).is_file()
    with pytest.raises(InputError, match=r"is not empty; expected a new directory .*--resume DIR"):
        claim_new(tmp_path / "run")
    with (
        pytest.raises(InputError, match=r"is not empty; expected a new or an empty directory$"),
        new_folder(tmp_path / "run"),
    ):
        pass  # a report does not go on with --resume
    with claim_run(tmp_path / "run"), pytest.raises(InputError, match="a run that is still going on"):
        claim_run(tmp_path / "run")
    assert (tmp_path / "run" / PLAN_FILE).is_file()


def test_the_next_free_name_is_taken(tmp_path: Path) -> None:
    with (
        claim_next(tmp_path / "run") as one,
        claim_next(tmp_path / "run") as two,
        claim_next(tmp_path / "run") as three,
    ):
        assert [claim.folder.name for claim in (one, two, three)] == ["run", "run-2", "run-3"]


@pytest.mark.parametrize("name", ["x" * 300, "file/run", "file", "dev-null/x"])
def test_a_path_that_cannot_be_is_one_line_and_leaves_nothing(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "dev-null").symlink_to("/dev/null")
    for claim in (claim_new,) if name == "file" else (claim_new, claim_next):
        with pytest.raises(InputError, match=r"^--output: found "):
            claim(tmp_path / name)
    with pytest.raises(InputError):
        claim_run(tmp_path / name)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["dev-null", "file"]


def test_resuming_where_there_is_no_run_leaves_no_lock(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no plan\.json"):
        claim_run(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_written_in_one_go_keeps_no_lock(tmp_path: Path) -> None:
    with new_folder(tmp_path / "report"):
        (tmp_path / "report" / "page.html").write_text("")
        with pytest.raises(InputError):
            claim_new(tmp_path / "report")
    assert [one.name for one in (tmp_path / "report").iterdir()] == ["page.html"]


def test_folders_follow_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with claim_new(tmp_path / "run"):
            assert stat.S_IMODE((tmp_path / "run").stat().st_mode) == 0o750
    finally:
        os.umask(before)


def written_in_part(folder: Path) -> None:
    (folder / "part").mkdir()
    (folder / "part" / "one.csv").touch()
    (folder / "page.html").touch()
    raise OSError("no room")


def test_a_folder_that_is_written_in_one_go_and_fails_leaves_nothing(tmp_path: Path) -> None:
    for there in (False, True):
        folder = tmp_path / f"report-{there}"
        if there:
            folder.mkdir()
        with pytest.raises(OSError, match="no room"), new_folder(folder):
            written_in_part(folder)
        assert folder.exists() is there
        assert not there or list(folder.iterdir()) == [], "a folder that was there stays, empty"
