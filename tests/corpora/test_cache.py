"""What lies in the cache is trusted for its contents, not for being there; a cache that takes nothing is named."""

import json
import os
import random
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from models.frames import FrameSeries
from orchestrator.corpora.cache import CACHE_VARIABLE, read_checked, write_checked
from orchestrator.corpora.readers import open_corpus
from orchestrator.corpora.recording import VideoSource
from orchestrator.corpora.synthetic.tree import cached_synthetic
from orchestrator.corpora.video.frame_store import load_frames, open_frames
from orchestrator.data.backbone import load_backbone
from orchestrator.data.backbone_features import frozen_series
from orchestrator.data.clients import make_clients
from orchestrator.data.image_options import ImageOptions
from orchestrator.data.series import make_series
from orchestrator.errors import InputError
from orchestrator.protocols import DESCRIBED
from tests.conftest import Run
from tests.corpora.video.video_files import coded, write_video
from tests.corpora.writers import three_people, write_table

FLIPS = 60
SEED = 8


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


def flips(files: list[Path]) -> Iterator[Path]:
    """Turn one random bit of one of the files round, FLIPS times, and turn it back unless the file was made anew."""
    chance = random.Random(SEED)
    for _ in range(FLIPS):
        file = chance.choice(files)
        content = bytearray(file.read_bytes())
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        file.write_bytes(content)
        yield file


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return write_table(tmp_path / "own.parquet", three_people(num_rows=40))


def values(series: Iterable[object]) -> list[bytes]:
    return [b"".join(getattr(one, key).tobytes() for key in ("features_TF", "valid_T", "gold_T2")) for one in series]


def test_flipped_bits_in_a_participant_s_table_are_refused_by_the_client_and_healed_by_the_driver(
    table: Path, cache: Path
) -> None:
    corpus = open_corpus(table)
    clients = make_clients(corpus, DESCRIBED, None)
    whole = [values(client.load()) for client in clients]
    files = sorted([*cache.rglob("*.parquet"), *cache.rglob("*.sha256")])
    assert len(files) == 2 * len(corpus.participants)
    refused = 0
    for file in flips(files):
        number = int(file.name.split(".")[0])
        if file.suffix == ".parquet":
            with pytest.raises(InputError, match=f"damaged table.*table of {corpus.participants[number]}"):
                clients[number].load()
            refused += 1
        assert make_clients(corpus, DESCRIBED, None) == clients
        assert [values(client.load()) for client in clients] == whole
    assert refused > FLIPS / 4


def test_tables_that_are_cut_lost_or_another_s_are_made_anew(table: Path, cache: Path) -> None:
    corpus = open_corpus(table)
    clients = make_clients(corpus, DESCRIBED, None)
    whole = [values(client.load()) for client in clients]
    (folder,) = (one for one in cache.iterdir() if one.is_dir())
    first, second = folder / "0.parquet", folder / "1.parquet"
    sums = [folder / "0.parquet.sha256", folder / "1.parquet.sha256"]

    def foreign() -> None:
        shutil.copyfile(second, first)

    def foreign_with_its_sum() -> None:
        shutil.copyfile(second, first)
        shutil.copyfile(sums[1], sums[0])

    def folder_instead() -> None:
        first.unlink()
        first.mkdir()

    def file_instead() -> None:
        shutil.rmtree(folder)
        folder.write_text("")

    damages: list[Callable[[], object]] = [
        *(
            lambda: first.write_bytes(first.read_bytes()[:-7]),
            first.unlink,
            sums[0].unlink,
            lambda: first.write_bytes(b""),
        ),
        *(foreign, foreign_with_its_sum, folder_instead, file_instead, lambda: sums[0].write_text("[" * 100_000)),
    ]
    for damage in damages:
        damage()
        assert make_clients(corpus, DESCRIBED, None) == clients
        assert [values(client.load()) for client in clients] == whole
    first.unlink()
    with pytest.raises(InputError, match=r"0\.parquet: found No such file.*tune --resume"):
        clients[0].load()


def test_flipped_bits_in_a_frame_store_are_found_and_healed(tmp_path: Path) -> None:
    source = VideoSource(path=write_video(tmp_path / "v.mp4", coded(40)))
    frames = open_frames(source, image_size=16)
    pixels, time = frames.images.copy(), frames.time.copy()
    files = sorted(one for one in frames.path.iterdir() if one.is_file())
    for file in flips(files):
        if file.suffix == ".u8":
            with pytest.raises(InputError, match="damaged"):
                load_frames(frames.path)
        again = open_frames(source, image_size=16)
        np.testing.assert_array_equal(again.images, pixels)
        np.testing.assert_array_equal(again.time, time)


def test_flipped_bits_in_a_synthetic_tree_are_found_and_healed() -> None:
    def contents(tree: Path) -> dict[str, bytes]:
        return {str(one): one.read_bytes() for one in tree.rglob("*") if one.is_file() and one.suffix != ".json"}

    tree = cached_synthetic(participants=2, seconds=2.0)
    whole, files = contents(tree), sorted(one for one in tree.rglob("*") if one.is_file())
    for _ in flips(files):
        cached_synthetic(participants=2, seconds=2.0)
        assert contents(tree) == whole


