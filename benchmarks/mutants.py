"""Mutation testing: each small change of a module must make its tests fail. One process at a time, no Ray is started.

    python -m benchmarks.mutants [--only TEXT] [--sample N] [--list]

Every mutant is loaded in a process that is forked from this one, where the libraries are imported already: the files
stay as they are, and a mutant takes about a second. Exits with 1 where fewer than 90 % of a run's mutants are killed.
"""

import argparse
import ast
import contextlib
import importlib.abc
import importlib.machinery
import os
import random
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
BAR = 0.9
SECONDS = 60  # a mutant that runs for so long hangs, which its tests' users would notice
SEED = 0
EVALUATION = "orchestrator/evaluation"
ESTIMATORS = "orchestrator/estimators"
# Module -> the arguments of pytest that run its tests, fast ones only.
TARGETS: dict[str, tuple[str, ...]] = {
    "models/ccc.py": ("tests/models/test_ccc.py", "tests/test_public_code.py"),
    "orchestrator/evaluation/fold_scores.py": ("tests/evaluation/test_fold_scores.py",),
    "orchestrator/data/folds.py": ("tests/data/test_folds.py", "tests/data/test_groups.py"),
    "orchestrator/corpora/gold_standard.py": ("tests/corpora/test_gold_standard.py", "tests/test_public_code.py"),
    "orchestrator/evaluation/results.py": ("tests/evaluation/test_results.py", "tests/evaluation/test_comparisons.py"),
    "fed/aggregators.py": ("tests/fed/test_aggregators.py",),
    "fed/exact_sums.py": ("tests/fed/test_exact_sums.py",),
    "orchestrator/report/tables/method_comparison.py": ("tests/report/test_comparisons.py",),
    f"{ESTIMATORS}/agreement.py": ("tests/estimators/test_agreement.py",),
    f"{EVALUATION}/baselines.py": ("tests/evaluation/test_baselines.py",),
    f"{ESTIMATORS}/intervals.py": ("tests/estimators/test_intervals.py",),
    f"{ESTIMATORS}/label_variance.py": ("tests/estimators/test_label_variance.py",),
    f"{ESTIMATORS}/paired.py": ("tests/estimators/test_repeats_and_pairs.py",),
    f"{ESTIMATORS}/participants.py": ("tests/estimators/test_participants.py",),
    f"{ESTIMATORS}/repeats.py": ("tests/estimators/test_repeats_and_pairs.py",),
    f"{ESTIMATORS}/selection_correction.py": ("tests/estimators/test_selection_correction.py",),
    f"{ESTIMATORS}/sums.py": ("tests/estimators/test_sums.py",),
    f"{EVALUATION}/windowed.py": ("tests/evaluation/test_baselines.py", "-k", "statistics or described"),
}
IMPORTED = ("-W", "ignore::pytest.PytestAssertRewriteWarning")  # libraries that are here before pytest looks at them
QUIET = ("-x", "-q", "--no-header", "-p", "no:cacheprovider", "-p", "no:xdist", "--hypothesis-seed=0", *IMPORTED)

