"""Times of tables that have frame numbers only: what is asked first, and what is said where nothing tells the rate."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orchestrator.corpora.findings import Findings
from orchestrator.corpora.formats.unlabelled import read_feature_files, read_videos
from orchestrator.corpora.manifest import manifest
from orchestrator.corpora.readers import open_corpus
from orchestrator.corpora.reading import Reading
from orchestrator.corpora.recording import Corpus
from orchestrator.corpora.tables.tracks import Track, read_track
from orchestrator.errors import InputError
from tests.corpora import tool_files as tools
from tests.corpora.own_files import refused, write_own
from tests.corpora.tool_files import NUM_ROWS, write_labels, write_tool
from tests.corpora.video.video_files import coded, write_video
from tests.corpora.writers import three_people, write_avec, write_csv, write_recola

FRAMES = {"frame": [*range(NUM_ROWS)]}
OLD_PY_FEAT = {**FRAMES, "FaceScore": [0.99] * NUM_ROWS, "input": ["/home/ada/clips/001.mp4"] * NUM_ROWS}


def read(path: Path, **options: Any) -> tuple[Track | None, Findings]:
    findings = Findings()
    return read_track(path, "P1", findings, reading=Reading(**options)), findings


def hz_of(path: Path, **options: float) -> float:
    track, findings = read(path, **options)
    assert track is not None, findings.problems
    return 1.0 / float(np.median(np.diff(track.time)))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """As Py-Feat wrote it before 0.6: frame numbers and no time."""
    return write_tool(tmp_path / "features" / "P1.csv", tools.PY_FEAT_0_5, OLD_PY_FEAT)


@pytest.mark.parametrize("header", [tools.PY_FEAT_0_5, tools.PY_FEAT_0_3])
def test_old_py_feat_is_read_with_a_rate(tmp_path: Path, header: Sequence[str]) -> None:
    write_tool(tmp_path / "features" / "P1.csv", header, OLD_PY_FEAT)
    write_labels(tmp_path, "P1")
    corpus = open_corpus(tmp_path, reading=Reading(frame_rate=30.0))
    assert set(corpus.feature_names) == {"Pitch", "Roll", "Yaw", *tools.PY_FEAT_UNITS, *tools.EMOTIONS}
    np.testing.assert_allclose(corpus.recordings[0].time, np.arange(NUM_ROWS) / 30)
    assert "times from frame numbers at 30 frames per second: --frame-rate [P1]" in manifest(corpus)["notes"]


def test_without_a_rate_the_error_names_every_way_to_give_one(table: Path) -> None:
    track, findings = read(table)
    assert track is None
    (problem,) = findings.problems
    assert str(problem).startswith(f"{table}:1: found no time, only frame numbers (frame)")
    for way in ("a time column (time, ", "--frame-rate HZ", "a file hz.txt beside it"):
        assert way in problem.expected


def test_the_option_comes_before_hz_txt_and_that_before_a_clock_and_that_before_a_video(table: Path) -> None:
    write_video(table.parent / "001.mp4", coded(4), hz=20)
    assert hz_of(table) == pytest.approx(20)
    clock = ["approx_time" if name == "x_0" else name for name in tools.PY_FEAT_0_5]
    told = {**OLD_PY_FEAT, "approx_time": [f"00:{row // 15:02d}" for row in range(NUM_ROWS)]}
    write_tool(table, clock, told)
    assert hz_of(table) == pytest.approx(15)
    (table.parent / "hz.txt").write_text("12.5\n")
    assert hz_of(table) == pytest.approx(12.5)
    assert hz_of(table, frame_rate=30.0) == pytest.approx(30)


def test_times_in_the_file_come_before_all_and_an_option_without_effect_is_said(tmp_path: Path) -> None:
    path = write_tool(tmp_path / "P1.csv", tools.OPENFACE_2_0, tools.openface_clock())
    (tmp_path / "hz.txt").write_text("10\n")
    track, findings = read(path, frame_rate=50.0)
    assert track is not None
    np.testing.assert_array_equal(track.time, np.round(np.arange(NUM_ROWS) / tools.HZ, 3))
    assert "--frame-rate 50 is not used: the file has times [P1]" in findings.notes


@pytest.mark.parametrize("place", ["features/001.mp4", "videos/001.mp4", "features/P1.mov", "videos/P1.avi"])
def test_a_video_beside_the_table_tells_its_rate(table: Path, place: str) -> None:
    video = table.parent.parent / place
    write_video(video, coded(4), hz=24)
    track, findings = read(table)
    assert track is not None
    np.testing.assert_allclose(track.time, np.arange(NUM_ROWS) / 24)
    assert f"times from frame numbers at 24 frames per second: the rate of {video.name} [P1]" in findings.notes


def test_a_clock_that_tells_no_rate_leaves_it_to_the_video(tmp_path: Path) -> None:
    told = {**OLD_PY_FEAT, "approx_time": ["00:00"] * NUM_ROWS}  # shorter than a second, as far as it says
    path = write_tool(tmp_path / "P1.csv", ("approx_time", *tools.PY_FEAT_0_5), told)
    track, findings = read(path)
    assert track is None
    assert findings.problems[0].found == "approx_time in whole seconds that fit no frame rate"
    assert "--frame-rate HZ" in findings.problems[0].expected
    write_video(tmp_path / "001.mp4", coded(4), hz=60)
    assert hz_of(path) == pytest.approx(60)


def test_a_video_elsewhere_is_not_opened_though_the_table_names_it(tmp_path: Path) -> None:
    video = write_video(tmp_path / "elsewhere" / "secret.mp4", coded(4))
    named = OLD_PY_FEAT | {"input": [str(video)] * NUM_ROWS}
    assert read(write_tool(tmp_path / "P1.csv", tools.PY_FEAT_0_5, named))[0] is None


def test_a_broken_video_is_no_rate_and_no_fault_of_its_own(table: Path) -> None:
    (table.parent / "001.mp4").write_bytes(b"no video")
    _, findings = read(table)
    assert [problem.found for problem in findings.problems] == ["no time, only frame numbers (frame)"]


def test_a_rate_that_is_none_is_the_only_fault_of_all_its_files(table: Path) -> None:
    write_tool(table.with_name("P2.csv"), tools.PY_FEAT_0_5, OLD_PY_FEAT)
    (table.parent / "hz.txt").write_text("thirty\n")
    with pytest.raises(InputError) as caught:
        read_feature_files(table.parent, ("AU01",))
    assert [str(one) for one in caught.value.problems] == [
        f"{table.parent / 'hz.txt'}:1: found 'thirty'; expected frames per second, a positive number"
    ]


@pytest.mark.parametrize(
    ("step", "num_rows", "hz", "doubt"), [(2, 20, 24, ""), (10, 5, 25, "; so would 24, 30: --frame-rate says which")]
)
def test_a_clock_that_several_rates_fit_says_so(tmp_path: Path, step: int, num_rows: int, hz: int, doubt: str) -> None:
    frames = [step * row for row in range(num_rows)]  # as Py-Feat's skip_frames leaves them
    told: dict[str, Sequence[object]] = {
        "frame": frames,
        "approx_time": ["00:00" if one < 24 else "00:01" for one in frames],
    }
    header = ("frame", "approx_time", *tools.MEDIAPIPE)
    track, findings = read(write_tool(tmp_path / "P1.csv", header, told, num_rows=num_rows))
    assert track is not None
    assert track.time[-1] == pytest.approx(frames[-1] / hz)
    said = f"times from frame numbers at {hz} frames per second: fits approx_time{doubt} [P1]"
    assert findings.notes[0] == said


def test_a_table_of_many_people_and_their_labels_by_frame(tmp_path: Path) -> None:
    rows = [[who, frame, 0.01 * frame + 0.1 * index, 0.2, 0.1] for index, who in enumerate("AB") for frame in range(50)]
    path = write_csv(tmp_path / "long.csv", ("participant", "frame", "AU01", "valence", "arousal"), rows)
    with pytest.raises(InputError, match=r"only frame numbers.*--frame-rate HZ, or a file hz\.txt"):
        open_corpus(path)
    assert open_corpus(path, reading=Reading(frame_rate=10.0)).hz == 10.0
    (tmp_path / "hz.txt").write_text("5")
    assert open_corpus(path).hz == 5.0
    assert [
        one.time[-1] for one in read_feature_files(path, ("AU01",), Reading(frame_rate=10.0)).recordings
    ] == pytest.approx([4.9, 4.9])


@pytest.mark.parametrize("write", [write_recola, write_avec])
def test_every_tree_takes_the_rate(tmp_path: Path, write: object) -> None:
    assert callable(write)
    root = write(tmp_path / "tree", three_people(num_rows=60))
    corpus: Corpus = open_corpus(root, reading=Reading(frame_rate=7.0))
    assert any(note.startswith("--frame-rate 7 is not used: the file has times") for note in corpus.notes)


def test_labels_by_frame_number_take_the_same_rate(table: Path) -> None:
    root = table.parent.parent
    for dimension in ("valence", "arousal"):
        rows = [[frame, 0.01 * frame] for frame in range(NUM_ROWS)]
        write_csv(root / "annotations" / dimension / "P1.csv", ("frame", "r1"), rows)
    corpus = open_corpus(root, reading=Reading(frame_rate=30.0))
    np.testing.assert_allclose(corpus.recordings[0].ratings[:, 0, 0], 0.01 * np.arange(NUM_ROWS), atol=1e-6)


@pytest.mark.parametrize(("factor", "seconds"), [(1.0, True), (1000.0, False)])
def test_libreface_s_seconds_under_the_name_of_milliseconds(tmp_path: Path, factor: float, seconds: bool) -> None:
    columns = {"frame_idx": [*range(NUM_ROWS)], "frame_time_in_ms": [factor * row / 25 for row in range(NUM_ROWS)]}
    track, findings = read(write_tool(tmp_path / "P1.csv", tools.LIBREFACE, columns))
    assert track is not None
    np.testing.assert_allclose(track.time, np.arange(NUM_ROWS) / 25)
    assert ("frame_time_in_ms holds seconds: its rows are 0.04 apart [P1]" in findings.notes) == seconds


@pytest.mark.usefixtures("table")
def test_videos_for_a_model_of_images_have_the_times_of_their_tables(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AFFECT_ORCHESTRATOR_CACHE", str(tmp_path / "cache"))
    video = write_video(tmp_path / "videos" / "P1.mp4", coded(4), hz=25)
    (of_table,) = read_videos(tmp_path, image_size=48, face_crop="none", reading=Reading(frame_rate=10.0)).recordings
    np.testing.assert_allclose(of_table.time, np.arange(NUM_ROWS) / 10)
    alone = read_videos(video, image_size=48, face_crop="none", reading=Reading(frame_rate=10.0))
    np.testing.assert_allclose(alone.recordings[0].time, np.arange(4) / 25, atol=1e-6)
    assert alone.notes == ("--frame-rate 10 is not used: the frames have times [P1.mp4]",)


def test_a_rate_that_many_files_lack_is_asked_for_once(tmp_path: Path) -> None:
    root = write_own(tmp_path / "own", lambda row: row, names=("frame", "time"), people=("P1", "P2", "P3"))
    line = refused("data", "check", root)
    assert line.count("\n") == 1
    where = f"{root / 'features' / 'P1.csv'}:1: found no time, only frame numbers (frame) (and 2 more like it: "
    assert line.startswith(f"error: {where}{root / 'features' / 'P2.csv'}:1, ")
    assert "--frame-rate HZ" in line


def test_a_unit_is_none_of_videos_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AFFECT_ORCHESTRATOR_CACHE", str(tmp_path / "cache"))
    video = write_video(tmp_path / "videos" / "P1.mp4", coded(4), hz=25)
    said = r"--time-unit: found no clock that takes it: the frames have times \[P1\.mp4\]"
    with pytest.raises(InputError, match=said):
        read_videos(video, image_size=48, face_crop="none", reading=Reading(time_unit={"features": "ms"}))
