"""The walls of the house: who may import whom."""

import ast
import subprocess
import sys
from collections.abc import Iterator
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
# Third-party library -> the files, and the folders with all that is below them, that may import it.
ONLY_IN = {
    "mlflow": {"orchestrator/tracking/"},
    "ray": {"orchestrator/search/", "fed/executors/ray_actors.py"},
    "pandas": {"orchestrator/corpora/", "orchestrator/api.py"},
    "av": {"orchestrator/corpora/"},
    "torch": {
        "models/",
        "fed/",
        "orchestrator/inference/",
        "orchestrator/frozen.py",
        "orchestrator/preview.py",
        "orchestrator/tracking/models.py",
        "orchestrator/trunk.py",
        "orchestrator/search/tune.py",
        "orchestrator/search/worker.py",
    },
}
# Start at once: these, and all that they import at module level, never reach torch, ray or mlflow.
QUICK = (
    "orchestrator.cli",
    "orchestrator.corpora.opening",
    "orchestrator.evaluation.agreement",
    "orchestrator.evaluation.baselines",
    "orchestrator.evaluation.label_variance",
    "orchestrator.evaluation.paired",
    "orchestrator.evaluation.selection_correction",
    "orchestrator.plan",
    "orchestrator.report.figures",
    "orchestrator.report.making",
    "orchestrator.results",
    "orchestrator.run_records",
    "orchestrator.tracking.records",
    "orchestrator.trial_files",
)
HEAVY = {"torch", "ray", "mlflow", "pandas", "torchvision", "sklearn", "scipy"}

FILES = sorted(file for package in MAY_IMPORT for file in (ROOT / package).rglob("*.py"))
PACKAGES = sorted(".".join(file.parent.relative_to(ROOT).parts) for file in FILES if file.name == "__init__.py")


def run_on_import(node: ast.AST) -> Iterator[ast.AST]:
    """Walk what an import executes: all but the bodies of functions and what only a type checker reads."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            continue
        yield child
        yield from run_on_import(child)


def imports_of(file: Path, *, module_level_only: bool = False) -> set[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    nodes = run_on_import(tree) if module_level_only else ast.walk(tree)
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            found |= {str(node.module)} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def files_of(name: str) -> list[Path]:
    """Return our files that `import name` executes: those of the packages around it, and its own."""
    parts = name.split(".")
    packages = [ROOT.joinpath(*parts[:depth], "__init__.py") for depth in range(1, len(parts) + 1)]
    own = ROOT.joinpath(*parts).with_suffix(".py")
    return [file for file in (*packages, own) if file.is_file()]


def heavy_behind(module: str) -> tuple[set[str], set[Path]]:
    """Return what is heavy behind `import module`, as `file: library`, and all of our files that it executes."""
    waiting, seen, heavy = files_of(module), set[Path](), set[str]()
    while waiting:
        file = waiting.pop()
        if file in seen:
            continue
        seen.add(file)
        imported = imports_of(file, module_level_only=True)
        roots = {name.split(".")[0] for name in imported} & HEAVY
        heavy |= {f"{file.relative_to(ROOT)}: {root}" for root in roots}
        waiting += [other for name in imported if name.split(".")[0] in OURS for other in files_of(name)]
    return heavy, seen


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
            within = {one for one in allowed if one.endswith("/")}
            assert name in allowed or name.startswith(tuple(within)), f"{name}: {library}"
    if package == "tune_spaces":
        assert roots <= {"collections", "dataclasses", "importlib", "math", "pathlib", "tune_spaces"}, name


@pytest.mark.parametrize("module", QUICK)
def test_quick_modules_import_nothing_heavy(module: str) -> None:
    heavy, seen = heavy_behind(module)
    assert set(files_of(module)) <= seen
    assert not heavy


@pytest.mark.parametrize("package", PACKAGES)
def test_a_packages_own_file_imports_nothing_heavy(package: str) -> None:
    """Whoever imports one module of a package runs the package's own file first."""
    assert not heavy_behind(package)[0]


@pytest.mark.parametrize("module", QUICK)
def test_the_files_that_are_followed_are_those_that_python_runs(module: str) -> None:
    """In a fresh process: a file of ours that runs and is not followed could hide what it imports."""
    files = "(getattr(one, '__file__', None) for one in list(sys.modules.values()))"
    code = f"import sys, {module}; print(*{files}, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    ran = {Path(file) for file in done.stdout.splitlines() if file != "None"}
    ours = {file for file in ran if file in FILES}
    assert ours
    assert ours <= heavy_behind(module)[1]


def test_no_python_in_the_mlflow_folder() -> None:
    assert (ROOT / "mlflow").is_dir()
    assert not list((ROOT / "mlflow").rglob("*.py"))


def test_files_stay_small() -> None:
    longest = {file: len(file.read_text(encoding="utf-8").splitlines()) for file in FILES}
    assert not {str(file): lines for file, lines in longest.items() if lines > 400}
