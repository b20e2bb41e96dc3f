"""Initial weights of a backbone: ImageNet's, those of a file, or drawn from a seed (paper, section IV.B: ImageNet).

Every fold and every client starts from the same tensors; files are read with torch's safe unpickler only.
"""

import hashlib
import os
import time
import urllib.request
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from models.backbones import BACKBONES
from models.recipe import WEIGHTS_IMAGENET, WEIGHTS_NONE

# torchvision's ResNet18_Weights.IMAGENET1K_V1; the file's name ends in the first digits of its SHA-256.
IMAGENET_URL = "https://download.pytorch.org/models/resnet18-f37072fd.pth"
IMAGENET_FILE = IMAGENET_URL.rsplit("/", maxsplit=1)[-1]
IMAGENET_SHA256 = "f37072fd"
# Ours: a machine without a network is told so soon; one with a slow network gets its 45 MB.
CONNECT_SECONDS = 10.0
DOWNLOAD_SECONDS = 120.0
CHUNK_BYTES = 1 << 20

MOST_BYTES = 512 << 20  # ours: of a file of weights, unpacked

SUFFIXES = (".pth", ".pt", ".safetensors")
IGNORED = ("fc.",)  # the last layer, which is not used
COUNTER = "num_batches_tracked"  # absent from files written before torch had it


class WeightsError(ValueError):
    """Weights that cannot be used; names the file, the fault and what was expected."""


class WeightsUnavailable(WeightsError):  # noqa: N818 - it names what happened
    """ImageNet's weights are neither on this machine nor within its reach; says what to do."""

    def __init__(self, path: Path, reason: str) -> None:
        """Keep the place and the reason; both survive a pickle."""
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    @property
    def found(self) -> str:
        """What is the matter."""
        return f"imagenet, whose weights of ResNet18 are not at {self.path} and could not be fetched ({self.reason})"

    @property
    def expected(self) -> str:
        """What to do."""
        return (
            f"the file there or by name (--weights FOLDER/{IMAGENET_FILE}), downloaded from {IMAGENET_URL} on a"
            " connected machine; or --weights none, which starts from random weights"
        )

    def __str__(self) -> str:
        """Return both."""
        return f"found {self.found}; expected {self.expected}"


def load_backbone_weights(kind_or_path: str | Path, *, backbone: str = "resnet18") -> dict[str, Tensor] | None:
    """Return what `--weights` asks for as a state dictionary of the backbone on the CPU; None for "none".

    "imagenet" comes from torch hub's cache, else from the network into it, within DOWNLOAD_SECONDS; anything else
    is a file, .pth or .pt (no pickled code is run) or .safetensors, with torchvision's names. A last layer in it
    is ignored, floats become float32. WeightsUnavailable, WeightsError (both ValueErrors).
    """
    if str(kind_or_path) == WEIGHTS_NONE:
        return None
    path = _imagenet() if str(kind_or_path) == WEIGHTS_IMAGENET else Path(kind_or_path)
    return _checked(path, _read(path), backbone)


def label_of(kind_or_path: str | Path, weights: Mapping[str, Tensor] | None) -> str:
    """Name weights for the record: "none", "imagenet", or the digest of a file's tensors."""
    if weights is None:
        return WEIGHTS_NONE
    return WEIGHTS_IMAGENET if str(kind_or_path) == WEIGHTS_IMAGENET else digest_of(weights)


