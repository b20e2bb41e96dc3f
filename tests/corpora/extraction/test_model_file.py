"""Model files: fetched once and compared with their hash; without a connection one error says what to do."""

import dataclasses
import hashlib
from pathlib import Path

import pytest

from orchestrator.corpora.cache import CACHE_VARIABLE
from orchestrator.corpora.cache_entries import entries
from orchestrator.corpora.extraction.model_file import FACE_LANDMARKER, YUNET, ModelFile, cached_file
from orchestrator.errors import InputError

CONTENT = b"weights"


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelFile:
    """A file of that content at an address of this machine."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    source = tmp_path / "source.bin"
    source.write_bytes(CONTENT)
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    return ModelFile(name="m.bin", address=source.as_uri(), sha256=sha256, num_bytes=len(CONTENT))


def test_it_is_fetched_once(model: ModelFile, tmp_path: Path) -> None:
    said: list[str] = []
    path = cached_file(model, "--tool x", show=said.append)
    assert path.read_bytes() == CONTENT
    assert said == [f"fetching m.bin (7 bytes) from {model.address}"]
    (tmp_path / "source.bin").unlink()
    assert cached_file(model, "--tool x", show=said.append) == path
    assert len(said) == 1
    assert [one.kind for one in entries()] == ["models"]


def test_other_bytes_are_refused_and_not_kept(model: ModelFile, tmp_path: Path) -> None:
    (tmp_path / "source.bin").write_bytes(b"another")
    other = hashlib.sha256(b"another").hexdigest()
    with pytest.raises(InputError, match=f"source.bin: found a file of sha256 {other}; expected sha256 {model.sha256}"):
        cached_file(model, "--tool x")
    assert not model.path.exists()
    model.path.parent.mkdir(parents=True)
    model.path.write_bytes(b"another")
    with pytest.raises(
        InputError, match=rf"m\.bin: found a file of sha256 {other}; expected sha256 {model.sha256}; rem"
    ):
        cached_file(model, "--tool x")


def test_a_file_that_is_too_long_is_refused_unread(model: ModelFile, tmp_path: Path) -> None:
    (tmp_path / "source.bin").write_bytes(CONTENT + b"more and more")
    with pytest.raises(InputError, match=f"sha256 {hashlib.sha256(CONTENT + b'm').hexdigest()}"):
        cached_file(model, "--tool x")


def test_without_a_connection_the_ways_out_are_named(model: ModelFile) -> None:
    away = dataclasses.replace(model, address="file:///nowhere/m.bin")
    with pytest.raises(
        InputError, match=r"--tool x: found no m\.bin, and file:///nowhere/m\.bin does not answer .*or --o"
    ):
        cached_file(away, "--tool x", option="--o")
    with pytest.raises(InputError, match=f"or the file at {model.path}"):
        cached_file(away, "--tool x")


@pytest.mark.parametrize("one", [FACE_LANDMARKER, YUNET], ids=lambda one: one.name)
def test_addresses_are_secure_and_hashes_whole(one: ModelFile) -> None:
    assert one.address.startswith("https://")
    assert one.address.endswith(one.name)
    assert len(bytes.fromhex(one.sha256)) == 32
