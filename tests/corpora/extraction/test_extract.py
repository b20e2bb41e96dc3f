"""Driving OpenFace and Py-Feat: tables whole or not there, videos gone only when asked for and safe."""

import re
import stat
import sys
import textwrap
import time
from pathlib import Path

import av
import numpy as np
import pytest

from orchestrator.corpora.extraction.extract import extract
from orchestrator.corpora.extraction.openface import OPENFACE_VARIABLE
from orchestrator.corpora.findings import Findings
from orchestrator.corpora.folders import is_marked_synthetic
from orchestrator.corpora.tables.tracks import read_track
from orchestrator.errors import InputError
from tests.corpora.extraction import fake_openface

NUM_FRAMES = 20
OPENFACE_2_HEADER = "frame,face_id,timestamp,confidence,success,gaze_0_x,gaze_0_y,gaze_0_z,gaze_1_x"


def write_video(path, num_frames=NUM_FRAMES):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for index in range(num_frames):
            picture = np.full((32, 32, 3), index, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


@pytest.fixture
def openface(tmp_path, monkeypatch):
    """The stand-in as an executable file; a function that makes it fail in a way, on some videos."""
    program = tmp_path / "bin" / "FeatureExtraction"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\n"{sys.executable}" "{fake_openface.__file__}" "$@"\nexit $?\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    monkeypatch.delenv(OPENFACE_VARIABLE, raising=False)

    def goes_wrong(how, on=""):
        monkeypatch.setenv("FAKE_OPENFACE", how)
        monkeypatch.setenv("FAKE_OPENFACE_ON", on)

    return goes_wrong


@pytest.fixture
def videos(tmp_path):
    folder = tmp_path / "videos"
    folder.mkdir()
    write_video(folder / "P16.mp4")
    write_video(folder / "P17.5_2.mp4", NUM_FRAMES + 3)  # a dot in the name, which OpenFace's -of would cut
    (folder / "notes.txt").write_text("not a video")
    return folder


def left_over(out):
    return sorted(path.name for path in out.rglob("*") if path.is_file())


@pytest.mark.usefixtures("openface")
def test_tables_are_the_tools_own_bytes(videos, tmp_path):
    report = extract(videos, tmp_path / "out", tool="openface")
    assert [path.name for path in report.done] == ["P16.csv", "P17.5_2.csv"]
    assert (report.skipped, report.discarded, report.kept, report.failed) == ((), (), (), ())
    assert left_over(tmp_path / "out") == ["P16.csv", "P17.5_2.csv"]
    assert left_over(videos) == ["P16.mp4", "P17.5_2.mp4", "notes.txt"]
    by_hand = tmp_path / "by_hand"
    fake_openface.main(
        ["-f", str(videos / "P16.mp4"), "-out_dir", str(by_hand), "-of", "P16", "-aus", "-pose", "-gaze"]
    )
    table = (tmp_path / "out/features/P16.csv").read_bytes()
    assert table == (by_hand / "P16.csv").read_bytes()
    assert table.decode().startswith(OPENFACE_2_HEADER)
    assert len(table.splitlines()) == 1 + NUM_FRAMES


@pytest.mark.usefixtures("openface")
def test_tables_of_generated_videos_stay_marked(videos, tmp_path):
    (videos / "SYNTHETIC.txt").write_text("made up")
    for source, name in ((videos, "all"), (videos / "P16.mp4", "one")):
        extract(source, tmp_path / name, tool="openface")
        assert is_marked_synthetic(tmp_path / name)
        assert is_marked_synthetic(tmp_path / name / "features" / "P16.csv")
    assert not is_marked_synthetic(tmp_path)


@pytest.mark.usefixtures("openface")
def test_what_is_no_video_is_named(videos, tmp_path):
    (videos / "P18.webp").write_bytes(b"x")
    (videos / "more").mkdir()
    (videos / "participants.csv").write_text("participant\n")
    report = extract(videos, tmp_path / "out", tool="openface")
    assert report.left_out == (
        "P18.webp: suffix .webp is no video's that is read",
        "more: a folder, and only videos are extracted",
        "notes.txt: suffix .txt is no video's that is read",
    )


@pytest.mark.usefixtures("openface")
def test_the_folder_readers_track_reads_what_was_extracted(videos, tmp_path):
    extract(videos / "P16.mp4", tmp_path / "out", tool="openface")
    findings = Findings()
    track = read_track(tmp_path / "out/features/P16.csv", "P16", findings)
    assert track is not None
    assert len(track.time) == NUM_FRAMES
    assert {"AU01", "AU12", "AU45"} <= set(track.names)
    np.testing.assert_allclose(np.diff(track.time), 0.04, atol=0.0011)  # OpenFace writes milliseconds
    assert track.valid.all()


def test_a_second_run_skips_what_is_there(openface, videos, tmp_path):
    extract(videos / "P16.mp4", tmp_path / "out", tool="openface")
    openface("fail", on="P16")
    report = extract(videos, tmp_path / "out", tool="openface")
    assert [path.name for path in report.skipped] == ["P16.csv"]
    assert [path.name for path in report.done] == ["P17.5_2.csv"]
    assert not report.failed


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("fail", "exit code 3 of FeatureExtraction; last lines: .*the model files are missing"),
        ("mute", "no table, though the tool ended without an error: .*Could not open the input"),
        ("cut", "in the middle of a row"),
        ("short", f"a table of {NUM_FRAMES // 2} frames for a video of {NUM_FRAMES}"),
        ("text", "a broken row at line 21"),
    ],
)
def test_a_failing_video_stays_and_the_others_go_on(openface, videos, tmp_path, fault, told):
    openface(fault, on="P16")
    report = extract(videos, tmp_path / "out", tool="openface", discard_video=True)
    (problem,) = report.failed
    assert problem.where.endswith("P16.mp4")
    assert problem.expected == "a whole table by openface"
    assert re.search(told, problem.found), problem.found
    assert left_over(tmp_path / "out") == ["P17.5_2.csv"]
    assert left_over(videos) == ["P16.mp4", "notes.txt"]
    assert [path.name for path in report.discarded] == ["P17.5_2.mp4"]


