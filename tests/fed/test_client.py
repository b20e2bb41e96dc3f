"""What happens at a client: local epochs, the proximal term, batch normalisation, what is kept, what is left out."""

import subprocess
import sys
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from fed.client import Client, Site, learn
from fed.executors.in_process import in_process
from fed.local_plan import LocalPlan
from fed.messages import Job
from fed.options import Federation
from fed.updates import Layout, flatten
from models.epochs import new_adam
from models.networks import build
from models.seeds import seed_for
from models.windows import Series, cut
from tests.conftest import ROOT
from tests.fed.toys import RECIPE, SERIES, SPLITS, federation, flat, in_memory, learning, trained
from tests.models.toys import NUM_FEATURES, recipe


def plan(**options: Any) -> LocalPlan:
    return LocalPlan(recipe=RECIPE, federation=Federation(**options), splits=tuple(SPLITS), seed=0)


def start(site_plan: LocalPlan) -> tuple[np.ndarray, np.ndarray]:
    state = site_plan.new_model(NUM_FEATURES, 0).state_dict()
    return flatten(state, Layout.of(state))


def test_seeds_derive_from_fold_client_and_round() -> None:
    seeds = []

    def spy(*arguments: Any) -> tuple[float, int]:
        seeds.append(arguments[4].initial_seed())
        return learn(*arguments)

    list(federation(start=learning(spy, in_process)).epochs())
    expected = {
        seed_for(0, "fold", k, "client", f"P{i}", "round", r)
        for k, split in enumerate(SPLITS)
        for i in split.train
        for r in (1, 2)
    }
    assert set(seeds) == expected
    assert len(seeds) == 12


def test_what_a_site_trained_before_does_not_matter() -> None:
    here = plan()
    weights, integers = start(here)
    site = Site(in_memory(SERIES), here)
    jobs = [Job(fold=0, client=name, row=0, series=(0,)) for name in ("P1", "P3")]
    first = site.train(jobs[0], 1, weights, integers, None)
    site.train(jobs[1], 1, weights, integers, None)
    again = site.train(jobs[0], 1, weights, integers, None)
    np.testing.assert_array_equal(first.weights, again.weights)
    other = Site(in_memory(SERIES), here).train(jobs[1], 1, weights, integers, None)
    assert not np.array_equal(first.weights, other.weights)
    assert first.num_samples == len(cut([SERIES[1]], 16).length_W) != other.num_samples


def test_data_is_read_once() -> None:
    reads = []

    def load(one: Series) -> list[Series]:
        reads.append(one.participant)
        return [one]

    clients = [Client(name=one.participant, load=partial(load, one)) for one in SERIES]
    trained(clients=clients, chosen=recipe(epochs=3))
    assert sorted(reads) == [one.participant for one in SERIES]


def test_local_epochs_are_so_many_epochs() -> None:
    here = plan(local_epochs=3)
    model = here.new_model(NUM_FEATURES, 0)
    twin = here.new_model(NUM_FEATURES, 0)
    windows = cut(SERIES[:1], 16)
    index = windows.of_series((0,))
    generators = [torch.Generator().manual_seed(4) for _ in range(2)]
    loss, count = learn(model, windows, index, here, generators[0], new_adam(model, 1e-2))
    single, adam = plan(), new_adam(twin, 1e-2)
    parts = [learn(twin, windows, index, single, generators[1], adam) for _ in range(3)]
    assert (loss, count) == (sum(p[0] for p in parts), sum(p[1] for p in parts))
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), twin.parameters(), strict=True))


def test_the_proximal_term_is_its_gradient() -> None:
    mu = 0.7
    windows = cut(SERIES[:1], 16)
    index = windows.of_series((0,))
    pulled, plain = (build("rnn", num_features=NUM_FEATURES, hidden_size=5, num_layers=1, seed=1) for _ in range(2))
    one = replace(RECIPE, order="in-order", windows_a_step=3)
    home = [parameter.detach().clone() for parameter in pulled.parameters()]
    here = replace(plan(proximal=mu), recipe=one)
    learn(pulled, windows, index, here, torch.Generator(), torch.optim.SGD(pulled.parameters(), lr=0.05))
    sgd = torch.optim.SGD(plain.parameters(), lr=0.05)
    for rows in torch.split(index, 3):
        batch = windows.batch(rows)
        wrong = (plain(batch.x_BLF, batch.length_B) - batch.gold_BL2)[batch.mask_BL2]
        distance = sum((p - h).square().sum() for p, h in zip(plain.parameters(), home, strict=True))
        sgd.zero_grad()
        (wrong.square().mean() + mu / 2 * distance).backward()
        sgd.step()
    for mine, other in zip(pulled.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-6)  # summed in another order
    steps = [float((flat(trained(proximal=m), 0) - flat(federation(), 0)).norm()) for m in (0.0, 1.0, 100.0)]
    assert steps[0] > steps[1] > steps[2] > 0


