"""Settings of a local Ray: its own temporary folder and token, the loopback address, and a mark of the session.

Must be applied before Ray is imported; this module does not import it.
"""

import contextlib
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from orchestrator.errors import InputError
from orchestrator.files import acquire, locked

# The name of a Unix socket has at most 107 bytes, of which Ray's own folders below its temporary one take up to 66.
LONGEST_TEMPORARY = 40
PREFIX = "affect-ray-"
RAYS_PART = "r"  # below ours, which only its owner can enter: Ray opens its own folder to everybody
OWNER_FILE = "owner"
STALE_SECONDS = 3600.0  # ours: longer than anything of a driver that was killed outlives it
MARK = "AFFECT_RAY_SESSION"  # in the environment of every process of a session

# The name is Ray's, the effect is what counts: with 0 a node's own address is 127.0.0.1, on Linux as well. Never for a
# cluster of several nodes.
LOOPBACK = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """Make a folder that only its owner can enter and whose name is short enough; gone at the end."""
    base = _base()
    _sweep(base)
    try:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))
        owner = acquire(folder / OWNER_FILE, wait_seconds=0)
    except OSError as error:
        raise _unusable(f"{base}: {error.strerror or error}") from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        owner.release()


def _base() -> Path:
    """Return the first of the usual places whose name is short and plain enough and that can be written."""
    given = os.environ.get("RAY_TMPDIR")
    places = [*([given] if given else []), tempfile.gettempdir(), "/tmp", "/var/tmp"]
    room = LONGEST_TEMPORARY - len(f"/{PREFIX}12345678/{RAYS_PART}")  # the figures for mkdtemp's own letters
    for place in places:
        # Ray takes names of ASCII alone.
        if place.isascii() and len(place) <= room and os.access(place, os.W_OK | os.X_OK):
            return Path(place)
    raise _unusable(", ".join(dict.fromkeys(places)))


def _unusable(found: str) -> InputError:
    expected = f"a temporary folder for Ray that can be written, of at most {LONGEST_TEMPORARY} ASCII letters"
    return InputError.of("TMPDIR", found=found, expected=expected)


def _sweep(base: Path) -> None:
    """Remove what drivers of this user left that were killed."""
    for folder in base.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            about = folder.lstat()
            if about.st_uid != os.getuid() or time.time() - about.st_mtime < STALE_SECONDS:
                continue
            if (folder / OWNER_FILE).is_file():
                with locked(folder / OWNER_FILE, wait_seconds=0):
                    shutil.rmtree(folder, ignore_errors=True)


def token() -> dict[str, str]:
    """Return the environment of a Ray with a token of its own, that lies in no file; a user's own choice is left."""
    given = os.environ.get("RAY_AUTH_TOKEN") or os.environ.get("RAY_AUTH_TOKEN_PATH")
    if given or os.environ.get("RAY_AUTH_MODE", "token") != "token":
        return {}
    return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}


@contextlib.contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables for this process and those it starts; afterwards they are as they were."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
