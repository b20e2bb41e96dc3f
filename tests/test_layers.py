"""The walls of the house: who may import whom."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OURS = ("orchestrator", "fed", "models", "tune_spaces", "tests")

# Package -> our packages it may import.
MAY_IMPORT = {
    "orchestrator": {"orchestrator", "fed", "models", "tune_spaces"},
    "fed": {"fed", "models"},
    "models": {"models"},
    "tune_spaces": {"tune_spaces"},
}
# Third-party library -> the files that may import it.
ONLY_IN = {
    "mlflow": {"orchestrator/tracking.py", "orchestrator/tracking_models.py"},
    "ray": {"orchestrator/cluster.py", "orchestrator/tuning.py", "orchestrator/watching.py", "fed/actors.py"},
    "pandas": "orchestrator/corpora/",
    "av": "orchestrator/corpora/",
}
# Start at once: these, and all that they import at module level, never reach torch, ray or mlflow.
QUICK = (
    "orchestrator.cli",
    "orchestrator.plan",
    "orchestrator.report.making",
    "orchestrator.results",
    "orchestrator.trial_files",
)
HEAVY = {"torch", "ray", "mlflow", "pandas", "torchvision", "sklearn", "scipy"}

FILES = sorted(file for package in MAY_IMPORT for file in (ROOT / package).rglob("*.py"))


def imports_of(file: Path, *, module_level_only: bool = False) -> set[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    nodes = tree.body if module_level_only else list(ast.walk(tree))
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            found |= {str(node.module)} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_there_is_something_to_check() -> None:
    assert len(FILES) > 20


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_walls(file: Path) -> None:
    name = str(file.relative_to(ROOT))
    roots = {imported.split(".")[0] for imported in imports_of(file)}
    package = name.split("/", maxsplit=1)[0]
    assert roots & set(OURS) <= MAY_IMPORT[package], name
    for library, allowed in ONLY_IN.items():
        if library in roots:
            assert name in allowed if isinstance(allowed, set) else name.startswith(allowed), f"{name}: {library}"
    if package == "tune_spaces":
        assert roots <= {"collections", "dataclasses", "importlib", "pathlib", "tune_spaces"}, name


@pytest.mark.parametrize("module", QUICK)
def test_quick_modules_import_nothing_heavy(module: str) -> None:
    waiting, seen = [module], set()
    while waiting:
        name = waiting.pop()
        file = ROOT / (name.replace(".", "/") + ".py")
        if name in seen or not file.is_file():
            continue
        seen.add(name)
        imported = imports_of(file, module_level_only=True)
        assert not {one.split(".")[0] for one in imported} & HEAVY, f"{module} imports {name}"
        waiting += imported
    assert module in seen


def test_no_python_in_the_mlflow_folder() -> None:
    assert (ROOT / "mlflow").is_dir()
    assert not list((ROOT / "mlflow").rglob("*.py"))


def test_files_stay_small() -> None:
    longest = {file: len(file.read_text(encoding="utf-8").splitlines()) for file in FILES}
    assert not {str(file): lines for file, lines in longest.items() if lines > 400}
