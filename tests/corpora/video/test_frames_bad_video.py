"""What is no video, or only a part of one, is refused with its file and what is wrong with it."""

import numpy as np
import pytest

from orchestrator.corpora.recording import VideoSource
from orchestrator.corpora.video import decoding
from orchestrator.corpora.video.frame_store import open_frames
from orchestrator.errors import InputError
from tests.corpora.video.video_files import coded, grey, write_picture, write_sound, write_video


@pytest.fixture
def refuse(tmp_path):
    def check(path, message):
        with pytest.raises(InputError, match=message) as caught:
            open_frames(VideoSource(path=path), image_size=16, cache=tmp_path / "cache")
        (problem,) = caught.value.problems
        assert str(path) in problem.where
        assert problem.expected

    return check


def test_what_is_no_video(tmp_path, refuse):
    for name, content in (("text.mp4", b"not a video at all\n" * 30), ("empty.mp4", b""), ("zeros.mp4", bytes(5000))):
        (tmp_path / name).write_bytes(content)
        refuse(tmp_path / name, r"no readable video \(Invalid data")
    refuse(tmp_path / "missing.mp4", "No such file")
    refuse(write_sound(tmp_path / "sound.mp4"), "no video in it")


def test_a_truncated_video(tmp_path, refuse):
    whole = write_video(tmp_path / "whole.mp4", coded(60)).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])  # its index stood at the end
    refuse(tmp_path / "cut.mp4", "no readable video")
    fast = write_video(tmp_path / "fast.mp4", coded(60), movflags="faststart").read_bytes()
    (tmp_path / "late.mp4").write_bytes(fast[: len(fast) * 3 // 4])  # its index stands first
    refuse(tmp_path / "late.mp4", r"after \d+ frames|ends early")


def test_a_video_that_ends_early_without_an_error(tmp_path, refuse, monkeypatch):
    video = write_video(tmp_path / "v.mp4", coded(60))
    monkeypatch.setattr(decoding, "lacking_allowed", lambda _: -1.0)  # now even a whole one lacks too much
    refuse(video, "60 of 60 frames")


def test_damaged_pictures_in_a_video(tmp_path, refuse):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    video = write_video(tmp_path / "v.mp4", [np.roll(noise, shift, axis=0) for shift in range(30)])
    content = bytearray(video.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 4] = bytes(4)  # FFmpeg paints over such a hole and goes on
    video.write_bytes(content)
    refuse(video, r"frame \d+: found a damaged picture")


def test_absurd_sizes(tmp_path, refuse):
    refuse(write_video(tmp_path / "wide.mp4", [grey(9, 8208, 16)] * 2), r"pictures of 8208 x 16; expected sides of 8")
    refuse(write_video(tmp_path / "tiny.mp4", [grey(9, 16, 4)] * 2), "pictures of 16 x 4")
    folder = write_picture(tmp_path / "wide" / "1.0.png", grey(9, 9000, 10)).parent
    refuse(folder, r"pictures of 9000 x 10")


def test_more_frames_than_anyone_films(tmp_path, refuse, monkeypatch):
    monkeypatch.setattr(decoding, "MAX_FRAMES", 5)
    refuse(write_video(tmp_path / "v.mp4", coded(6)), "more than 5 frames")
    for number in range(6):
        write_picture(tmp_path / "folder" / f"{number}.5.png", grey(9))
    refuse(tmp_path / "folder", "more than 5 frames")


def test_folders_that_are_no_frames(tmp_path, refuse):
    (tmp_path / "empty").mkdir()
    refuse(tmp_path / "empty", "a folder without a frame")
    write_picture(tmp_path / "mixed" / "0.1.png", grey(9))
    write_picture(tmp_path / "mixed" / "0.2.png", grey(9, 32, 64))
    refuse(tmp_path / "mixed", r"0\.2\.png: found a picture of 32 x 64; expected 64 x 64, like the first one")
    write_picture(tmp_path / "unnumbered" / "face.png", grey(9))
    refuse(tmp_path / "unnumbered", "no number in the name")
    for name in ("a1.png", "b01.png"):
        write_picture(tmp_path / "twice" / name, grey(9))
    refuse(tmp_path / "twice", "number 1 twice")
    write_picture(tmp_path / "rate" / "1.png", grey(9))
    (tmp_path / "rate" / "hz.txt").write_text("fast")
    refuse(tmp_path / "rate", r"hz\.txt:1: found 'fast'")


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_damaged_pictures_in_a_folder(tmp_path, refuse, suffix):
    for time in ("0.1", "0.2", "0.3"):
        picture = write_picture(tmp_path / "folder" / f"{time}{suffix}", coded(3)[1])
    assert len(open_frames(VideoSource(path=picture.parent), image_size=16, cache=tmp_path / "cache").images) == 3
    for content in (b"", b"text, not a picture", picture.read_bytes()[:40]):
        picture.write_bytes(content)
        refuse(picture.parent, rf"0\.3\{suffix}: found")
