"""ResNet18 without its last layer: images in, 512 features per frame out (paper, section IV.B).

Shapes: N frames, S pixels of a side, C colours, T time steps, F features, I the axes of an image.
"""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.frames import MISSING
from models.recipe import NORMALISATIONS
from models.sizes import BACKBONE_FEATURES

# Ours: frames that go through the backbone at once where no gradient is wanted, which bounds the memory (0.6 GB at 224
# pixels); on one core of a CPU more are not faster.
FRAMES_PER_PASS = 64


# Ours, measured on one core (docs/log.md): a stage is faster with its channels last in memory where a map has
# more than a sixth as many places as channels; the last stages of small images are faster without.
CHANNELS_PER_PLACE = 6


def _resnet18() -> nn.Module:
    # Imported here: runs on action units need no torchvision.
    from torchvision.models import ResNet
    from torchvision.models.resnet import BasicBlock

    class ResNet18(ResNet):  # type: ignore[misc]  # torchvision has no types
        """torchvision's, with each stage's maps laid out in memory as its convolutions are fastest on a CPU."""

        def __init__(self) -> None:
            super().__init__(BasicBlock, [2, 2, 2, 2])
            self.fc = nn.Identity()

        def forward(self, x_NCSS: Tensor) -> Tensor:
            x_NCSS = x_NCSS.contiguous(memory_format=torch.channels_last)
            x_NCSS = self.maxpool(self.relu(self.bn1(self.conv1(x_NCSS))))
            for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
                block = stage[0].conv1
                side = -(-x_NCSS.shape[-1] // block.stride[0])
                colours_last = x_NCSS.is_cuda or side * side * CHANNELS_PER_PLACE > block.out_channels
                x_NCSS = stage(x_NCSS if colours_last else x_NCSS.contiguous())
            features_NF: Tensor = self.avgpool(x_NCSS).flatten(1)
            return features_NF

    return ResNet18()


BACKBONES: dict[str, Callable[[], nn.Module]] = {"resnet18": _resnet18}


def check_backbone(name: str) -> None:
    """Answer an unknown name with the known ones (ValueError)."""
    if name not in BACKBONES:
        raise ValueError(f"unknown backbone {name!r}: expected one of {', '.join(BACKBONES)}")


def new_backbone(name: str, *, seed: int | None = None, weights: Mapping[str, Tensor] | None = None) -> nn.Module:
    """Build a backbone on the CPU, from `seed` (None: from torch's generator, as a caller may have set it).

    `weights`, of `backbone_weights.load_backbone_weights`, replace all that was drawn; they are copied.
    """
    check_backbone(name)
    with torch.random.fork_rng(devices=[], enabled=seed is not None):
        if seed is not None:
            torch.default_generator.manual_seed(seed)
        backbone = BACKBONES[name]()
    if weights is not None:
        backbone.load_state_dict(weights)
    return backbone


def normalised(x_NSSC: Tensor, normalisation: str) -> Tensor:
    """Convert bytes (N, S, S, C) to floats (N, C, S, S): over 255, minus the mean, over the deviation of each colour.

    The colours stay last in memory, as the first convolutions want them.
    """
    assert x_NSSC.dtype == torch.uint8, x_NSSC.dtype
    mean_C11, sd_C11 = (
        torch.tensor(values, device=x_NSSC.device)[:, None, None] for values in NORMALISATIONS[normalisation]
    )
    x_NCSS = x_NSSC.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.channels_last)
    return x_NCSS.div_(255).sub_(mean_C11).div_(sd_C11)


def features_of(backbone: nn.Module, x_NI: Tensor, normalisation: str) -> Tensor:
    """Run a backbone over bytes (N, S, S, 3) or normalised floats (N, 3, S, S); gives float32 (N, F), also of no frame.

    On a GPU the backbone computes in bfloat16 (its weights stay float32), on a CPU in float32. Where neither
    gradients nor a batch's statistics are wanted it goes through FRAMES_PER_PASS frames at a time.
    """
    if not len(x_NI):
        return torch.zeros(0, BACKBONE_FEATURES, device=x_NI.device)
    at_once = len(x_NI) if backbone.training or torch.is_grad_enabled() else FRAMES_PER_PASS
    return torch.cat([_pass(backbone, part_NI, normalisation) for part_NI in torch.split(x_NI, at_once)])


def _pass(backbone: nn.Module, x_NI: Tensor, normalisation: str) -> Tensor:
    x_NCSS = normalised(x_NI, normalisation) if x_NI.dtype == torch.uint8 else x_NI
    if not x_NCSS.is_cuda:
        features_NF: Tensor = backbone(x_NCSS)
        return features_NF
    with torch.autocast("cuda", dtype=torch.bfloat16):
        features_NF = backbone(x_NCSS)
    return features_NF.float()


def frame_features(  # noqa: PLR0913 - what the features depend on, and how they are computed
    backbone: nn.Module,
    frames: NDArray[np.uint8],
    index_T: NDArray[np.int64],
    *,
    normalisation: str = "half",
    batch: int = FRAMES_PER_PASS,
    device: str | torch.device = "cpu",
) -> NDArray[np.float32]:
    """Compute (T, 512) features once, for a frozen backbone: those of each step's frame, 0 where there is none.

    `frames` is (N, S, S, 3), `index_T` as in `FrameSeries`; each stored frame is read once, `batch` at a time, and
    only if a step shows it. The backbone is left on the device in evaluation mode, its batch normalisations with
    their own statistics. Another `batch` may round the last bit differently.
    """
    backbone.to(device).eval()
    features_TF = np.zeros((len(index_T), BACKBONE_FEATURES), dtype=np.float32)
    valid_T = index_T != MISSING
    row_M, of_row_V = np.unique(index_T[valid_T], return_inverse=True)
    if not len(row_M):
        return features_TF
    with torch.inference_mode():
        parts = [
            features_of(
                backbone, torch.from_numpy(frames[row_M[start : start + batch]]).to(device), normalisation
            ).cpu()
            for start in range(0, len(row_M), batch)
        ]
    features_TF[valid_T] = torch.cat(parts).numpy()[of_row_V]
    return features_TF
