"""The frame store: the right picture at the right time, decoded once, never damaged, never copied."""

import json
import os
import pickle
import shutil
import subprocess
import sys
import threading
import warnings
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from orchestrator.corpora.readers import open_corpus
from orchestrator.corpora.recording import VideoSource
from orchestrator.corpora.video import frame_store as store
from orchestrator.corpora.video.decoding import decode
from orchestrator.corpora.video.frame_store import align, load_frames, open_frames, prepare_all
from orchestrator.errors import InputError
from tests.corpora.video.video_files import code, coded, grey, open_all, write_picture, write_times, write_video
from tests.corpora.writers import three_people, write_avec, write_folder, write_recola

SIZE = 16
CODE_TOLERANCE = 4  # of 255: compression moves a level by 1 or 2, neighbours differ by 30


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def video(tmp_path):
    return VideoSource(path=write_video(tmp_path / "video.mp4", coded(40)))


def levels(frames):
    assert frames.images.shape[1:] == (SIZE, SIZE, 3)
    return frames.images.mean(axis=(1, 2, 3))


def stores(cache):
    return sorted(path.name for path in cache.iterdir() if path.name.startswith("frames-") and path.is_dir())


def test_every_frame_is_at_its_place_and_time(video, cache):
    frames = open_frames(video, image_size=SIZE, cache=cache)
    np.testing.assert_allclose(levels(frames), [code(index) for index in range(40)], atol=CODE_TOLERANCE)
    np.testing.assert_allclose(frames.time, np.arange(40) / 25.0, atol=1e-9)
    assert frames.time.dtype == np.float64
    assert frames.images.dtype == np.uint8
    assert frames.valid.all()


def test_colours_are_in_the_order_red_green_blue(tmp_path, cache):
    image = np.broadcast_to(np.array([200, 100, 40], dtype=np.uint8), (64, 64, 3)).copy()
    frames = open_frames(VideoSource(path=write_video(tmp_path / "v.mp4", [image] * 3)), image_size=SIZE, cache=cache)
    np.testing.assert_allclose(frames.images.mean(axis=(0, 1, 2)), [200, 100, 40], atol=CODE_TOLERANCE)


@pytest.mark.parametrize("wide", [True, False])
def test_the_middle_square_is_kept_and_not_squeezed(tmp_path, cache, wide):
    image = grey(220, 128, 64)
    image[:, 32:96] = 40  # the middle square
    image[24:40, 56:72] = 130  # a quarter of its side
    if not wide:
        image = image.swapaxes(0, 1).copy()
    source = VideoSource(path=write_video(tmp_path / "v.mp4", [image] * 3))
    (picture,) = open_frames(source, image_size=32, cache=cache).images[1:2, :, :, 0]
    assert np.abs(picture[2:10, 2:30].astype(int) - 40).max() <= 12
    assert np.abs(picture[:, 2:4].astype(int) - 40).max() <= 12  # nothing of the sides but their last pixel
    np.testing.assert_allclose(picture[14:18, 14:18], 130, atol=12)
    inner = picture > 85
    inner[:, [0, -1]] = inner[[0, -1]] = False
    rows, columns = np.flatnonzero(inner.any(axis=1)), np.flatnonzero(inner.any(axis=0))
    assert (rows[0], rows[-1], columns[0], columns[-1]) == (12, 19, 12, 19)  # still a square


def test_the_timings_file_beats_the_videos_clock(video, tmp_path, cache):
    times = np.arange(1, 41) / 25.0 + (np.arange(40) >= 20) * 0.2  # five frames are missing in the middle
    timed = replace(video, timings=write_times(tmp_path / "times.csv", times))
    frames = open_frames(timed, image_size=SIZE, cache=cache)
    np.testing.assert_allclose(frames.time, times, atol=1e-9)
    np.testing.assert_allclose(levels(frames), [code(index) for index in range(40)], atol=CODE_TOLERANCE)
    index, valid = frames.at(np.arange(1, 46) / 25.0)
    assert index.tolist() == [*range(20), *[-1] * 5, *range(20, 40)]
    assert valid.tolist() == [one >= 0 for one in index.tolist()]


