"""The face crop by YuNet: OpenCV's real detector with a small network made here, whose faces are white discs.

The network has YuNet's input and outputs (`cls`, `obj`, `bbox`, `kps` at strides 8, 16 and 32); only the coarsest
stride answers: a cell is a face as it is bright, of FACE pixels.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from orchestrator.corpora.cache import CACHE_VARIABLE, digest_of
from orchestrator.corpora.extraction.model_file import ModelFile
from orchestrator.corpora.recording import VideoSource
from orchestrator.corpora.video import frame_store, yunet
from orchestrator.corpora.video.face_crop import find_boxes
from orchestrator.corpora.video.frame_store import open_frames
from orchestrator.errors import InputError
from tests.corpora.video.video_files import grey, write_video

FACE = 96.0  # pixels of the picture that is searched, 320 x 240
BLANK = range(3, 6)


def _output(nodes, weights, name, stride, channels, *, answers):
    """A convolution over one cell, as (1, cells, channels): of a mean of 0 to 255 a score of 0.75 to 0.99."""
    kernel = np.full((channels, 3, stride, stride), 1 / (3 * stride * stride) if answers else 0.0, np.float32)
    weights += [
        numpy_helper.from_array(kernel * np.float32(4 / 255), f"{name}_w"),
        numpy_helper.from_array(np.full(channels, 1.1 if answers else 0.0, np.float32), f"{name}_b"),
        numpy_helper.from_array(np.array([1, channels, -1], np.int64), f"{name}_s"),
    ]
    inputs = ["input", f"{name}_w", f"{name}_b"]
    nodes += [
        helper.make_node("Conv", inputs, [f"{name}_0"], kernel_shape=[stride, stride], strides=[stride, stride]),
        helper.make_node("Reshape", [f"{name}_0", f"{name}_s"], [f"{name}_1"]),
        helper.make_node("Transpose", [f"{name}_1"], [f"{name}_2" if answers else name], perm=[0, 2, 1]),
    ]
    if answers:
        nodes.append(helper.make_node("Sigmoid", [f"{name}_2"], [name]))
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, None, channels])


def network(answers=True):
    """YuNet's outputs; a bright cell is a face."""
    nodes: list[onnx.NodeProto] = []
    weights: list[onnx.TensorProto] = []
    outputs: list[onnx.ValueInfoProto] = []
    for kind, channels in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)):
        for stride in (8, 16, 32):
            told = answers and stride == 32 and kind in ("cls", "obj")
            name = f"{kind}_{stride}"
            outputs.append(_output(nodes, weights, name, stride, channels, answers=told))
    for one in weights:
        if one.name == "bbox_32_b":  # dx, dy, log of width and height in strides
            one.CopyFrom(numpy_helper.from_array(np.array([0.5, 0.5, *[np.log(FACE / 32)] * 2], np.float32), one.name))
    shape = helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, None, None])
    graph = helper.make_graph(nodes, "stand_in", [shape], outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString()


@pytest.fixture
def model(tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    source = tmp_path / "yunet.onnx"
    source.write_bytes(network())
    content = source.read_bytes()
    stand_in = ModelFile(name="yunet.onnx", address=source.as_uri(), sha256=digest_of(content), num_bytes=len(content))
    monkeypatch.setattr(yunet, "YUNET", stand_in)
    monkeypatch.setattr(frame_store, "YUNET", stand_in)
    return stand_in


@pytest.fixture
def video(tmp_path):
    """Frames of 640 x 480 with a bright patch over one cell of 32 in the picture of half the size."""
    images = [grey(0, 640, 480) for _ in range(9)]
    for index, image in enumerate(images):
        if index not in BLANK:
            image[4 * 64 - 64 : 4 * 64, 5 * 64 : 6 * 64] = 255
    return VideoSource(path=write_video(tmp_path / "face.mp4", images))


@pytest.mark.usefixtures("model")
def test_the_real_detector_finds_the_bright_cell(video):
    boxes, found = find_boxes(video, "yunet")
    assert np.flatnonzero(~found).tolist() == list(BLANK)
    expected = [5.5 * 64, 3.5 * 64, 1.2 * FACE * 2]  # the middle of the cell, and the face with its margin
    np.testing.assert_allclose(boxes, np.tile(expected, (9, 1)), atol=1.0)


def test_pictures_are_of_the_face_and_keyed_by_the_model(model, video, monkeypatch):
    frames = open_frames(video, image_size=48, face_crop="yunet")
    assert np.flatnonzero(~frames.valid).tolist() == list(BLANK)
    assert frames.images[0].mean() > 2 * open_frames(video, image_size=48).images[0].mean()
    facts = json.loads((frames.path / "store.json").read_text())
    assert (facts["face_crop"], facts["face_model"]) == ("yunet", model.sha256)
    other = ModelFile(name="b.onnx", address=model.address, sha256="0" * 64, num_bytes=1)
    for module in (yunet, frame_store):
        monkeypatch.setattr(module, "YUNET", other)
    with pytest.raises(InputError, match=r"yunet\.onnx: found a file of sha256"):
        open_frames(video, image_size=48, face_crop="yunet")


def test_a_file_of_the_users_is_taken_instead_of_fetched(model, video, tmp_path):
    source = Path(model.address.removeprefix("file://"))
    own = source.rename(tmp_path / "mine.onnx")
    yunet.keep_model(own, "yunet")
    own.unlink()  # it is in the cache now, for predictions and resumed runs too
    assert open_frames(video, image_size=48, face_crop="yunet").valid.any()


def test_another_file_and_another_crop_are_refused(model, tmp_path):
    (tmp_path / "other.onnx").write_bytes(b"no network")
    with pytest.raises(InputError, match=r"--model-file .*other\.onnx: found a file of sha256 .*that of yunet\.onnx"):
        yunet.keep_model(tmp_path / "other.onnx", "yunet")
    with pytest.raises(InputError, match=r"--model-file: found no file"):
        yunet.keep_model(tmp_path, "yunet")
    for crop in ("haar", "none", None):
        with pytest.raises(InputError, match=f"found the face crop {crop or 'none'}; expected --face-crop"):
            yunet.keep_model(tmp_path / "other.onnx", crop)
    assert not model.path.exists()


@pytest.mark.parametrize("command", ["tune", "evaluate"])
def test_commands_refuse_a_file_without_its_crop(command, tmp_path, run_inside):
    (tmp_path / "other.onnx").write_bytes(b"no network")
    words = [command, "--method", "images", "--model-file", tmp_path / "other.onnx", "--output", tmp_path / "run"]
    if command == "evaluate":
        words += ["--network", "rnn", "--published"]
    done = run_inside(*words)
    assert done.returncode == 2
    assert "error: --model-file: found the face crop none; expected --face-crop yunet" in done.stderr
    done = run_inside(*words, "--face-crop", "yunet")
    assert done.returncode == 2
    assert "other.onnx: found a file of sha256" in done.stderr
    assert not (tmp_path / "run").exists()


def test_what_is_missing_is_said(model, video, monkeypatch):
    Path(model.address.removeprefix("file://")).unlink()
    with pytest.raises(InputError, match=r"--face-crop yunet: found no yunet\.onnx, and .*or the file at .*models-"):
        open_frames(video, image_size=48, face_crop="yunet")
    model.path.parent.mkdir(parents=True)
    model.path.write_bytes(b"no network")
    broken = ModelFile(name=model.name, address=model.address, sha256=digest_of(b"no network"), num_bytes=10)
    broken.path.parent.mkdir(parents=True)
    broken.path.write_bytes(b"no network")
    monkeypatch.setattr(yunet, "YUNET", broken)
    with pytest.raises(InputError, match=r"yunet\.onnx: found a file that OpenCV .* cannot load"):
        open_frames(video, image_size=48, face_crop="yunet")
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(InputError, match=r"--face-crop yunet: found no OpenCV; .*\[faces\]"):
        open_frames(video, image_size=48, face_crop="yunet")
