"""Whose a recording is: one person is one participant, whatever files call them."""

import re
import unicodedata
from pathlib import Path

import pytest

from orchestrator.corpora.convert import convert
from orchestrator.corpora.formats.unlabelled import person_of_file, read_feature_files
from orchestrator.corpora.manifest import manifest_text
from orchestrator.corpora.participants import alike, by_underscore
from orchestrator.corpora.read_options import BEFORE, ReadOptions, checked_pattern
from orchestrator.corpora.readers import open_corpus
from orchestrator.corpora.recording import Corpus
from orchestrator.data.dataset import make_dataset
from orchestrator.errors import InputError
from orchestrator.planning.launch import load_corpus
from orchestrator.planning.request import DataOptions
from orchestrator.protocols import DESCRIBED, Protocol
from tests.corpora.writers import content, write_folder, write_table

NAMES = ("Jürgen", "Max", "Zoë")


def decomposed(name: str) -> str:
    return unicodedata.normalize("NFD", name)


def folder(root: Path, *names: str) -> Path:
    return write_folder(root, [content(name) for name in names])


def people(corpus: Corpus) -> list[tuple[str, str]]:
    return [(one.participant, one.session) for one in corpus.recordings]


def test_names_in_two_unicode_forms_are_one(tmp_path: Path) -> None:
    folder(tmp_path, *NAMES)
    for path in sorted((tmp_path / "features").iterdir()):
        path.rename(path.with_name(decomposed(path.name)))
    corpus = open_corpus(tmp_path)
    assert corpus.participants == NAMES
    assert not corpus.dropped
    read = read_feature_files(tmp_path, corpus.feature_names)
    assert {one.participant for one in read.recordings} == set(NAMES)
    with pytest.raises(InputError, match="no usable recording"):
        open_corpus(folder_of(tmp_path, "Jürgen"), options=BEFORE)


def folder_of(root: Path, name: str) -> Path:
    """Leave only one person's files in a folder."""
    for path in [*root.rglob("*.csv")]:
        if unicodedata.normalize("NFC", path.stem) != name:
            path.unlink()
    return root


def test_a_tables_people_in_two_unicode_forms_are_one(tmp_path: Path) -> None:
    path = write_table(tmp_path / "t.csv", [content("Jürgen"), content("Max")])
    lines = path.read_text().splitlines()
    lines[10] = decomposed(lines[10])
    path.write_text("\n".join(lines) + "\n")
    assert people(open_corpus(path)) == [("Jürgen", ""), ("Max", "")]
    assert len(open_corpus(path, options=BEFORE).participants) == 3


def test_a_federations_clients_have_composed_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AFFECT_ORCHESTRATOR_CACHE", str(tmp_path / "cache"))
    corpus = open_corpus(folder(tmp_path / "own", *map(decomposed, NAMES)))
    dataset = make_dataset(corpus, protocol(2), seed=0, federated=True)
    assert [client.name for client in dataset.clients] == [*NAMES]
    assert [one.participant for client in dataset.clients for one in client.load()] == [*NAMES]


def protocol(folds: int) -> Protocol:
    import dataclasses

    return dataclasses.replace(DESCRIBED, num_folds=folds)


def test_bids_names_are_understood(tmp_path: Path) -> None:
    names = [f"sub-{person:02}_ses-{session:02}_task-talk" for person in (1, 2) for session in (1, 2)]
    corpus = open_corpus(folder(tmp_path, *names))
    assert people(corpus) == [
        (f"sub-{person:02}", f"ses-{session:02}_task-talk") for person in (1, 2) for session in (1, 2)
    ]
    assert not corpus.questions
    before = open_corpus(tmp_path, options=BEFORE)
    assert people(before) == [tuple(name.rsplit("_", 1)) for name in names]


