"""What is unusual but usable: it is read, and said; nothing crashes, and nothing becomes NaN that need not."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from orchestrator.corpora.convert import convert
from orchestrator.corpora.manifest import manifest, manifest_text
from orchestrator.corpora.readers import open_corpus
from orchestrator.corpora.recording import Corpus
from orchestrator.corpora.tables import delimited
from orchestrator.errors import InputError
from tests.corpora.writers import (
    RECOLA_RATERS,
    WRITERS,
    content,
    three_people,
    trial_level,
    with_holes,
    write_arff,
    write_avec,
    write_csv,
    write_folder,
    write_ratings,
    write_recola,
    write_table,
)


def dropped(corpus: Corpus) -> dict[str, str]:
    return {one.what: one.why for one in corpus.dropped}


def test_trial_level_data(tmp_path: Path) -> None:
    """141 people, 1 to 42 rows each, 20 action units, three raters."""
    people = trial_level()
    corpus = open_corpus(write_table(tmp_path / "trials.parquet", people))
    assert len(corpus.participants) == 141
    assert len(corpus.feature_names) == 20
    counts = [len(recording.time) for recording in corpus.recordings]
    assert (min(counts), max(counts)) == (1, 42)
    assert counts == [len(one.time) for one in people]
    assert all(recording.raters == ("r1", "r2", "r3") for recording in corpus.recordings)
    assert corpus.hz == 0.2
    facts = manifest(corpus)
    assert facts["single_row_sessions"] == counts.count(1)
    assert any(note.startswith("one row only [1") for note in corpus.notes)


def test_only_single_rows(tmp_path: Path) -> None:
    corpus = open_corpus(write_table(tmp_path / "t.csv", [content(name, num_rows=1) for name in "abc"]))
    assert corpus.hz == 1.0
    assert any("rate is unknown" in note for note in corpus.notes)
    assert manifest(corpus)["seconds"] == 0.0


def test_a_table_may_lack_labels_on_some_rows(tmp_path: Path) -> None:
    one = content("P1")
    one.ratings[5:10] = np.nan
    corpus = open_corpus(write_table(tmp_path / "t.csv", [one, content("P2")]))
    np.testing.assert_array_equal(corpus.recordings[0].ratings, one.ratings.astype(np.float32))
    assert corpus.joined == {"P1": 0.9, "P2": 1.0}


def test_a_table_with_one_gold_standard(tmp_path: Path) -> None:
    text = "participant,time,AU1,valence,arousal,success\n7,0,0.1,0.1,0.2,1\n7,1,0.2,0.3,0.4,0\n8,0,0.5,0.5,0.6,1\n"
    (tmp_path / "t.csv").write_text(text)
    corpus = open_corpus(tmp_path / "t.csv")
    assert corpus.participants == ("7", "8")
    assert corpus.recordings[0].raters == ("gold",)
    np.testing.assert_array_equal(corpus.recordings[0].ratings[:, 0], np.array([[0.1, 0.2], [0.3, 0.4]], np.float32))
    assert corpus.recordings[0].valid.tolist() == [True, False]
    assert corpus.feature_names == ("AU01",)


def test_raters_come_before_a_gold_standard_beside_them(tmp_path: Path) -> None:
    columns = "participant,time,AU1,valence,arousal,valence_a,arousal_a"
    (tmp_path / "t.csv").write_text(f"{columns}\n1,0,0.1,0.9,0.9,0.1,0.2\n2,0,0.2,0.9,0.9,0.3,0.4\n")
    corpus = open_corpus(tmp_path / "t.csv")
    assert corpus.recordings[0].raters == ("a",)
    assert dropped(corpus)["column valence"] == "the raters' own labels are read"


@pytest.mark.parametrize(("yes", "no"), [("True", "False"), ("1", "0"), ("1.0", "0.0"), ("true", "false")])
def test_a_column_of_validity(tmp_path: Path, yes: str, no: str) -> None:
    rows = "".join(f"{p},{t},{(p + t) / 10},{no if t == 1 else yes},0.1,0.2\n" for p in (1, 2) for t in range(3))
    (tmp_path / "t.csv").write_text("participant,time,smile,valid,valence,arousal\n" + rows)
    recording = open_corpus(tmp_path / "t.csv").recordings[0]
    assert recording.valid.tolist() == [True, False, True]
    np.testing.assert_array_equal(recording.features.ravel(), np.array([0.1, 0.2, 0.3], np.float32))  # kept


def test_a_column_says_synthetic(tmp_path: Path) -> None:
    text = "participant,time,AU1,valence,arousal,synthetic\n1,0,0.1,0.1,0.2,{0}\n2,0,0.2,0.1,0.2,{0}\n"
    for value, expected in (("True", True), ("1", True), ("0", False), ("False", False)):
        (tmp_path / "t.csv").write_text(text.format(value))
        corpus = open_corpus(tmp_path / "t.csv")
        assert corpus.synthetic is expected
        assert corpus.feature_names == ("AU01",)


@pytest.mark.parametrize("said", [True, False])
def test_parquet_metadata_say_synthetic(tmp_path: Path, said: bool) -> None:
    assert open_corpus(write_table(tmp_path / "t.parquet", three_people(), synthetic=said)).synthetic is said


def test_py_feats_own_estimates_are_no_labels_in_a_table(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("participant,time,FaceScore,AU01,valence,arousal\n1,0,0.9,0.1,0.1,0.2\n")
    with pytest.raises(InputError, match="no column of labels"):
        open_corpus(tmp_path / "t.csv")


def test_rows_of_people_may_alternate(tmp_path: Path) -> None:
    path = write_table(tmp_path / "t.csv", three_people())
    plain = open_corpus(path)
    head, *rows = path.read_text().rstrip().split("\n")
    mixed = [row for index in range(50) for row in rows[index::50]]
    path.write_text("\n".join([head, *mixed]))
    assert open_corpus(path).sha256 == plain.sha256


def test_several_sessions(tmp_path: Path) -> None:
    contents = [content("P1", session="2"), content("P1", session="10"), content("P2", session="2")]
    folder = open_corpus(write_folder(tmp_path / "folder", contents))
    assert [recording.name for recording in folder.recordings] == ["P1_2", "P1_10", "P2_2"]
    assert folder.participants == ("P1", "P2")
    assert open_corpus(write_table(tmp_path / "t.csv", contents)).sha256 == folder.sha256


def test_names_that_may_mean_one_person_are_noted(tmp_path: Path) -> None:
    corpus = open_corpus(write_folder(tmp_path / "folder", [content("sub_01"), content("sub_02")]))
    assert corpus.participants == ("sub",)
    (question,) = corpus.questions
    assert question.startswith("all files are sessions of one participant, sub (sessions 01, 02): what follows")
    assert "--participant-pattern" in question


def test_missing_files_are_dropped_with_why(tmp_path: Path) -> None:
    root = write_recola(tmp_path / "recola", [*three_people(), content("P21")])
    annotation = root / "RECOLA-Annotation" / "emotional_behaviour"
    (annotation / "valence" / "P17.csv").unlink()
    for dimension in ("valence", "arousal"):
        (annotation / dimension / "P19.csv").unlink()
    (root / "RECOLA-Video-features" / "P21.arff").unlink()
    corpus = open_corpus(root)
    assert corpus.participants == ("P16",)
    assert dropped(corpus) == {
        "recording P17": "no file with valence",
        "recording P19": "no file with valence or arousal",
        "recording P21": "no file with features",
    }


def test_a_rater_missing_for_one_recording_is_nan_there(tmp_path: Path) -> None:
    contents = three_people()
    contents[1] = replace(contents[1], raters=RECOLA_RATERS[1:], ratings=contents[1].ratings[:, 1:])
    corpus = open_corpus(write_recola(tmp_path / "recola", contents))
    recording = corpus.recordings[1]
    assert recording.raters == RECOLA_RATERS
    assert np.isnan(recording.ratings[:, 0]).all()
    np.testing.assert_array_equal(recording.ratings[:, 1:], contents[1].ratings.astype(np.float32))
    assert "no labels of rater FM1 [P17]" in corpus.notes
    convert(corpus, tmp_path / "one.parquet")  # which has the column all the same
    assert open_corpus(tmp_path / "one.parquet").notes == ("no labels of rater FM1 [P17]",)


def test_raters_in_another_order_are_joined_by_name(tmp_path: Path) -> None:
    contents = three_people()
    plain = open_corpus(write_recola(tmp_path / "plain", contents)).sha256
    root = write_recola(tmp_path / "turned", contents)
    turned = replace(contents[1], raters=RECOLA_RATERS[::-1], ratings=contents[1].ratings[:, ::-1])
    write_ratings(root / "RECOLA-Annotation" / "emotional_behaviour" / "arousal" / "P17.csv", turned, "arousal")
    assert open_corpus(root).sha256 == plain


def test_constant_labels_are_noted(tmp_path: Path) -> None:
    one = content("P1")
    one.ratings[:, 2, 1] = 0.25
    corpus = open_corpus(write_table(tmp_path / "t.csv", [one, content("P2")]))
    assert "constant arousal by rater FM3 [P1]" in corpus.notes
    assert "constant arousal by rater FM3 [P1]" in manifest_text(corpus)


@pytest.mark.parametrize("writer", WRITERS)
def test_one_participant_is_read(tmp_path: Path, writer: str) -> None:
    assert len(open_corpus(WRITERS[writer](tmp_path, [content("P1")])).participants) == 1


def test_features_are_those_of_all_files_in_the_first_ones_order(tmp_path: Path) -> None:
    first = content("P1", names=("Yaw", "AU12", "AU01"))
    second = content("P2", names=("AU01", "AU12", "AU28", "Yaw"))
    corpus = open_corpus(write_folder(tmp_path / "folder", [first, second]))
    assert corpus.feature_names == ("Yaw", "AU12", "AU01")
    np.testing.assert_array_equal(corpus.recordings[1].features, second.features[:, [3, 1, 0]].astype(np.float32))
    assert dropped(corpus) == {"feature AU28": "missing in 1 recording: P1"}


def test_a_unit_without_a_value_in_one_file_is_missing_not_zero(tmp_path: Path) -> None:
    contents = three_people()
    contents[2].features[:, 1] = np.nan
    corpus = open_corpus(write_folder(tmp_path / "folder", contents))
    assert corpus.feature_names == ("AU01", "Yaw")
    assert all(recording.valid.all() for recording in corpus.recordings)
    assert dropped(corpus) == {"feature AU12": "missing in 1 recording: P19"}


def test_a_recording_without_any_face_costs_no_unit(tmp_path: Path) -> None:
    contents = three_people()
    contents[0].features[:] = np.nan
    corpus = open_corpus(write_folder(tmp_path / "folder", contents))
    assert corpus.feature_names == ("AU01", "AU12", "Yaw")
    assert corpus.participants == ("P17", "P19")
    assert dropped(corpus) == {"recording P16": "no frame with a usable face"}


def test_a_person_in_a_table_who_lacks_a_unit_costs_no_unit(tmp_path: Path) -> None:
    contents = three_people()
    contents[1].features[:, 1] = np.nan
    corpus = open_corpus(write_table(tmp_path / "t.csv", contents))
    assert corpus.feature_names == ("AU01", "AU12", "Yaw")
    assert dropped(corpus) == {"recording P17": "no frame with all features"}


def test_an_empty_column_of_a_table_is_dropped(tmp_path: Path) -> None:
    contents = three_people()
    for one in contents:
        one.features[:, 1] = np.nan
    corpus = open_corpus(write_table(tmp_path / "t.csv", contents))
    assert corpus.feature_names == ("AU01", "Yaw")
    assert dropped(corpus) == {"column AU12": "without a single value"}


def test_unlabelled_recordings_are_dropped(tmp_path: Path) -> None:
    contents = three_people()
    contents[1].ratings[:] = np.nan
    corpus = open_corpus(write_table(tmp_path / "t.csv", contents))
    assert dropped(corpus) == {"recording P17": "no label"}


def test_labels_of_one_dimension_on_frames_without_a_face_alone_are_noted(tmp_path: Path) -> None:
    contents = three_people()
    contents[1].features[:10] = np.nan
    contents[1].ratings[10:, :, 0] = np.nan
    corpus = open_corpus(write_folder(tmp_path / "folder", contents))
    assert "no valence label on a valid frame [P17]" in corpus.notes
    assert corpus.joined["P17"] == corpus.labels_used["P17"] / 5 == 0.2  # of valence


def test_recola_labels_past_the_end_and_csv_features(tmp_path: Path) -> None:
    contents = three_people()
    root = write_recola(tmp_path / "recola", contents)
    plain = open_corpus(root).sha256
    for one in contents:
        for path in (root / "RECOLA-Annotation" / "emotional_behaviour").rglob(f"{one.name}.csv"):
            path.write_text(path.read_text() + "".join(f"{300 + n * 0.04:g};1;1;1;1;1;1\n" for n in range(1, 9)))
        (root / "RECOLA-Video-features" / f"{one.name}.arff").unlink()
        rows = np.column_stack([one.time, one.features])
        names = ("time", *(f"VIDEO_40_LLD_{name}" for name in one.names))
        write_csv(root / "RECOLA-Video-features" / f"{one.name}.csv", names, [list(map(float, row)) for row in rows])
    (root / "RECOLA-Video-recordings").mkdir()
    assert open_corpus(root).sha256 == plain


def test_avec_gold_standard_and_test_set(tmp_path: Path) -> None:
    contents = three_people()
    root = write_avec(tmp_path / "avec", contents)
    (root / "features" / "video").rename(root / "video")
    (root / "video" / "AU").rename(root / "features_video_geometric")
    values = np.column_stack([contents[0].time, contents[0].features * 0.5])
    write_arff(root / "features_video_geometric" / "test_1.arff", ("frameTime", "a", "b", "c"), values)
    for name, one in zip(("dev_1", "train_1", "train_2"), contents, strict=True):
        for index, dimension in enumerate(("valence", "arousal")):
            (root / "ratings_individual" / dimension / f"{name}.csv").unlink()
            rows = np.column_stack([one.time, one.ratings[:, 0, index]])
            path = root / "ratings_gold_standard" / dimension / f"{name}.arff"
            write_arff(path, ("frameTime", "GoldStandard"), rows, instance=name)
    corpus = open_corpus(root)
    assert corpus.participants == ("dev_1", "train_1", "train_2")
    assert corpus.recordings[0].raters == ("gold",)
    np.testing.assert_array_equal(corpus.recordings[2].ratings, contents[2].ratings[:, :1].astype(np.float32))
    assert dropped(corpus) == {"recording test_1": "the challenge's test set has no labels"}


def test_avec_prefers_individual_ratings_and_one_kind_of_features(tmp_path: Path) -> None:
    root = write_avec(tmp_path / "avec", three_people())
    write_arff(root / "features_video_geometric" / "dev_1.arff", ("frameTime", "x"), np.ones((2, 2)))
    (root / "ratings_gold_standard" / "valence").mkdir(parents=True)
    corpus = open_corpus(root)
    assert corpus.recordings[0].raters == RECOLA_RATERS
    assert dropped(corpus) == {
        "folder features_video_geometric": "another folder of video features is read",
        "folder ratings_gold_standard": "the individual ratings are read",
    }


def test_numbers_in_names_sort_as_numbers(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "folder", [content(f"P{n}") for n in (1, 2, 9, 10, 11)])
    assert open_corpus(root).participants == ("P1", "P2", "P9", "P10", "P11")


def test_manifest_agreement_in_closed_form(tmp_path: Path) -> None:
    """y = x + c: CCC = 2 v / (2 v + c^2)."""
    contents = [content(name, raters=("a", "b")) for name in ("P1", "P2")]
    for one in contents:
        one.ratings[:, 0] = np.linspace(-0.5, 0.5, 50)[:, None]
        one.ratings[:, 1] = one.ratings[:, 0] + 0.25
    facts = manifest(open_corpus(write_table(tmp_path / "t.parquet", contents)))
    variance = np.linspace(-0.5, 0.5, 50).var()
    expected = 2 * variance / (2 * variance + 0.25**2)
    for dimension in ("valence", "arousal"):
        got = facts["labels"][dimension]
        # 1e-6: labels pass through float32
        assert got["agreement"] == pytest.approx(expected, abs=1e-6)
        assert got["agreement_of_rater"] == pytest.approx({"a": expected, "b": expected}, abs=1e-6)
        assert (got["min"], got["max"], got["mean"]) == pytest.approx((-0.5, 0.75, 0.125), abs=1e-6)


def test_manifest_of_one_rater_has_no_agreement(tmp_path: Path) -> None:
    corpus = open_corpus(write_table(tmp_path / "t.csv", [content(name, raters=("a",)) for name in ("P1", "P2")]))
    assert manifest(corpus)["labels"]["valence"]["agreement"] is None
    assert manifest(corpus)["labels"]["valence"]["agreement_of_rater"] == {"a": None}
    assert "agreement" not in manifest_text(corpus)


@pytest.mark.parametrize("name", ["out.csv", "folder.parquet", "file/out.parquet"])
def test_convert_to_a_place_that_cannot_be_written(tmp_path: Path, name: str) -> None:
    corpus = open_corpus(write_table(tmp_path / "t.csv", three_people()))
    (tmp_path / "folder.parquet").mkdir()
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(InputError, match="--output") as caught:
        convert(corpus, tmp_path / name)
    assert str(tmp_path / name) in caught.value.problems[0].found
    assert sorted(one.name for one in tmp_path.iterdir()) == ["file", "folder.parquet", "t.csv"]


@pytest.mark.parametrize("synthetic", [True, False])
def test_converted_files_say_twice_that_they_are_synthetic(tmp_path: Path, synthetic: bool) -> None:
    """In the metadata and in every row: whatever is made of the file later keeps one of them."""
    corpus = open_corpus(write_table(tmp_path / "t.parquet", three_people(), synthetic=synthetic))
    convert(corpus, tmp_path / "out.parquet")
    table = parquet.read_table(tmp_path / "out.parquet")
    assert table.schema.metadata[b"synthetic"] == str(synthetic).lower().encode()
    assert ("synthetic" in table.column_names) is synthetic
    assert not synthetic or all(table.column("synthetic").to_pylist())


def test_convert_replaces_whole_files(tmp_path: Path) -> None:
    corpus = open_corpus(write_table(tmp_path / "t.csv", three_people()))
    (tmp_path / "out.parquet").write_text("old")
    convert(corpus, tmp_path / "out.parquet")
    assert open_corpus(tmp_path / "out.parquet").sha256 == corpus.sha256
    assert sorted(one.name for one in tmp_path.iterdir()) == ["out.parquet", "t.csv"]


@pytest.mark.parametrize("writer", WRITERS)
def test_sound_files_need_no_slow_look(tmp_path: Path, writer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The look that knows lines takes ten times as long as Arrow; it is for faults only."""
    path = WRITERS[writer](tmp_path, [with_holes(one) for one in three_people()])
    monkeypatch.setattr(delimited, "slow_look", None)
    assert len(open_corpus(path).recordings) == 3


