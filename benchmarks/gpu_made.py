"""Made people and recipes of the GPU's measurements, of the size of the paper's corpus."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from models.recipe import Recipe
from models.splits import FoldSplit
from models.stacks.folds import StackedFolds
from models.windows import Series

FEATURES = 40


@dataclass(frozen=True)
class Scale:
    """Where and on how much is trained; handed on to processes, which import this file anew."""

    device: str = "cuda"
    people: int = 23
    folds: int = 8
    rates: tuple[float, ...] = (1e-3, 1e-4, 1e-5)

    @property
    def models(self) -> int:
        """The models of a pack: one per fold and learning rate."""
        return self.folds * len(self.rates)


PAPERS = Scale()


def recipe(network: str, hidden: int, length: int, layers: int, **others: Any) -> Recipe:
    """Return the paper's recipe of a network, `others` replacing its fields."""
    fields = {
        "network": network,
        "hidden_size": hidden,
        "sequence_length": length,
        "num_layers": layers,
        "learning_rate": PAPERS.rates[0],
        "epochs": 2,
        "loss": "mse",
        "target": "frame",
        "partial_window": "pad",
        "windows_a_step": 8,
        "order": "shuffled",
        "keep": "last",
    }
    return Recipe(**{**fields, **others})


def people(number: int, frames: int) -> list[Series]:
    """Make people whose features follow their gold standard, with noise."""
    draw = np.random.default_rng(0)
    mix = draw.normal(size=(2, FEATURES))
    made = []
    for person in range(number):
        angle = np.arange(frames)[:, None] / draw.uniform(20, 60, size=2) + draw.uniform(0, 6, size=2)
        gold = 0.6 * np.sin(angle)
        features = gold @ mix + 0.5 * draw.normal(size=(frames, FEATURES))
        made.append(
            Series(
                participant=f"P{person}",
                session="",
                features_TF=features.astype(np.float32),
                valid_T=np.ones(frames, bool),
                gold_T2=gold.astype(np.float32),
            )
        )
    return made


def splits(number: int, folds: int) -> list[FoldSplit]:
    """Split people into folds."""
    parts = [tuple(map(int, part)) for part in np.array_split(np.arange(number), folds)]
    return [
        FoldSplit(train=tuple(i for i in range(number) if i not in part), validation=part, held_out=part)
        for part in parts
    ]


def seconds_of(steps: Iterable[Any]) -> list[float]:
    """Return what each step of an iteration takes, the device's work included."""
    taken, start = [], time.perf_counter()
    for _ in steps:
        if torch.cuda.is_initialized():
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - start)
        start = time.perf_counter()
    return taken


def pack(point: tuple[str, int, int, int, int], backend: str, scale: Scale, **others: Any) -> StackedFolds:
    """Return the pack of a point's models."""
    network, hidden, length, layers, frames = point
    fields = others.pop("recipe", {})
    recipes = [recipe(network, hidden, length, layers, **{**fields, "learning_rate": rate}) for rate in scale.rates]
    return StackedFolds(
        people(scale.people, frames),
        splits(scale.people, scale.folds),
        recipes,
        seeds=[0] * len(recipes),
        device=scale.device,
        backend=backend,
        **others,
    )