@pytest.mark.parametrize(
    ("names", "question"),
    [
        (("01", "1", "2"), "participants 01 and 1: one person in two spellings?"),
        (("P02", "02", "P03"), "participants 02 and P02: one person in two spellings?"),
        (("anna", "Anna", "ben"), "participants Anna and anna: one person in two spellings?"),
        (("P1-a", "P1-b", "P2-a", "P2-b"), "one person under several ids? P1 of P1-a, P1-b, P2 of P2-a, P2-b"),
        (("P01a", "P01b", "P02a", "P02b"), "one person under several ids? P01 of P01a, P01b"),
        (("g1_P03", "g1_P04", "g2_P05", "g2_P06"), "are these sessions people? g1 with P03, P04, g2 with P05, P06"),
        (("P_01", "P_02", "P_03"), "all files are sessions of one participant, P (sessions 01, 02, 03): what follows"),
    ],
)
def test_what_may_be_one_person_is_asked_about(names: tuple[str, ...], question: str, tmp_path: Path) -> None:
    corpus = open_corpus(folder(tmp_path, *names))
    assert len(corpus.questions) == 1, corpus.questions
    assert question in corpus.questions[0]
    assert "--participant-pattern" in corpus.questions[0]
    assert corpus.questions[0] in manifest_text(corpus)


@pytest.mark.parametrize(
    "names",
    [
        ("sub-01", "sub-02", "sub-03"),
        ("P1_1", "P1_2", "P2_1", "P2_2"),
        ("A1", "B1", "A2", "B2"),
        ("anna", "ben", "carla"),
        ("P1_20240101", "P1_20240102", "P2_20240301", "P2_20240302"),
        ("groupA-P01", "groupA-P02", "groupB-P03", "groupB-P04"),
    ],
)
def test_usual_names_are_not_asked_about(names: tuple[str, ...], tmp_path: Path) -> None:
    assert not open_corpus(folder(tmp_path, *names)).questions


def test_halves_under_two_spellings_are_named(tmp_path: Path) -> None:
    folder(tmp_path, "Sub-07", "Sub-08")
    (tmp_path / "features" / "Sub-07.csv").rename(tmp_path / "features" / "sub-7.csv")
    (question,) = open_corpus(tmp_path).questions
    assert question.startswith("files sub-7 and Sub-07: one recording in two spellings?")


def test_alike_goes_by_number_and_letters() -> None:
    assert alike(["01", "1", "P1", "2"]) == [["01", "1", "P1"]]
    assert alike(["A1", "B1"]) == []
    assert alike(["p_2", "P02"]) == [["p_2", "P02"]]
    assert alike(["1", "1.0", "10", "2.0", "P3", "P3.00"]) == [["1", "1.0"], ["P3", "P3.00"]]
    assert alike(["1.2", "1.2.0", "1.20", "P1.1", "P1"]) == []
    assert by_underscore("P_01") == ("P", "01")


def test_too_few_people_for_the_folds_names_the_rule_and_the_option(tmp_path: Path) -> None:
    folder(tmp_path, *(f"P_{number:02}" for number in range(1, 11)))
    corpus, _ = load_corpus(DataOptions(path=tmp_path, corpus=None))
    with pytest.raises(InputError) as caught:
        make_dataset(corpus, DESCRIBED, seed=0)
    text = str(caught.value)
    assert "found 1 participant for 8 folds" in text
    assert "what follows a name's last underscore is the session" in text
    assert "--participant-pattern '(.+)' makes each file one" in text
    fixed, _ = load_corpus(DataOptions(path=tmp_path, corpus=None, options=ReadOptions(participant_pattern="(.+)")))
    assert len(fixed.participants) == 10
    assert not fixed.questions


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (r"(?P<participant>P\d+)(?P<session>[ab])", [("P1", "a"), ("P1", "b"), ("P2", "a")]),
        (r"P\d+", [("P1", "a"), ("P1", "b"), ("P2", "a")]),
        (r"P(\d+)", [("1", "P_a"), ("1", "P_b"), ("2", "P_a")]),
    ],
)
def test_a_pattern_says_whose_a_file_is(pattern: str, expected: list[tuple[str, str]], tmp_path: Path) -> None:
    options = ReadOptions(participant_pattern=pattern)
    assert people(open_corpus(folder(tmp_path / "own", "P1a", "P1b", "P2a"), options=options)) == expected
    table = write_table(tmp_path / "t.csv", [content(name) for name in ("P1a", "P1b", "P2a")])
    assert people(open_corpus(table, options=options)) == expected
    assert person_of_file(tmp_path / "P1b.csv", options) == expected[1][0]


