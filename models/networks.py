"""The three recurrent networks with their head, and the ResNet18 trunk for images (paper, section IV.B).

Shapes: B windows, L window length, F features, H hidden times directions, 2 = valence and arousal,
N real frames of all windows, I the axes of an image.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from models import recurrences
from models.recurrences import Recurrence
from models.sizes import HEAD_NEURONS, NUM_DIMENSIONS, TRUNK_FEATURES, cell_of


def _rnn(num_features: int, hidden_size: int, num_layers: int) -> nn.RNN:
    return nn.RNN(num_features, hidden_size, num_layers, nonlinearity="tanh", batch_first=True)


def _bigru(num_features: int, hidden_size: int, num_layers: int) -> nn.GRU:
    return nn.GRU(num_features, hidden_size, num_layers, batch_first=True, bidirectional=True)


def _bilstm(num_features: int, hidden_size: int, num_layers: int) -> nn.LSTM:
    return nn.LSTM(num_features, hidden_size, num_layers, batch_first=True, bidirectional=True)


def _resnet18() -> nn.Module:
    # Imported here: runs on action units need no torchvision.
    from torchvision.models import resnet18

    trunk: nn.Module = resnet18(weights=None)
    trunk.fc = nn.Identity()
    return trunk


NETWORKS: dict[str, Callable[[int, int, int], Recurrence]] = {"rnn": _rnn, "bigru": _bigru, "bilstm": _bilstm}
TRUNKS: dict[str, Callable[[], nn.Module]] = {"resnet18": _resnet18}


class AffectNetwork(nn.Module):
    """Recurrence over the frames of a window, a head at every frame, and before both a trunk for images."""

    def __init__(self, recurrence: Recurrence, trunk: nn.Module | None = None) -> None:
        """Put a freshly initialised head on the recurrence."""
        super().__init__()
        self.trunk = trunk
        self.recurrence = recurrence
        width = recurrence.hidden_size * (2 if recurrence.bidirectional else 1)
        self.head = nn.Sequential(nn.Linear(width, HEAD_NEURONS), nn.ReLU(), nn.Linear(HEAD_NEURONS, NUM_DIMENSIONS))

    def forward(self, x_BLF: Tensor, length_B: Tensor | None = None) -> Tensor:
        """Predict (B, L, 2) from features (B, L, F), or from images (B, L, *I) with a trunk.

        `length_B` counts each window's real frames and lies on the CPU; None says that no window is padded.
        Padding changes no real frame; what is predicted for padding means nothing.
        """
        if length_B is not None and int(length_B.min()) == x_BLF.shape[1]:
            length_B = None
        if self.trunk is not None:
            x_BLF = _features_of_images(self.trunk, x_BLF, length_B)
        hidden_BLH = recurrences.run(self.recurrence, x_BLF, length_B)
        prediction_BL2: Tensor = self.head(hidden_BLH)
        return prediction_BL2


def _features_of_images(trunk: nn.Module, x_BLI: Tensor, length_B: Tensor | None) -> Tensor:
    """Run the trunk on real frames only: blank ones would bend the statistics of its batch normalisation."""
    batch, length = x_BLI.shape[:2]
    if length_B is None:
        flat: Tensor = trunk(x_BLI.flatten(0, 1))
        return flat.reshape(batch, length, -1)
    real_BL = (torch.arange(length) < length_B[:, None]).to(x_BLI.device)
    features_NF: Tensor = trunk(x_BLI[real_BL])
    features_BLF = features_NF.new_zeros(batch, length, features_NF.shape[-1])
    features_BLF[real_BL] = features_NF
    return features_BLF


def build(  # noqa: PLR0913 - Table I's columns
    network: str,
    *,
    num_features: int,
    hidden_size: int,
    num_layers: int,
    seed: int,
    trunk: str | None = None,
) -> AffectNetwork:
    """Build a network on the CPU whose weights depend on `seed` alone; the global generator stays as it was.

    With a trunk `num_features` is what the trunk puts out, 512. Unknown names are answered with the known
    ones (ValueError).
    """
    cell_of(network)
    if trunk is not None and trunk not in TRUNKS:
        raise ValueError(f"unknown trunk {trunk!r}: expected one of {', '.join(TRUNKS)}")
    assert trunk is None or num_features == TRUNK_FEATURES, f"the trunk puts out {TRUNK_FEATURES} features"
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return AffectNetwork(
            NETWORKS[network](num_features, hidden_size, num_layers),
            TRUNKS[trunk]() if trunk is not None else None,
        )
