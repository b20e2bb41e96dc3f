"""Videos for a model of features: extracted by the tool of its training; features of another are refused by name."""

import json
import os
import re
import stat
import sys
from pathlib import Path

import numpy as np
import pytest

from orchestrator.corpora.cache_entries import entries
from orchestrator.corpora.convert import convert
from orchestrator.corpora.extraction.landmarker import BLENDSHAPES
from orchestrator.corpora.extraction.openface import OPENFACE_VARIABLE
from orchestrator.corpora.person_copies import copies_of
from orchestrator.corpora.readers import open_corpus
from orchestrator.corpora.reading import Reading
from orchestrator.corpora.synthetic.tree import synthesize
from orchestrator.corpora.tables.feature_tools import are_of_one_tool, common_tool, tool_by_features
from orchestrator.errors import InputError
from orchestrator.files import write_json
from orchestrator.inference.from_video import Extracting
from orchestrator.inference.predict import Wishes, predict, read_input
from orchestrator.inference.saved_model import open_model
from orchestrator.inference.score import read_labelled
from orchestrator.run_folder import CARD_FILE
from tests.conftest import LEFT_OPEN, Run
from tests.corpora import tool_files
from tests.corpora.extraction import fake_mediapipe, fake_openface
from tests.corpora.tool_files import HZ, NUM_ROWS, openface_clock, write_labels, write_tool
from tests.corpora.video.video_files import grey, write_video
from tests.inference.conftest import Make

pytestmark = LEFT_OPEN

NUM_FRAMES = 40
OPENFACE = [name.strip() for name in tool_files.OPENFACE_2_0]
MEDIAPIPE = ("timestamp", "success", *BLENDSHAPES)
MEDIAPIPE_CLOCK = {"timestamp": np.round(np.arange(NUM_ROWS) / HZ, 3).tolist(), "success": [1] * NUM_ROWS}


def corpus_of(root, names, clock):
    for number, person in enumerate(("P1", "P2", "P3")):
        write_tool(root / "features" / f"{person}.csv", names, clock, seed=number)
        write_labels(root, person)
    return root


