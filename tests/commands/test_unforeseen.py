"""Ends that nobody foresaw are one line and a log; output that cannot be shown costs no finished work."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.commands import preview
from orchestrator.corpora import manifest
from orchestrator.corpora.synthetic.tree import synthesize
from orchestrator.planning import launch
from orchestrator.process import exit_codes
from tests.conftest import LEFT_OPEN, ROOT, Run

pytestmark = [pytest.mark.usefixtures("no_figures"), *LEFT_OPEN]
POINT = ("--set", "hidden_size=8", "--set", "sequence_length=50", "--set", "num_layers=1", "--folds", 2)


def fault(*_: object, **__: object) -> None:
    raise RuntimeError("of our own making\nwith a second line")


def test_an_unforeseen_error_in_a_run_is_one_line_with_the_runs_log(
    small_corpus: Path, run_here: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("orchestrator.evaluation.summary.build", fault)
    output = tmp_path / "run"
    words = ("tune", "--data", small_corpus, *POINT, "--network", "rnn", "--epochs", 1, "--no-log-model")
    done = run_here(*words, "--output", output)
    assert done.returncode == exit_codes.UNFORESEEN
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert line.startswith("error: tune while writing the results: RuntimeError: of our own making; ")
    assert str(output / "run.log") in line
    assert f"tune --resume {output}" in line
    assert "Traceback" not in done.stdout + done.stderr
    assert "in fault" in (output / "run.log").read_text()
    monkeypatch.undo()
    assert run_here("tune", "--resume", output).returncode == 0


def test_an_unforeseen_error_elsewhere_has_a_log_of_its_own(
    small_corpus: Path, run_here: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(manifest, "manifest_text", fault)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    done = run_here("data", "check", small_corpus)
    assert done.returncode == exit_codes.UNFORESEEN
    (log,) = tmp_path.glob("affect-orchestrator-*.log")
    assert (
        done.stderr
        == f"error: data: RuntimeError: of our own making; a fault of the program, whose traceback is in {log}\n"
    )
    assert "in fault" in log.read_text()


def test_a_new_run_that_fails_before_it_begins_leaves_no_folder(
    small_corpus: Path, run_here: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for place, name in ((launch, "versions"), (preview, "announce")):
        with monkeypatch.context() as patched:
            patched.setattr(place, name, fault)
            patched.setattr("tempfile.tempdir", str(tmp_path))
            done = run_here("tune", "--data", small_corpus, *POINT, "--output", tmp_path / "new" / "run")
        assert done.returncode == exit_codes.UNFORESEEN
        assert not (tmp_path / "new").exists(), name


@pytest.mark.parametrize("kind", ["letters", "full", "closed"])
def test_output_that_cannot_be_shown_fails_nothing(kind: str, tmp_path: Path) -> None:
    code = (
        "from orchestrator.process import terminal; terminal.forgive()\n"
        "import sys, pathlib\n"
        "for _ in range(3000): print('\\u2503 b\\u00e9 \\udcff', flush=True)\n"
        "print('\\u2503', file=sys.stderr)\n"
        "pathlib.Path(sys.argv[1]).write_text('done')\n"
    )
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code, str(tmp_path / "end")]
    if kind == "closed":
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
        assert process.stdout is not None
        process.stdout.close()
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0
    elif kind == "full":
        with Path("/dev/full").open("wb") as full:
            done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, env=environment, check=False)
        assert done.returncode == 0
        errors = done.stderr
    else:
        done = subprocess.run(command, capture_output=True, env=environment, check=False)
        assert done.returncode == 0
        errors = done.stderr
        assert done.stdout.splitlines()[0] == b"\\u2503 b\\xe9 \\udcff"
    assert errors == b"\\u2503\n"
    assert (tmp_path / "end").read_text() == "done"


def test_a_command_whose_reader_left_or_whose_terminal_knows_no_letters_does_its_work(tmp_path: Path) -> None:
    tree = synthesize(tmp_path / "tree", participants=2, seconds=4.0)
    for settings in ({"PYTHONIOENCODING": "ascii"}, {}):
        out = tmp_path / f"out{len(settings)}.parquet"
        command = [sys.executable, "-m", "orchestrator", "data", "convert", str(tree), "--output", str(out)]
        with Path("/dev/full").open("wb") as full:
            environment = {**os.environ, **settings}
            done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, cwd=ROOT, env=environment, check=False)
        assert done.returncode == 0, done.stderr
        assert out.is_file()


@pytest.mark.parametrize(
    "words", [("tune", "--print-config"), ("runs", "list"), ("cache", "list"), ("data", "check", "TREE")]
)
def test_a_command_that_only_prints_fails_if_that_finds_no_room(words: tuple[str, ...], tmp_path: Path) -> None:
    tree = str(synthesize(tmp_path / "tree", participants=2, seconds=4.0)) if "TREE" in words else ""
    command = [sys.executable, "-m", "orchestrator", *(word.replace("TREE", tree) for word in words)]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, cwd=ROOT, check=False)
    assert done.returncode == exit_codes.SOME_FAILED
    assert "error: standard output: found No space left on device; expected " in done.stderr
    assert "Traceback" not in done.stderr
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    process.stdout.close()  # a reader that has seen enough
    _, errors = process.communicate(timeout=120)
    assert (process.returncode, errors) == (0, "")


def test_a_current_folder_that_is_gone_is_a_line(tmp_path: Path) -> None:
    command = 'rmdir "$PWD"; exec "$0" -m orchestrator --help'
    done = subprocess.run(
        ["sh", "-c", command, sys.executable],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == exit_codes.INPUT
    assert done.stderr.splitlines() == [
        "error: the current folder: found one that was removed; expected one that is there (cd)"
    ]
