"""Driving MediaPipe with a stand-in package: chunks, a real kill, resumption, its model file, the choice of a tool."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest

from orchestrator.corpora.extraction import chunks
from orchestrator.corpora.extraction.extract import extract
from orchestrator.corpora.extraction.landmarker import BLENDSHAPES, COLUMNS
from orchestrator.corpora.extraction.openface import OPENFACE_VARIABLE
from orchestrator.corpora.extraction.progress import Progress, duration
from orchestrator.corpora.findings import Findings
from orchestrator.corpora.tables.column_kinds import is_unit
from orchestrator.corpora.tables.tracks import read_track
from orchestrator.errors import InputError
from tests.corpora.extraction import fake_mediapipe

NUM_FRAMES, CHUNK = 35, 10
BLACK = range(14, 17)  # frames without a face


@pytest.fixture
def mediapipe(tmp_path, monkeypatch):
    """The stand-in where only it is installed; returns the file that grows by a byte for each frame that it sees."""
    fake_mediapipe.install(tmp_path / "site", BLENDSHAPES)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'site'}:{Path(__file__).parents[3]}")
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    monkeypatch.delenv(OPENFACE_VARIABLE, raising=False)
    log = tmp_path / "log"
    monkeypatch.setenv("FAKE_MEDIAPIPE_LOG", str(log))
    monkeypatch.setattr(chunks, "CHUNK_FRAMES", CHUNK)
    monkeypatch.setattr(chunks, "WARM_UP_FRAMES", 4)
    return log


@pytest.fixture
def video(tmp_path):
    path = tmp_path / "videos" / "P16.mp4"
    path.parent.mkdir()
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        for index in range(NUM_FRAMES):
            picture = np.full((32, 48, 3), 0 if index in BLACK else 60 + 5 * index, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "face_landmarker.task"
    path.write_bytes(b"model")
    return path


def left_over(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.usefixtures("mediapipe")
def test_a_table_of_blendshapes(video, model, tmp_path):
    said: list[str] = []
    report = extract(video, tmp_path / "out", model_file=model, show=said.append)
    assert (report.tool, report.failed) == ("mediapipe", ())
    table = tmp_path / "out/features/P16.csv"
    lines = table.read_text().splitlines()
    assert lines[0].split(",") == list(COLUMNS)
    assert len(BLENDSHAPES) == 52
    assert all(is_unit(name) for name in BLENDSHAPES)
    track = read_track(table, "P16", Findings())
    assert track is not None
    assert track.names == BLENDSHAPES
    np.testing.assert_allclose(track.time, np.arange(NUM_FRAMES) / 25)
    assert np.flatnonzero(~track.valid).tolist() == list(BLACK)
    assert np.isnan(track.features[~track.valid]).all()
    assert np.isfinite(track.features[track.valid]).all()
    assert left_over(tmp_path / "out") == ["features", "features/P16.csv"]
    assert said[0].startswith("extracting by mediapipe: MediaPipe in ")
    assert [line.split(" frames,")[0] for line in said[1:]] == [f"P16.mp4: {n} of 35" for n in (10, 20, 30, 35)]
    assert all("frames/s" in line and line.endswith("s left") for line in said[1:])


@pytest.mark.usefixtures("mediapipe")
def test_the_frames_before_a_chunk_are_shown_to_the_tool(video, model, tmp_path, monkeypatch):
    extract(video, tmp_path / "chunked", model_file=model)
    monkeypatch.setattr(chunks, "CHUNK_FRAMES", 1000)
    extract(video, tmp_path / "whole", model_file=model)
    chunked, whole = (
        read_track(tmp_path / one / "features/P16.csv", "P16", Findings()) for one in ("chunked", "whole")
    )
    assert chunked is not None
    assert whole is not None
    seam = np.abs(chunked.features[30, 0] - whole.features[30, 0])
    assert 0 < seam < 0.03  # what the stand-in remembers halves with each frame: 0.4 without the four before


@pytest.mark.usefixtures("mediapipe")
def test_a_killed_extraction_goes_on_at_the_first_missing_chunk(video, model, tmp_path, monkeypatch):
    extract(video, tmp_path / "unbroken", model_file=model)
    code = (
        "from pathlib import Path; from orchestrator.corpora.extraction import chunks, extract;"
        "chunks.CHUNK_FRAMES, chunks.WARM_UP_FRAMES = 10, 4;"
        f"extract.extract(Path({str(video)!r}), Path({str(tmp_path / 'out')!r}), model_file=Path({str(model)!r}))"
    )
    monkeypatch.setenv("FAKE_MEDIAPIPE", "slow")
    process = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    features = tmp_path / "out" / "features"
    while not list(features.glob(".P16.chunks-*/000001.csv.sha256")):
        assert process.poll() is None
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (features / "P16.csv").exists()
    monkeypatch.setenv("FAKE_MEDIAPIPE", "")
    log = tmp_path / "second.log"  # the stand-in of the killed run may still write to the first: it ends with its input
    monkeypatch.setenv("FAKE_MEDIAPIPE_LOG", str(log))
    said: list[str] = []
    report = extract(video, tmp_path / "out", model_file=model, show=said.append)
    assert [path.name for path in report.done] == ["P16.csv"]
    assert len(log.read_text()) == 4 + 10 + 4 + 5  # two chunks, each with the frames before it
    assert said[1] == "P16.mp4: 10 of 35 frames, done by an earlier run"
    assert (features / "P16.csv").read_bytes() == (tmp_path / "unbroken/features/P16.csv").read_bytes()
    assert not list(features.glob(".P16*"))


def test_a_damaged_chunk_and_one_of_another_model_are_not_taken(mediapipe, video, model, tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE_MEDIAPIPE", "crash")
    monkeypatch.setenv("FAKE_MEDIAPIPE_AT", "13")  # of a process: in the second chunk
    report = extract(video, tmp_path / "out", model_file=model)
    assert "exit code 139 of python" in report.failed[0].found
    assert "a crash in native code" in report.failed[0].found
    (kept,) = (tmp_path / "out/features").glob(".P16.chunks-*/000000.csv")
    kept.write_bytes(kept.read_bytes()[:-9])
    monkeypatch.setenv("FAKE_MEDIAPIPE", "")
    mediapipe.unlink()
    assert extract(video, tmp_path / "out", model_file=model).done
    assert len(mediapipe.read_text()) == NUM_FRAMES + 3 * 4


@pytest.mark.usefixtures("mediapipe")
def test_what_the_tool_cannot_do_is_one_line(video, model, tmp_path, monkeypatch):
    model.write_bytes(b"another")
    report = extract(video, tmp_path / "out", model_file=model)
    assert "Unable to open zip archive" in report.failed[0].found
    assert left_over(tmp_path / "out") == ["features"]
    model.write_bytes(b"model")
    monkeypatch.setenv("FAKE_MEDIAPIPE", "lacking")
    report = extract(video, tmp_path / "out", model_file=model)
    assert report.failed[0].found == "a model without the blendshapes _neutral"
    monkeypatch.setenv("FAKE_MEDIAPIPE", "slow")
    report = extract(video, tmp_path / "out", model_file=model, timeout_seconds=0.2)
    assert "no end after 0.2 s" in report.failed[0].found
    with pytest.raises(InputError, match=r"--model-file: found no file .*nowhere"):
        extract(video, tmp_path / "out", model_file=tmp_path / "nowhere")
    with pytest.raises(InputError, match="--model-file: found beside --tool py-feat"):
        extract(video, tmp_path / "out", tool="py-feat", model_file=model)


def test_without_any_tool_all_three_are_named(video, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.delenv(OPENFACE_VARIABLE, raising=False)
    (tmp_path / "mediapipe").mkdir()  # a folder of that name is no package
    with pytest.raises(InputError) as caught:
        extract(video, tmp_path / "out")
    told = str(caught.value)
    assert told.startswith("--tool: found none of the tools installed; expected one of: OpenFace's FeatureExtraction")
    assert "[py-feat]" in told
    assert "[mediapipe]" in told


def test_the_time_left_is_of_all_videos(video, tmp_path):
    other = tmp_path / "videos" / "P17.mp4"
    other.write_bytes(video.read_bytes())
    said: list[str] = []
    now = [0.0]
    progress = Progress((video, other), said.append, clock=lambda: now[0])
    progress.begin(video)
    now[0] = 5.0
    progress.advance(NUM_FRAMES, now=True)
    assert said == ["P16.mp4: 35 of 35 frames, 7.0 frames/s, 5 s left"]
    assert [duration(one) for one in (0.4, 59.6, 125, 12_000)] == ["0 s", "1 min 0 s", "2 min 5 s", "3 h 20 min"]