def test_a_hanging_tool_is_ended_with_its_children(openface, videos, tmp_path, monkeypatch):
    openface("hang", on="P16")
    heartbeat = tmp_path / "heartbeat"  # of the Python that the shell of FeatureExtraction has started
    monkeypatch.setenv("FAKE_OPENFACE_HEARTBEAT", str(heartbeat))
    start = time.monotonic()
    report = extract(videos / "P16.mp4", tmp_path / "out", tool="openface", timeout_seconds=1.5)
    assert time.monotonic() - start < 10.0
    assert "no end after 1.5 s" in report.failed[0].found
    assert left_over(tmp_path / "out") == []
    beats = heartbeat.stat().st_size
    assert beats > 0
    time.sleep(0.3)
    assert heartbeat.stat().st_size == beats


@pytest.mark.usefixtures("openface")
def test_videos_are_discarded_only_on_the_flag_also_when_their_table_was_there(videos, tmp_path):
    extract(videos, tmp_path / "out", tool="openface")
    assert (videos / "P16.mp4").exists()
    report = extract(videos, tmp_path / "out", tool="openface", discard_video=True)
    assert [path.name for path in report.discarded] == ["P16.mp4", "P17.5_2.mp4"]
    assert left_over(videos) == ["notes.txt"]
    assert left_over(tmp_path / "out") == ["P16.csv", "P17.5_2.csv"]


def test_a_video_with_one_frame_more_than_its_table_is_kept(openface, videos, tmp_path):
    openface("less")
    report = extract(videos / "P16.mp4", tmp_path / "out", tool="openface", discard_video=True)
    assert [path.name for path in report.done] == ["P16.csv"]
    assert not report.discarded
    assert report.kept[0].found == f"{NUM_FRAMES - 1} frames in the table, {NUM_FRAMES} in the video"
    assert (videos / "P16.mp4").exists()


@pytest.mark.usefixtures("openface")
def test_a_link_gives_its_name_and_what_is_behind_it_stays(videos, tmp_path):
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "P30.mp4").symlink_to(videos / "P16.mp4")
    report = extract(tmp_path / "links", tmp_path / "out", tool="openface", discard_video=True)
    assert [path.name for path in report.done] == ["P30.csv"]
    assert "a link to" in report.kept[0].found
    assert (videos / "P16.mp4").exists()
    assert (tmp_path / "links" / "P30.mp4").exists()


