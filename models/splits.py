# ruff: noqa: N815 - shape suffixes on fields, by the legend below
"""Which series a fold trains on, and its view of the windows (paper, section IV.D).

Shapes: W windows, F features.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.recipe import Recipe
from models.windows import Scaling, Windows


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FoldSplit:
    """Which series a fold trains on, validates on and holds out, by index; optionally how it scales.

    `held_out` and `validation` may be the same series (the described protocol). `mean_F` and `sd_F` come
    together, from training series only; sd is positive.
    """

    train: tuple[int, ...]
    validation: tuple[int, ...]
    held_out: tuple[int, ...]
    mean_F: NDArray[np.floating] | tuple[float, ...] | None = None
    sd_F: NDArray[np.floating] | tuple[float, ...] | None = None


def check_images(windows: Windows, recipe: Recipe) -> None:
    """Refuse windows that are not what a recipe trains on: images of its size, or features (ValueError)."""
    expected = recipe.image_size if recipe.backbone is not None else None
    if windows.image_size != expected:
        what = {
            size: "features" if size is None else f"images of {size} pixels" for size in (windows.image_size, expected)
        }
        raise ValueError(f"the series are {what[windows.image_size]}, the recipe expects {what[expected]}")


def labelled_windows(windows: Windows, fold: int, purpose: str, series: tuple[int, ...]) -> Tensor:
    """Indices of the windows of a fold's series that have a labelled frame; ValueError when there is none."""
    index_W = windows.labelled(windows.of_series(series))
    if not len(index_W):
        raise ValueError(
            f"fold {fold}: no labelled window of {windows.length} frames to {purpose} on in its {len(series)} series"
        )
    return index_W


def split_identity(split: FoldSplit) -> list[list[float]]:
    """Return what a checkpoint keeps of a split: a training goes on only with an equal one."""
    scaling = [[] if values is None else [float(v) for v in values] for values in (split.mean_F, split.sd_F)]
    return [list(split.train), list(split.validation), list(split.held_out), *scaling]


def scaled(windows: Windows, fold: int, split: FoldSplit) -> Windows:
    """Return the same tensors with the fold's scaling; ValueError for a scaling that does not fit or divide."""
    if split.mean_F is None or split.sd_F is None:
        if split.mean_F is not None or split.sd_F is not None:
            raise ValueError(f"fold {fold}: scaling needs both mean and standard deviation")
        return windows
    if windows.rows is not None:
        raise ValueError(f"fold {fold}: images are normalised by the recipe, not scaled by a fold's statistics")
    mean_F, sd_F = (
        torch.tensor(np.asarray(values, dtype=np.float32), device=windows.features_WLF.device)
        for values in (split.mean_F, split.sd_F)
    )
    if mean_F.shape != (windows.num_features,) or sd_F.shape != (windows.num_features,):
        raise ValueError(
            f"fold {fold}: scaling of {len(mean_F)} and {len(sd_F)} features, expected {windows.num_features}"
        )
    if not bool((sd_F > 0).all() and sd_F.isfinite().all() and mean_F.isfinite().all()):
        raise ValueError(f"fold {fold}: scaling must be finite with positive standard deviations")
    return replace(windows, scaling=Scaling(mean_F=mean_F, sd_F=sd_F))
