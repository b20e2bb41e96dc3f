"""Runs what Triton's interpreter has to run in a process of its own: Triton decides when it is imported."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


def interpreted(module: str) -> Any:
    """Run a module of tests by the interpreter and return the JSON that it prints; skips if there is no Triton."""
    pytest.importorskip("triton")  # CI has it: tests/test_dependencies.py
    done = subprocess.run(
        [sys.executable, "-m", f"tests.models.{module}"],
        cwd=ROOT,
        env={**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)
