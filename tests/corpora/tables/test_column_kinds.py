"""Any number in a file is not a feature, nor a rater."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from orchestrator.corpora.convert import convert
from orchestrator.corpora.manifest import manifest_text
from orchestrator.corpora.names import listed
from orchestrator.corpora.read_options import BEFORE, ReadOptions
from orchestrator.corpora.readers import open_corpus
from orchestrator.corpora.recording import Corpus
from orchestrator.corpora.tables.column_kinds import counts_by_name, is_unit, why_no_action
from orchestrator.corpora.tables.feature_choice import FeatureChoice
from orchestrator.errors import InputError
from tests.corpora.tool_files import BLENDSHAPES, MEDIAPIPE
from tests.corpora.writers import DIMENSIONS, content, three_people, write_csv, write_folder, write_ratings, write_table

ROWS = 50  # of `content`
Columns = Mapping[str, Sequence[object]]


def dropped(corpus: Corpus) -> dict[str, str]:
    return {one.what.partition(" [")[0]: one.why for one in corpus.dropped}


def with_columns(path: Path, more: Columns) -> None:
    """Put columns before those of a comma-separated file."""
    head, *rows = path.read_text().splitlines()
    added = [",".join(map(str, row)) for row in zip(*more.values(), strict=True)]
    lines = [",".join([*more, head]), *(f"{one},{row}" for one, row in zip(added, rows, strict=True))]
    path.write_text("\n".join(lines) + "\n")


def folder_with(root: Path, more: Columns) -> Path:
    """Three people whose feature files have these columns, too."""
    write_folder(root, three_people())
    for path in (root / "features").iterdir():
        with_columns(path, more)
    return root


@pytest.mark.parametrize(
    "name",
    [
        *("Unnamed: 0", "frame_number", "FrameNumber", "trial", "Trial No", "age", "subject_age", "key_pressed"),
        *("keypress", "segment_id", "clip_index", "counter", "row", "...1", "Participant ID", "gender", "index"),
    ],
)
def test_counts_and_codes_are_known_by_name(name: str) -> None:
    assert counts_by_name(name)


@pytest.mark.parametrize(
    "name",
    [
        *("AU12", "Yaw", "pose_Rx", "gaze_0_x", "emb_0", "face_12", "loudness_sma3", "happiness", "Opt_mean"),
        *("VoicedSegmentsPerSec", "F0semitoneFrom27.5Hz", "voltage", "image_7", "speaker_3", "mouthLeft", "file"),
    ],
)
def test_features_of_faces_voices_and_embeddings_are_no_counts(name: str) -> None:
    assert not counts_by_name(name)


def test_units_and_blendshapes_are_known() -> None:
    assert all(map(is_unit, ("AU01", "AU45_c", "AU12_delta", *BLENDSHAPES, *MEDIAPIPE, "EyeBlinkLeft", "tongueOut")))
    assert not any(map(is_unit, ("Yaw", "gaze_0_x", "pose_Tx", "AUDIO", "AU1", "happiness", "emb_0")))


def wave(count: int = ROWS) -> np.ndarray:
    return np.sin(np.arange(count) / 3)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([np.arange(ROWS), np.arange(ROWS)], "only ever rises"),
        ([np.arange(ROWS, 0, -1.0)], "only ever rises or falls"),
        ([np.repeat(np.arange(5.0), 10), np.repeat(np.arange(5.0), 10)], "counts rows, segments"),
        ([1.7e12 + 40 * np.arange(ROWS)], "is a clock"),
        ([np.full(ROWS, 3.0)] * 2, "same value everywhere"),
        ([np.full(ROWS, 21.0), np.full(ROWS, 34.0)], "one value per recording"),
        ([wave()], None),
        ([np.repeat([0.0, 1.0], 25)], None),  # a flag that goes up once
        ([np.cumsum(np.abs(wave())), wave()], None),  # rises in one recording only
        ([np.arange(5.0)], None),  # too few to say
    ],
)
def test_counters_clocks_and_constants_are_known_by_their_values(values: list[np.ndarray], reason: str | None) -> None:
    found = why_no_action(values)
    assert found is None if reason is None else reason in str(found)


def test_a_row_number_is_no_feature(tmp_path: Path) -> None:
    plain = open_corpus(write_table(tmp_path / "plain.csv", three_people()))
    path = write_table(tmp_path / "t.csv", three_people())
    with_columns(path, {"Unnamed: 0": [*range(3 * ROWS)]})
    corpus = open_corpus(path)
    assert corpus.feature_names == ("AU01", "AU12", "Yaw")
    assert corpus.sha256 == plain.sha256
    assert dropped(corpus)["column Unnamed: 0"] == "a count, a code or a fact about the person by its name"


OWN_CASES: dict[str, Columns] = {
    "frame counter without a telling name": {"k": [*range(ROWS)]},
    "clock in ms": {"t0": [1_700_000_000_000 + 40 * row for row in range(ROWS)]},
    "segments": {"s": [row // 10 for row in range(ROWS)]},
    "age": {"age": [31] * ROWS},
    "constant": {"gain": [0.5] * ROWS},
    "what was felt": {"dominance": [0.1 * (row % 7) for row in range(ROWS)]},
    "a rating": {"target_label": [0.1 * (row % 7) for row in range(ROWS)]},
    "keys": {"button_pressed": [row % 2 for row in range(ROWS)]},
}


@pytest.mark.parametrize("case", OWN_CASES)
def test_what_is_no_feature_is_left_out_named_and_taken_if_asked_for(case: str, tmp_path: Path) -> None:
    (name,) = OWN_CASES[case]
    root = folder_with(tmp_path, OWN_CASES[case])
    corpus = open_corpus(root)
    assert corpus.feature_names == ("AU01", "AU12", "Yaw")
    assert any(what.split()[-1] == name for what in dropped(corpus)), dropped(corpus)
    asked = open_corpus(root, features=["AU12", name])
    assert asked.feature_names == (name, "AU12")
    assert open_corpus(root, features=["*"]).feature_names == ("AU01", "AU12", "Yaw")


def test_a_plan_from_before_takes_every_column(tmp_path: Path) -> None:
    root = folder_with(tmp_path, {"Unnamed: 0": [*range(ROWS)], "k": [*range(ROWS)], "age": [31] * ROWS})
    assert open_corpus(root, options=BEFORE).feature_names == ("Unnamed: 0", "k", "age", "AU01", "AU12", "Yaw")


def test_a_unit_that_never_moves_stays_and_is_noted(tmp_path: Path) -> None:
    contents = three_people()
    for one in contents:
        one.features[:, 1] = 0.0
    corpus = open_corpus(write_folder(tmp_path, contents))
    assert corpus.feature_names == ("AU01", "AU12", "Yaw")
    assert "never moves: AU12" in corpus.notes


def test_where_nothing_else_is_left_everything_stays(tmp_path: Path) -> None:
    contents = three_people(names=("x", "y"))
    for one in contents:
        one.features[:] = 1.0, 2.0
    corpus = open_corpus(write_folder(tmp_path, contents))
    assert corpus.feature_names == ("x", "y")
    assert "feature x has the same value everywhere; kept, as there is no other" in corpus.notes


def test_unusual_features_are_listed_in_full(tmp_path: Path) -> None:
    names = [f"{first}{last}" for first in "abc" for last in "uvwxyz"]
    text = manifest_text(open_corpus(write_folder(tmp_path, three_people(names=names))))
    assert ", ".join(names) in text
    assert listed(["a", *(f"e{index}" for index in range(100))]) == "a, e0 .. e99 (100)"
    assert listed(["AU01", "AU02", "AU04"]) == "AU01, AU02, AU04"


def label_files(root: Path, columns: Columns, *, both: bool = True) -> Path:
    """Two people whose label files have a time and these columns."""
    people = [content("P1"), content("P2")]
    write_folder(root, people)
    for one in people:
        for dimension in DIMENSIONS if both else DIMENSIONS[:1]:
            rows = [[float(time), *row] for time, *row in zip(one.time, *columns.values(), strict=True)]
            write_csv(root / "annotations" / dimension / f"{one.name}.csv", ["time", *columns], rows)
    return root


FELT = np.round(0.5 * wave(), 3).tolist()
LESS = np.round(0.4 * wave(), 3).tolist()


@pytest.mark.parametrize(
    ("columns", "raters", "why"),
    [
        ({"value": FELT, "key_pressed": [1] * ROWS}, ("value",), "a count or a code by its name"),
        ({"value": FELT, "joystick": LESS}, ("value",), "beside value, which holds the labels"),
        ({"r1": FELT, "r2": LESS, "r3": [1.0] * ROWS}, ("r1", "r2"), "the label is 1 everywhere"),
        ({"Unnamed: 0": [*range(ROWS)], "r1": FELT, "r2": LESS}, ("r1", "r2"), "a count or a code"),
        ({"n": [*range(ROWS)], "r1": FELT, "r2": LESS}, ("r1", "r2"), "a count or a code"),
        ({"k": [*range(ROWS)], "r1": FELT, "r2": LESS}, ("r1", "r2"), "counts rows"),
        ({"r1": FELT, "r2": LESS, "mean": FELT}, ("r1", "r2"), "sums up the raters"),
        ({"mean": FELT, "sd": LESS}, ("mean",), "how much raters differ"),
        ({"r1": FELT, "r2": LESS, "Comment": ["fine"] * ROWS}, ("r1", "r2"), "text, no labels"),
        ({"r1": FELT, "r2": LESS, "Comment": [""] * ROWS}, ("r1", "r2"), "without a single label"),
    ],
)
def test_a_column_beside_raters_is_no_rater(
    columns: Columns, raters: tuple[str, ...], why: str, tmp_path: Path
) -> None:
    corpus = open_corpus(label_files(tmp_path, columns))
    assert corpus.recordings[0].raters == raters
    assert any(why in reason for reason in dropped(corpus).values()), dropped(corpus)


def test_a_rater_whose_name_is_a_persons_stays(tmp_path: Path) -> None:
    corpus = open_corpus(label_files(tmp_path, {"Max": FELT, "Min-Jun": LESS, "1": FELT}))
    assert corpus.recordings[0].raters == ("Max", "Min-Jun", "1")


def test_raters_that_are_asked_for_are_taken(tmp_path: Path) -> None:
    root = label_files(tmp_path, {"value": FELT, "joystick": LESS, "r1": LESS})
    asked = open_corpus(root, options=ReadOptions(raters=("value", "joy*")))
    assert asked.recordings[0].raters == ("value", "joystick")
    assert dropped(asked)["column r1 in labels of valence"] == "not asked for by --raters"
    assert open_corpus(root, options=BEFORE).recordings[0].raters == ("value", "joystick", "r1")
    with pytest.raises(InputError, match="no column that --raters asks for among value, joystick, r1"):
        open_corpus(root, options=ReadOptions(raters=("nobody",)))


def test_raters_of_a_converted_table_can_be_asked_for(tmp_path: Path) -> None:
    table = tmp_path / "t.parquet"
    convert(open_corpus(label_files(tmp_path / "files", {"r1": FELT, "r2": LESS})), table)
    assert open_corpus(table).recordings[0].raters == ("r1", "r2")
    asked = open_corpus(table, options=ReadOptions(raters=("r2",)))
    assert asked.recordings[0].raters == ("r2",)
    assert "not asked for by --raters" in {one.why for one in asked.dropped}
    with pytest.raises(InputError, match=r"--raters: found r3, which matches none; .* there are: r1, r2"):
        open_corpus(table, options=ReadOptions(raters=("r3", "r1")))


def test_a_pattern_without_a_rater_is_named_once_not_per_file(tmp_path: Path) -> None:
    roots = (
        label_files(tmp_path / "files", {"r1": FELT, "r2": LESS}),
        write_table(tmp_path / "t.csv", three_people(raters=("r1", "r2"))),
    )
    for root in roots:
        with pytest.raises(InputError) as caught:
            open_corpus(root, options=ReadOptions(raters=("r1", "r3", "x*")))
        assert [str(one) for one in caught.value.problems] == [
            "--raters: found r3, which matches none; expected patterns of the raters there are: r1, r2",
            "--raters: found x*, which matches none; expected patterns of the raters there are: r1, r2",
        ]
        with pytest.raises(InputError) as caught:
            open_corpus(root, options=ReadOptions(raters=("r3",)))
        assert sum("t.csv" in one.where or "P" in one.where for one in caught.value.problems) <= 1, "not per file"


def test_the_other_dimensions_column_is_no_rater(tmp_path: Path) -> None:
    corpus = open_corpus(label_files(tmp_path, {"valence": FELT, "arousal": LESS}))
    assert dropped(corpus)["column arousal in labels of valence"] == "of arousal, not of valence"
    valence, arousal = corpus.recordings[0].ratings[:, 0].T
    np.testing.assert_allclose(valence, FELT, atol=1e-6)
    np.testing.assert_allclose(arousal, LESS, atol=1e-6)


def test_spreads_summaries_and_text_are_no_raters_of_a_table(tmp_path: Path) -> None:
    path = write_table(tmp_path / "t.csv", three_people(raters=("a", "b", "mean", "sd")))
    with_columns(path, {"valence_remark": ["ok"] * 3 * ROWS})
    corpus = open_corpus(path)
    assert corpus.recordings[0].raters == ("a", "b")
    assert {"column valence_mean, arousal_mean", "column valence_sd, arousal_sd", "column valence_remark"} <= set(
        dropped(corpus)
    )


def test_the_units_are_taken_where_there_are_any(tmp_path: Path) -> None:
    units = FeatureChoice(units_only=True)
    faces = open_corpus(write_folder(tmp_path / "faces", three_people()), choice=units)
    assert faces.feature_names == ("AU01", "AU12")
    assert faces.feature_line == ("2 of 3 taken, action units: AU01, AU12; left out, --features takes them: Yaw")
    voices = open_corpus(write_folder(tmp_path / "voices", three_people(names=("e0", "e1"))), choice=units)
    assert voices.feature_names == ("e0", "e1")
    assert "none of them an action unit: all are taken" in voices.feature_line
    shapes = open_corpus(write_folder(tmp_path / "shapes", three_people(names=("jawOpen", "x"))), choice=units)
    assert shapes.feature_names == ("jawOpen",)


def test_patterns_match_the_files_own_names(tmp_path: Path) -> None:
    root = tmp_path / "own"
    names = ("AU01_r", "AU12_r", "AU12_c", "pose_Tx", "x_1")
    for one in three_people(names=names):
        values = np.column_stack([one.time, np.ones(ROWS), one.features])
        header = ["timestamp", "success", *names]
        write_csv(root / "features" / f"{one.name}.csv", header, [list(map(float, row)) for row in values])
        for dimension in DIMENSIONS:
            write_ratings(root / "annotations" / dimension / f"{one.name}.csv", one, dimension)
    assert open_corpus(root, features=["AU*_r"]).feature_names == ("AU01", "AU12")
    assert open_corpus(root, features=["AU12"]).feature_names == ("AU12",)
    # OpenFace's landmarks are left out, but for whoever asks.
    assert open_corpus(root).feature_names == ("AU01", "AU12", "AU12_c", "pose_Tx")
    assert open_corpus(root, features=["AU12_r", "x_*"]).feature_names == ("AU12", "x_1")
    with pytest.raises(InputError, match=r"--features: found z\*, which matches none; expected .*AU01, AU12, AU12_c"):
        open_corpus(root, features=["z*"])
