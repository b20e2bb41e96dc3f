"""What participants.csv says of people: words for nothing, values in two spellings."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from orchestrator.cli import cli
from orchestrator.corpora.readers import open_corpus
from orchestrator.data.groups import groups_of
from orchestrator.errors import InputError
from tests.corpora.writers import content, write_folder, write_table

PEOPLE = ("P1", "P2", "P3", "P4")


def corpus_of(root: Path, *lines: str) -> Path:
    """Write a folder of four people with a participants.csv of these lines."""
    write_folder(root, [content(name) for name in PEOPLE])
    (root / "participants.csv").write_text("\n".join(lines) + "\n")
    return root


def test_words_for_a_missing_value_are_no_value(tmp_path: Path) -> None:
    lines = (
        "participant,file,session,dyad,sex",
        "P1,n/a,NA,1,f",
        "P2,n/a,NA,1,NaN",
        "P3,n/a,NA,NA,n/a",
        "P4,n/a,,NA,m",
    )
    corpus = open_corpus(corpus_of(tmp_path, *lines))
    assert corpus.attributes == {
        "P1": {"dyad": "1", "sex": "f"},
        "P2": {"dyad": "1"},
        "P3": {},
        "P4": {"sex": "m"},
    }
    with pytest.raises(InputError, match="--group-by dyad: found no dyad of P3, P4"):
        groups_of(corpus, "dyad")


def test_a_person_may_be_called_na(tmp_path: Path) -> None:
    write_folder(tmp_path, [content("NA"), content("BO")])
    (tmp_path / "participants.csv").write_text("participant,sex\nNA,f\nBO,m\n")
    assert open_corpus(tmp_path).attributes["NA"] == {"sex": "f"}


@pytest.mark.parametrize(
    ("values", "asked"),
    [
        (("D1", "D2", "d1", "D-02"), "values D1 and d1, D2 and D-02 of dyad"),
        (("1", "2", "1.0", "02"), "values 1 and 1.0, 2 and 02 of dyad"),
        (("Male", "female", "male", "other"), "value Male and male of dyad"),
        (("-1", "1", "1-5", "15"), None),
        (("<30", ">30", "A+", "A-"), None),
        (("0.5", "0.05", "x 0.5", "x 5"), None),
    ],
)
@pytest.mark.parametrize("kind", ["folder", "table"])
def test_values_in_two_spellings_are_asked_about(
    tmp_path: Path, values: tuple[str, ...], asked: str | None, kind: str
) -> None:
    lines = ("participant,dyad", *(f"{one},{value}" for one, value in zip(PEOPLE, values, strict=True)), "P9,d2")
    path = corpus_of(tmp_path, *lines)
    if kind == "table":
        path = write_table(tmp_path / "t.csv", [content(name) for name in PEOPLE])
    questions = [one for one in open_corpus(path).questions if "two spellings" in one]
    assert questions == ([] if asked is None else [f"participants.csv: {asked}: one in two spellings?"])


def test_people_who_are_listed_and_not_there_are_named(tmp_path: Path) -> None:
    corpus = open_corpus(corpus_of(tmp_path, "participant,dyad", "P1,1", "P2,1", "P3,2", "P4,2", "P5,3"))
    assert [one for one in corpus.notes if "lists" in one] == ["participants.csv lists P5, without a recording here"]
    assert not corpus.questions


def test_a_list_of_nobody_is_asked_about_and_grouping_says_so(tmp_path: Path) -> None:
    corpus = open_corpus(corpus_of(tmp_path, "participant,dyad", "p1,1", "p2,1", "p03,2", "x,2"))
    (asked,) = [one for one in corpus.questions if "lists" in one]
    assert asked.startswith("participants.csv lists p1 and P1, p2 and P2, p03 and P3 of the recordings: one person in")
    assert any("x, without a recording here: it says nothing of anybody here" in one for one in corpus.notes)
    with pytest.raises(InputError, match=r"dyad: participants.csv has it of p1, p2, p03, x, not of P1, P2, P3, P4;"):
        groups_of(corpus, "dyad")


def test_grouping_asks_about_who_is_listed_in_another_spelling(tmp_path: Path) -> None:
    corpus = open_corpus(corpus_of(tmp_path, "participant,dyad", "P1,1", "P2,1", "p3,2", "P4,2"))
    with pytest.raises(InputError, match=r"no dyad of P3; .* is p3 and P3 one person in two spellings\?"):
        groups_of(corpus, "dyad")


def test_convert_says_that_attributes_stay_behind(tmp_path: Path) -> None:
    """The table beside which participants.csv is put has them."""
    root, out = corpus_of(tmp_path / "own", "participant,dyad,sex", "P1,1,f", "P2,1,m"), tmp_path / "c.parquet"
    shown = CliRunner().invoke(cli, ["data", "convert", str(root), "--output", str(out)], catch_exceptions=False)
    assert "not in it: dyad, sex of participants.csv; it is read, too, if it lies beside c.parquet" in shown.output
    assert not open_corpus(out).attributes
    (root / "participants.csv").rename(tmp_path / "participants.csv")
    assert open_corpus(out).attributes["P2"] == {"dyad": "1", "sex": "m"}