def test_timings_may_differ_by_a_last_frame_or_two_only(video, tmp_path, cache):
    for count, expected in ((39, 39), (42, 40)):
        times = write_times(tmp_path / f"{count}.csv", np.arange(count) / 25.0)
        frames = open_frames(replace(video, timings=times), image_size=SIZE, cache=cache)
        assert len(frames.time) == len(frames.images) == len(frames.valid) == expected
    short = write_times(tmp_path / "short.csv", np.arange(30) / 25.0)
    with pytest.raises(InputError, match=r"short\.csv: found 30 times; expected one for each of 40 frames"):
        open_frames(replace(video, timings=short), image_size=SIZE, cache=cache)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("frame;time in seconds\n1;0.04\n2;0.12\n3;0.08\n", r"t\.csv:4: found time 0\.08 after 0\.12"),
        ("frame;time in seconds\n1;0.04\n2;?\n", r"t\.csv:3: found no time"),
        ("frame;moment\n1;0.04\n", r"t\.csv:1: found columns frame, moment; expected a column `time in seconds`"),
        ("", r"t\.csv:1: found an empty file"),
    ],
)
def test_broken_timings_are_refused_with_their_line(video, tmp_path, cache, text, message):
    timings = tmp_path / "t.csv"
    timings.write_text(text)
    with pytest.raises(InputError, match=message):
        open_frames(replace(video, timings=timings), image_size=SIZE, cache=cache)


def test_align_takes_the_nearest_within_half_a_frame():
    frame_time = np.array([0.04, 0.08, 0.12, 0.20, 0.24])
    asked = np.array([0.0, 0.021, 0.04, 0.055, 0.065, 0.139, 0.16, 0.18, 0.26, 0.27])
    index, valid = align(frame_time, asked)
    assert index.dtype == np.int64
    assert index.tolist() == [-1, 0, 0, 0, 1, 2, -1, 3, 4, -1]
    assert (valid == (index >= 0)).all()
    assert align(np.array([1.0]), np.array([0.97, 0.99, 1.0]))[0].tolist() == [-1, 0, 0]  # half of 0.04 s


def test_a_frame_without_a_face_is_masked_though_it_is_there(video, cache):
    frames = open_frames(video, image_size=SIZE, cache=cache)
    masked = replace(frames, valid=np.arange(40) != 3)
    index, valid = masked.at(frames.time)
    assert index.tolist() == list(range(40))
    assert np.flatnonzero(~valid).tolist() == [3]


def test_numbered_timed_and_tabled_frames(tmp_path, cache):
    for number in (1, 2, 4, 10):
        write_picture(tmp_path / "numbered" / f"frame_{number}.png", grey(code(number)))
        write_picture(tmp_path / "timed" / f"{number * 0.04:.2f}.jpg", grey(code(number)))
    folder = VideoSource(path=tmp_path / "numbered")
    with pytest.raises(InputError, match=r"numbered: found numbered frames without a clock; .*hz\.txt"):
        open_frames(folder, image_size=SIZE, cache=cache)
    tabled = replace(folder, timings=write_times(tmp_path / "t.csv", [3.0, 3.1, 3.2, 3.5]))
    expected = {"tabled": (tabled, [3.0, 3.1, 3.2, 3.5]), "timed": (VideoSource(path=tmp_path / "timed"), None)}
    (tmp_path / "numbered" / "hz.txt").write_text("25\n")
    expected["numbered"] = (folder, None)
    for name, (source, times) in expected.items():
        frames = open_frames(source, image_size=SIZE, cache=cache)
        np.testing.assert_allclose(levels(frames), [code(n) for n in (1, 2, 4, 10)], atol=3, err_msg=name)
        np.testing.assert_allclose(frames.time, times or [0.04, 0.08, 0.16, 0.40], atol=1e-9, err_msg=name)
    (tmp_path / "numbered" / "hz.txt").write_text("50\n")  # another rate is another content
    np.testing.assert_allclose(open_frames(folder, image_size=SIZE, cache=cache).time, [0.02, 0.04, 0.08, 0.20])
    assert len(stores(cache)) == 4


