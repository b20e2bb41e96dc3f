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
