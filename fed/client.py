# ruff: noqa: N803, N806 - shape suffixes, by the legend below
"""A client: one participant's data, where it lives, and what is done with it there (paper, section III.B).

Everything here runs in whatever process holds the data. Only `Update`, `Evaluation`, `Scored` (predictions and sums),
sizes and (where a client keeps something between rounds) `ClientState` leave it.
Shapes: K folds, W windows, N weights of a network, M integers, T frames of a recording, F features.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fed.local_plan import LocalPlan, part_of
from fed.messages import ClientState, Floats, Integers, Job, Update
from fed.options import Federation
from fed.secure_sums.client import SumClient
from fed.stacked_clients import StackedClients
from fed.updates import Layout, copy_into, flatten
from models.epochs import Evaluation, evaluate, new_adam, predict, train_one_epoch
from models.frames import FrameSeries
from models.networks import AffectNetwork
from models.seeds import seed_for
from models.splits import check_images, scaled
from models.trace_scores import Scored
from models.trace_scores import scored as scored_trace
from models.windows import Series, Windows, cut, merge


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A participant by name, and the picklable recipe that reads that participant's series where they live."""

    name: str
    load: Callable[[], Sequence[Series | FrameSeries]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """Sizes of a client's data: shape of every series, and the labelled windows of each; no value of a feature."""

    num_features: int
    sessions: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    num_windows: tuple[int, ...]


def learn(  # noqa: PLR0913, PLR0917 - everything local training depends on, and nothing hidden
    model: AffectNetwork,
    windows: Windows,
    index_W: Tensor,
    plan: LocalPlan,
    generator: torch.Generator,
    optimiser: torch.optim.Optimizer,
) -> tuple[float, int]:
    """Train the local epochs; with `proximal` towards the weights the model comes with (FedProx).

    Returns the sum of the loss over the compared elements, without the proximal term, and their number.
    """
    pull = _pull_home(model, optimiser, plan.federation.proximal) if plan.federation.proximal else None
    parts = [
        train_one_epoch(model, optimiser, windows, index_W, plan.recipe, generator)
        for _ in range(plan.federation.local_epochs)
    ]
    if pull is not None:
        pull.remove()
    return sum(loss for loss, _ in parts), sum(count for _, count in parts)


def _pull_home(model: nn.Module, optimiser: torch.optim.Optimizer, mu: float) -> torch.utils.hooks.RemovableHandle:
    """Add the gradient of mu / 2 |w - w_global|^2 before every step."""
    home = [(parameter, parameter.detach().clone()) for parameter in model.parameters()]

    def add_gradient(*_: object) -> None:
        for parameter, start in home:
            if parameter.grad is not None:
                parameter.grad.add_(parameter.detach() - start, alpha=mu)

    return optimiser.register_step_pre_hook(add_gradient)


class Site:
    """Some clients' data, read once, and one resident network that all of them use in turn."""

    def __init__(self, clients: Sequence[Client], plan: LocalPlan, device: str = "cpu") -> None:
        """Remember who lives here; nothing is read before it is needed."""
        self._clients = {client.name: client for client in clients}
        self.plan = plan
        self.sums: dict[tuple[int, str], SumClient] = {}  # of the running round, by fold and client
        self._device = device
        self._series: dict[str, tuple[Series | FrameSeries, ...]] = {}
        self._stacked: StackedClients | None = None
        self._windows: dict[str, Windows] = {}
        self._model: AffectNetwork | None = None
        self._layout: Layout | None = None

    def take(self, plan: LocalPlan) -> None:
        """Switch to another configuration of the same clients; their series stay in memory."""
        self.plan = plan
        self.sums = {}
        self._windows = {}
        self._model = self._layout = self._stacked = None

    def forget(self, names: Sequence[str]) -> None:
        """Drop the data of clients; it is read again if one comes back."""
        self._stacked = None
        for name in names:
            self._series.pop(name, None)
            self._windows.pop(name, None)

    def describe(self, name: str) -> Description:
        """Read a client's data, at the latest now, and tell its sizes."""
        windows = self._windows_of(name)
        return Description(
            num_features=windows.num_features,
            sessions=tuple(one.session for one in self._series[name]),
            shapes=tuple(_shape_of(one) for one in self._series[name]),
            num_windows=tuple(len(windows.labelled(windows.of_series((i,)))) for i in range(len(windows.num_frames))),
        )

    def train(self, job: Job, number: int, weights: Floats, integers: Integers, state: ClientState | None) -> Update:
        """Train one client in round `number` from the weights (N,) and integers (M,) it was sent."""
        windows, index_W = self._view(job)
        model, layout = self._resident(windows)
        _import_optimisers()
        return train_locally(model, layout, windows, index_W, self.plan, job, number, weights, integers, state)

    def evaluate(self, job: Job, weights: Floats, integers: Integers, state: ClientState | None) -> Evaluation:
        """Score a network on a client's windows; loss, errors and moments leave, no frame."""
        windows, index_W = self._view(job)
        model, layout = self._resident(windows)
        copy_into(model, weights, integers, layout)
        _restore_own(model, state)
        return evaluate(model, windows, index_W, self.plan.recipe)

    def stacked(self, names: Sequence[str]) -> StackedClients:
        """Return these clients' stacks, with all that were read before; whatever a client cannot read is raised."""
        if self._stacked is None or not set(names) <= set(self._stacked.names):
            every = [name for name in self._clients if name in names or name in self._series]
            layout = self._resident(self._windows_of(names[0]))[1]
            series = {name: self._features_of(name) for name in every}
            self._stacked = StackedClients(series, self.plan, layout, self._device)
        return self._stacked

    def score(self, job: Job, weights: Floats, integers: Integers) -> list[Scored]:
        """Predict traces of a client's series and compare them with its labels, which stay here."""
        windows = scaled(self._windows_of(job.client), job.fold, self.plan.splits[job.fold])
        model, layout = self._resident(windows)
        copy_into(model, weights, integers, layout)
        index_W = windows.of_series(job.series)
        traces = merge(predict(model, windows, index_W), windows, index_W, job.series)
        own, length = self._series[job.client], self.plan.recipe.sequence_length
        return [scored_trace(trace, own[place], length) for place, trace in zip(job.series, traces, strict=True)]

    def network(self, name: str) -> tuple[AffectNetwork, Layout]:
        """Return the resident network, whatever is in it, and where its entries lie."""
        return self._resident(self._windows_of(name))

    def _view(self, job: Job) -> tuple[Windows, Tensor]:
        windows = scaled(self._windows_of(job.client), job.fold, self.plan.splits[job.fold])
        return windows, part_of(windows, windows.labelled(windows.of_series(job.series)), job.part)

    def read(self, name: str) -> tuple[Series | FrameSeries, ...]:
        """Return a client's series, read at the latest now."""
        if name not in self._series:
            self._series[name] = _loaded(self._clients[name])
        return self._series[name]

    def _features_of(self, name: str) -> tuple[Series, ...]:
        series = self.read(name)
        assert all(isinstance(one, Series) for one in series), f"client {name} has images, of which there are no stacks"
        return tuple(one for one in series if isinstance(one, Series))

    def _windows_of(self, name: str) -> Windows:
        if name not in self._windows:
            recipe = self.plan.recipe
            windows = cut(self.read(name), recipe.sequence_length, partial=recipe.partial_window)
            check_images(windows, recipe)
            self._windows[name] = windows.to(self._device)
        return self._windows[name]

    def _resident(self, windows: Windows) -> tuple[AffectNetwork, Layout]:
        if self._model is None or self._layout is None:
            self._model = self.plan.new_model(windows.num_features, fold=0).to(self._device)
            self._layout = Layout.of(self._model.state_dict())
        return self._model, self._layout


@cache
def _import_optimisers() -> None:
    """Make a first Adam: it imports torch's compiler, seconds that are no client's training time."""
    torch.optim.Adam([nn.Parameter(torch.zeros(1))])


def train_locally(  # noqa: PLR0913, PLR0917 - everything an update depends on, and nothing hidden
    model: AffectNetwork,
    layout: Layout,
    windows: Windows,
    index_W: Tensor,
    plan: LocalPlan,
    job: Job,
    number: int,
    weights: Floats,
    integers: Integers,
    state: ClientState | None,
) -> Update:
    """Train from (N,) and (M,) and the client's kept state.

    `model` is overwritten, whatever it held: the result depends on the arguments alone. `layout` says where its entries
    lie; `index_W` which of the client's `windows` are trained on; `plan` and `job` what all clients and this one must
    know; `number` is the round's; `weights` and `integers` the global model; `state` what the client kept, None:
    nothing.
    """
    start = time.perf_counter()
    copy_into(model, weights, integers, layout)
    _restore_own(model, state)
    optimiser = new_adam(model, plan.recipe.learning_rate)
    if state is not None and plan.federation.optimiser == "kept":
        _restore_adam(optimiser, state)
    address = ("fold", job.fold, "client", job.client, "round", number)
    generator = torch.Generator().manual_seed(seed_for(plan.seed, *address))
    loss_sum, count = (plan.learn or learn)(model, windows, index_W, plan, generator, optimiser)
    trained, counted = flatten(model.state_dict(), layout)
    return Update(
        client=job.client,
        round=number,
        fold=job.fold,
        layout=layout.digest,
        num_samples=len(index_W),
        weights=trained,
        integers=counted,
        train_loss=loss_sum / count if count else 0.0,
        seconds=time.perf_counter() - start,
        state=_kept(model, optimiser, plan.federation),
    )


def _kept(model: AffectNetwork, optimiser: torch.optim.Optimizer, federation: Federation) -> ClientState | None:
    """What a client takes from one round into the next; None: nothing."""
    kept: dict[str, NDArray[np.generic]] = {}
    if federation.optimiser == "kept":
        for number, fields in optimiser.state_dict()["state"].items():
            kept |= {f"adam.{number}.{name}": value.cpu().numpy().copy() for name, value in fields.items()}
    if federation.batch_norm == "local":
        kept |= {f"own.{name}": value.cpu().numpy().copy() for name, value in _own_entries(model).items()}
    return kept or None


def _own_entries(model: nn.Module) -> dict[str, Tensor]:
    """Scales, shifts, statistics and counters of all batch normalisations."""
    return {
        f"{path}.{name}": value
        for path, module in model.named_modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm)
        for name, value in module.state_dict().items()
    }


