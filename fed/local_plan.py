# ruff: noqa: N803, N806 - shape suffixes, by the legend below
"""What all clients of a federation must know, and which of a client's windows a job is about.

Shapes: W windows.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fed.options import Federation
from models.backends import REFERENCE
from models.networks import AffectNetwork, build_for
from models.recipe import Recipe
from models.seeds import seed_for
from models.splits import FoldSplit
from models.windows import Windows

# The paper's remark on n global models is tried on the last fifth of each client's own recordings; the share is ours.
OWN_TEST_SHARE = 0.2

# How a client learns: network, its windows, which of them, plan, generator, optimiser -> sum of the loss, elements.
Learn = Callable[[AffectNetwork, Windows, Tensor, Any, torch.Generator, torch.optim.Optimizer], tuple[float, int]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LocalPlan:
    """What all clients must know; picklable. `splits` are the folds, for their scaling only.

    `backend` is "reference" (one network after another) or "stacked" (those of a process together). `learn` replaces
    `fed.client.learn`, which None stands for.
    """

    recipe: Recipe
    federation: Federation
    splits: tuple[FoldSplit, ...]
    seed: int
    backbone_weights: Mapping[str, Tensor] | None = None
    identities: Path | None = None  # folder of the keys that clients of secure sums sign with
    learn: Learn | None = None
    backend: str = REFERENCE

    def new_model(self, num_features: int, fold: int) -> AffectNetwork:
        """Build the network that a fold begins with, the same as in centralised training."""
        recipe = self.recipe
        if self.federation.batch_norm == "frozen":
            recipe = replace(recipe, batch_norm="frozen")
        seed = seed_for(self.seed, "fold", fold, "weights")
        return build_for(recipe, num_features=num_features, seed=seed, backbone_weights=self.backbone_weights)


def first_frames(num_frames: int) -> int:
    """Return how many of a series' frames are trained on if the rest is kept for a client's own network."""
    return num_frames - int(num_frames * OWN_TEST_SHARE)


def part_of(windows: Windows, index_W: Tensor, part: str) -> Tensor:
    """Those of the windows that lie wholly in the first four fifths of their series, or in the last fifth."""
    if part == "all":
        return index_W
    border_W = torch.tensor([first_frames(number) for number in windows.num_frames])[windows.series_W[index_W]]
    start_W = windows.start_W[index_W]
    inside_W = start_W + windows.length_W[index_W] <= border_W if part == "first" else start_W >= border_W
    return index_W[inside_W]
