"""Functions with more than six parameters name each of them in their docstring."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
MOST_UNDOCUMENTED = 6


def parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    given = function.args
    names = [one.arg for one in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return [name for name in names if name not in ("self", "cls")]


def unnamed(source: str) -> Iterator[str]:
    for function in ast.walk(ast.parse(source)):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            names, text = parameters(function), ast.get_docstring(function) or ""
            if len(names) > MOST_UNDOCUMENTED:
                yield from (f"{function.name}: {name}" for name in names if name not in text)


def test_every_one_of_many_parameters_is_named() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {one}"
        for folder in ("orchestrator", "models", "fed", "tune_spaces")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for one in unnamed(path.read_text())
    ]
    assert not found


def test_one_that_is_not_named_is_seen() -> None:
    source = 'def many(a1, b2, c3, *, d4, e5, f6, g7):\n    """Return a1, b2, c3, d4, e5, f6."""\n'
    assert list(unnamed(source)) == ["many: g7"]
    assert not list(unnamed(source.replace("f6.", "f6, g7.")))
    assert not list(unnamed("def few(a1, b2, c3, *, d4, e5, f6): ..."))
