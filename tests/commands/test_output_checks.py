"""No command writes over what it reads, and over anything else only with --force; new files follow the umask."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from orchestrator.errors import InputError
from orchestrator.files import atomic, write_json
from orchestrator.output_checks import check_output, check_output_folder
from tests.conftest import ROOT, Run
from tests.corpora.writers import three_people, write_table
from tests.inference.test_fuse import write_run

LONG = "x" * 300


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A folder with a file, in a folder; and links to both beside it."""
    inner = tmp_path / "corpus" / "features"
    inner.mkdir(parents=True)
    (inner / "a.csv").write_text("recorded")
    (tmp_path / "hard.csv").hardlink_to(inner / "a.csv")
    (tmp_path / "soft.csv").symlink_to(inner / "a.csv")
    (tmp_path / "door").symlink_to(tmp_path / "corpus")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "b.csv").write_text("recorded elsewhere")
    (tmp_path / "corpus" / "linked").symlink_to(tmp_path / "outside")
    return tmp_path / "corpus"


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize(
    "output",
    [
        *("corpus/features/a.csv", "corpus/../corpus/features/a.csv", "hard.csv", "soft.csv", "door/features/a.csv"),
        *("corpus/new.csv", "corpus/new/deep/p.csv", "door/new.csv", "corpus/features/../new.csv"),
        *("outside/b.csv", "outside/new.csv", "corpus/linked/new.csv"),
    ],
)
def test_what_is_read_or_lies_with_it_is_never_written(output: str, corpus: Path, force: bool, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--output: found .*(itself|which lies in --input)"):
        check_output("--output", tmp_path / output, inputs={"--input": corpus}, force=force)
    with pytest.raises(InputError, match=r"--output"):
        check_output_folder("--output", tmp_path / output, inputs={"--input": corpus})


@pytest.mark.parametrize("spelling", ["a.csv", "./a.csv", "../here/a.csv", "hard.csv", "soft.csv"])
def test_a_file_is_the_same_file_by_any_name(spelling: str, tmp_path: Path) -> None:
    here = tmp_path / "here"
    here.mkdir()
    (here / "a.csv").write_text("recorded")
    (here / "hard.csv").hardlink_to(here / "a.csv")
    (here / "soft.csv").symlink_to("a.csv")
    with pytest.raises(InputError, match="which is --input itself"):
        check_output("--output", here / spelling, inputs={"--input": here / "a.csv"}, force=True)
    check_output("--output", here / "new.csv", inputs={"--input": here / "a.csv"})


def test_other_files_are_replaced_by_force_only_and_what_is_no_file_never(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "old.csv").write_text("old")
    with pytest.raises(InputError, match="--force to replace it"):
        check_output("--output", tmp_path / "old.csv", inputs={"--input": corpus})
    check_output("--output", tmp_path / "old.csv", inputs={"--input": corpus}, force=True)
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "lost.csv").symlink_to(tmp_path / "nowhere")
    for name, message in (
        ("pipe.csv", "no plain file"),
        ("/dev/null", "no plain file"),
        ("outside/..", "is a folder"),
        ("lost.csv", "a link to nothing"),
        (LONG, "File name too long"),
        (f"{LONG}/p.csv", "File name too long"),
        ("/dev/null/x.csv", "Not a directory"),
        ("old.csv/x.csv", "Not a directory"),
    ):
        with pytest.raises(InputError, match=message):
            check_output("--output", tmp_path / name, inputs={}, force=True)


def test_a_folder_that_holds_an_input_is_no_output_folder(corpus: Path, tmp_path: Path) -> None:
    for path in (tmp_path, corpus, corpus / "features"):
        with pytest.raises(InputError, match="--output"):
            check_output_folder("--output", path, inputs={"RUN": corpus / "features" / "a.csv"})
    check_output_folder("--output", tmp_path / "new" / "folder", inputs={"RUN": corpus})
    with pytest.raises(InputError, match="is a file"):
        check_output_folder("--output", tmp_path / "hard.csv", inputs={})


