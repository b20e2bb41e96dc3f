"""The user's cache: where it is, and how one process at a time writes an entry of it."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from platformdirs import user_cache_dir

CACHE_VARIABLE = "AFFECT_ORCHESTRATOR_CACHE"


def cache_folder() -> Path:
    """Give the folder that AFFECT_ORCHESTRATOR_CACHE names, else the system's place for caches; it may not exist."""
    return Path(os.environ.get(CACHE_VARIABLE) or user_cache_dir("affect-orchestrator"))


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock between processes and threads; the system lets it go when its holder dies, however it dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def remove(path: Path) -> None:
    """Remove a file or a folder with all it holds; nothing there is fine."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