def test_columns_of_raters_may_repeat_their_dimension(tmp_path: Path) -> None:
    contents = three_people()
    root = write_folder(tmp_path / "folder", contents)
    plain = open_corpus(root).sha256
    for dimension in ("valence", "arousal"):
        named = replace(contents[1], raters=tuple(f"{dimension}_{rater}" for rater in RECOLA_RATERS))
        write_ratings(root / "annotations" / dimension / "P17.csv", named, dimension)
    assert open_corpus(root).sha256 == plain


def test_labels_of_another_rate_and_few_labels_are_joined_and_noted(tmp_path: Path) -> None:
    contents = three_people()
    root = write_folder(tmp_path / "folder", contents)
    sparse = replace(contents[1], time=contents[1].time[::5][:4], ratings=contents[1].ratings[::5][:4])
    for dimension in ("valence", "arousal"):
        write_ratings(root / "annotations" / dimension / "P17.csv", sparse, dimension)
    corpus = open_corpus(root)
    assert corpus.joined["P17"] == 16 / 50  # 0.04 to 0.64 s of 2 s
    between = (contents[1].ratings[0] * 3 + contents[1].ratings[5] * 2) / 5
    np.testing.assert_allclose(corpus.recordings[1].ratings[2], between, atol=1e-6)
    assert "labels on less than 50% of the frames [P17]" in corpus.notes