def test_the_cache_is_keyed_by_contents_size_and_crop(video, tmp_path, cache):
    first = open_frames(video, image_size=SIZE, cache=cache).path
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(video.path.read_bytes())
    assert open_frames(VideoSource(path=copy), image_size=SIZE, cache=cache).path == first
    times = write_times(tmp_path / "t.csv", np.arange(40) / 25.0)
    later = write_times(tmp_path / "later.csv", np.arange(40) / 25.0 + 1.0)
    other_video = VideoSource(path=write_video(tmp_path / "other.mp4", coded(41)))
    paths = {
        first,
        open_frames(video, image_size=32, cache=cache).path,
        open_frames(video, image_size=SIZE, face_crop="haar", cache=cache).path,
        open_frames(other_video, image_size=SIZE, cache=cache).path,
        open_frames(replace(video, timings=times), image_size=SIZE, cache=cache).path,
        open_frames(replace(video, timings=later), image_size=SIZE, cache=cache).path,
    }
    assert len(paths) == 6
    assert {path.name for path in paths} == set(stores(cache))


def test_a_hit_decodes_nothing(video, cache, monkeypatch):
    first = open_frames(video, image_size=SIZE, cache=cache)
    monkeypatch.setattr(store, "decode", lambda _: pytest.fail("decoded again"))
    again = open_frames(video, image_size=SIZE, cache=cache)
    assert again.path == first.path
    np.testing.assert_array_equal(again.images, first.images)


def test_the_users_cache_is_used_where_none_is_given(video, cache, monkeypatch):
    monkeypatch.setenv("AFFECT_ORCHESTRATOR_CACHE", str(cache))
    assert open_frames(video, image_size=SIZE).path.parent == cache


@pytest.mark.parametrize("damage", ["cut", "pixel", "times", "lost", "manifest", "empty"])
def test_a_damaged_store_is_made_again(video, cache, damage):
    frames = open_frames(video, image_size=SIZE, cache=cache)
    path, pixels = frames.path, frames.images.copy()
    killed = path.with_name(f".{path.name}.killed")
    killed.mkdir()
    images = path / "images.u8"
    content = bytearray(images.read_bytes())
    if damage == "cut":
        images.write_bytes(content[:-1])
    elif damage == "pixel":
        content[17 * SIZE * SIZE * 3 + 5] ^= 1
        images.write_bytes(content)
    elif damage == "times":
        table = bytearray((path / "frames.npy").read_bytes())
        table[-9] ^= 1
        (path / "frames.npy").write_bytes(table)
    elif damage == "lost":
        images.unlink()
    elif damage == "manifest":
        (path / "store.json").write_text("[")
    else:
        for file in path.iterdir():
            file.unlink()
    with pytest.raises(InputError, match=r"a damaged or missing store"):
        load_frames(path)
    again = open_frames(video, image_size=SIZE, cache=cache)
    assert again.path == path
    np.testing.assert_array_equal(again.images, pixels)
    np.testing.assert_allclose(again.time, np.arange(40) / 25.0)
    assert not killed.exists()


def test_every_frame_of_a_store_is_checked_again_once_its_file_has_changed(tmp_path, cache, monkeypatch):
    source = VideoSource(path=write_video(tmp_path / "v.mp4", coded(9)))
    path = open_frames(source, image_size=SIZE, cache=cache).path
    content = (path / "images.u8").read_bytes()
    for frame in range(9):
        changed = bytearray(content)
        changed[frame * SIZE * SIZE * 3] ^= 1
        (path / "images.u8").write_bytes(changed)
        with pytest.raises(InputError, match=f"frame {frame} of"):
            load_frames(path)
    (path / "images.u8").write_bytes(content)
    load_frames(path)
    sums: list[bytes] = []
    monkeypatch.setattr(zlib, "crc32", sums.append)
    load_frames(path)  # gone through once, a file is not gone through again
    assert not sums


