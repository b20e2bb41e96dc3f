"""The user's cache: where it is, how one process at a time writes an entry of it, and how damage is noticed.

A file that is trusted because it is there has its checksum beside it (`<name>.sha256`), with what it is of: a damaged,
truncated or foreign one is not taken, and whoever can make it anew does so.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from platformdirs import user_cache_dir

from orchestrator.errors import InputError
from orchestrator.files import write_bytes, write_text

CACHE_VARIABLE = "AFFECT_ORCHESTRATOR_CACHE"
PRIVATE = 0o700  # it holds faces and what was computed of them


def cache_folder() -> Path:
    """Return the folder that AFFECT_ORCHESTRATOR_CACHE names, else the system's place for caches; it may not exist."""
    return Path(os.environ.get(CACHE_VARIABLE) or user_cache_dir("affect-orchestrator"))


@contextmanager
def written_to(folder: Path) -> Iterator[None]:
    """Make the cache's folder, private, if it is not there; turn what it cannot take into an InputError."""
    try:
        if not folder.is_dir():
            folder.parent.mkdir(parents=True, exist_ok=True)
            folder.mkdir(mode=PRIVATE, exist_ok=True)
        yield
    except OSError as error:
        found = f"{folder}: {error.strerror or error}"
        expected = "a folder of the cache that can be written and has room"
        raise InputError.of(CACHE_VARIABLE, found=found, expected=expected) from error


def remove(path: Path) -> None:
    """Remove a file or a folder with all it holds; nothing there is fine."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_checked(path: Path, content: bytes, identity: str) -> None:
    """Write a file, and next to it the checksum of its bytes with `identity`, which names its content. OSError."""
    _checksum_path(path).unlink(missing_ok=True)
    write_bytes(path, content)
    write_text(_checksum_path(path), json.dumps({"sha256": digest_of(content), "of": identity}) + "\n")


def read_checked(path: Path, identity: str) -> bytes | None:
    """Read a file of `write_checked`; None if it is not there, not whole, or of something else."""
    try:
        content = path.read_bytes()
        stated = json.loads(_checksum_path(path).read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return content if stated == {"sha256": digest_of(content), "of": identity} else None


def digest_of(content: bytes) -> str:
    """Hash bytes, as 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def _checksum_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")
