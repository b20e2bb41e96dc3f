"""GPUs of a search: what is taken if nobody says, what is said, what is refused, and how long it takes."""

import dataclasses
from typing import Any

import pytest

from fed.options import Federation
from models import gpus as measured
from models.backends import DEFAULT_PRECISION, STACKED_CUDA, TRITON
from orchestrator.errors import InputError
from orchestrator.planning import duration, gpu_duration, gpus, packs
from orchestrator.planning.packs import backend_of, check_backend, form_packs
from orchestrator.planning.plan import Plan, SearchOptions
from orchestrator.protocols import DESCRIBED
from tests.planning.test_duration import Recordings
from tests.records import make_plan


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (gpus, packs, duration):
        monkeypatch.setattr(module, "num_gpus", lambda: 2)


def plan(**search: Any) -> Plan:
    return make_plan(search=SearchOptions(**{"backend": "auto", "pack": "auto", "gpus_per_trial": 1.0, **search}))


@pytest.mark.usefixtures("two_gpus")
def test_a_gpu_that_is_there_is_taken_and_said() -> None:
    found = gpus.with_gpus(SearchOptions(), "auto", federated=False)
    assert found.gpus_per_trial == 1.0
    assert gpus.in_words(found, federated=False) == ["GPU       1 per trial of 2 here, products in TF32 (--precision)"]
    none = gpus.with_gpus(SearchOptions(), 0.0, federated=False)
    assert none.gpus_per_trial == 0.0
    assert gpus.in_words(none, federated=False) == ["GPU       2 here, not used (--gpus-per-trial 0)"]
    half = gpus.with_gpus(SearchOptions(precision="bf16"), 0.5, federated=False)
    assert gpus.in_words(half, federated=False) == [
        "GPU       0.5 per trial of 2 here, products in bfloat16 (--precision)"
    ]


@pytest.mark.usefixtures("two_gpus")
def test_auto_takes_none_for_clients_and_of_a_cluster() -> None:
    assert gpus.with_gpus(SearchOptions(), "auto", federated=True).gpus_per_trial == 0.0
    assert gpus.with_gpus(SearchOptions(address="auto"), "auto", federated=False).gpus_per_trial == 0.0


def test_auto_takes_none_where_none_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "num_gpus", lambda: 0)
    found = gpus.with_gpus(SearchOptions(), "auto", federated=False)
    assert found.gpus_per_trial == 0.0
    assert gpus.in_words(found, federated=False) == []


@pytest.mark.usefixtures("two_gpus")
def test_packs_on_gpus_are_stacks_of_one_shape_for_each_gpu() -> None:
    one = plan()
    assert {backend_of(trial, one) for trial in one.trials} == {TRITON}
    assert backend_of(one.trials[0], plan(backend=STACKED_CUDA)) == STACKED_CUDA
    rates = [
        dataclasses.replace(
            one.trials[0], uid=f"t{place}", hparams=dataclasses.replace(one.trials[0].hparams, learning_rate=rate)
        )
        for place, rate in enumerate((1e-3, 1e-4, 1e-5, 1e-6))
    ]
    several = dataclasses.replace(one, trials=tuple(rates))
    # Two GPUs share four configurations; a quarter of a GPU each, eight at once, takes each alone.
    assert [len(pack) for pack in form_packs(several, several.trials)] == [2, 2]
    quarter = dataclasses.replace(several, search=dataclasses.replace(several.search, gpus_per_trial=0.25))
    assert [len(pack) for pack in form_packs(quarter, quarter.trials)] == [1, 1, 1, 1]


@pytest.mark.parametrize(
    ("search", "changes", "found"),
    [
        ({"backend": TRITON, "gpus_per_trial": 0.0}, {}, "found triton without a GPU; expected stacked without a GPU"),
        ({"backend": "stacked"}, {}, "found stacked with --gpus-per-trial; expected stacked-cuda or triton"),
        (
            {"backend": STACKED_CUDA, "gpus_per_trial": 0.0},
            {"federation": Federation()},
            "found stacked-cuda without a GPU; expected stacked or reference for the clients",
        ),
        (
            {"backend": TRITON},
            {"protocol": dataclasses.replace(DESCRIBED, loss="ccc-window")},
            "found triton with loss ccc-window",
        ),
    ],
)
def test_a_back_end_without_its_device_is_refused(search: dict[str, Any], changes: dict[str, Any], found: str) -> None:
    with pytest.raises(InputError, match=f"--backend: {found}"):
        check_backend(dataclasses.replace(plan(**search), **changes))
    check_backend(plan(backend=TRITON))


def test_precision_is_a_name_and_part_of_a_plan() -> None:
    assert SearchOptions().precision == DEFAULT_PRECISION == "tf32"
    with pytest.raises(ValueError, match="unknown precision 'half': expected one of tf32, float32, bf16"):
        SearchOptions(precision="half")


def test_a_step_on_a_gpu_is_by_the_measured_corners() -> None:
    for network, sizes in measured.MS_PER_STEP.items():
        for size, corners in sizes.items():
            for (length, layers), expected in zip(measured.CORNERS, corners, strict=True):
                found = measured.seconds_per_step(network, size, length, layers)
                assert found == pytest.approx(1e-3 * expected, rel=1e-9)
    assert measured.seconds_per_step("rnn", 100, 50, 1) == measured.seconds_per_step("rnn", 128, 50, 1)
    assert measured.seconds_per_step("rnn", 1024, 50, 1) == 4 * measured.seconds_per_step("rnn", 512, 50, 1)
    # 1,000 frames are 20 windows, 3 steps; 48 models are two packs of 24.
    assert measured.seconds_of_epoch("rnn", 8, 50, 1, models=48, frames=1000) == pytest.approx(6 * 0.37e-3, rel=0.01)


@pytest.mark.usefixtures("two_gpus")
def test_a_search_on_gpus_is_estimated_by_them(monkeypatch: pytest.MonkeyPatch) -> None:
    recordings: Any = Recordings()
    one = plan()
    monkeypatch.setattr(duration, "AROUND_SECONDS", 0.0)
    monkeypatch.setattr(duration, "WORKER_SECONDS", 0.0)
    found = duration.estimate(one, recordings)
    trials = one.trials[: one.num_planned]
    assert list(found.by_trial) == gpu_duration.seconds_by_trial(one, recordings, trials)
    assert found.at_once <= 2
    (line,) = gpu_duration.in_words(one, recordings, trials)
    assert line.startswith("on GPUs         training ")
    assert line.endswith(f"{measured.DEVICE}, by packs measured {measured.DATE}, not on this machine")
    for number in (1, 8, 64):
        assert f" on {number}" in line
    federated = dataclasses.replace(one, federation=Federation())
    assert gpu_duration.in_words(federated, recordings, trials) == []
