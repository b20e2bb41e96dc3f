"""Tables of OpenFace 3, written as its `detect-video` does: pandas, with lists in cells. The numbers are made up."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from orchestrator.corpora.readers import open_corpus
from orchestrator.corpora.tables.openface_3 import UNITS
from orchestrator.errors import InputError
from tests.corpora.tool_files import HZ, NUM_ROWS, write_labels
from tests.corpora.video.video_files import grey, write_video

UNSURE = 50  # a frame with a face that is less likely than not
NO_FACE = range(20, 40)  # longer than what is bridged


def rows_of(seed: int) -> list[dict[str, object]]:
    generator = np.random.default_rng(seed)
    rows: list[dict[str, object]] = []
    for frame in range(NUM_ROWS):
        head = {"timestamp": "2026-05-01 12:00:03", "video_path": "clips/take 7.mp4", "frame_index": frame}
        for face in range(2 if frame < 5 else 1):
            box = [
                *generator.uniform(0, 90, 4).tolist(),
                0.6 if face else 0.3 if frame == UNSURE else 0.99,
                *generator.uniform(0, 90, 10).tolist(),
            ]
            made = {
                "face_id": face,
                "face_detection": box,
                "landmarks": generator.uniform(0, 90, (98, 2)).tolist(),
                "emotion": int(generator.integers(8)),
                "gaze_yaw": float(generator.normal()),
                "gaze_pitch": float(generator.normal()),
                "action_units": [generator.uniform(0, 1, 8).tolist()],
            }
            rows.append(head | (dict.fromkeys(made) if frame in NO_FACE else made))
    return rows


def write(root: Path, rows: list[dict[str, object]], name: str = "P1") -> Path:
    path = root / "features" / f"{name}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_csv(path, index=False)
    (path.parent / "hz.txt").write_text(f"{HZ:g}")
    write_labels(root, name)
    return path


@pytest.mark.parametrize("first_without_face", [False, True])
def test_lists_become_columns(tmp_path: Path, first_without_face: bool) -> None:
    rows = rows_of(0)
    if first_without_face:  # an empty cell first, before any list
        rows = [dict.fromkeys(rows[0]) | {"frame_index": 0, "timestamp": "x", "video_path": "v"}, *rows[2:]]
    write(tmp_path, rows)
    corpus = open_corpus(tmp_path)
    (recording,) = corpus.recordings
    assert corpus.features_tool == "OpenFace 3"
    assert corpus.feature_names == ("gaze_yaw", "gaze_pitch", *UNITS)
    np.testing.assert_allclose(recording.time, np.arange(NUM_ROWS) / HZ)
    without = [*([0] if first_without_face else []), *NO_FACE, UNSURE]
    assert np.flatnonzero(~recording.valid).tolist() == without
    first = {int(str(row["frame_index"])): row for row in reversed(rows)}  # the first row of a frame: face 0
    for frame in (7, 41):
        units = np.array(first[frame]["action_units"], dtype=np.float64)[0]
        np.testing.assert_allclose(recording.features[frame, 2:], units, rtol=1e-6)
    whys = {one.what: one.why for one in corpus.dropped}
    assert whys["column emotion"] == "the number of a class, not a measure"
    assert "column timestamp" in whys


def test_the_video_beside_it_tells_the_rate(tmp_path: Path) -> None:
    path = write(tmp_path, rows_of(0))
    (path.parent / "hz.txt").unlink()
    with pytest.raises(InputError, match=r"--frame-rate"):
        open_corpus(tmp_path)
    (tmp_path / "videos").mkdir()
    write_video(tmp_path / "videos" / "take 7.mp4", [grey(90, 32, 32)] * 3)
    np.testing.assert_allclose(open_corpus(tmp_path).recordings[0].time[:2], [0.0, 0.04])


@pytest.mark.parametrize(
    ("column", "cell", "told"),
    [
        (
            "action_units",
            [[0.1] * 7],
            r"P1\.csv:12: found '\[\[0\.1.*in column action_units; expected 8 numbers in a list",
        ),
        ("action_units", [["x"] * 8], "in column action_units"),
        ("action_units", [[float("nan")] * 8], "in column action_units"),
        ("face_detection", [1.0, 2.0], "in column face_detection; expected a list of a box and its score"),
        ("face_detection", "none", "in column face_detection"),
    ],
)
def test_a_broken_list_is_named_with_its_line(tmp_path: Path, column: str, cell: object, told: str) -> None:
    rows = rows_of(0)
    rows[10][column] = cell
    write(tmp_path, rows)
    with pytest.raises(InputError, match=told):
        open_corpus(tmp_path)