def test_personal_networks_do_not_train_on_what_they_are_scored_on() -> None:
    changed = []
    for one in SERIES:
        gold = one.gold_T2.copy()
        gold[len(gold) - len(gold) // 5 :] *= -1
        changed.append(replace(one, gold_T2=gold))
    settings = {"aggregator": "personalised", "splits": SPLITS[:1]}
    first, second = trained(**settings), trained(series=changed, **settings)
    assert torch.equal(flat(first, 0), flat(second, 0))
    assert first.rounds[-1].own_ccc_valence != second.rounds[-1].own_ccc_valence
    assert len(first.rounds[-1].own_ccc_valence) == 1
    plain, other = trained(splits=SPLITS[:1]), trained(splits=SPLITS[:1], series=changed)
    assert not torch.equal(flat(plain, 0), flat(other, 0))
    assert plain.rounds[-1].own_ccc_valence == ()


class Normed(torch.nn.Module):
    """A stand-in for a network with batch normalisation, small enough for a test."""

    def __init__(self, features: int, frozen: bool) -> None:
        super().__init__()
        self.norm = torch.nn.BatchNorm1d(features)
        self.head = torch.nn.Linear(features, 2)
        self.frozen = frozen

    def train(self, mode: bool = True) -> "Normed":
        super().train(mode)
        if self.frozen:
            self.norm.eval()
        return self

    def forward(self, x: torch.Tensor, *_: Any) -> torch.Tensor:
        out: torch.Tensor = self.head(self.norm(x.flatten(0, 1)).reshape(x.shape))
        return out


@pytest.fixture
def normed(monkeypatch: pytest.MonkeyPatch) -> None:
    def build_normed(chosen: Any, *, num_features: int, seed: int, **_: Any) -> Normed:
        torch.manual_seed(seed)
        return Normed(num_features, chosen.batch_norm == "frozen")

    monkeypatch.setattr("fed.local_plan.build_for", build_normed)


@pytest.mark.usefixtures("normed")
def test_batch_normalisation_by_policy() -> None:
    found = {policy: trained(splits=SPLITS[:1], batch_norm=policy) for policy in ("mean", "local", "frozen")}
    states = {policy: folds.fold_state(0) for policy, folds in found.items()}
    assert torch.equal(states["frozen"]["norm.running_mean"], torch.zeros(NUM_FEATURES))
    assert int(states["frozen"]["norm.num_batches_tracked"]) == 0
    assert not torch.equal(states["frozen"]["norm.weight"], torch.ones(NUM_FEATURES))  # the scale is trained
    # The largest client's steps of two rounds: integers are not averaged.
    steps = -(-len(cut([SERIES[5]], 16).labelled(torch.arange(9))) // RECIPE.windows_a_step)
    assert states["mean"]["norm.num_batches_tracked"].dtype == torch.int64
    assert int(states["mean"]["norm.num_batches_tracked"]) == 2 * steps
    assert not torch.equal(states["mean"]["norm.running_mean"], torch.zeros(NUM_FEATURES))
    assert not torch.equal(states["mean"]["norm.weight"], states["local"]["norm.weight"])
    assert not found["mean"]._client_states
    kept = found["local"]._client_states
    assert sorted(kept) == [(0, "P1"), (0, "P3"), (0, "P5")]
    assert sorted(kept[0, "P1"]) == [f"own.norm.{n}" for n in sorted(Normed(1, False).norm.state_dict())]
    means = torch.stack([torch.from_numpy(kept[0, name]["own.norm.running_mean"]) for name in ("P1", "P3", "P5")])
    torch.testing.assert_close(states["local"]["norm.running_mean"], means.mean(0))
    assert not torch.equal(means[0], means[1])


@pytest.mark.usefixtures("normed")
def test_local_normalisation_is_resumed(tmp_path: Any) -> None:
    settings = {"chosen": recipe(epochs=3), "batch_norm": "local", "checkpoint": tmp_path}
    whole = trained(**settings)
    first = federation(**settings)
    next(iter(first.epochs()))
    second = federation(**settings)
    second.load(tmp_path)
    assert len(list(second.epochs())) == 2
    assert torch.equal(flat(second, 1), flat(whole, 1))


def test_a_clients_training_time_has_no_imports_in_it() -> None:
    """In a fresh process, as a client's is: torch's compiler comes with the first Adam."""
    code = (
        "import sys\n"
        "from fed import client\n"
        "from tests.fed.toys import SERIES, federation, in_memory\n"
        "folds = federation()\n"
        "job, state = folds._cohort.training(0)[0], folds._states[0]\n"
        "site = client.Site(in_memory(SERIES), folds._plan)\n"
        "seen, clock = [], client.time.perf_counter\n"
        "client.time.perf_counter = lambda: seen.append('torch._dynamo' in sys.modules) or clock()\n"
        "assert 'torch._dynamo' not in sys.modules\n"
        "site.train(job, 1, state.weights, state.integers, None)\n"
        "assert seen[0], seen\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
