"""Whose labels the rows of a table of several people are: none is used for two recordings, none is lost unnamed."""

from pathlib import Path

import numpy as np
import pytest

from orchestrator.corpora.readers import open_corpus
from orchestrator.errors import InputError
from tests.corpora.annotators_files import COUNT, STEP, write, write_features

SESSIONS = ("P1_a", "P1_b", "P2_a")


def rows(*who: str, times: int = COUNT) -> list[str]:
    """Rows of a table: what stands before the time, then time and labels."""
    return [",".join([*who, f"{n * STEP:g}", f"{n / COUNT:g}", f"{-n / COUNT:g}"]) for n in range(times)]


def test_rows_without_a_session_are_not_the_labels_of_two_recordings(tmp_path: Path) -> None:
    write_features(tmp_path, SESSIONS)
    write(tmp_path / "annotations.csv", "participant,time,valence,arousal", *rows("P1"), *rows("P2"))
    with pytest.raises(InputError) as refused:
        open_corpus(tmp_path)
    (problem,) = refused.value.problems
    assert problem.where.endswith("annotations.csv")
    assert problem.found == "rows of participant P1 without a session, and recordings P1_a, P1_b"
    assert problem.expected.startswith("a column session")


def test_sessions_and_whole_names_say_whose_rows_are(tmp_path: Path) -> None:
    write_features(tmp_path, SESSIONS)
    people = [line for one in SESSIONS for line in rows(*one.split("_"))]
    write(tmp_path / "annotations.csv", "participant,session,time,valence,arousal", *people)
    assert [one.name for one in open_corpus(tmp_path).recordings] == [*SESSIONS]
    write(tmp_path / "annotations.csv", "participant,time,valence,arousal", *(r for one in SESSIONS for r in rows(one)))
    assert [one.name for one in open_corpus(tmp_path).recordings] == [*SESSIONS]


def test_a_recordings_own_file_has_its_rows(tmp_path: Path) -> None:
    """Rows of another session, or person, in a file that is called as a recording are not its labels."""
    write_features(tmp_path, ["P1_a"])
    path = tmp_path / "annotations" / "P1_a.csv"
    write(path, "participant,session,time,valence,arousal", *rows("P1", "b"))
    with pytest.raises(
        InputError, match=r"P1_a\.csv: found rows of participant P1 b; expected rows of P1 a, as the file"
    ):
        open_corpus(tmp_path)
    write(path, "participant,session,time,valence,arousal", *rows("P1", "b", times=3), *rows("P1", "a"))
    (recording,) = open_corpus(tmp_path).recordings
    assert np.nanmax(recording.ratings) == pytest.approx((COUNT - 1) / COUNT, abs=0.01)
    write(path, "participant,time,valence,arousal", *rows("P1_a"))
    assert open_corpus(tmp_path).participants == ("P1",)


def test_rows_of_no_recording_are_named_and_asked_about(tmp_path: Path) -> None:
    write_features(tmp_path, ["P1_01", "P2", "P3"])
    people = [*rows("P1", "1"), *rows("P2", ""), *rows("p3", ""), *rows("P4", "")]
    write(tmp_path / "annotations.csv", "participant,session,time,valence,arousal", *people)
    corpus = open_corpus(tmp_path)
    assert corpus.participants == ("P2",)
    assert [(one.what, one.why) for one in corpus.dropped] == [
        *((f"recording {name}", "rows in annotations.csv, no file with features") for name in ("P1_1", "p3", "P4")),
        *((f"recording {name}", "no rows in annotations.csv") for name in ("P1_01", "P3")),
    ]
    asked = "one recording in two spellings? Features and labels need one name"
    assert corpus.questions == (
        f"rows of P1_1 in annotations.csv, features P1_01: {asked}",
        f"rows of p3 in annotations.csv, features P3: {asked}",
    )


def test_the_question_is_in_the_error_if_no_rows_match(tmp_path: Path) -> None:
    write_features(tmp_path, ["P1_01", "P1_02"])
    write(tmp_path / "annotations.csv", "participant,session,time,valence,arousal", *rows("P1", "1"), *rows("P1", "2"))
    with pytest.raises(InputError, match=r"no usable recording.*rows of P1_1 in annotations\.csv, features P1_01: one"):
        open_corpus(tmp_path)


def test_spellings_are_compared_by_whose_a_file_is(tmp_path: Path) -> None:
    write_features(tmp_path, ["x1", "x2"])
    (tmp_path / "participants.csv").write_text("participant,file\nIda,x1\nBo,x2\n")
    write(tmp_path / "annotations.csv", "participant,time,valence,arousal", *rows("ida"), *rows("Bo"))
    corpus = open_corpus(tmp_path)
    assert corpus.participants == ("Bo",)
    assert "rows of ida in annotations.csv, features x1" in corpus.questions[0]


def test_a_recording_without_labels_is_told_where_they_were_looked_for(tmp_path: Path) -> None:
    write_features(tmp_path, ["P1", "P2", "P3"])
    write(tmp_path / "annotations.csv", "participant,time,valence,arousal", *rows("P1"))
    for one in ("valence", "arousal"):
        write(
            tmp_path / "annotations" / one / "P2.csv", "time,gold", *(f"{n * STEP:g},0.{n % 10}" for n in range(COUNT))
        )
    corpus = open_corpus(tmp_path)
    assert corpus.participants == ("P1", "P2")
    assert [(one.what, one.why) for one in corpus.dropped] == [
        ("recording P3", "no file with valence or arousal, and no rows in annotations.csv")
    ]
