"""The network before the recurrent one, where frames go in: its weights, found or refused before anything trains."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from models.backbone_weights import WeightsError, WeightsUnavailable, label_of, load_backbone_weights
from models.recipe import normalisation_of
from orchestrator.data.image_options import ImageOptions
from orchestrator.errors import InputError

BACKBONE = "resnet18"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Backbone:
    """ResNet18 without its last layer, as a run starts from it."""

    weights: Mapping[str, Tensor] | None  # None: drawn by the seed
    label: str  # none, imagenet, or the digest of a file's tensors
    normalisation: str
    image_size: int
    frozen: bool


def load_backbone(images: ImageOptions) -> Backbone:
    """Load what `--weights` asks for; InputError says what to do where it cannot be had."""
    try:
        weights = load_backbone_weights(images.weights)
    except WeightsUnavailable as error:
        raise InputError.of("--weights", found=error.found, expected=error.expected) from error
    except WeightsError as error:
        expected = "weights of a ResNet18, imagenet, or none"
        raise InputError.of(
            "--weights", found=f"{images.weights}, which cannot be used ({error})", expected=expected
        ) from error
    return Backbone(
        weights=weights,
        label=label_of(images.weights, weights),
        normalisation=normalisation_of(images.weights),
        image_size=images.image_size,
        frozen=images.backbone == "frozen",
    )
