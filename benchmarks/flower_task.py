# ruff: noqa: N803, N806 - shape suffixes: B windows, L length, T or N frames, C colours, S pixels of a side, F, H features
"""What both sides of `federation_flower.py` do: one network, the data of 20 clients, one local epoch."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from torchvision.models import resnet18

from models.epochs import new_adam, train_one_epoch
from models.frames import FrameSeries
from models.networks import AffectNetwork, build_for
from models.recipe import Recipe
from models.sizes import BACKBONE_FEATURES, HEAD_NEURONS, NUM_DIMENSIONS
from models.windows import Windows, cut
from orchestrator.protocols import DEFAULT_WINDOWS_A_STEP

NUM_CLIENTS = 20
NUM_WORKERS = 2
NUM_FRAMES = 32
IMAGE_SIZE = 48
RECIPE = Recipe(
    network="bilstm",
    learning_rate=1e-4,
    hidden_size=128,
    sequence_length=8,
    num_layers=6,
    epochs=1,
    loss="mse",
    target="frame",
    partial_window="pad",
    windows_a_step=int(os.environ.get("WINDOWS_PER_STEP", DEFAULT_WINDOWS_A_STEP)),
    order="in-order",
    keep="last",
    backbone="resnet18",
    image_size=IMAGE_SIZE,
)
STEPS_PER_CLIENT = -(-NUM_FRAMES // RECIPE.sequence_length // RECIPE.windows_a_step)
# How Flower's clients are written: as its quickstart for PyTorch, in torch alone; rebuilt for every message but trained
# by this project's function, with torch's default Adam; or with network and data kept and the fused Adam, as here.
CLIENTS = ("quickstart", "rebuilt", "thrifty")
# Lines of the conversation with `federation_flower.py` among all that Ray and Flower print.
MARK = "@@ "


def recording(client: int) -> FrameSeries:
    """Make one client's only recording: bytes of noise on a tint that moves with its labels."""
    random = np.random.default_rng(client)
    gold_T2 = random.uniform(-1.0, 1.0, (NUM_FRAMES, 2)).astype(np.float32)
    noise_TSS3 = random.integers(0, 160, (NUM_FRAMES, IMAGE_SIZE, IMAGE_SIZE, 3))
    tint_T111 = (40 * (gold_T2[:, 0] + 1)).astype(np.int64)[:, None, None, None]
    return FrameSeries(
        participant=name_of(client),
        session="",
        frames=(noise_TSS3 + tint_T111).astype(np.uint8),
        index_T=np.arange(NUM_FRAMES),
        gold_T2=gold_T2,
    )


def name_of(client: int) -> str:
    return f"P{client:02}"


def new_network() -> AffectNetwork:
    return build_for(RECIPE, num_features=BACKBONE_FEATURES, seed=0)


@cache
def windows_of(client: int) -> Windows:
    """Cut a client's windows, once a process."""
    return cut([recording(client)], RECIPE.sequence_length)


def train(network: AffectNetwork, client: int, *, fused: bool = True) -> tuple[float, int]:
    """Train one local epoch with a fresh Adam; gives the mean loss, and the steps taken."""
    windows = windows_of(client)
    adam = new_adam(network, RECIPE.learning_rate)
    if not fused:
        adam = torch.optim.Adam(network.parameters(), lr=RECIPE.learning_rate)
    loss, count = train_one_epoch(network, adam, windows, windows.of_series((0,)), RECIPE, torch.Generator())
    steps = {int(state["step"]) for state in adam.state_dict()["state"].values()}
    assert len(steps) == 1, steps
    return loss / count, steps.pop()


class PlainNetwork(nn.Module):
    """The same network with the same names of its weights, as one writes it with torch and torchvision alone."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = resnet18()  # the names of the state are those of our network
        self.trunk.fc = nn.Identity()
        size, layers = RECIPE.hidden_size, RECIPE.num_layers
        self.recurrence = nn.LSTM(BACKBONE_FEATURES, size, layers, batch_first=True, bidirectional=True)
        self.head = nn.Sequential(nn.Linear(2 * size, HEAD_NEURONS), nn.ReLU(), nn.Linear(HEAD_NEURONS, NUM_DIMENSIONS))

    def forward(self, x_BLCSS: Tensor) -> Tensor:
        features_NF = self.trunk(x_BLCSS.flatten(0, 1))
        hidden_BLH, _ = self.recurrence(features_NF.unflatten(0, x_BLCSS.shape[:2]))
        prediction_BL2: Tensor = self.head(hidden_BLH)
        return prediction_BL2


def plain_loader(client: int) -> "DataLoader[tuple[Tensor, ...]]":
    """A client's windows, made floats once and batched for every message, as Flower's quickstart does."""
    return DataLoader(_plain_windows(client), batch_size=RECIPE.windows_a_step)


@cache
def _plain_windows(client: int) -> TensorDataset:
    one, shape = recording(client), (-1, RECIPE.sequence_length)
    x_TCSS = torch.from_numpy(one.frames).permute(0, 3, 1, 2).float().div(255).sub(0.5).div(0.5).contiguous()
    gold_T2 = torch.from_numpy(one.gold_T2)
    return TensorDataset(x_TCSS.unflatten(0, shape), gold_T2.unflatten(0, shape))


def train_plainly(network: nn.Module, client: int) -> tuple[float, int]:
    """Train one local epoch as Flower's quickstart for PyTorch does; gives the mean loss, and the steps taken."""
    adam, criterion = torch.optim.Adam(network.parameters(), lr=RECIPE.learning_rate), nn.MSELoss()
    network.train()
    losses = []
    for x_BLCSS, gold_BL2 in plain_loader(client):
        adam.zero_grad()
        loss = criterion(network(x_BLCSS), gold_BL2)
        loss.backward()
        adam.step()
        losses.append(loss.item())
    return sum(losses) / len(losses), len(losses)


def flat(state: Mapping[str, Tensor]) -> np.ndarray:
    """Line up everything that is averaged, weights and statistics, without the counters."""
    return torch.cat([value.flatten() for value in state.values() if value.is_floating_point()]).numpy()


def num_bytes(network: nn.Module) -> int:
    return sum(value.numel() * value.element_size() for value in network.state_dict().values())


def rounds_asked_for() -> Iterator[int]:
    """Say that this side is ready, then give the number of each round that the other end asks for."""
    print(f"{MARK}ready", flush=True)
    for line in sys.stdin:
        yield int(line)


def tell(number: int, work: Mapping[str, object], weights: Callable[[], np.ndarray], folder: Path, side: str) -> None:
    """Report a round; after the first, which both sides begin alike, leave the averaged weights in a file too."""
    if number == 1:
        np.save(folder / f"{side}.npy", weights())
    print(f"{MARK}{json.dumps({'round': number, **work})}", flush=True)


def side_arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, required=True)
    return parser
