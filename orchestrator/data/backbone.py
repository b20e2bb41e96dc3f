"""The network before the recurrent one, where frames go in: its weights, found or refused before anything trains."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from models.recipe import normalisation_of
from models.trunk_weights import WeightsError, label_of, load_trunk_weights
from orchestrator.data.image_options import ImageOptions
from orchestrator.errors import InputError

TRUNK = "resnet18"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trunk:
    """ResNet18 without its last layer, as a run starts from it."""

    weights: Mapping[str, Tensor] | None  # None: drawn by the seed
    label: str  # none, imagenet, or the digest of a file's tensors
    normalisation: str
    image_size: int
    frozen: bool


def load_trunk(images: ImageOptions) -> Trunk:
    """Load what `--weights` asks for; InputError says what to do where it cannot be had."""
    try:
        weights = load_trunk_weights(images.weights)
    except WeightsError as error:
        raise InputError.of("--weights", found=images.weights, expected=str(error)) from error
    return Trunk(
        weights=weights,
        label=label_of(images.weights, weights),
        normalisation=normalisation_of(images.weights),
        image_size=images.image_size,
        frozen=images.backbone == "frozen",
    )
