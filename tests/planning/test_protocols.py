"""The named protocols are those of the table in docs/protocols.md, field by field."""

import dataclasses

import pytest

from orchestrator.protocols import INNER_SHARE, PROTOCOLS, Protocol
from tests.conftest import ROOT
from tests.documents import tables_of
from tune_spaces.method import LATER_KEY

# Row of the table -> what its cell begins with -> the fields that it says.
WORDS: dict[str, dict[str, dict[str, object]]] = {
    "gold standard": {
        "mean of the raters": {"gold": "mean", "label_decimals": None},
        "mean, rounded to 2 decimals as the decimals in the files fall": {
            "gold": "mean",
            "label_decimals": 2,
            "label_rounding": "float64",
        },
    },
    "scaling": {
        "z-score of each participant": {"scaling": "participant"},
        "mean and spread of the training people": {"scaling": "train"},
    },
    "head": {
        "per frame: 10 neurons, ReLU, 2 outputs": {"head": "frame"},
        "the same, averaged over the window": {"head": "frame"},
    },
    "target": {"every frame": {"target": "frame"}, "the mean over a window": {"target": "window-mean"}},
    "last partial window": {
        "padded and masked": {"partial_window": "pad"},
        "dropped": {"partial_window": "drop"},
    },
    "batch size": {
        "8, shuffled": {"windows_a_step": 8, "order": "shuffled"},
        "1, in order": {"windows_a_step": 1, "order": "in-order"},
    },
    "the epoch that scores": {
        "the last": {"epoch_choice": "last", "optimistic": False},
        "the best on the reported fold: **optimistic**": {"epoch_choice": "best-on-held-out", "optimistic": True},
        "the best on inner people": {"epoch_choice": "best-on-inner", "optimistic": False},
    },
    "epochs": {"100": {"epochs": 100}},
    "folds": {"8, by participant, in order": {"num_folds": 8}},
    "overlapping windows of `predict`": {"joined smoothly": {"joining": "tapered"}},
    "what it follows": {"": {}},
    "the configuration that is reported": {"": {}},
}
# In no row: the table names what the options change, and all three leave these as they are.
UNSAID = {"loss": "mse", "label_delay_seconds": 0.0}


def documented() -> dict[str, dict[str, object]]:
    """The fields of each protocol as the document's table says them."""
    (table,) = [one for one in tables_of("protocols.md") if one[0][0] == "choice"]
    heads = [head.split("`")[1] for head in table[0][1:]]
    found: dict[str, dict[str, object]] = {name: {"name": name, **UNSAID} for name in heads}
    rows = {row[0]: row[1:] for row in table[1:]}
    rows["batch size"] = next(cells for row, cells in rows.items() if "windows per" in row)
    for row, known in WORDS.items():
        for name, cell in zip(heads, rows[row], strict=True):
            (fields,) = [fields for words, fields in known.items() if cell.removesuffix(" (ours)").startswith(words)]
            found[name] |= fields
    return found


def test_the_document_names_every_protocol() -> None:
    assert set(documented()) == set(PROTOCOLS)


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_protocol_is_what_the_document_says(name: str) -> None:
    said = documented()[name]
    assert said == {key: value for key, value in dataclasses.asdict(PROTOCOLS[name]).items() if key in said}
    # Fields that are newer than the table's may be said elsewhere in the document; the first ones all stand in it.
    assert {one.name for one in dataclasses.fields(Protocol) if not one.metadata.get(LATER_KEY)} <= set(said)


def test_the_inner_people_of_strict_are_a_fifth() -> None:
    assert "a fifth of each fold's training people" in (ROOT / "docs" / "protocols.md").read_text(encoding="utf-8")
    assert INNER_SHARE == 1 / 5
