"""The face crop: it finds the face, keeps still, says where there was none. Needs OpenCV 4, as the extra does."""

import sys
from dataclasses import replace

import numpy as np
import pytest

from orchestrator.corpora.recording import VideoSource
from orchestrator.corpora.synthetic import faces, facial_model
from orchestrator.corpora.video.face_crop import MEDIAN_FRAMES, cut_out, find_boxes, still
from orchestrator.corpora.video.frame_store import open_frames
from orchestrator.errors import InputError
from tests.corpora.video.video_files import grey, write_video

FACE_SIDE = 192
LEFT, TOP = 300, 140  # of the face in a frame of 640 x 480, twice what it is searched in
BLANK = range(40, 55)  # frames without a face


@pytest.fixture(scope="module")
def drawn():
    """One drawn face, looking ahead at rest."""
    (face,) = facial_model.simulate(["P16"], num_frames=3, hz=25.0, seed=0, identity=0.0)
    calm = replace(face, time=face.time[:1], actions=np.zeros((1, 20)), blink=np.zeros(1), flush=np.zeros(1))
    looks = faces.appearance("P16", seed=0, identity=0.0)
    return next(faces.render(calm, looks, size=FACE_SIDE, seed=0))[0]


@pytest.fixture(scope="module")
def video(drawn, tmp_path_factory):
    images = []
    for index in range(60):
        image = grey(128, 640, 480)
        if index not in BLANK:
            image[TOP : TOP + FACE_SIDE, LEFT : LEFT + FACE_SIDE] = drawn
        images.append(image)
    return VideoSource(path=write_video(tmp_path_factory.mktemp("crop") / "face.mp4", images))


def test_the_box_is_on_the_face_and_stays_there(video):
    boxes, found = find_boxes(video)
    assert boxes.shape == (60, 3)
    assert np.flatnonzero(~found).tolist() == list(BLANK)
    middle = np.array([LEFT + FACE_SIDE / 2, TOP + FACE_SIDE / 2])
    assert np.abs(boxes[:, :2] - middle).max() < FACE_SIDE / 6
    assert (boxes[:, 2] > 0.6 * FACE_SIDE).all()
    assert (boxes[:, 2] < 1.3 * FACE_SIDE).all()
    assert np.abs(np.diff(boxes, axis=0)).max() <= 4.0  # pixels from one frame to the next


def test_images_hold_the_face_and_frames_without_one_are_invalid(video, tmp_path):
    cropped = open_frames(video, image_size=48, face_crop="haar", cache=tmp_path)
    whole = open_frames(video, image_size=48, cache=tmp_path)
    assert cropped.images.shape == whole.images.shape == (60, 48, 48, 3)
    np.testing.assert_array_equal(cropped.time, whole.time)
    assert np.flatnonzero(~cropped.valid).tolist() == list(BLANK)
    assert whole.valid.all()

    def skin(image):
        red, _, blue = image.astype(int).transpose(2, 0, 1)
        return (red > blue + 40).mean()

    assert skin(cropped.images[5]) > 2.5 * skin(whole.images[5])
    index, valid = cropped.at(cropped.time)
    assert (index == np.arange(60)).all()
    assert np.flatnonzero(~valid).tolist() == list(BLANK)


def test_one_false_detection_does_not_move_the_box():
    boxes = np.tile([100.0, 80.0, 60.0], (80, 1))
    boxes[30] = [300.0, 10.0, 200.0]
    found = np.ones(80, dtype=bool)
    found[[0, 1, 50, 51]] = False
    boxes[~found] = np.nan
    np.testing.assert_allclose(still(boxes, found), np.tile([100.0, 80.0, 60.0], (80, 1)))
    boxes[60:, 0] = 140.0  # whoever moves for longer is followed
    moved = still(boxes, np.ones(80, dtype=bool) & found)[:, 0]
    assert moved[: 60 - MEDIAN_FRAMES].max() == 100.0
    assert (moved[62:] == 140.0).all()


def test_a_face_that_is_lost_keeps_its_last_box():
    boxes = np.full((100, 3), np.nan)
    boxes[20:40] = [50.0, 60.0, 30.0]
    found = np.isfinite(boxes[:, 0])
    assert (still(boxes, found) == [50.0, 60.0, 30.0]).all()
    boxes[90:] = [90.0, 60.0, 30.0]
    found = np.isfinite(boxes[:, 0])
    assert still(boxes, found)[70].tolist() == [50.0, 60.0, 30.0]


def test_without_any_face_the_middle_is_kept_and_nothing_is_valid(tmp_path):
    image = grey(90, 96, 64)
    image[:, :16] = image[:, 80:] = 220
    source = VideoSource(path=write_video(tmp_path / "v.mp4", [image] * 3))
    frames = open_frames(source, image_size=32, face_crop="haar", cache=tmp_path)
    assert not frames.valid.any()
    np.testing.assert_allclose(frames.images[:, :, 2:-2].mean(axis=(1, 2, 3)), 90, atol=3)


def test_a_box_over_the_edge_is_moved_inside():
    image = np.arange(40 * 60, dtype=np.uint16).reshape(40, 60)[..., None].repeat(3, axis=2).astype(np.uint8)
    np.testing.assert_array_equal(cut_out(image, np.array([0.0, 0.0, 20.0]), 20), image[:20, :20])
    np.testing.assert_array_equal(cut_out(image, np.array([60.0, 40.0, 20.0]), 20), image[20:, 40:])
    np.testing.assert_array_equal(cut_out(image, np.array([30.0, 5.0, 100.0]), 40), image[:, 10:50])


def test_without_opencv_the_error_says_how_to_get_it(video, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(InputError, match=r"--face-crop haar: found no OpenCV; .*pip install .*\[faces\]"):
        open_frames(video, image_size=48, face_crop="haar", cache=tmp_path)
    assert open_frames(video, image_size=48, cache=tmp_path).valid.all()

    class OpenCV5:
        __version__ = "5.0.0"

    monkeypatch.setitem(sys.modules, "cv2", OpenCV5())
    with pytest.raises(InputError, match=r"found OpenCV 5\.0\.0 without cascades; .*<5.*--face-crop yunet"):
        open_frames(video, image_size=48, face_crop="haar", cache=tmp_path)
