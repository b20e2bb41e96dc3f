"""People whom a model was trained on, in files whose names alone do not say where the participant ends."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.corpora.convert import convert
from orchestrator.corpora.participants import as_known
from orchestrator.corpora.readers import open_corpus
from orchestrator.corpora.recording import Recording
from orchestrator.errors import InputError
from orchestrator.inference.predict import Wishes, read_input
from orchestrator.inference.saved_model import open_model
from orchestrator.inference.score import read_labelled, score
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
