"""Packs hold trials of one shape, each once, in the order of the plan."""

import pytest

from orchestrator.planning.packs import form_packs
from orchestrator.planning.plan import Trial
from orchestrator.protocols import DESCRIBED
from tune_spaces.method import HParams


def trial(uid: str, network: str = "bigru", *, rate: float = 1e-3, hidden: int = 8, length: int = 50) -> Trial:
    hparams = HParams(learning_rate=rate, hidden_size=hidden, sequence_length=length, num_layers=1)
    return Trial(uid=uid, network=network, hparams=hparams)


TRIALS = (
    trial("a", rate=1e-3),
    trial("b", "rnn", rate=1e-3),
    trial("c", rate=1e-4),
    trial("d", hidden=64),
    trial("e", rate=1e-5),
    trial("f", length=200),
    trial("g", "rnn", rate=1e-4),
    trial("h", rate=1e-2),
)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (1, ["a", "b", "c", "d", "e", "f", "g", "h"]),
        (2, ["ac", "bg", "d", "eh", "f"]),
        (9, ["aceh", "bg", "d", "f"]),
        ("auto", ["ace", "bg", "d", "f", "h"]),  # 24 models of 8 folds
    ],
)
def test_packs_are_of_one_shape_in_the_plans_order(size: str | int, expected: list[str]) -> None:
    assert ["".join(pack.uids) for pack in form_packs(TRIALS, DESCRIBED, size=size)] == expected


def test_large_models_are_packed_alone() -> None:
    alike = [trial(uid, rate=rate, hidden=256) for uid, rate in (("a", 1e-3), ("b", 1e-4))]
    assert ["".join(pack.uids) for pack in form_packs(alike, DESCRIBED)] == ["a", "b"]


def test_no_worker_waits_for_a_pack_that_another_could_have_shared() -> None:
    alike = [trial(uid, rate=10.0**-place) for place, uid in enumerate("abc", start=1)]
    assert [len(form_packs(alike, DESCRIBED, workers=workers)) for workers in (1, 2, 3, 8)] == [1, 2, 3, 3]


@pytest.mark.parametrize("size", [0, -1, "many"])
def test_a_size_below_one_is_refused(size: str | int) -> None:
    with pytest.raises(ValueError, match=f"at least 1 trial, or their number is 'auto': found {size!r}"):
        form_packs(TRIALS, DESCRIBED, size=size)