@pytest.mark.usefixtures("openface")
def test_a_table_of_something_else_is_neither_overwritten_nor_a_reason_to_discard(videos, tmp_path):
    table = tmp_path / "out/features/P16.csv"
    table.parent.mkdir(parents=True)
    table.write_text("time,AU01\n0.0,1.0\n")
    report = extract(videos / "P16.mp4", tmp_path / "out", tool="openface", discard_video=True)
    assert "was there already" in report.failed[0].found
    assert table.read_text() == "time,AU01\n0.0,1.0\n"
    assert (videos / "P16.mp4").exists()


@pytest.mark.usefixtures("openface")
def test_a_video_nobody_can_read_is_reported(tmp_path):
    (tmp_path / "P16.mp4").write_bytes(b"not a video at all")
    report = extract(tmp_path / "P16.mp4", tmp_path / "out", tool="openface", discard_video=True)
    assert "exit code 1" in report.failed[0].found
    assert (tmp_path / "P16.mp4").exists()


@pytest.mark.usefixtures("openface")
def test_what_can_be_known_before_the_start_is_refused(videos, tmp_path, monkeypatch):
    write_video(videos / "P16.avi")
    with pytest.raises(InputError, match="another video of that name") as caught:
        extract(videos, tmp_path / "out", tool="openface")
    assert len(caught.value.problems) == 2
    with pytest.raises(InputError, match="no video"):
        extract(tmp_path / "bin", tmp_path / "out", tool="openface")
    with pytest.raises(InputError, match="no such file"):
        extract(tmp_path / "nowhere", tmp_path / "out", tool="openface")
    with pytest.raises(InputError, match="auto, openface, py-feat or mediapipe"):
        extract(videos, tmp_path / "out", tool="libreface")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="--output"):
        extract(videos / "P16.mp4", tmp_path / "file", tool="openface")
    monkeypatch.setenv(OPENFACE_VARIABLE, str(tmp_path / "nothing"))
    with pytest.raises(InputError, match=OPENFACE_VARIABLE):
        extract(videos / "P16.mp4", tmp_path / "out", tool="openface")
    program = str(tmp_path / "bin/FeatureExtraction")  # what was given comes before the environment
    assert extract(videos / "P16.mp4", tmp_path / "out", tool="openface", executable=program).done


FAKE_PY_FEAT = """
    import os
    import pandas as pd

    class Detectorv1:
        def detect(self, inputs, data_type="image"):
            assert data_type == "video" and isinstance(inputs, str)
            if os.environ.get("FAKE_PY_FEAT") == "fail":
                raise RuntimeError("no weights")
            units = [1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 14, 15, 17, 20, 23, 24, 25, 26, 28, 43]
            frames = [0, 0, *range(1, {num_frames})]  # two faces on the first
            table = pd.DataFrame({{"frame": frames, "approx_time": "00:00", "FaceScore": 0.9}})
            for unit in units:
                table[f"AU{{unit:02}}"] = 0.5
            table.loc[3, "AU01":] = None  # no face
            return table
"""


@pytest.fixture
def py_feat(tmp_path, monkeypatch):
    package = tmp_path / "site" / "feat"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(textwrap.dedent(FAKE_PY_FEAT.format(num_frames=NUM_FRAMES)))
    monkeypatch.setenv("PYTHONPATH", str(package.parent))


@pytest.mark.usefixtures("py_feat")
def test_py_feat_is_driven_too(videos, tmp_path, monkeypatch):
    report = extract(videos / "P16.mp4", tmp_path / "out", tool="py-feat", discard_video=True)
    assert not report.failed
    assert [path.name for path in report.discarded] == ["P16.mp4"]
    lines = (tmp_path / "out/features/P16.csv").read_text().splitlines()
    assert lines[0].startswith("frame,approx_time,FaceScore,AU01")
    assert len(lines) == 1 + 1 + NUM_FRAMES
    monkeypatch.setenv("FAKE_PY_FEAT", "fail")
    report = extract(videos, tmp_path / "out", tool="py-feat", discard_video=True)
    assert "no weights" in report.failed[0].found
    assert (videos / "P17.5_2.mp4").exists()


def test_without_py_feat_its_extra_is_named(videos, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    with pytest.raises(InputError, match=r"pip install -e '.*\[py-feat\]'"):
        extract(videos, tmp_path / "out", tool="py-feat")
