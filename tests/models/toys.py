"""Small series for the tests of models: unequal lengths, gaps in labels and in features, a learnable relation."""

from dataclasses import replace
from typing import Any

import numpy as np
from torch import nn

from models.frames import MISSING, FrameSeries
from models.recipe import Recipe
from models.splits import FoldSplit
from models.windows import Series

NUM_FEATURES = 6
RECIPE = Recipe(
    network="bigru",
    learning_rate=1e-2,
    hidden_size=5,
    sequence_length=16,
    num_layers=1,
    epochs=3,
    loss="mse",
    target="frame",
    partial_window="pad",
    windows_a_step=4,
    order="shuffled",
    keep="last",
)


def recipe(**changes: Any) -> Recipe:
    return replace(RECIPE, **changes)


def toy_series(num_series: int = 6, *, shortest: int = 70, seed: int = 1) -> list[Series]:
    """Valence and arousal are slow waves, features a noisy mixture of them; frames 5-8 invalid, 20-29 unlabelled."""
    rng = np.random.default_rng(seed)
    mixture = rng.normal(size=(2, NUM_FEATURES))
    made = []
    for index in range(num_series):
        num_frames = shortest + 13 * index
        time = np.arange(num_frames)[:, None] / rng.uniform(8, 20, size=2)
        gold = 0.6 * np.sin(time + rng.uniform(0, 6, size=2))
        features = gold @ mixture + 0.2 * rng.normal(size=(num_frames, NUM_FEATURES))
        valid = np.ones(num_frames, dtype=np.bool_)
        valid[5:9] = False
        features[~valid] = 0
        gold[20:30, index % 2] = np.nan
        made.append(
            Series(
                participant=f"P{index}",
                session="",
                features_TF=features.astype(np.float32),
                valid_T=valid,
                gold_T2=gold.astype(np.float32),
            )
        )
    return made


def toy_splits(num_folds: int = 3, num_series: int = 6) -> list[FoldSplit]:
    splits = []
    for k in range(num_folds):
        held_out = tuple(i for i in range(num_series) if i % num_folds == k)
        train = tuple(i for i in range(num_series) if i % num_folds != k)
        splits.append(FoldSplit(train=train, validation=held_out, held_out=held_out))
    return splits


IMAGE_SIZE = 36
IMAGE_RECIPE = recipe(
    network="rnn", sequence_length=8, windows_a_step=2, backbone="resnet18", image_size=IMAGE_SIZE, learning_rate=3e-3
)


def image_recipe(**changes: Any) -> Recipe:
    return replace(IMAGE_RECIPE, **changes)


def toy_frames(num_series: int = 6, *, shortest: int = 30, seed: int = 1) -> list[FrameSeries]:
    """Valence is in the red, arousal in the blue, green is noise; steps 5-8 have no frame, 12-14 half their labels.

    Two steps share a frame, frame 0 is never shown, and frames lie in another order than time.
    """
    rng = np.random.default_rng(seed)
    made = []
    for number in range(num_series):
        num_steps = shortest + 5 * number
        time = np.arange(num_steps)[:, None] / rng.uniform(3, 7, size=2)
        gold = 0.6 * np.sin(time + rng.uniform(0, 6, size=2))
        index = 1 + rng.permutation(num_steps)
        index[5:9] = MISSING
        index[11] = index[10]
        gold[11] = gold[10]
        frames = rng.integers(0, 256, (num_steps + 1, IMAGE_SIZE, IMAGE_SIZE, 3), dtype=np.uint8)
        valid = index != MISSING
        for colour, dimension in ((0, 0), (2, 1)):
            frames[index[valid], :, :, colour] = np.round(127 + 180 * gold[valid, dimension])[:, None, None]
        gold[12:15, number % 2] = np.nan
        made.append(
            FrameSeries(
                participant=f"P{number}",
                session="",
                frames=frames,
                index_T=index.astype(np.int64),
                gold_T2=gold.astype(np.float32),
            )
        )
    return made


class TinyBackbone(nn.Sequential):
    """In place of ResNet18 where its size would only cost time: a convolution, a batch normalisation, 512 features."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(3, 8, 5, stride=4), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
            nn.Linear(8, 512),
        )  # fmt: skip
