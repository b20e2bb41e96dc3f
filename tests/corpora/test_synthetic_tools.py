"""The embedded corpus as the tables of a tool: what `data extract` would have left, of nobody."""

from pathlib import Path

import numpy as np
import pytest

from orchestrator.corpora.extraction import landmarker, openface, py_feat
from orchestrator.corpora.extraction.tool_names import NAMES
from orchestrator.corpora.extraction.whole_table import TableForm, read_whole
from orchestrator.corpora.readers import open_corpus
from orchestrator.corpora.recording import Corpus
from orchestrator.corpora.synthetic.tree import synthesize
from orchestrator.errors import InputError
from tests.corpora.test_synthetic import contents

PEOPLE, SECONDS, HZ = 3, 24.0, 25
NUM_ROWS = round(SECONDS * HZ)
CALLED = {"openface": "OpenFace 2", "py-feat": "Py-Feat", "mediapipe": "MediaPipe"}
SMILE, OTHER_SMILE = {"openface": "AU12", "py-feat": "AU12", "mediapipe": "mouthSmileLeft"}, "mouthSmileRight"
UNITS = {"openface": openface.UNITS, "py-feat": py_feat.UNITS}
FORMS = {  # as the drivers of the tools expect their tables
    "openface": TableForm(
        numbers=("frame", "timestamp", "confidence", "success", *(f"AU{unit:02}_r" for unit in openface.UNITS)),
        columns=(*(f"AU{unit:02}_c" for unit in openface.PRESENT_UNITS),),
        one_face=True,
    ),
    "py-feat": TableForm(
        numbers=("frame",), columns=("frame", *(f"AU{unit:02}" for unit in py_feat.UNITS)), one_face=False
    ),
    "mediapipe": TableForm(numbers=landmarker.COLUMNS[:3], columns=landmarker.COLUMNS, one_face=True),
}


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("trees")
    return {
        tool: synthesize(root / tool, participants=PEOPLE, seconds=SECONDS, seed=5, tool=tool)
        for tool in ("recola", *NAMES)
    }


@pytest.fixture(scope="module")
def corpora(trees: dict[str, Path]) -> dict[str, Corpus]:
    return {tool: open_corpus(tree) for tool, tree in trees.items()}


def column(corpus: Corpus, person: int, name: str) -> np.ndarray:
    features: np.ndarray = np.asarray(corpus.recordings[person].features)[:, corpus.feature_names.index(name)]
    return features


@pytest.mark.parametrize("tool", NAMES)
def test_it_is_read_as_the_tools_and_as_nobodys(corpora: dict[str, Corpus], tool: str) -> None:
    corpus = corpora[tool]
    assert (corpus.kind, corpus.synthetic, corpus.features_tool) == ("folder", True, CALLED[tool])
    assert corpus.hz == pytest.approx(HZ)
    assert not corpus.dropped
    assert corpus.participants == corpora["recola"].participants
    if tool in UNITS:
        assert {f"AU{unit:02}" for unit in UNITS[tool]} < set(corpus.feature_names)
    else:
        assert corpus.feature_names == landmarker.BLENDSHAPES


@pytest.mark.parametrize("tool", NAMES)
def test_a_table_is_whole_as_an_extraction_is(trees: dict[str, Path], tool: str) -> None:
    tables = sorted((trees[tool] / "features").glob("*.csv"))
    assert [read_whole(table, FORMS[tool]) for table in tables] == [NUM_ROWS] * PEOPLE


@pytest.mark.parametrize("tool", NAMES)
def test_labels_and_lost_faces_are_those_of_the_recola_tree(corpora: dict[str, Corpus], tool: str) -> None:
    frames_lost = 0
    for ours, theirs in zip(corpora[tool].recordings, corpora["recola"].recordings, strict=True):
        np.testing.assert_array_equal(ours.ratings, theirs.ratings)
        lost = ~np.asarray(ours.valid)
        frames_lost += int(lost.sum())
        # A RECOLA tree has differences, too, which lack the frame after a loss.
        np.testing.assert_array_equal(lost | np.concatenate([[False], lost[:-1]]), ~np.asarray(theirs.valid))
    assert 0 < frames_lost < PEOPLE * NUM_ROWS / 4


@pytest.mark.parametrize("tool", NAMES)
def test_a_smile_is_the_models_smile(corpora: dict[str, Corpus], tool: str) -> None:
    """In the tool's range, and with little noise of its own, which makes left and right differ."""
    for person in range(PEOPLE):
        valid = np.asarray(corpora[tool].recordings[person].valid)
        smile = column(corpora[tool], person, SMILE[tool])[valid]
        true = column(corpora["recola"], person, "AU12")[valid]
        assert 0.95 < np.corrcoef(smile, true)[0, 1] < 1.0
        top = 5.0 if tool == "openface" else 1.0
        assert 0.0 <= smile.min() < 0.4 * top < 0.6 * top < smile.max() <= top
        if tool == "mediapipe":
            other = column(corpora[tool], person, OTHER_SMILE)[valid]
            assert 0.95 < np.corrcoef(smile, other)[0, 1] < 1.0


@pytest.mark.parametrize("tool", NAMES)
def test_every_column_moves(corpora: dict[str, Corpus], tool: str) -> None:
    """A network learns nothing about a column that stands still, and would take it as noise in a real face."""
    features = np.concatenate([np.asarray(one.features)[np.asarray(one.valid)] for one in corpora[tool].recordings])
    assert (features.std(axis=0) > 0.005).all()


def test_equal_parameters_give_equal_bytes(trees: dict[str, Path], tmp_path: Path) -> None:
    for tool in NAMES:
        parameters = {"participants": PEOPLE, "seconds": SECONDS, "tool": tool}
        again = contents(synthesize(tmp_path / tool / "again", **parameters, seed=5))  # type: ignore[arg-type]
        assert again == contents(trees[tool])
        other = contents(synthesize(tmp_path / tool / "other", **parameters, seed=6))  # type: ignore[arg-type]
        assert other["features/P16.csv"] != again["features/P16.csv"]


def test_drawn_faces_lie_where_the_reader_looks(tmp_path: Path) -> None:
    tree = synthesize(tmp_path / "tree", participants=1, seconds=2.0, faces=True, face_size=32, tool="mediapipe")
    corpus = open_corpus(tree)
    assert corpus.recordings[0].video is not None
    assert not corpus.dropped


def test_an_unknown_tool_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--tool: found webcam; expected recola, openface, py-feat, mediapipe"):
        synthesize(tmp_path / "tree", tool="webcam")
    assert not (tmp_path / "tree").exists()
