"""Whatever a file holds: it is read, or refused with problems of one line; no library's exception, no hang, no flood.

Bounded here; `make fuzz` goes on for `FUZZ_MINUTES`, with other inputs each time, and keeps what it found.
"""

import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from benchmarks.deadlines import deadline
from orchestrator.errors import InputError
from tests.conftest import ROOT
from tests.fuzz import child
from tests.fuzz.child import Fuzzing, HangError
from tests.fuzz.targets import TARGETS, Target

INPUTS = 12  # for each reader, in `make test`
MINUTES = float(os.environ.get("FUZZ_MINUTES", "10"))  # of `make fuzz`, all readers together
KEPT = Path(os.environ.get("FUZZ_KEEP", ROOT / "runs" / "fuzz"))


def fuzzed(keep: Path, *words: object, limit: float) -> list[Mapping[str, Any]]:
    """Run the child process to its end; give its lines."""
    command = [sys.executable, "-m", "tests.fuzz.child", *map(str, words), "--keep", str(keep)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, timeout=limit, capture_output=True, text=True, check=False
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return lines


def test_every_reader_on_some_inputs(tmp_path: Path) -> None:
    lines = fuzzed(tmp_path, "all", "--inputs", INPUTS, limit=300)
    assert [line for line in lines if "found" in line] == []
    assert [line["target"] for line in lines] == list(TARGETS)
    for line in lines:
        assert line["read"] >= 1
        assert line["refused"] >= 1
        assert line["read"] + line["refused"] >= INPUTS


def wrong(error: BaseException) -> Target:
    def read(_: Path) -> None:
        raise error

    return Target(make=lambda _: None, changed="*", read=read)


def too_long(_: Path) -> None:
    while True:
        pass


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (KeyError("x"), "KeyError"),
        (MemoryError(), "MemoryError"),
        (UserWarning("odd"), "UserWarning: odd"),
        (InputError.of("x", found="a" * 3000, expected="b"), "1 problems"),
        (
            InputError(
                [problem for n in range(9) for problem in InputError.of(f"{n}", found="a", expected="b").problems]
            ),
            "9 problems",
        ),
        (AssertionError("times"), "AssertionError: times"),
    ],
)
def test_what_is_wrong_is_found(tmp_path: Path, error: BaseException, words: str) -> None:
    (tmp_path / "keep").mkdir()
    (tmp_path / "input").mkdir()
    fuzzing = Fuzzing("a reader", wrong(error), tmp_path / "keep")
    fuzzing.feed(tmp_path / "input")
    fuzzing.feed(tmp_path / "input")
    (found,) = fuzzing.found
    assert words in found
    assert [one.name for one in (tmp_path / "keep").iterdir()] == ["a-reader-0"]


def test_a_hang_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "DEADLINE_SECONDS", 0.05)
    fuzzing = Fuzzing("a reader", Target(make=lambda _: None, changed="*", read=too_long), tmp_path / "keep")
    (tmp_path / "keep").mkdir()
    (tmp_path / "input").mkdir()
    fuzzing.feed(tmp_path / "input")
    assert fuzzing.found == ["longer than 0.05 s"]


def test_a_deadline_ends_with_what_it_was_for() -> None:
    with deadline(60.0, HangError):
        pass
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's")
def test_memory_is_capped() -> None:
    code = (
        "import sys; sys.argv = ['child', 'none', '--keep', '.']\n"
        "from tests.fuzz import child\n"
        "child.TARGETS['none'] = None\n"
        "child.fuzz = lambda *_, **__: bytearray(4 << 30)\n"
        "child.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode != 0
    assert "MemoryError" in done.stderr


@pytest.mark.fuzz
@pytest.mark.parametrize("name", TARGETS)
def test_every_reader_for_long(name: str) -> None:
    """Inputs are drawn anew each time; the seed is printed with what was found."""
    seed, seconds = secrets.randbelow(2**32), MINUTES * 60 / len(TARGETS)
    keep = KEPT / f"{seed}"
    keep.mkdir(parents=True, exist_ok=True)
    lines = fuzzed(keep, name, "--seconds", seconds, "--seed", seed, limit=2 * seconds + 120)
    print(f"seed {seed}: {lines[-1]['read'] + lines[-1]['refused']} inputs, {lines[-1]['read']} of them read")
    assert [line for line in lines if "found" in line] == [], f"seed {seed}"
    keep.rmdir()
