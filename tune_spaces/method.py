"""The types of a method: what it learns from, its networks, its grid and the paper's best points."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class HParams:
    """One row of Table I's columns."""

    learning_rate: float
    hidden_size: int
    sequence_length: int
    num_layers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """A named size of search: the grid it walks, the networks, and the number of epochs (None: the protocol's).

    The rest is for methods on frames, and each an option of the command line: pixels of a frame's side; every
    so many frames one is kept (1: all); `backbone` "trained" with the rest or "frozen", its features computed
    once; `weights` that the ResNet18 starts from, "imagenet", "none" or a file.
    """

    networks: tuple[str, ...]
    grid: Mapping[str, tuple[float | int, ...]]
    epochs: int | None
    image_size: int | None = None
    frame_stride: int = 1
    backbone: str = "trained"
    weights: str = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One way of learning affect, as the paper's section III describes them."""

    name: str
    title: str
    features: str  # "action-units" or "frames"
    federated: bool
    networks: tuple[str, ...]
    presets: Mapping[str, Preset]
    published: Mapping[str, HParams]  # Table I: network -> best configuration
