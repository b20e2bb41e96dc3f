"""What `predict` is given: AVEC's tree, with labels or without; generated recordings, which say so everywhere."""

import re
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from orchestrator.corpora.convert import convert
from orchestrator.corpora.formats.unlabelled import read_feature_files
from orchestrator.corpora.readers import open_corpus
from orchestrator.errors import InputError
from orchestrator.inference.defaults import SYNTHETIC_LINE
from tests.conftest import LEFT_OPEN, Run
from tests.corpora.writers import three_people, with_holes, write_arff, write_avec, write_csv, write_folder, write_table
from tests.inference.conftest import Make
from tests.inference.test_predict import IMAGES, expected_of_training, predicted

UNITS = "features/video/AU"


@pytest.fixture
def avec(tmp_path: Path) -> Path:
    people = three_people(num_rows=60)
    return write_avec(tmp_path / "avec", [with_holes(people[0]), *people[1:]])


def test_an_avec_tree_is_predicted_as_training_read_it(avec: Path, make_model: Make) -> None:
    folder = make_model(avec)
    found = predicted(folder, avec)
    assert [(trace.participant, trace.session) for trace in found.traces] == [
        ("dev_1", ""),
        ("train_1", ""),
        ("train_2", ""),
    ]
    for number, (trace, recording) in enumerate(zip(found.traces, open_corpus(avec).recordings, strict=True)):
        assert trace.participant == recording.participant
        (fold,) = trace.folds  # that never saw them
        np.testing.assert_array_equal(np.isnan(trace.prediction).any(1), ~recording.valid)
        expected = expected_of_training(folder, avec, fold, number)
        np.testing.assert_allclose(trace.prediction[recording.valid], expected[recording.valid], atol=1e-6)
    assert np.isnan(found.traces[0].prediction).any()


def test_avec_s_test_people_need_no_labels(avec: Path, make_model: Make, tmp_path: Path) -> None:
    folder = make_model(avec)
    whole = predicted(folder, avec)
    (tmp_path / "test" / UNITS).mkdir(parents=True)
    shutil.copy(avec / UNITS / "train_2.arff", tmp_path / "test" / UNITS / "test_2.arff")
    (trace,) = predicted(folder, tmp_path / "test").traces
    assert (trace.participant, trace.session, trace.folds) == ("test_2", "", (0, 1))
    np.testing.assert_allclose(trace.time, whole.traces[2].time)
    assert np.isfinite(trace.prediction).all()


def test_an_avec_tree_without_what_the_model_needs_is_one_error(avec: Path, make_model: Make) -> None:
    folder = make_model(avec)
    shutil.rmtree(avec / "features")
    with pytest.raises(InputError) as error:
        predicted(folder, avec)
    assert len(error.value.problems) == 1
    assert f"{avec}: found nothing to predict for; expected files with features" in str(error.value)


def test_avec_s_videos_need_no_features(avec: Path, faces: Path, make_model: Make) -> None:
    folder = make_model(faces, images=IMAGES)
    (avec / "recordings_video").mkdir()
    shutil.copy(next(faces.rglob("*.mp4")), avec / "recordings_video" / "dev_1.mp4")
    (with_clock,) = predicted(folder, avec).traces
    # A time step of the features is one of the predictions, every third of them.
    np.testing.assert_allclose(with_clock.time, open_corpus(avec).recordings[0].time[::3])
    shutil.rmtree(avec / "features")
    (trace,) = predicted(folder, avec).traces
    assert trace.participant == "dev_1"
    assert np.isfinite(trace.prediction).all()


def test_generated_recordings_are_known_in_every_form(small_corpus: Path, tmp_path: Path) -> None:
    """The tree's own files, one by one or away from it; a table in Parquet or CSV; a corpus of one's own files."""
    corpus = open_corpus(small_corpus)
    convert(corpus, tmp_path / "metadata.parquet")
    table = pq.read_table(tmp_path / "metadata.parquet")
    assert table.schema.metadata[b"synthetic"] == b"true"
    pq.write_table(table.replace_schema_metadata({}), tmp_path / "column.parquet")
    pq.write_table(table.drop_columns("synthetic"), tmp_path / "metadata.parquet")
    names = table.column_names
    write_csv(tmp_path / "a.csv", names, list(zip(*(table[name].to_pylist() for name in names), strict=True)))
    inside = next((small_corpus / "RECOLA-Video-features").glob("*.arff"))
    shutil.copy(inside, tmp_path / "alone.arff")
    own = write_folder(tmp_path / "own", three_people(), suffix=".parquet")
    features = corpus.feature_names
    forms = [small_corpus, inside, inside.parent]
    forms += [tmp_path / name for name in ("metadata.parquet", "column.parquet", "a.csv", "alone.arff")]
    for form in forms:
        assert read_feature_files(form, features).synthetic, form
    assert not read_feature_files(own, ("AU01", "Yaw")).synthetic
    one = next((own / "features").iterdir())
    pq.write_table(pq.read_table(one).replace_schema_metadata({"synthetic": "true"}), one)
    assert read_feature_files(own, ("AU01", "Yaw")).synthetic
    assert open_corpus(own).synthetic


def test_real_recordings_are_not_called_generated(tmp_path: Path) -> None:
    people = three_people()
    write_arff(
        tmp_path / "one.arff", ("frameTime", *people[0].names), np.column_stack([people[0].time, people[0].features])
    )
    for path in (
        tmp_path / "one.arff",
        write_table(tmp_path / "real.parquet", people, synthetic=False),
        write_table(tmp_path / "real.csv", people),
        write_avec(tmp_path / "avec", people),
    ):
        assert not read_feature_files(path, people[0].names).synthetic
        if path.suffix != ".arff":
            assert not open_corpus(path).synthetic


class TestCommand:
    pytestmark = LEFT_OPEN

    @pytest.mark.parametrize("suffix", [".parquet", ".csv"])
    @pytest.mark.parametrize("said", [True, False])
    def test_predictions_from_a_generated_table_carry_the_mark(
        self, said: bool, suffix: str, make_model: Make, run_here: Run, tmp_path: Path
    ) -> None:
        """The model is of recordings that are not generated: the mark is the input's."""
        people = three_people(num_rows=60)
        folder = make_model(write_table(tmp_path / "own.parquet", people, synthetic=False))
        table = pq.read_table(write_table(tmp_path / "a.parquet", people, synthetic=said))
        source = tmp_path / f"input{suffix}"
        if suffix == ".csv":
            columns = {name: table[name].to_pylist() for name in table.column_names} | {
                "synthetic": [said] * len(table)
            }
            write_csv(source, list(columns), list(zip(*columns.values(), strict=True)))
        else:
            pq.write_table(table, source)
        done = run_here(
            *("predict", "--model", folder, "--input", source, "--output", tmp_path / "p.csv", "--device", "cpu"),
        )
        assert done.returncode == 0, done.stderr
        assert (SYNTHETIC_LINE in done.stderr.splitlines()) == said
        assert bool(re.search("^input .*SYNTHETIC recordings", done.stdout, re.MULTILINE)) == said
        assert "trained on a SYNTHETIC" not in done.stdout
