"""Drawn faces: every action shows, people differ as far as the dial says, and the videos tell more than the tool."""

import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from orchestrator.corpora.cache import CACHE_VARIABLE
from orchestrator.corpora.readers import open_corpus
from orchestrator.corpora.synthetic import face_videos, faces, facial_model
from orchestrator.corpora.synthetic.facial_model import ACTIONS, POSE, UNITS
from orchestrator.corpora.synthetic.tree import cached_synthetic, synthesize
from orchestrator.errors import InputError
from tests.corpora.video.video_files import open_all

SIZE = 128  # pixels, twice the videos': positions are measured more finely
PEOPLE, SECONDS = 6, 24.0


def people(num_frames=3, *, identity=0.5, count=2, seed=0):
    names = [f"P{index}" for index in range(count)]
    return facial_model.simulate(names, num_frames=num_frames, hz=25.0, seed=seed, identity=identity)


@pytest.fixture
def draw(monkeypatch):
    """Draw one frame with these actions (or a blink, or a flush), without the camera's noise: (S, S, 3), 0 to 255."""
    monkeypatch.setattr(faces, "CAMERA_NOISE", 0.0)

    def one(participant="P0", *, identity=0.0, blink=0.0, flush=0.0, size=SIZE, **actions):
        (face,) = people(count=1)
        values = np.zeros((1, len(ACTIONS)))
        for name, value in actions.items():
            values[0, ACTIONS.index(name)] = value
        still = replace(face, time=face.time[:1], actions=values, blink=np.array([blink]), flush=np.array([flush]))
        looks = faces.appearance(participant, seed=0, identity=identity)
        return next(faces.render(still, looks, size=size, seed=0))[0].astype(int)

    return one


