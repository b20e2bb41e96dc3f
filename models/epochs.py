"""One epoch of one model, and its evaluation: what training by folds and by clients have in common.

Shapes: B windows of a step, W windows, L window length, F features, 2 = valence and arousal.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.backbones import FRAMES_PER_PASS
from models.ccc import Moments
from models.losses import loss_of, target_of
from models.networks import AffectNetwork
from models.recipe import Recipe
from models.windows import Windows

# Ours: evaluation wants large batches (8 small windows cost as much as 100) of bounded memory.
FRAMES_PER_BATCH = 16_384


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Loss over the labelled frames, its weight, and the moments of both dimensions at frame level.

    `errors` has by dimension the mean absolute error of what the loss compares (frames, or windows' means) with its
    number; zeros where no rule for the best epoch asks for it.
    """

    loss: float
    count: int
    valence: Moments
    arousal: Moments
    errors: tuple[tuple[float, int], tuple[float, int]] = ((0.0, 0), (0.0, 0))


def new_adam(model: AffectNetwork, learning_rate: float) -> torch.optim.Adam:
    """Adam with torch's betas and epsilon (the paper says no more); fused takes a third of the time."""
    return torch.optim.Adam(model.parameters(), lr=learning_rate, fused=True)


def train_one_epoch(  # noqa: PLR0913, PLR0917 - everything an epoch depends on, and nothing hidden
    model: AffectNetwork,
    optimiser: torch.optim.Optimizer,
    windows: Windows,
    index_W: Tensor,
    recipe: Recipe,
    generator: torch.Generator,
) -> tuple[float, int]:
    """Train with one step per `windows_a_step` of the windows `index_W`, in the recipe's order.

    Windows without a labelled frame take no part. Returns the sum of the loss over the compared elements and
    their number; a sum that is not finite says that training diverged.
    """
    loss_of_batch, target = loss_of(recipe.loss), target_of(recipe.target)
    index_W = windows.labelled(index_W)
    if recipe.order == "shuffled":
        index_W = index_W[torch.randperm(len(index_W), generator=generator)]
    model.train()
    losses, counts = [], []
    for batch in windows.batches(torch.split(index_W, recipe.windows_a_step)):
        compared = target(model(batch.x_BLF, batch.length_B, batch.valid_BL), batch.gold_BL2, batch.mask_BL2)
        loss = loss_of_batch(*compared)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
        optimiser.step()
        losses.append(loss.detach())
        counts.append(compared[2].sum())
    # The gradients of k folds with a backbone would lie there while the others train, 45 MB each.
    optimiser.zero_grad()
    if not losses:
        return 0.0, 0
    count_S = torch.stack(counts)
    return float(torch.stack(losses).double() @ count_S.double()), int(count_S.sum())


def predict(model: AffectNetwork, windows: Windows, index_W: Tensor) -> Tensor:
    """Predict (W, L, 2) for the windows `index_W`, on the device of the windows."""
    model.eval()
    prediction_WL2 = windows.gold_WL2.new_zeros(len(index_W), windows.length, 2)
    # Whole windows first: few batches mix them with padded ones.
    order_W = torch.argsort(windows.length_W[index_W], descending=True, stable=True)
    with torch.inference_mode():
        frames = FRAMES_PER_BATCH if windows.rows is None else FRAMES_PER_PASS
        rows = torch.split(order_W, max(1, frames // windows.length))
        for rows_B, batch in zip(rows, windows.batches([index_W[rows_B] for rows_B in rows]), strict=True):
            prediction_WL2[rows_B] = model(batch.x_BLF, batch.length_B, batch.valid_BL).float()
    return prediction_WL2


def evaluate(model: AffectNetwork, windows: Windows, index_W: Tensor, recipe: Recipe) -> Evaluation:
    """Score the windows `index_W`; the loss is taken over all of them at once, whatever the batches."""
    index_W = windows.labelled(index_W)
    prediction_WL2 = predict(model, windows, index_W)
    at_W = index_W.to(windows.gold_WL2.device)
    return evaluation_of(prediction_WL2, windows.gold_WL2[at_W], windows.mask_WL2[at_W], recipe)


def evaluation_of(prediction_WL2: Tensor, gold_WL2: Tensor, mask_WL2: Tensor, recipe: Recipe) -> Evaluation:
    """Score predictions of labelled windows, all at once."""
    compared = target_of(recipe.target)(prediction_WL2, gold_WL2, mask_WL2)
    loss = float(loss_of(recipe.loss)(*compared))
    finite = bool(prediction_WL2[mask_WL2].isfinite().all())
    valence, arousal = (
        Moments.of(
            prediction_WL2[..., d][mask_WL2[..., d]].cpu().numpy(),
            gold_WL2[..., d][mask_WL2[..., d]].cpu().numpy(),
        )
        if finite
        else Moments.zero()
        for d in range(2)
    )
    return Evaluation(
        loss=loss if finite else float("nan"),
        count=int(compared[2].sum()),
        valence=valence,
        arousal=arousal,
        **({"errors": _absolute_errors(*compared)} if recipe.keep == "best-together" else {}),
    )


def _absolute_errors(prediction: Tensor, gold: Tensor, mask: Tensor) -> tuple[tuple[float, int], tuple[float, int]]:
    """Mean absolute error over the masked elements (..., 2) of each dimension, and their number; 0 without any."""
    error = (prediction - gold).abs().double()
    valence, arousal = (
        (float(error[..., d][mask[..., d]].mean()) if bool(mask[..., d].any()) else 0.0, int(mask[..., d].sum()))
        for d in range(2)
    )
    return valence, arousal
