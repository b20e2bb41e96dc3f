"""Hints name what can be installed: the package is on no index."""

import importlib.metadata
import re
from pathlib import Path

import pytest

from orchestrator.process import extras
from orchestrator.process.extras import ROOT, install_command, requirements_of


def test_in_the_checkout_the_checkouts_extra_is_named(tmp_path: Path) -> None:
    assert install_command("py-feat", current=ROOT) == "pip install -e '.[py-feat]'"
    assert install_command("py-feat", current=tmp_path) == f"pip install -e '{ROOT}[py-feat]'"


def test_without_a_checkout_the_packages_of_the_extra_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = ["numpy>=2", 'optuna<6,>=4; extra == "optuna"', "onnx>=1.18; extra == 'export'", 'x; extra == "export"']
    monkeypatch.setattr(importlib.metadata, "requires", lambda _: known)
    assert install_command("optuna", root=tmp_path) == "pip install 'optuna<6,>=4'"
    assert install_command("export", root=tmp_path) == "pip install 'onnx>=1.18' 'x'"
    assert requirements_of("unknown") == ["unknown"]


@pytest.mark.parametrize("extra", ["optuna", "py-feat", "faces", "export", "cluster"])
def test_every_extra_is_one_of_the_package(extra: str) -> None:
    text = (ROOT / "pyproject.toml").read_text()
    assert re.search(rf"^{extra} = \[", text, re.MULTILINE)


def test_no_hint_names_a_package_that_is_nowhere() -> None:
    files = [*(ROOT / "orchestrator").rglob("*.py"), *(ROOT / "fed").rglob("*.py"), *(ROOT / "docs").glob("*.md")]
    assert len(files) > 50
    assert not [file.name for file in files if f"{extras.DISTRIBUTION}[" in file.read_text(encoding="utf-8")]
