"""Whose rows those of a table of several people, or of a recording's own, are: none is used for two, none is lost."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from orchestrator.corpora.formats.unlabelled import read_feature_files
from orchestrator.corpora.live_table import GrowingTable
from orchestrator.corpora.read_options import BEFORE, ReadOptions
from orchestrator.corpora.readers import open_corpus
from orchestrator.errors import InputError
from tests.corpora.annotators_files import COUNT, STEP, write, write_features
from tests.corpora.own_files import write_own

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


def with_column(path: Path, column: str, entries: Sequence[str]) -> None:
    """Add a column to a file of a recording; of several entries they take turns."""
    header, *lines = path.read_text().splitlines()
    write(path, f"{header};{column}", *(f"{line};{entries[n % len(entries)]}" for n, line in enumerate(lines)))


@pytest.mark.parametrize("file", ["features/P1.csv", "annotations/valence/P1.csv"])
@pytest.mark.parametrize(
    ("column", "entries", "found"),
    [
        ("participant", ["P2"], "P2 in column participant"),
        ("Participant", ["2"], "2 in column participant"),
        ("participant", ["P1", "P2"], "2 values, P1, P2, in column participant"),
    ],
)
def test_a_file_whose_rows_are_anothers_is_one_error(
    file: str, column: str, entries: list[str], found: str, tmp_path: Path
) -> None:
    write_own(tmp_path)
    with_column(tmp_path / file, column, entries)
    with pytest.raises(InputError) as refused:
        open_corpus(tmp_path)
    (problem,) = refused.value.problems
    assert problem.where == str(tmp_path / file)
    assert problem.found == found
    assert problem.expected.startswith("participant P1 alone, as the file's name says; --participant-pattern")
    if file.startswith("features"):
        with pytest.raises(InputError, match=re.escape(found)):
            read_feature_files(tmp_path, ["AU01", "AU12"])
    assert open_corpus(tmp_path, options=BEFORE).participants == ("P1", "P2")


@pytest.mark.parametrize("entry", ["P1", "1", "p01", "1.0", ""])
def test_rows_in_another_spelling_of_the_files_name_are_its_own(entry: str, tmp_path: Path) -> None:
    write_own(tmp_path)
    for file in ("features/P1.csv", "annotations/arousal/P1.csv"):
        with_column(tmp_path / file, "participant", [entry, "P1"] if not entry else [entry])
    assert open_corpus(tmp_path).participants == ("P1", "P2")


def test_rows_of_another_session_are_no_recordings_own(tmp_path: Path) -> None:
    write_own(tmp_path, people=("P1_1", "sub-02_ses-2_task-talk"))
    for name, session in (("P1_1", "01"), ("sub-02_ses-2_task-talk", "2")):
        with_column(tmp_path / "features" / f"{name}.csv", "session", [session])
    assert [one.name for one in open_corpus(tmp_path).recordings] == ["P1_1", "sub-02_ses-2_task-talk"]
    with_column(tmp_path / "annotations" / "arousal" / "P1_1.csv", "session", ["3"])
    with pytest.raises(InputError, match=r"P1_1\.csv: found 3 in column session; expected session 1 alone, as the"):
        open_corpus(tmp_path)


def test_whose_a_file_is_may_be_said_by_the_pattern_or_participants_csv(tmp_path: Path) -> None:
    write_own(tmp_path, people=("a_P1_x", "a_P2_x"))
    with_column(tmp_path / "features" / "a_P1_x.csv", "participant", ["b_P1"])
    with pytest.raises(InputError, match="found b_P1 in column participant; expected participant a_P1 alone"):
        open_corpus(tmp_path)
    assert open_corpus(tmp_path, options=ReadOptions(participant_pattern=r"P\d")).participants == ("P1", "P2")
    write(tmp_path / "participants.csv", "participant,file", "b_P1,a_P1_x", "a_P2,a_P2_x")
    assert open_corpus(tmp_path).participants == ("b_P1", "a_P2")


def test_rows_of_another_person_in_a_growing_table_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "P1.csv"
    write(path, "participant,timestamp,AU12_r", "P1,0.04,1", "P1,0.08,2")
    with GrowingTable(path, ["AU12"], person="P1") as table:
        assert table.poll() is not None
        with path.open("a") as file:
            file.write("P2,0.12,1\n")
        with pytest.raises(InputError, match=r"P1\.csv: found P2 in column participant; expected participant P1"):
            table.poll()
