"""Names of columns in any case: known, or refused if two differ in nothing else."""

from pathlib import Path

import numpy as np
import pytest

from orchestrator.corpora.read_options import BEFORE
from orchestrator.corpora.readers import open_corpus
from orchestrator.errors import InputError
from tests.corpora.annotators_files import write, write_features


@pytest.mark.parametrize(
    "names", [("Valence", "AROUSAL"), ("VALENCE_Anna", "Arousal_Anna"), ("valence_ANNA", "AROUSAL_ANNA")]
)
def test_labels_of_a_table_are_in_any_case(names: tuple[str, str], tmp_path: Path) -> None:
    rows = [f"{person},{n},{n * int(person) % 5},{n / 10},{-n / 10}" for person in "78" for n in range(9)]
    (tmp_path / "t.csv").write_text("\n".join([f"Participant,TIME,AU1,{','.join(names)}", *rows]) + "\n")
    corpus = open_corpus(tmp_path / "t.csv")
    assert corpus.feature_names == ("AU01",)
    np.testing.assert_allclose(corpus.recordings[0].ratings[:, 0, 1], -np.arange(9) / 10, atol=1e-6)
    assert corpus.recordings[0].raters == (names[0].partition("_")[2] or "gold",)
    with pytest.raises(InputError, match=r"no column (of labels|arousal_ANNA)"):
        open_corpus(tmp_path / "t.csv", options=BEFORE)


def test_by_the_rules_of_before_labels_are_in_small_letters(tmp_path: Path) -> None:
    text = (
        "participant,time,AU1,valence_A,arousal_A,Valence_B\n7,0,0.1,0.1,0.2,5\n7,1,0.2,0.3,0.4,5\n8,0,0.5,0.5,0.6,5\n"
    )
    (tmp_path / "t.csv").write_text(text)
    assert open_corpus(tmp_path / "t.csv", options=BEFORE).recordings[0].raters == ("A",)


@pytest.mark.parametrize(
    ("header", "twice"),
    [
        ("participant,time,AU1,Valence,valence,arousal", "Valence, valence"),
        ("participant,time,AU1,valence_Anna,VALENCE_ANNA,arousal_Anna", "valence_Anna, VALENCE_ANNA"),
        ("participant,Participant,AU1,time,valence,arousal", "participant, Participant"),
        ("participant,time,Time,AU1,valence,arousal", "time, Time"),
    ],
)
def test_columns_that_differ_in_case_only_are_one_error(header: str, twice: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(f"{header}\n7,0.1,0.1,0.3,0.1,0.2\n7,0.2,0.2,0.3,0.3,0.4\n")
    with pytest.raises(InputError) as caught:
        open_corpus(tmp_path / "t.csv")
    (problem,) = caught.value.problems
    assert str(problem).endswith(
        f"found columns {twice}, which differ in case only; expected each column once, in any case"
    )


def test_columns_of_a_table_of_labels_that_differ_in_case_only_are_one_error(tmp_path: Path) -> None:
    write_features(tmp_path, ["P1"])
    write(tmp_path / "annotations.csv", "participant,Participant,time,valence,Arousal", "P1,P1,0,0.1,0.2")
    with pytest.raises(InputError, match="found columns participant, Participant, which differ in case only"):
        open_corpus(tmp_path)
