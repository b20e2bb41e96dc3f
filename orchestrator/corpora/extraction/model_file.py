"""Files of other people's models: fetched once into the cache and compared with their known SHA-256."""

import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from orchestrator.corpora.cache import cache_folder, digest_of, written_to
from orchestrator.errors import InputError
from orchestrator.files import sha256_of, write_bytes

FETCH_SECONDS = 60.0  # ours: without a byte from the server
KEY_DIGITS = 24  # of the SHA-256, in the name of the cache's entry


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFile:
    """A file at a public address."""

    name: str
    address: str
    sha256: str
    num_bytes: int

    @property
    def path(self) -> Path:
        """Return where it lies in the user's cache, or will."""
        return cache_folder() / f"models-{self.sha256[:KEY_DIGITS]}" / self.name


# google-ai-edge/mediapipe, "Face landmark detection guide": the model bundle with 52 blendshapes, float16, version 1.
# Hash and size as several projects that pin this address state them.
FACE_LANDMARKER = ModelFile(
    name="face_landmarker.task",
    address="https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/1/"
    "face_landmarker.task",
    sha256="64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff",
    num_bytes=3_758_596,
)
# opencv/opencv_zoo, models/face_detection_yunet: hash and size as its Git LFS pointer states them.
YUNET = ModelFile(
    name="face_detection_yunet_2023mar.onnx",
    address="https://media.githubusercontent.com/media/opencv/opencv_zoo/main/models/face_detection_yunet/"
    "face_detection_yunet_2023mar.onnx",
    sha256="8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
    num_bytes=232_589,
)


def given_file(option: str, path: Path) -> Path:
    """Return a model file that the user gave; InputError if it is no file."""
    if not path.is_file():
        raise InputError.of(option, found=f"no file {path}", expected="a model file")
    return path.absolute()


def keep_given(model: ModelFile, option: str, path: Path) -> None:
    """Copy a file that the user gave into the cache, as if it had been fetched.

    InputError: no file, other bytes than the known ones, a cache that cannot be written.
    """
    given = given_file(option, path)
    _check(f"{option} {path}", sha256_of(given), model.sha256, f", that of {model.name}")
    with written_to(cache_folder()):
        write_bytes(model.path, given.read_bytes())


def cached_file(model: ModelFile, where: str, *, option: str = "", show: Callable[[str], object] | None = None) -> Path:
    """Return the file in the cache, fetched first if it is not there.

    `where` is what needs it, for errors, and `option` the option that takes another file. InputError: other bytes than
    the known ones in the cache or at the address, no connection, a cache that cannot be written.
    """
    path = model.path
    if path.is_file():
        _check(str(path), sha256_of(path), model.sha256, "; remove the file, and it is fetched again")
        return path
    if show is not None:
        show(f"fetching {model.name} ({model.num_bytes:,} bytes) from {model.address}")
    content = _fetched(model, where, option)
    _check(model.address, digest_of(content), model.sha256)
    with written_to(cache_folder()):
        write_bytes(path, content)
    return path


def _fetched(model: ModelFile, where: str, option: str) -> bytes:
    try:
        with urllib.request.urlopen(model.address, timeout=FETCH_SECONDS) as answer:
            content: bytes = answer.read(model.num_bytes + 1)
    except (OSError, ValueError) as error:  # URLError is an OSError
        other = f"{option} with the file, or the file at {model.path}" if option else f"the file at {model.path}"
        raise InputError.of(
            where,
            found=f"no {model.name}, and {model.address} does not answer ({getattr(error, 'reason', None) or error})",
            expected=f"a connection once, or {other}",
        ) from error
    return content


def _check(place: str, found: str, expected: str, then: str = "") -> None:
    if found != expected:
        raise InputError.of(place, found=f"a file of sha256 {found}", expected=f"sha256 {expected}{then}")
