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


def json_text(value: Any) -> str:
    """Return JSON as all our files have it; a NaN or an infinity is a fault of ours and raises ValueError."""
    return json.dumps(value, indent=1, allow_nan=False) + "\n"


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically; ValueError as `json_text`."""
    write_text(path, json_text(value))


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; InputError names the file and the line of a fault."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError.of(str(path), found=error.strerror or str(error), expected="a readable file") from error
    return parse_json(content, path)


def parse_json(content: bytes, path: Path) -> dict[str, Any]:
    """Return the JSON object in a file's bytes; InputError names the file and the line of a fault."""
    try:
        value = json.loads(content.decode(), parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise InputError.of(f"{path}:{error.lineno}", found=error.msg, expected="JSON") from error
    except UnicodeDecodeError as error:
        raise InputError.of(str(path), found="bytes that are no text", expected="JSON") from error
    except RecursionError as error:
        raise InputError.of(str(path), found="JSON that is nested too deep", expected="a JSON object") from error
    except ValueError as error:
        raise InputError.of(str(path), found=str(error), expected="finite numbers") from error
    if not isinstance(value, dict):
        raise InputError.of(str(path), found=f"a JSON {type(value).__name__}", expected="a JSON object")
    return value


def _refuse_constant(text: str) -> Any:
    raise ValueError(text)


def sha256_of(path: Path) -> str:
    """Hash a file's bytes, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
