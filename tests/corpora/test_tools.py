"""Feature files as OpenFace, Py-Feat, LibreFace, MediaPipe and RECOLA's makers write them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from orchestrator.corpora.readers import open_corpus
from orchestrator.corpora.recording import Corpus
from orchestrator.corpora.tables.action_units import TOOLS, canonical_name, tool_of
from orchestrator.corpora.tables.clock import rate_of_clock
from orchestrator.errors import InputError
from tests.corpora import tool_files as tools
from tests.corpora.tool_files import HZ, NUM_ROWS, openface_clock, write_labels, write_tool
from tests.corpora.writers import write_csv


def opened(root: Path, names: Sequence[str], columns: Mapping[str, Sequence[object]], **options: int) -> Corpus:
    write_tool(root / "features" / "P1.csv", names, columns, **options)
    write_labels(root, "P1")
    return open_corpus(root)


def column(corpus: Corpus, name: str) -> np.ndarray:
    return corpus.recordings[0].features[:, corpus.feature_names.index(name)]


def raw(root: Path, name: str) -> np.ndarray:
    head, *rows = (root / "features" / "P1.csv").read_text().rstrip().split("\n")
    index = [one.strip() for one in head.split(",")].index(name)
    return np.array([row.split(",")[index] for row in rows], dtype=np.float64).astype(np.float32)


@pytest.mark.parametrize(("version", "names"), [(2, tools.OPENFACE_2), (1, tools.OPENFACE_1)])
def test_openface(tmp_path: Path, version: int, names: Sequence[str]) -> None:
    corpus = opened(tmp_path, names, openface_clock())
    units = [name for name in corpus.feature_names if name.startswith("AU")]
    assert units[:17] == [f"AU{unit:02d}" for unit in tools.OPENFACE_R]
    assert units[17:] == [f"AU{unit:02d}_c" for unit in tools.OPENFACE_C]
    num_gaze = 8 if version == 2 else 6
    assert len(corpus.feature_names) == 17 + 18 + num_gaze + 6
    np.testing.assert_array_equal(column(corpus, "AU45"), raw(tmp_path, "AU45_r"))
    np.testing.assert_array_equal(column(corpus, "AU45_c"), raw(tmp_path, "AU45_c"))
    assert corpus.recordings[0].time[1] == 0.033
    assert corpus.recordings[0].valid.all()
    assert any(f"OpenFace {version}, intensities declared as 0 to 5" in note for note in corpus.notes)
    dropped = {one.why for one in corpus.dropped}
    assert dropped >= {"landmarks, not actions", "the shape of the face, not its actions"}


def test_openface_lost_faces_are_missing_never_zero(tmp_path: Path) -> None:
    columns = openface_clock()
    columns["success"] = [0 if 10 <= row < 13 else 1 for row in range(NUM_ROWS)]
    columns["confidence"] = [0.2 if 30 <= row < 50 else 0.9 for row in range(NUM_ROWS)]
    columns["AU12_r"] = [0.0 if 10 <= row < 13 or 30 <= row < 50 else 2.0 for row in range(NUM_ROWS)]
    corpus = opened(tmp_path, tools.OPENFACE_2, columns)
    lost = [*range(10, 13), *range(30, 50)]
    assert np.flatnonzero(~corpus.recordings[0].valid).tolist() == lost
    smile = column(corpus, "AU12")
    assert (smile[10:13] == 2.0).all()  # 3 frames: bridged between the values around them, and still invalid
    assert np.isnan(smile[30:50]).all()  # 0.7 s: too long
    assert (np.delete(smile, lost) == 2.0).all()


def test_openface_several_faces_the_most_frequent_stays(tmp_path: Path) -> None:
    columns = openface_clock(90)
    columns["frame"] = [*range(1, 61), *range(1, 31)]
    columns["timestamp"] = np.round((np.array(columns["frame"]) - 1) / HZ, 3).tolist()
    columns["face_id"] = [4] * 60 + [2] * 30
    columns["AU12_r"] = [1.0] * 60 + [3.0] * 30
    corpus = opened(tmp_path, tools.OPENFACE_2, columns, num_rows=90)
    assert (column(corpus, "AU12") == 1.0).all()
    assert len(corpus.recordings[0].time) == 60
    assert ("30 rows [P1]", "of another face than the one chosen") in [(d.what, d.why) for d in corpus.dropped]


@pytest.mark.parametrize("nobody", ["", "-1"])
@pytest.mark.parametrize("lost", [12, 48])  # of 60 frames: fewer, and more, than those with a face
def test_frames_without_a_face_and_an_id_stay_as_invalid(tmp_path: Path, lost: int, nobody: str) -> None:
    columns = openface_clock()
    columns["success"] = [0] * lost + [1] * (NUM_ROWS - lost)
    columns["face_id"] = [nobody] * lost + ["3"] * (NUM_ROWS - lost)
    corpus = opened(tmp_path, tools.OPENFACE_2, columns)
    assert len(corpus.recordings[0].time) == NUM_ROWS
    assert np.flatnonzero(~corpus.recordings[0].valid).tolist() == [*range(lost)]
    assert not any("another face" in one.why for one in corpus.dropped)


def test_a_frame_has_the_chosen_face_or_nobody_not_both(tmp_path: Path) -> None:
    columns = openface_clock(NUM_ROWS + 3)
    columns["frame"] = [*range(1, NUM_ROWS + 1), 1, 2, NUM_ROWS + 1]
    columns["timestamp"] = np.round((np.array(columns["frame"]) - 1) / HZ, 3).tolist()
    columns["success"] = [1] * NUM_ROWS + [0] * 3
    columns["face_id"] = ["0"] * NUM_ROWS + [""] * 3
    corpus = opened(tmp_path, tools.OPENFACE_2, columns, num_rows=NUM_ROWS + 3)
    assert len(corpus.recordings[0].time) == NUM_ROWS + 1
    assert corpus.recordings[0].valid.tolist() == [True] * NUM_ROWS + [False]


def test_frame_numbers_that_begin_again_are_no_other_face(tmp_path: Path) -> None:
    columns = openface_clock()
    del columns["face_id"]
    columns["frame"] = [*range(1, NUM_ROWS // 2 + 1)] * 2
    columns["timestamp"] = [row / HZ for row in range(NUM_ROWS)]
    corpus = opened(tmp_path, [one for one in tools.OPENFACE_2 if one != "face_id"], columns)
    assert len(corpus.recordings[0].time) == NUM_ROWS


@pytest.mark.parametrize(
    ("yes", "no"), [("Ja", "Nein"), ("Y", "N"), ("WAHR", "FALSCH"), ("vrai", "faux"), ("ok", "fail")]
)
def test_yes_and_no_in_other_words(tmp_path: Path, yes: str, no: str) -> None:
    columns = openface_clock()
    columns["success"] = [no] * 10 + [yes] * (NUM_ROWS - 10)
    corpus = opened(tmp_path, tools.OPENFACE_2, columns)
    assert corpus.recordings[0].valid.tolist() == [False] * 10 + [True] * (NUM_ROWS - 10)
    columns["success"] = [no] * 10 + ["perhaps"] * (NUM_ROWS - 10)
    with pytest.raises(InputError, match=r"P1\.csv:12: found 'perhaps' in column success .*; expected yes or no"):
        opened(tmp_path / "other", tools.OPENFACE_2, columns)


def test_py_feat(tmp_path: Path) -> None:
    columns: dict[str, Sequence[object]] = {
        "frame": [*range(NUM_ROWS)],
        "approx_time": [f"00:{int(row // HZ):02d}" for row in range(NUM_ROWS)],
        "FaceScore": [0.99] * NUM_ROWS,
        "input": ["clip.mp4"] * NUM_ROWS,
    }
    corpus = opened(tmp_path, tools.PY_FEAT, columns)
    assert corpus.feature_names == ("Pitch", "Roll", "Yaw", *tools.PY_FEAT_UNITS, *tools.EMOTIONS)
    np.testing.assert_allclose(corpus.recordings[0].time, np.arange(NUM_ROWS) / HZ)
    assert corpus.recordings[0].raters == ("r1", "r2")  # not the machine's valence and arousal
    dropped = {one.what: one.why for one in corpus.dropped}
    assert dropped["column valence, arousal [P1]"] == "an estimate or a label, not a feature"
    assert dropped["column Identity_1 [P1]"] == "says who the person is"


def test_py_feat_2(tmp_path: Path) -> None:
    columns: dict[str, Sequence[object]] = {
        "frame": [*range(NUM_ROWS)],
        "approx_time": [f"00:{int(row // HZ):02d}" for row in range(NUM_ROWS)],
        "FaceScore": [0.99] * NUM_ROWS,
        "input": ["001.mp4"] * NUM_ROWS,
        "Identity": [""] * NUM_ROWS,
    }
    corpus = opened(tmp_path, tools.PY_FEAT_2, columns)
    head = ("Pitch", "Roll", "Yaw", "X", "Y", "Z")
    faces = (*tools.PY_FEAT_UNITS, *tools.EMOTIONS_2, *tools.GAZE_2, *tools.BLENDSHAPES)
    assert corpus.feature_names == (*head, *faces)
    dropped = {one.what: one.why for one in corpus.dropped}
    assert dropped["column x_0 .. mesh_z_477 (1570) [P1]"] == "landmarks, not actions"
    assert dropped["column Identity_1 .. Identity (513) [P1]"] == "says who the person is"
    assert dropped["column FrameHeight, FrameWidth [P1]"] == "the size of the picture"


def test_openface_2_0_as_it_wrote_its_blanks(tmp_path: Path) -> None:
    path = write_tool(tmp_path / "features" / "P1.csv", tools.OPENFACE_2_0, openface_clock())
    header, *rows = path.read_text().splitlines()
    path.write_text("\n".join([header, *(row.replace(",", ",  ") for row in rows)]) + "\n")
    write_labels(tmp_path, "P1")
    corpus = open_corpus(tmp_path)
    assert len(corpus.feature_names) == 8 + 6 + 17 + 18
    assert any("OpenFace 2, intensities" in note for note in corpus.notes)
    write_tool(path, [name.strip() for name in tools.OPENFACE_2_0], openface_clock())
    assert open_corpus(tmp_path).sha256 == corpus.sha256


def test_py_feat_without_ids_the_most_confident_face_stays(tmp_path: Path) -> None:
    columns: dict[str, Sequence[object]] = {
        "frame": [frame for frame in range(40) for _ in (0, 1)],
        "approx_time": [frame / HZ for frame in range(40) for _ in (0, 1)],
        "FaceScore": [0.7, 0.9] * 20 + [0.8, 0.6] * 20,
        "AU12": [0.1, 0.9] * 20 + [0.9, 0.1] * 20,
        "input": ["a b.mp4"] * 80,
    }
    corpus = opened(tmp_path, tools.PY_FEAT, columns, num_rows=80)
    assert len(corpus.recordings[0].time) == 40
    assert (column(corpus, "AU12") == np.float32(0.9)).all()


def test_libreface(tmp_path: Path) -> None:
    columns: dict[str, Sequence[object]] = {
        "frame_idx": [*range(NUM_ROWS)],
        "frame_time_in_ms": [row * 40.0 for row in range(NUM_ROWS)],
        "facial_expression": ["Neutral"] * NUM_ROWS,
        "au_5_intensity": [4.5] * NUM_ROWS,
    }
    corpus = opened(tmp_path, tools.LIBREFACE, columns)
    assert corpus.hz == 25.0
    intensity = tuple(f"AU{unit:02d}" for unit in tools.LIBREFACE_INTENSITY)
    present = tuple(f"AU{unit:02d}_c" for unit in tools.LIBREFACE_DETECTED)
    assert corpus.feature_names == ("pitch", "yaw", "roll", *present, *intensity)
    assert (column(corpus, "AU05") == 4.5).all()  # never rescaled
    np.testing.assert_array_equal(column(corpus, "AU01_c"), raw(tmp_path, "au_1"))
    assert ("column facial_expression [P1]", "text, not numbers") in [(d.what, d.why) for d in corpus.dropped]


@pytest.mark.parametrize("clock", ["time", "timestamp_ms"])
def test_mediapipe(tmp_path: Path, clock: str) -> None:
    factor = 1000.0 if clock.endswith("ms") else 1.0
    columns = {clock: [factor * row / 20 for row in range(NUM_ROWS)]}
    corpus = opened(tmp_path, (clock, *tools.MEDIAPIPE), columns)
    assert corpus.feature_names == tools.MEDIAPIPE
    assert corpus.hz == 20.0


def test_recola_forty_one_columns_and_a_face_probability(tmp_path: Path) -> None:
    base = [f"VIDEO_40_LLD_AU{unit}" for unit in (1, 2, 4, 5, 6, 7, 9, 11, 12, 15, 17, 20, 23, 24, 25)]
    base += [f"VIDEO_40_LLD_{name}" for name in ("Yaw", "Pitch", "Roll", "Opt_mean", "Opt_std")]
    names = ["time", "Face_detection_probability", *base, *(f"{name}_delta" for name in base)]
    columns: dict[str, Sequence[object]] = {
        "time": [row / 25 for row in range(NUM_ROWS)],
        "Face_detection_probability": [0.3 if row == 7 else 1.0 for row in range(NUM_ROWS)],
    }
    corpus = opened(tmp_path, names, columns)
    assert len(corpus.feature_names) == 40
    assert corpus.feature_names[0] == "AU01"
    assert corpus.feature_names[15:20] == ("Yaw", "Pitch", "Roll", "Opt_mean", "Opt_std")
    assert corpus.feature_names[28] == "AU12_delta"
    assert np.flatnonzero(~corpus.recordings[0].valid).tolist() == [7]


@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        ("AU01", "AU01"),
        ("AU01_r", "AU01"),
        ("AU1", "AU01"),
        ("au_1_intensity", "AU01"),
        ("VIDEO_40_LLD_AU1", "AU01"),
        ("VIDEO_40_LLD_AU12_delta", "AU12_delta"),
        ("AU12_c", "AU12_c"),
        ("AU45", "AU45"),
        ("AUDIO", "AUDIO"),
        ("smile", "smile"),
    ],
)
def test_canonical_names(name: str, canonical: str) -> None:
    plain = tool_of(("time", name))
    assert canonical_name(name, plain) == canonical
    assert canonical_name(canonical, plain) == canonical


def test_each_tool_is_told_from_the_others() -> None:
    stripped = [name.strip() for name in tools.OPENFACE_1]
    openface_3 = ("face_id", "gaze_yaw", "gaze_pitch", "confidence", "AU01", "AU26")  # once its lists are columns
    files = (openface_3, tools.OPENFACE_2, stripped, tools.LIBREFACE, tools.PY_FEAT, tools.MEDIAPIPE)
    assert [tool_of(names).name for names in files] == [tool.name for tool in TOOLS[:6]]
    assert {tool_of(names).name for names in (tools.PY_FEAT_0_3, tools.PY_FEAT_0_5, tools.PY_FEAT_2)} == {"Py-Feat"}


def test_values_outside_the_declared_range_are_kept_and_noted(tmp_path: Path) -> None:
    columns = openface_clock() | {"AU12_r": [7.5] + [1.0] * (NUM_ROWS - 1)}
    corpus = opened(tmp_path, tools.OPENFACE_2, columns)
    assert column(corpus, "AU12")[0] == 7.5
    assert "AU12 leaves its declared range 0 to 5 [P1]" in corpus.notes


def test_two_spellings_of_one_unit_are_a_problem(tmp_path: Path) -> None:
    write_csv(tmp_path / "features" / "P1.csv", ("time", "AU1", "AU01"), [[0.0, 0.1, 0.2], [0.04, 0.1, 0.3]])
    write_labels(tmp_path, "P1")
    with pytest.raises(InputError, match="found columns AU1, AU01; expected one for AU01"):
        open_corpus(tmp_path)


@pytest.mark.parametrize("hz", [30.0, 25.0, 24.0, 12.5])
def test_the_rate_that_fits_whole_seconds(hz: float) -> None:
    frames = np.arange(int(300 * hz), dtype=np.float64)
    found = rate_of_clock(frames, np.floor(frames / hz))
    assert found == pytest.approx(hz, rel=1e-3)


def test_no_rate_fits_a_broken_clock() -> None:
    frames = np.arange(100, dtype=np.float64)
    assert rate_of_clock(frames, np.zeros(100)) is None
    assert rate_of_clock(frames, np.floor(frames / 25)[::-1].copy()) is None


def test_an_unreadable_clock_names_its_line(tmp_path: Path) -> None:
    columns: dict[str, Sequence[object]] = {
        "frame": [*range(NUM_ROWS)],
        "approx_time": ["a minute" if row == 5 else f"00:{int(row // HZ):02d}" for row in range(NUM_ROWS)],
        "input": ["clip.mp4"] * NUM_ROWS,
    }
    with pytest.raises(InputError, match=r"P1\.csv:7: found 'a minute' in column approx_time"):
        opened(tmp_path, tools.PY_FEAT, columns)