def test_commands_refuse_before_they_read(small_corpus: Path, run_here: Run, tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "card.json").write_text("not read")
    recorded = tmp_path / "in.csv"
    recorded.write_text("not read")
    parquet = tmp_path / "in.parquet"
    parquet.write_text("not read")
    run = tmp_path / "run"
    run.mkdir()
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    predict = ("predict", "--model", model, "--input", recorded, "--output")
    commands: list[tuple[object, ...]] = [
        (*predict, recorded),
        (*predict, recorded, "--force"),
        (*predict, model / "p.csv"),
        (*predict, tmp_path / f"{LONG}.csv"),
        (*predict, "/dev/null/x.csv"),
        (*predict, tmp_path / "p.csv", "--plot", model / "p.svg"),
        ("export", "--model", model, "--format", "pt2", "--output", model / "m.pt2"),
        ("export", "--model", model, "--format", "pt2", "--output", recorded / "m.pt2"),
        ("benchmark", "inference", "--model", model, "--output", model / "card.json", "--force"),
        ("data", "convert", parquet, "--output", parquet, "--force"),
        ("data", "convert", small_corpus, "--output", small_corpus / "new.parquet"),
        ("data", "convert", small_corpus, "--output", parquet),
        ("data", "convert", small_corpus, "--output", tmp_path / f"{LONG}.parquet"),
        ("data", "extract", small_corpus, "--output", small_corpus),
        ("data", "synthesize", "--output", recorded / "x"),
        ("data", "synthesize", "--output", tmp_path / LONG),
        ("fuse", run, recorded, "--output", run),
        ("fuse", run, recorded, "--output", tmp_path),
        ("fuse", run, recorded, "--output", tmp_path / LONG),
        ("report", "--output", tmp_path / LONG),
        ("report", "--output", recorded / "x"),
        ("report", "--output", tmp_path, "--tracking-uri", f"sqlite:///{recorded}"),
    ]
    for command in commands:
        done = run_here(*command)
        assert done.returncode == 2, (command, done.stdout, done.stderr)
        assert done.stderr.startswith(("error: --output", "error: --plot")), (command, done.stderr)
        assert done.stderr.count("\n") == 1, (command, done.stderr)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_force_replaces_what_was_there(small_corpus: Path, run_here: Run, tmp_path: Path) -> None:
    out = tmp_path / "c.parquet"
    out.write_text("old")
    done = run_here("data", "convert", small_corpus, "--output", out)
    assert done.returncode == 2
    assert "--force" in done.stderr
    assert out.read_text() == "old"
    assert run_here("data", "convert", small_corpus, "--output", out, "--force").returncode == 0
    assert out.read_bytes().startswith(b"PAR1")


def test_two_outputs_of_one_command_are_two_files(small_corpus: Path, run_here: Run, tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("old")
    (tmp_path / "p.svg").hardlink_to(tmp_path / "p.csv")
    (tmp_path / "model").mkdir()
    words = ("--input", small_corpus, "--output", tmp_path / "p.csv", "--plot", tmp_path / "p.svg", "--force")
    done = run_here("predict", "--model", tmp_path / "model", *words)
    assert done.returncode == 2
    assert "--plot: found" in done.stderr
    assert "which is --output itself" in done.stderr


WRITERS = """
import os, sys
from pathlib import Path
os.umask(int(sys.argv[1], 8))
out = Path(sys.argv[2])
import numpy as np, pyarrow as pa, torch
from models import checkpoints
from orchestrator.evaluation import prediction_table
from orchestrator.data.clients import make_clients
from orchestrator.corpora.convert import convert
from orchestrator.corpora.readers import open_corpus
from orchestrator.corpora.synthetic.tree import cached_synthetic, synthesize
from orchestrator.files import write_json
from orchestrator.protocols import DESCRIBED
write_json(out / "made" / "a.json", {})
corpus = open_corpus(synthesize(out / "corpus", participants=2, seconds=2.0))
convert(corpus, out / "c.parquet")
prediction_table.write(out / "p.parquet", [prediction_table.block("a", "", np.zeros(1), 0, {})], synthetic=True)
checkpoints.write(out / "checkpoint", {"a": torch.zeros(2)}, {})
cached_synthetic(participants=1, seconds=1.0)
make_clients(corpus, DESCRIBED, None)
"""


@pytest.mark.parametrize("umask", ["022", "077", "002"])
def test_new_files_follow_the_umask_and_the_cache_is_private(umask: str, tmp_path: Path) -> None:
    out, cache = tmp_path / "out", tmp_path / "deep" / "cache"
    out.mkdir()
    own = {**os.environ, "AFFECT_ORCHESTRATOR_CACHE": str(cache)}
    subprocess.run([sys.executable, "-c", WRITERS, umask, str(out)], check=True, env=own, cwd=ROOT)
    forbidden = int(umask, 8)
    entries = [*out.rglob("*"), *cache.rglob("*")]
    assert len([one for one in entries if one.is_file()]) > 20
    for one in entries:
        allowed = (0o777 if one.is_dir() else 0o666) & ~forbidden
        assert one.stat().st_mode & 0o777 == allowed, (one, oct(one.stat().st_mode))
    assert cache.stat().st_mode & 0o777 == 0o700


def test_nothing_that_exists_gets_other_permissions(tmp_path: Path) -> None:
    (tmp_path / "secret.json").write_text("{}")
    (tmp_path / "secret.json").chmod(0o600)
    write_json(tmp_path / "secret.json", {"a": 1})
    assert (tmp_path / "secret.json").stat().st_mode & 0o777 == 0o600


def test_a_failure_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"a": 1})

    def fail() -> None:
        with atomic(tmp_path / "a.json") as partial:
            partial.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert json.loads((tmp_path / "a.json").read_text()) == {"a": 1}
    assert [one.name for one in tmp_path.iterdir()] == ["a.json"]
    name = "n" * 250  # a temporary name that is longer than its file's would not do
    write_json(tmp_path / name, {})
    assert (tmp_path / name).is_file()


