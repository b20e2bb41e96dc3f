"""The two commands a newcomer begins with; the virtual environment is there when the tests run."""

import re
import shutil
import subprocess
from pathlib import Path

from tests.conftest import ROOT, read_summary


def test_make_tune_searches_the_embedded_corpus(environment: dict[str, str], tmp_path: Path) -> None:
    """The README's first command, for real; the virtual environment is there when the tests run."""
    assert shutil.which("make"), "make is needed"
    done = subprocess.run(
        ["make", "tune"], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stderr
    (output,) = re.findall(r"^written to (.+)$", done.stdout, flags=re.MULTILINE)
    assert Path(output).parent == ROOT / "runs"
    summary = read_summary(Path(shutil.move(output, tmp_path / "run")))
    lines = done.stdout.splitlines()
    assert any("SYNTHETIC corpus" in line for line in lines[:5])
    assert any("preset demo" in line for line in lines[:5])
    assert summary["trials"]["finished"] == summary["trials"]["planned"] == 12
    # The paper's finding on action units holds for the embedded corpus, and a linear model does not do as well.
    ridge = summary["baseline"]["ridge"]
    assert summary["ccc_valence"] > ridge["ccc_valence"] + 0.05
    assert summary["ccc_arousal"] > ridge["ccc_arousal"] + 0.05


def test_make_test_finds_the_tests(environment: dict[str, str]) -> None:
    """The target itself, told to collect and not to run."""
    told = {**environment, "PYTEST_ADDOPTS": "--collect-only --quiet"}
    done = subprocess.run(
        ["make", "test"], cwd=ROOT, env=told, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    (count,) = re.findall(r"^(\d+)(?:/\d+)? tests collected", done.stdout, flags=re.MULTILINE)
    assert int(count) > 500
    assert "test_make_test_finds_the_tests" in done.stdout
    assert (ROOT / ".venv" / "bin" / "activate").is_file()
