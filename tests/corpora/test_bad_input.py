"""Every fault that a file can have: one clear problem each, with its line, and all of them at once."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from orchestrator.corpora.catalogue import CORPORA
from orchestrator.corpora.read_options import BEFORE
from orchestrator.corpora.readers import open_corpus
from orchestrator.errors import InputError, Problem
from tests.corpora.writers import (
    RECOLA_RATERS,
    content,
    three_people,
    trial_level,
    write_avec,
    write_folder,
    write_ratings,
    write_recola,
    write_table,
)


def problems_of(path: Path, corpus: str | None = None) -> tuple[Problem, ...]:
    with pytest.raises(InputError) as caught:
        open_corpus(path, corpus=corpus)
    return caught.value.problems


def the_problem(path: Path, corpus: str | None = None) -> Problem:
    problems = problems_of(path, corpus)
    assert len(problems) == 1, "\n".join(map(str, problems))
    return problems[0]


def edit_line(path: Path, number: int, edit: Callable[[str], str]) -> Path:
    """Change one line of a file, counted from 1."""
    lines = path.read_text().split("\n")
    changed = edit(lines[number - 1])
    assert changed != lines[number - 1]
    lines[number - 1] = changed
    path.write_text("\n".join(lines))
    return path


@pytest.fixture
def recola(tmp_path: Path) -> Path:
    return write_recola(tmp_path / "recola", three_people())


def labels(root: Path, name: str = "P17", dimension: str = "valence") -> Path:
    return root / "RECOLA-Annotation" / "emotional_behaviour" / dimension / f"{name}.csv"


def features(root: Path, name: str = "P17") -> Path:
    return root / "RECOLA-Video-features" / f"{name}.arff"


def test_the_corpus_is_fine_before_it_is_broken(recola: Path) -> None:
    assert len(open_corpus(recola).recordings) == 3


def test_text_in_a_label(recola: Path) -> None:
    path = edit_line(labels(recola), 12, lambda line: line.rsplit(";", 1)[0] + ";abc")
    problem = the_problem(recola)
    assert problem.where == f"{path}:12"
    assert "'abc' in column FF3" in problem.found
    assert "number" in problem.expected


def test_text_in_a_feature_after_blank_and_comment_lines(recola: Path) -> None:
    path = features(recola)
    lines = path.read_text().split("\n")
    first = lines.index("@data") + 2
    lines[first:first] = ["% a comment", "", "% another"]
    path.write_text("\n".join(lines))
    edit_line(path, first + 3 + 5, lambda line: line.rsplit(",", 1)[0] + ",oops")
    problem = the_problem(recola)
    assert problem.where == f"{path}:{first + 3 + 5}"
    assert "'oops' in column VIDEO_40_LLD_Yaw" in problem.found


def test_text_in_the_first_row_is_a_fault_not_a_text_column(recola: Path) -> None:
    path = edit_line(labels(recola), 2, lambda line: line.rsplit(";", 1)[0] + ";abc")
    assert the_problem(recola).where == f"{path}:2"


def test_text_in_the_first_row_of_features_does_not_cost_the_feature(recola: Path) -> None:
    path = features(recola)
    row = path.read_text().split("\n").index("@data") + 3
    edit_line(path, row, lambda line: line.rsplit(",", 1)[0] + ",oops")
    assert the_problem(recola).where == f"{path}:{row}"


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_text_in_the_first_row_of_a_table(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"table{suffix}"
    if suffix == ".csv":
        path.write_text(TABLE.replace("0.1,0.1,0.2", "x,0.1,0.2", 1))
        assert the_problem(path).where == f"{path}:2"
    else:
        columns = {"participant": [1, 2], "time": [0.0, 0.0], "AU01": ["x", "0.1"], "valence": [0.1, 0.1]}
        parquet.write_table(pa.table({**columns, "arousal": [0, 1]}), path)
        assert "'x' in column AU01" in problems_of(path)[0].found


@pytest.mark.parametrize("value", ["inf", "-Infinity", "1e999"])
def test_infinity(recola: Path, value: str) -> None:
    path = edit_line(labels(recola), 9, lambda line: line.rsplit(";", 1)[0] + ";" + value)
    problem = the_problem(recola)
    assert problem.where == f"{path}:9"
    assert "finite" in problem.expected


def test_decimal_commas_beside_decimal_points(recola: Path) -> None:
    path = labels(recola)
    head, first, *rows = path.read_text().split("\n")
    path.write_text("\n".join([head, first, *(row.replace(".", ",") for row in rows)]))
    problem = the_problem(recola)  # of many: it says how many more
    assert problem.where == f"{path}:3"
    assert "decimal comma" in problem.expected
    assert "(and 343 more such faults in this file: line 4, 5, 6, 7, 8 ...)" in problem.found


def test_a_feature_too_large_for_float32(recola: Path) -> None:
    path = features(recola)
    row = path.read_text().split("\n").index("@data") + 5
    edit_line(path, row, lambda line: line.rsplit(",", 1)[0] + ",1e300")
    assert the_problem(recola).where == f"{path}:{row}"


@pytest.mark.parametrize("value", ["1.01", "-1.5", "7"])
def test_label_outside_the_range(recola: Path, value: str) -> None:
    path = edit_line(labels(recola), 7, lambda line: line.rsplit(";", 1)[0] + ";" + value)
    problem = the_problem(recola)
    assert problem.where == f"{path}:7"
    assert f"{float(value):g} in column FF3" in problem.found
    assert "[-1, 1]" in problem.expected


def test_labels_of_one_are_inside(recola: Path) -> None:
    edit_line(labels(recola), 7, lambda line: line.rsplit(";", 1)[0] + ";1.0")
    edit_line(labels(recola), 8, lambda line: line.rsplit(";", 1)[0] + ";-1")
    assert open_corpus(recola).recordings[1].ratings[5, 5, 0] == -1


def test_time_that_goes_back(recola: Path) -> None:
    path = edit_line(labels(recola), 10, lambda line: "0.1;" + line.split(";", 1)[1])
    problem = the_problem(recola)
    assert problem.where == f"{path}:10"
    assert problem.found == "time 0.1 after 0.28"


def test_time_twice_in_features(recola: Path) -> None:
    path = features(recola)
    row = path.read_text().split("\n").index("@data") + 5
    edit_line(path, row, lambda line: "0.08," + line.split(",", 1)[1])
    problem = the_problem(recola)
    assert problem.where == f"{path}:{row}"
    assert problem.found == "time 0.08 twice"


def test_no_time(recola: Path) -> None:
    path = edit_line(labels(recola), 10, lambda line: ";" + line.split(";", 1)[1])
    assert (the_problem(recola).where, the_problem(recola).found) == (f"{path}:10", "no time")


def test_empty_file(recola: Path) -> None:
    features(recola).write_text("")
    problem = the_problem(recola)
    assert (problem.where, problem.found) == (f"{features(recola)}:1", "an empty file")


def test_header_without_rows(recola: Path) -> None:
    labels(recola).write_text("time;FM1 ;FM2\n\n")
    problem = the_problem(recola)
    assert (problem.where, problem.found) == (f"{labels(recola)}:1", "no row below the header")


def test_rows_without_a_header(recola: Path) -> None:
    labels(recola).write_text("0.0;0.1;0.2\n0.04;0.1;0.2\n")
    problem = the_problem(recola)
    assert (problem.where, problem.found) == (f"{labels(recola)}:1", "numbers")


def test_arff_cut_in_a_row(recola: Path) -> None:
    path = features(recola)
    lines = path.read_text().rstrip("\n").split("\n")
    path.write_text("\n".join([*lines[:-10], "0.4,0.1"]))
    problem = the_problem(recola)
    assert problem.where == f"{path}:{len(lines) - 9}"
    assert problem.found == "2 values (the file ends in the middle of a row)"
    assert problem.expected.startswith("4 values")


def test_arff_cut_in_its_header(recola: Path) -> None:
    path = features(recola)
    path.write_text(path.read_text().split("@data")[0].rstrip())
    problem = the_problem(recola)
    assert problem.where == f"{path}:{len(path.read_text().splitlines())}"
    assert "before @data" in problem.found


def test_arff_with_a_broken_attribute(recola: Path) -> None:
    path = edit_line(features(recola), 4, lambda _: "@attribute lonely")
    assert the_problem(recola).where == f"{path}:4"


def test_row_with_too_many_values(recola: Path) -> None:
    path = edit_line(labels(recola), 20, lambda line: line + ";0.5")
    problem = the_problem(recola)
    assert (problem.where, problem.found) == (f"{path}:20", "8 values")


def test_missing_rater_column(recola: Path) -> None:
    path = labels(recola)
    path.write_text("\n".join(line.rsplit(";", 1)[0] for line in path.read_text().rstrip().split("\n")))
    problem = the_problem(recola)
    assert problem.where == f"{path}:1"
    assert problem.found == "no column of rater FF3"
    assert str(labels(recola, dimension="arousal")) in problem.expected


def test_labels_without_any_rater(recola: Path) -> None:
    path = labels(recola)
    path.write_text("\n".join(line.split(";", 1)[0] for line in path.read_text().rstrip().split("\n")))
    problem = the_problem(recola)
    assert (problem.where, problem.found) == (f"{path}:1", "no column of a rater")


def test_column_twice(recola: Path) -> None:
    path = edit_line(labels(recola), 1, lambda line: line.replace("FF2", "FF1"))
    problem = the_problem(recola)
    assert (problem.where, problem.found) == (f"{path}:1", "column FF1 twice")


def test_same_person_under_two_ids(recola: Path) -> None:
    features(recola, "P19").write_bytes(features(recola, "P16").read_bytes())
    problem = the_problem(recola)
    assert problem.where == "participants P16 and P19"
    assert problem.expected == "one id a person"


def test_two_sessions_of_one_person_may_be_equal_only_for_that_person(tmp_path: Path) -> None:
    one = content("P1", session="a")
    again = replace(one, session="b")
    assert len(open_corpus(write_table(tmp_path / "t.csv", [one, again, content("P2")])).recordings) == 3


def test_no_overlap_in_time(recola: Path) -> None:
    for dimension in ("valence", "arousal"):
        path = labels(recola, dimension=dimension)
        head, *rows = path.read_text().rstrip().split("\n")
        moved = [f"{float(row.split(';')[0]) + 500:g};{row.split(';', 1)[1]}" for row in rows]
        path.write_text("\n".join([head, *moved]))
    problem = the_problem(recola)
    assert problem.where == str(labels(recola))
    assert problem.found == "labels of P17 from 500 to 502 s"
    assert "0.04 to 2 s" in problem.expected


@pytest.mark.parametrize("dimension", ["valence", "arousal"])
def test_no_overlap_in_time_of_one_dimension(tmp_path: Path, dimension: str) -> None:
    contents = three_people()
    root = write_folder(tmp_path / "folder", contents)
    path = root / "annotations" / dimension / "P17.csv"
    write_ratings(path, replace(contents[1], time=contents[1].time + 100), dimension)
    problem = the_problem(root)
    assert problem.where == str(path)
    assert problem.found == f"{dimension} labels of P17 from 100.04 to 102 s"
    assert problem.expected == "labels in the time of the features, 0.04 to 2 s"
    before = open_corpus(root, options=BEFORE)  # a run that has begun so goes on, and is told
    assert f"no {dimension} label in the time of the features [P17]" in before.notes
    assert before.joined["P17"] == before.labels_used["P17"] == 0


@pytest.mark.parametrize("people", [("P17",), ("P16", "P17", "P19")])
@pytest.mark.parametrize("writer", [write_folder, write_table])
def test_a_rater_without_a_label_in_one_dimension(
    tmp_path: Path, writer: Callable[..., Path], people: tuple[str, ...]
) -> None:
    contents = three_people()
    for one in contents:
        if one.participant in people:
            one.ratings[:, 2, 0] = np.nan
    path = tmp_path / ("folder" if writer is write_folder else "t.csv")
    problem = the_problem(writer(path, contents))
    assert problem.where.startswith(str(path))
    assert problem.found.startswith(f"no valence label of {people[0]} by rater FM3")
    assert ("2 more like it" in problem.found) == (len(people) == 3)
    assert "both dimensions" in problem.expected
    notes = open_corpus(path, options=BEFORE).notes
    assert any(note.startswith(f"no valence label of rater FM3 [{people[0]}") for note in notes)


def test_a_rater_whose_labels_of_one_dimension_are_of_another_time(tmp_path: Path) -> None:
    contents = three_people()
    root = write_folder(tmp_path / "folder", contents)
    inside, one = contents[1].ratings.copy(), contents[1]
    inside[:, 2, 1] = np.nan
    longer = replace(one, time=np.r_[one.time, one.time + 100], ratings=np.r_[inside, one.ratings])
    path = root / "annotations" / "arousal" / "P17.csv"
    write_ratings(path, longer, "arousal")
    problem = the_problem(root)
    assert problem.where == str(path)
    assert problem.found == "arousal labels of P17 by rater FM3 from 100.04 to 102 s"
    assert problem.expected == "labels in the time of the features, 0.04 to 2 s"


def test_a_corpus_without_labels_of_a_dimension(tmp_path: Path) -> None:
    contents = three_people()
    for one in contents:
        one.ratings[:, :, 1] = np.nan
    problems = problems_of(write_table(tmp_path / "t.csv", contents))
    assert [one.found.split(" (")[0] for one in problems] == [
        f"no arousal label of P16 by rater {rater}" for rater in RECOLA_RATERS
    ]


def test_all_faults_of_all_files_at_once(recola: Path) -> None:
    edit_line(labels(recola, "P16"), 12, lambda line: line.rsplit(";", 1)[0] + ";abc")
    edit_line(labels(recola, "P16", "arousal"), 5, lambda line: line.rsplit(";", 1)[0] + ";3")
    features(recola, "P17").write_text("")
    edit_line(labels(recola, "P19"), 10, lambda line: "0.1;" + line.split(";", 1)[1])
    places = [problem.where for problem in problems_of(recola)]
    assert places == [
        f"{labels(recola, 'P16')}:12",
        f"{labels(recola, 'P16', 'arousal')}:5",
        f"{features(recola, 'P17')}:1",
        f"{labels(recola, 'P19')}:10",
    ]


def test_two_faults_in_one_file_are_both_found(recola: Path) -> None:
    path = labels(recola)
    for line in (12, 30):
        edit_line(path, line, lambda text: text.rsplit(";", 1)[0] + ";abc")
    problem = the_problem(recola)
    assert problem.where == f"{path}:12"
    assert "(and 1 more such faults in this file: line 30)" in problem.found


@pytest.mark.parametrize(
    ("raw", "line", "found"),
    [(b"time;FM1\n0;0.1\n0.04;\xe9\n", 3, "byte 0xe9"), ("time;FM1\n0;0.1\n".encode("utf-16"), 1, "UTF-16 text")],
)
def test_other_encodings(recola: Path, raw: bytes, line: int, found: str) -> None:
    labels(recola).write_bytes(raw)
    problem = the_problem(recola)
    assert (problem.where, problem.found) == (f"{labels(recola)}:{line}", found)


def test_byte_order_mark_windows_lines_and_quotes_are_fine(recola: Path) -> None:
    plain = open_corpus(recola).sha256
    path = labels(recola)
    head, rest = path.read_text().split("\n", 1)
    quoted = ";".join(f'"{name}"' for name in head.split(";"))
    path.write_bytes(b"\xef\xbb\xbf" + f"{quoted}\n{rest}".replace("\n", "\r\n").encode())
    assert open_corpus(recola).sha256 == plain


def test_blanks_around_values_and_question_marks_are_fine(recola: Path) -> None:
    plain = open_corpus(recola)
    path = features(recola)
    row = path.read_text().split("\n").index("@data") + 30
    edit_line(path, row, lambda line: " , ".join([*line.split(",")[:-1], " ? "]))
    recording = open_corpus(recola).recordings[1]
    changed = recording.features != plain.recordings[1].features
    assert np.argwhere(changed).tolist() == [[27, 2]]
    assert not recording.valid[27]


@pytest.mark.parametrize("line", ["\n", " \n", "\t\n"])
def test_lines_are_counted_past_blank_ones(recola: Path, line: str) -> None:
    path = labels(recola)
    head, rest = path.read_text().split("\n", 1)
    path.write_text(f"{line}{head}\n{line}{line}{rest}")
    edit_line(path, 12, lambda text: text.rsplit(";", 1)[0] + ";2.5")
    assert the_problem(recola).where == f"{path}:12"


@pytest.mark.parametrize("path", ["nowhere", "empty", "file.mp4", "other"])
def test_unknown_places(tmp_path: Path, path: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.mp4").write_text("x")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.doc").write_text("x")
    problem = the_problem(tmp_path / path)
    found = {"nowhere": "nothing there", "empty": "an empty folder"}.get(path, "no known format")
    assert (problem.where, problem.found) == (str(tmp_path / path), found)
    assert path == "nowhere" or all(name in problem.expected for name in CORPORA)


def test_unknown_format_name_lists_the_known(recola: Path) -> None:
    problem = the_problem(recola, "sewa")
    assert problem.where == "--corpus"
    assert problem.expected == f"one of {', '.join(CORPORA)}"


def test_wrong_format_name(recola: Path) -> None:
    problem = the_problem(recola, "avec")
    assert problem.found == "no avec corpus"
    assert "ratings_individual" in problem.expected


def test_missing_folders_are_named(recola: Path) -> None:
    (recola / "RECOLA-Video-features").rename(recola / "away")
    (recola / "RECOLA-Annotation" / "emotional_behaviour" / "valence").rename(recola / "away" / "v")
    assert [problem.found for problem in problems_of(recola)] == [
        "no folder RECOLA-Video-features",
        "no folder RECOLA-Annotation/emotional_behaviour/valence",
    ]


def test_avec_without_features_or_labels(tmp_path: Path) -> None:
    root = write_avec(tmp_path / "avec", three_people())
    (root / "features").rename(root / "away")
    assert "no video features" in the_problem(root).found
    (root / "ratings_individual" / "valence").rename(root / "v")
    assert len(problems_of(root)) == 2


def test_two_files_of_one_name(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "folder", three_people())
    (root / "features" / "P17.parquet").write_bytes(b"")
    assert problems_of(root)[0].found == "P17.parquet beside P17.csv"


def test_nothing_left_says_why(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "folder", [content("P1")])
    (root / "annotations" / "valence" / "P1.csv").unlink()
    problem = the_problem(root)
    assert problem.found == "no usable recording (recording P1: no file with valence)"


TABLE = (
    "participant,time,AU01,valence,arousal\nP1,0,0.1,0.1,0.2\nP1,1,0.2,0.1,0.2\nP2,0,0.3,0.1,0.2\nP2,1,0.5,0.1,0.2\n"
)


@pytest.mark.parametrize(
    ("old", "new", "line", "found"),
    [
        ("AU01", "frame", 1, "no column of features"),
        ("participant", "person", 1, "no column participant"),
        ("valence,arousal", "v,a", 1, "no column of labels"),
        ("valence,arousal", "valence_r1,arousal_r2", 1, "no column arousal_r1, valence_r2"),
        (",arousal", ",a", 1, "no column arousal"),
        (",time", ",when", 1, "columns when"),
        ("P2,0", ",0", 4, "no participant"),
        ("P2,1", "P2,0", 5, "time 0 twice"),
        ("P2,1", "P2,-1", 5, "time -1 after 0"),
        ("0.5,0.1", "0.5,1.1", 5, "1.1 in column valence"),
        ("0.5,0.1", "x,0.1", 5, "'x' in column AU01"),
    ],
)
def test_faults_in_a_table(tmp_path: Path, old: str, new: str, line: int, found: str) -> None:
    path = tmp_path / "table.csv"
    path.write_text(TABLE.replace(old, new))
    problem = the_problem(path)  # one, not one per participant
    assert problem.where == f"{path}:{line}"
    assert problem.found.startswith(found)


def test_faults_in_parquet_name_the_row(tmp_path: Path) -> None:
    path = write_table(tmp_path / "table.parquet", three_people())
    table = parquet.read_table(path)
    times = table.column("time").to_pylist()
    times[60] = times[59]
    index = table.column_names.index("time")
    parquet.write_table(table.set_column(index, "time", pa.array(times)), path)
    assert the_problem(path).where == f"{path}: row 61"


def test_faults_of_text_in_parquet(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    columns = {"participant": [1, 2], "time": [0.0, 0.0], "AU01": ["0.1", "x"], "valence": [0.1, 0.1]}
    parquet.write_table(pa.table({**columns, "arousal": [0, 1]}), path)
    problem = the_problem(path)
    assert problem.where == f"{path}: row 1"
    assert "(and 1 more such faults in this file: row 2)" in problem.found


@pytest.mark.parametrize("raw", [b"", b"PAR1 but not really", b"participant,time\n"])
def test_a_parquet_file_that_is_none(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "table.parquet"
    path.write_bytes(raw)
    problem = the_problem(path)
    assert (problem.where, problem.expected) == (str(path), "a Parquet file")


def test_trials_at_rest_are_no_double_person(tmp_path: Path) -> None:
    """Many people with one row, some with equal values: that is no sign of one person."""
    trials = trial_level(num_people=12)
    single = [replace(trials[0], participant=name) for name in ("x", "y")]
    assert len(open_corpus(write_table(tmp_path / "t.csv", [*trials, *single])).participants) == 14
