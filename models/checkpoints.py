"""One checkpoint in a folder: tensors as safetensors, the rest as JSON, no pickle.

`checkpoint.json` names its tensor file by content; it is replaced last and atomically, so that a kill at any
moment leaves the older or the newer checkpoint whole.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

JSON_NAME = "checkpoint.json"
FORMAT = 1


class CheckpointError(ValueError):
    """A checkpoint that is absent, damaged, or of another training; names the file and the fault."""


def write(folder: Path, tensors: Mapping[str, Tensor], content: Mapping[str, Any]) -> None:
    """Replace the folder's checkpoint; `content` is anything that JSON holds."""
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f"tensors-{os.getpid()}.partial"
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, partial)
    digest = _digest_and_sync(partial)
    tensor_path = folder / f"tensors-{digest[:16]}.safetensors"
    partial.replace(tensor_path)
    body = {"format": FORMAT, "tensors": tensor_path.name, "tensors_sha256": digest, "content": dict(content)}
    text = json.dumps({"sha256": _body_digest(body), **body}, indent=1)
    partial = folder / f"{JSON_NAME}-{os.getpid()}.partial"
    with partial.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(folder / JSON_NAME)
    for old in (*folder.glob("tensors-*"), *folder.glob(f"{JSON_NAME}-*.partial")):
        if old != tensor_path:
            old.unlink(missing_ok=True)


def read(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read back what `write` was given, after checking both sums; CheckpointError."""
    path = folder / JSON_NAME
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        stated = body.pop("sha256")
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: no checkpoint here") from error
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise CheckpointError(f"{path}: damaged, not a checkpoint's JSON ({error})") from error
    if stated != _body_digest(body):
        raise CheckpointError(f"{path}: damaged, its checksum does not fit its text")
    if body["format"] != FORMAT:
        raise CheckpointError(f"{path}: format {body['format']}, expected {FORMAT}")
    return _read_tensors(folder / body["tensors"], body["tensors_sha256"]), body["content"]


def _read_tensors(path: Path, stated: str) -> dict[str, Tensor]:
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != stated:
            raise CheckpointError(f"{path}: damaged, sha256 {found[:16]}…, expected {stated[:16]}…")
        return load_file(path)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: the checkpoint's tensors are gone") from error
    except SafetensorError as error:
        raise CheckpointError(f"{path}: damaged ({error})") from error


def _digest_and_sync(path: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
    return digest


def _body_digest(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True, allow_nan=False).encode()).hexdigest()
