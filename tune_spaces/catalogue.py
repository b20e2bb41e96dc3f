"""Finding a method by the name of its file."""

import importlib
from pathlib import Path

from tune_spaces.method import Method

NOT_METHODS = {"__init__", "catalogue", "method"}


def method_names() -> tuple[str, ...]:
    """List the methods: the files of this folder, as the command line spells them (`fl_au.py` is `fl-au`)."""
    stems = (file.stem for file in Path(__file__).parent.glob("*.py"))
    return tuple(sorted(stem.replace("_", "-") for stem in stems if stem not in NOT_METHODS))


def find_method(name: str) -> Method:
    """Return the method of that name; an unknown one raises a ValueError that lists the known ones."""
    if name not in method_names():
        raise ValueError(f"{name!r} is no method; known: {', '.join(method_names())}")
    method = importlib.import_module(f"tune_spaces.{name.replace('-', '_')}").METHOD
    assert isinstance(method, Method)
    return method