@pytest.fixture
def of_openface(tmp_path: Path, make_model: Make, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model of OpenFace's features, and OpenFace's stand-in on the PATH; a cache of its own."""
    program = tmp_path / "bin" / "FeatureExtraction"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\n"{sys.executable}" "{fake_openface.__file__}" "$@"\nexit $?\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    monkeypatch.delenv(OPENFACE_VARIABLE, raising=False)
    folder = make_model(corpus_of(tmp_path / "openface", OPENFACE, openface_clock()), name="openface-model")
    monkeypatch.setenv("AFFECT_ORCHESTRATOR_CACHE", str(tmp_path / "cache"))
    return folder


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    (tmp_path / "videos").mkdir()
    for name in ("P1_2", "Q9"):
        write_video(tmp_path / "videos" / f"{name}.mp4", [grey(20 + 4 * index, 48, 32) for index in range(NUM_FRAMES)])
    (tmp_path / "videos" / "notes.txt").write_text("filmed on Monday")
    return tmp_path / "videos"


def test_the_card_says_the_tool(of_openface: Path) -> None:
    assert json.loads((of_openface / CARD_FILE).read_text())["corpus"]["features_tool"] == "OpenFace 2"


def test_videos_are_extracted_and_predicted(of_openface: Path, videos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, said = open_model(str(of_openface)), list[str]()
    given = read_input(model, videos, extracting=Extracting(show=said.append))
    found = predict(model, given, Wishes())
    assert [(trace.participant, trace.session) for trace in found.traces] == [("P1", "2"), ("Q9", "")]
    assert [len(trace.folds) for trace in found.traces] == [1, 2]  # P1 is of the corpus, Q9 is not
    assert all(np.isfinite(trace.prediction).all() and len(trace.time) == NUM_FRAMES for trace in found.traces)
    assert given.notes[0].startswith("features extracted by openface: ")
    assert said[1] == f"P1_2.mp4: {NUM_FRAMES} of {NUM_FRAMES} frames, " + said[1].split("frames, ")[1]
    monkeypatch.setenv("FAKE_OPENFACE", "fail")
    again = predict(model, read_input(model, videos / "Q9.mp4"), Wishes())  # its table is in the cache
    np.testing.assert_allclose(again.traces[0].prediction, found.traces[1].prediction, atol=1e-6)
    assert [one.kind for one in entries()] == ["extracted"] * 2
    assert len(copies_of("anybody").paths) == 2  # nothing in a table says whose it is


def test_a_video_that_cannot_be_extracted_is_an_error(
    of_openface: Path, videos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = open_model(str(of_openface))
    monkeypatch.setenv("FAKE_OPENFACE", "fail")
    with pytest.raises(InputError, match="exit code 3 of FeatureExtraction") as caught:
        read_input(model, videos)
    assert len(caught.value.problems) == 2
    monkeypatch.setenv("PATH", "/nowhere")
    told = (
        "OPENFACE_FEATURE_EXTRACTION: found no program FeatureExtraction; expected .*; or a table by OpenFace 2, whose"
    )
    with pytest.raises(InputError, match=told):
        read_input(model, videos)


def test_a_unit_of_time_is_none_of_videos(of_openface: Path, videos: Path) -> None:
    with pytest.raises(InputError, match="--time-unit: found ms, beside videos; expected tables"):
        read_input(open_model(str(of_openface)), videos, Reading(time_unit={"features": "ms"}))


def test_the_command_predicts_a_video(of_openface: Path, videos: Path, tmp_path: Path, run_here: Run) -> None:
    output = tmp_path / "predictions.csv"
    done = run_here(
        "predict", "--model", of_openface, "--input", videos / "Q9.mp4", "--output", output, env=dict(os.environ)
    )
    assert done.returncode == 0, done.stderr
    assert "extracting by openface" in done.stderr
    assert len(output.read_text().splitlines()) == 1 + NUM_FRAMES


def test_another_tools_features_are_refused_by_name(of_openface: Path, tmp_path: Path, run_here: Run) -> None:
    model = open_model(str(of_openface))
    other = corpus_of(tmp_path / "mediapipe", MEDIAPIPE, MEDIAPIPE_CLOCK)
    told = "found features by MediaPipe.*; expected features by OpenFace 2, which the model was trained on"
    for attempt in (
        lambda: read_input(model, other),
        lambda: read_input(model, other / "features" / "P1.csv"),
        lambda: read_labelled(model, other),
    ):
        with pytest.raises(InputError, match=told) as caught:
            attempt()
        assert len(caught.value.problems) == 1
    table = other / "features" / "P1.csv"
    followed = run_here("predict", "--model", of_openface, "--input", table, "--follow", "--look-ahead", 0.1)
    assert followed.returncode == 2
    assert re.search(told, followed.stderr)


def test_a_converted_table_says_its_tool(of_openface: Path, tmp_path: Path) -> None:
    convert(open_corpus(of_openface.parent / "openface"), tmp_path / "converted.parquet")
    assert open_corpus(tmp_path / "converted.parquet").features_tool == "OpenFace 2"


def test_tables_of_no_known_tool_go_by_their_columns(of_openface: Path, tmp_path: Path) -> None:
    model = open_model(str(of_openface))
    renamed = [name.replace("timestamp", "time").replace("success", "valid").removesuffix("_r") for name in OPENFACE]
    clock = openface_clock()
    columns = {**clock, "time": clock["timestamp"], "valid": clock["success"]}
    write_tool(tmp_path / "Z1.csv", renamed, columns)
    assert len(read_input(model, tmp_path / "Z1.csv").recordings) == 1


def test_an_old_card_tells_its_tool_by_its_features(of_openface: Path, tmp_path: Path) -> None:
    card = json.loads((of_openface / CARD_FILE).read_text())
    del card["corpus"]["features_tool"]
    write_json(of_openface / CARD_FILE, card)
    model = open_model(str(of_openface))
    assert model.features_tool == "OpenFace 2"
    other = corpus_of(tmp_path / "mediapipe", MEDIAPIPE, MEDIAPIPE_CLOCK)
    with pytest.raises(InputError, match="found features by MediaPipe"):
        read_input(model, other)
    card["corpus"]["features_tool"] = 3
    write_json(of_openface / CARD_FILE, card)
    with pytest.raises(InputError, match="features_tool 3, expected a word"):
        open_model(str(of_openface))


def test_a_model_of_blendshapes_takes_mediapipe(
    make_model: Make, videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = synthesize(tmp_path / "made", participants=3, seconds=8.0, tool="mediapipe")
    folder = make_model(made)
    monkeypatch.setenv("AFFECT_ORCHESTRATOR_CACHE", str(tmp_path / "cache"))
    fake_mediapipe.install(tmp_path / "site", BLENDSHAPES)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    monkeypatch.setenv("FAKE_MEDIAPIPE_LOG", str(tmp_path / "log"))
    (tmp_path / "face_landmarker.task").write_bytes(b"model")
    model = open_model(str(folder))
    given = read_input(model, videos / "Q9.mp4", extracting=Extracting(model_file=tmp_path / "face_landmarker.task"))
    assert given.recordings[0].features.shape == (NUM_FRAMES, 52)
    assert given.recordings[0].valid.all()
    found = predict(model, given, Wishes())
    assert np.isfinite(found.traces[0].prediction).all()
    assert json.loads((folder / CARD_FILE).read_text())["corpus"]["synthetic"] is True


def test_a_model_that_no_extraction_serves_names_one_that_it_does(
    make_model: Make, videos: Path, tmp_path: Path
) -> None:
    """The demo's model is of RECOLA's features, which nobody else can make: the way to a face of one's own is said."""
    folder = make_model(synthesize(tmp_path / "recola", participants=3, seconds=8.0))
    with pytest.raises(
        InputError, match=r"found a video; expected tables of features by RECOLA.*data synthesize --tool"
    ):
        read_input(open_model(str(folder)), videos / "Q9.mp4")


def test_py_feat_s_units_and_blendshapes_alone_are_no_sign_of_mediapipe(tmp_path: Path) -> None:
    names = ("time", *tool_files.PY_FEAT_UNITS, *BLENDSHAPES)
    root = corpus_of(tmp_path, names, {"time": MEDIAPIPE_CLOCK["timestamp"]})
    assert open_corpus(root).features_tool == ""


def test_tools_are_told_apart() -> None:
    assert are_of_one_tool("OpenFace 1", "OpenFace 2")
    assert not are_of_one_tool("OpenFace 2", "OpenFace 3")
    assert are_of_one_tool("", "Py-Feat")
    assert common_tool(["Py-Feat", "Py-Feat"]) == "Py-Feat"
    assert common_tool(["Py-Feat", "LibreFace"]) == common_tool([]) == ""
    assert tool_by_features(["AU01", "AU43"]) == "Py-Feat"
    assert tool_by_features(["jawOpen", "mouthSmileLeft"]) == "MediaPipe"
    assert tool_by_features(["AU01", "AU12"]) == tool_by_features([]) == ""