def lips(image):
    """The lips of the average face: (row of each corner, row of the middle, width)."""
    red, green, _ = image.transpose(2, 0, 1)
    mask = (green < 0.62 * red) & (red > 100)
    mask[: SIZE * 6 // 10] = False
    rows, columns = np.nonzero(mask)
    assert len(rows) > 20
    left, right = columns.min(), columns.max()
    corner = [rows[columns == side].mean() for side in (left, right)]
    middle = rows[np.abs(columns - (left + right) / 2) <= 1].mean()
    return corner, middle, right - left


def test_the_corners_of_the_mouth_follow_a_smile_and_its_opposite(draw):
    corners, middle, width = lips(draw())
    assert np.abs(np.array(corners) - middle).max() < 1.0
    smiling, smile_middle, smile_width = lips(draw(AU12=4.0))
    assert max(smiling) < min(corners) - 2.0  # pixels, upwards
    assert max(smiling) < smile_middle - 3.0
    assert smile_width > width + 2
    half_way = lips(draw(AU12=2.0))[0]
    assert min(corners) > max(half_way) > max(smiling)
    sad, sad_middle, _ = lips(draw(AU15=4.0))
    assert min(sad) > max(corners) + 1.0
    assert min(sad) > sad_middle + 2.0
    assert lips(draw(AU20=4.0))[2] > width + 2
    assert lips(draw(AU24=4.0))[2] < width - 1


def brow_rows(image):
    """Rows of the brow's inner and outer end: the darkest in two strips between the hair and the right eye."""
    grey = image.sum(axis=2)
    return [34 + int(np.argmin(grey[34:51, columns].mean(axis=1))) for columns in (slice(74, 78), slice(86, 90))]


def test_brows_rise_and_frown(draw):
    inner, outer = brow_rows(draw())
    assert brow_rows(draw(AU1=2.5))[0] <= inner - 3
    assert brow_rows(draw(AU2=2.5))[1] <= outer - 3
    assert brow_rows(draw(AU4=3.0))[0] >= inner + 3
    assert abs(brow_rows(draw(AU2=2.5))[0] - inner) <= 2


def test_eyes_open_narrow_and_blink(draw):
    def white(**how):
        return (draw(**how)[48:70, 28:100].min(axis=2) > 200).sum()  # the darkest channel: skin is not white

    assert white(AU5=4.0) > 1.3 * white() > 40
    assert white(AU7=3.0) < 0.8 * white()
    assert white(blink=0.5) < 0.8 * white()
    assert white(blink=1.0) == 0


def test_the_head_turns_nods_and_tilts(draw):
    def centre(image):
        """The middle of everything that is skin."""
        red, _, blue = image.transpose(2, 0, 1)
        rows, columns = np.nonzero((red > 150) & (red > blue + 40))
        return rows.mean(), columns.mean()

    row, column = centre(draw())
    assert centre(draw(Yaw=20.0))[1] > column + 2
    assert centre(draw(Yaw=-20.0))[1] < column - 2
    assert centre(draw(Pitch=20.0))[0] < row - 1.5
    assert centre(draw(Pitch=-20.0))[0] > row + 1.5
    level, tilted = draw(), draw(Roll=15.0)
    assert abs(centre(tilted)[1] - centre(level)[1]) > 2


def test_every_action_shows_and_the_more_the_stronger(draw):
    calm = draw()
    for name in (*UNITS, *POSE):
        full = 20.0 if name in POSE else 4.0
        weak, strong = (np.abs(draw(**{name: share * full}) - calm).mean() for share in (0.5, 1.0))
        assert strong > 1.2 * weak > 0.06, name  # of 255, over all pixels: AU11 is a line
    assert len(UNITS) + len(POSE) == 18


def test_a_flush_reddens_the_face_alone_and_the_cheeks_most(draw):
    pale, half, red = (draw(flush=flush) for flush in (0.0, 0.5, 1.0))
    np.testing.assert_array_equal(pale[..., 0], red[..., 0])
    lost = (pale - red)[..., 1:].sum(axis=-1)
    assert lost.min() >= 0
    cheek, chin = (lost[round(SIZE * row), round(SIZE * column)] for row, column in ((0.58, 0.34), (0.82, 0.5)))
    assert cheek > 1.5 * chin > 10
    assert not lost[:, : SIZE // 16].any()  # the background
    assert not lost[-SIZE // 20 :].any()  # the shirt
    assert (half - red).sum() == pytest.approx((pale - red).sum() / 2, rel=0.05)


def test_an_aroused_face_is_flushed_and_nothing_else_moves_with_that(monkeypatch):
    before = people(7500, count=3)
    follows = [np.corrcoef(face.flush, face.affect[:, 1])[0, 1] for face in before]
    assert 0.5 < min(follows) < max(follows) < 0.95  # it has causes of its own
    assert all(0.0 <= face.flush.min() < face.flush.max() <= 1.0 for face in before)
    monkeypatch.setattr(facial_model, "FLUSH_AROUSAL", 0.0)
    after = people(7500, count=3)
    assert max(abs(np.corrcoef(face.flush, face.affect[:, 1])[0, 1]) for face in after) < 0.3
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one.actions, other.actions)
        np.testing.assert_array_equal(one.blink, other.blink)


def test_people_differ_as_far_as_the_dial_says(draw):
    distances = []
    for identity in (0.0, 0.25, 0.5, 1.0):
        images = [draw(f"P{index}", identity=identity) for index in range(4)]
        apart = [np.abs(one - other).mean() for i, one in enumerate(images) for other in images[:i]]
        distances.append(np.mean(apart))
    assert distances[0] == 0.0
    assert all(later > 1.3 * earlier + 1.0 for earlier, later in pairwise(distances))
    looks = [faces.appearance("P0", seed=seed, identity=1.0) for seed in (0, 0, 1)]
    assert looks[0].sizes == looks[1].sizes != looks[2].sizes


def test_sizes_draw_the_same_picture(draw):
    small, large = draw(AU12=3.0, AU1=2.0), draw(AU12=3.0, AU1=2.0, size=2 * SIZE)
    halved = large.reshape(SIZE, 2, SIZE, 2, 3).mean(axis=(1, 3))
    assert np.abs(halved - small).mean() < 4.0


def test_blocks_join_without_a_seam(monkeypatch):
    (face,) = people(20, count=1)
    looks = faces.appearance("P0", seed=0, identity=0.5)
    together = np.concatenate(list(faces.render(face, looks, size=32, seed=0)))
    monkeypatch.setattr(faces, "BLOCK_PIXELS", 7 * 32**2)
    blocks = list(faces.render(face, looks, size=32, seed=0))
    assert [len(block) for block in blocks] == [7, 7, 6]
    np.testing.assert_array_equal(np.concatenate(blocks), together)
    assert together.shape == (20, 32, 32, 3)
    assert together.dtype == np.uint8


def test_one_seed_one_video():
    face = people(30, count=1)[0]
    drawn: dict[str, Any] = {"identity": 0.5, "folders": ("videos", "timings")}
    first = face_videos.video_files(face, size=32, seed=0, **drawn)
    assert list(first) == ["videos/P0.mp4", "timings/P0.csv"]
    assert face_videos.video_files(face, size=32, seed=0, **drawn) == first
    other = face_videos.video_files(face, size=32, seed=1, **drawn)
    assert other["videos/P0.mp4"] != first["videos/P0.mp4"]


def test_the_encoder_gives_equal_bytes_whatever_lies_in_memory():
    """66 pixels are four macroblocks and a bit: what lies beyond the picture is read there first."""
    face = people(30, count=1)[0]
    held, files = [], set()
    for turn in range(40):
        held = [bytes([turn]) * size for size in range(1000 * turn, 200_000, 7919)]  # other memory each time
        made = face_videos.video_files(face, size=66, seed=0, identity=0.5, folders=("videos", "timings"))
        files.add(made["videos/P0.mp4"])
    assert len(files) == 1 < len(held)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    path = tmp_path_factory.mktemp("faces") / "tree"
    return synthesize(path, participants=PEOPLE, seconds=SECONDS, faces=True)


@pytest.fixture(scope="module")
def corpus(tree):
    return open_corpus(tree)


@pytest.fixture(scope="module")
def frames(corpus, tmp_path_factory):
    return open_all(corpus.recordings, image_size=48, cache=tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def truth(corpus):
    """The same true faces again; row 0 is the labels' first row, which has no frame."""
    num_frames = round(SECONDS * 25.0) + 1
    return facial_model.simulate(corpus.participants, num_frames=num_frames, hz=25.0, seed=0, identity=0.5)


def test_the_tree_is_the_same_one_with_videos(tree, tmp_path):
    plain = synthesize(tmp_path / "plain", participants=PEOPLE, seconds=SECONDS)
    files = {str(path.relative_to(tree)) for path in tree.rglob("*") if path.is_file()}
    without = {str(path.relative_to(plain)) for path in plain.rglob("*") if path.is_file()}
    assert without < files
    assert len(files - without) == 2 * PEOPLE
    for name in without - {"synthetic.json"}:
        assert (plain / name).read_bytes() == (tree / name).read_bytes()
    manifest, before = (json.loads((root / "synthetic.json").read_text()) for root in (tree, plain))
    assert set(manifest["files"]) == files - {"synthetic.json"}
    assert manifest["parameters"] == before["parameters"] | {"faces": True, "face_size": 64}
    assert open_corpus(plain).sha256 == open_corpus(tree).sha256


def test_frames_are_those_of_the_features_but_for_a_few(corpus, frames):
    missing = []
    for recording in corpus.recordings:
        index, valid = frames[recording.name].at(recording.time)
        assert len(frames[recording.name].images) == valid.sum()
        assert (np.diff(index[valid]) == 1).all()
        np.testing.assert_allclose(frames[recording.name].time[index[valid]], recording.time[valid], atol=1e-6)
        missing.append((~valid).sum())
    assert sum(missing) > 3
    assert max(missing) < 0.03 * SECONDS * 25


def test_each_frame_shows_its_own_moment(corpus, frames, truth):
    """Behind lost frames the video's own clock would be off; with the timings each frame is the face of then."""
    checked = 0
    for recording, face in zip(corpus.recordings, truth, strict=True):
        index, valid = frames[recording.name].at(recording.time)
        if valid.all():
            continue
        rows = np.flatnonzero(valid)
        rows = rows[(rows > np.argmin(valid)) & (rows < len(valid) - 1)]  # behind the first loss
        drawn = render_small(face, recording.participant)
        seen = frames[recording.name].images[index[rows]].astype(float)
        apart = {shift: np.abs(seen - drawn[rows + 1 + shift]).mean() for shift in (-1, 0, 1)}
        assert apart[0] < 4.0  # of 255: compression and the camera's noise
        assert apart[0] < 0.97 * min(apart[-1], apart[1])
        checked += 1
    assert checked >= 2


def render_small(face, participant):
    """A face as drawn, in the store's size, by FFmpeg's scaler."""
    from av import VideoFrame

    from orchestrator.corpora.video.decoding import Squares

    square = Squares(48)
    looks = faces.appearance(participant, seed=0, identity=0.5)
    drawn = np.concatenate(list(faces.render(face, looks, size=64, seed=0)))
    images = [square(VideoFrame.from_ndarray(image, format="rgb24")) for image in drawn]
    return np.stack(images).astype(float)


def test_images_tell_more_of_the_face_than_the_tool_does(corpus, frames, truth):
    """Ridge on unseen people: from 16 x 16 pixels against the tool's table, to the true actions and to affect."""
    images, tables, targets, affect = [], [], [], []
    for recording, face in zip(corpus.recordings, truth, strict=True):
        index, valid = frames[recording.name].at(recording.time)
        rows = np.flatnonzero(valid & recording.valid)[::2]
        pixels = frames[recording.name].images[index[rows]].astype(np.float64)
        images.append(scaled(pixels.reshape(len(rows), 16, 3, 16, 3, 3).mean(axis=(2, 4)).reshape(len(rows), -1)))
        tables.append(scaled(recording.features[rows].astype(np.float64)))
        targets.append(scaled(face.actions[1:][rows][:, : len(UNITS) + len(POSE)]))
        affect.append(face.affect[1:][rows])
    by_images, by_tables = (held_out(inputs, targets) for inputs in (images, tables))
    assert by_images.mean() > by_tables.mean() + 0.05
    assert (by_images > by_tables).sum() >= 12  # of 18
    assert held_out(images, affect).mean() > held_out(tables, affect).mean() + 0.03


def scaled(rows):
    return (rows - rows.mean(axis=0)) / (rows.std(axis=0) + 1e-6)


def held_out(inputs, targets):
    """Correlation of each target with its prediction on the people left out, mean of three folds."""
    scores = []
    for fold in range(3):
        rest = [index for index in range(PEOPLE) if index % 3 != fold]
        model = Ridge(1000.0).fit(np.concatenate([inputs[i] for i in rest]), np.concatenate([targets[i] for i in rest]))
        predicted = np.concatenate([model.predict(inputs[i]) for i in range(fold, PEOPLE, 3)])
        true = np.concatenate([targets[i] for i in range(fold, PEOPLE, 3)])
        scores.append([np.corrcoef(predicted[:, k], true[:, k])[0, 1] for k in range(true.shape[1])])
    return np.mean(scores, axis=0)


def test_bad_sizes_are_refused_and_no_faces_need_none(tmp_path):
    for size in (31, 33, 514):
        with pytest.raises(InputError, match=rf"--face-size: found {size}; expected an even number from 32 to 512"):
            synthesize(tmp_path / "out", participants=1, seconds=1.0, faces=True, face_size=size)
    assert synthesize(tmp_path / "out", participants=1, seconds=1.0, face_size=33).exists()
    single = synthesize(tmp_path / "single", participants=1, seconds=0.04, faces=True)
    assert (single / "RECOLA-Video-timings" / "P16.csv").read_text() == "time in seconds\n0.04\n"


def test_the_cache_tells_trees_with_faces_apart(tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    small: dict[str, Any] = {"participants": 1, "seconds": 1.0}
    paths = {cached_synthetic(**small, **more) for more in ({}, {"faces": True}, {"faces": True, "face_size": 32})}
    assert len(paths) == 3
    assert cached_synthetic(**small, face_size=32) == cached_synthetic(**small)
    video = cached_synthetic(**small, faces=True) / "RECOLA-Video-recordings" / "P16.mp4"
    whole = video.read_bytes()
    video.write_bytes(whole[:-1])
    assert cached_synthetic(**small, faces=True) / "RECOLA-Video-recordings" / "P16.mp4" == video
    assert video.read_bytes() == whole
