"""Clients as stacks: the reference's federation up to rounding, and no bit of a client depends on who is beside it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fed.client import Client, Site
from fed.executors import in_process as in_process_module
from fed.executors.jobs import messages, work_all
from fed.local_plan import LocalPlan
from fed.messages import REFUSED, Call, Failure, Job
from fed.options import Federation
from fed.round_records import QuorumLost
from fed.rounds import FederatedFolds
from fed.updates import Layout, flatten
from models.backends import REFERENCE, STACKED, models_per_stack
from models.checkpoints import CheckpointError
from models.sizes import NETWORKS
from models.stacks.epochs import Stack
from models.training import TrainingDiverged
from tests.fed.toys import PEOPLE, SERIES, SPLITS, assert_same, federation, flat, in_memory, without_seconds
from tests.models.toys import recipe


def folds_of(backend: str, clients: Sequence[Client] | None = None, **settings: Any) -> FederatedFolds:
    return federation(backend=backend, clients=clients, chosen=settings.pop("chosen", recipe(epochs=3)), **settings)


def trained(*arguments: Any, **settings: Any) -> FederatedFolds:
    folds = folds_of(*arguments, **settings)
    list(folds.epochs())
    return folds


@pytest.mark.parametrize(("network", "hidden_size"), [*((one, 6) for one in NETWORKS), ("bilstm", 16), ("bigru", 16)])
@pytest.mark.parametrize("changes", [{}, {"local_epochs": 2, "aggregator": "weighted-mean"}, {"aggregator": "median"}])
def test_a_federation_of_stacks_is_the_references_up_to_rounding(
    network: str, hidden_size: int, changes: dict[str, Any]
) -> None:
    chosen = recipe(
        network=network, hidden_size=hidden_size, num_layers=2, sequence_length=9, epochs=3, order="shuffled"
    )
    one, other = (trained(backend, chosen=chosen, **changes) for backend in (REFERENCE, STACKED))
    for k in range(one.num_folds):
        # Adam's first steps make much of a gradient that is next to nothing: single weights go another way.
        difference = (flat(one, k) - flat(other, k)).abs()
        assert float((difference > 1e-4).double().mean()) < 1e-3
        assert float(difference.mean()) < 5e-6
        assert not torch.equal(flat(one, k), flat(folds_of(REFERENCE, chosen=chosen), k))
    for mine, theirs in zip(one.history, other.history, strict=True):
        assert mine.validation_loss == pytest.approx(theirs.validation_loss, abs=1e-5)
        assert mine.train_loss == pytest.approx(theirs.train_loss, abs=1e-5)
        assert mine.ccc_valence == pytest.approx(theirs.ccc_valence, abs=1e-4)
    assert [record.trained for record in one.rounds] == [record.trained for record in other.rounds]


def site_and_call(kind: str, chosen: Any, *, clients: Sequence[Client] | None = None) -> tuple[Site, Call, Layout]:
    plan = LocalPlan(recipe=chosen, federation=Federation(), splits=tuple(SPLITS), seed=3, backend=STACKED)
    models = [plan.new_model(SERIES[0].features_TF.shape[1], fold) for fold in range(2)]
    layout = Layout.of(models[0].state_dict())
    rows = [flatten(model.state_dict(), layout) for model in models]
    jobs = tuple(Job(fold=fold, client=name, row=fold, series=(0,)) for fold in range(2) for name in PEOPLE[:4])
    call = Call(
        kind=kind,  # type: ignore[arg-type]
        number=1,
        jobs=jobs,
        deadline_seconds=60.0,
        weights=np.stack([floats for floats, _ in rows]),
        integers=np.stack([whole for _, whole in rows]),
    )
    return Site(clients or in_memory(SERIES), plan), call, layout


@pytest.mark.parametrize("hidden_size", [3, 8, 64])
@pytest.mark.parametrize("network", NETWORKS)
def test_no_bit_of_a_client_depends_on_who_is_in_its_stack(network: str, hidden_size: int) -> None:
    chosen = recipe(network=network, hidden_size=hidden_size, sequence_length=9, epochs=1)
    for kind in ("train", "evaluate"):
        site, call, _ = site_and_call(kind, chosen)
        together: list[Any] = work_all(site, call)
        assert not any(isinstance(one, Failure) for one in together)
        # Alone in processes of their own, and a few in another order.
        for jobs in ([call.jobs[0]], [call.jobs[5]], [call.jobs[6], call.jobs[1], call.jobs[3]]):
            names = {job.client for job in jobs}
            other, _, _ = site_and_call(kind, chosen, clients=[one for one in in_memory(SERIES) if one.name in names])
            alone: list[Any] = work_all(other, replace(call, jobs=tuple(jobs)))
            for job, found in zip(jobs, alone, strict=True):
                expected = together[call.jobs.index(job)]
                if kind == "train":
                    np.testing.assert_array_equal(found.weights, expected.weights)
                    assert (found.train_loss, found.num_samples) == (expected.train_loss, expected.num_samples)
                    assert not np.array_equal(found.weights, call.weights[job.row])  # type: ignore[index]
                else:
                    assert found == expected


def test_jobs_of_a_process_are_as_many_as_a_stack_and_one_client_stays_together() -> None:
    chosen = recipe(network="bigru", hidden_size=128)
    site, call, _ = site_and_call("train", chosen)
    size = models_per_stack(chosen)
    assert 1 < size < len(call.jobs)
    found = messages(site.plan, call, call.jobs)
    assert sorted(map(len, found), reverse=True) == [size] * (len(call.jobs) // size) + [
        one for one in [len(call.jobs) % size] if one
    ]
    flattened = [job.client for one in found for job in one]
    assert flattened == [name for name in PEOPLE[:4] for _ in range(2)]
    assert messages(replace(site.plan, backend=REFERENCE), call, call.jobs) == [[job] for job in call.jobs]
    assert messages(site.plan, replace(call, kind="score"), call.jobs) == [[job] for job in call.jobs]


def test_whoever_cannot_be_read_fails_alone() -> None:
    def torn() -> Any:
        raise OSError("a torn file")

    broken = [replace(one, load=torn) if one.name == PEOPLE[1] else one for one in in_memory(SERIES)]
    site, call, _ = site_and_call("train", recipe(epochs=1), clients=broken)
    whole, _, _ = site_and_call("train", recipe(epochs=1))
    answers: list[Any] = work_all(site, call)
    others: list[Any] = work_all(whole, call)
    for job, found, expected in zip(call.jobs, answers, others, strict=True):
        if job.client == PEOPLE[1]:
            assert isinstance(found, Failure)
            assert "a torn file" in found.reason
            assert "torn()" not in found.reason
            assert "OSError" in found.traceback
        else:
            np.testing.assert_array_equal(found.weights, expected.weights)


def test_a_stack_that_fails_is_done_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """One client's training raises whenever it is in a stack: the others are trained all the same."""
    real = Stack.train

    def train(self: Stack, orders: Sequence[torch.Tensor]) -> list[tuple[float, int]]:
        if any(len(order) == culprit for order in orders):
            raise MemoryError("too large")
        return real(self, orders)

    site, call, _ = site_and_call("train", recipe(epochs=1))
    expected: list[Any] = work_all(site, call)
    culprit = max(update.num_samples for update in expected)
    monkeypatch.setattr(Stack, "train", train)
    found: list[Any] = work_all(site, call)
    failed = {job.client for job, one in zip(call.jobs, found, strict=True) if isinstance(one, Failure)}
    assert failed
    assert len(failed) < 4
    for one, whole in zip(found, expected, strict=True):
        if isinstance(one, Failure):
            assert "MemoryError: too large" in one.reason
            assert whole.num_samples == culprit
        else:
            np.testing.assert_array_equal(one.weights, whole.weights)


