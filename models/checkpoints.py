"""One checkpoint in a folder: tensors as safetensors, the rest as JSON, no pickle.

`checkpoint.json` names its tensor file by content; it is replaced last and atomically, so that a kill at any
moment leaves the older or the newer checkpoint whole.
"""

import hashlib
import json
import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

JSON_NAME = "checkpoint.json"
FORMAT = 1
_TENSORS_NAME = re.compile(r"tensors-[0-9a-f]{16}\.safetensors")


class CheckpointError(ValueError):
    """A checkpoint that is absent, damaged, or of another training; names the file and the fault."""


def write(folder: Path, tensors: Mapping[str, Tensor], content: Mapping[str, Any]) -> None:
    """Replace the folder's checkpoint; `content` is anything that JSON holds."""
    folder.mkdir(parents=True, exist_ok=True)
    with _partial(folder / f"tensors-{os.getpid()}.partial") as partial:
        mode = stat.S_IMODE(partial.stat().st_mode)
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, partial)
        partial.chmod(mode)  # as the umask has it; safetensors makes another file, for its owner alone
        digest = _digest_and_sync(partial)
        tensor_path = folder / f"tensors-{digest[:16]}.safetensors"
        partial.replace(tensor_path)
    body = {"format": FORMAT, "tensors": tensor_path.name, "tensors_sha256": digest, "content": dict(content)}
    text = json.dumps({"sha256": _body_digest(body), **body}, indent=1)
    with _partial(folder / f"{JSON_NAME}-{os.getpid()}.partial") as partial:
        partial.write_text(text, encoding="utf-8")
        _digest_and_sync(partial)
        partial.replace(folder / JSON_NAME)
    for old in (*folder.glob("tensors-*"), *folder.glob(f"{JSON_NAME}-*.partial")):
        if old != tensor_path:
            old.unlink(missing_ok=True)


@contextmanager
def _partial(path: Path) -> Iterator[Path]:
    """Make an empty file to be written and renamed; it is removed if that fails."""
    if path.exists():  # of a process with the same number that was killed
        path.unlink()
    path.touch()
    try:
        yield path
    except (OSError, SafetensorError):
        path.unlink(missing_ok=True)
        raise


def read(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read back what `write` was given, after checking both sums; CheckpointError, whatever lies there."""
    path = folder / JSON_NAME
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        stated = body.pop("sha256")
        digest = _body_digest(body)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: no checkpoint here") from error
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror or error})") from error
    except RecursionError:
        raise CheckpointError(f"{path}: damaged, lists or objects too deep inside each other") from None
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise CheckpointError(f"{path}: damaged, not a checkpoint's JSON ({error})") from error
    if stated != digest:
        raise CheckpointError(f"{path}: damaged, its checksum does not fit its text")
    if body.get("format") != FORMAT:
        raise CheckpointError(f"{path}: format {body.get('format')}, expected {FORMAT}")
    name, content = body.get("tensors"), body.get("content")
    if not isinstance(name, str) or not _TENSORS_NAME.fullmatch(name):
        raise CheckpointError(f"{path}: damaged, {name!r} is no name of a checkpoint's tensors")
    if not isinstance(content, dict):
        raise CheckpointError(f"{path}: damaged, it has no content")
    return _read_tensors(folder / name, body.get("tensors_sha256")), content


@contextmanager
def taken_up(folder: Path) -> Iterator[None]:
    """Convert what a checkpoint lacks, or has of another kind than `write` was given, into a CheckpointError."""
    try:
        yield
    except CheckpointError:
        raise
    except (KeyError, IndexError, TypeError, AttributeError, ValueError, RuntimeError) as error:
        reason = (str(error).splitlines() or [""])[0]
        raise CheckpointError(f"{folder}: damaged, incomplete ({type(error).__name__}: {reason})") from error


def _read_tensors(path: Path, stated: object) -> dict[str, Tensor]:
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != stated:
            raise CheckpointError(f"{path}: damaged, sha256 {found[:16]}…, expected {str(stated)[:16]}…")
        return load_file(path)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: the checkpoint's tensors are gone") from error
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror or error})") from error
    except SafetensorError as error:
        raise CheckpointError(f"{path}: damaged ({error})") from error


def _digest_and_sync(path: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
    return digest


def _body_digest(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True, allow_nan=False).encode()).hexdigest()