def test_the_store_of_another_video_is_not_taken(tmp_path, cache):
    one, other = (VideoSource(path=write_video(tmp_path / f"{n}.mp4", coded(n))) for n in (9, 12))
    path = open_frames(one, image_size=SIZE, cache=cache).path
    shutil.rmtree(path)
    open_frames(other, image_size=SIZE, cache=cache).path.rename(path)
    assert len(open_frames(one, image_size=SIZE, cache=cache).time) == 9


def test_a_store_of_an_earlier_version_is_taken(video, cache, monkeypatch):
    path = open_frames(video, image_size=SIZE, cache=cache).path
    facts = json.loads((path / "store.json").read_text())
    assert facts.pop("name") == path.name
    (path / "store.json").write_text(json.dumps(facts))
    monkeypatch.setattr(store, "decode", None)
    assert len(open_frames(video, image_size=SIZE, cache=cache).time) == 40


def test_threads_at_the_same_time_decode_once(video, cache, monkeypatch):
    calls = []

    def counted(source):
        calls.append(source)
        return decode(source)

    monkeypatch.setattr(store, "decode", counted)
    found = []
    callers = [
        threading.Thread(target=lambda: found.append(open_frames(video, image_size=SIZE, cache=cache)))
        for _ in range(4)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert len(calls) == 1
    assert len({frames.path for frames in found}) == 1
    assert len(found) == 4


def test_processes_at_the_same_time_get_one_whole_store(video, cache):
    program = (
        "import sys; from pathlib import Path; from orchestrator.corpora.video.frame_store import *;"
        "frames = open_frames(VideoSource(path=Path(sys.argv[1])), image_size=16, cache=Path(sys.argv[2]));"
        "print(frames.path, len(frames.images), int(frames.images.sum()))"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", program, str(video.path), str(cache)]
    callers = [subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) for _ in range(2)]
    answers = {caller.communicate(timeout=60)[0] for caller in callers}
    assert [caller.returncode for caller in callers] == [0, 0]
    frames = open_frames(video, image_size=SIZE, cache=cache)
    assert answers == {f"{frames.path} 40 {int(frames.images.sum())}\n"}
    assert sorted(path.suffix for path in cache.iterdir()) == ["", ".lock"]


def test_a_failed_decoding_leaves_nothing_behind(tmp_path, cache):
    (tmp_path / "text.mp4").write_text("no video\n" * 50)
    with pytest.raises(InputError):
        open_frames(VideoSource(path=tmp_path / "text.mp4"), image_size=SIZE, cache=cache)
    assert [path.suffix for path in cache.iterdir()] == [".lock"]


def test_images_are_mapped_read_only_and_shared_with_torch(video, cache):
    frames = open_frames(video, image_size=SIZE, cache=cache)
    assert isinstance(frames.images, np.memmap)
    assert frames.images.mode == "r"
    for array in (frames.images, frames.time, frames.valid):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # torch knows no read-only tensors and says so
        tensor = torch.from_numpy(frames.images)
        part = torch.from_numpy(frames.images[7:9])
    assert tensor.data_ptr() == frames.images.ctypes.data
    assert part.data_ptr() == tensor[7:9].data_ptr()
    assert tensor.dtype == torch.uint8
    assert float(tensor[7].float().mean()) == pytest.approx(code(7), abs=CODE_TOLERANCE)


def test_frames_travel_as_their_path(video, cache):
    frames = open_frames(video, image_size=SIZE, cache=cache)
    message = pickle.dumps(frames)
    assert len(message) < 1000 < frames.images.nbytes
    arrived = pickle.loads(message)
    np.testing.assert_array_equal(arrived.images, frames.images)
    assert isinstance(arrived.images, np.memmap)


def test_bad_options_are_refused_all_at_once(video, cache):
    with pytest.raises(InputError) as caught:
        open_frames(video, image_size=8, face_crop="dlib", cache=cache)  # type: ignore[arg-type]
    assert [problem.where for problem in caught.value.problems] == ["--image-size", "--face-crop"]
    with pytest.raises(InputError, match=r"--image-size: found 100000; expected 16 to 1024 pixels"):
        open_frames(video, image_size=100_000, cache=cache)
    file = cache.with_name("file")
    file.write_text("")
    with pytest.raises(InputError, match="AFFECT_ORCHESTRATOR_CACHE"):
        open_frames(video, image_size=SIZE, cache=file / "below")


def with_videos(root, layout):
    """A corpus of three people with coded videos of different lengths; where its recordings' videos should be."""
    people = three_people(50)
    folders = {
        "recola": ("RECOLA-Video-recordings", "RECOLA-Video-timings/RECOLA-Video-timings"),
        "avec": ("recordings_video", "recordings_video_frame_time"),
        "folder": ("videos", "timings"),
    }
    {"recola": write_recola, "avec": write_avec, "folder": write_folder}[layout](root, people)
    before = open_corpus(root)
    videos, timings = folders[layout]
    for count, recording in enumerate(before.recordings, 10):
        write_video(root / videos / f"{recording.name}.mp4", coded(count))
    first = before.recordings[0].name
    write_times(root / timings / f"{first}.csv", np.arange(1, 11) / 25.0)
    return before, root / videos, root / timings


@pytest.mark.parametrize("layout", ["recola", "avec", "folder"])
def test_readers_name_the_videos_and_change_nothing_else(tmp_path, cache, layout):
    before, videos, timings = with_videos(tmp_path / layout, layout)
    corpus = open_corpus(tmp_path / layout)
    assert corpus.sha256 == before.sha256
    assert (corpus.dropped, corpus.notes) == (before.dropped, before.notes)
    assert [one.video for one in before.recordings] == [None] * 3
    names = [one.name for one in corpus.recordings]
    assert [one.video and one.video.path for one in corpus.recordings] == [videos / f"{name}.mp4" for name in names]
    assert [one.video and one.video.timings for one in corpus.recordings] == [timings / f"{names[0]}.csv", None, None]
    every = open_all(corpus.recordings, image_size=SIZE, cache=cache)
    assert list(every) == names
    assert [len(frames.images) for frames in every.values()] == [10, 11, 12]
    assert [frames.time[0] for frames in every.values()] == [pytest.approx(0.04), 0.0, 0.0]


def test_folders_of_frames_beside_features(tmp_path):
    write_folder(tmp_path, three_people(50))
    write_picture(tmp_path / "videos" / "P17" / "1.png", grey(7))
    write_video(tmp_path / "videos" / "P19.mkv", coded(3))
    write_video(tmp_path / "videos" / "P19.mp4", coded(3))
    (tmp_path / "videos" / "notes.txt").write_text("not a video")
    corpus = open_corpus(tmp_path)
    found = {one.name: one.video and one.video.path.name for one in corpus.recordings}
    assert found == {"P16": None, "P17": "P17", "P19": "P19.mkv"}
    assert any("P19.mkv is used, P19.mp4 is not" in note for note in corpus.notes)
    with pytest.raises(InputError, match="P16: found no video") as caught:
        open_all(corpus.recordings, image_size=SIZE)
    assert len(caught.value.problems) == 1


def test_progress_comes_one_by_one_and_all_faults_at_the_end(tmp_path, cache):
    with_videos(tmp_path / "tree", "recola")
    videos = tmp_path / "tree" / "RECOLA-Video-recordings"
    (videos / "P16.mp4").write_text("no video")
    (videos / "P19.mp4").write_bytes((videos / "P19.mp4").read_bytes()[:700])
    recordings = open_corpus(tmp_path / "tree").recordings
    seen: list[Any] = []
    with pytest.raises(InputError) as caught:
        # extend keeps what came before the error
        seen.extend(prepare_all(recordings, image_size=SIZE, cache=cache, workers=2))
    assert [Path(problem.where).name for problem in caught.value.problems] == ["P16.mp4", "P19.mp4"]
    assert [(step.recording, step.total, len(step.frames.images)) for step in seen] == [("P17", 3, 11)]
    good = [one for one in recordings if one.name == "P17"]
    assert [step.done for step in prepare_all(good, image_size=SIZE, cache=cache)] == [1]