def test_a_client_whose_numbers_run_away_is_refused_and_changes_no_other() -> None:
    """Labels of one person are immense: its loss is infinite, everybody else's network as without it."""
    immense = np.float32(1e30)
    wild = [replace(one, gold_T2=one.gold_T2 * immense) if one.participant == PEOPLE[2] else one for one in SERIES]
    splits = [replace(one, validation=(4,), held_out=(4,), train=(0, 1, 2, 3)) for one in SPLITS]
    folds = folds_of(STACKED, in_memory(wild), on_client_failure="resilient", splits=splits)
    list(folds.epochs())
    refused = {failure.client for record in folds.rounds for failure in record.failures if failure.kind == REFUSED}
    assert refused == {PEOPLE[2]}
    without = [replace(one, train=tuple(i for i in one.train if SERIES[i].participant != PEOPLE[2])) for one in splits]
    alone = trained(STACKED, on_client_failure="resilient", splits=without)
    for k in range(folds.num_folds):
        assert torch.equal(flat(folds, k), flat(alone, k))
    with pytest.raises((QuorumLost, TrainingDiverged)):
        list(folds_of(STACKED, in_memory(wild), splits=splits).epochs())


def test_late_stacks_are_dropped_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter([0.0, 1.0, 1.0, 99.0, *[99.0] * 50])
    site, call, _ = site_and_call("train", recipe(network="bigru", hidden_size=128, epochs=1))
    monkeypatch.setattr("fed.executors.in_process.time.monotonic", lambda: next(seconds))
    answers = list(in_process_module._run(site, call))
    late = [failure.client for answer in answers for failure in answer.failures]
    done = [name for answer in answers for name in answer.values]
    assert late
    assert done
    assert len(late) + len(done) == len(call.jobs)
    assert {failure.kind for answer in answers for failure in answer.failures} == {"late"}


def test_a_federation_of_stacks_goes_on_where_it_was_and_not_as_the_reference(tmp_path: Path) -> None:
    chosen = recipe(epochs=4, network="bigru", hidden_size=5)
    whole = trained(STACKED, chosen=chosen)
    first = folds_of(STACKED, chosen=chosen, checkpoint=tmp_path / "c")
    rounds = first.epochs()
    next(rounds), next(rounds)
    second = folds_of(STACKED, chosen=chosen)
    second.load(tmp_path / "c")
    assert len(second.history) == 2
    list(second.epochs())
    assert_same(second, whole)
    assert without_seconds(second.history) == without_seconds(whole.history)
    with pytest.raises(CheckpointError, match="backend is 'stacked', expected None"):
        folds_of(REFERENCE, chosen=chosen).load(tmp_path / "c")
