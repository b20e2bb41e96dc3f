"""People whom a model was trained on, in files whose names alone do not say where the participant ends."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.corpora.convert import convert
from orchestrator.corpora.participants import about_known, as_known
from orchestrator.corpora.readers import open_corpus
from orchestrator.corpora.recording import Recording
from orchestrator.errors import InputError
from orchestrator.inference.live import Following, follow
from orchestrator.inference.predict import Wishes, predict, read_input
from orchestrator.inference.saved_model import open_model
from orchestrator.inference.score import read_labelled, score
from orchestrator.inference.score_output import record
from tests.inference.conftest import Make

KNOWN = {"P_01", "P_1", "P", "sub", "Zoë_2"}


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (("P_01", ""), ("P_01", "")),
        (("P", "01"), ("P", "01")),  # P itself is known
        (("Q", "01"), ("Q", "01")),
        (("Zoe\u0308", "2"), ("Zoë_2", "")),
        (("Zoë_2", "a"), ("Zoë_2", "a")),
        (("Zoë_2_a", "b"), ("Zoë_2", "a_b")),
        (("Zoë", "21"), ("Zoë", "21")),
        (("substance", ""), ("substance", "")),
    ],
)
def test_whole_names_are_known(given: tuple[str, str], wanted: tuple[str, str]) -> None:
    assert as_known(*given, KNOWN) == wanted


def renamed(data: Path, out: Path, name: Callable[[int], tuple[str, str]]) -> Path:
    """Write a corpus as a table in which people and sessions have other names."""

    def other(number: int, one: Recording) -> Recording:
        participant, session = name(number)
        return dataclasses.replace(one, participant=participant, session=session)

    corpus = open_corpus(data)
    recordings = tuple(other(number, one) for number, one in enumerate(corpus.recordings))
    convert(dataclasses.replace(corpus, recordings=recordings), out)
    return out


def test_nobody_trained_on_is_a_stranger(small_corpus: Path, make_model: Make, tmp_path: Path) -> None:
    """The table of training calls its people P_0 to P_5; files of these names are read as sessions of one P."""
    model = open_model(str(make_model(renamed(small_corpus, tmp_path / "t.parquet", lambda n: (f"P_{n}", "")))))
    files = renamed(small_corpus, tmp_path / "files.parquet", lambda n: ("P", str(n)))
    with pytest.raises(InputError, match="6 participants, all seen in training: P_0, P_1"):
        score(model, read_labelled(model, files), Wishes())
    read = read_input(model, files).recordings
    assert [(one.participant, one.session) for one in read] == [(f"P_{n}", "") for n in range(6)]
    assert all(model.unseen_by(one.participant) for one in read)
    # What the user says of the names holds.
    assert {one.participant for one in read_input(model, files, participant_pattern="(P)").recordings} == {"P"}


def test_someone_trained_on_in_another_spelling_is_asked_about(
    small_corpus: Path, make_model: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    training = renamed(small_corpus, tmp_path / "t.parquet", lambda n: (f"P{n}", ""))
    model = open_model(str(make_model(training, network="rnn", scaling="none")))
    files = renamed(
        small_corpus, tmp_path / "new.parquet", lambda n: (("p0", "P01", "P2")[n] if n < 3 else f"Q{n}", "")
    )
    asked = "note      participants p0 and P0, P01 and P1 of the training: one person in two spellings?"
    corpus = read_labelled(model, files)
    found = score(model, corpus, Wishes())
    (noted,) = [line for line in record(model, corpus, found)["notes"] if line.startswith(asked)]
    assert next(line for line in found.lines if line.startswith("note ")) == noted
    (line,) = [line for line in predict(model, read_input(model, files), Wishes()).lines if line.startswith(asked)]
    assert line == noted
    others = renamed(small_corpus, tmp_path / "others.parquet", lambda n: (f"Q{n}", ""))
    assert "two spellings" not in " ".join(predict(model, read_input(model, others), Wishes()).lines)
    path = tmp_path / "p-1.csv"
    path.write_text(",".join(["time", *model.card["features"]]) + "\n")
    idle = Following(fold=None, look_ahead_seconds=None, idle_seconds=0.0, scaling_from=None, device="cpu")
    follow(model, path, idle, lambda _: None)
    assert "participant p-1 and P1 of the training: one person in two spellings?" in capsys.readouterr().err


def test_the_question_about_known_people_is_short() -> None:
    assert about_known(["P1", "Q1"], {"P1", "P2"}) == ()
    (asked,) = about_known([f"p{n}" for n in range(20)], {f"P{n}" for n in range(20)})
    assert asked.startswith("participants p0 and P0, p1 and P1,")
    assert "and 15 more of the training" in asked
