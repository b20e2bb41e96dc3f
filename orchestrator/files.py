"""Writing files so that a reader never sees half of one."""

import hashlib
import json
import math
import os
import re
import secrets
import stat
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from orchestrator.errors import InputError

JsonObject = dict[str, Any]  # as a file holds it, before its types are known
LOCK_POLL_SECONDS = 0.05  # ours: between two looks at a lock that somebody else holds
PARTIAL = ".partial"
NAME_BYTES = 200  # of a file's name that its temporary neighbour repeats: most systems allow 255 in all


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield the path of an empty file beside `path`, to be written; then flush it to the disk and rename it to `path`.

    A kill leaves the old file or the new one, a failure nothing. A new file has the permissions that the umask
    allows, whatever wrote it (safetensors makes files of mode 0600); a replaced file's stay as they were. OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = beside(path, PARTIAL)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        try:
            mode = _mode_of(path) or stat.S_IMODE(os.fstat(descriptor).st_mode)
        finally:
            os.close(descriptor)
        yield partial
        _to_disk(partial, mode)
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def acquire(path: Path, *, wait_seconds: float) -> FileLock:
    """Acquire an exclusive lock on a file (made if it is not there); the system drops it if its holder dies.

    It holds between processes, and between threads of one. TimeoutError, an OSError, if another holder keeps it for
    `wait_seconds` (below 0: waits without an end).
    """
    lock = FileLock(path, timeout=wait_seconds, poll_interval=LOCK_POLL_SECONDS, thread_local=False)
    try:
        lock.acquire()
    except Timeout as error:
        raise TimeoutError(f"{path} is held by another process") from error
    return lock


@contextmanager
def locked(path: Path, *, wait_seconds: float = -1) -> Iterator[FileLock]:
    """Hold the lock of `acquire` as long as the block, or until it is released."""
    lock = acquire(path, wait_seconds=wait_seconds)
    try:
        yield lock
    finally:
        lock.release()


def beside(path: Path, suffix: str) -> Path:
    """Return a hidden name in the path's folder that nobody else has, short enough if the path's own is."""
    name = path.name.encode()[:NAME_BYTES].decode(errors="ignore")
    return path.with_name(f".{name}.{secrets.token_hex(6)}{suffix}")


def remove_partials(folder: Path, but: Collection[str] = ()) -> None:
    """Remove what `atomic` left below the folder in processes that were killed.

    Nobody may be writing there, but for files of the names `but`.
    """
    for file in folder.rglob(f".*{PARTIAL}"):
        written = any(file.name.startswith(f".{name}.") for name in but)
        if not written and re.fullmatch(rf"\..+\.[0-9a-f]{{12}}{re.escape(PARTIAL)}", file.name):
            file.unlink(missing_ok=True)


def _mode_of(path: Path) -> int | None:
    """Return the permissions of a file that is to be replaced, or None."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    return stat.S_IMODE(found.st_mode) if stat.S_ISREG(found.st_mode) else None


def _to_disk(path: Path, mode: int) -> None:
    descriptor = os.open(path, os.O_RDONLY)  # opened again: what wrote it may have put another file in its place
    try:
        if stat.S_IMODE(os.fstat(descriptor).st_mode) != mode:
            os.fchmod(descriptor, mode)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """Write the text to a file beside the target and rename it; a kill leaves the old file or the new one."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write the bytes as `write_text` does a text."""
    with atomic(path) as partial:
        partial.write_bytes(content)


def json_text(value: Any) -> str:
    """Return JSON as all our files have it; a NaN or an infinity is a fault of ours and raises ValueError."""
    return json.dumps(value, indent=1, allow_nan=False) + "\n"


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically; ValueError as `json_text`."""
    write_text(path, json_text(value))


def read_json(path: Path, *, at_most: int | None = None) -> JsonObject:
    """Read a JSON object of `at_most` so many bytes (None: any); InputError names the file and the line of a fault."""
    try:
        if at_most is not None and (size := path.stat().st_size) > at_most:
            raise InputError.of(str(path), found=f"{size:,} bytes", expected=f"at most {at_most:,}")
        content = path.read_bytes()
    except OSError as error:
        raise InputError.of(str(path), found=error.strerror or str(error), expected="a readable file") from error
    return parse_json(content, path)


def parse_json(content: bytes, path: Path) -> JsonObject:
    """Return the JSON object in a file's bytes; InputError names the file and the line of a fault."""
    try:
        value = json.loads(content.decode(), parse_constant=_refuse_constant, parse_float=_finite)
    except json.JSONDecodeError as error:
        raise InputError.of(f"{path}:{error.lineno}", found=error.msg, expected="JSON") from error
    except UnicodeDecodeError as error:
        raise InputError.of(str(path), found="bytes that are no text", expected="JSON") from error
    except ValueError as error:  # NaN, an infinity, or a number of thousands of digits
        raise InputError.of(str(path), found=str(error).partition(";")[0], expected="JSON, finite numbers") from error
    except RecursionError:
        found, expected = "lists or objects inside each other, too deep to read", "JSON as this project writes it"
        raise InputError.of(str(path), found=found, expected=expected) from None
    if not isinstance(value, dict):
        raise InputError.of(str(path), found=f"a JSON {type(value).__name__}", expected="a JSON object")
    return value


def _refuse_constant(text: str) -> Any:
    raise ValueError(text)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):  # 1e999, for one
        raise ValueError(text)
    return number


def sha256_of(path: Path) -> str:
    """Hash a file's bytes, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