OPERATORS: dict[type[ast.AST], type[Any]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
NAMES = {"min": "max", "max": "min", "minimum": "maximum", "maximum": "minimum", "any": "all", "all": "any"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One changed place of a module."""

    file: str
    line: int
    change: str
    tree: ast.Module


def mutant_of(file: str, number: int) -> Mutant:
    """Change one operator, constant, condition or name; annotations, docstrings and assertions stay."""
    changed = _parsed(file)
    node = list(_places(changed))[number]
    before = _shown(node)
    _change(node)
    ast.fix_missing_locations(changed)
    return Mutant(file=file, line=getattr(node, "lineno", 0), change=f"{before}  ->  {_shown(node)}", tree=changed)


def _parsed(file: str) -> ast.Module:
    return ast.parse((ROOT / file).read_text(encoding="utf-8"))


def _places(node: ast.AST) -> Iterator[ast.AST]:
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "type_comment", "decorator_list") or isinstance(node, ast.Assert):
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or _is_docstring(child) or _is_alias(child) or _is_check(child):
                continue
            if _is_changeable(child):
                yield child
            yield from _places(child)


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_check(node: ast.AST) -> bool:
    """Tell `strict=True` of zip, which only asserts."""
    return isinstance(node, ast.keyword) and node.arg == "strict"


def _is_alias(node: ast.AST) -> bool:
    """Tell type aliases (`Array = NDArray[np.float64]`, `Fit = Callable[...]`) from values."""
    value = node.value if isinstance(node, ast.Assign) else None
    return isinstance(value, ast.Subscript) and isinstance(value.value, ast.Name) and value.value.id[:1].isupper()


def _is_changeable(node: ast.AST) -> bool:
    if isinstance(node, ast.UnaryOp):
        return isinstance(node.op, ast.Not | ast.USub | ast.Invert)
    if isinstance(node, ast.Constant):
        return isinstance(node.value, bool | int | float)
    if isinstance(node, ast.Name | ast.Attribute):
        return _name(node) in NAMES
    operator = node.ops[0] if isinstance(node, ast.Compare) else getattr(node, "op", None)
    return isinstance(node, ast.If | ast.IfExp) or (
        isinstance(node, ast.BinOp | ast.BoolOp | ast.Compare) and type(operator) in OPERATORS
    )


def _name(node: ast.Name | ast.Attribute) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr


def _change(node: Any) -> None:
    if isinstance(node, ast.BinOp | ast.BoolOp):
        node.op = OPERATORS[type(node.op)]()
    elif isinstance(node, ast.Compare):
        node.ops[0] = OPERATORS[type(node.ops[0])]()
    elif isinstance(node, ast.If | ast.IfExp):
        node.test = ast.UnaryOp(op=ast.Not(), operand=node.test)
    elif isinstance(node, ast.UnaryOp):
        # The node stays one: `not x` becomes `not not x`, `~x` becomes `~~x`, `-x` becomes `+x`.
        if isinstance(node.op, ast.Not):
            node.operand = ast.UnaryOp(op=ast.Not(), operand=node.operand)
        elif isinstance(node.op, ast.Invert):
            node.op, node.operand = ast.Invert(), ast.UnaryOp(op=ast.Invert(), operand=node.operand)
        else:
            node.op = ast.UAdd()
    elif isinstance(node, ast.Constant):
        value: Any = node.value  # a number: nothing else is changeable
        node.value = (not value) if isinstance(value, bool) else value + 1
    elif isinstance(node, ast.Name):
        node.id = NAMES[node.id]
    else:
        node.attr = NAMES[node.attr]


def _shown(node: ast.AST) -> str:
    text = ast.unparse(node.test) if isinstance(node, ast.If | ast.IfExp) else ast.unparse(node)
    return " ".join(text.split())[:90]


class _Loader(importlib.machinery.SourceFileLoader):
    """Loads the mutant in place of the file."""

    mutant: Mutant

    def get_code(self, fullname: str) -> CodeType:
        del fullname
        return compile(self.mutant.tree, str(ROOT / self.mutant.file), "exec")


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, mutant: Mutant) -> None:
        self._mutant, self._name = mutant, mutant.file.removesuffix(".py").replace("/", ".")

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        del path, target
        if fullname != self._name:
            return None
        loader = _Loader(fullname, str(ROOT / self._mutant.file))
        loader.mutant = self._mutant
        return importlib.machinery.ModuleSpec(fullname, loader, origin=str(ROOT / self._mutant.file))


def is_killed(mutant: Mutant | None, arguments: Sequence[str]) -> bool:
    """Run the tests in a forked process; None for the module as it is."""
    child = os.fork()
    if not child:
        _run(mutant, arguments)
    started = time.monotonic()
    while time.monotonic() - started < SECONDS:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status != 0
        time.sleep(0.01)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True


def _run(mutant: Mutant | None, arguments: Sequence[str]) -> None:
    """Never returns: the exit status is pytest's."""
    status = 3
    with contextlib.suppress(BaseException):
        os.setsid()
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nowhere, descriptor)
        if mutant is not None:
            sys.meta_path.insert(0, _Finder(mutant))
        import hypothesis
        import pytest

        # A mutant is dead at the first example that fails: the smallest one is of no interest, and takes minutes.
        phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
        hypothesis.settings.register_profile("mutants", phases=phases, database=None, deadline=None)
        hypothesis.settings.load_profile("mutants")
        status = int(pytest.main([*QUIET, *arguments]))
    os._exit(status)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="modules whose path contains this")
    parser.add_argument("--sample", type=int, help="so many mutants of each module, drawn by a fixed seed")
    parser.add_argument("--list", action="store_true", help="count the mutants and end")
    given = parser.parse_args()
    os.chdir(ROOT)
    import hypothesis
    import numpy
    import pytest
    import ray
    import scipy.stats
    import sklearn.linear_model
    import torch

    import mlflow

    del hypothesis, mlflow, numpy, pytest, ray, scipy, sklearn
    torch.set_num_threads(1)
    killed = total = 0
    for file, arguments in TARGETS.items():
        if given.only not in file:
            continue
        numbers: Sequence[int] = range(len(list(_places(_parsed(file)))))
        if given.list:
            print(f"{file}: {len(numbers)}")
            continue
        if given.sample and given.sample < len(numbers):
            numbers = sorted(random.Random(SEED).sample(numbers, given.sample))
        if is_killed(None, arguments):
            print(f"{file}: its tests fail without any mutant")
            return 1
        survivors = [one for number in numbers if not is_killed(one := mutant_of(file, number), arguments)]
        dead = len(numbers) - len(survivors)
        killed, total = killed + dead, total + len(numbers)
        print(f"{file}: {dead} of {len(numbers)} killed ({dead / max(1, len(numbers)):.0%})", flush=True)
        for mutant in sorted(survivors, key=lambda one: one.line):
            print(f"  {mutant.file}:{mutant.line}: {mutant.change}", flush=True)
    if total:
        print(f"all: {killed} of {total} killed ({killed / total:.1%}); bar {BAR:.0%}")
    return int(bool(total) and killed / total < BAR)


if __name__ == "__main__":
    sys.exit(main())
