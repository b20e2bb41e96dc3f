"""Pictures come as they are to be seen, whatever way the file holds them."""

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from orchestrator.corpora.readers import open_corpus
from orchestrator.corpora.recording import VideoSource
from orchestrator.corpora.tables.frame_rate import VIDEO_SUFFIXES
from orchestrator.corpora.video.decoding import decode, how_seen
from orchestrator.corpora.video.frame_store import check_seen_as_before, open_frames
from orchestrator.corpora.video.pictures import _ORIENTATIONS, check_flat, pixel_shape, turn_of_image, turned
from orchestrator.errors import InputError
from tests.corpora.video.video_files import coded, grey, marked, turned_photograph, write_video
from tests.corpora.writers import three_people, write_folder

HEIGHT, WIDTH = 48, 64  # of `marked`


def corners(image: np.ndarray) -> list[int]:
    """What is in the corners, clockwise from the upper left: 2 bright, 1 half, 0 dark."""
    places = (image[4, 4], image[4, -5], image[-5, -5], image[-5, 4])
    return [int(np.digitize(place.mean(), (75, 180))) for place in places]


def film(path: Path, images: list[np.ndarray], *, degrees: float = 0, shape: Fraction | None = None) -> Path:
    """A video whose container says how it is turned (anticlockwise) and what shape its pixels have."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "10"})
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        if shape:
            stream.codec_context.sample_aspect_ratio = shape
        if degrees:
            stream.set_display_rotation(degrees)
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def first(path: Path) -> np.ndarray:
    _, frame = next(decode(VideoSource(path=path)))
    return np.asarray(frame.to_ndarray(format="rgb24"))


@pytest.mark.parametrize(
    ("degrees", "expected"), [(0, [2, 1, 0, 0]), (-90, [0, 2, 1, 0]), (90, [1, 0, 0, 2]), (180, [0, 0, 2, 1])]
)
def test_a_turned_video_stands_upright(degrees: int, expected: list[int], tmp_path: Path) -> None:
    path = film(tmp_path / "phone.mp4", [marked()] * 3, degrees=degrees)
    image = first(path)
    assert image.shape[:2] == ((HEIGHT, WIDTH) if degrees in {0, 180} else (WIDTH, HEIGHT))
    assert corners(image) == expected
    assert how_seen(VideoSource(path=path)) == (None if degrees == 0 else "they are turned")
    frames = open_frames(VideoSource(path=path), image_size=48, cache=tmp_path / "cache")
    middle = image[:48] if degrees in {0, 180} else image[8:56]
    middle = middle[:, 8:56] if degrees in {0, 180} else middle
    assert np.abs(frames.images[0].astype(int) - middle).mean() < 3  # its middle, in the cache as well


def test_a_video_turned_by_some_degrees_is_refused(tmp_path: Path) -> None:
    path = film(tmp_path / "phone.mp4", [marked()], degrees=30)
    with pytest.raises(InputError, match=r"frame 1: found a picture turned by -?30\.0 degrees; expected quarter turns"):
        first(path)


@pytest.mark.parametrize(
    ("shape", "size"), [(Fraction(2), (HEIGHT, 2 * WIDTH)), (Fraction(1, 2), (2 * HEIGHT, WIDTH)), (None, (48, 64))]
)
def test_pixels_are_made_square(shape: Fraction | None, size: tuple[int, int], tmp_path: Path) -> None:
    assert first(film(tmp_path / "tv.mkv", [marked()], shape=shape)).shape[:2] == size


def test_absurd_pixels_are_refused() -> None:
    assert pixel_shape(None, "x") == pixel_shape(Fraction(0), "x") == 1
    with pytest.raises(InputError, match="found pixels of the shape 100:1"):
        pixel_shape(Fraction(100), "x")


def two_streams(path: Path, sizes: list[int], *, default: int | None = None, cover: int | None = None) -> Path:
    from av.stream import Disposition

    with av.open(str(path), "w") as container:
        streams = []
        for index, size in enumerate(sizes):
            stream = container.add_stream("png" if index == cover else "libx264", rate=25)
            stream.width = stream.height = size
            stream.pix_fmt = "rgb24" if index == cover else "yuv420p"
            none = Disposition(0)
            stream.disposition = Disposition.attached_pic if index == cover else none
            if index == default:
                stream.disposition = Disposition.default
            streams.append(stream)
        for index, (stream, size) in enumerate(zip(streams, sizes, strict=True)):
            for _ in range(1 if index == cover else 3):
                frame = av.VideoFrame.from_ndarray(grey(60 + 100 * index, size, size), format="rgb24")
                container.mux(stream.encode(frame))
        for stream in streams:
            container.mux(stream.encode(None))
    return path


def test_the_largest_stream_is_taken(tmp_path: Path) -> None:
    image = first(two_streams(tmp_path / "two.mkv", [32, 64]))
    assert image.shape[:2] == (64, 64)
    assert abs(int(image.mean()) - 160) < 10


def test_equal_streams_are_refused_but_for_a_default(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found 2 video streams of 64 x 64; expected one video stream"):
        first(two_streams(tmp_path / "equal.mkv", [64, 64]))
    assert abs(int(first(two_streams(tmp_path / "default.mkv", [64, 64], default=1)).mean()) - 160) < 10


def test_a_cover_is_no_video(tmp_path: Path) -> None:
    path = two_streams(tmp_path / "cover.mp4", [32, 128], cover=1)
    assert first(path).shape[:2] == (32, 32)
    alone = two_streams(tmp_path / "alone.mp4", [64], cover=0)
    with pytest.raises(InputError, match="only an attached picture"):
        first(alone)


EXPECTED = {  # EXIF 2.3: which side is up
    **{1: [2, 1, 0, 0], 2: [1, 2, 0, 0], 3: [0, 0, 2, 1], 4: [0, 0, 1, 2]},
    **{5: [2, 0, 0, 1], 6: [0, 2, 1, 0], 7: [0, 1, 2, 0], 8: [1, 0, 0, 2]},
}


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("orientation", EXPECTED)
def test_a_turned_photograph_stands_upright(orientation: int, suffix: str, tmp_path: Path) -> None:
    turned_photograph(tmp_path / f"0.04{suffix}", orientation, ">" if orientation % 2 else "<")
    image = first(tmp_path)
    assert image.shape[:2] == ((HEIGHT, WIDTH) if orientation < 5 else (WIDTH, HEIGHT))
    assert corners(image) == EXPECTED[orientation]


class Told:
    """A frame that says one thing of itself."""

    def __init__(self, **side_data: bytes) -> None:
        self.side_data = side_data


def test_pictures_for_two_eyes_and_all_round_are_refused() -> None:
    check_flat(Told(), "v")
    check_flat(Told(STEREO3D=bytes(20)), "v")
    with pytest.raises(InputError, match="v: found a picture for two eyes"):
        check_flat(Told(STEREO3D=struct.pack("=5i", 1, 0, 0, 0, 0)), "v")
    with pytest.raises(InputError, match="v: found a picture all round"):
        check_flat(Told(SPHERICAL=bytes(8)), "v")


def test_an_orientation_that_is_none_is_refused(tmp_path: Path) -> None:
    turned_photograph(tmp_path / "0.04.jpg", 9)
    with pytest.raises(InputError, match="found EXIF orientation 9; expected 1 to 8"):
        first(tmp_path)


def test_damaged_exif_is_none(tmp_path: Path) -> None:
    data = turned_photograph(tmp_path / "0.04.jpg", 6).read_bytes()
    at = data.index(b"II*\0") + 4
    for offset in (0xFFFFFFF0, len(data)):
        broken = data[:at] + struct.pack("<I", offset) + data[at + 4 :]
        assert turn_of_image(broken, tmp_path) == _ORIENTATIONS[1]
    assert turn_of_image(b"\xff\xd8\xff\xe1", tmp_path) == _ORIENTATIONS[1]


def test_every_turn_is_one_and_they_differ() -> None:
    image = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    assert len({turned(image, turn).tobytes() for turn in _ORIENTATIONS.values()}) == 8


def test_a_run_from_before_is_refused_where_pictures_are_read_otherwise(tmp_path: Path) -> None:
    root = write_folder(tmp_path, three_people())
    (root / "videos").mkdir()
    film(root / "videos" / "P16.mp4", [marked()] * 3, degrees=-90)
    write_video(root / "videos" / "P17.mp4", coded(3))
    with pytest.raises(InputError) as caught:
        check_seen_as_before(open_corpus(root).recordings)
    (problem,) = caught.value.problems
    assert problem.where.endswith("P16.mp4")
    assert "read differently since: they are turned" in problem.found
    assert ".mts" in VIDEO_SUFFIXES