def test_a_pattern_that_fits_not_every_name_or_is_none_is_refused(tmp_path: Path) -> None:
    root = folder(tmp_path, "P1a", "other", "third", "x")
    with pytest.raises(InputError) as caught:
        open_corpus(root, options=ReadOptions(participant_pattern=r"P\d"))
    (problem,) = caught.value.problems
    assert problem.where == "--participant-pattern"
    assert problem.found == r"'P\\d', which finds no participant in other (and 2 more like it)"
    with pytest.raises(InputError, match=r"--participant-pattern: found '\(' \(missing \)"):
        checked_pattern("(")


def test_two_files_of_one_session_are_refused(tmp_path: Path) -> None:
    root = folder(tmp_path, "P1a", "P1b")
    pattern = r"(?P<participant>P1)(?P<session>)"
    with pytest.raises(InputError, match=r"found participant P1, session none, like .*P1a\.csv; expected one file per"):
        open_corpus(root, options=ReadOptions(participant_pattern=pattern))


def test_participants_csv_says_whose_files_are_and_what_is_known_of_people(tmp_path: Path) -> None:
    root = folder(tmp_path, "a1", "b2", "c3")
    lines = ["participant;session;file;sex;age", "Ida;1;a1.csv;f;31", "Ida;2;features/b2.csv;f;31", "Bo;;c3;m;44"]
    (root / "participants.csv").write_text("\n".join(lines))
    corpus = open_corpus(root)
    assert people(corpus) == [("Ida", "1"), ("Ida", "2"), ("Bo", "")]
    assert corpus.attributes == {"Ida": {"sex": "f", "age": "31"}, "Bo": {"sex": "m", "age": "44"}}
    assert "sex of 2, age of 2 of 2 participants" in manifest_text(corpus)
    read = read_feature_files(root, corpus.feature_names)
    assert [one.name for one in read.recordings] == ["Ida_1", "Ida_2", "Bo"]
    assert [one.name for one in read_feature_files(root / "features" / "b2.csv", ["AU01"]).recordings] == ["Ida_2"]


def test_participants_tsv_of_bids_lists_people_without_files(tmp_path: Path) -> None:
    root = folder(tmp_path, "P_01", "P_02", "P_03-b")
    (root / "participants.tsv").write_text("participant_id\tage\nP_01\t20\nP_02\t21\nP_03\t22\n")
    corpus = open_corpus(root)
    assert people(corpus) == [("P_01", ""), ("P_02", ""), ("P_03", "b")]
    assert corpus.attributes["P_03"] == {"age": "22"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\n \x1c\n", r"participants\.csv: found no line with a name"),
        ("name,sex\nP1,f\n", r"participants\.csv:1: found columns name, sex; expected a column participant"),
        ("participant,sex\nP1\n", r"participants\.csv:2: found 1 values; expected 2 values"),
        ("participant,file\nP1,a1\nP2,a1.csv\n", r"participants\.csv:3: found file a1\.csv twice"),
        ("participant,file\n,a1\n", r"participants\.csv:2: found no participant"),
    ],
)
def test_a_faulty_participants_csv_is_refused_with_its_line(text: str, message: str, tmp_path: Path) -> None:
    root = folder(tmp_path, "a1", "b2")
    (root / "participants.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        open_corpus(root)


def test_a_converted_corpus_keeps_what_names_meant(tmp_path: Path) -> None:
    corpus = open_corpus(folder(tmp_path, "sub-01_ses-01_task-a", "sub-01_ses-02_task-a", "sub-02_ses-01_task-a"))
    convert(corpus, tmp_path / "t.parquet")
    again = open_corpus(tmp_path / "t.parquet")
    assert (again.sha256, people(again)) == (corpus.sha256, people(corpus))


@pytest.mark.parametrize("character", ["\n", "\t", "\x1b", "\x85"])
def test_names_with_control_characters_are_refused_with_their_file(character: str, tmp_path: Path) -> None:
    named = folder(tmp_path / "a", "P1", "P2", f"P{character}3")
    escaped = re.escape(f"\\x{ord(character):02x}")
    for read in (open_corpus, lambda path: read_feature_files(path / "features", ["AU01"])):
        with pytest.raises(InputError, match=f"P{escaped}3.*expected a name without control characters") as caught:
            read(named)
        assert character not in str(caught.value.problems[0])


def test_alike_takes_any_name() -> None:
    assert alike(["P\n3", "p\n03"]) == [["P\n3", "p\n03"]]