def digest_of(weights: Mapping[str, Tensor]) -> str:
    """Hash names and values, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(f"{name} {tuple(weights[name].shape)} {weights[name].dtype}\n".encode())
        digest.update(weights[name].detach().cpu().contiguous().numpy().tobytes())
    return f"sha256:{digest.hexdigest()[:16]}"


def _imagenet() -> Path:
    path = Path(torch.hub.get_dir()) / "checkpoints" / IMAGENET_FILE
    if not path.is_file():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _download(IMAGENET_URL, path)
        except OSError as error:  # also every error of urllib, and a time limit
            raise WeightsUnavailable(path, f"{type(error).__name__}: {error}") from error
    if (found := _sha256(path)[:8]) != IMAGENET_SHA256:
        raise WeightsError(
            f"{path}: damaged, its SHA-256 begins with {found}, expected {IMAGENET_SHA256}; remove the file"
        )
    return path


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _download(url: str, path: Path) -> None:
    """Fetch into a file beside `path`, then rename it; OSError."""
    partial = path.with_name(f"{path.name}-{os.getpid()}.partial")
    deadline = time.monotonic() + DOWNLOAD_SECONDS
    try:
        with urllib.request.urlopen(url, timeout=CONNECT_SECONDS) as answer, partial.open("wb") as file:
            while chunk := answer.read(CHUNK_BYTES):
                if time.monotonic() > deadline:
                    raise TimeoutError(f"not all of it within {DOWNLOAD_SECONDS:g} s")
                file.write(chunk)
        if not _sha256(partial).startswith(IMAGENET_SHA256):
            raise OSError("what came is not the file, or not all of it")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _read(path: Path) -> Mapping[str, Tensor]:
    if path.suffix not in SUFFIXES:
        raise WeightsError(
            f"--weights {path}: expected {WEIGHTS_IMAGENET}, {WEIGHTS_NONE}, or a file that ends in "
            f"{', '.join(SUFFIXES)}"
        )
    try:
        _check_size(path)
        found = (
            load_file(path)
            if path.suffix == ".safetensors"
            else torch.load(path, map_location="cpu", weights_only=True)
        )
    except FileNotFoundError as error:
        raise WeightsError(f"{path}: no such file of weights") from error
    except WeightsError:
        raise
    except Exception as error:  # whatever a damaged or foreign file makes the readers raise
        reason = "it holds more than tensors" if "weights only" in str(error).lower() else error
        raise WeightsError(f"{path}: not a file of weights ({reason})") from error
    if not isinstance(found, Mapping) or not all(isinstance(value, Tensor) for value in found.values()):
        raise WeightsError(f"{path}: expected a state dictionary, names and tensors only")
    return found


def _check_size(path: Path) -> None:
    """Refuse what is far larger than a backbone, packed or unpacked, before it is read."""
    size = path.stat().st_size
    if path.suffix != ".safetensors" and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            size = max(size, sum(entry.file_size for entry in archive.infolist()))
    if size > MOST_BYTES:
        raise WeightsError(f"{path}: {size:,} bytes, expected at most {MOST_BYTES:,}: a backbone has 45 MB")


def _checked(path: Path, found: Mapping[str, Tensor], backbone: str) -> dict[str, Tensor]:
    with torch.device("meta"):
        expected = BACKBONES[backbone]().state_dict()
    found = {name: value for name, value in found.items() if not name.startswith(IGNORED)}
    missing = [name for name in expected if name not in found and not name.endswith(COUNTER)]
    faults = {
        "missing": missing,
        "unexpected": [name for name in found if name not in expected],
        "of another shape": [
            f"{name} {tuple(found[name].shape)}, expected {tuple(value.shape)}"
            for name, value in expected.items()
            if name in found and found[name].shape != value.shape
        ],
    }
    if any(faults.values()):
        told = "; ".join(f"{len(names)} {fault}: {_first(names)}" for fault, names in faults.items() if names)
        raise WeightsError(f"{path}: not the weights of {backbone}: {told}")
    weights = {
        name: found[name].to(value.dtype).contiguous() if name in found else torch.zeros(value.shape, dtype=value.dtype)
        for name, value in expected.items()
    }
    wild = [name for name, value in weights.items() if not value.isfinite().all()]
    if wild:
        raise WeightsError(f"{path}: {len(wild)} tensors are not finite: {_first(wild)}")
    return weights


def _first(names: list[str]) -> str:
    return ", ".join(names[:3]) + (" …" if len(names) > 3 else "")
