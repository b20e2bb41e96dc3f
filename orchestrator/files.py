"""Writing files so that a reader never sees half of one."""

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from orchestrator.errors import InputError


def write_text(path: Path, text: str) -> None:
    """Write the text to a file beside the target and rename it; a kill leaves the old file or the new one."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write the bytes as `write_text` does a text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically; a NaN or an infinity is a fault of ours and raises ValueError."""
    write_text(path, json.dumps(value, indent=1, allow_nan=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; InputError names the file and the line of a fault."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise InputError.of(f"{path}:{error.lineno}", found=error.msg, expected="JSON") from error
    except UnicodeDecodeError as error:
        raise InputError.of(str(path), found="bytes that are no text", expected="JSON") from error
    except OSError as error:
        raise InputError.of(str(path), found=error.strerror or str(error), expected="a readable file") from error
    if not isinstance(value, dict):
        raise InputError.of(str(path), found=f"a JSON {type(value).__name__}", expected="a JSON object")
    return value


def sha256_of(path: Path) -> str:
    """Hash a file's bytes, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def claim_output(path: Path) -> None:
    """Make the output directory, or raise InputError where it cannot be written or holds another run."""
    where = "--output"
    if path.exists() and not path.is_dir():
        raise InputError.of(where, found=f"{path} is a file", expected="a directory")
    if path.is_dir() and any(path.iterdir()):
        raise InputError.of(
            where,
            found=f"{path} is not empty",
            expected="a new directory (a run that was broken off continues with --resume DIR)",
        )
    try:
        path.mkdir(parents=True, exist_ok=True)
        handle, probe = tempfile.mkstemp(dir=path)
        os.close(handle)
        Path(probe).unlink()
    except OSError as error:
        raise InputError.of(
            where, found=f"{path}: {error.strerror or error}", expected="a directory that can be written"
        ) from error