def test_flipped_bits_in_frozen_features_are_found_and_computed_anew(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = ImageOptions(image_size=33, frame_stride=1, face_crop="none", backbone="frozen", weights="none")
    made = write_table(tmp_path / "faces.parquet", three_people(num_rows=12))
    recording = open_corpus(made).recordings[0]
    video = VideoSource(path=write_video(tmp_path / "v.mp4", coded(12)))
    import dataclasses

    (series,) = make_series([dataclasses.replace(recording, video=video)], DESCRIBED, images)
    assert isinstance(series, FrameSeries)
    backbone = load_backbone(images)
    (whole,) = frozen_series([series], backbone)
    # The network is not what is tested: each healing would run it.
    monkeypatch.setattr("orchestrator.data.backbone_features.frame_features", lambda *_, **__: whole.features_TF)
    files = [*cache.glob("features-*.safetensors"), *cache.glob("features-*.sha256")]
    assert len(files) == 2
    for _ in flips(files):
        (again,) = frozen_series([series], backbone)
        np.testing.assert_array_equal(again.features_TF, whole.features_TF)
    # Another recording's features under this name, with their checksum.
    content = files[0].read_bytes()
    write_checked(files[0], content[:-4] + b"\0\0\0\0", "another")
    (again,) = frozen_series([series], backbone)
    np.testing.assert_array_equal(again.features_TF, whole.features_TF)
    assert files[0].read_bytes() == content


def test_a_checked_file_is_of_one_thing(tmp_path: Path) -> None:
    write_checked(tmp_path / "a", b"content", "one")
    assert read_checked(tmp_path / "a", "one") == b"content"
    assert read_checked(tmp_path / "a", "other") is None
    assert read_checked(tmp_path / "b", "one") is None
    assert json.loads((tmp_path / "a.sha256").read_text())["of"] == "one"


@contextmanager
def small_disk(folder: Path, options: str) -> Iterator[Path]:
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def left(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.rglob("*") if one.suffix != ".lock" and one.is_file())


FEDERATED = ("tune", "--method", "fl-au", "--preset", "demo", "--network", "rnn", "--folds", 2, "--dry-run")
EMBEDDED = ("tune", "--method", "au", "--preset", "demo", "--dry-run")


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("mount"), reason="mounts a small disk")
class TestFullCache:
    @pytest.mark.parametrize("options", ["size=100k", "size=1m,nr_inodes=3"])
    def test_every_user_of_it_says_so(self, options: str, tmp_path: Path, run_here: Run) -> None:
        from orchestrator.corpora.synthetic.tree import synthesize

        faces = synthesize(tmp_path / "faces", participants=2, seconds=6.0, faces=True)
        people = synthesize(tmp_path / "people", participants=6, seconds=24.0)
        frozen = ("--backbone", "frozen", "--image-size", 33, "--weights", "none")
        for number, words in enumerate(
            (
                EMBEDDED,
                (*FEDERATED, "--data", people),
                ("tune", "--method", "images", "--data", faces, "--dry-run", "--folds", 2, "--weights", "none"),
                ("tune", "--method", "images", "--data", faces, "--dry-run", "--folds", 2, *frozen),
            )
        ):
            with small_disk(tmp_path / f"disk{number}", options) as disk:
                done = run_here(*words, env={CACHE_VARIABLE: str(disk)})
                assert done.returncode == 2, (words, done.stdout, done.stderr)
                said = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
                assert said == [
                    f"error: {CACHE_VARIABLE}: found {disk}: No space left on device;"
                    " expected a folder of the cache that can be written and has room"
                ], (words, done.stderr)
                assert not list(disk.rglob(".*")), "something half-written"
                shutil.rmtree(disk / "none", ignore_errors=True)

    def test_features_that_do_not_fit_say_so(self, tmp_path: Path) -> None:
        images = ImageOptions(image_size=33, frame_stride=1, face_crop="none", backbone="frozen", weights="none")
        import dataclasses

        recording = open_corpus(write_table(tmp_path / "t.parquet", three_people(num_rows=100))).recordings[0]
        video = VideoSource(path=write_video(tmp_path / "v.mp4", coded(100)))
        (series,) = make_series([dataclasses.replace(recording, video=video)], DESCRIBED, images)
        assert isinstance(series, FrameSeries)
        with small_disk(tmp_path / "disk", "size=100k") as disk, pytest.MonkeyPatch.context() as patch:
            patch.setenv(CACHE_VARIABLE, str(disk))
            with pytest.raises(InputError, match=rf"{CACHE_VARIABLE}: found {disk}: No space left"):
                frozen_series([series], load_backbone(images))
            assert left(disk) == []


@pytest.mark.parametrize("words", [EMBEDDED, FEDERATED], ids=["embedded", "tables"])
@pytest.mark.parametrize("place", ["file", "file/below", "/dev/null/x", "long", "/proc/none"])
def test_a_cache_that_cannot_be_is_named(
    place: str, words: tuple[object, ...], small_corpus: Path, tmp_path: Path, run_here: Run
) -> None:
    (tmp_path / "file").write_text("")
    folder = tmp_path / ("x" * 300 if place == "long" else place)
    data = ("--data", small_corpus) if words is FEDERATED else ()
    done = run_here(*words, *data, env={CACHE_VARIABLE: str(folder)})
    assert done.returncode == 2, done.stderr
    (said,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert said.startswith(f"error: {CACHE_VARIABLE}: found {folder}: "), said
    assert "Traceback" not in done.stderr
