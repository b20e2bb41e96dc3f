"""Functions that a dictionary of plain facts names by `module:name`: read without importing what is heavy."""

import importlib
from typing import Any


def resolve(reference: str) -> Any:
    """Import and return what `module:name` names; ImportError or AttributeError if it is not there."""
    module, _, name = reference.partition(":")
    return getattr(importlib.import_module(module), name)
