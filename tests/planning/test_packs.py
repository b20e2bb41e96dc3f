"""Packs hold trials of one shape, each once, in the order of the plan."""

import dataclasses
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from fed.options import Federation
from orchestrator.data.image_options import ImageOptions
from orchestrator.errors import InputError
from orchestrator.planning.packs import backend_of, check_backend, form_packs, has_free_processor, packs_left
from orchestrator.planning.plan import Plan, SearchOptions, Trial
from orchestrator.protocols import DESCRIBED
from tests.records import make_plan
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


def plan(trials: Sequence[Trial] = TRIALS, workers: int = 1, **options: Any) -> Plan:
    search = SearchOptions(**{"backend": "auto", "pack": "auto", "num_cpus": workers, **options})
    return dataclasses.replace(make_plan(search=search, protocol=DESCRIBED), trials=tuple(trials))


def packs(one: Plan) -> list[str]:
    return ["".join(pack) for pack in form_packs(one, one.trials)]


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
    assert packs(plan(pack=size)) == expected


def test_large_models_are_packed_alone() -> None:
    assert packs(plan([trial(uid, rate=rate, hidden=256) for uid, rate in (("a", 1e-3), ("b", 1e-4))])) == ["a", "b"]


def test_no_worker_waits_for_a_pack_that_another_could_have_shared() -> None:
    alike = [trial(uid, rate=10.0**-place) for place, uid in enumerate("abc", start=1)]
    assert [len(packs(plan(alike, workers=workers))) for workers in (1, 2, 3, 8)] == [1, 2, 3, 3]


@pytest.mark.parametrize(
    "changes",
    [
        {"search": {"backend": "reference"}},
        {"search": {"cpus_per_trial": 2.0}},
        {"search": {"gpus_per_client": 0.5}, "federation": Federation()},
        {"federation": Federation(optimiser="kept")},
        {"federation": Federation(proximal=0.1)},
        {"federation": Federation(secure_sum=True)},
        {"search": {"cpus_per_client": 2.0}, "federation": Federation()},
        {"images": ImageOptions(image_size=64, frame_stride=1, face_crop="none", backbone="trained", weights="none")},
        {"protocol": replace(DESCRIBED, loss="ccc-window")},
    ],
)
def test_what_the_reference_trains_is_alone(changes: dict[str, Any]) -> None:
    one = plan(**changes.pop("search", {}))
    assert packs(dataclasses.replace(one, **changes)) == [*"abcdefgh"]
    assert backend_of(TRIALS[0], dataclasses.replace(one, **changes)) == "reference"
    assert backend_of(TRIALS[0], plan()) == "stacked"


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"federation": Federation(optimiser="kept")}, "secure sums, or clients that keep"),
        ({"protocol": replace(DESCRIBED, loss="ccc-window")}, "loss ccc-window, head "),
    ],
)
def test_stacks_of_what_they_cannot_train_are_refused(changes: dict[str, Any], found: str) -> None:
    check_backend(plan(backend="stacked"))
    check_backend(dataclasses.replace(plan(backend="auto"), **changes))
    with pytest.raises(InputError, match=f"--backend: found stacked with {found}"):
        check_backend(dataclasses.replace(plan(backend="stacked"), **changes))


def test_each_configuration_of_a_federation_is_alone_and_its_clients_are_stacked() -> None:
    one = dataclasses.replace(plan(), federation=Federation())
    assert packs(one) == [*"abcdefgh"]
    assert backend_of(TRIALS[0], one) == "stacked"
    check_backend(dataclasses.replace(plan(backend="stacked"), federation=Federation()))


def test_what_is_left_of_packs_and_outside_of_them() -> None:
    one = dataclasses.replace(plan(), packs=(("a", "c", "e"), ("b", "g")))
    assert packs_left(one, {"c", "e", "d", "g"}) == (("c", "e"), ("g",), ("d",))
    assert packs_left(dataclasses.replace(one, packs=()), {"c", "a"}) == (("a",), ("c",))


@pytest.mark.parametrize(
    ("options", "here", "free"),
    [
        ({"num_cpus": 1}, 2, True),
        ({"num_cpus": 2}, 2, False),
        ({"num_cpus": 2}, 1, False),
        ({"num_cpus": 4, "cpus_per_trial": 3.0}, 4, True),
        ({"num_cpus": None, "gpus_per_trial": 1.0}, 2, True),
        ({"num_cpus": None, "gpus_per_trial": 1.0}, 1, False),
        ({"num_cpus": 1, "address": "ray://head:10001"}, 8, False),
    ],
)
def test_baselines_are_measured_beside_trainings_on_a_processor_of_their_own(
    options: dict[str, Any], here: int, free: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.planning.packs.num_gpus", lambda: 1)
    monkeypatch.setattr("orchestrator.planning.packs.num_processors", lambda: here)
    assert has_free_processor(plan(**{"num_cpus": 1, **options})) is free