def _restore_own(model: nn.Module, state: ClientState | None) -> None:
    own = {name.removeprefix("own."): value for name, value in (state or {}).items() if name.startswith("own.")}
    if own:
        targets = _own_entries(model)
        with torch.no_grad():
            for name, value in own.items():
                targets[name].copy_(torch.from_numpy(np.array(value)))


def _restore_adam(optimiser: torch.optim.Optimizer, state: ClientState) -> None:
    fields: dict[int, dict[str, Tensor]] = {}
    for name, value in state.items():
        kind, _, rest = name.partition(".")
        if kind == "adam":
            number, field_name = rest.split(".")
            fields.setdefault(int(number), {})[field_name] = torch.from_numpy(np.array(value))
    optimiser.load_state_dict({**optimiser.state_dict(), "state": fields})


def _loaded(client: Client) -> tuple[Series | FrameSeries, ...]:
    series = tuple(client.load())
    strangers = {one.participant for one in series} - {client.name}
    if not series or strangers:
        found = f"series of {', '.join(sorted(strangers))}" if strangers else "no series"
        raise ValueError(f"client {client.name}: its recipe gives {found}, expected its own")
    return series


def _shape_of(series: Series | FrameSeries) -> tuple[int, ...]:
    if isinstance(series, Series):
        return tuple(series.features_TF.shape)
    return (len(series.index_T), *series.frames.shape)
