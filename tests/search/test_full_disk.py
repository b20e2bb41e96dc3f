"""A disk that is really full in mid-run: nobody's fault, nothing is lost, and it goes on once there is room."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.process import exit_codes
from orchestrator.run_folder import FAILURE_FILE
from orchestrator.search.endings import folder_of, unwritable
from tests.conftest import LEFT_OPEN, Run, read_summary

pytestmark = [pytest.mark.usefixtures("only_trials"), *LEFT_OPEN]
TUNE = (
    *("tune", "--method", "au", "--preset", "demo", "--network", "bigru", "--folds", 2, "--epochs", 3),
    *("--set", "hidden_size=8,32", "--set", "sequence_length=50", "--checkpoint-seconds", 0, "--no-log-model"),
    *("--cpus-per-trial", 2),
)
EQUAL = ("leaderboard.csv", "predictions.parquet", "model/model.safetensors")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with room for little."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", folder], check=False, capture_output=True
    )
    if done.returncode:
        pytest.skip("only root can make a small disk")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_ends_the_search_and_it_goes_on_once_there_is_room(
    small_corpus: Path, run_here: Run, run_inside: Run, small_disk: Path, tmp_path: Path
) -> None:
    undisturbed, output = tmp_path / "undisturbed", tmp_path / "run"
    assert run_here(*TUNE, "--data", small_corpus, "--output", undisturbed).returncode == 0
    done = run_inside(*TUNE, "--data", small_corpus, "--output", output, "--storage", small_disk)
    assert done.returncode == exit_codes.SOME_FAILED, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert line.startswith(f"error: --storage: found {small_disk}/"), line
    assert f"{os.strerror(28)}; expected room" in line
    assert f"continue with  python -m orchestrator tune --resume {output}" in done.stderr
    assert "FAILED" not in done.stderr
    assert not [*output.glob(f"trials/*/{FAILURE_FILE}")]
    assert len([*output.glob("trials/*")]) == 1, "the second configuration would have failed likewise"
    assert read_summary(output)["status"] == "interrupted"
    subprocess.run(["mount", "-o", "remount,size=50m", small_disk], check=True)
    again = run_inside("tune", "--resume", output)
    assert again.returncode == 0, again.stderr
    for name in EQUAL:
        assert (output / name).read_bytes() == (undisturbed / name).read_bytes(), name


def test_a_full_disk_is_known_by_its_number_also_in_what_libraries_and_processes_say(tmp_path: Path) -> None:
    """What safetensors, Tune (the text of a traceback) and Python say, as it was written down."""
    full = OSError(28, "No space left on device", str(tmp_path / "file"))
    assert unwritable(full) == "No space left on device"
    assert folder_of(full, "/") == tmp_path
    text = f"Traceback\nOSError: [Errno 122] Disk quota exceeded: '{tmp_path}/file'"
    assert unwritable(RuntimeError(text)) == "Disk quota exceeded"
    assert folder_of(text, "/") == tmp_path
    assert unwritable('SafetensorError: I/O error: No space left on device (os error 28)"') is not None
    assert folder_of("(os error 28)", "/usr") == Path("/usr")
    wrapped = ValueError("a round")
    wrapped.__cause__ = full
    assert unwritable(wrapped) is not None
    assert unwritable(FileNotFoundError(2, "No such file", "a")) is None
    assert unwritable("28 clients failed") is None
