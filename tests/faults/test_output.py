"""The output folder: full, read-only, removed, and left as it was by commands that are refused."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Run, read_summary
from tests.faults.harness import (
    EVALUATE,
    SEARCH,
    SLOW_SEARCH,
    Start,
    assert_equal,
    assert_no_traceback,
    assert_told,
    broken_off,
    plan_of,
    refusal,
    remount,
    small_disk,
    uids,
    wait_until,
)
from tests.faults.table import injects
from tests.search.injected_faults import Disturbance, checkpoints, disturbed

Undisturbed = Callable[..., Path]
ENDED = (1, 2)  # some failed, or refused: both are the user's to mend
REFUSALS = {
    "network": ("--network", "gru"),
    "set": ("--set", "hidden_size=two"),
    "data": ("--data", "/nowhere/at/all"),
    "gpu": ("--gpus-per-trial", 64),
    "cpus": ("--cpus-per-trial", 64),
    "people": ("--folds", 7),
    "length": ("--set", "sequence_length=5000"),
    "tracking": ("--tracking-uri", "ftp://nowhere"),
}


@injects("output-refused-leaves-nothing", quick=True)
@pytest.mark.parametrize("kind", REFUSALS)
def test_a_refused_command_leaves_no_folder(kind: str, small_corpus: Path, run_inside: Run, tmp_path: Path) -> None:
    words = [word for word in SEARCH if word not in ("sequence_length=50",)] if kind == "length" else [*SEARCH]
    output = tmp_path / "new" / "run"
    done = run_inside(*words, "--data", small_corpus, *REFUSALS[kind], "--output", output)
    assert done.returncode == 2, done.stderr
    assert_no_traceback(done)
    assert list(tmp_path.iterdir()) == []
    output.mkdir(parents=True)
    done = run_inside(*words, "--data", small_corpus, *REFUSALS[kind], "--output", output)
    assert done.returncode == 2, done.stderr
    assert list(output.iterdir()) == [], "the user's own empty folder stays as it was"


@injects("output-disk-full")
def test_a_full_disk(finished: Path, small_corpus: Path, run_inside: Run, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=100k") as disk:
        output = disk / "run"
        done = run_inside(*SEARCH, "--data", small_corpus, "--output", output)
        assert_told(done, str(output), "--output", codes=ENDED)
        assert (output / "plan.json").is_file()
        remount(disk, "size=100m")
        done = run_inside("tune", "--resume", output)
        assert done.returncode == 0, done.stderr
        assert_equal(output, finished)


@injects("output-full-of-figures")
def test_a_disk_that_is_full_before_the_figures(
    finished: Path, small_corpus: Path, run_inside: Run, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk", "size=600k") as disk:
        output = disk / "run"
        done = run_inside(*SEARCH, "--data", small_corpus, "--output", output)
        assert_told(done, str(output), "--output", codes=(1,))
        assert "figures not written: OSError: " in done.stdout
        assert not (output / "figures").exists(), "some figures without the others"
        assert read_summary(output)["status"] == "finished"
        remount(disk, "size=100m")
        done = run_inside("tune", "--resume", output)
        assert done.returncode == 0, done.stderr
        assert_equal(output, finished)
        drawn = {file.name for file in (finished / "figures").iterdir()}
        assert {file.name for file in (output / "figures").iterdir()} == drawn


@injects("output-no-inodes")
def test_no_inode_left(finished: Path, small_corpus: Path, run_inside: Run, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=100m,nr_inodes=24") as disk:
        output = disk / "run"
        done = run_inside(*SEARCH, "--data", small_corpus, "--output", output)
        assert_told(done, str(output), "--output", codes=ENDED)
        assert (output / "plan.json").is_file()
        remount(disk, "nr_inodes=10000")
        done = run_inside("tune", "--resume", output)
        assert done.returncode == 0, done.stderr
        assert_equal(output, finished)


@injects("output-read-only", quick=True)
def test_a_read_only_output(small_corpus: Path, run_inside: Run, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=1m,ro") as disk:
        line = refusal(run_inside(*SEARCH, "--data", small_corpus, "--output", disk / "run"))
        assert "--output" in line
        assert str(disk / "run") in line


@injects("output-name-too-long", quick=True)
def test_a_name_too_long(small_corpus: Path, run_inside: Run, tmp_path: Path) -> None:
    line = refusal(run_inside(*SEARCH, "--data", small_corpus, "--output", tmp_path / ("x" * 300)))
    assert "--output" in line
    assert list(tmp_path.iterdir()) == []


def assert_whole_or_said(done: Any, output: Path, undisturbed: Path, *, lost: str = "plan.json") -> None:
    """It went on with all that was asked for, plan included, and said what was lost; or it ended with a line."""
    assert_told(done, str(output), codes=(0, *ENDED))
    if done.returncode == 0:
        assert_told(done, str(output / lost), codes=(0,))
        assert plan_of(output)["trials"] == plan_of(undisturbed)["trials"]
        assert_equal(output, undisturbed)
        assert "missing" not in done.stdout
    for line in (*done.stdout.splitlines(), *done.stderr.splitlines()):
        assert "nothing is lost" not in line or (output / "plan.json").is_file(), line
        assert "--resume" not in line or (output / "plan.json").is_file(), line


@injects("output-removed-midrun")
def test_the_output_removed_in_mid_run(
    undisturbed: Undisturbed, small_corpus: Path, run_inside: Run, tmp_path: Path
) -> None:
    output, slow = tmp_path / "run", undisturbed("slow", *SLOW_SEARCH, "--data", small_corpus)

    def harm(run: Disturbance) -> None:
        run.wait_until(lambda: checkpoints(output))
        remove(output)

    with disturbed(harm):
        done = run_inside(*SLOW_SEARCH, "--data", small_corpus, "--output", output)
    assert_whole_or_said(done, output, slow)


def remove(folder: Path) -> None:
    for _ in range(3):  # what was written meanwhile
        shutil.rmtree(folder, ignore_errors=True)


@injects("output-removed-at-start")
@pytest.mark.parametrize("there", ["plan.json", ".lock", "trials"])
def test_the_output_removed_while_the_run_starts(
    there: str, undisturbed: Undisturbed, few_people: Path, start: Start, tmp_path: Path
) -> None:
    words = (*EVALUATE, "--epochs", 60, "--data", few_people)
    output, whole = tmp_path / "run", undisturbed("evaluation", *words)
    command = start(*words, "--output", output)
    wait_until((output / there).exists, alive=command)
    remove(output)
    # With its lock the folder goes before it has a plan: nothing of the run is lost.
    assert_whole_or_said(command.ended(), output, whole, lost="" if there == ".lock" else "plan.json")


@injects("trial-folder-read-only")
def test_a_trials_folder_that_cannot_be_written(finished: Path, run_inside: Run, tmp_path: Path) -> None:
    output, (best, other) = tmp_path / "run", uids(finished)
    broken_off(finished, output)
    shutil.rmtree(output / "trials" / best)
    before = (output / "trials" / other / "result.json").read_bytes()
    with small_disk(output / "trials" / best, "size=1m,ro"):
        done = run_inside("tune", "--resume", output)
        assert_told(done, str(output / "trials" / best), "Read-only file system", "--output", codes=ENDED)
        summary = read_summary(output)
        assert summary["trials"]["finished"] == 1
        assert summary["best"]["uid"] == other
    assert (output / "trials" / other / "result.json").read_bytes() == before
    done = run_inside("tune", "--resume", output)
    assert done.returncode == 0, done.stderr
    assert_equal(output, finished)
