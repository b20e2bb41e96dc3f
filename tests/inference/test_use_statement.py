"""The statement of use is in a card and its text; cards without one load, and are exported with it."""

import json
from pathlib import Path

import pytest
import torch

from orchestrator.errors import InputError
from orchestrator.evaluation import model_card
from orchestrator.evaluation.use_statement import STATEMENT, STATEMENT_DATE, STATEMENT_KEY
from orchestrator.inference import export
from orchestrator.inference.saved_model import open_model
from tests.inference.conftest import Make


def changed(folder: Path, statement: object) -> Path:
    card = json.loads((folder / "card.json").read_text())
    del card[STATEMENT_KEY]
    if statement is not None:
        card[STATEMENT_KEY] = statement
    (folder / "card.json").write_text(json.dumps(card))
    return folder


@pytest.mark.parametrize(
    "words",
    [
        STATEMENT_DATE,
        "Research use only",
        "Article 5(1)(f)",
        "Article 50(3)",
        "at work and in education",
        "not legal advice",
    ],
)
def test_it_says_what_it_has_to(words: str) -> None:
    assert words in STATEMENT


def test_a_card_has_it_and_its_text_ends_with_it(small_corpus: Path, make_model: Make) -> None:
    card = open_model(str(make_model(small_corpus))).card
    assert card[STATEMENT_KEY] == STATEMENT
    assert model_card.as_text(dict(card)).endswith(f"\n\n{STATEMENT}\n")


def test_a_card_of_before_loads_and_is_exported_with_it(
    small_corpus: Path,
    make_model: Make,
    tmp_path: Path,
) -> None:
    model = open_model(str(changed(make_model(small_corpus), None)))
    assert STATEMENT not in model_card.as_text(dict(model.card))
    export.export(model, "pt2", tmp_path / "m.pt2")
    extra = {export.CARD_JSON: ""}
    torch.export.load(tmp_path / "m.pt2", extra_files=extra)
    assert json.loads(extra[export.CARD_JSON])[STATEMENT_KEY] == STATEMENT


def test_a_statement_that_is_no_text_is_refused(small_corpus: Path, make_model: Make) -> None:
    with pytest.raises(InputError, match="use_statement 7, expected a text"):
        open_model(str(changed(make_model(small_corpus), 7)))
