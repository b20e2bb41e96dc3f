"""The walls between the parts of the code: who may import whom (docs/architecture.md)."""

import ast
import re
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
# The wings of `orchestrator/`, lowest first: each may import those before it and its own. "" is the ground: the files
# beside the wings, of which the last wing's are the command line and the API.
WINGS = (
    "estimators",
    "",
    "tracking",
    "process",
    "corpora",
    "data",
    "planning",
    "evaluation",
    "inference",
    "audit",
    "report",
    "search",
    "commands",
    "cli",
)
ENTRANCES = {"__init__", "__main__", "api", "cli"}
MOST_LINES = 350  # of a file
MOST_FILES = 25  # of a folder, below the next
MOST_FILES_OF_THE_GROUND = 14
# Third-party library -> the files, and the folders with all that is below them, that may import it.
ONLY_IN = {
    "mlflow": {"orchestrator/tracking/"},
    "ray": {"orchestrator/search/", "fed/executors/ray_actors.py", "fed/executors/ray_cluster.py"},
    "pandas": {"orchestrator/corpora/", "orchestrator/api.py"},
    "av": {"orchestrator/corpora/"},
    "cryptography": {"fed/secure_sums/"},
    "torch": {
        "models/",
        "fed/",
        "orchestrator/inference/",
        "orchestrator/audit/",
        "orchestrator/data/backbone_features.py",
        "orchestrator/tracking/models.py",
        "orchestrator/data/backbone.py",
        "orchestrator/search/tune.py",
        "orchestrator/search/worker.py",
    },
}
# Start at once: these, and all that they import at module level, never reach torch, ray or mlflow.
QUICK = (
    "orchestrator.cli",
    "orchestrator.audit.folder",
    "orchestrator.corpora.readers",
    "orchestrator.estimators.agreement",
    "orchestrator.evaluation.baselines",
    "orchestrator.estimators.label_variance",
    "orchestrator.estimators.paired",
    "orchestrator.estimators.selection_correction",
    "orchestrator.planning.plan",
    "orchestrator.report.figures",
    "orchestrator.report.make",
    "orchestrator.evaluation.results",
    "orchestrator.run_records",
    "orchestrator.tracking.records",
    "orchestrator.evaluation.trial_files",
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


def test_the_federations_algorithm_knows_no_executor() -> None:
    files = sorted((ROOT / "fed").glob("*.py"))
    assert len(files) > 10
    assert not [str(file) for file in files if any("fed.executors" in name for name in imports_of(file))]


def wing_of(module: str) -> str:
    """Return the wing of a module of `orchestrator`."""
    name = module.split(".")[1] if "." in module else "__init__"
    if (ROOT / "orchestrator" / name).is_dir():
        return name
    return "cli" if name in ENTRANCES else ""


@pytest.mark.parametrize(
    "file", sorted((ROOT / "orchestrator").rglob("*.py")), ids=lambda file: str(file.relative_to(ROOT))
)
def test_a_wing_imports_only_lower_ones(file: Path) -> None:
    module = ".".join(file.relative_to(ROOT).with_suffix("").parts)
    if module == "orchestrator.__init__":
        return  # hands out the API's names when they are asked for
    height = WINGS.index(wing_of(module))
    ours = {one for one in imports_of(file) if one.startswith("orchestrator.")}
    assert not {one for one in ours if WINGS.index(wing_of(one)) > height}


def test_every_wing_is_in_the_picture() -> None:
    described = re.findall(r"^\| `([a-z_/]+)/` \|", (ROOT / "docs" / "architecture.md").read_text(), re.MULTILINE)
    wings = {f"orchestrator/{wing}" for wing in WINGS if (ROOT / "orchestrator" / wing).is_dir() and wing}
    assert {folder.parent for folder in (ROOT / "orchestrator").glob("*/__init__.py")} == {ROOT / one for one in wings}
    assert set(described) == wings | {
        "models",
        "models/stacks",
        "fed",
        "fed/executors",
        "fed/secure_sums",
        "tune_spaces",
    }


def test_no_folder_is_too_full() -> None:
    folders = {file.parent for file in FILES + sorted((ROOT / "tests").rglob("*.py"))}
    count = {str(folder.relative_to(ROOT)): len(list(folder.glob("*.py"))) for folder in folders}
    assert count.pop("orchestrator") <= MOST_FILES_OF_THE_GROUND
    assert not {folder: files for folder, files in count.items() if files > MOST_FILES}


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
    assert not {str(file): lines for file, lines in longest.items() if lines > MOST_LINES}
