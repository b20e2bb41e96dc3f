"""Privacy-preserving affect recognition: `tune`, `evaluate`, `compare`, `load_run`, `open_corpus`."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrator.api import Corpus, Run, compare, evaluate, load_run, open_corpus, tune
    from orchestrator.errors import InputError

__all__ = ["Corpus", "InputError", "Run", "__version__", "compare", "evaluate", "load_run", "open_corpus", "tune"]


def __dir__() -> list[str]:
    """List the names that are meant to be used."""
    return list(__all__)


def __getattr__(name: str) -> Any:
    """Import what is asked for at the first use: importing the package itself takes no time."""
    if name == "__version__":
        from importlib.metadata import version

        return version("affect-orchestrator")
    if name == "InputError":
        from orchestrator.errors import InputError

        return InputError
    if name in __all__:
        from orchestrator import api

        return getattr(api, name)
    raise AttributeError(f"module 'orchestrator' has no attribute {name!r}")
