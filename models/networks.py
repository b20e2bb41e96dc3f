"""The recurrent networks of models.sizes.NETWORKS with their head, for images behind a backbone (paper, section IV.B).

Shapes: B windows, L window length, F features, H hidden times directions, 2 = valence and arousal,
N frames of all windows without padding, I the axes of an image.
"""

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor, nn

from models import recurrences
from models.backbones import check_backbone, features_of, new_backbone
from models.recipe import Recipe
from models.recurrences import Recurrence
from models.sizes import BACKBONE_FEATURES, DEFAULT_HEAD, NUM_DIMENSIONS, head_sizes, network_of

MODULES: dict[str, Callable[..., Recurrence]] = {
    "tanh": partial(nn.RNN, nonlinearity="tanh"),
    "gru": nn.GRU,
    "lstm": nn.LSTM,
}


def new_recurrence(network: str, num_features: int, hidden_size: int, num_layers: int) -> Recurrence:
    """Build a network's recurrent layers, initialised by torch's global generator."""
    facts = network_of(network)
    make = MODULES[facts.cell]
    return make(num_features, hidden_size, num_layers, batch_first=True, bidirectional=facts.directions == 2)


def _head(head: str, width: int, sequence_length: int) -> nn.Sequential:
    inputs, neurons = head_sizes(head, width, sequence_length)
    if head == DEFAULT_HEAD:
        return nn.Sequential(nn.Linear(inputs, neurons), nn.ReLU(), nn.Linear(neurons, NUM_DIMENSIONS))
    return nn.Sequential(nn.Flatten(), nn.Linear(inputs, neurons), nn.Linear(neurons, NUM_DIMENSIONS))


class AffectNetwork(nn.Module):
    """Recurrence over the frames of a window, a head at every frame or on the window, and a backbone for images."""

    def __init__(  # noqa: PLR0913 - the parts of a network
        self,
        recurrence: Recurrence,
        backbone: nn.Module | None = None,
        *,
        normalisation: str = "half",
        batch_norm: str = "train",
        head: str = DEFAULT_HEAD,
        sequence_length: int = 0,
    ) -> None:
        """Build the recurrence with a freshly initialised head; the last four are as in `Recipe`."""
        super().__init__()
        self.trunk = backbone  # the spelling of files of weights, which stays
        self.recurrence = recurrence
        self.normalisation = normalisation
        self.batch_norm = batch_norm
        width = recurrence.hidden_size * (2 if recurrence.bidirectional else 1)
        self.head = _head(head, width, sequence_length)
        self.window_length = None if head == DEFAULT_HEAD else sequence_length  # that the head takes; None: any

    @property
    def backbone(self) -> nn.Module | None:
        """What turns images into features; None where features go in."""
        return self.trunk

    def train(self, mode: bool = True) -> "AffectNetwork":
        """Set the mode; frozen batch normalisations keep their statistics in training too."""
        super().train(mode)
        if self.backbone is not None and self.batch_norm == "frozen":
            for module in self.backbone.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self

    def forward(self, x_BLF: Tensor, length_B: Tensor | None = None, valid_BL: Tensor | None = None) -> Tensor:
        """Predict (B, L, 2) from features (B, L, F), or from images with a backbone.

        Images are float (B, L, 3, S, S), already normalised, or uint8 (B, L, S, S, 3), as they are stored.
        `length_B` counts each window's real frames and lies on the CPU; None says that no window is padded.
        Padding changes no real frame; what is predicted for padding means nothing. The backbone sees no image that
        is False in `valid_BL`, on the CPU too: its features are 0. None says that all real frames are images.
        A head on whole windows gives all frames of a window the same; ValueError for a window that it does not fit.
        """
        if self.backbone is not None:
            x_BLF = self._features_of_images(self.backbone, x_BLF, length_B, valid_BL)
        if length_B is not None and int(length_B.min()) == x_BLF.shape[1]:
            length_B = None
        hidden_BLH = recurrences.run(self.recurrence, x_BLF, length_B)
        if self.window_length is None:
            prediction_BL2: Tensor = self.head(hidden_BLH)
            return prediction_BL2
        length = hidden_BLH.shape[1]
        if length_B is not None or length != self.window_length:
            found = f"{length} frames" if length_B is None else "partial windows"
            raise ValueError(f"the head takes whole windows of {self.window_length} frames, found {found}")
        prediction_B2: Tensor = self.head(hidden_BLH)
        return prediction_B2[:, None].expand(-1, length, -1)

    def _features_of_images(
        self, backbone: nn.Module, x_BLI: Tensor, length_B: Tensor | None, valid_BL: Tensor | None
    ) -> Tensor:
        """Run the backbone on real images only: blank ones would bend the statistics of its batch normalisation."""
        batch, length = x_BLI.shape[:2]
        real_BL = torch.ones(batch, length, dtype=torch.bool) if valid_BL is None else valid_BL
        if length_B is not None:
            real_BL = real_BL & (torch.arange(length) < length_B[:, None])
        # Counted on the CPU: a GPU need not be waited for.
        at_N = real_BL.flatten().nonzero().flatten()
        if len(at_N) == batch * length:
            return features_of(backbone, x_BLI.flatten(0, 1), self.normalisation).reshape(batch, length, -1)
        at_N = at_N.to(x_BLI.device)
        features_NF = features_of(backbone, x_BLI.flatten(0, 1).index_select(0, at_N), self.normalisation)
        features_MF = features_NF.new_zeros(batch * length, features_NF.shape[-1])
        return features_MF.index_copy(0, at_N, features_NF).reshape(batch, length, -1)


def build(  # noqa: PLR0913 - Table I's columns, and what a backbone needs
    network: str,
    *,
    num_features: int,
    hidden_size: int,
    num_layers: int,
    seed: int,
    backbone: str | None = None,
    backbone_weights: Mapping[str, Tensor] | None = None,
    normalisation: str = "half",
    batch_norm: str = "train",
    head: str = DEFAULT_HEAD,
    sequence_length: int = 0,
) -> AffectNetwork:
    """Build a network on the CPU whose weights depend on `seed` alone; the global generator stays as it was.

    `num_layers` layers of `hidden_size` units per direction, `num_features` in. With a backbone `num_features` is what
    it puts out, 512; `backbone_weights` (of `load_backbone_weights`) replace those that it would draw, and change
    nothing else. `normalisation`, `batch_norm`, `head` and `sequence_length` (frames, of a head on whole windows) as in
    `Recipe`. Unknown names are answered with the known ones (ValueError).
    """
    network_of(network)
    if backbone is not None:
        check_backbone(backbone)
    assert backbone is None or num_features == BACKBONE_FEATURES, f"the backbone puts out {BACKBONE_FEATURES} features"
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return AffectNetwork(
            new_recurrence(network, num_features, hidden_size, num_layers),
            new_backbone(backbone, weights=backbone_weights) if backbone is not None else None,
            normalisation=normalisation,
            batch_norm=batch_norm,
            head=head,
            sequence_length=sequence_length,
        )


def build_for(
    recipe: Recipe, *, num_features: int, seed: int, backbone_weights: Mapping[str, Tensor] | None = None
) -> AffectNetwork:
    """Build the network of a recipe as `build` does; `num_features` is `Windows.num_features`."""
    return build(
        recipe.network,
        num_features=num_features,
        hidden_size=recipe.hidden_size,
        num_layers=recipe.num_layers,
        seed=seed,
        backbone=recipe.backbone,
        backbone_weights=backbone_weights,
        normalisation=recipe.normalisation,
        batch_norm=recipe.batch_norm,
        head=recipe.head,
        sequence_length=recipe.sequence_length,
    )