@contextmanager
def small_disk(folder: Path, options: str) -> Iterator[Path]:
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


MAY_MOUNT = os.geteuid() == 0 and shutil.which("mount") is not None


@pytest.mark.skipif(not MAY_MOUNT, reason="mounts a small disk")
@pytest.mark.parametrize("options", ["size=16k", "size=1m,nr_inodes=3"])
def test_a_full_disk_leaves_no_half_of_a_fusion(options: str, tmp_path: Path, run_here: Run) -> None:
    one, two = write_run(tmp_path / "one", 1), write_run(tmp_path / "two", 2)
    with small_disk(tmp_path / "disk", options) as disk:
        done = run_here("fuse", one, two, "--output", disk / "fused")
        assert done.returncode == 2, done.stderr
        assert done.stderr.count("\n") == 1, done.stderr
        assert done.stderr.startswith(f"error: --output: found {disk}/fused: ")
        assert "No space left on device" in done.stderr
        assert [one for one in disk.rglob("*") if one.is_file()] == []


@pytest.mark.skipif(not MAY_MOUNT, reason="mounts a small disk")
def test_a_read_only_disk_is_said_before_anything_is_read(tmp_path: Path, run_here: Run) -> None:
    for name, words in {"export": ("--format", "pt2"), "benchmark": ("inference",)}.items():
        (tmp_path / name).mkdir()
        with small_disk(tmp_path / name / "disk", "size=1m,ro") as disk:
            head = (name, *words) if name == "benchmark" else (name,)
            tail = words if name == "export" else ()
            done = run_here(*head, "--model", tmp_path / "not-read", *tail, "--output", disk / "new" / "m.pt2")
            assert done.returncode == 2
            assert done.stderr == (
                f"error: --output: found {disk}/new/m.pt2: {disk}: Read-only file system; expected a folder that can be"
                " written\n"
            )


@pytest.mark.skipif(not MAY_MOUNT, reason="mounts a small disk")
def test_a_folder_that_is_there_is_written_whatever_is_above_it(tmp_path: Path) -> None:
    with small_disk(tmp_path / "outer", "size=1m") as outer, small_disk(outer / "inner", "size=1m") as inner:
        subprocess.run(["mount", "-o", "remount,ro", outer], check=True)
        check_output_folder("--output", inner, inputs={})
        with pytest.raises(InputError, match="Read-only file system"):
            check_output_folder("--output", outer / "new", inputs={})
        subprocess.run(["mount", "-o", "remount,rw", outer], check=True)


@pytest.mark.skipif(not MAY_MOUNT, reason="mounts a small disk")
def test_a_full_disk_leaves_no_half_of_a_file(tmp_path: Path, run_here: Run) -> None:
    source = write_table(tmp_path / "own.parquet", three_people(num_rows=4000))
    with small_disk(tmp_path / "disk", "size=100k") as disk:
        done = run_here("data", "convert", source, "--output", disk / "c.parquet")
        assert done.returncode == 2
        expected = "No space left on device; expected a file that can be written"
        assert done.stderr == f"error: --output: found {disk}/c.parquet: {expected}\n"
        assert not list(disk.iterdir())