def test_another_rate_is_noted(tmp_path: Path) -> None:
    contents = [content("P1"), content("P2"), content("P3", hz=30.0)]
    corpus = open_corpus(write_table(tmp_path / "t.csv", contents))
    assert corpus.hz == 25.0
    assert "another rate than 25 frames per second, which most have [P3]" in corpus.notes


def test_other_files_beside_the_features_are_ignored(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "folder", three_people())
    for name in ("P16_of_details.txt", "P16.hog", ".DS_Store", "README.csv", "extraction.json"):
        (root / "features" / name).write_text("x")
    assert len(open_corpus(root).recordings) == 3


@pytest.mark.parametrize(
    ("people", "session"),
    [
        (pa.array(["7", "7", "8", "8"]).dictionary_encode(), pa.nulls(4)),
        (pa.array([7, 7, 8, 8]), pa.array(["", None, None, ""])),
        (pa.array([7.0, 7.0, 8.0, 8.0]), pa.nulls(4, pa.float64())),
        (pa.chunked_array([["7"], ["7", "8"], ["8"]]), pa.nulls(4, pa.string())),
    ],
)
def test_ids_of_any_type_in_parquet(tmp_path: Path, people: pa.Array, session: pa.Array) -> None:
    columns = {"participant": people, "session": session, "time": pa.array([0, 1, 0, 1])}
    columns |= {"AU01": pa.array([0.1, None, 0.3, 0.4]), "valid": pa.array([True, True, False, True])}
    columns |= {"valence": pa.array([0, 1, 0, 1]), "arousal": pa.array([0.5, 0.5, 0.5, 0.5], pa.float32())}
    parquet.write_table(pa.table(columns), tmp_path / "t.parquet")
    corpus = open_corpus(tmp_path / "t.parquet")
    assert [(one.participant, one.session) for one in corpus.recordings] == [("7", ""), ("8", "")]
    assert [one.valid.tolist() for one in corpus.recordings] == [[True, False], [False, True]]


def test_a_column_of_row_numbers_without_a_name_is_ignored(tmp_path: Path) -> None:
    path = write_table(tmp_path / "t.csv", three_people())
    plain = open_corpus(path)
    lines = path.read_text().rstrip().split("\n")
    path.write_text("\n".join(f"{index - 1 if index else ''},{line}" for index, line in enumerate(lines)))
    corpus = open_corpus(path)
    assert corpus.sha256 == plain.sha256
    assert corpus.dropped == ()


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = open_corpus(write_table(tmp_path / "t.csv", three_people()))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(parquet, "write_table", full)
    with pytest.raises(InputError, match="No space left on device"):
        convert(corpus, tmp_path / "out.parquet")
    assert [one.name for one in tmp_path.iterdir()] == ["t.csv"]
